//! What a daemon wrote since some time, line by line: its unit's journal, or its log file. Nothing in it is believed, and
//! nothing in it is safe to show as it is.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;

use super::durable;
use super::node_run::{collect, last_lines};
use super::probe::is_blind;
use crate::error::{Context, Error, Result};
use crate::limits::{MAX_COMMAND_OUTPUT_LEN, MAX_JOURNAL_STREAM_LEN, MAX_LOG_LINE_LEN};
use crate::node::probe::LogSource;
use crate::node::probe::lines::written_at;

/// Whoever is given the lines, until it has seen enough.
pub type Taker<'a> = dyn FnMut(&str) -> Result<ControlFlow<()>> + 'a;

/// Gives each line of `source` since then to `take`, without its end, a very long one cut.
///
/// # Errors
/// Kind failed: the log cannot be read, or has more than [`MAX_JOURNAL_STREAM_LEN`] bytes.
pub fn read(source: &LogSource, since: Timestamp, take: &mut Taker<'_>) -> Result<()> {
    let mut bytes = 0;
    let mut counted = |line: &str| {
        bytes += line.len() as u64 + 1;
        match bytes > MAX_JOURNAL_STREAM_LEN {
            true => Err(Error::failed(format!(
                "the daemon wrote more than the {MAX_JOURNAL_STREAM_LEN} bytes that are printed"
            ))
            .hint("ask for less: a later --since")),
            false => take(line),
        }
    };
    match source {
        LogSource::Unit(unit) => of_unit(&unit.unit, since, &mut counted),
        LogSource::File { path, .. } => of_file(path, since, &mut counted),
    }
}

fn of_unit(unit: &str, since: Timestamp, take: &mut Taker<'_>) -> Result<()> {
    let mut child = Command::new("journalctl")
        .args(["--no-pager", "--utc", "--output=short-iso-precise"])
        .arg(format!("--since=@{}", since.as_second()))
        .arg(format!("--unit={unit}"))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .or_failed(|| "cannot run journalctl".into())?;
    let said = collect(child.stderr.take(), MAX_COMMAND_OUTPUT_LEN);
    let copied = match child.stdout.take() {
        // Remarks of journalctl's own begin like this; lines of a unit begin with a time.
        Some(pipe) => each_line(
            BufReader::new(pipe),
            &mut |line| match line.starts_with("-- ") {
                true => Ok(ControlFlow::Continue(())),
                false => take(line),
            },
        ),
        None => Ok(ControlFlow::Continue(())),
    };
    let is_whole = matches!(copied, Ok(ControlFlow::Continue(())));
    if !is_whole {
        let _ = child.kill();
    }
    let status = child
        .wait()
        .or_failed(|| "cannot wait for journalctl".into())?;
    let _ = copied?;
    let said = said.recv().unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    if is_whole && (!status.success() || is_blind(&said)) {
        let error = Error::failed(format!("journalctl gave no journal of {unit}, {status}"));
        return Err(last_lines(&said, 5)
            .into_iter()
            .fold(error, Error::caused_by)
            .hint("run it as root, or as a member of the group systemd-journal"));
    }
    Ok(())
}

fn of_file(path: &Path, since: Timestamp, take: &mut Taker<'_>) -> Result<()> {
    let shown = path.display();
    let file = durable::open_file(path)?
        .ok_or_else(|| Error::failed(format!("there is no log at {shown}")))?;
    let metadata = file
        .metadata()
        .or_failed(|| format!("cannot read {shown}"))?;
    // A line without a time belongs to the one before it; one before all of them may be as new as any.
    let mut counts = true;
    // A daemon that never stops writing has no end.
    each_line(BufReader::new(file.take(metadata.len())), &mut |line| {
        counts = written_at(line).map_or(counts, |at| at >= since);
        match counts {
            true => take(line),
            false => Ok(ControlFlow::Continue(())),
        }
    })
    .map(drop)
}

fn each_line(mut from: impl BufRead, take: &mut Taker<'_>) -> Result<ControlFlow<()>> {
    let mut line = Vec::new();
    let mut begun = false;
    loop {
        let part = match from.fill_buf() {
            Ok(part) => part,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Error::failed("the daemon's log cannot be read").caused_by(error));
            }
        };
        let end = part.iter().position(|b| *b == b'\n');
        let text = &part[..end.unwrap_or(part.len())];
        let room = MAX_LOG_LINE_LEN.saturating_sub(line.len());
        line.extend_from_slice(&text[..text.len().min(room)]);
        let used = end.map_or(part.len(), |at| at + 1);
        begun |= used > 0;
        from.consume(used);
        if begun && (end.is_some() || used == 0) {
            if take(&String::from_utf8_lossy(&line))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            line.clear();
            begun = false;
        }
        if used == 0 {
            return Ok(ControlFlow::Continue(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let reader = BufReader::with_capacity(3, text);
        let ended = each_line(reader, &mut |line| {
            lines.push(line.to_owned());
            Ok(ControlFlow::Continue(()))
        });
        assert!(ended.is_ok_and(|flow| flow.is_continue()));
        lines
    }

    #[test]
    fn lines_are_told_apart_however_they_come_and_the_last_may_have_no_end() {
        assert_eq!(
            lines(b"one\n\nthree is long\nend"),
            ["one", "", "three is long", "end"]
        );
        assert_eq!(lines(b""), [""; 0]);
        assert_eq!(lines(b"\n"), [""]);
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut text = vec![b'x'; 3 * MAX_LOG_LINE_LEN];
        text.extend(b"\nnext\n");
        let lines = lines(&text);
        assert_eq!(
            (lines[0].len(), lines[1].as_str()),
            (MAX_LOG_LINE_LEN, "next")
        );
    }

    #[test]
    fn a_reader_that_has_seen_enough_ends_it() {
        let mut count = 0;
        let ended = each_line(&b"a\nb\nc\n"[..], &mut |_| {
            count += 1;
            Ok(ControlFlow::Break(()))
        });
        assert!(ended.is_ok_and(|flow| flow.is_break()));
        assert_eq!(count, 1);
    }
}
