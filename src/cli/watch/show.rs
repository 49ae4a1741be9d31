//! How a watch is shown: the live view on a terminal, lines of text, or lines of JSON.

use std::time::Duration;

use super::words::{Told, Watched, time, told_of};
use crate::Result;
use crate::cli::args::{Cli, WatchLiveArgs};
#[cfg(feature = "view")]
use crate::io::screen::{Screen, Wish};
use crate::io::{clock, process};
use crate::ui::Progress;
use crate::ui::stream::Lines;
#[cfg(feature = "view")]
use crate::ui::watch_view::{self, Model};
use crate::watch::decision::Decision;
use crate::watch::engine::Engine;
use crate::watch::sample::Look;

/// Where it is shown.
pub(super) struct Show {
    json: bool,
    quiet: bool,
    told: Option<Told>,
    #[cfg(feature = "view")]
    screen: Option<Screen>,
    #[cfg(feature = "view")]
    model: Model,
}

impl Show {
    /// By what the arguments say and where stderr leads to.
    pub fn new(cli: &Cli, args: &WatchLiveArgs, title: String) -> Self {
        let json = args.json_lines || cli.json;
        let live = !json && !args.plain && !cli.quiet && process::can_ask();
        #[cfg(not(feature = "view"))]
        let _ = (live, title);
        Show {
            json,
            quiet: cli.quiet,
            told: None,
            #[cfg(feature = "view")]
            screen: match live && process::stderr_is_terminal() {
                // Lines do where no view can be had.
                true => Screen::open().ok(),
                false => None,
            },
            #[cfg(feature = "view")]
            model: Model {
                title,
                ..Model::default()
            },
        }
    }

    /// One look and what was decided on it.
    ///
    /// # Errors
    /// It cannot be shown.
    pub fn show(
        &mut self,
        look: &Look,
        decision: &Decision,
        engine: &Engine,
        watched: &Watched,
    ) -> Result<()> {
        if self.json {
            let mut out = Lines::stdout();
            // Nobody reads any more: the record goes on.
            let _ = out.print(&format!("{}\n", watched.event(decision)))?;
            return out.end();
        }
        #[cfg(feature = "view")]
        if let Some(screen) = &mut self.screen {
            fill(&mut self.model, look, decision, engine, watched);
            let model = &self.model;
            return screen.draw(|frame| watch_view::draw(frame, model));
        }
        #[cfg(not(feature = "view"))]
        let _ = (look, engine);
        let now = told_of(decision);
        if self.told.as_ref() != Some(&now) && !self.quiet {
            let mut out = Lines::stdout();
            let _ = out.print(&watched.told(decision))?;
            out.end()?;
            self.told = Some(now);
        }
        Ok(())
    }

    /// Something that happened.
    pub fn note(&mut self, note: &str, progress: &mut Progress) {
        #[cfg(feature = "view")]
        if self.screen.is_some() {
            self.model
                .notes
                .push(format!("{} {note}", time(clock::now().as_millisecond())));
            return;
        }
        progress.say(&format!("{} {note}", time(clock::now().as_millisecond())));
    }

    /// Waits; tells whether somebody wants to end it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn wait(&mut self, pause: Duration) -> Result<bool> {
        #[cfg(feature = "view")]
        if let Some(screen) = &mut self.screen {
            let end = clock::elapsed() + pause;
            loop {
                match screen.wait(end.saturating_sub(clock::elapsed()))? {
                    Wish::End => return Ok(true),
                    Wish::Nothing => return Ok(false),
                    Wish::Redraw => {
                        let model = &self.model;
                        screen.draw(|frame| watch_view::draw(frame, model))?;
                    }
                }
            }
        }
        clock::pause(pause);
        Ok(false)
    }

    /// Gives the terminal back.
    pub fn close(&mut self) {
        #[cfg(feature = "view")]
        drop(self.screen.take());
    }
}

/// Signals of nodes that have a column, where the policy has them.
#[cfg(feature = "view")]
const COLUMNS: [&str; 8] = [
    "up",
    "finality",
    "peers",
    "restarts",
    "finality-latency",
    "network-latency",
    "memory",
    "cpu",
];

