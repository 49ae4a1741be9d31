//! `relman log show`: entries as a table, as one document or as a stream; one entry whole.

use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{Cli, LogShowArgs};
use crate::cli::project::store_and_root;
use crate::io::clock;
use crate::limits::MAX_SHOWN_ENTRIES;
use crate::release::chronicle::{Filter, Halted, Move, Told, halts, moves, tell};
use crate::release::leaf::Leaf;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::trust::time;
use crate::ui::stream::{Columns, Lines};
use crate::ui::{Answer, text};
use crate::{Error, Kind, Result};

/// What a table has for what is not there.
const NONE: &str = "-";
/// What marks an entry whose signature counts for nothing.
const BAD: &str = "NO";

/// Runs the command.
pub fn run(cli: &Cli, args: &LogShowArgs) -> Result<Answer> {
    let filter = filter(args)?;
    let (store, root) = store_and_root(cli, &args.store)?;
    let fetch = StoreMetadata(store.as_ref());
    let cache = Memory::new();
    let view = View::open(store.as_ref(), &fetch, &cache, &root, clock::now())?;
    let shelf = Shelf {
        store: store.as_ref(),
        view: &view,
    };
    match (args.index, args.json_lines, cli.json) {
        (Some(index), ..) => shelf.one(index),
        (None, true, _) => shelf.stream(&filter),
        (None, false, true) => shelf.document(&filter),
        (None, false, false) => shelf.table(&filter),
    }
}

fn filter(args: &LogShowArgs) -> Result<Filter> {
    let filter = Filter {
        release: args.release.clone(),
        kind: args.kind.clone(),
        person: args.person.clone(),
        environment: args.environment.clone(),
        from: args.from.as_deref().map(when).transpose()?,
        until: args.until.as_deref().map(when).transpose()?,
    };
    filter.check()?;
    Ok(filter)
}

fn when(text: &str) -> Result<Timestamp> {
    let midnight = format!("{text}T00:00:00Z");
    let found = time::parse(text).or_else(|| time::parse(&midnight));
    found.ok_or_else(|| {
        Error::usage(format!(
            "time {text:?}, wanted YYYY-MM-DDTHH:MM:SSZ or YYYY-MM-DD"
        ))
    })
}

/// An entry that was asked for, with what is said besides.
struct Shown<'a> {
    told: &'a Told,
    witnessed: Option<Timestamp>,
    moves: Vec<Move>,
    halts: Vec<Halted>,
}

struct Shelf<'a> {
    store: &'a dyn Reader,
    view: &'a View<'a>,
}

/// How many entries were shown, and how many of them do not count.
#[derive(Default)]
struct Count {
    shown: usize,
    bad: usize,
}

