//! Signed results against a policy's gates.

use super::super::{GateResult, unmet, verified};
use super::{TAG, commit, failed, passed, time};
use crate::attest::Envelope;
use crate::keys::Signer;
use crate::keys::seed::Seed;
use crate::log::VerifierKey;
use crate::release::policy::ReleasePolicy;
use crate::trust::policy::{GateRule, KeyEntry, Pin, PolicyDocument, Purpose};

fn lacks(rule: &GateRule, results: &[(GateResult, bool)]) -> Vec<String> {
    unmet(std::slice::from_ref(rule), results, TAG, &commit())
}

fn rule(text: &str) -> GateRule {
    GateRule::parse(text).unwrap()
}

#[test]
fn a_gate_that_passed_meets_a_rule_without_more() {
    assert_eq!(lacks(&rule("test"), &[(passed(), true)]), [""; 0]);
    assert_eq!(lacks(&rule("test"), &[]), ["gate test is missing"]);
    assert_eq!(
        lacks(&rule("stress"), &[(passed(), true)]),
        ["gate stress is missing"]
    );
}

#[test]
fn the_newest_result_counts_and_of_two_at_once_the_failed_one() {
    let at = |mut result: GateResult, second| {
        result.time = time(second);
        (result, true)
    };
    let (old_good, old_bad) = (at(passed(), 1), at(failed(), 1));
    let (good, bad) = (at(passed(), 2), at(failed(), 2));
    let test = rule("test");
    assert_eq!(lacks(&test, &[good.clone(), old_bad]), [""; 0]);
    let said = "gate test failed at 2026-02-03T04:05:02Z: exited with 101, wanted 0";
    assert_eq!(lacks(&test, &[bad.clone(), old_good]), [said]);
    assert_eq!(lacks(&test, &[bad.clone(), good.clone()]), [said]);
    assert_eq!(lacks(&test, &[good, bad]), [said]);
}

#[test]
fn results_of_another_commit_tag_or_signer_are_missing_and_say_so() {
    let mut other = passed();
    other.commit = "cd".repeat(20);
    let said = lacks(&rule("test"), &[(other, true)]);
    assert_eq!(
        said,
        ["gate test is missing: there is a result for commit cdcdcdcd, wanted abababab"]
    );
    let mut other = passed();
    other.tag = "phase1-x-1.0.1".into();
    let said = lacks(&rule("test"), &[(other, true)]);
    assert_eq!(
        said,
        ["gate test is missing: there is a result for tag phase1-x-1.0.1"]
    );
    let said = lacks(&rule("test"), &[(passed(), false)]);
    assert_eq!(
        said,
        ["gate test is missing: its result is not signed by a gate key"]
    );
    let mut forged = passed();
    forged.time = time(59);
    let both = [(failed(), true), (forged, false)];
    assert!(lacks(&rule("test"), &both)[0].starts_with("gate test failed"));
}

#[test]
fn tests_coverage_and_command_are_held_against_the_rule() {
    let strict = GateRule {
        command: vec!["cargo".into(), "test".into(), "--all".into()],
        ..rule("test:tests=61:coverage=92")
    };
    let said = lacks(&strict, &[(passed(), true)]);
    assert_eq!(
        said,
        [
            "gate test has 60 tests that passed, wanted 61",
            "gate test has a coverage of 91.25 % (365 of 400), wanted 92 %",
            "gate test ran `cargo test`, wanted `cargo test --all`",
        ]
    );
    assert_eq!(
        lacks(&rule("test:tests=60:coverage=91"), &[(passed(), true)]),
        [""; 0]
    );
    let mut bare = passed();
    (bare.counts, bare.coverage) = (None, None);
    let said = lacks(&rule("test:tests=1:coverage=1"), &[(bare, true)]);
    assert_eq!(
        said,
        [
            "gate test counted no tests, wanted 1",
            "gate test measured no coverage, wanted 1 %"
        ]
    );
}

#[test]
fn only_keys_for_gates_count_and_only_while_they_are_valid() {
    let origin = "timed/relman-log";
    let mut document = PolicyDocument::new("timed", origin);
    let log = VerifierKey::from_public(origin, &Seed(1).public()).unwrap();
    document.log.vkeys.push(log.to_string());
    let entry = |seed: u8, purpose: Purpose, until: &str| {
        let from = "2026-01-01T00:00:00Z".parse().unwrap();
        let until = until.parse().unwrap();
        KeyEntry::new(&Seed(seed).public().into(), "ann", purpose, from, until).unwrap()
    };
    document.keys = vec![
        entry(2, Purpose::Gate, "2027-01-01T00:00:00Z"),
        entry(3, Purpose::Builder, "2027-01-01T00:00:00Z"),
        entry(4, Purpose::Gate, "2026-02-01T00:00:00Z"),
    ];
    let bytes = ReleasePolicy::to_bytes(&document).unwrap();
    let policy = ReleasePolicy::parse(&bytes, Pin::of(&bytes)).unwrap();
    let signed =
        |seed| Envelope::sign(&super::super::statement(&passed()).unwrap(), &Seed(seed)).unwrap();
    let counts = |envelope: &Envelope, now| {
        let found = verified(&policy, std::slice::from_ref(envelope), now);
        found.iter().map(|(_, counts)| *counts).collect::<Vec<_>>()
    };
    assert_eq!(counts(&signed(2), time(6)), [true]);
    assert_eq!(counts(&signed(3), time(6)), [false], "a builder's key");
    assert_eq!(counts(&signed(4), time(6)), [false], "a key that had ended");
    assert_eq!(counts(&signed(9), time(6)), [false], "an unknown key");
    let long_before = "2026-02-03T03:00:00Z".parse().unwrap();
    assert_eq!(counts(&signed(2), long_before), [false], "from the future");
    let text = String::from_utf8(signed(2).to_line().unwrap()).unwrap();
    let payload = text.find("payload\":\"").unwrap() + 60;
    let mut bytes = text.into_bytes();
    bytes[payload] = if bytes[payload] == b'A' { b'B' } else { b'A' };
    if let Ok(flipped) = Envelope::parse(&bytes) {
        assert!(!counts(&flipped, time(6)).contains(&true), "a flipped byte");
    }
}
