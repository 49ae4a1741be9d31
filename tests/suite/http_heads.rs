//! Conditional requests for the heads of a store: what "304 Not Modified" can stand for, and that it
//! stands for nothing that the node did not verify itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use relman::io::store_http::{HttpStore, KeptHeads};
use relman::store::Reader;
use tempfile::TempDir;

use super::http_store::{options, store};
use crate::common::http_script::{Asked, Reply, Script, Then, head, reply};

const HEAD: &str = "metadata/timestamp.json";

/// A node's state directory, in which verification puts what it accepted.
struct State(TempDir);

impl State {
    fn new() -> State {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("trust")).unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        State(dir)
    }

    fn verified(&self, bytes: &[u8]) {
        fs::write(self.0.path().join("trust/timestamp.json"), bytes).unwrap();
    }

    fn store(&self, server: &Script) -> HttpStore {
        let (store, _) = store(&server.url(), &options());
        store.keeping(KeptHeads::in_state(self.0.path()))
    }

    /// What is remembered beside the verified copies.
    fn remembered(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.0.path().join("http")) else {
            return Vec::new();
        };
        entries.map(|e| e.unwrap().path()).collect()
    }
}

/// A server with one version of everything.
fn honest(asked: &Asked) -> Reply {
    let lines = [
        "ETag: \"v1\"",
        "Last-Modified: Wed, 21 Oct 2026 07:28:00 GMT",
    ];
    match asked.header("if-none-match") {
        "\"v1\"" => head_304(),
        _ => reply("200 OK", &lines, b"version 1"),
    }
}

fn head_304() -> Reply {
    head("304 Not Modified", &["ETag: \"v1\""], Then::Keep)
}

#[test]
fn an_unchanged_head_comes_out_of_the_nodes_own_verified_copy() {
    let state = State::new();
    let server = Script::start(|_, asked| honest(asked));
    assert_eq!(
        state.store(&server).read(HEAD, 100).unwrap().unwrap(),
        b"version 1"
    );
    state.verified(b"version 1");
    for _ in 0..3 {
        assert_eq!(
            state.store(&server).read(HEAD, 100).unwrap().unwrap(),
            b"version 1"
        );
    }
    let asked = server.asked();
    assert_eq!(asked[0].header("if-none-match"), "");
    for asked in &asked[1..] {
        assert_eq!(asked.header("if-none-match"), "\"v1\"");
        assert_eq!(
            asked.header("if-modified-since"),
            "Wed, 21 Oct 2026 07:28:00 GMT"
        );
    }
    let modes: Vec<u32> = [state.0.path().join("http"), state.remembered().remove(0)]
        .map(|path| fs::metadata(path).unwrap().permissions().mode() & 0o777)
        .into();
    assert_eq!(modes, [0o700, 0o600]);
}

#[test]
fn bytes_that_were_refused_are_never_what_not_modified_stands_for() {
    let state = State::new();
    // Somebody in the server's place gives bad bytes the true version's name.
    let liar = Script::start(|n, asked| match n {
        0 => reply("200 OK", &["ETag: \"v1\""], b"planted"),
        _ => honest(asked),
    });
    let store = state.store(&liar);
    assert_eq!(store.read(HEAD, 100).unwrap().unwrap(), b"planted");
    // Verification refused them, so there is no copy, or an older one.
    assert_eq!(store.read(HEAD, 100).unwrap().unwrap(), b"version 1");
    state.verified(b"version 0");
    assert_eq!(store.read(HEAD, 100).unwrap().unwrap(), b"version 1");
    assert!(
        liar.asked()
            .iter()
            .all(|a| a.header("if-none-match").is_empty())
    );
}

#[test]
fn not_modified_without_having_been_asked_is_an_error() {
    let state = State::new();
    let server = Script::start(|_, _| head_304());
    for path in [HEAD, "log/checkpoint", "targets/x"] {
        let error = state.store(&server).read(path, 100).unwrap_err();
        assert!(error.to_string().contains("answered 304"), "{error}");
        assert!(state.store(&server).open(path).is_err());
    }
    assert_eq!(server.asked().len(), 6, "it is not asked twice");
}

