//! `relman root`: keys that come and go, with the real binary, and what readers with an old root see.

use std::fs;
use std::path::{Path, PathBuf};

use relman::io::keyring::Keyring;
use relman::keys::Signer;
use relman::log::CosignerKey;

use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree, files, snapshot};

/// A day after everything else.
const LATER: &str = "2026-02-02T00:00:00Z";

/// Runs `relman` a day later.
#[track_caller]
pub fn later(project: &Project, arguments: &[&str]) -> Run {
    run_at(project, LATER, arguments)
}

/// Runs `relman` at a time.
#[track_caller]
pub fn run_at(project: &Project, time: &str, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    let output = command.env("RELMAN_INSECURE_NOW", time).output();
    let run = Run::of(output.expect("relman runs"));
    assert!(!matches!(run.code, Some(70 | 101)), "{run:#?}");
    run
}

/// Makes a key among the secret keys, and gives the path of its public half.
pub fn new_key(project: &Project, name: &str) -> String {
    project.add_key(name);
    let public = project.secrets().join(format!("{name}.pub"));
    public.to_str().unwrap().to_owned()
}

pub fn public(project: &Project, purpose: &str) -> String {
    let path = project.path(&format!("keys/{purpose}.pub"));
    path.to_str().unwrap().to_owned()
}

/// Verifies a tag from the trust root that a node got before any change.
#[track_caller]
pub fn verifies_from(project: &Project, root: &Path, tag: &str) {
    let store = project.store();
    let arguments = [
        "verify",
        tag,
        "--store",
        store.to_str().unwrap(),
        "--root",
        root.to_str().unwrap(),
    ];
    later(project, &arguments).exits(0).says(&["is verified"]);
}

/// The root that a node got when it was set up.
pub fn first_root(project: &Project) -> PathBuf {
    let copy = project.beside("first-root.json");
    copy_tree(&project.path("keys/root.json"), &copy);
    copy
}

#[test]
fn every_key_of_a_project_is_replaced_one_after_the_other_and_old_releases_stay_verified() {
    let project = Project::published("root-rotate");
    let node = first_root(&project);
    let purposes =
        "root targets snapshot timestamp log builder publisher gate approver testnet mainnet";
    for (n, purpose) in purposes.split(' ').enumerate() {
        let new = new_key(&project, &format!("{purpose}.new"));
        let old = public(&project, purpose);
        let run = later(&project, &["root", "rotate", purpose, &old, &new, "--yes"]).exits(0);
        run.says(&[&format!("published root-{}", n + 2)]);
        // The retired key lies beside its successor in half of the cases, and is gone in the others.
        if n % 2 == 0 {
            fs::remove_file(project.secrets().join(purpose)).unwrap();
        }
        verifies_from(&project, &node, TAG);
        let copied = fs::read(project.path("keys/root.json")).unwrap();
        let name = format!("metadata/{}.root.json", n + 2);
        assert_eq!(copied, fs::read(project.store().join(name)).unwrap());
    }
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    later(&project, &["timestamp"]).exits(0);
    for tag in [TAG, SECOND] {
        verifies_from(&project, &node, tag);
    }
    later(&project, &["audit"]).exits(0);
    later(&project, &["root"])
        .exits(0)
        .says(&["root version 12", "environment mainnet"]);
}

/// The proposals that wait.
fn proposals(project: &Project) -> Vec<String> {
    let dir = project.path(".relman/proposals");
    match dir.exists() {
        true => files(&dir),
        false => Vec::new(),
    }
}

/// Keeps a change of three kinds of keys as one unsigned proposal, `root-2`.
fn three_at_once(project: &Project) {
    for (purpose, joined) in [("timestamp", false), ("mainnet", true), ("publisher", true)] {
        let new = new_key(project, &format!("{purpose}.new"));
        let old = public(project, purpose);
        let run = later(project, &["root", "rotate", purpose, &old, &new, "--draft"]).exits(0);
        assert_eq!(run.stderr.contains("joins it"), joined, "{run:#?}");
    }
}

#[test]
fn changes_in_a_row_are_one_proposal_and_one_signature() {
    let project = Project::published("root-row");
    let node = first_root(&project);
    let before = snapshot(&project.store());
    three_at_once(&project);
    assert_eq!(snapshot(&project.store()), before, "a draft is visible");
    later(&project, &["root"]).exits(0).says(&[
        "waiting",
        "root-2",
        "0 of 1 signatures",
        "timestamp: + ",
        "role mainnet: version 1 → 2",
    ]);
    let run = later(&project, &["sign", "root-2", "--yes"]).exits(0);
    run.says(&[
        "published root-2",
        "signed root version 2",
        "signed mainnet version 2",
    ]);
    assert_eq!(proposals(&project), [""; 0]);
    verifies_from(&project, &node, TAG);
    later(&project, &["root"])
        .exits(0)
        .says(&["root version 2"]);
}

