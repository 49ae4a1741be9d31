//! The live view of a watch: nodes and their signals, recent pasts, the decision and what it rests on. Draws what it is
//! given; text of nodes is made harmless here.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table, Wrap};

use super::text;
use crate::watch::decision::{Decision, RowState, State, Verdict};
use crate::watch::policy::Action;

/// All that is shown.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Environment, rollout, policy, in one line.
    pub title: String,
    /// Columns of the table of nodes; the first is the node.
    pub columns: Vec<String>,
    /// Its rows: what is known, or `?`.
    pub nodes: Vec<Vec<String>>,
    /// Recent pasts: a name with the newest value, and values from 0 on.
    pub pasts: Vec<(String, Vec<u64>)>,
    /// What was decided.
    pub decision: Option<Decision>,
    /// The strongest row, or the nearest, in words, with the one command to run.
    pub words: Vec<String>,
    /// What was done or could not be.
    pub notes: Vec<String>,
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let nodes = u16::try_from(model.nodes.len()).unwrap_or(u16::MAX);
    let [head, table, middle, words, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Max(nodes.saturating_add(3)),
        Constraint::Min(6),
        Constraint::Length(7),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(title(model), head);
    frame.render_widget(node_table(model), table);
    let [matrix, pasts] =
        Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(middle);
    frame.render_widget(matrix_table(model), matrix);
    draw_pasts(frame, model, pasts);
    let lines: Vec<Line<'_>> = model
        .words
        .iter()
        .map(|w| Line::raw(text::line(w)))
        .collect();
    let block = Block::bordered().title(" decision ");
    frame.render_widget(
        Paragraph::new(lines).wrap(Wrap { trim: true }).block(block),
        words,
    );
    let note = model.notes.last().map(|n| text::line(n));
    let note =
        note.unwrap_or_else(|| "q ends the view; the record goes on being kept until then".into());
    frame.render_widget(
        Paragraph::new(note).style(Style::new().add_modifier(Modifier::DIM)),
        foot,
    );
}

fn title(model: &Model) -> Paragraph<'_> {
    let verdict = model.decision.as_ref().map(Decision::verdict);
    let word = verdict.map_or("begins", Verdict::word);
    let colour = match verdict {
        Some(Verdict::Healthy) => Color::Green,
        Some(Verdict::Firing) => Color::Red,
        Some(Verdict::Rising | Verdict::Unknown) | None => Color::Yellow,
    };
    Paragraph::new(Line::from(vec![
        Span::styled(
            format!(" {} ", word.to_uppercase()),
            Style::new()
                .fg(Color::Black)
                .bg(colour)
                .add_modifier(Modifier::BOLD),
        ),
        Span::raw(format!(" {}", text::line(&model.title))),
    ]))
}

fn node_table(model: &Model) -> Table<'_> {
    let width = Constraint::Fill(1);
    let head = model.columns.iter().map(|c| Cell::new(text::line(c)));
    let rows = model.nodes.iter().map(|cells| {
        Row::new(cells.iter().map(|cell| {
            let unknown = cell == "?";
            let style = match unknown {
                true => Style::new().fg(Color::Yellow),
                false => Style::new(),
            };
            Cell::new(text::line(cell)).style(style)
        }))
    });
    Table::new(rows, model.columns.iter().map(|_| width))
        .header(Row::new(head).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(" nodes "))
}

fn matrix_table(model: &Model) -> Table<'_> {
    let rows = model.decision.iter().flat_map(|d| {
        let mut rows: Vec<&RowState> = d.rows.iter().collect();
        // What calls for most comes first; the matrix's own order decides between equals.
        rows.sort_by_key(|r| std::cmp::Reverse((r.action, r.nearness, r.severity)));
        rows.into_iter().map(|row| {
            Row::new([
                text::line(&row.symptom),
                row.severity.word().to_owned(),
                state(row),
                format!("{} %", row.nearness),
            ])
            .style(Style::new().fg(colour(row)))
        })
    });
    let widths = [
        Constraint::Fill(3),
        Constraint::Length(8),
        Constraint::Fill(2),
        Constraint::Length(5),
    ];
    Table::new(rows, widths)
        .header(
            Row::new(["symptom", "severity", "state", "near"])
                .style(Style::new().add_modifier(Modifier::BOLD)),
        )
        .block(Block::bordered().title(" decision matrix "))
}

fn state(row: &RowState) -> String {
    match (row.action, row.next) {
        (Some(action), _) => action.word().to_uppercase(),
        (None, Some((next, left))) => format!("{} in {left} s", next.word()),
        (None, None) => row.state.word().to_owned(),
    }
}

fn colour(row: &RowState) -> Color {
    match (row.action, row.state) {
        (Some(Action::RollBack), _) => Color::Red,
        (Some(_), _) => Color::LightRed,
        (None, State::Rising) => Color::Yellow,
        (None, State::Unknown) => Color::LightYellow,
        (None, _) => Color::Reset,
    }
}

fn draw_pasts(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let each = model.pasts.iter().map(|_| Constraint::Fill(1));
    let areas = Layout::vertical(each).split(area);
    for ((name, values), area) in model.pasts.iter().zip(areas.iter()) {
        let width = usize::from(area.width.saturating_sub(2));
        let from = values.len().saturating_sub(width);
        let shown = values.get(from..).unwrap_or_default();
        let line = Sparkline::default()
            .data(shown)
            .block(Block::bordered().title(format!(" {} ", text::line(name))));
        frame.render_widget(line, *area);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::watch::engine::Engine;
    use crate::watch::policy::{Policy, template};
    use crate::watch::sample::{Look, NodeSample};

    fn shown(model: &Model, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        let lines = cells.chunks(usize::from(width)).map(|line| line.concat());
        lines.collect::<Vec<_>>().join("\n")
    }

    fn model() -> Model {
        let mut engine = Engine::new(Policy::parse(template()).unwrap(), vec!["n1".into()]);
        let mut node = NodeSample::default();
        node.set("log-corruption", Ok(0.0));
        let mut look = Look {
            at_ms: 1_770_000_000_000,
            nodes: [("n1".to_owned(), node)].into(),
            ..Look::default()
        };
        engine.look(&look);
        look.at_ms += 15_000;
        look.nodes
            .get_mut("n1")
            .unwrap()
            .set("log-corruption", Ok(1.0));
        Model {
            title: "mainnet, signed".into(),
            columns: vec!["node".into(), "height".into()],
            nodes: vec![vec!["n1".into(), "?".into()]],
            pasts: vec![("height 1000".into(), vec![1, 2, 3])],
            decision: Some(engine.look(&look)),
            words: vec!["Data corruption: n1 \u{1b}[2Jlog-corruption 1".into()],
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_fires_stands_first_and_is_told_in_words() {
        let page = shown(&model(), 120, 40);
        let matrix = page.lines().skip_while(|l| !l.contains("decision matrix"));
        let first = matrix.clone().nth(2).unwrap();
        assert!(
            first.contains("Data corruption") && first.contains("ROLL-BACK"),
            "{page}"
        );
        assert!(
            page.contains("FIRING") && page.contains("height 1000"),
            "{page}"
        );
        assert!(!page.contains('\u{1b}'), "a node's words drive no terminal");
    }

    #[test]
    fn a_small_terminal_shows_less_and_breaks_nothing() {
        for (width, height) in [(1, 1), (10, 3), (40, 12), (300, 100)] {
            shown(&model(), width, height);
        }
        shown(&Model::default(), 80, 24);
    }
}
