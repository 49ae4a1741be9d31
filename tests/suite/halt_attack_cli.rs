//! Halts that no honest tool makes: whoever has the on-call key, or thinks so, and may write to the store.

use std::fs;

use relman::io::keyring::Keyring;
use relman::release::ceremony::{Exchange, Kind, Proposal, RoleDraft};
use relman::release::environment::target_name;
use relman::release::halt::{self, Halt};
use relman::trust::{TargetFile, Targets, Unsigned};

use super::environment_forged_cli::log;
use super::environment_node_cli::{node_of, refuses};
use super::environment_waits_cli::WHY;
use super::halt_cli::{fresh, halt as honest, lift, move_on, with_mainnet};
use super::root_attack_cli::Thief;
use super::root_cli::new_key;
use crate::common::relman::{NOW, Project, SECOND, TAG};

const ROLE: &str = "halt-mainnet";

fn forged(environment: &str, version: u64, tag: &str) -> Halt {
    Halt {
        environment: environment.into(),
        version,
        tag: tag.into(),
        reason: WHY.into(),
        by: "dora".into(),
        time: NOW.parse().unwrap(),
    }
}

/// A new version of the role that halts mainnet, signed with this key, logged and listed.
fn publish(project: &Project, key: &str, change: impl FnOnce(&mut Targets)) {
    let thief = Thief::at(project, project.store());
    let mut snapshot = thief.snapshot();
    let was = snapshot.meta[&format!("{ROLE}.json")].version;
    let mut role: Targets = thief.body(&format!("{was}.{ROLE}.json"));
    role.version = was + 1;
    change(&mut role);
    let name = format!("{}.{ROLE}.json", role.version);
    let signed = Unsigned::new(&role).unwrap().sign(&thief.key(key)).unwrap();
    log(project, &thief, &name, &signed.draft_bytes().unwrap());
    let meta = thief.sign(key, &role, &name);
    snapshot.meta.insert(format!("{ROLE}.json"), meta);
    snapshot.version += 1;
    thief.publish(&snapshot, thief.timestamp().version + 1);
}

/// The same, of a halt, with its file.
fn publish_halt(project: &Project, key: &str, halt: &Halt) {
    let path = project.store().join(halt.path().unwrap());
    fs::write(path, halt.to_bytes().unwrap()).unwrap();
    let target = halt.target().unwrap();
    publish(project, key, |role| {
        role.targets.clear();
        role.targets.insert(halt::target_name("mainnet"), target);
    });
}

#[test]
fn a_halt_as_the_attacks_below_make_it_would_count() {
    let project = with_mainnet("halt-honest");
    publish_halt(&project, ROLE, &forged("mainnet", 2, TAG));
    project.relman(&["audit"]).exits(0);
    refuses(&node_of(project, "mainnet"), &["mainnet is halted", "dora"]);
}

#[test]
fn a_halt_key_that_lists_what_mainnet_runs_makes_nothing_installable() {
    let project = with_mainnet("halt-lists");
    let current = target_name("mainnet");
    publish(&project, ROLE, |role| {
        let mut target = TargetFile::of(b"{}");
        target.custom = Some(serde_json::json!({"relman": {"tag": SECOND, "version": 9}}));
        role.targets.insert(current, target);
    });
    project.relman(&["list"]).exits(0);
    let node = node_of(project, "mainnet");
    node.run(&format!("install {SECOND}")).exits(3);
    refuses(
        &node,
        &["role halt-mainnet lists target \"mainnet.current.json\""],
    );
    node.project
        .relman(&["audit"])
        .exits(3)
        .says(&["halt-mainnet"]);
}

#[test]
fn a_halt_of_another_environment_is_no_halt_of_this_one() {
    let project = with_mainnet("halt-other");
    publish_halt(&project, ROLE, &forged("testnet", 2, TAG));
    let node = node_of(project, "mainnet");
    // It says what cannot be, so nobody knows what was meant: nothing is installed.
    refuses(&node, &["check status", "halt-mainnet.current.json"]);
    let testnet = node_of(node.project.copy(), "testnet");
    testnet.run("install").exits(0);
    node.project.relman(&["audit"]).exits(3);
    node.project.relman(&["docs"]).exits(0);
    node.project
        .relman(&["repo", "status"])
        .exits(1)
        .says(&["nodes of mainnet install nothing"]);
}