impl Shelf<'_> {
    /// Where an entry moves environments to. What cannot be read is for audits to tell.
    fn moves(&self, told: &Told) -> Result<Vec<Move>> {
        let Some(Leaf::Metadata(leaf)) = &told.leaf else {
            return Ok(Vec::new());
        };
        match moves(self.store, &self.view.policy, leaf) {
            Err(e) if e.kind() == Kind::Failed => Err(e),
            other => Ok(other.unwrap_or_default()),
        }
    }

    fn shown<'a>(&self, told: &'a Told) -> Result<Shown<'a>> {
        let halts = match &told.leaf {
            Some(Leaf::Metadata(leaf)) => halts(self.store, &self.view.policy, leaf),
            _ => Ok(Vec::new()),
        };
        Ok(Shown {
            told,
            witnessed: told.witnessed(self.store, self.view)?,
            moves: self.moves(told)?,
            halts: match halts {
                Err(e) if e.kind() == Kind::Failed => return Err(e),
                other => other.unwrap_or_default(),
            },
        })
    }

    fn each(
        &self,
        filter: &Filter,
        on: &mut dyn FnMut(Shown) -> Result<ControlFlow<()>>,
    ) -> Result<Count> {
        let mut count = Count::default();
        tell(self.view, &mut |told| {
            let runs = || {
                let moves = self.moves(told)?.into_iter();
                Ok(moves.map(|m| m.current.tag).collect())
            };
            if !filter.admits(told, &runs)? {
                return Ok(ControlFlow::Continue(()));
            }
            count.shown += 1;
            count.bad += usize::from(told.problem.is_some());
            on(self.shown(told)?)
        })?;
        Ok(count)
    }

    fn table(&self, filter: &Filter) -> Result<Answer> {
        let mut out = Lines::stdout();
        let asks = self.view.witnessed.is_some();
        let headings: &[&str] = match asks {
            true => &[
                "ENTRY",
                "SIGNED",
                "WITNESSED",
                "BY",
                "COUNTS",
                "KIND",
                "WHAT",
            ],
            false => &["ENTRY", "SIGNED", "BY", "COUNTS", "KIND", "WHAT"],
        };
        let mut columns = Columns::new(headings);
        let mut problems = Vec::new();
        let count = self.each(filter, &mut |shown| {
            if let Some(problem) = &shown.told.problem
                && problems.len() < MAX_TOLD_PROBLEMS
            {
                problems.push((shown.told.index, problem.clone()));
            }
            out.print(&columns.row(row(&shown, asks)))
        })?;
        if count.shown == 0 {
            return Ok(Answer::done(Value::Null, "no such entries\n"));
        }
        out.end()?;
        let mut rest = columns.end();
        for (index, problem) in &problems {
            let line = format!("entry {index} does not count: {problem}");
            rest.push_str(&format!("{}\n", text::line(&line)));
        }
        if count.bad > problems.len() {
            let more = count.bad - problems.len();
            rest.push_str(&format!("and {more} more do not count\n"));
        }
        Ok(ended(&count, Value::Null, rest))
    }

    fn stream(&self, filter: &Filter) -> Result<Answer> {
        let mut out = Lines::stdout();
        let count = self.each(filter, &mut |shown| {
            out.print(&format!("{}\n", value(&shown)))
        })?;
        out.end()?;
        Ok(ended(&count, Value::Null, String::new()))
    }

    fn document(&self, filter: &Filter) -> Result<Answer> {
        let mut entries = Vec::new();
        let count = self.each(filter, &mut |shown| {
            if entries.len() >= MAX_SHOWN_ENTRIES {
                return Err(Error::usage(format!(
                    "more than {MAX_SHOWN_ENTRIES} entries for one document"
                ))
                .hint("ask for fewer, or take them as a stream: relman log show --json-lines"));
            }
            entries.push(value(&shown));
            Ok(ControlFlow::Continue(()))
        })?;
        let head = self.view.history.checkpoint.head();
        let data = json!({
            "store": self.store.location(),
            "origin": self.view.policy.log_origin(),
            "size": head.size,
            "root": head.root,
            "entries": entries,
            "not_counting": count.bad,
        });
        Ok(ended(&count, data, String::new()))
    }

    fn one(&self, index: u64) -> Result<Answer> {
        let size = self.view.history.checkpoint.head().size;
        if index >= size {
            return Err(Error::failed(format!(
                "there is no entry {index}: the log has {size}, counted from 0"
            ))
            .hint("see what there is: relman log show"));
        }
        let mut answer = None;
        tell(self.view, &mut |told| {
            if told.index < index {
                return Ok(ControlFlow::Continue(()));
            }
            answer = Some(self.whole(&self.shown(told)?)?);
            Ok(ControlFlow::Break(()))
        })?;
        answer.ok_or_else(|| Error::bug(format!("entry {index} was not told")))
    }

    fn whole(&self, shown: &Shown) -> Result<Answer> {
        let told = shown.told;
        let mut rows: Vec<(&str, String)> = vec![
            (
                "entry",
                format!("{} of {}", told.index, self.view.policy.log_origin()),
            ),
            ("kind", told.kind()),
            ("leaf hash", told.leaf_hash.hex()),
            ("size", format!("{} bytes", told.entry.len())),
            ("signed", told.time().map_or(NONE.into(), text::time)),
        ];
        if let Some(at) = shown.witnessed {
            rows.push(("witnessed", text::time(at)));
        }
        rows.push((
            "counts",
            match &told.problem {
                None => "yes".into(),
                Some(problem) => format!("{BAD}: {problem}"),
            },
        ));
        for signer in &told.signers {
            rows.push((
                "signer",
                format!(
                    "{}, key {}, {}",
                    signer.person.as_deref().unwrap_or("somebody unknown"),
                    signer.keyid,
                    signer
                        .purpose
                        .as_deref()
                        .unwrap_or("which policy does not know")
                ),
            ));
        }
        let mut proofs = Vec::new();
        for path in &told.places {
            let there = self.store.open(path)?.is_some();
            let missing = if there { "" } else { " (missing)" };
            rows.push(("proof", format!("{path}{missing}")));
            proofs.push(json!({ "path": path, "there": there }));
        }
        let mut out: String = rows
            .iter()
            .map(|(name, value)| format!("{name:10}  {}\n", text::line(value)))
            .collect();
        for line in what(shown).lines().filter(|line| !line.is_empty()) {
            out.push_str(&format!("{:10}  {}\n", "what", text::line(line)));
        }
        out.push_str("statement\n");
        out.push_str(&statement_text(told));
        let mut data = value(shown);
        data["store"] = self.store.location().into();
        data["statement"] = json!(told.statement);
        data["signers"] = json!(told.signers);
        data["proofs"] = proofs.into();
        data["length"] = told.entry.len().into();
        Ok(match told.problem {
            None => Answer::done(data, out),
            Some(_) => Answer::findings(Kind::Refused, data, out),
        })
    }
}

