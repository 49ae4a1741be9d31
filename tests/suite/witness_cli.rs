//! A project whose policy wants witnesses: publishing, verifying, installing, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use relman::io::keyring::Keyring;
use relman::io::store_local::LocalStore;
use relman::keys::Signer;
use relman::log::CosignerKey;
use relman::release::config::Expiry;
use relman::release::publish::{Genesis, published};
use relman::release::verify::verify_retained;
use relman::store::stage::Authoritative;

use super::node_cli::{BUILD, Node};
use crate::common::relman::{NOW, Project, Run, SECOND, TAG, copy_tree, files, replace, snapshot};

/// Two of three witnesses whose keys are at hand, and one that is elsewhere.
const AT_HAND: [&str; 2] = ["witness", "witness.second"];

/// A project that was founded with a policy that wants two of three witnesses.
pub fn witnessed(name: &str) -> Project {
    let project = Project::new(name);
    let keyring = Keyring::new(project.secrets());
    let elsewhere = Keyring::new(project.beside("elsewhere"));
    let mut text = String::new();
    for (number, file) in (1..).zip(AT_HAND) {
        let (key, _) = keyring.load_or_generate(file, "a witness").unwrap();
        let key = CosignerKey::new(&format!("w.example/{number}"), key.public()).unwrap();
        text.push_str(&format!("witness w{number} {key}\n"));
    }
    let (key, _) = elsewhere.load_or_generate("witness", "far away").unwrap();
    let key = CosignerKey::new("w.example/3", key.public()).unwrap();
    text.push_str(&format!("witness w3 {key}\ngroup g 2 w1 w2 w3\nquorum g\n"));

    fs::remove_dir_all(project.store()).unwrap();
    let store = LocalStore::new(project.store());
    let founded = Genesis {
        project: &project.name,
        origin: &format!("{}/relman-log", project.name),
        person: "ann",
        witnesses: &text,
        example: false,
        keys: &keyring,
        expiry: &Expiry::default(),
        now: NOW.parse().unwrap(),
    }
    .plan(&store)
    .unwrap();
    let lease = store.lease("test").unwrap();
    lease.publish(&founded.transaction).unwrap();
    published(&keyring).unwrap();
    fs::write(project.path("keys/root.json"), &founded.root).unwrap();
    project
}

fn at(project: &Project, now: &str, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    let command = command.env("RELMAN_INSECURE_NOW", now);
    Run::of(command.output().expect("relman runs"))
}

/// Takes the cosignatures out of a checkpoint or proof.
fn strip(path: &Path, names: &[&str]) {
    let text = fs::read_to_string(path).unwrap();
    let marks: Vec<String> = names.iter().map(|n| format!("\u{2014} {n} ")).collect();
    let kept = text
        .lines()
        .filter(|l| !marks.iter().any(|m| l.starts_with(m)));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    assert_ne!(kept, text);
    replace(path, kept.as_bytes());
}

#[test]
fn a_release_is_cosigned_by_the_witnesses_at_hand_and_their_time_is_shown() {
    let project = witnessed("witness-way");
    at(&project, "2026-02-01T05:00:00Z", &["cut", TAG]).exits(0);
    project.second();
    at(&project, "2026-02-01T06:00:00Z", &["cut", SECOND]).exits(0);
    at(&project, "2026-02-01T07:00:00Z", &["verify", TAG])
        .exits(0)
        .says(&["witnessed at 2026-02-01T06:00:00Z by w1, w2"]);
    at(&project, "2026-02-01T07:00:00Z", &["timestamp"]).exits(0);
    at(&project, "2026-02-01T07:00:00Z", &["audit"])
        .exits(0)
        .says(&["witnessed at 2026-02-01T06:00:00Z by w1, w2"]);
}

#[test]
fn a_clock_behind_witnessed_time_is_refused() {
    let project = witnessed("witness-clock");
    at(&project, "2026-02-01T06:00:00Z", &["cut", TAG]).exits(0);
    at(&project, "2026-02-01T05:56:00Z", &["verify", TAG]).exits(0);
    at(&project, "2026-02-01T05:54:00Z", &["verify", TAG])
        .exits(3)
        .says(&["a clock is wrong", "2026-02-01T06:00:00Z"]);
    project.second();
    at(&project, "2026-02-01T05:00:00Z", &["cut", SECOND])
        .exits(3)
        .says(&["a clock is wrong"]);
}

