//! Other people's clients before, while and after a project's keys are replaced, and under thresholds.

use std::fs;
use std::path::PathBuf;

use relman::io::keyring::Keyring;
use tempfile::TempDir;

use crate::clients::{Client, OTHERS, Why, each, versions};
use crate::project::{Project, TAGS};
use crate::tamper::attacks_by_retired_keys;
use crate::tuf::{archive, fresh, judged};

/// The root that a client got when the project began.
fn first_root(project: &Project) -> PathBuf {
    let path = project.scratch("first-root.json");
    fs::copy(project.key("root.json"), &path).unwrap();
    path
}

/// Puts a new key in the place of a role's only one, which goes to `retired`.
fn rotate(project: &Project, role: &str, retired: &Keyring) {
    let name = format!("{role}.new");
    let new = project.new_key(&name);
    let old = project.key(&format!("{role}.pub"));
    project.relman(&["root", "rotate", role, old.to_str().unwrap(), &new, "--yes"]);
    let keys = project.keyring();
    fs::rename(keys.path_of(role), retired.path_of(role)).unwrap();
    fs::rename(keys.path_of(&name), keys.path_of(role)).unwrap();
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_follows_the_rotation_of_every_role_and_refuses_the_retired_keys() {
    let project = Project::founded("judge-rotation");
    let root = first_root(&project);
    project.release(TAGS[0]);
    let names = TAGS.map(archive);
    let states: [(Client, TempDir); 3] =
        OTHERS.map(|client| (client, tempfile::tempdir().unwrap()));
    let state = |client| states.iter().find(|(whose, _)| *whose == client).unwrap();
    let follow = |target: &str| {
        let store = project.store();
        each(&OTHERS, |client| {
            let (_, state) = state(client);
            client
                .visit(&store, &root, state.path(), &[target])
                .accepted();
            // That an environment's role was read: it is asked for its names, and has none.
            let verdict = client.visit(&store, &root, state.path(), &["mainnet.x"]);
            client.refuses(verdict, Why::Absent, "mainnet.x");
        });
    };
    follow(&names[0]);
    let retired = project.scratch("retired");
    fs::create_dir(&retired).unwrap();
    let retired = Keyring::new(retired);
    let roles = [
        "root",
        "targets",
        "snapshot",
        "timestamp",
        "testnet",
        "mainnet",
    ];
    for role in roles {
        rotate(&project, role, &retired);
        follow(&names[0]);
    }
    project.release(TAGS[1]);
    follow(&names[1]);
    for (client, state) in &states {
        if client.remembers() {
            assert_eq!(versions(state.path())["root"], 1 + roles.len() as u64);
        }
    }

    judged(&project, &root, "targets", &[&names[1], &names[0]]);
    let attacks = attacks_by_retired_keys(&project, retired);
    each(&OTHERS, |client| {
        for attack in &attacks {
            let verdict = fresh(client, &attack.store.0, &root, &[&names[1], "mainnet.x"]);
            client.refuses(verdict, attack.why, &attack.what);
        }
    });
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_takes_any_two_of_three_signatures_and_no_single_one() {
    let project = Project::founded("judge-threshold");
    let root = first_root(&project);
    let [bob, carol] = ["bob", "carol"].map(|who| project.new_key(&format!("targets.{who}")));
    project.relman(&["root", "add", "targets", &bob, "--person", "bob", "--draft"]);
    project.relman(&[
        "root",
        "add",
        "targets",
        &carol,
        "--person",
        "carol",
        "--threshold",
        "2",
        "--yes",
    ]);
    let keys = project.keyring();
    let away = project.scratch("away");
    // Who is away signs nothing; the other two are enough.
    for (tag, who) in TAGS.into_iter().zip(["targets.carol", "targets"]) {
        fs::rename(keys.path_of(who), &away).unwrap();
        project.release(tag);
        fs::rename(&away, keys.path_of(who)).unwrap();
        let (store, name) = (project.store(), archive(tag));
        each(&OTHERS, |client| {
            fresh(client, &store, &root, &[&name]).accepted();
        });
    }
    judged(&project, &root, "targets", &[&archive(TAGS[1])]);
}
