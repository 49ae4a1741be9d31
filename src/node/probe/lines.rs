//! Lines of a log: how bad each is, when it was written, and which are bad ones. Pure.
//!
//! Three forms are understood: what `journalctl --output=json` prints, JSON objects (also inside a
//! journal's message), and plain text with a level in front. A line's own level counts before the
//! journal's, since all that a daemon writes to stderr has one level there.

use jiff::Timestamp;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expect::pattern;
use super::{FileFrom, LogSource, Wire};
use crate::limits::{MAX_LOG_LINE_LEN, MAX_LOG_LINES, MAX_LOG_PART_LEN, MAX_SHOWN_VALUE};
use crate::node::config::probe::LineRules;

/// How bad a line is, as syslog has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Also trace.
    Debug,
    /// Nothing special.
    Info,
    /// Worth a look.
    Notice,
    /// Warnings.
    Warning,
    /// Errors.
    Error,
    /// Critical, fatal, panic.
    Critical,
    /// To be acted on at once.
    Alert,
    /// Nothing works.
    Emergency,
}

impl Level {
    /// Reads a level's word, in any case.
    pub fn parse(text: &str) -> Option<Level> {
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Level::Debug,
            "info" | "information" | "informational" => Level::Info,
            "notice" => Level::Notice,
            "warn" | "warning" => Level::Warning,
            "err" | "error" => Level::Error,
            "crit" | "critical" | "fatal" | "panic" => Level::Critical,
            "alert" => Level::Alert,
            "emerg" | "emergency" => Level::Emergency,
            _ => return None,
        })
    }

    /// From syslog's number.
    fn of_priority(number: u64) -> Option<Level> {
        let levels = [
            Level::Emergency,
            Level::Alert,
            Level::Critical,
            Level::Error,
            Level::Warning,
            Level::Notice,
            Level::Info,
            Level::Debug,
        ];
        levels.get(usize::try_from(number).ok()?).copied()
    }
}

/// How far a log has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Not at all.
    #[default]
    Start,
    /// A journal up to this cursor.
    Journal(String),
    /// So many bytes of the file with this number.
    File {
        /// Tells the file from one that takes its place.
        inode: u64,
        /// Bytes.
        at: u64,
    },
}

/// What one look at a log saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinesSeen {
    /// How far it is read now.
    pub place: Place,
    /// Bad lines, for each set of rules.
    pub bad: Vec<u64>,
    /// The first bad line, for each set of rules.
    pub first: Vec<Option<String>>,
    /// Lines that were judged.
    pub read: u64,
    /// Whether the log was read to its end.
    pub ended: bool,
    /// Lines that are gone, in words.
    pub lost: Option<String>,
}

/// Rules ready to be used.
#[derive(Clone, Debug)]
pub struct Rules {
    level: Option<Level>,
    patterns: Vec<Regex>,
    ignore: Vec<Regex>,
}

impl Rules {
    /// From what a configuration says.
    ///
    /// # Errors
    /// What is wrong with a pattern, in words.
    pub fn new(rules: &LineRules) -> Result<Rules, String> {
        let all = |texts: &[String]| {
            texts
                .iter()
                .map(|t| pattern(t))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Rules {
            level: rules.level,
            patterns: all(&rules.patterns)?,
            ignore: all(&rules.ignore)?,
        })
    }

    fn is_bad(&self, line: &Line) -> bool {
        let high = self.level.is_some_and(|least| line.level >= Some(least));
        let named = || self.patterns.iter().any(|p| p.is_match(&line.text));
        (high || named()) && !self.ignore.iter().any(|p| p.is_match(&line.text))
    }
}

/// One line.
#[derive(Debug, PartialEq)]
struct Line {
    text: String,
    level: Option<Level>,
    at: Option<Timestamp>,
}

