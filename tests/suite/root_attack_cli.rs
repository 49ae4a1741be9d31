//! Stolen keys against a real store and the real binary: what their thieves can do, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};

use relman::io::keyring::{FileKey, Keyring};
use relman::keys::Signer;
use relman::trust::schema::Role;
use relman::trust::{MetaFile, PublicKey, Snapshot, TargetFile, Targets, Timestamp, Unsigned};

use super::root_cli::{first_root, later, new_key, public, run_at, verifies_from};
use crate::common::relman::{Project, SECOND, TAG, copy_tree, replace};

/// The second day after everything else.
const LATEST: &str = "2026-02-03T00:00:00Z";
/// A version that leaves its successors no room.
const HUGE: u64 = (1 << 53) - 2;

/// Whoever has stolen keys of the project and may write to a copy of its store.
pub struct Thief {
    pub keys: Keyring,
    store: PathBuf,
}

impl Thief {
    pub fn at(project: &Project, store: PathBuf) -> Thief {
        let keys = Keyring::new(project.secrets());
        Thief { keys, store }
    }

    pub fn key(&self, purpose: &str) -> FileKey {
        self.keys.require(purpose).expect("the key was stolen")
    }

    pub fn body<T: Role>(&self, name: &str) -> T {
        let text = fs::read_to_string(self.store.join("metadata").join(name)).expect("a role");
        let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        serde_json::from_value(file["signed"].clone()).expect("a role")
    }

    pub fn sign<T: Role>(&self, purpose: &str, body: &T, name: &str) -> MetaFile {
        let signed = Unsigned::new(body).and_then(|body| body.sign(&self.key(purpose)));
        let bytes = signed
            .and_then(|signed| signed.draft_bytes())
            .expect("bytes");
        let path = self.store.join("metadata").join(name);
        match path.exists() {
            true => replace(&path, &bytes),
            false => fs::write(&path, &bytes).expect("it can be written"),
        }
        MetaFile::of(body.version(), &bytes)
    }

    pub fn timestamp(&self) -> Timestamp {
        self.body("timestamp.json")
    }

    pub fn snapshot(&self) -> Snapshot {
        let version = self.timestamp().meta["snapshot.json"].version;
        self.body(&format!("{version}.snapshot.json"))
    }

    /// Publishes a snapshot, and a timestamp over it.
    pub fn publish(&self, snapshot: &Snapshot, timestamp_version: u64) {
        let name = format!("{}.snapshot.json", snapshot.version);
        let meta = self.sign("snapshot", snapshot, &name);
        let mut timestamp = self.timestamp();
        timestamp.version = timestamp_version;
        timestamp.meta.insert("snapshot.json".into(), meta);
        self.sign("timestamp", &timestamp, "timestamp.json");
    }

    /// Publishes top-level targets after a change to them.
    pub fn retarget(&self, change: impl FnOnce(&mut Targets)) {
        let mut snapshot = self.snapshot();
        let version = snapshot.meta["targets.json"].version;
        let mut targets: Targets = self.body(&format!("{version}.targets.json"));
        targets.version += 1;
        change(&mut targets);
        let meta = self.sign(
            "targets",
            &targets,
            &format!("{}.targets.json", version + 1),
        );
        snapshot.meta.insert("targets.json".into(), meta);
        snapshot.version += 1;
        self.publish(&snapshot, self.timestamp().version + 1);
    }
}

#[test]
fn release_signers_who_swap_the_mainnet_keys_are_refused_by_every_reader() {
    let project = Project::published("attack-swap");
    let thief = Thief::at(&project, project.store());
    let own = PublicKey::from(thief.key("approver").public());
    thief.retarget(|targets| {
        let patterns = ["mainnet.*".to_owned()];
        targets
            .delegate("mainnet", &[own], 1, true, &patterns)
            .unwrap();
    });
    later(&project, &["verify", TAG])
        .exits(3)
        .says(&["role mainnet has key", "which policy does not give it"]);
    later(&project, &["timestamp"])
        .exits(3)
        .says(&["which policy does not give it"]);
}

