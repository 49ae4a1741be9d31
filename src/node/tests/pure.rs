//! Configuration, journal, history and plan as values.

use std::path::Path;

use crate::error::Kind;
use crate::node::config::{Control, NodeConfig, StoreLocation};
use crate::node::fake::CONFIG;
use crate::node::history::{Entry, History, Outcome};
use crate::node::journal::{Journal, Operation};
use crate::node::record::{check_version_name, version_of_tag};
use crate::node::template::{NewNode, node_toml};
use crate::store::http::{HttpOptions, Proxy};

fn parse(text: &str) -> crate::Result<NodeConfig> {
    NodeConfig::parse(text, Path::new("/etc/relman"))
}

#[test]
fn the_template_is_a_valid_configuration() {
    let node = NewNode {
        name: "timed".into(),
        environment: "testnet".into(),
        store: "https://example.org/r/".into(),
        root: "root.json".into(),
        binary: "timed".into(),
        path: "/usr/local/bin/timed".into(),
        unit: Some("timed.service".into()),
    };
    let config = parse(&node_toml(&node)).unwrap();
    assert_eq!(
        config.store,
        StoreLocation::Url("https://example.org/r".into())
    );
    assert_eq!(config.state, Path::new("/var/lib/relman/timed"));
    assert_eq!(config.root, Path::new("/etc/relman/root.json"));
    assert!(matches!(
        config.service.unwrap().control,
        Control::Systemd { unit } if unit == "timed.service"
    ));
    let odd = NewNode {
        store: "a \"quoted\"\\path".into(),
        unit: None,
        ..node
    };
    let odd = node_toml(&odd);
    assert!(parse(&odd).is_ok(), "{odd}");
}

#[test]
fn every_problem_of_a_configuration_is_reported() {
    let text = CONFIG
        .replace("\"timed\"\nstore", "\"../x\"\nstore")
        .replace("\"releases\"", "\"ftp://example.org\"")
        .replace("timeout_seconds = 3", "timeout_seconds = 0")
        .replace("/bin/timectl", "/state/timectl")
        .replace(
            "start = [\"/bin/timed\"]",
            "unit = \"-x.service\"\nstart = [\"a\"]",
        );
    let error = parse(&text).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let all = error.causes().join("\n");
    for wanted in [
        "name is",
        "store is",
        "timeout_seconds",
        "outside the state",
        "[service]",
    ] {
        assert!(all.contains(wanted), "{wanted} is not in:\n{all}");
    }
}

#[test]
fn unknown_keys_and_foreign_text_are_usage_errors() {
    for text in [
        "",
        "x = 1",
        "name = 3",
        &format!("{CONFIG}\nflavour = 1"),
        "\0",
    ] {
        assert_eq!(parse(text).unwrap_err().kind(), Kind::Usage);
    }
}

#[test]
fn how_a_store_behind_http_is_reached_is_read_and_held_to_its_bounds() {
    let with = |lines: &str| {
        let text = CONFIG.replace("\"releases\"", "\"https://r.example/timed\"");
        parse(&format!("{text}\n[http]\n{lines}"))
    };
    let http = with("ca = \"ca.pem\"\nproxy = \"http://p:3128\"\nattempts = 2\n")
        .unwrap()
        .http;
    assert_eq!(http.ca, Some("/etc/relman/ca.pem".into()));
    assert_eq!(http.proxy, Proxy::Url("http://p:3128".into()));
    assert_eq!(http.attempts, 2);
    assert_eq!(with("").unwrap().http, HttpOptions::default());
    assert_eq!(with("proxy = \"none\"").unwrap().http.proxy, Proxy::Direct);
    for (line, named) in [
        ("attempts = 0", "http.attempts is 0"),
        ("read_timeout_seconds = 0", "http.read_timeout_seconds is 0"),
        (
            "connect_timeout_seconds = 9999",
            "http.connect_timeout_seconds is 9999",
        ),
        (
            "download_timeout_seconds = 0",
            "http.download_timeout_seconds is 0",
        ),
        ("min_bytes_per_second = 0", "http.min_bytes_per_second is 0"),
        ("proxy = \"me:hunter2@p\"", "http.proxy"),
        ("insecure = true", "unknown field"),
    ] {
        let error = with(line).unwrap_err().to_string();
        assert!(
            error.contains(named) && !error.contains("hunter2"),
            "{line}: {error}"
        );
    }
}

#[test]
fn names_that_leave_the_versions_directory_are_refused() {
    for name in [
        "", ".", "..", "../x", "a/b", "a\nb", "-x", ".hidden", "ä", "a b",
    ] {
        assert!(check_version_name(name).is_err(), "{name:?}");
    }
    assert!(check_version_name(&"x".repeat(4096)).is_err());
    assert!(check_version_name("phase1-sig-verify-1.0.0-rc.1+b2").is_ok());
}

#[test]
fn the_version_of_a_tag_is_its_semver_end() {
    assert_eq!(version_of_tag("phase1-sig-verify-1.0.0"), Some("1.0.0"));
    assert_eq!(version_of_tag("phase1-x-1.0.0-rc.1"), Some("1.0.0-rc.1"));
    assert_eq!(version_of_tag("v1.4.35"), Some("1.4.35"));
    assert_eq!(version_of_tag("nightly"), None);
}

#[test]
fn a_journal_with_a_path_in_it_is_not_followed() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let journal = Journal::begin(Operation::Install, "x-1.0.0", Some("y".into()), now);
    let bytes = journal.to_bytes().unwrap();
    assert_eq!(Journal::from_bytes(&bytes).unwrap(), journal);
    let text = String::from_utf8(bytes).unwrap();
    for bad in [
        text.replace("x-1.0.0", "../../etc"),
        text.replace("\"y\"", "\"/etc\""),
        text.replace("\"schema\": 1", "\"schema\": 2"),
        text.replace("unpack", "explode"),
        String::new(),
    ] {
        let error = Journal::from_bytes(bad.as_bytes()).unwrap_err();
        assert!(error.hint_text().is_some());
    }
}

fn entry(operation: Operation, outcome: Outcome, tag: &str, previous: Option<&str>) -> Entry {
    Entry {
        at: "2030-01-01T00:00:00Z".into(),
        operation,
        outcome,
        tag: tag.into(),
        previous: previous.map(String::from),
        started: "2030-01-01T00:00:00Z".into(),
        reason: None,
        downtime_ms: None,
    }
}

#[test]
fn a_torn_last_line_of_the_history_counts_for_nothing() {
    let line = entry(Operation::Install, Outcome::Committed, "a", None).to_line();
    let mut bytes = line.clone();
    bytes.extend(b"not json\n");
    bytes.extend(&line[..line.len() / 2]);
    let history = History::parse(&bytes);
    assert_eq!((history.entries.len(), history.malformed), (1, 1));
}

#[test]
fn a_reverted_install_is_no_place_to_go_back_to() {
    use Operation::Install;
    let history = History {
        entries: vec![
            entry(Install, Outcome::Committed, "a", None),
            entry(Install, Outcome::Reverted, "b", Some("a")),
            entry(Install, Outcome::Committed, "c", Some("a")),
        ],
        malformed: 0,
    };
    let retained: Vec<String> = ["a", "b", "c"].map(String::from).into();
    assert_eq!(
        history.rollback_target("c", &retained).as_deref(),
        Some("a")
    );
    assert!(history.rolled_back_from("b").is_some());
    assert_eq!(history.rollback_target("c", &[]), None);
    assert_eq!(history.superfluous(&retained, &["c", "a"], 2), ["b"]);
}
