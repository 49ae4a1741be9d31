//! Fetching receipts and journals of many nodes: the archive first, then the batch, so that neither waits for the other.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Result;
use crate::cli::args::Cli;
use crate::cli::desk::Desk;
use crate::cli::receipts;
use crate::fleet::config::NodeEntry;
use crate::io::fleet_ssh::SshHosts;
use crate::io::{clock, journals};
use crate::release::cut::Events;
use crate::ui::{Progress, text};

/// What is fetched, and where it goes.
pub(super) struct Gather<'a> {
    /// The environment.
    pub environment: &'a str,
    /// Its nodes.
    pub nodes: &'a [&'a NodeEntry],
    /// Journals from then on.
    pub since: Timestamp,
    /// The archive.
    pub path: &'a Path,
    /// The directory in it.
    pub name: &'a str,
    /// Nodes that are asked at the same time.
    pub parallel: usize,
}

/// What came of it.
pub(super) struct Collected {
    /// The archive.
    pub file: PathBuf,
    /// Each node: `node` `receipts` `problem`.
    pub rows: Vec<Value>,
    /// What is missing, and why.
    pub problems: Vec<String>,
    /// Lines about receipts that were taken in.
    pub taken: Vec<String>,
}

/// Asks all of them, writes the archive, and takes the receipts in.
///
/// # Errors
/// The archive cannot be written, or is there already. Everything else is a problem of what was collected.
pub(super) fn collect(
    cli: &Cli,
    hosts: &SshHosts,
    gather: &Gather,
    progress: &mut Progress,
) -> Result<Collected> {
    progress.stage(&format!("fetch from {} node(s)", gather.nodes.len()));
    let mut gathered = journals::gather(hosts, gather.nodes, gather.since, gather.parallel);
    let span = (gather.since, clock::now());
    journals::archive(
        gather.path,
        gather.name,
        gather.environment,
        span,
        &mut gathered,
    )?;
    let mut collected = Collected {
        file: gather.path.to_owned(),
        rows: Vec::new(),
        problems: Vec::new(),
        taken: Vec::new(),
    };
    let desk = Desk::open(cli, progress);
    if let Err(e) = &desk {
        let why = format!("receipts are not taken in here: {e}");
        collected.problems.push(why);
    }
    for one in &gathered {
        if let Err(why) = &one.journal {
            let why = format!("{}: no journal: {why}", one.node);
            collected.problems.push(why);
        }
        let taken = match (&one.receipts, &desk) {
            (Err(why), _) => Err(format!("no receipts: {why}")),
            (Ok(bytes), _) if bytes.is_empty() => Ok(None),
            (Ok(_), Err(_)) => Ok(None),
            // Verified under the policy before anything of them is kept.
            (Ok(bytes), Ok(desk)) => receipts::import(desk, bytes)
                .map(Some)
                .map_err(|e| format!("its receipts were refused: {e}")),
        };
        let (data, problem) = match taken {
            Ok(Some((said, data))) => {
                let first = said.lines().next().unwrap_or_default();
                let line = format!("{}: {first}", text::line(&one.node));
                collected.taken.push(line);
                (data, None)
            }
            Ok(None) => (Value::Null, None),
            Err(why) => {
                collected.problems.push(format!("{}: {why}", one.node));
                (Value::Null, Some(why))
            }
        };
        let row = json!({ "node": one.node, "receipts": data, "problem": problem });
        collected.rows.push(row);
    }
    Ok(collected)
}

impl Collected {
    /// What brings the pages that people read up to date.
    pub fn next(&self) -> String {
        let pages = "DEPLOYMENT_LOG.md, VERSION_HISTORY.md and CHANGELOG.md";
        match self.taken.is_empty() {
            true => format!("next: bring {pages} up to date: relman docs\n"),
            false => format!(
                "next: enter the receipts' digests in the log, and bring {pages} up to date: relman receipts push && relman docs\n"
            ),
        }
    }
}
