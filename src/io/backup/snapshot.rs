//! Room `io`: snapshots of the data's filesystem, by the commands that `node.toml` names.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::{durable, node_run};
use crate::limits;
use crate::node::backup::manifest::SnapshotRecord;
use crate::node::config::backup::SnapshotCommands;

/// The snapshot that `name` is going to be.
pub(super) fn record(commands: &SnapshotCommands, name: &str) -> SnapshotRecord {
    SnapshotRecord {
        name: name.into(),
        path: commands.path.replace("{name}", name),
        delete: named(&commands.delete, name),
    }
}

fn named(argv: &[String], name: &str) -> Vec<String> {
    argv.iter().map(|a| a.replace("{name}", name)).collect()
}

/// Makes it.
pub(super) fn create(commands: &SnapshotCommands, name: &str, dir: &Path) -> Result<()> {
    run(&named(&commands.create, name), dir)
}

/// Removes it; one that is not there is no error.
pub(super) fn delete(record: &SnapshotRecord, dir: &Path) -> Result<()> {
    let done = run(&record.delete, dir);
    match durable::is_there(Path::new(&record.path)) {
        true => done.and_then(|()| {
            Err(Error::failed(format!(
                "the snapshot {} is still at {} after {}",
                record.name,
                record.path,
                record.delete.join(" ")
            )))
        }),
        // The command may well say that there is none.
        false => Ok(()),
    }
}

fn run(argv: &[String], dir: &Path) -> Result<()> {
    let timeout = Duration::from_secs(limits::MAX_SNAPSHOT_SECONDS);
    node_run::run(argv, Some(dir), timeout)?
        .ended_well(|status| format!("{} ended with {status}", argv.join(" ")))
        .map(|_| ())
        .map_err(|e| e.hint(argv.join(" ")))
}
