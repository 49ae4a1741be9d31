//! Parts of logs: of a unit by `journalctl`, of a file by its bytes.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::io::{durable, node_run};
use crate::node::probe::{FileFrom, FilePart, UnitLog};

/// What journalctl says on stderr, with status 0, when it sees nothing of the system's journal.
const BLIND: [&str; 3] = [
    "No journal files were",
    "insufficient permissions",
    "not seeing messages from other users",
];

pub(super) fn journal(
    unit: &UnitLog,
    after: Option<&str>,
    limit: u64,
    timeout: Duration,
) -> Result<Vec<u8>, String> {
    let mut argv = vec![
        "journalctl".to_owned(),
        "--no-pager".into(),
        "--output=json".into(),
    ];
    match after {
        Some(cursor) => argv.push(format!("--after-cursor={cursor}")),
        None => argv.push(format!("--since=@{}", unit.since)),
    }
    match (&unit.invocation, after) {
        // The daemon's own lines, and systemd's about this start. Behind a cursor all of the unit's count:
        // the last words of a process that another one has followed since.
        (Some(id), None) => argv.extend([
            format!("_SYSTEMD_INVOCATION_ID={id}"),
            "+".into(),
            format!("INVOCATION_ID={id}"),
        ]),
        _ => argv.push(format!("--unit={}", unit.unit)),
    }
    let output = node_run::run_up_to(&argv, None, timeout, limit).map_err(|e| e.to_string())?;
    let said = output.stderr.trim();
    if !output.status.success() || is_blind(said) {
        let last = said.lines().last().unwrap_or_default();
        return Err(format!("journalctl, {}: {last}", output.status));
    }
    Ok(output.stdout.into_bytes())
}

/// Whether that is what journalctl says when it sees nothing of the system's journal.
pub(in crate::io) fn is_blind(said: &str) -> bool {
    BLIND.iter().any(|text| said.contains(text))
}

pub(super) fn file(path: &Path, from: FileFrom, limit: u64) -> Result<FilePart, String> {
    let shown = path.display();
    let cannot = |e: std::io::Error| format!("cannot read {shown}: {e}");
    let mut file = durable::open_file(path)
        .map_err(|e| e.to_string())?
        .ok_or_else(|| format!("{shown} does not exist"))?;
    let metadata = file.metadata().map_err(cannot)?;
    let len = metadata.len();
    let start = match from {
        FileFrom::End(back) => len.saturating_sub(back),
        FileFrom::Byte(at) => at.min(len),
    };
    file.seek(SeekFrom::Start(start)).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(FilePart {
        inode: metadata.ino(),
        len,
        start,
        bytes,
    })
}