#[test]
fn a_halt_signed_by_a_key_that_policy_removed_is_refused() {
    let project = with_mainnet("halt-removed");
    let dora = format!("{}.pub", project.secrets().join(ROLE).display());
    let eve = new_key(&project, "halt-mainnet.eve");
    let add = ["root", "add", ROLE, &eve, "--person", "eve", "--yes"];
    project.relman(&add).exits(0);
    let remove = ["root", "remove", ROLE, &dora, "--yes"];
    project.relman(&remove).exits(0);
    let key = project.secrets().join(ROLE);
    let key = key.to_string_lossy();
    project
        .relman(&[
            "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--key", &key,
        ])
        .exits(1)
        .says(&["no halt-mainnet key is here", "eve"]);
    let before = project.copy();
    publish_halt(&project, ROLE, &forged("mainnet", 2, TAG));
    let node = node_of(project, "mainnet");
    refuses(&node, &["halt-mainnet"]);
    node.project.relman(&["repo", "status"]).exits(3);
    // Whoever is on call now still may.
    honest(&before).exits(0);
    refuses(
        &node_of(before, "mainnet"),
        &["mainnet is halted", "by eve"],
    );
}

#[test]
fn a_halt_that_names_a_future_version_is_refused_as_what_it_is_and_ends_with_its_key() {
    let project = with_mainnet("halt-future");
    publish_halt(&project, ROLE, &forged("mainnet", 99, TAG));
    let node = node_of(project, "mainnet");
    refuses(
        &node,
        &["stops version 99 of mainnet, which is at version 2"],
    );
    let project = &node.project;
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["stops version 99"]);
    // The root threshold takes the key away, and its halt with it.
    let dora = format!("{}.pub", project.secrets().join(ROLE).display());
    project
        .relman(&["root", "remove", ROLE, &dora, "--yes"])
        .exits(0);
    node.run("install").exits(0);
}

#[test]
fn a_halt_of_another_release_than_the_one_agreed_on_is_refused() {
    let project = with_mainnet("halt-release");
    publish_halt(&project, ROLE, &forged("mainnet", 2, SECOND));
    refuses(
        &node_of(project, "mainnet"),
        &[&format!("stops {SECOND} of version 2")],
    );
}

#[test]
fn a_halt_that_is_replayed_after_it_was_lifted_stops_nothing() {
    let project = with_mainnet("halt-replay");
    honest(&project).exits(0);
    let thief = Thief::at(&project, project.store());
    let old: Targets = thief.body(&format!("2.{ROLE}.json"));
    lift(&project, TAG).exits(0);
    project.relman(&["audit"]).exits(0);
    // The file that the sequencer once imported is not taken again either.
    let replayed = project.copy();
    publish(&project, ROLE, |role| role.targets = old.targets.clone());
    node_of(project, "mainnet").run("install").exits(0);
    move_on(&replayed);
    publish(&replayed, ROLE, |role| {
        role.targets.clear();
    });
    publish(&replayed, ROLE, |role| role.targets = old.targets);
    let node = node_of(replayed, "mainnet");
    node.run("install").exits(0);
    node.project
        .relman(&["audit"])
        .exits(3)
        .says(&["a newer one had replaced already"]);
}

#[test]
fn the_quorums_own_key_signs_no_halt() {
    let project = with_mainnet("halt-quorum");
    let key = project.secrets().join("mainnet");
    let key = key.to_string_lossy();
    project
        .relman(&[
            "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--key", &key,
        ])
        .exits(1)
        .says(&["no halt-mainnet key is here"]);
    let public = project.path("keys/mainnet.pub");
    let public = public.to_string_lossy();
    project
        .relman(&["root", "add", ROLE, &public, "--person", "me", "--yes"])
        .exits(3)
        .says(&["it cannot be for halt-mainnet too"]);
    publish_halt(&project, "mainnet", &forged("mainnet", 2, TAG));
    refuses(&node_of(project, "mainnet"), &["halt-mainnet"]);
}

#[test]
fn a_store_that_was_put_back_to_before_the_halt_is_refused_by_whoever_saw_it() {
    let project = with_mainnet("halt-dropped");
    let before = project.copy();
    honest(&project).exits(0);
    let node = node_of(project, "mainnet");
    refuses(&node, &["mainnet is halted"]);
    let put = |from: &Project| {
        fs::remove_dir_all(node.project.store()).unwrap();
        crate::common::relman::copy_tree(&from.store(), &node.project.store());
    };
    let after = node.project.copy();
    put(&before);
    refuses(&node, &["timestamp"]);

    // Without the role's file, or with a snapshot that does not list it.
    put(&after);
    fs::remove_file(node.project.store().join(format!("metadata/2.{ROLE}.json"))).unwrap();
    refuses(&fresh(&node.project, "mainnet"), &["2.halt-mainnet.json"]);
    put(&after);
    let thief = Thief::at(&node.project, node.project.store());
    let mut snapshot = thief.snapshot();
    snapshot.meta.remove(&format!("{ROLE}.json"));
    snapshot.version += 1;
    thief.publish(&snapshot, thief.timestamp().version + 1);
    refuses(&node, &["halt-mainnet"]);
    refuses(&fresh(&node.project, "mainnet"), &["halt-mainnet"]);
}