/// Reads what a log has behind `place` and judges its lines; those written before `since` do not count.
///
/// # Errors
/// In words: it cannot be read, or is a journal without a line, from which nothing can be said.
pub fn read(
    wire: &dyn Wire,
    source: &LogSource,
    place: &Place,
    since: Timestamp,
    rules: &[Rules],
) -> Result<LinesSeen, String> {
    let seen = read_perhaps_none(wire, source, place, since, rules)?;
    match (source, place) {
        (_, Place::Journal(_)) => Ok(seen),
        (LogSource::Unit(unit), _) if seen.read == 0 => Err(format!(
            "the journal has no line of {}, not even systemd's own",
            unit.unit
        )),
        _ => Ok(seen),
    }
}

/// [`read`], where a journal may have no line: `since` may be long after the daemon's start.
///
/// # Errors
/// In words: it cannot be read.
pub fn read_perhaps_none(
    wire: &dyn Wire,
    source: &LogSource,
    place: &Place,
    since: Timestamp,
    rules: &[Rules],
) -> Result<LinesSeen, String> {
    let mut seen = LinesSeen {
        bad: vec![0; rules.len()],
        first: vec![None; rules.len()],
        ..LinesSeen::default()
    };
    match source {
        LogSource::Unit(unit) => {
            let after = match place {
                Place::Journal(cursor) => Some(cursor.as_str()),
                _ => None,
            };
            let bytes = wire.journal(unit, after, MAX_LOG_PART_LEN)?;
            seen.place = place.clone();
            seen.ended = (bytes.len() as u64) < MAX_LOG_PART_LEN;
            let mut last = None;
            for bytes in whole_lines(&bytes, true).0 {
                if seen.read >= MAX_LOG_LINES as u64 {
                    seen.ended = false;
                    break;
                }
                let Ok(Value::Object(entry)) = serde_json::from_slice(bytes) else {
                    // The last one may be cut; any other is none of journald's.
                    continue;
                };
                last = entry
                    .get("__CURSOR")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .or(last);
                seen.judge(&of_entry(&entry), rules);
            }
            if let Some(cursor) = last {
                seen.place = Place::Journal(cursor);
            }
        }
        LogSource::File { path, from } => {
            let is_first = !matches!(place, Place::File { .. });
            let start = match (place, from) {
                (Place::File { at, .. }, _) => FileFrom::Byte(*at),
                (_, Some(from)) => FileFrom::Byte(*from),
                (_, None) => FileFrom::End(MAX_LOG_PART_LEN),
            };
            let mut part = wire.file(path, start, MAX_LOG_PART_LEN)?;
            if let Place::File { inode, at } = place
                && (part.inode != *inode || part.len < *at)
            {
                seen.lost = Some("the log was put aside, and its last lines with it".into());
                part = wire.file(path, FileFrom::Byte(0), MAX_LOG_PART_LEN)?;
            }
            let at_end = part.start + part.bytes.len() as u64 >= part.len;
            let (lines, consumed) = whole_lines(&part.bytes, false);
            // Of a log that says when each line was written, those of an earlier run are left out.
            let mut counts = !is_first || from.is_some();
            let mut used = 0;
            for bytes in lines {
                if seen.read >= MAX_LOG_LINES as u64 {
                    break;
                }
                used += bytes.len() as u64 + 1;
                let line = of_text(&text_of(bytes));
                counts = line.at.map_or(counts, |at| at >= since);
                if counts {
                    seen.judge(&line, rules);
                }
            }
            let stopped = seen.read >= MAX_LOG_LINES as u64;
            let used = if stopped { used } else { consumed };
            seen.ended = at_end && !stopped;
            seen.place = Place::File {
                inode: part.inode,
                at: part.start + used,
            };
        }
    }
    Ok(seen)
}

impl LinesSeen {
    fn judge(&mut self, line: &Line, rules: &[Rules]) {
        self.read += 1;
        for ((rules, bad), first) in rules.iter().zip(&mut self.bad).zip(&mut self.first) {
            if rules.is_bad(line) {
                *bad += 1;
                first.get_or_insert_with(|| super::cut(&line.text, MAX_SHOWN_VALUE));
            }
        }
    }
}