#[test]
fn too_few_witnesses_at_hand_publish_nothing_and_the_missing_are_named() {
    let project = witnessed("witness-few");
    fs::rename(
        project.secrets().join("witness.second"),
        project.beside("put-away"),
    )
    .unwrap();
    let before = snapshot(&project.store());
    project.relman(&["cut", TAG]).exits(1).says(&[
        "witnesses at hand are no quorum",
        "has 1 of the 2",
        "w2 w3",
        "later version",
    ]);
    let after = snapshot(&project.store());
    let names = |files: &[(PathBuf, u32, Vec<u8>)]| -> Vec<PathBuf> {
        let files = files.iter().map(|(path, _, _)| path.clone());
        files.filter(|p| !p.ends_with(".relman-lock")).collect()
    };
    assert_eq!(names(&before), names(&after));
    // Freshness is no business of the log's.
    project.relman(&["timestamp"]).exits(0);
    fs::rename(
        project.beside("put-away"),
        project.secrets().join("witness.second"),
    )
    .unwrap();
    project.relman(&["publish", TAG]).exits(0);
    project.is_sound();
}

#[test]
fn a_checkpoint_or_proof_without_its_quorum_is_refused_or_counts_from_now() {
    let project = witnessed("witness-strip");
    project.relman(&["cut", TAG]).exits(0);
    let checkpoint = project.store().join("log/checkpoint");
    let whole = fs::read(&checkpoint).unwrap();
    strip(&checkpoint, &["w.example/2"]);
    project.relman(&["verify", TAG]).exits(3).says(&[
        "no quorum of witnesses",
        "has 1 of the 2",
        "w2 w3",
    ]);
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["no quorum of witnesses"]);
    replace(&checkpoint, &whole);
    // The entry is in a tree that a quorum has cosigned, whatever its own proof carries.
    let proof = project.store().join(TAG).join("release.tlog-proof");
    strip(&proof, &["w.example/1", "w.example/2"]);
    project.is_verified(TAG);
}

#[test]
fn a_store_put_back_to_an_older_state_is_not_cosigned_again() {
    let project = witnessed("witness-back");
    let old = project.beside("old");
    copy_tree(&project.store(), &old);
    project.relman(&["cut", TAG]).exits(0);
    fs::remove_dir_all(project.store()).unwrap();
    copy_tree(&old, &project.store());
    fs::remove_dir_all(project.path(".relman")).unwrap();
    project
        .relman(&["cut", TAG])
        .exits(3)
        .says(&["the witness does not cosign", "put back to an older state"]);
}

#[test]
fn killed_between_cosigning_and_publishing_the_next_run_goes_on() {
    for point in ["witness.answered", "witness.published", "publish.3"] {
        let project = witnessed("witness-kill");
        let run = project.killed_at(point, &["cut", TAG]);
        assert!(run.was_killed(), "{point}: {run:#?}");
        at(&project, "2026-02-01T01:00:00Z", &["cut", TAG]).exits(0);
        project.second();
        at(&project, "2026-02-01T02:00:00Z", &["cut", SECOND]).exits(0);
        at(&project, "2026-02-01T02:00:00Z", &["audit"]).exits(0);
    }
}

#[test]
fn a_damaged_memory_of_a_witness_stops_it() {
    let project = witnessed("witness-memory");
    let dir = project.secrets().join("cosigned");
    for entry in fs::read_dir(&dir).unwrap() {
        fs::write(entry.unwrap().path(), "{}").unwrap();
    }
    project.relman(&["cut", TAG]).exits(3).says(&["is damaged"]);
}

#[test]
fn a_node_keeps_proofs_with_their_witnesses_and_rolls_back_on_them() {
    let project = witnessed("witness-node");
    project.configure(BUILD, "");
    project.relman(&["cut", TAG]).exits(0);
    // As if from before there were witnesses: the node makes a proof of its own to keep.
    let proof = project.store().join(TAG).join("release.tlog-proof");
    strip(&proof, &["w.example/1", "w.example/2"]);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let node = Node::beside(project);
    node.run(&format!("install {TAG}")).exits(0);
    node.run(&format!("install {SECOND}")).exits(0);
    let evidence = node.path("state/evidence").join(TAG);
    let root = fs::read(node.project.path("keys/root.json")).unwrap();
    let read = || -> Vec<(String, Vec<u8>)> {
        let names = files(&evidence).into_iter();
        let files = names.map(|name| (name.clone(), fs::read(evidence.join(name)).unwrap()));
        files.collect()
    };
    let verify = || verify_retained(TAG, &read(), &root, NOW.parse().unwrap());
    assert_eq!(verify().unwrap().0.logged_since, Some(NOW.parse().unwrap()));
    for name in ["release.tlog-proof", "targets.tlog-proof", "checkpoint"] {
        let path = evidence.join(name);
        let whole = fs::read(&path).unwrap();
        strip(&path, &["w.example/2"]);
        let error = verify().err().expect(name).to_string();
        assert!(error.contains("no quorum of witnesses"), "{error}");
        replace(&path, &whole);
    }
    fs::remove_dir_all(node.project.store()).unwrap();
    node.run("rollback").exits(0).says(&[TAG]);
}
