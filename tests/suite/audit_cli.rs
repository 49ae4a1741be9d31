//! `relman audit` for the auditor who comes later: judged by what held then, a store as it was,
//! increments, other people's heads, and a report for CI.

use std::fs;
use std::path::Path;

use relman::io::keyring::Keyring;
use relman::io::store_local::LocalStore;
use relman::keys::Signer;
use relman::release::config::Expiry;
use relman::release::leaf::{AnnouncementLeaf, Leaf, RollbackLeaf};
use relman::release::publish::{Planned, Publisher};
use relman::release::view::View;
use relman::store::stage::Authoritative;
use relman::trust::memory::Memory;
use relman::trust::refresh::StoreMetadata;

use super::environment_cli::promote;
use super::root_cli::{later, new_key, public, run_at};
use crate::common::relman::{NOW, Project, Run, SECOND, TAG, copy_tree};

const THIRD_DAY: &str = "2026-02-03T00:00:00Z";

fn text(path: &Path) -> &str {
    path.to_str().expect("paths are UTF-8")
}

fn audit(project: &Project, more: &[&str]) -> Run {
    run_at(project, THIRD_DAY, &[&["audit"], more].concat())
}

/// Enters a leaf that `key` signed, with every tool but an honest one.
fn enter(project: &Project, leaf: &Leaf, key: &dyn Signer, proof: &str) {
    let store = LocalStore::new(project.store());
    let root = fs::read(project.path("keys/root.json")).unwrap();
    let (fetch, cache, now) = (StoreMetadata(&store), Memory::new(), NOW.parse().unwrap());
    let view = View::open(&store, &fetch, &cache, &root, now).unwrap();
    let keys = Keyring::new(project.secrets());
    let publisher = Publisher {
        store: &store,
        keys: &keys,
        expiry: &Expiry::default(),
        now,
    };
    let entry = leaf.sign(key).unwrap();
    let planned = publisher.enter(&view, vec![(entry, proof.to_owned())]);
    let Planned::Ready(transaction) = planned.unwrap() else {
        panic!("keys are missing");
    };
    store.lease("test").unwrap().publish(&transaction).unwrap();
}

fn announcement() -> Leaf {
    Leaf::Announcement(AnnouncementLeaf {
        tag: TAG.into(),
        archive: relman::hash::Sha256::of(b"x"),
        environment: "mainnet".into(),
        at: THIRD_DAY.parse().unwrap(),
        window_minutes: 60,
        downtime_minutes: 5,
        time: NOW.parse().unwrap(),
    })
}

#[test]
fn an_erased_key_counted_when_it_signed_and_the_audit_says_both() {
    let project = Project::published("audit-erased");
    let (old, new) = (
        public(&project, "publisher"),
        new_key(&project, "publisher.new"),
    );
    let rotate = [
        "root",
        "rotate",
        "publisher",
        &old,
        &new,
        "--erase",
        "--yes",
    ];
    later(&project, &rotate).exits(0);
    let run = audit(&project, &[]).exits(0);
    run.says(&[
        "2 log entries (0 to 2) signed by",
        "counted under the policy of root 1, when they were logged",
        "under that of root 2 they count for nothing: the key is not in it any more",
        "(counts no more)",
    ]);
}

#[test]
fn a_key_that_counts_only_under_a_later_policy_did_not_count_then() {
    let project = Project::published("audit-early");
    let public = new_key(&project, "publisher.bob");
    let key = Keyring::new(project.secrets());
    let key = key.require("publisher.bob").unwrap();
    let proof = format!("{TAG}/announcement-mainnet-1.tlog-proof");
    enter(&project, &announcement(), &key, &proof);
    audit(&project, &[]).exits(3).says(&[
        "log entry 3: did not count when it was logged: no key of any policy verifies",
        "the policy of root 1 names for publisher",
    ]);
    let add = [
        "root",
        "add",
        "publisher",
        &public,
        "--person",
        "bob",
        "--yes",
    ];
    project.relman(&add).exits(0);
    audit(&project, &[]).exits(3).says(&[
        "log entry 3: did not count when it was logged: it is signed by",
        "the policy of root 1 names for publisher",
        "it would count under today's policy, which came later",
    ]);
}

#[test]
fn a_key_of_another_purpose_signs_no_leaf() {
    let project = Project::published("audit-purpose");
    let builder = Keyring::new(project.secrets()).require("builder").unwrap();
    let proof = format!("{TAG}/announcement-mainnet-1.tlog-proof");
    enter(&project, &announcement(), &builder, &proof);
    audit(&project, &[])
        .exits(3)
        .says(&["log entry 3: did not count when it was logged: it is signed by"]);
}

