//! Downloads that break off: where they go on, and that no server can make them end wrongly or never.

use std::io::Read;
use std::time::Duration;

use relman::store::Reader;
use relman::store::http::HttpOptions;

use super::http_store::{options, store};
use crate::common::http_script::{Asked, Reply, Script, Then, head, reply};

/// An object with no period that a wrong splice could hide in.
fn object() -> Vec<u8> {
    (0..100_000u32).flat_map(u32::to_le_bytes).collect()
}

fn whole(headers: &[&str]) -> Reply {
    reply("200 OK", headers, &object())
}

/// What an honest server says to a range.
fn rest(asked: &Asked, headers: &[&str]) -> Reply {
    let object = object();
    let range = asked.header("range");
    let from = range
        .strip_prefix("bytes=")
        .and_then(|r| r.strip_suffix('-'));
    let Some(from) = from.and_then(|from| from.parse::<usize>().ok()) else {
        return whole(headers);
    };
    let line = format!(
        "Content-Range: bytes {from}-{}/{}",
        object.len() - 1,
        object.len()
    );
    let mut lines = vec![line.as_str()];
    lines.extend(headers);
    reply("206 Partial Content", &lines, &object[from..])
}

fn download(server: &Script) -> Result<Vec<u8>, String> {
    let (store, _) = store(&server.url(), &options());
    let mut stream = store.open("targets/x.tar.gz").unwrap().unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn a_download_that_broke_off_goes_on_where_it_was() {
    for (line, condition) in [
        ("ETag: \"v1\"", "\"v1\""),
        (
            "Last-Modified: Wed, 21 Oct 2026 07:28:00 GMT",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ),
        // A weak tag promises no equal bytes (RFC 9110, section 8.8.1).
        ("ETag: W/\"v1\"", ""),
    ] {
        let server = Script::start(move |n, asked| match n {
            0 => whole(&[line]).broken_off(300_000),
            1 => rest(asked, &[line]).broken_off(100_000),
            _ => rest(asked, &[line]),
        });
        assert_eq!(download(&server).unwrap(), object());
        let asked = server.asked();
        assert_eq!(asked.len(), 3, "{line}");
        assert_eq!(asked[0].header("range"), "");
        assert_eq!(asked[1].header("range"), "bytes=100000-");
        assert_eq!(asked[2].header("range"), "bytes=300000-");
        assert_eq!(asked[1].header("if-range"), condition);
        assert_eq!(asked[1].target, "/targets/x.tar.gz");
    }
}

#[test]
fn a_server_without_ranges_begins_anew_and_what_was_read_is_skipped() {
    let server = Script::start(|n, _| match n {
        0 => whole(&["ETag: \"v1\""]).broken_off(300_000),
        // Breaks within what has been read before.
        1 => whole(&[]).broken_off(350_000),
        _ => whole(&[]),
    });
    assert_eq!(download(&server).unwrap(), object());
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_range_that_does_not_exist_any_more_is_fetched_from_the_beginning() {
    let server = Script::start(|n, asked| match (n, asked.header("range")) {
        (0, _) => whole(&[]).broken_off(1000),
        (_, "") => whole(&[]),
        _ => reply(
            "416 Range Not Satisfiable",
            &["Content-Range: bytes */5"],
            b"",
        ),
    });
    assert_eq!(download(&server).unwrap(), object());
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn another_part_than_the_one_asked_for_is_refused() {
    for range in [
        "bytes 0-9/10",
        "bytes 399001-399999/400000",
        "",
        "bytes x-y/z",
    ] {
        let line = format!("Content-Range: {range}");
        let server = Script::start(move |n, _| match n {
            0 => whole(&[]).broken_off(1000),
            _ => reply("206 Partial Content", &[&line], &[b'x'; 1000]),
        });
        let error = download(&server).unwrap_err();
        assert!(
            error.contains("wanted bytes from 399000 on"),
            "{range}: {error}"
        );
        assert_eq!(server.asked().len(), 2, "{range}");
    }
}

#[test]
fn an_object_that_shrank_or_went_while_it_was_read_is_an_error() {
    let shrunk = Script::start(|n, _| match n {
        0 => whole(&[]).broken_off(1000),
        _ => reply("200 OK", &[], b"short"),
    });
    let error = download(&shrunk).unwrap_err();
    assert!(error.contains("became shorter"), "{error}");
    for status in ["404 Not Found", "304 Not Modified", "403 Forbidden"] {
        let gone = Script::start(move |n, _| match n {
            0 => whole(&[]).broken_off(1000),
            _ => reply(status, &[], b""),
        });
        let error = download(&gone).unwrap_err();
        assert!(error.contains(&status[..3]), "{error}");
        assert_eq!(gone.asked().len(), 2);
    }
}

#[test]
fn a_part_that_nobody_asked_for_is_no_object() {
    let server = Script::start(|_, _| {
        reply(
            "206 Partial Content",
            &["Content-Range: bytes 0-3/4"],
            b"part",
        )
    });
    let (store, _) = store(&server.url(), &options());
    for error in [
        store.read("x", 100).unwrap_err(),
        store.open("x").err().unwrap(),
    ] {
        assert!(error.to_string().contains("answered 206"), "{error}");
    }
}

#[test]
fn a_server_that_breaks_off_again_and_again_is_given_up() {
    // A byte more each time, which is no progress.
    let server = Script::start(|n, asked| match n {
        0 => whole(&[]).broken_off(399_999),
        _ => {
            let rest = rest(asked, &[]);
            let count = object().len() - n - 1;
            rest.broken_off(count)
        }
    });
    let error = download(&server).unwrap_err();
    assert!(error.contains("after 4 attempts"), "{error}");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_download_that_moves_on_may_break_off_often() {
    const PART: usize = 3 << 20;
    let big: Vec<u8> = (0..8 * PART / 4)
        .flat_map(|n| (n as u32).to_le_bytes())
        .collect();
    let wanted = big.clone();
    let server = Script::start(move |_, asked| {
        let range = asked.header("range");
        let from = range.trim_start_matches("bytes=").trim_end_matches('-');
        let from: usize = from.parse().unwrap_or(0);
        let line = format!(
            "Content-Range: bytes {from}-{}/{}",
            big.len() - 1,
            big.len()
        );
        let answer = match from {
            0 => reply("200 OK", &[], &big),
            _ => reply("206 Partial Content", &[&line], &big[from..]),
        };
        let left = big.len() - from;
        answer.broken_off(left.saturating_sub(PART))
    });
    assert_eq!(download(&server).unwrap(), wanted);
    assert_eq!(server.asked().len(), 8);
}

#[test]
fn failures_while_resuming_are_passed_over_like_any_other() {
    let server = Script::start(|n, asked| match n {
        0 => whole(&[]).broken_off(1000),
        1 => reply("503 Busy", &["Retry-After: 99"], b""),
        2 => reply("500 Oops", &["Connection: close"], b""),
        _ => rest(asked, &[]),
    });
    let (store, pauses) = store(&server.url(), &options());
    let mut bytes = Vec::new();
    let mut stream = store.open("x").unwrap().unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, object());
    let pauses = pauses.all();
    assert_eq!(pauses.len(), 3);
    assert_eq!(pauses[1].as_secs(), 30);
    assert!(pauses[2] < Duration::from_secs(1));
}

#[test]
fn a_connection_that_falls_silent_is_taken_up_again_and_not_called_slow() {
    let silent = HttpOptions {
        read_timeout: Duration::from_millis(150),
        rate_window: Duration::from_millis(50),
        // A busy machine may fall silent too.
        attempts: 50,
        ..options()
    };
    let server = Script::start(|n, _| match n % 2 {
        0 => head("200 OK", &["Content-Length: 400000"], Then::Keep),
        _ => whole(&[]),
    });
    let (store, _) = store(&server.url(), &silent);
    let mut bytes = Vec::new();
    let mut stream = store.open("x").unwrap().unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, object());
    assert_eq!(store.read("x", 400_000).unwrap().unwrap(), object());
}

#[test]
fn an_endless_download_is_bounded_by_its_reader() {
    let server = Script::start(|_, _| head("200 OK", &[], Then::Endless));
    let (store, _) = store(&server.url(), &options());
    let mut bytes = Vec::new();
    let stream = store.open("x").unwrap().unwrap();
    stream.take(1_000_001).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 1_000_001);
}
