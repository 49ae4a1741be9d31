//! What an environment is to run, found by other people's clients through its delegation.

use std::fs;

use relman::trust::schema::Role;
use relman::trust::{MetaFile, Signed, Snapshot, TargetFile, Targets, Timestamp, Unsigned};

use crate::clients::{OTHERS, Why, each};
use crate::project::{Copy, Project, TAGS, write};
use crate::tuf::{archive, fresh, judged};

fn current(environment: &str) -> String {
    format!("{environment}.current.json")
}

/// Has `role` list a target of this name, by the library's editor and the project's own keys.
fn list(project: &Project, role: &str, name: &str, content: &[u8]) {
    let target = TargetFile::of(content);
    let file = target.consistent_name(name).unwrap();
    let targets = project.store().join("targets");
    fs::create_dir_all(&targets).unwrap();
    write(&targets.join(file), content);
    let entry = next::<Targets>(project, role, |targets, version| {
        targets.version = version;
        targets.targets.insert(name.into(), target);
    });
    let entry = next::<Snapshot>(project, "snapshot", |snapshot, version| {
        snapshot.version = version;
        snapshot.meta.insert(format!("{role}.json"), entry);
    });
    next::<Timestamp>(project, "timestamp", |timestamp, version| {
        timestamp.version = version;
        timestamp.meta.insert("snapshot.json".into(), entry);
    });
}

/// Publishes the next version of a role; what the role above has to say of it comes back.
fn next<T: Role>(project: &Project, role: &str, edit: impl FnOnce(&mut T, u64)) -> MetaFile {
    let metadata = project.store().join("metadata");
    let (old, versioned) = match role {
        "timestamp" => (metadata.join("timestamp.json"), false),
        _ => (
            project.store().join(Copy(project.store()).newest(role).0),
            true,
        ),
    };
    let old = Signed::<T>::parse(&fs::read(old).unwrap()).unwrap();
    let mut body = old.unverified_body().unwrap();
    let version = body.version() + 1;
    edit(&mut body, version);
    let key = project.keyring().require(role).unwrap();
    let signed = Unsigned::new(&body).unwrap().sign(&key).unwrap();
    let bytes = signed.draft_bytes().unwrap();
    let name = match versioned {
        true => format!("{version}.{role}.json"),
        false => format!("{role}.json"),
    };
    write(&metadata.join(name), &bytes);
    MetaFile::of(version, &bytes)
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn every_client_finds_what_an_environment_runs_through_its_delegation() {
    let project = Project::founded("judge-environment");
    let root = project.key("root.json");
    for tag in TAGS {
        project.release(tag);
        for environment in ["testnet", "mainnet"] {
            project.relman(&["promote", tag, "--to", environment]);
        }
    }
    let [testnet, mainnet] = ["testnet", "mainnet"].map(current);
    judged(
        &project,
        &root,
        "mainnet",
        &[&mainnet, &testnet, &archive(TAGS[1])],
    );
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn no_client_takes_a_name_of_mainnet_from_testnet() {
    let project = Project::founded("judge-environment-names");
    let root = project.key("root.json");
    let mainnet = current("mainnet");
    list(&project, "testnet", &mainnet, b"{}");
    let store = project.store();
    each(&OTHERS, |client| {
        let verdict = fresh(client, &store, &root, &[&mainnet]);
        client.refuses(verdict, Why::Foreign, "mainnet's name, listed by testnet");
    });
}

#[test]
#[ignore = "needs python-tuf, tuf-js and tuftool: run tests/judges/setup"]
fn a_halt_is_one_more_delegated_target_to_every_client() {
    let project = Project::founded("judge-halt");
    let root = project.key("root.json");
    project.release(TAGS[0]);
    for environment in ["testnet", "mainnet"] {
        project.relman(&["promote", TAGS[0], "--to", environment]);
    }
    let key = project.new_key("halt-mainnet");
    let add = [
        "root",
        "add",
        "halt-mainnet",
        &key,
        "--person",
        "dora",
        "--yes",
    ];
    project.relman(&add);
    let reason = "blocks are lost every minute";
    project.relman(&["fleet", "halt", "--env", "mainnet", "--reason", reason]);
    let [halt, mainnet] = ["halt-mainnet", "mainnet"].map(current);
    judged(
        &project,
        &root,
        "halt-mainnet",
        &[&halt, &mainnet, &archive(TAGS[0])],
    );
}