#[test]
fn killed_at_every_step_of_a_change_readers_refuse_or_verify_and_the_next_command_finishes_it() {
    let prepared = Project::published("root-kill");
    let node = first_root(&prepared);
    three_at_once(&prepared);
    let mut visited = 0;
    let groups = ["stage", "publish"].map(|group| (0..).map(move |n| format!("{group}.{n}")));
    for points in groups {
        for point in points {
            let project = prepared.copy();
            let mut command = project.command(&["sign", "root-2", "--yes"]);
            command.env("RELMAN_INSECURE_NOW", LATER);
            command.env("RELMAN_INSECURE_KILL_AT", &point);
            let run = Run::of(command.output().expect("relman runs"));
            if !run.was_killed() {
                run.exits(0);
                break;
            }
            visited += 1;
            recovers(&project, &node, &point);
        }
    }
    assert!(visited > 20, "{visited} points");
    for point in [
        "stage.written",
        "publish.done",
        "public.policy.json",
        "public.timestamp.pub",
        "public.root.json",
    ] {
        let project = prepared.copy();
        let mut command = project.command(&["sign", "root-2", "--yes"]);
        command.env("RELMAN_INSECURE_NOW", LATER);
        command.env("RELMAN_INSECURE_KILL_AT", point);
        let run = Run::of(command.output().expect("relman runs"));
        assert!(run.was_killed(), "{point}: {run:#?}");
        recovers(&project, &node, point);
    }
}

/// What a reader with the first root sees is refused or verified; after the next command it is verified.
#[track_caller]
fn recovers(project: &Project, node: &Path, point: &str) {
    let store = project.store();
    let (store, root) = (store.to_str().unwrap(), node.to_str().unwrap());
    let run = later(project, &["verify", TAG, "--store", store, "--root", root]);
    assert!(matches!(run.code, Some(0 | 3)), "{point}: {run:#?}");
    later(project, &["timestamp"]).exits(0);
    if store_root(project) == 1 {
        later(project, &["sign", "root-2", "--yes"]).exits(0);
    }
    assert_eq!(store_root(project), 2, "{point}");
    assert_eq!(proposals(project), [""; 0], "{point}");
    verifies_from(project, node, TAG);
    let copied = fs::read(project.path("keys/root.json")).unwrap();
    let published = fs::read(project.store().join("metadata/2.root.json")).unwrap();
    assert_eq!(copied, published, "{point}");
    let copied = fs::read(project.path("keys/timestamp.pub")).unwrap();
    let key = fs::read_to_string(project.secrets().join("timestamp.new.pub")).unwrap();
    let key = key.split(' ').nth(1).unwrap();
    assert!(String::from_utf8_lossy(&copied).contains(key), "{point}");
    later(project, &["audit"]).exits(0);
}

fn store_root(project: &Project) -> u64 {
    let metadata = project.store().join("metadata");
    (1..)
        .find(|n| !metadata.join(format!("{}.root.json", n + 1)).exists())
        .unwrap()
}

