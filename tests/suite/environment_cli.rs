//! What an environment is to run, with the real binary: proposed, agreed to by several on their own
//! machines, published by a quorum; and what the rules refuse.

use std::fs;

use super::root_cli::{held_elsewhere, new_key, run_at};
use crate::common::relman::{NOW, Project, Run, SECOND, TAG, snapshot};

/// A project with two releases.
pub fn two_releases(name: &str) -> Project {
    let project = Project::published(name);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project
}

/// Promotes a release with the keys at hand.
#[track_caller]
pub fn promote(project: &Project, tag: &str, environment: &str) -> Run {
    project.relman(&["promote", tag, "--to", environment])
}

/// What an environment runs, as `relman repo status` says.
#[track_caller]
pub fn runs(project: &Project, environment: &str) -> Option<String> {
    let run = project.relman(&["repo", "status", "--json"]);
    let document = run.json();
    let all = document["data"]["environments"].as_array().unwrap().clone();
    let found = all.iter().find(|e| e["name"] == environment);
    let found = found.unwrap_or_else(|| panic!("no {environment} in {document:#}"));
    found["tag"].as_str().map(str::to_owned)
}

/// The path of a waiting proposal, sent out as a file.
#[track_caller]
pub fn export(project: &Project, id: &str, name: &str) -> String {
    let file = project.beside(name);
    let file = file.to_str().unwrap().to_owned();
    project.relman(&["export", id, "--out", &file]).exits(0);
    file
}

/// A machine with a key, the trust root and the file that came, and nothing else.
pub struct Operator {
    home: Project,
    key: String,
    root: String,
}

impl Operator {
    pub fn new(project: &Project, key: String) -> Operator {
        let root = project.beside("root-of-operators.json");
        fs::copy(project.path("keys/root.json"), &root).unwrap();
        Operator {
            home: Project::empty("operator"),
            key,
            root: root.to_str().unwrap().to_owned(),
        }
    }

    #[track_caller]
    pub fn agree(&self, now: &str, file: &str, more: &[&str]) -> Run {
        let who = ["agree", file, "--root", &self.root, "--key", &self.key];
        run_at(&self.home, now, &[&who[..], more].concat())
    }
}

/// Mainnet's three masternodes, the last two of which are on other machines; two must agree.
fn three_masternodes(project: &Project) -> [Operator; 3] {
    for name in ["bob", "carol"] {
        let key = new_key(project, &format!("mainnet.{name}"));
        let add = ["root", "add", "mainnet", &key, "--person", name, "--yes"];
        project.relman(&add).exits(0);
    }
    ["mainnet", "mainnet.bob", "mainnet.carol"].map(|name| {
        let key = held_elsewhere(project, name);
        Operator::new(project, key)
    })
}

#[test]
fn mainnet_runs_nothing_that_testnet_did_not_run() {
    let project = Project::published("env-skipped");
    let before = snapshot(&project.store().join("metadata"));
    promote(&project, TAG, "mainnet").exits(3).says(&[
        "skipped",
        "never ran in testnet",
        "relman promote",
    ]);
    assert_eq!(snapshot(&project.store().join("metadata")), before);
    // Neither does an override help.
    let why = ["--reason", "we are in a great hurry", "--override"];
    for rules in ["skipped", "yanked", "agreement"] {
        let all = [&["promote", TAG, "--to", "mainnet"][..], &why, &[rules]].concat();
        project.relman(&all).exits(2).says(&["cannot be set aside"]);
    }
    promote(&project, TAG, "testnet")
        .exits(0)
        .says(&["published promote-testnet-2", "relman install"]);
    promote(&project, TAG, "mainnet")
        .exits(0)
        .says(&["published promote-mainnet-2"]);
    assert_eq!(runs(&project, "mainnet").as_deref(), Some(TAG));
    project.is_sound();
}

