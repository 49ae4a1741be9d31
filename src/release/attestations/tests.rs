//! Attestations that count, and those that do not, one story each: a policy with people, a release, and
//! everything that somebody may sign about it.

mod envelopes;
mod people;
mod rebuilds;
mod times;

use jiff::Timestamp;
use serde_json::Value;

use super::{About, Logged, Offered, Row, Standing, Unmet, Wanted, rows, unmet};
use crate::attest::Envelope;
use crate::attest::approval::{Approval, Evidence};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::keys::seed::Seed;
use crate::log::VerifierKey;
use crate::release::policy::ReleasePolicy;
use crate::release::tag_rule::Author;
use crate::trust::policy::{ApprovalRule, KeyEntry, Pin, PolicyDocument, Purpose};

const TAG: &str = "phase1-sig-verify-1.0.0";
const BUILDER: Seed = Seed(2);
const BOB: Seed = Seed(10);
const BOBS_OTHER: Seed = Seed(11);
const CAROL: Seed = Seed(12);
/// Their keys have ended: by themselves, and because somebody ended them.
const EXPIRED: Seed = Seed(13);
const REVOKED: Seed = Seed(14);
const STRANGER: Seed = Seed(99);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Now, in every test.
fn now() -> Timestamp {
    at("2026-06-01T00:00:00Z")
}

fn policy() -> ReleasePolicy {
    let mut document = PolicyDocument::new("timed", "timed/relman-log");
    let log = VerifierKey::from_public("timed/relman-log", &Seed(1).public()).unwrap();
    document.log.vkeys.push(log.to_string());
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let ended = at("2026-03-01T00:00:00Z");
    let mut add = |key: Seed, person: &str, purpose, until| {
        let entry = KeyEntry::new(&key.public().into(), person, purpose, from, until);
        document.keys.push(entry.unwrap());
    };
    add(BUILDER, "alice", Purpose::Builder, until);
    for (key, person) in [(BOB, "bob"), (BOBS_OTHER, "bob"), (CAROL, "carol")] {
        add(key, person, Purpose::Approver, until);
    }
    add(EXPIRED, "dave", Purpose::Approver, ended);
    add(REVOKED, "erin", Purpose::Approver, ended);
    for (key, person) in [
        (Seed(20), "alice"),
        (Seed(21), "frank"),
        (Seed(22), "grace"),
    ] {
        add(key, person, Purpose::Rebuilder, until);
    }
    let erin = document.keys.iter_mut().find(|k| k.person == "erin");
    erin.unwrap().revoked = true;
    let bytes = ReleasePolicy::to_bytes(&document).unwrap();
    ReleasePolicy::parse(&bytes, Pin::of(&bytes)).unwrap()
}

fn commit() -> String {
    "c0".repeat(20)
}

fn archive() -> Sha256 {
    Sha256::of(b"the archive")
}

fn approval(role: &str) -> Approval {
    Approval {
        tag: TAG.into(),
        archive: archive(),
        commit: commit(),
        role: role.into(),
        comment: None,
        evidence: Vec::new(),
        time: at("2026-02-01T00:00:00Z"),
    }
}

fn signed(approval: &Approval, key: Seed) -> Envelope {
    Envelope::sign(&approval.statement().unwrap(), &key).unwrap()
}

/// In a log without witnesses.
fn logged(envelope: Envelope) -> Offered {
    Offered {
        envelope,
        logged: Some(Logged {
            index: 7,
            since: None,
        }),
    }
}

fn by(keys: &[Seed], role: &str) -> Vec<Offered> {
    let approvals = keys.iter().map(|key| signed(&approval(role), *key));
    approvals.map(logged).collect()
}

/// An envelope as JSON, changed.
fn changed(envelope: &Envelope, change: impl FnOnce(&mut Value)) -> crate::Result<Envelope> {
    let mut value = serde_json::from_slice(&envelope.to_line().unwrap()).unwrap();
    change(&mut value);
    Envelope::parse(&serde_json::to_vec(&value).unwrap())
}

fn judged(offered: &[Offered]) -> Vec<Row> {
    let commit = commit();
    rows(&policy(), &about(&commit, author_unknown()), offered)
}

fn author_unknown() -> Author {
    Author::Unknown("it is unsigned".into())
}

fn about(commit: &str, author: Author) -> About<'_> {
    About {
        tag: TAG,
        commit,
        archive: Some(archive()),
        author,
        builders: vec!["alice".into()],
        now: now(),
    }
}

#[track_caller]
fn standings(offered: &[Offered], want: &[Standing]) {
    let found = judged(offered);
    let standings: Vec<Standing> = found.iter().map(|row| row.standing).collect();
    assert_eq!(standings, want, "{found:#?}");
}

/// What of one approval rule is missing.
fn lacks(rule: &str, offered: &[Offered]) -> Option<Unmet> {
    lacks_with(rule, offered, author_unknown())
}

fn lacks_with(rule: &str, offered: &[Offered], author: Author) -> Option<Unmet> {
    let rules = [ApprovalRule::parse(rule).unwrap()];
    let wanted = Wanted {
        approvals: &rules,
        ..Wanted::default()
    };
    let (policy, commit) = (policy(), commit());
    let about = about(&commit, author);
    let rows = rows(&policy, &about, offered);
    unmet(&wanted, &policy, &about, &rows).pop()
}