#[test]
fn rules_that_came_after_a_release_are_told_and_are_no_finding() {
    let project = Project::published("audit-stricter");
    promote(&project, TAG, "testnet").exits(0);
    let set = ["root", "set", "cut", "--approvals", "qa", "--yes"];
    later(&project, &set).exits(0);
    later(&project, &["verify", TAG]).exits(3);
    audit(&project, &[]).exits(0).says(&[
        &format!("warning: {TAG} was right when it was published"),
        "under the policy of root 2 no node installs it",
        "approval qa",
    ]);
}

#[test]
fn a_store_is_shown_as_it_was() {
    let project = Project::published("audit-at");
    promote(&project, TAG, "testnet").exits(0);
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    later(&project, &["promote", SECOND, "--to", "testnet"]).exits(0);
    let yank = [
        "yank",
        TAG,
        "--level",
        "withdrawn",
        "--reason",
        "loses coins",
    ];
    run_at(&project, THIRD_DAY, &yank).exits(0);
    audit(&project, &[]).exits(0);

    let at = |when: &str| {
        let run = audit(&project, &["--at", when, "--json"]).exits(0);
        run.json()["data"].clone()
    };
    let first = at("2026-02-01");
    let as_of = &first["as_of"];
    assert_eq!(as_of["entries"], 4, "{first:#}");
    assert_eq!(as_of["told_by"], "signers");
    assert_eq!(as_of["releases"][0]["tag"], TAG);
    assert_eq!(as_of["releases"].as_array().unwrap().len(), 1);
    let ran = serde_json::json!([{"name": "testnet", "version": 2, "tag": TAG}]);
    assert_eq!(as_of["environments"], ran);
    assert_eq!(first["history"].as_array().unwrap().len(), 4);

    let second = at("2026-02-02T12:00:00Z");
    let as_of = &second["as_of"];
    assert_eq!(as_of["entries"], 7, "{second:#}");
    assert_eq!(as_of["releases"].as_array().unwrap().len(), 2);
    assert_eq!(as_of["releases"][0]["yanked"], serde_json::Value::Null);
    assert_eq!(as_of["environments"][0]["tag"], SECOND);
    let third = at(THIRD_DAY);
    assert_eq!(
        third["as_of"]["releases"][0]["yanked"]["level"],
        "withdrawn"
    );
    audit(&project, &["--at", "2026-02-01"]).exits(0).says(&[
        "as of 2026-02-01 23:59:59Z: 4 log entries, by the word of those who signed them",
        &format!("testnet ran {TAG} since version 2"),
        "note: which timestamp was published then",
    ]);
    audit(&project, &["--at", "2026-01-01"])
        .exits(3)
        .says(&["nothing in this log is known to be as old as"]);
    audit(&project, &["--at", "yesterday"]).exits(2);
}

#[test]
fn an_increment_looks_at_what_is_new_and_at_nothing_else() {
    let project = Project::published("audit-since");
    let saved = project.beside("seen.checkpoint");
    let save = ["--save-checkpoint", text(&saved)];
    audit(&project, &save).exits(0);
    let signed = fs::read(project.store().join("log/checkpoint")).unwrap();
    assert_eq!(fs::read(&saved).unwrap(), signed);
    let since = ["--since", text(&saved)];
    audit(&project, &since)
        .exits(0)
        .says(&["0 entries, each signed", "0 new releases"]);

    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    promote(&project, TAG, "testnet").exits(0);
    let run = audit(&project, &[&since[..], &["--json"]].concat()).exits(0);
    let data = run.json()["data"].clone();
    assert_eq!((&data["since"], &data["entries"]), (&3.into(), &3.into()));
    // Damage in what was audited before is not looked for, and in what is new it is.
    let archive = |tag: &str| project.store().join(tag).join(format!("{tag}.tar.gz"));
    let flipped = project.copy();
    let old = flipped.store().join(TAG).join("RELEASE_NOTES.md");
    crate::common::relman::flip(&old);
    audit(&flipped, &since).exits(0);
    audit(&flipped, &[]).exits(3).says(&["RELEASE_NOTES.md"]);
    let new = archive(SECOND);
    let new = flipped.path(text(new.strip_prefix(project.repo()).unwrap()));
    crate::common::relman::flip(&new);
    audit(&flipped, &since).exits(3).says(&[SECOND]);
    // What was found is not forgotten by the next increment.
    let again = flipped.beside("again");
    audit(&flipped, &["--save-checkpoint", text(&again)])
        .exits(3)
        .says(&["was not written"]);
    assert!(!again.exists());
}