#[test]
fn two_of_three_masternodes_agree_on_machines_of_their_own_and_one_is_too_few() {
    let project = Project::published("env-quorum");
    let [ann, bob, carol] = three_masternodes(&project);
    promote(&project, TAG, "testnet").exits(0);
    let id = "promote-mainnet-3";
    promote(&project, TAG, "mainnet").exits(0).says(&[
        id,
        "0 of 2 signatures",
        "missing",
        "bob",
        "carol",
    ]);
    let before = snapshot(&project.store());
    let file = export(&project, id, "to-all.json");
    let copies = ["one.json", "two.json", "three.json"].map(|name| {
        let copy = project.beside(name);
        fs::copy(&file, &copy).unwrap();
        copy.to_str().unwrap().to_owned()
    });

    // What an operator is asked, before anything is signed.
    ann.agree(NOW, &copies[0], &["--dry-run"]).exits(0).says(&[
        &format!("mainnet: nothing → {TAG}"),
        "archive",
        "sha256",
        "commit",
        "previous    none",
        "ran in      testnet",
        "notice",
        "not before  at once",
        "nothing was signed",
    ]);
    ann.agree(NOW, &copies[0], &[]).exits(2).says(&["--yes"]);
    ann.agree(NOW, &copies[0], &["--yes"]).exits(0).says(&[
        "signed mainnet version 3",
        "1 of 2 signatures",
        "missing",
    ]);
    project.relman(&["import", &copies[0]]).exits(0).says(&[
        "1 new signatures",
        "1 of 2 signatures",
        "bob",
        "carol",
    ]);
    assert_eq!(snapshot(&project.store()), before, "half-signed is visible");
    assert_eq!(runs(&project, "mainnet"), None);
    let status = project.relman(&["repo", "status"]);
    status.says(&["1 of 2 signatures", "missing: bob (key ", ", carol (key "]);

    // The same signature once more is no second one.
    project
        .relman(&["import", &copies[0]])
        .exits(0)
        .says(&["0 new signatures"]);
    assert_eq!(snapshot(&project.store()), before);

    carol.agree(NOW, &copies[2], &["--yes"]).exits(0);
    project
        .relman(&["import", &copies[2]])
        .exits(0)
        .says(&["1 new signatures", "published"]);
    assert_eq!(runs(&project, "mainnet").as_deref(), Some(TAG));
    project.is_verified(TAG);
    project.is_sound();

    // Who comes late finds that it is done.
    bob.agree(NOW, &copies[1], &["--yes"]).exits(0);
    project
        .relman(&["import", &copies[1]])
        .exits(0)
        .says(&["published already"]);
}

#[test]
fn whoever_is_no_masternode_of_it_agrees_to_nothing() {
    let project = Project::published("env-stranger");
    let _masternodes = three_masternodes(&project);
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, TAG, "mainnet").exits(0);
    let file = export(&project, "promote-mainnet-3", "file.json");
    let before = fs::read(&file).unwrap();
    for stranger in ["testnet", "builder", "targets"] {
        let key = project.secrets().join(stranger);
        let operator = Operator::new(&project, key.to_str().unwrap().to_owned());
        let run = operator.agree(NOW, &file, &["--yes"]);
        assert!(matches!(run.code, Some(1 | 3)), "{stranger}: {run:#?}");
        assert_eq!(fs::read(&file).unwrap(), before, "{stranger}");
    }
    // `agree` signs for environments alone, whatever keys are at hand.
    let new = new_key(&project, "builder.new");
    let add = ["root", "add", "builder", &new, "--person", "bob", "--draft"];
    project.relman(&add).exits(0);
    project
        .relman(&["agree", "root-4", "--yes"])
        .exits(3)
        .says(&["is not only about what an environment runs", "relman sign"]);
}

#[test]
fn agree_finds_the_one_proposal_that_waits_and_asks_which_where_there_are_more() {
    let project = Project::published("env-which");
    project
        .relman(&["agree"])
        .exits(1)
        .says(&["relman promote"]);
    let keys = ["testnet", "mainnet"].map(|name| held_elsewhere(&project, name));
    promote(&project, TAG, "testnet").exits(0);
    let testnet = ["agree", "--key", &keys[0], "--yes"];
    project
        .relman(&testnet)
        .exits(0)
        .says(&["published promote-testnet-2"]);
    promote(&project, TAG, "mainnet").exits(0);
    project
        .relman(&["agree", "testnet", "--yes"])
        .exits(1)
        .says(&["no testnet.current.json waits"]);
    project
        .relman(&["agree", "mainnet", "--dry-run"])
        .exits(0)
        .says(&["nothing was signed"]);
    let mainnet = ["agree", "mainnet", "--key", &keys[1], "--yes"];
    project
        .relman(&mainnet)
        .exits(0)
        .says(&["published promote-mainnet-2"]);
}