#[test]
fn release_signers_who_lower_the_quorum_are_refused_by_every_reader() {
    let project = Project::new("attack-quorum");
    for name in ["bob", "carol"] {
        let key = new_key(&project, &format!("mainnet.{name}"));
        let add = ["root", "add", "mainnet", &key, "--person", name, "--yes"];
        later(&project, &add).exits(0);
    }
    later(&project, &["cut", TAG]).exits(0);
    Thief::at(&project, project.store()).retarget(|targets| {
        let roles = targets
            .delegations
            .as_mut()
            .unwrap()
            .roles
            .as_mut()
            .unwrap();
        roles
            .iter_mut()
            .find(|r| r.name == "mainnet")
            .unwrap()
            .threshold = 1;
    });
    later(&project, &["verify", TAG])
        .exits(3)
        .says(&["role mainnet has threshold 1, policy wants 2"]);
}

#[test]
fn release_signers_who_list_what_mainnet_runs_are_refused_by_every_reader() {
    let project = Project::published("attack-list");
    Thief::at(&project, project.store()).retarget(|targets| {
        let file = TargetFile::new(2, relman::hash::Sha256::of(b"{}"));
        targets.targets.insert("mainnet.current.json".into(), file);
    });
    later(&project, &["verify", TAG])
        .exits(3)
        .says(&["\"mainnet.current.json\" is listed by targets, wanted in role mainnet alone"]);
}

#[test]
fn an_old_policy_in_place_of_the_new_one_is_refused() {
    let project = Project::published("attack-policy");
    let old = fs::read(project.path("keys/policy.json")).unwrap();
    let before = project.beside("before");
    copy_tree(&project.store(), &before);
    let (was, new) = (
        public(&project, "mainnet"),
        new_key(&project, "mainnet.new"),
    );
    later(
        &project,
        &["root", "rotate", "mainnet", &was, &new, "--yes"],
    )
    .exits(0);
    let node = project.beside("node-root.json");
    copy_tree(&project.path("keys/root.json"), &node);
    verifies_from(&project, &node, TAG);

    // The store as it was, shown to a node that has the new root already.
    let (store, root) = (before.to_str().unwrap(), node.to_str().unwrap());
    later(&project, &["verify", TAG, "--store", store, "--root", root]).exits(3);
    // The old policy's bytes under the new one's name.
    let root: serde_json::Value = serde_json::from_slice(&fs::read(&node).unwrap()).unwrap();
    let pinned = root["signed"]["x-relman-policy"]["sha256"]
        .as_str()
        .unwrap();
    let path = project
        .store()
        .join(format!("metadata/{pinned}.policy.json"));
    replace(&path, &old);
    later(&project, &["verify", TAG])
        .exits(3)
        .says(&["root pins"]);
}

#[test]
fn what_a_stolen_builder_key_signed_after_the_theft_counts_for_nothing() {
    let project = Project::published("attack-builder");
    let node = first_root(&project);
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    let (old, new) = (
        public(&project, "builder"),
        new_key(&project, "builder.new"),
    );
    let since = ["--since", "2026-02-01T12:00:00Z", "--yes"];
    let rotate = [&["root", "rotate", "builder", &old, &new][..], &since].concat();
    let run = run_at(&project, LATEST, &rotate).exits(0);
    run.says(&[
        &format!("release {SECOND}, cut at 2026-02-02"),
        "would not verify any more",
    ]);
    verifies_from(&project, &node, TAG);
    run_at(&project, LATEST, &["verify", SECOND])
        .exits(3)
        .says(&["no valid signature by an accepted key"]);
}

#[test]
fn after_a_theft_of_the_publisher_key_what_it_logged_is_logged_again() {
    let project = Project::published("attack-publisher");
    let node = first_root(&project);
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    let (old, new) = (
        public(&project, "publisher"),
        new_key(&project, "publisher.new"),
    );
    let since = ["--since", "2026-02-01T12:00:00Z", "--yes"];
    let rotate = [&["root", "rotate", "publisher", &old, &new][..], &since].concat();
    let run = run_at(&project, LATEST, &rotate).exits(0);
    // Targets was logged by the stolen key after the theft; the environments were not.
    run.says(&["role targets: version 3 → 4"]);
    assert!(!project.store().join("metadata/2.mainnet.json").exists());
    for tag in [TAG, SECOND] {
        verifies_from(&project, &node, tag);
    }
}

