//! Soak, notice and overrides with the real binary and a witness whose clock everybody can see: refused
//! before, allowed after; and what of it stays in the log for ever.

use std::fs;

use relman::io::keyring::Keyring;
use relman::keys::Signer;
use relman::log::CosignerKey;

use super::environment_cli::{Operator, export};
use super::root_cli::{held_elsewhere, new_key, run_at};
use crate::common::relman::{NOW, Project, Run, SECOND, TAG};

/// A witness is at hand from the first day on, and mainnet wants what it wants.
pub fn waiting(name: &str, wants: &[&str]) -> Project {
    let project = Project::published(name);
    with_witness(&project);
    let set = [&["root", "set", "mainnet"][..], wants, &["--yes"]].concat();
    project.relman(&set).exits(0);
    project
}

/// Has a witness at hand stand by the log.
pub fn with_witness(project: &Project) {
    let (key, _) = Keyring::new(project.secrets())
        .load_or_generate("witness", "a witness")
        .unwrap();
    let key = CosignerKey::new("w.example/1", key.public()).unwrap();
    let policy = project.beside("witnesses");
    fs::write(&policy, format!("witness w1 {key}\nquorum w1\n")).unwrap();
    let policy = policy.to_str().unwrap();
    project
        .relman(&["root", "witnesses", policy, "--draft"])
        .exits(0);
}

#[track_caller]
pub fn promote_at(project: &Project, now: &str, tag: &str, to: &str, more: &[&str]) -> Run {
    let promote = [&["promote", tag, "--to", to][..], more].concat();
    run_at(project, now, &promote)
}

/// What `Run` hints at, as words for another run.
fn hinted(run: &Run) -> Vec<String> {
    let line = run.stderr.lines().find(|line| line.starts_with("hint: "));
    let line = line.unwrap_or_else(|| panic!("no hint in {run:#?}"));
    let (_, command) = line.rsplit_once("relman ").expect("a command");
    command.split(' ').map(str::to_owned).collect()
}

#[test]
fn mainnet_waits_for_its_soak_to_the_second_on_witnessed_time() {
    let project = waiting("waits-soak", &["--soak-hours", "48"]);
    promote_at(&project, "2026-02-01T06:00:00Z", TAG, "testnet", &[]).exits(0);
    promote_at(&project, "2026-02-03T05:59:59Z", TAG, "mainnet", &[])
        .exits(3)
        .says(&[
            "soak",
            "wanted 48 hours",
            "over at 2026-02-03T06:00:00Z",
            "it is 2026-02-03T05:59:59Z",
            "--override",
        ]);
    promote_at(&project, "2026-02-03T06:00:00Z", TAG, "mainnet", &[]).exits(0);
    run_at(&project, "2026-02-03T06:00:00Z", &["audit"])
        .exits(0)
        .says(&["mainnet moved 1 times"]);
}

#[test]
fn an_upgrade_is_announced_two_days_ahead_and_installed_in_its_window() {
    let project = waiting("waits-notice", &["--notice-hours", "48"]);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    let refused = promote_at(&project, NOW, TAG, "mainnet", &[]).exits(3);
    let mut announce = hinted(&refused);
    assert_eq!(announce, ["announce", "TAG", "--to", "ENVIRONMENT"]);
    announce[1] = TAG.into();
    announce[3] = "mainnet".into();
    let announce: Vec<&str> = announce.iter().map(String::as_str).collect();

    let hasty = [&announce[..], &["--at", "2026-02-02T23:59:59Z"]].concat();
    project
        .relman(&hasty)
        .exits(3)
        .says(&["wanted 48 hours of notice", "2026-02-03T00:00:00Z"]);
    project.relman(&announce).exits(0).says(&[
        &format!("planned upgrade of mainnet to {TAG}"),
        "maintenance window  2026-02-03T00:00:00Z, 240 minutes",
        "expected downtime   30 minutes",
        "notice              48 hours",
        "archive sha256",
        "relman rollback",
    ]);
    let proof = format!("{TAG}/announcement-mainnet-1.tlog-proof");
    assert!(project.store().join(proof).exists());

    // It may be agreed to at once: no node installs it before the window.
    promote_at(&project, NOW, TAG, "mainnet", &[]).exits(0);
    let shown = project.relman(&["list", "--json"]).exits(0).json();
    assert_eq!(shown["data"]["environments"][1]["tag"], TAG, "{shown:#}");
    project.is_sound();
}

#[test]
fn a_window_may_begin_later_than_notice_but_no_promotion_begins_before_it() {
    let project = waiting("waits-window", &["--notice-hours", "48"]);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    let window = "2026-02-05T04:00:00Z";
    let announce = ["announce", TAG, "--to", "mainnet", "--at", window];
    let more = ["--window", "60", "--downtime", "5"];
    project
        .relman(&[&announce[..], &more].concat())
        .exits(0)
        .says(&["2026-02-05T04:00:00Z, 60 minutes", "5 minutes"]);
    let early = ["--not-before", "2026-02-04T00:00:00Z"];
    promote_at(&project, NOW, TAG, "mainnet", &early).exits(0);
    let listed = project.relman(&["list", "--json"]).exits(0).json();
    let mainnet = &listed["data"]["environments"][1];
    assert_eq!(mainnet["not_before"], window, "{listed:#}");
}