#[test]
fn what_is_remembered_badly_costs_a_full_request_and_nothing_else() {
    type Damage = fn(&str) -> Vec<u8>;
    let damages: [Damage; 6] = [
        |_| Vec::new(),
        |_| b"{}".to_vec(),
        |_| vec![0xff; 100_000],
        |text| text.replace("http://", "http://other.").into_bytes(),
        |text| text.replace("\"sha256\":\"", "\"sha256\":\"0").into_bytes(),
        |text| text.replace("\"v1\\\"", "\"v1\\r\\nX: y").into_bytes(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let state = State::new();
        let server = Script::start(|_, asked| match asked.header("x") {
            "" => honest(asked),
            _ => panic!("a header was smuggled in"),
        });
        state.store(&server).read(HEAD, 100).unwrap();
        state.verified(b"version 1");
        let file = state.remembered().remove(0);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, damage(&text)).unwrap();
        let read = state.store(&server).read(HEAD, 100).unwrap();
        assert_eq!(read.unwrap(), b"version 1", "{number}");
        let asked = server.asked().remove(1);
        assert_eq!(asked.header("if-none-match"), "", "{number}");
    }
}

#[test]
fn a_wrong_version_name_can_freeze_a_head_for_an_hour_at_most() {
    let state = State::new();
    let server = Script::start(|_, asked| honest(asked));
    state.store(&server).read(HEAD, 100).unwrap();
    state.verified(b"version 1");
    let file = state.remembered().remove(0);
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let at = kept["at"].as_i64().unwrap();
    for (later, conditional) in [(3000, true), (3700, false), (-100, false)] {
        kept["at"] = (at - later).into();
        fs::write(&file, kept.to_string()).unwrap();
        state.store(&server).read(HEAD, 100).unwrap();
        let asked = server.asked().pop().unwrap();
        assert_eq!(
            asked.header("if-none-match").is_empty(),
            !conditional,
            "{later}"
        );
    }
}

#[test]
fn a_changed_head_and_other_objects_are_fetched_whole() {
    let state = State::new();
    let server = Script::start(|n, _| match n {
        0 => reply("200 OK", &["ETag: \"v1\""], b"version 1"),
        _ => reply("200 OK", &["ETag: \"v2\""], b"version 2"),
    });
    let store = state.store(&server);
    store.read(HEAD, 100).unwrap();
    state.verified(b"version 1");
    assert_eq!(store.read(HEAD, 100).unwrap().unwrap(), b"version 2");
    assert_eq!(server.asked()[1].header("if-none-match"), "\"v1\"");
    for _ in 0..2 {
        store.read("metadata/2.snapshot.json", 100).unwrap();
        assert_eq!(server.asked().pop().unwrap().header("if-none-match"), "");
    }
    assert_eq!(state.remembered().len(), 1);
}

#[test]
fn a_version_without_a_name_of_its_own_is_asked_for_without_conditions() {
    let state = State::new();
    let long = format!("ETag: \"{}\"", "x".repeat(600));
    // Written in the second in which it was sent: the next version may bear the same name.
    let young = "ETag: \"v1\"\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n\
                 Last-Modified: Wed, 21 Oct 2026 07:28:00 GMT";
    for lines in ["Server: plain", &long, young] {
        let lines = lines.to_owned();
        let server = Script::start(move |_, _| reply("200 OK", &[&lines], b"version 1"));
        state.store(&server).read(HEAD, 100).unwrap();
        assert_eq!(state.remembered(), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_state_directory_that_takes_nothing_stops_no_refresh() {
    let state = State::new();
    fs::write(state.0.path().join("http"), b"in the way").unwrap();
    let server = Script::start(|_, asked| honest(asked));
    assert_eq!(
        state.store(&server).read(HEAD, 100).unwrap().unwrap(),
        b"version 1"
    );
}
