//! The frozen example history in `releases/` and `keys/`: every format that was ever published stays
//! readable, or these tests fail.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The releases that are in the example, oldest first.
const RELEASES: [&str; 3] = [
    "phase1-sig-verify-1.0.0",
    "phase2-finality-fork-1.0.0",
    "phase3-validation-1.0.0",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relman(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relman"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .output()
        .expect("relman runs")
}

fn data(output: &Output) -> Value {
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    document["data"].clone()
}

#[test]
fn the_example_history_audits_clean() {
    let output = relman(top(), &["audit", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let data = data(&output);
    assert_eq!(data["problems"], 0);
    let releases: Vec<&str> = data["history"]
        .as_array()
        .expect("a history")
        .iter()
        .filter(|event| event["kind"] == "release")
        .filter_map(|event| event["what"].as_str())
        .collect();
    assert_eq!(releases, RELEASES);
}

#[test]
fn every_release_of_the_example_verifies_with_nothing_but_its_root() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let store = top().join("releases");
    let root = top().join("keys/root.json");
    for tag in RELEASES {
        let args = ["verify", tag, "--store", &store.to_string_lossy(), "--root"];
        let root = root.to_string_lossy();
        let args: Vec<&str> = args.into_iter().chain([root.as_ref()]).collect();
        let output = relman(elsewhere.path(), &args);
        assert_eq!(output.status.code(), Some(0), "{tag}: {output:?}");
    }
}

#[test]
fn the_frozen_archives_unpack_to_the_binaries_beside_them() {
    for tag in RELEASES {
        let dir = top().join("releases").join(tag);
        let out = tempfile::tempdir().expect("a directory");
        let status = Command::new("tar")
            .arg("xzf")
            .arg(dir.join(format!("{tag}.tar.gz")))
            .current_dir(out.path())
            .status()
            .expect("tar runs");
        assert!(status.success());
        let unpacked = fs::read(out.path().join(tag).join("timed")).expect("timed is there");
        assert_eq!(
            unpacked,
            fs::read(dir.join("timed")).expect("timed is there")
        );
    }
}

#[test]
fn a_node_refuses_to_install_from_a_root_that_says_it_is_an_example() {
    let node = tempfile::tempdir().expect("a directory");
    let config = format!(
        "name = \"n\"\nstore = {:?}\nroot = {:?}\nstate = \"state\"\n[[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n",
        top().join("releases"),
        top().join("keys/root.json")
    );
    fs::create_dir(node.path().join("bin")).expect("a directory");
    fs::write(node.path().join("node.toml"), config).expect("a file");
    let output = relman(
        node.path(),
        &["install", RELEASES[0], "--config", "node.toml", "--json"],
    );
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("marked as an example"), "{text}");
    assert!(!node.path().join("bin/timed").exists());
}

#[test]
fn no_secret_key_is_in_the_example() {
    for entry in fs::read_dir(top().join("keys")).expect("keys/") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("public text");
        assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
    }
}
