//! The record: what comes back from its bytes, what is refused, what is left out when it grows.

use super::*;
use crate::limits::{MAX_ROLLOUT_EVENTS, MAX_ROLLOUT_LEN};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-02-01T00:00:00Z")
}

fn ann() -> Holder {
    Holder {
        who: "ann at desk".into(),
        machine: "m".into(),
        process: 7,
        attempt: "x".into(),
    }
}

fn environment() -> Box<Environment> {
    let text = "[[environment]]\nname = \"mainnet\"\nwaves = [50, 100]\n[environment.network]\n\
                [[node]]\nname = \"m1\"\nssh = \"m1\"\nenvironment = \"mainnet\"\n";
    let dir = std::path::Path::new("/");
    let config = super::super::config::FleetConfig::parse(text, dir).unwrap();
    Box::new(config.environments[0].clone())
}

fn record(nodes: usize) -> Record {
    let id = RolloutId::new(now(), "mainnet", "1f0c93ab").unwrap();
    let names: Vec<String> = (0..nodes).map(|i| format!("m{i}")).collect();
    let work = Work::Stop {
        environment: environment(),
    };
    Record::new(id, work, &names, ann(), now())
}

#[test]
fn a_record_reads_as_it_was_written() {
    let mut record = record(3);
    record.enter("m1", Step::Stopping, now(), Some("at once"));
    record.wish("ben", Wanted::Pause, now()).unwrap();
    record.node_mut("m2").unwrap().back = Some(Back::Release("v1".into()));
    record.node_mut("m0").unwrap().back = Some(Back::Start);
    let bytes = record.to_bytes().unwrap();
    assert_eq!(Record::parse(&bytes).unwrap(), record);
}

#[test]
fn what_is_no_record_is_told() {
    let bytes = record(2).to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("\"format\": 1", "\"format\": 2"),
        ("-mainnet-", "-testnet-"),
        ("\"m1\"", "\"m0\""),
        ("\"m1\"", "\"../m1\""),
        ("\"revision\"", "\"more\": 1, \"revision\""),
        ("\"kind\": \"stop\"", "\"kind\": \"stop\", \"more\": 1"),
        ("\"running\"", "\"well\""),
        ("20260201T000000Z", "2026"),
        ("\"revision\": 0", "\"revision\": 0, \"revision\": 0"),
        ("\n}", "\n} x"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(Record::parse(changed.as_bytes()).is_err(), "{from} → {to}");
    }
}

#[test]
fn the_middle_of_many_events_is_left_out_and_no_node_is() {
    let mut record = record(2);
    for i in 0..MAX_ROLLOUT_EVENTS + 500 {
        record.note(now(), Some("m0"), &format!("event {i}"));
    }
    let bytes = record.to_bytes().unwrap();
    assert_eq!(record.events.len(), MAX_ROLLOUT_EVENTS);
    assert_eq!(record.events_left_out, 500);
    assert_eq!(record.events[0].what, "event 0");
    let last = &record.events[MAX_ROLLOUT_EVENTS - 1].what;
    assert_eq!(last, &format!("event {}", MAX_ROLLOUT_EVENTS + 499));
    assert_eq!(Record::parse(&bytes).unwrap().nodes.len(), 2);
}

#[test]
fn a_record_of_the_largest_fleet_stays_within_its_bound() {
    let mut record = record(crate::limits::MAX_FLEET_NODES);
    let long = "\u{1}".repeat(10_000);
    for i in 0..record.nodes.len() {
        let name = format!("m{i}");
        for step in [Step::Stopping, Step::Silent, Step::Failed] {
            record.enter(&name, step, now(), Some(&long));
        }
    }
    let bytes = record.to_bytes().unwrap();
    assert!(bytes.len() as u64 <= MAX_ROLLOUT_LEN);
    let read = Record::parse(&bytes).unwrap();
    assert!(read.nodes.iter().all(|n| n.step == Step::Failed));
}

#[test]
fn wishes_of_two_copies_come_together_once() {
    let mut driver = record(1);
    let mut copy = driver.clone();
    copy.wish("ben", Wanted::Pause, now()).unwrap();
    copy.wish("cat", Wanted::Abort, now()).unwrap();
    driver.adopt_wishes(&copy);
    driver.adopt_wishes(&copy);
    let taken: Vec<Wanted> = driver.take_wishes().iter().map(|w| w.wanted).collect();
    assert_eq!(taken, [Wanted::Pause, Wanted::Abort]);
    driver.adopt_wishes(&copy);
    assert!(driver.wishes.is_empty(), "answered ones do not come back");
    let mut late = copy.clone();
    late.wish("dan", Wanted::Yield, now()).unwrap();
    driver.adopt_wishes(&late);
    assert_eq!(driver.wishes.len(), 1);
}

#[test]
fn names_of_rollouts_are_names_of_files() {
    for text in [
        "",
        "..",
        "20260201T000000Z-mainnet",
        "20260201T000000Z-main/net-1f0c93ab",
        "20260201T000000Z-mainnet-1F0C93AB",
        "20260201T000000Z-mainnet-1f0c93ab.json",
        "2026-02-01T000000Z-mainnet-1f0c93ab",
    ] {
        assert!(RolloutId::parse(text).is_err(), "{text}");
    }
    let id = RolloutId::parse("20260201T000000Z-mainnet-1f0c93ab").unwrap();
    assert_eq!(id.environment(), "mainnet");
}
