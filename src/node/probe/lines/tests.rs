//! Stories of logs.

use std::path::Path;

use serde_json::json;

use super::super::{FilePart, Ran, Reply, UnitLog};
use super::*;
use crate::node::config::probe::Endpoint;

/// A log in memory.
struct Log(Vec<u8>);

impl Wire for Log {
    fn http(&self, _: &Endpoint, _: Option<&[u8]>, _: u64) -> Result<Reply, String> {
        Err("no network".into())
    }
    fn connect(&self, _: &str) -> Result<(), String> {
        Err("no network".into())
    }
    fn run(&self, _: &[String], _: &Path) -> Result<Ran, String> {
        Err("no programs".into())
    }
    fn journal(&self, _: &UnitLog, _: Option<&str>, limit: u64) -> Result<Vec<u8>, String> {
        let end = self.0.len().min(limit as usize);
        Ok(self.0[..end].to_vec())
    }
    fn file(&self, _: &Path, from: FileFrom, limit: u64) -> Result<FilePart, String> {
        let len = self.0.len() as u64;
        let start = match from {
            FileFrom::End(back) => len.saturating_sub(back),
            FileFrom::Byte(at) => at.min(len),
        };
        let end = (start + limit).min(len);
        Ok(FilePart {
            inode: 7,
            len,
            start,
            bytes: self.0[start as usize..end as usize].to_vec(),
        })
    }
}

fn errors() -> Vec<Rules> {
    vec![Rules {
        level: Some(Level::Error),
        patterns: vec![pattern("(?i)signature.*invalid").unwrap()],
        ignore: vec![pattern("harmless").unwrap()],
    }]
}

fn file(from: Option<u64>) -> LogSource {
    LogSource::File {
        path: "/log".into(),
        from,
    }
}

fn since() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

fn bad(text: &str) -> u64 {
    let log = Log(format!("{text}\n").into_bytes());
    read(&log, &file(Some(0)), &Place::Start, since(), &errors())
        .unwrap()
        .bad[0]
}

#[test]
fn a_lines_own_level_counts_in_json_in_logfmt_and_in_plain_text() {
    for text in [
        r#"{"level":"error","msg":"x"}"#,
        r#"{"severity":"CRITICAL","message":"x"}"#,
        r#"{"level":3}"#,
        r#"{"PRIORITY":"2"}"#,
        "2026-01-05T10:00:00Z ERROR it broke",
        "[2026-01-05T10:00:00Z] [error] it broke",
        "ts=1 level=error msg=x",
        "error: it broke",
        "PANIC in block 5",
        "info: block with Signature that is INVALID",
    ] {
        assert_eq!(bad(text), 1, "{text}");
    }
    for text in [
        r#"{"level":"info","msg":"no error"}"#,
        r#"{"level":"error","msg":"harmless"}"#,
        "there was no error found",
        "INFO errors: none",
        "level=warn msg=x",
        "{not json, no error",
        "",
    ] {
        assert_eq!(bad(text), 0, "{text}");
    }
}

#[test]
fn a_line_that_is_too_long_is_judged_by_its_level_all_the_same() {
    let text = "x".repeat(MAX_LOG_LINE_LEN * 2);
    assert_eq!(bad(&json!({"msg": text, "level": "error"}).to_string()), 1);
    let odd = "ä".repeat(MAX_LOG_LINE_LEN);
    assert_eq!(bad(&format!("x{odd}")), 0);
}

#[test]
fn lines_of_an_earlier_run_do_not_count_where_they_say_when_they_were_written() {
    let log = Log(
        b"{\"level\":\"error\",\"ts\":\"2026-01-05T08:59:59Z\"}\nERROR with no time\n{\"level\":\"info\",\"ts\":1767603600}\nERROR after it\n"
            .to_vec(),
    );
    let seen = read(&log, &file(None), &Place::Start, since(), &errors()).unwrap();
    assert_eq!(
        (seen.bad[0], seen.first[0].as_deref()),
        (1, Some("ERROR after it"))
    );
    // Where the log's length at the start is known, all behind it counts.
    let seen = read(&log, &file(Some(45)), &Place::Start, since(), &errors()).unwrap();
    assert_eq!(seen.bad[0], 2);
}

#[test]
fn a_log_is_read_on_from_where_the_last_look_ended_and_a_torn_line_waits() {
    let mut log = Log(b"ERROR one\nERROR tw".to_vec());
    let first = read(&log, &file(Some(0)), &Place::Start, since(), &errors()).unwrap();
    assert_eq!((first.bad[0], first.ended), (1, true));
    log.0.extend(b"o\n");
    let second = read(&log, &file(Some(0)), &first.place, since(), &errors()).unwrap();
    assert_eq!(
        (second.bad[0], second.first[0].as_deref()),
        (1, Some("ERROR two"))
    );
    // Put aside: the file is shorter than what was read of it.
    log.0 = b"ERROR new\n".to_vec();
    let third = read(&log, &file(Some(0)), &second.place, since(), &errors()).unwrap();
    assert_eq!((third.bad[0], third.lost.is_some()), (1, true));
}

#[test]
fn more_than_a_look_may_read_is_not_the_end() {
    let log = Log(b"x\n".repeat(MAX_LOG_LINES + 5));
    let first = read(&log, &file(Some(0)), &Place::Start, since(), &errors()).unwrap();
    assert_eq!((first.read, first.ended), (MAX_LOG_LINES as u64, false));
    let second = read(&log, &file(Some(0)), &first.place, since(), &errors()).unwrap();
    assert_eq!((second.read, second.ended), (5, true));
    let one_line = Log(vec![b'x'; MAX_LOG_PART_LEN as usize + 9]);
    let seen = read(&one_line, &file(Some(0)), &Place::Start, since(), &errors()).unwrap();
    assert_eq!(
        seen.place,
        Place::File {
            inode: 7,
            at: MAX_LOG_PART_LEN
        }
    );
}

#[test]
fn the_journals_entries_are_understood_and_an_empty_journal_is_unknown() {
    let entry = |cursor: &str, message: serde_json::Value, priority: &str| {
        format!(
            "{}\n",
            json!({"__CURSOR": cursor, "MESSAGE": message, "PRIORITY": priority})
        )
    };
    let text = [
        entry("a", json!("Started timed"), "6"),
        entry(
            "b",
            json!("{\"level\":\"error\",\"msg\":\"in stderr\"}"),
            "6",
        ),
        entry("c", json!([69, 82, 255]), "3"),
        entry("d", json!(null), "6"),
        "{\"__CURSOR\":\"e\",\"MESS".into(),
    ]
    .concat();
    let unit = LogSource::Unit(UnitLog {
        unit: "timed.service".into(),
        invocation: None,
        since: 0,
    });
    let seen = read(&Log(text.into()), &unit, &Place::Start, since(), &errors()).unwrap();
    assert_eq!((seen.bad[0], seen.read), (2, 4));
    assert_eq!(seen.place, Place::Journal("d".into()));
    let none = Log(Vec::new());
    assert!(read(&none, &unit, &Place::Start, since(), &errors()).is_err());
    assert_eq!(
        read(&none, &unit, &seen.place, since(), &errors())
            .unwrap()
            .read,
        0
    );
}