#[test]
fn whoever_may_halt_may_not_take_it_back_and_an_audit_tells_who_did() {
    let project = with_mainnet("halt-back");
    honest(&project).exits(0);
    publish(&project, ROLE, |role| role.targets.clear());
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["takes away the halt of version 2 of mainnet, which ran still"]);
}

#[test]
fn a_key_that_joins_or_leaves_keeps_the_halt_as_it_was() {
    let project = with_mainnet("halt-keys");
    honest(&project).exits(0);
    let eve = new_key(&project, "halt-mainnet.eve");
    project
        .relman(&["root", "add", ROLE, &eve, "--person", "eve", "--yes"])
        .exits(0);
    let dora = format!("{}.pub", project.secrets().join(ROLE).display());
    project
        .relman(&["root", "remove", ROLE, &dora, "--yes"])
        .exits(0);
    project.relman(&["audit"]).exits(0);
    // So does a change of who agrees: the role is signed anew, and nobody has agreed to anything new.
    let key = new_key(&project, "mainnet.bob");
    project
        .relman(&["root", "add", "mainnet", &key, "--person", "bob", "--yes"])
        .exits(0);
    project.relman(&["audit"]).exits(0);
    refuses(&node_of(project, "mainnet"), &["mainnet is halted"]);
}

#[test]
fn what_no_halt_may_say_is_neither_signed_nor_imported() {
    let project = with_mainnet("halt-import");
    let out = project.beside("halt.json");
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let (out, store) = (text(out), text(project.store()));
    let root = text(project.path("keys/root.json"));
    project
        .relman(&[
            "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--store", &store, "--root",
            &root, "--out", &out,
        ])
        .exits(0);
    let good = Exchange::parse(&fs::read(&out).unwrap()).unwrap();
    let base = good
        .base(&fs::read(&root).unwrap(), NOW.parse().unwrap())
        .unwrap();
    let keys = Keyring::new(project.secrets());
    let role = |halt: Option<Halt>| {
        let mut role = Targets::new(2, "2027-01-01T00:00:00Z".parse().unwrap());
        if let Some(halt) = halt {
            let name = halt::target_name("mainnet");
            role.targets.insert(name, halt.target().unwrap());
        }
        RoleDraft::targets(ROLE, &role).unwrap()
    };
    let stranger = Halt {
        by: "mallory".into(),
        ..forged("mainnet", 2, TAG)
    };
    let with = |proposal: &mut Proposal, halt: &Halt| {
        let file = String::from_utf8(halt.to_bytes().unwrap()).unwrap();
        proposal.files = [(halt.path().unwrap(), file)].into();
        proposal.roles = vec![role(Some(halt.clone()))];
    };
    type Change<'a> = Box<dyn Fn(&mut Proposal) + 'a>;
    let cases: [(Change, &str); 6] = [
        (
            Box::new(|p| with(p, &forged("mainnet", 99, TAG))),
            "stops version 99",
        ),
        (
            Box::new(|p| with(p, &forged("mainnet", 1, TAG))),
            "an earlier version",
        ),
        (Box::new(|p| with(p, &stranger)), "mallory"),
        (
            Box::new(|p| (p.roles, p.files) = (vec![role(None)], Default::default())),
            "a halt ends by a newer version",
        ),
        (Box::new(|p| p.files.clear()), "does not come with it"),
        (
            Box::new(|p| p.kind = Kind::Promotion),
            "changes role halt-mainnet",
        ),
    ];
    for (change, words) in cases {
        let mut bad = good.clone();
        change(&mut bad.proposal);
        bad.proposal.sign(&base, &keys).unwrap();
        fs::write(&out, bad.to_bytes().unwrap()).unwrap();
        let sign = ["sign", &out, "--root", &root, "--yes"];
        project.relman(&sign).exits(3).says(&[words]);
        project.relman(&["import", &out]).exits(3).says(&[words]);
    }
    fs::write(&out, good.to_bytes().unwrap()).unwrap();
    project
        .relman(&["import", &out])
        .exits(0)
        .says(&["published"]);
    // Its own file again, once a newer agreement has ended it, is overtaken.
    lift(&project, TAG).exits(0);
    project
        .relman(&["import", &out])
        .exits(0)
        .says(&["published already"]);
    refuses_nothing(&project);
}

#[track_caller]
fn refuses_nothing(project: &Project) {
    project.relman(&["repo", "status"]).exits(0);
    project.relman(&["audit"]).exits(0);
}