#[test]
fn notice_of_one_release_is_none_of_another() {
    let project = waiting("waits-other", &["--notice-hours", "48"]);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    project
        .relman(&["announce", TAG, "--to", "testnet"])
        .exits(0);
    promote_at(&project, "2026-02-04T00:00:00Z", TAG, "mainnet", &[])
        .exits(3)
        .says(&["was not announced to the operators of mainnet"]);
    project
        .relman(&["announce", SECOND, "--to", "mainnet"])
        .exits(3)
        .says(&["there is no release"]);
}

#[test]
fn an_approval_that_policy_wants_and_nobody_gave_is_named() {
    let project = waiting("waits-approval", &["--approvals", "qa"]);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    promote_at(&project, NOW, TAG, "mainnet", &[])
        .exits(3)
        .says(&["approvals", "approval qa"]);
}

/// Ann and bob must both sign to set a rule of mainnet aside; gives their keys.
pub fn overriders(project: &Project) -> [String; 2] {
    for (n, name) in ["ann", "bob"].into_iter().enumerate() {
        let key = new_key(project, &format!("override-mainnet.{name}"));
        let threshold = (n + 1).to_string();
        let add = [
            "root",
            "add",
            "override-mainnet",
            &key,
            "--person",
            name,
            "--threshold",
            &threshold,
            "--yes",
        ];
        project.relman(&add).exits(0);
    }
    ["ann", "bob"].map(|name| held_elsewhere(project, &format!("override-mainnet.{name}")))
}

pub const WHY: &str = "coins are lost on mainnet every minute";

#[test]
fn an_emergency_needs_two_overriders_and_a_reason_and_stays_in_the_log() {
    let project = waiting("waits-override", &["--soak-hours", "48"]);
    let keys = overriders(&project);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    let later = NOW;
    promote_at(&project, later, TAG, "mainnet", &["--override", "soak"])
        .exits(2)
        .says(&["without a reason", "--reason"]);
    let short = ["--override", "soak", "--reason", "urgent"];
    promote_at(&project, later, TAG, "mainnet", &short)
        .exits(3)
        .says(&["6 letters"]);
    // What is set aside is what was named, and nothing else.
    let other = ["--override", "notice", "--reason", WHY];
    promote_at(&project, later, TAG, "mainnet", &other)
        .exits(3)
        .says(&["soak", "wanted 48 hours"]);

    let both = ["--override", "soak", "--reason", WHY];
    let asked = promote_at(&project, later, TAG, "mainnet", &both).exits(0);
    asked.says(&["0 of 2", "ann", "bob"]);
    let file = export(&project, "promote-mainnet-2", "override.json");
    let [ann, bob] = keys.map(|key| (Operator::new(&project, key.clone()), key));
    ann.0
        .agree(later, &file, &["--dry-run"])
        .exits(0)
        .says(&["override    sets aside soak", WHY]);
    // Who sets rules aside does not agree by it to what mainnet runs.
    let root = project.beside("root-of-operators.json");
    let root = root.to_str().unwrap();
    for (n, (_, key)) in [&ann, &bob].into_iter().enumerate() {
        let sign = ["sign", &file, "--root", root, "--key", key, "--yes"];
        run_at(&Project::empty("overrider"), later, &sign)
            .exits(0)
            .says(&[&format!("{} of 2", n + 1)]);
        let import = run_at(&project, later, &["import", &file]).exits(0);
        assert_eq!(import.stdout.contains("published"), n == 1, "{import:#?}");
    }
    let proof = format!("{TAG}/override-mainnet-2.tlog-proof");
    let text = fs::read_to_string(project.store().join(&proof)).unwrap();
    assert!(text.contains("c2sp.org"), "{text}");
    let audit = run_at(&project, later, &["audit"]).exits(0);
    audit.says(&["override", TAG, WHY, "ann", "bob"]);
    let verified = run_at(&project, later, &["verify", TAG]);
    verified.exits(0);
}

#[test]
fn without_overriders_in_policy_nothing_is_ever_set_aside() {
    let project = waiting("waits-nobody", &["--soak-hours", "48"]);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    let both = ["--override", "soak", "--reason", WHY];
    promote_at(&project, NOW, TAG, "mainnet", &both)
        .exits(3)
        .says(&["names nobody for override/mainnet"]);
}

#[test]
fn a_rule_that_came_after_a_proposal_stops_its_agreement_too() {
    let project = waiting("waits-agree", &["--soak-hours", "0"]);
    promote_at(&project, NOW, TAG, "testnet", &[]).exits(0);
    let key = held_elsewhere(&project, "mainnet");
    promote_at(&project, NOW, TAG, "mainnet", &[]).exits(0);
    let set = ["root", "set", "mainnet", "--soak-hours", "48", "--yes"];
    project.relman(&set).exits(0);
    let agree = ["agree", "mainnet", "--key", &key, "--yes"];
    project
        .relman(&agree)
        .exits(3)
        .says(&["soak", "wanted 48 hours"]);
    let out = project.beside("file.json");
    let export = ["export", "promote-mainnet-2", "--out"];
    let export = [&export[..], &[out.to_str().unwrap()]].concat();
    project.relman(&export).exits(3).says(&["soak"]);
    run_at(&project, "2026-02-03T00:00:00Z", &agree)
        .exits(0)
        .says(&["published"]);
}