/// Moves a secret key out of the project, to whoever holds it; gives its path.
pub fn held_elsewhere(project: &Project, name: &str) -> String {
    let path = project.beside(name);
    fs::rename(project.secrets().join(name), &path).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_second_root_key_must_sign_from_then_on_and_signs_elsewhere() {
    let project = Project::published("root-two");
    let node = first_root(&project);
    let bob = new_key(&project, "root.bob");
    later(
        &project,
        &[
            "root",
            "add",
            "root",
            &bob,
            "--person",
            "bob",
            "--threshold",
            "2",
            "--yes",
        ],
    )
    .exits(0)
    .says(&["root: + bob", "root: threshold: 1 → 2", "published root-2"]);
    let secret = held_elsewhere(&project, "root.bob");

    let run = later(&project, &["root", "renew", "--yes"]).exits(0);
    run.says(&["1 of 2 signatures", "missing: bob"]);
    assert_eq!(store_root(&project), 2);
    // A further change joins it and costs the signature that it had.
    let key = new_key(&project, "approver.carol");
    let add = [
        "root", "add", "approver", &key, "--person", "carol", "--draft",
    ];
    later(&project, &add)
        .exits(0)
        .says(&["joins it", "are dropped"]);
    later(&project, &["sign"])
        .exits(0)
        .says(&["0 of 2 signatures"]);

    let file = project.beside("root-3.json");
    let file = file.to_str().unwrap();
    later(&project, &["export", "root-3", "--out", file]).exits(0);
    let root = node.to_str().unwrap();
    let elsewhere = Project::empty("root-bob");
    let sign = ["sign", file, "--root", root, "--key", &secret, "--yes"];
    later(&elsewhere, &sign)
        .exits(0)
        .says(&["signed root version 3 as bob"]);
    later(&project, &["import", file])
        .exits(0)
        .says(&["1 of 2"]);
    later(&project, &["sign", "root-3", "--yes"])
        .exits(0)
        .says(&["published root-3"]);
    later(&project, &["root"])
        .exits(0)
        .says(&["approver: carol"]);
    verifies_from(&project, &node, TAG);
    later(&project, &["audit"]).exits(0);
}

#[test]
fn a_change_that_is_withdrawn_leaves_nothing() {
    let project = Project::new("root-withdraw");
    later(&project, &["root", "renew", "--draft"]).exits(0);
    later(&project, &["withdraw", "root-2"]).exits(0);
    assert_eq!(proposals(&project), [""; 0]);
    let shown = later(&project, &["root", "--json"]).exits(0).json();
    assert_eq!(shown["data"]["pending"], serde_json::Value::Null);
    assert_eq!(shown["data"]["version"], 1);
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing_and_nobody_is_asked_without_a_terminal() {
    let project = Project::new("root-dry");
    let before = snapshot(&project.repo());
    let key = new_key(&project, "builder.new");
    let add = ["root", "add", "builder", &key, "--person", "bob"];
    let dry = later(&project, &[&add[..], &["--dry-run"]].concat()).exits(0);
    dry.says(&[
        "+ builder bob",
        "role root: version 1 → 2",
        "nothing was changed",
    ]);
    later(&project, &add).exits(2).says(&["--yes"]);
    later(&project, &[&add[..], &["--json"]].concat()).exits(2);
    let lock = |(path, _, _): &(PathBuf, u32, Vec<u8>)| !path.ends_with(".relman-lock");
    let known = |all: Vec<_>| all.into_iter().filter(lock).collect::<Vec<_>>();
    assert_eq!(known(snapshot(&project.repo())), known(before));
}

#[test]
fn a_key_has_one_purpose_and_the_refusal_names_both() {
    let project = Project::new("root-purpose");
    let new = new_key(&project, "new");
    let builder = public(&project, "builder");
    for (role, key, both) in [
        (
            "targets",
            &builder,
            ["is the builder key", "for targets too"],
        ),
        (
            "approver",
            &public(&project, "root"),
            ["signs role root", "for approver too"],
        ),
        (
            "witness",
            &public(&project, "log"),
            ["signs the log", "for witness too"],
        ),
        (
            "snapshot",
            &public(&project, "timestamp"),
            ["signs role timestamp", "for snapshot too"],
        ),
        (
            "mainnet",
            &public(&project, "testnet"),
            ["environment/testnet", "for mainnet too"],
        ),
    ] {
        let run = later(&project, &["root", "add", role, key, "--yes"]).exits(3);
        run.says(&both);
    }
    later(&project, &["root", "add", "nonsense", &new, "--yes"])
        .exits(2)
        .says(&["halt-mainnet"]);
}

#[test]
fn what_would_lock_the_project_out_is_refused() {
    let project = Project::new("root-lockout");
    for purpose in ["root", "targets", "snapshot", "timestamp", "mainnet"] {
        let key = public(&project, purpose);
        let run = later(&project, &["root", "remove", purpose, &key, "--yes"]).exits(3);
        run.says(&["no key left", "relman root rotate"]);
        let run = later(&project, &["root", "threshold", purpose, "2", "--yes"]).exits(3);
        run.says(&["threshold 2 of 1"]);
        later(&project, &["root", "threshold", purpose, "0", "--yes"]).exits(3);
    }
    let key = public(&project, "publisher");
    let remove = ["root", "remove", "publisher", &key, "--yes"];
    later(&project, &remove)
        .exits(3)
        .says(&["no publisher key would be left"]);
    let key = public(&project, "log");
    let remove = ["root", "remove", "log", &key, "--erase", "--yes"];
    later(&project, &remove)
        .exits(3)
        .says(&["the log would have no key"]);
    let soak = ["root", "set", "mainnet", "--soak-hours", "48", "--yes"];
    later(&project, &soak).exits(3).says(&["soak"]);
    assert_eq!(store_root(&project), 1);
}

#[test]
fn the_quorum_of_an_environment_follows_its_keys_and_never_falls_below_two_thirds() {
    let project = Project::published("root-quorum");
    let node = first_root(&project);
    for (n, name) in ["bob", "carol"].into_iter().enumerate() {
        let key = new_key(&project, &format!("mainnet.{name}"));
        let add = ["root", "add", "mainnet", &key, "--person", name, "--yes"];
        later(&project, &add)
            .exits(0)
            .says(&[&format!("published root-{}", n + 2)]);
    }
    let shown = later(&project, &["root"]).exits(0);
    shown.says(&["mainnet: 2 of 3"]);
    later(&project, &["root", "threshold", "mainnet", "1", "--yes"])
        .exits(3)
        .says(&["threshold 1 of 3 keys, wanted 2 to 3"]);
    later(&project, &["root", "threshold", "mainnet", "3", "--yes"]).exits(0);
    // Whoever goes takes his name from the list, and the team's own stricter rule stays.
    later(&project, &["root", "remove", "mainnet", "carol", "--yes"]).exits(0);
    later(&project, &["root"])
        .exits(0)
        .says(&["mainnet: 2 of 2"]);
    verifies_from(&project, &node, TAG);
    later(&project, &["audit"]).exits(0);
}

#[test]
fn a_halt_role_comes_with_its_first_key_and_goes_with_its_last_and_no_reader_minds() {
    let project = Project::published("root-halt");
    let node = first_root(&project);
    for round in 0..2 {
        let key = new_key(&project, &format!("halt-mainnet.{round}"));
        let add = [
            "root",
            "add",
            "halt-mainnet",
            &key,
            "--person",
            "dora",
            "--yes",
        ];
        later(&project, &add)
            .exits(0)
            .says(&["+ halt/mainnet dora"]);
        let version = round + 1;
        let role = format!("metadata/{version}.halt-mainnet.json");
        assert!(project.store().join(role).exists());
        verifies_from(&project, &node, TAG);
        let remove = ["root", "remove", "halt-mainnet", &key, "--erase", "--yes"];
        later(&project, &remove)
            .exits(0)
            .says(&["- delegation halt-mainnet"]);
        verifies_from(&project, &node, TAG);
    }
    later(&project, &["audit"]).exits(0);
}

#[test]
fn witnesses_and_soak_times_come_together_and_old_roles_need_no_new_signature() {
    let project = Project::published("root-witness");
    let node = first_root(&project);
    let (key, _) = Keyring::new(project.secrets())
        .load_or_generate("witness", "a witness")
        .unwrap();
    let key = CosignerKey::new("w.example/1", key.public()).unwrap();
    let policy = project.beside("witnesses");
    fs::write(&policy, format!("witness w1 {key}\nquorum w1\n")).unwrap();
    let policy = policy.to_str().unwrap();
    later(&project, &["root", "witnesses", policy, "--draft"]).exits(0);
    let set = [
        "root",
        "set",
        "mainnet",
        "--soak-hours",
        "48",
        "--approvals",
        "qa,security",
        "--yes",
    ];
    later(&project, &set).exits(0).says(&[
        "mainnet: soak hours: 0 → 48",
        "mainnet: approvals: none → qa, security",
    ]);
    assert!(!project.store().join("metadata/2.mainnet.json").exists());
    verifies_from(&project, &node, TAG);
    later(&project, &["root"])
        .exits(0)
        .says(&["soak 48 hours", "qa, security"]);
    later(&project, &["audit"]).exits(0);
}

#[test]
fn a_change_whose_new_online_key_is_elsewhere_is_kept_with_its_signatures() {
    let project = Project::published("root-online");
    let node = first_root(&project);
    let new = new_key(&project, "timestamp.new");
    let secret = held_elsewhere(&project, "timestamp.new");
    let old = public(&project, "timestamp");
    later(
        &project,
        &["root", "rotate", "timestamp", &old, &new, "--yes"],
    )
    .exits(3)
    .says(&["the timestamp key here is"]);
    assert_eq!(store_root(&project), 1);
    later(&project, &["sign"])
        .exits(0)
        .says(&["1 of 1 signatures"]);
    fs::rename(secret, project.secrets().join("timestamp.new")).unwrap();
    later(&project, &["sign", "root-2", "--yes"])
        .exits(0)
        .says(&["published root-2"]);
    verifies_from(&project, &node, TAG);
}