#[test]
fn others_who_saw_less_or_more_or_the_same_agree_and_strangers_are_no_evidence() {
    let project = Project::published("audit-against");
    let before = project.beside("before");
    copy_tree(&project.store(), &before);
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    let (store, head) = (project.store(), project.store().join("log/checkpoint"));
    let older = before.join("log/checkpoint");
    let all = ["--against", text(&before), "--against", text(&head)];
    let all = [&all[..], &["--against", text(&older)]].concat();
    audit(&project, &all).exits(0).says(&["older", "equal"]);

    let behind = ["audit", "--store", text(&before), "--against"];
    run_at(
        &project,
        THIRD_DAY,
        &[&behind[..], &[text(&store)]].concat(),
    )
    .exits(0)
    .says(&["newer", "this store is behind"]);
    let alone = project.beside("alone");
    fs::copy(&head, &alone).unwrap();
    run_at(
        &project,
        THIRD_DAY,
        &[&behind[..], &[text(&alone)]].concat(),
    )
    .exits(3)
    .says(&["cannot be compared without its log", "may be stale"]);

    let stranger = Project::published("audit-stranger");
    let strange = stranger.store();
    audit(&project, &["--against", text(&strange)])
        .exits(3)
        .says(&["is not signed by the log's key, so it is no evidence"]);
    audit(&project, &["--against", "nowhere"]).exits(3);
    assert!(!project.path("nowhere").exists());
}

#[test]
fn a_report_for_ci_is_well_formed_xml_with_a_case_for_everything() {
    let project = Project::published("audit-junit");
    let file = project.beside("audit.xml");
    audit(&project, &["--junit", text(&file)]).exits(0);
    let whole = fs::read_to_string(&file).unwrap();
    let cases = elements(&whole);
    let count = |name: &str| cases.iter().filter(|n| *n == name).count();
    assert_eq!(count("testsuite"), 7, "{whole}");
    assert!(count("testcase") > 8 && count("failure") == 0, "{whole}");
    assert!(whole.contains(&format!("name=\"{TAG}\"/>")), "{whole}");

    let notes = project.store().join(TAG).join("RELEASE_NOTES.md");
    crate::common::relman::flip(&notes);
    fs::write(project.store().join("targets/\u{1b}<&\">"), "x").unwrap();
    audit(&project, &["--junit", text(&file)]).exits(3);
    let broken = fs::read_to_string(&file).unwrap();
    let cases = elements(&broken);
    assert_eq!(
        cases.iter().filter(|n| *n == "failure").count(),
        2,
        "{broken}"
    );
}

/// The names of all elements, by a reader of XML.
fn elements(text: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(e) | quick_xml::events::Event::Empty(e) => {
                names.push(String::from_utf8(e.name().as_ref().to_vec()).unwrap());
            }
            quick_xml::events::Event::Eof => return names,
            _ => {}
        }
    }
}

#[test]
fn the_history_is_as_long_as_it_was_asked_for() {
    let project = Project::published("audit-history");
    let run = audit(&project, &["--history", "1"]).exits(0);
    run.says(&["2 earlier entries are not shown: --history all"]);
    let run = audit(&project, &["--history", "all", "--json"]).exits(0);
    let data = run.json()["data"].clone();
    assert_eq!(data["history"].as_array().unwrap().len(), 3);
    assert_eq!(data["history_left_out"], 0);
    audit(&project, &["--history", "many"]).exits(2);
}

#[test]
fn a_rollback_between_releases_that_the_log_does_not_have_is_found() {
    let project = Project::published("audit-rollback");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let key = Keyring::new(project.secrets());
    let key = key.require("publisher").unwrap();
    let digest = |tag: &str| {
        let path = project.store().join(tag).join(format!("{tag}.tar.gz"));
        relman::hash::Sha256::of(&std::fs::read(path).unwrap())
    };
    let good = RollbackLeaf {
        tag: SECOND.into(),
        archive: digest(SECOND),
        to: TAG.into(),
        to_archive: digest(TAG),
        environment: "mainnet".into(),
        reason: "it forked at block 1200".into(),
        time: NOW.parse().unwrap(),
    };
    let tell = |n: u32, leaf: &RollbackLeaf| {
        let proof = format!("{SECOND}/rollback-mainnet-{n}.tlog-proof");
        enter(&project, &Leaf::Rollback(leaf.clone()), &key, &proof);
    };
    tell(1, &good);
    audit(&project, &[]).exits(0);
    let other = |change: &dyn Fn(&mut RollbackLeaf)| {
        let mut leaf = good.clone();
        change(&mut leaf);
        leaf
    };
    tell(2, &other(&|leaf| leaf.to = "phase0-none-1.0.0".into()));
    tell(3, &other(&|leaf| leaf.to_archive = leaf.archive));
    tell(4, &other(&|leaf| leaf.environment = "othernet".into()));
    audit(&project, &[]).exits(3).says(&[
        "phase0-none-1.0.0 is none that the log has",
        "the entry says",
        "a rollback of othernet, which no policy has",
    ]);
}