#[test]
fn going_back_is_a_newer_version_that_says_why() {
    let project = two_releases("env-back");
    for tag in [TAG, SECOND] {
        promote(&project, tag, "testnet").exits(0);
    }
    promote(&project, TAG, "testnet")
        .exits(3)
        .says(&["reason", "--reason"]);
    let why = "stalls at block 1000, for all of us";
    let back = ["promote", TAG, "--to", "testnet", "--reason", why];
    project.relman(&back).exits(0).says(&["promote-testnet-4"]);
    assert_eq!(runs(&project, "testnet").as_deref(), Some(TAG));
    let metadata = project.store().join("metadata");
    for version in 1..=4 {
        let role = metadata.join(format!("{version}.testnet.json"));
        assert!(role.exists(), "version {version} is gone");
    }
    project
        .relman(&["promote", TAG, "--to", "testnet"])
        .exits(1)
        .says(&[&format!("testnet runs {TAG} already")]);
    project.is_sound();
}

#[test]
fn phases_out_of_order_are_refused() {
    let project = two_releases("env-order");
    promote(&project, SECOND, "testnet")
        .exits(3)
        .says(&["order", "phase 2", "phase 1"]);
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, SECOND, "testnet").exits(0);
    // Testnet moved on: what it ran before still may go to mainnet, in its order.
    promote(&project, SECOND, "mainnet")
        .exits(3)
        .says(&["order", "mainnet has run nothing yet"]);
    promote(&project, TAG, "mainnet").exits(0);
    promote(&project, SECOND, "mainnet").exits(0);
    project.is_sound();
}

#[test]
fn a_yanked_release_goes_nowhere_not_even_back() {
    let project = two_releases("env-yanked");
    for tag in [TAG, SECOND] {
        promote(&project, tag, "testnet").exits(0);
    }
    let yank = ["yank", TAG, "--level", "withdrawn", "--reason"];
    let yank = [&yank[..], &["loses one block in a thousand"]].concat();
    project.relman(&yank).exits(0);
    promote(&project, TAG, "mainnet")
        .exits(3)
        .says(&["yanked", "loses one block"]);
    let back = ["promote", TAG, "--to", "testnet", "--reason"];
    let back = [&back[..], &["the new one stalls at once"]].concat();
    project.relman(&back).exits(3).says(&["yanked"]);
    promote(&project, SECOND, "mainnet").exits(0);
}

#[test]
fn what_was_yanked_while_it_waited_is_neither_agreed_to_nor_published() {
    let project = Project::published("env-yank-late");
    let [ann, bob, _] = three_masternodes(&project);
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, TAG, "mainnet").exits(0);
    let file = export(&project, "promote-mainnet-3", "file.json");
    ann.agree(NOW, &file, &["--yes"]).exits(0);
    let yank = ["yank", TAG, "--level", "dangerous", "--reason"];
    let yank = [&yank[..], &["coins are lost every minute"]].concat();
    project.relman(&yank).exits(0);
    // The file that went around is from before; what is imported is looked at again.
    bob.agree(NOW, &file, &["--yes"]).exits(0);
    let run = project.relman(&["import", &file]).exits(3);
    run.says(&["yanked"]);
    assert_eq!(runs(&project, "mainnet"), None);
    let out = project.beside("later.json");
    let again = ["export", "promote-mainnet-3", "--out"];
    let again = [&again[..], &[out.to_str().unwrap()]].concat();
    project.relman(&again).exits(3).says(&["yanked"]);
}

#[test]
fn a_proposal_that_another_overtook_is_refused_as_stale() {
    let project = two_releases("env-stale");
    promote(&project, TAG, "testnet").exits(0);
    let fix = "phase1-sig-verify-1.0.1";
    project.write("prog.sh", "echo fixed\n");
    project.commit_and_tag("fix: less", fix);
    project.relman(&["cut", fix]).exits(0);

    let key = held_elsewhere(&project, "testnet");
    promote(&project, SECOND, "testnet").exits(0);
    let file = export(&project, "promote-testnet-3", "first.json");
    let there = promote(&project, fix, "testnet").exits(1);
    there.says(&["waits for signatures", "relman withdraw promote-testnet-3"]);
    let withdraw = ["withdraw", "promote-testnet-3"];
    project.relman(&withdraw).exits(0);
    promote(&project, fix, "testnet").exits(0);
    let agree = ["agree", "testnet", "--key", &key, "--yes"];
    project.relman(&agree).exits(0);
    // A signature on the file that was given up comes too late.
    let ann = Operator::new(&project, key.clone());
    ann.agree(NOW, &file, &["--yes"]).exits(0);
    project
        .relman(&["import", &file])
        .exits(3)
        .says(&["was not imported", "the store has moved on since"]);
    assert_eq!(runs(&project, "testnet").as_deref(), Some(fix));
}