#[test]
fn a_key_that_ends_before_what_it_signed_meanwhile_is_not_published_so() {
    let project = Project::published("attack-meanwhile");
    let node = first_root(&project);
    let (old, new) = (
        public(&project, "publisher"),
        new_key(&project, "publisher.new"),
    );
    later(
        &project,
        &["root", "rotate", "publisher", &old, &new, "--draft"],
    )
    .exits(0);
    project.second();
    run_at(&project, LATEST, &["cut", SECOND]).exits(0);
    let last = "2026-02-04T00:00:00Z";
    let run = run_at(&project, last, &["sign", "root-2", "--yes"]).exits(3);
    run.says(&["readers would refuse", "relman root renew"]);
    run_at(&project, last, &["root", "renew", "--yes"])
        .exits(0)
        .says(&["published root-2"]);
    for tag in [TAG, SECOND] {
        verifies_from(&project, &node, tag);
    }

    let (old, new) = (
        public(&project, "builder"),
        new_key(&project, "builder.new"),
    );
    let rotate = ["root", "rotate", "builder", &old, &new, "--draft"];
    run_at(&project, last, &rotate).exits(0);
    let third = "phase2-finality-fork-1.0.1";
    project.write("prog.sh", "echo release three\n");
    project.commit_and_tag("fix: more", third);
    run_at(&project, "2026-02-05T00:00:00Z", &["cut", third]).exits(0);
    let run = run_at(
        &project,
        "2026-02-06T00:00:00Z",
        &["sign", "root-3", "--yes"],
    )
    .exits(3);
    run.says(&[third, "with a key that root-3 ends before that"]);
}

/// A node without a service, which remembers what it has seen.
struct Node {
    dir: PathBuf,
}

impl Node {
    fn new(project: &Project, root: &Path) -> Node {
        let dir = project.beside("node");
        fs::create_dir_all(dir.join("bin")).unwrap();
        copy_tree(root, &dir.join("root.json"));
        Node { dir }
    }

    #[track_caller]
    fn install(&self, project: &Project, store: &Path, tag: &str) -> crate::common::relman::Run {
        let text = format!(
            "name = \"n1\"\nenvironment = \"local\"\nstore = {store:?}\nroot = \"root.json\"\nstate = \"state\"\n\
             [[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n"
        );
        let config = self.dir.join("node.toml");
        fs::write(&config, text).unwrap();
        later(
            project,
            &["install", tag, "--config", config.to_str().unwrap()],
        )
    }
}

#[test]
fn a_node_recovers_from_a_fast_forward_attack_once_the_online_keys_are_replaced() {
    let project = Project::published("attack-forward");
    let node = Node::new(&project, &first_root(&project));
    project.second();
    later(&project, &["cut", SECOND]).exits(0);
    let mirror = project.beside("mirror");
    copy_tree(&project.store(), &mirror);
    let thief = Thief::at(&project, mirror.clone());
    let mut snapshot = thief.snapshot();
    snapshot.version = HUGE;
    thief.publish(&snapshot, HUGE);
    node.install(&project, &mirror, TAG).exits(0);

    // The node now refuses the honest store for ever, unless root says that those keys are gone.
    let run = node.install(&project, &project.store(), SECOND).exits(3);
    run.says(&["timestamp"]);
    for purpose in ["timestamp", "snapshot"] {
        let (old, new) = (
            public(&project, purpose),
            new_key(&project, &format!("{purpose}.new")),
        );
        later(&project, &["root", "rotate", purpose, &old, &new, "--yes"]).exits(0);
    }
    node.install(&project, &project.store(), SECOND).exits(0);
    // What the thief serves is worth nothing any more.
    let stolen = project.beside("stolen");
    copy_tree(&project.store(), &stolen);
    let mut snapshot = thief.snapshot();
    snapshot.version = HUGE + 1;
    Thief::at(&project, stolen.clone()).publish(&snapshot, HUGE + 1);
    node.install(&project, &stolen, TAG).exits(3);
}

#[test]
fn a_store_whose_versions_have_no_successor_goes_on_after_the_online_keys_are_replaced() {
    let project = Project::published("attack-exhausted");
    let root = first_root(&project);
    let thief = Thief::at(&project, project.store());
    let mut snapshot = thief.snapshot();
    snapshot.version = HUGE + 1;
    thief.publish(&snapshot, HUGE + 1);
    later(&project, &["timestamp"]).exits(3);
    for purpose in ["timestamp", "snapshot"] {
        let new = new_key(&project, &format!("{purpose}.new"));
        let old = public(&project, purpose);
        let rotate = ["root", "rotate", purpose, &old, &new, "--draft"];
        later(&project, &rotate).exits(0);
    }
    later(&project, &["sign", "root-2", "--yes"]).exits(0);
    verifies_from(&project, &root, TAG);
    assert!(thief.timestamp().version < 10);
    later(&project, &["timestamp"]).exits(0);
}