/// The lines that are there whole, and the bytes that they take; a part without any line end that is
/// as long as a part may be is one line.
fn whole_lines(bytes: &[u8], with_last: bool) -> (Vec<&[u8]>, u64) {
    let end = match bytes.iter().rposition(|b| *b == b'\n') {
        Some(end) => end + 1,
        None if bytes.len() as u64 >= MAX_LOG_PART_LEN => bytes.len(),
        None => 0,
    };
    let whole = if with_last { bytes } else { &bytes[..end] };
    let lines = whole.split(|b| *b == b'\n');
    let lines: Vec<&[u8]> = lines.collect();
    let last = lines.len() - usize::from(lines.last().is_some_and(|l| l.is_empty()));
    (lines[..last].to_vec(), end as u64)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The part of a line that is held against patterns.
fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_LOG_LINE_LEN)].to_owned()
}

/// An entry of the journal.
fn of_entry(entry: &Map<String, Value>) -> Line {
    let text = match entry.get("MESSAGE") {
        Some(Value::String(text)) => text.clone(),
        // What is no UTF-8 is a list of bytes.
        Some(Value::Array(bytes)) => {
            let bytes = bytes
                .iter()
                .take(MAX_LOG_LINE_LEN)
                .filter_map(Value::as_u64);
            let bytes: Vec<u8> = bytes.filter_map(|b| u8::try_from(b).ok()).collect();
            text_of(&bytes)
        }
        _ => String::new(),
    };
    let mut line = of_text(&text);
    let priority = entry.get("PRIORITY").and_then(number);
    line.level = line.level.or(priority.and_then(Level::of_priority));
    line
}

/// When a line of a log file says that it was written.
pub fn written_at(text: &str) -> Option<Timestamp> {
    of_text(text).at
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn of_text(text: &str) -> Line {
    if text.trim_start().starts_with('{')
        && let Ok(Value::Object(members)) = serde_json::from_str(text)
    {
        return of_json(text, &members);
    }
    let mut level = None;
    let mut at = None;
    for word in text.split_whitespace().take(6) {
        let bare = word.trim_matches(|c: char| "[]()<>:|,".contains(c));
        if at.is_none() {
            at = bare.parse().ok();
        }
        let marked = word.len() > bare.len() || bare.chars().all(|c| c.is_ascii_uppercase());
        let named = ["level=", "lvl=", "severity="]
            .iter()
            .find_map(|key| bare.strip_prefix(key));
        level = match named {
            Some(word) => Level::parse(word.trim_matches('"')),
            None if marked => Level::parse(bare),
            None => None,
        };
        if level.is_some() {
            break;
        }
    }
    Line {
        text: bounded(text),
        level,
        at,
    }
}

fn of_json(text: &str, members: &Map<String, Value>) -> Line {
    let any = |keys: &[&str]| keys.iter().find_map(|key| members.get(*key));
    let level = any(&["level", "lvl", "severity", "PRIORITY"]).and_then(|value| match value {
        Value::String(word) => {
            Level::parse(word).or_else(|| Level::of_priority(word.parse().ok()?))
        }
        other => Level::of_priority(other.as_u64()?),
    });
    let at = any(&["ts", "time", "timestamp", "@timestamp"]).and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        other => seconds(other.as_f64()?),
    });
    Line {
        text: bounded(text),
        level,
        at,
    }
}

/// A time in seconds, or in parts of them: today's seconds have ten digits, milliseconds thirteen.
fn seconds(number: f64) -> Option<Timestamp> {
    let part = match number.abs() {
        n if n < 1e11 => 1.0,
        n if n < 1e14 => 1e3,
        n if n < 1e17 => 1e6,
        _ => 1e9,
    };
    Timestamp::from_second((number / part).floor() as i64).ok()
}

#[cfg(test)]
#[path = "lines/tests.rs"]
mod tests;