#[test]
fn killed_at_every_step_of_a_promotion_the_next_command_finishes_it() {
    let prepared = Project::published("env-kill");
    let mut visited = 0;
    for group in ["stage", "publish"] {
        for n in 0.. {
            let project = prepared.copy();
            let point = format!("{group}.{n}");
            let run = project.killed_at(&point, &["promote", TAG, "--to", "testnet"]);
            if !run.was_killed() {
                run.exits(0);
                break;
            }
            visited += 1;
            let run = project.relman(&["verify", TAG]);
            assert!(matches!(run.code, Some(0 | 3)), "{point}: {run:#?}");
            project.relman(&["timestamp"]).exits(0);
            let again = promote(&project, TAG, "testnet");
            assert!(matches!(again.code, Some(0 | 1)), "{point}: {again:#?}");
            assert_eq!(runs(&project, "testnet").as_deref(), Some(TAG), "{point}");
            project.is_sound();
        }
    }
    assert!(visited > 8, "{visited} points");
}

#[test]
fn testnet_moves_on_while_mainnet_is_asked_and_nothing_is_lost() {
    let project = two_releases("env-moved-on");
    promote(&project, TAG, "testnet").exits(0);
    let key = held_elsewhere(&project, "mainnet");
    promote(&project, TAG, "mainnet").exits(0);
    promote(&project, SECOND, "testnet").exits(0);
    let agree = ["agree", "mainnet", "--key", &key, "--yes"];
    project.relman(&agree).exits(0);
    assert_eq!(runs(&project, "mainnet").as_deref(), Some(TAG));
    project.is_sound();
}

#[test]
fn testnet_is_only_signed_anew_while_mainnet_is_asked_and_nothing_is_lost() {
    let project = Project::published("env-renewed");
    promote(&project, TAG, "testnet").exits(0);
    let key = held_elsewhere(&project, "mainnet");
    promote(&project, TAG, "mainnet").exits(0);
    let file = export(&project, "promote-mainnet-2", "file.json");
    let ann = Operator::new(&project, key);
    ann.agree(NOW, &file, &["--yes"]).exits(0);
    // A further operator of testnet: its role is signed anew, and lists what it listed.
    let new = new_key(&project, "testnet.bob");
    let add = ["root", "add", "testnet", &new, "--person", "bob", "--yes"];
    project.relman(&add).exits(0);
    let run = project.relman(&["import", &file]);
    if run.code != Some(0) {
        // Proposed anew at most; never refused for a reason that nobody understands.
        assert_eq!(run.code, Some(3), "{run:#?}");
        assert!(!run.stderr.contains("is missing"), "{run:#?}");
    }
    project.is_sound();
}

#[test]
fn nobody_promotes_what_is_not_there() {
    let project = Project::published("env-none");
    promote(&project, SECOND, "testnet")
        .exits(3)
        .says(&["there is no release"]);
    promote(&project, TAG, "local")
        .exits(2)
        .says(&["no environment \"local\"", "testnet, mainnet"]);
    promote(&project, "../x", "testnet").exits(2);
    let bad = ["promote", TAG, "--to", "testnet", "--not-before", "soon"];
    project
        .relman(&bad)
        .exits(2)
        .says(&["2026-02-03T06:00:00Z"]);
}

#[test]
fn machines_are_told_what_was_proposed_agreed_and_announced() {
    let project = Project::published("env-json");
    promote(&project, TAG, "testnet").exits(0);
    let announce = ["announce", TAG, "--to", "mainnet", "--json"];
    let told = project.relman(&announce).exits(0).json();
    let data = &told["data"];
    assert_eq!(data["environment"], "mainnet", "{told:#}");
    assert_eq!(data["window_minutes"], 240);
    assert_eq!(data["downtime_minutes"], 30);
    assert_eq!(
        data["proof"],
        format!("{TAG}/announcement-mainnet-1.tlog-proof")
    );
    let key = held_elsewhere(&project, "mainnet");
    let promote = ["promote", TAG, "--to", "mainnet", "--json"];
    let waits = project.relman(&promote).exits(0).json();
    assert_eq!(waits["data"]["state"], "waiting", "{waits:#}");
    let agree = ["agree", "mainnet", "--key", &key, "--yes", "--json"];
    let done = project.relman(&agree).exits(0).json();
    assert_eq!(done["data"]["state"], "published", "{done:#}");
    assert_eq!(done["data"]["id"], "promote-mainnet-2");
}
