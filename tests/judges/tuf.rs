//! The repository metadata, judged by the clients of python-tuf, tuf-js and tuftool.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use relman::hash::Sha256;
use serde_json::Value;

use crate::clients::{Client, OTHERS, Why, each, versions};
use crate::project::{Project, TAGS, write};
use crate::tamper::attacks;
use crate::tools::Verdict;

pub fn archive(tag: &str) -> String {
    format!("{tag}.tar.gz")
}

/// A client that knows the root alone.
pub fn fresh(client: Client, store: &Path, root: &Path, targets: &[&str]) -> Verdict {
    let state = tempfile::tempdir().unwrap();
    client.visit(store, root, state.path(), targets)
}

/// Every client gets the right bytes of every target, and refuses every tampered copy.
pub fn judged(project: &Project, root: &Path, role: &str, targets: &[&str]) {
    let copy = project.copy("untouched");
    let digest = |name: &&str| {
        let bytes = fs::read(copy.file(&copy.target(name))).unwrap();
        (name.to_string(), Sha256::of(&bytes).hex().into())
    };
    let wanted = Value::Object(targets.iter().map(digest).collect());
    let attacks = attacks(project, role, targets[0]);
    each(&OTHERS, |client| {
        let seen = fresh(client, &copy.0, root, targets).accepted();
        assert_eq!(seen, wanted, "{client:?}");
        for attack in &attacks {
            let verdict = fresh(client, &attack.store.0, root, targets);
            client.refuses(verdict, attack.why, &attack.what);
        }
    });
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_downloads_after_the_first_publish_and_refuses_tampered_copies() {
    let project = Project::founded("judge-tuf-first");
    project.release(TAGS[0]);
    let root = project.key("root.json");
    judged(&project, &root, "targets", &[&archive(TAGS[0])]);
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_follows_a_store_from_its_foundation_on() {
    let project = Project::founded("judge-tuf");
    let root = project.key("root.json");
    let states = OTHERS.map(|client| (client, tempfile::tempdir().unwrap()));
    let visit = |targets: &[&str]| {
        each(&OTHERS, |client| {
            let (_, state) = states.iter().find(|(whose, _)| *whose == client).unwrap();
            let verdict = client.visit(&project.store(), &root, state.path(), targets);
            assert_eq!(verdict.accepted().as_object().unwrap().len(), targets.len());
        });
    };
    visit(&[]);
    let names = TAGS.map(archive);
    project.release(TAGS[0]);
    visit(&[&names[0]]);
    project.release(TAGS[1]);
    visit(&[&names[0], &names[1]]);
    // A yank is for relman's nodes: others go on to see the target that carries it.
    project.relman(&["yank", TAGS[0], "--level", "withdrawn", "--reason", "a bug"]);
    project.relman(&["timestamp"]);
    visit(&[&names[0], &names[1]]);
    let wanted = [
        ("root", 1),
        ("timestamp", 5),
        ("snapshot", 4),
        ("targets", 4),
    ];
    let wanted = BTreeMap::from(wanted.map(|(role, version)| (role.to_owned(), version)));
    for (client, state) in &states {
        if client.remembers() {
            assert_eq!(versions(state.path()), wanted, "{client:?}");
        }
    }
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_asks_the_environment_for_its_names_and_nobody_else() {
    let project = Project::founded("judge-tuf-absent");
    let root = project.key("root.json");
    each(&OTHERS, |client| {
        for name in ["mainnet.x", "no-such-release.tar.gz"] {
            let verdict = fresh(client, &project.store(), &root, &[name]);
            client.refuses(verdict, Why::Absent, name);
        }
    });
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_refuses_another_root_and_another_root_refuses_us() {
    let ours = Project::founded("judge-tuf-ours");
    let theirs = Project::founded("judge-tuf-theirs");
    let (our_root, their_root) = (ours.key("root.json"), theirs.key("root.json"));
    // A next root that its own keys signed, but not ours.
    let copy = ours.copy("next-root");
    write(
        &copy.file("metadata/2.root.json"),
        &fs::read(&their_root).unwrap(),
    );
    each(&OTHERS, |client| {
        let refuses = |store: &Path, root: &Path, what: &str| {
            client.refuses(fresh(client, store, root, &[]), Why::Signatures, what);
        };
        refuses(&ours.store(), &their_root, "our store under their root");
        refuses(&theirs.store(), &our_root, "their store under our root");
        refuses(&copy.0, &our_root, "their root after ours");
    });
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn clients_that_remember_refuse_a_store_put_back_and_all_refuse_one_that_went_stale() {
    let project = Project::founded("judge-tuf-old");
    let root = project.key("root.json");
    let before = project.copy("before");
    project.release(TAGS[0]);
    let remember = OTHERS.into_iter().filter(|client| client.remembers());
    let remember: Vec<_> = remember.collect();
    each(&remember, |client| {
        let state = tempfile::tempdir().unwrap();
        let visit = |store: &Path| client.visit(store, &root, state.path(), &[]);
        visit(&before.0).accepted();
        visit(&project.store()).accepted();
        client.refuses(visit(&before.0), Why::Version, "an older state");
    });

    let stale = Project::founded_at("judge-tuf-stale", Some("2020-01-01T00:00:00Z"));
    each(&OTHERS, |client| {
        let verdict = fresh(client, &stale.store(), &stale.key("root.json"), &[]);
        client.refuses(verdict, Why::Expired, "metadata of 2020");
    });
}