/// Signals that have a picture.
#[cfg(feature = "view")]
const PICTURES: [&str; 3] = ["finality-latency", "network-latency", "memory"];

#[cfg(feature = "view")]
fn fill(model: &mut Model, look: &Look, decision: &Decision, engine: &Engine, watched: &Watched) {
    let columns = COLUMNS
        .iter()
        .filter(|c| matches!(**c, "peers" | "finality") || engine.policy().signal(c).is_some());
    let columns: Vec<&str> = columns.copied().collect();
    model.columns = ["node", "height"]
        .iter()
        .chain(&columns)
        .map(|c| (*c).to_owned())
        .collect();
    model.nodes = engine
        .nodes()
        .iter()
        .map(|node| {
            let sample = look.nodes.get(node);
            let chain = sample.map(|s| &s.chain);
            let mut cells = vec![node.clone()];
            cells.push(shown(chain.and_then(|c| c.height).map(|h| h as f64), ""));
            cells.extend(columns.iter().map(|signal| {
                let value = match *signal {
                    "peers" => chain.and_then(|c| c.peers).map(|p| p as f64),
                    "finality" => chain
                        .and_then(|c| c.is_final)
                        .map(|f| f64::from(u8::from(f))),
                    signal => sample.and_then(|s| s.values.get(signal)).copied(),
                };
                match (*signal, value) {
                    ("up" | "finality", Some(1.0)) => "yes".into(),
                    ("up" | "finality", Some(_)) => "NO".into(),
                    (signal, value) => {
                        let unit = engine.policy().signal(signal).map_or("", |s| &s.unit);
                        shown(value, unit)
                    }
                }
            }));
            cells
        })
        .collect();
    model.pasts = pasts(engine);
    let row = decision.strongest().or(decision.nearest());
    model.words = row.map(|r| watched.row(r)).into_iter().collect();
    if let Some(row) = decision.strongest() {
        model.words.extend(
            row.held_back_by
                .iter()
                .map(|why| format!("held back: {why}")),
        );
        model
            .words
            .extend(watched.command(row).map(|c| format!("run: {c}")));
    }
    model.words.extend(
        decision
            .unknowns()
            .into_iter()
            .take(3)
            .map(|u| format!("unknown: {u}")),
    );
    model.decision = Some(decision.clone());
}

/// The network's height, and of other signals the node that is highest now.
#[cfg(feature = "view")]
fn pasts(engine: &Engine) -> Vec<(String, Vec<u64>)> {
    let mut pasts = Vec::new();
    let heights = engine.recent(None, "block-height");
    if let Some((_, newest)) = heights.last() {
        // A counter's past is what it has grown by.
        let values = heights.iter().map(|(_, grown)| *grown as u64).collect();
        pasts.push((format!("blocks since the watch began: {newest}"), values));
    }
    for signal in PICTURES {
        let of_nodes = engine
            .nodes()
            .iter()
            .map(|node| (node, engine.recent(Some(node), signal)));
        let newest = |past: &[(i64, f64)]| past.last().map_or(f64::MIN, |(_, value)| *value);
        let highest = of_nodes
            .filter(|(_, past)| !past.is_empty())
            .max_by(|(_, a), (_, b)| newest(a).total_cmp(&newest(b)));
        if let Some((node, past)) = highest {
            let unit = engine.policy().signal(signal).map_or("", |s| &s.unit);
            let name = format!("{signal}, {node}: {}", shown(Some(newest(&past)), unit));
            // A picture has whole numbers; seconds are told apart by thousandths.
            let values = past
                .iter()
                .map(|(_, value)| (value * 1_000.0).max(0.0) as u64);
            pasts.push((name, values.collect()));
        }
    }
    pasts
}

#[cfg(feature = "view")]
fn shown(value: Option<f64>, unit: &str) -> String {
    match (value, unit) {
        (None, _) => "?".into(),
        (Some(value), "bytes") => format!("{} MB", (value / 1e6).round()),
        (Some(value), unit) => format!("{} {unit}", (value * 1_000.0).round() / 1_000.0)
            .trim_end()
            .to_owned(),
    }
}