/// Entries told of in words below a table, at most.
const MAX_TOLD_PROBLEMS: usize = 20;

fn ended(count: &Count, data: Value, text: String) -> Answer {
    match count.bad {
        0 => Answer::done(data, text),
        _ => Answer::findings(Kind::Refused, data, text),
    }
}

/// The statement as indented JSON, which escapes what could move a cursor; what is none as text.
fn statement_text(told: &Told) -> String {
    let text = match &told.statement {
        Some(statement) => format!("{:#}", json!(statement)),
        None => String::from_utf8_lossy(&told.entry).into_owned(),
    };
    let lines = text
        .lines()
        .map(|line| format!("  {}\n", text::whole_line(line)));
    lines.collect()
}

fn people(told: &Told) -> String {
    let people = told.people();
    match people.is_empty() {
        true => "somebody unknown".into(),
        false => people.join(", "),
    }
}

fn what(shown: &Shown) -> String {
    let moved = shown.moves.iter().map(|m| {
        format!(
            "{} runs {} since version {}",
            m.environment, m.current.tag, m.version
        )
    });
    let halted = shown.halts.iter();
    let halted = halted.map(|halted| halted.halt.line(&halted.people));
    let moved: Vec<String> = moved.chain(halted).collect();
    match moved.is_empty() {
        true => shown.told.what(),
        false => moved.join("; "),
    }
}

fn row(shown: &Shown, asks: bool) -> Vec<String> {
    let told = shown.told;
    let mut cells = vec![
        told.index.to_string(),
        told.time().map_or(NONE.into(), text::time),
    ];
    if asks {
        cells.push(shown.witnessed.map_or(NONE.into(), text::time));
    }
    cells.extend([
        text::line(&people(told)),
        match told.problem {
            None => "yes".into(),
            Some(_) => BAD.into(),
        },
        text::line(&told.kind()),
        text::line(&what(shown)),
    ]);
    cells
}

fn value(shown: &Shown) -> Value {
    let told = shown.told;
    let moves: Vec<Value> = shown
        .moves
        .iter()
        .map(|m| {
            json!({
                "environment": m.environment,
                "version": m.version,
                "release": m.current.tag,
                "agreed": m.people,
            })
        })
        .collect();
    json!({
        "index": told.index,
        "time": told.time().map(time::format),
        "witnessed": shown.witnessed.map(time::format),
        "people": told.people(),
        "counts": told.problem.is_none(),
        "problem": told.problem,
        "kind": told.kind(),
        "predicate_type": told.statement.as_ref().map(|s| s.predicate_type.as_str()),
        "release": told.leaf.as_ref().and_then(Leaf::tag),
        "what": what(shown),
        "moves": moves,
        "halts": shown.halts.iter().map(|halted| json!({ "halt": halted.halt, "signed": halted.people }))
            .collect::<Vec<_>>(),
        "leaf_hash": told.leaf_hash,
    })
}
