//! Bundles with the real `relman`: a node without a network installs, and every other bundle is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::relman::{Project, SECOND, TAG};
use crate::environment_cli::promote;
use crate::environment_node_cli::{node_of, running};
use crate::node_cli::Node;

fn bundled(node: &Node, tag: &str) -> PathBuf {
    let out = node.project.beside(&format!("{tag}.bundle"));
    let file = out.to_string_lossy();
    node.project
        .relman(&["bundle", tag, "--out", &file])
        .exits(0);
    out
}

/// The node loses its store: only bundles are left.
fn offline(node: &Node) {
    node.configure("../nowhere", "local");
}

fn install(node: &Node, bundle: &Path) -> crate::common::relman::Run {
    node.run(&format!("install --bundle {}", bundle.display()))
}

/// Offset, length and name of each member's content.
fn members(bytes: &[u8]) -> Vec<(usize, usize, String)> {
    let mut out = Vec::new();
    let mut at = 0;
    while bytes[at] != 0 {
        let text = |from: usize, to: usize| {
            let field = &bytes[at + from..at + to];
            let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
            String::from_utf8(field[..end].to_vec()).expect("text")
        };
        let length = usize::from_str_radix(text(124, 136).trim(), 8).expect("a length");
        out.push((at + 512, length, text(0, 100)));
        at += 512 + length.next_multiple_of(512);
    }
    out
}

#[test]
fn a_node_without_a_network_installs_upgrades_and_goes_back() {
    let node = Node::new("bundle-way");
    let (one, two) = (bundled(&node, TAG), bundled(&node, SECOND));
    offline(&node);
    node.run(&format!("install {TAG}")).exits(3);
    let dry = node.run(&format!("install --dry-run --bundle {}", one.display()));
    dry.exits(0).says(&["nothing was changed"]);
    install(&node, &one).exits(0).says(&["runs on n1"]);
    assert_eq!(node.installed(), node.released(TAG));
    node.run(&format!("install {SECOND} --bundle {}", two.display()))
        .exits(0);
    assert_eq!(node.installed(), node.released(SECOND));
    node.run("rollback").exits(0);
    node.run(&format!("install {TAG} --bundle {}", two.display()))
        .exits(3)
        .says(&["release.tlog-proof: is missing"]);
    node.run("receipts verify").exits(0);
}

#[test]
fn the_same_store_gives_the_same_bytes_and_tar_lists_them() {
    let node = Node::new("bundle-same");
    let one = bundled(&node, SECOND);
    let bytes = fs::read(&one).expect("a bundle");
    assert_eq!(fs::read(bundled(&node, SECOND)).expect("a bundle"), bytes);
    let listed = Command::new("tar")
        .arg("tf")
        .arg(&one)
        .output()
        .expect("tar runs");
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).expect("text");
    for wanted in [
        "bundle.json",
        "log/checkpoint",
        "log/tile/0/000.p/",
        "metadata/timestamp.json",
        "targets/",
    ] {
        assert!(listed.contains(wanted), "{wanted} is not in\n{listed}");
    }
    assert!(!listed.contains("tile/entries"), "{listed}");
    let document = node
        .project
        .relman(&["verify", "--bundle", &one.to_string_lossy(), "--json"]);
    assert_eq!(document.exits(0).json()["data"]["release"], SECOND);
}

#[test]
fn a_flipped_bit_in_any_member_is_refused_and_nothing_is_touched() {
    let node = Node::new("bundle-flip");
    node.run(&format!("install {TAG}")).exits(0);
    let bundle = bundled(&node, SECOND);
    let bytes = fs::read(&bundle).expect("a bundle");
    let before = node.installed();
    for (offset, length, name) in members(&bytes) {
        for at in [
            offset,
            offset + length / 2,
            offset + length - 1,
            offset - 500,
        ] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            fs::write(&bundle, &changed).expect("it can be written");
            install(&node, &bundle).exits(3);
            assert_eq!(node.installed(), before, "{name} at {at}");
        }
    }
    fs::write(&bundle, &bytes).expect("it can be put back");
    install(&node, &bundle).exits(0);
}

#[test]
fn a_bundle_that_lacks_a_member_has_one_more_is_cut_or_goes_on_is_refused() {
    let node = Node::new("bundle-cut");
    let bundle = bundled(&node, TAG);
    let bytes = fs::read(&bundle).expect("a bundle");
    offline(&node);
    let refused = |changed: &[u8], says: &str| {
        fs::write(&bundle, changed).expect("it can be written");
        install(&node, &bundle).exits(3).says(&[says]);
        assert_eq!(node.installed(), None);
    };
    let (offset, length, _) = members(&bytes)[3].clone();
    let piece = offset - 512..offset + length.next_multiple_of(512);
    let without = [&bytes[..piece.start], &bytes[piece.end..]].concat();
    refused(&without, "its index says");
    let twice = [&bytes[..piece.end], &bytes[piece.start..]].concat();
    refused(&twice, "its index says");
    for length in [0, 511, 512, 1024, bytes.len() / 2, bytes.len() - 1] {
        refused(&bytes[..length], "");
    }
    refused(&[&bytes[..], &[0; 512]].concat(), "its index says");
    refused(&vec![0; 1 << 20], "no bundle");
    fs::remove_file(&bundle).expect("it can go");
    // An endless file: it is not even begun.
    std::os::unix::fs::symlink("/dev/zero", &bundle).expect("a link");
    install(&node, &bundle)
        .exits(3)
        .says(&["not a regular file"]);
    fs::remove_file(&bundle).expect("it can go");
    install(&node, &bundle)
        .exits(1)
        .says(&["there is no bundle"]);
}

#[test]
fn a_bundle_of_another_project_is_refused() {
    let node = Node::new("bundle-own");
    let other = Project::published("bundle-other");
    let out = other.beside("x.bundle");
    other
        .relman(&["bundle", TAG, "--out", &out.to_string_lossy()])
        .exits(0);
    install(&node, &out).exits(3).says(&["check metadata"]);
    assert_eq!(node.installed(), None);
    let file = out.to_string_lossy();
    node.project.relman(&["verify", "--bundle", &file]).exits(3);
}

#[test]
fn a_bundle_from_before_what_the_node_has_seen_is_refused() {
    let node = Node::new("bundle-old");
    let old = bundled(&node, SECOND);
    let project = &node.project;
    project.write("prog.sh", "echo three\n");
    project.commit_and_tag("feat: three", "phase3-validation-1.0.0");
    project.relman(&["cut", "phase3-validation-1.0.0"]).exits(0);
    let new = bundled(&node, "phase3-validation-1.0.0");
    offline(&node);
    // Its checkpoint is older than the bundle's: the tiles show that the log only grew.
    install(&node, &old).exits(0);
    install(&node, &new).exits(0);
    let before = node.installed();
    install(&node, &old).exits(3).says(&["timestamp"]);
    assert_eq!(node.installed(), before);
}

#[test]
fn an_expired_bundle_is_refused_like_a_store_and_is_not_made() {
    let node = Node::new("bundle-late");
    let bundle = bundled(&node, TAG);
    offline(&node);
    let later = "2031-01-01T00:00:00Z";
    node.run_at(later, &format!("install --bundle {}", bundle.display()))
        .exits(3)
        .says(&["expired"]);
    let mut command = node
        .project
        .command(&["bundle", TAG, "--out", "late.bundle"]);
    let run = command
        .env("RELMAN_INSECURE_NOW", later)
        .output()
        .expect("relman runs");
    assert_eq!(run.status.code(), Some(3), "{run:?}");
    assert!(!node.project.path("late.bundle").exists());
}

#[test]
fn no_bundle_is_made_of_what_a_node_would_refuse() {
    let node = Node::new("bundle-none");
    let project = &node.project;
    let make = |arguments: &[&str]| {
        project.relman(&[&["bundle"], arguments, &["--out", "x.bundle"]].concat())
    };
    make(&["phase9-none-1.0.0"]).exits(3);
    make(&["not a tag"]).exits(2);
    make(&[TAG, "--environment", "mainnet"])
        .exits(3)
        .says(&["no release has been promoted"]);
    let yank = ["yank", TAG, "--level", "withdrawn", "--reason", "bad"];
    project.relman(&yank).exits(0);
    make(&[TAG]).exits(3).says(&["yank"]);
    assert!(!project.path("x.bundle").exists());
}

#[test]
fn a_bundle_for_a_network_serves_its_nodes_and_those_of_no_other() {
    let project = running("bundle-net");
    promote(&project, TAG, "testnet").exits(0);
    let out = project.beside("testnet.bundle");
    let file = out.to_string_lossy().into_owned();
    let make = ["bundle", TAG, "--environment", "testnet", "--out", &file];
    project.relman(&make).exits(0);
    let make = [
        "bundle",
        SECOND,
        "--environment",
        "testnet",
        "--out",
        "x.bundle",
    ];
    project.relman(&make).exits(3).says(&["testnet runs"]);
    project.relman(&["verify", "--bundle", &file]).exits(0);
    let local = project.beside("local.bundle");
    let make = ["bundle", TAG, "--out", &local.to_string_lossy()];
    project.relman(&make).exits(0);
    let node = node_of(project, "mainnet");
    install(&node, &out)
        .exits(2)
        .says(&["the bundle is for testnet"]);
    node.configure("../nowhere", "testnet");
    install(&node, &local)
        .exits(2)
        .says(&["--environment testnet"]);
    node.run(&format!("install {SECOND} --bundle {file}"))
        .exits(3);
    install(&node, &out).exits(0);
    assert_eq!(node.installed(), node.released(TAG));
    node.run("rollback").exits(1);
    node.run("receipts list")
        .exits(0)
        .says(&["install", "committed"]);
}

#[test]
fn a_node_with_an_older_root_follows_the_roots_in_the_bundle() {
    let node = Node::new("bundle-roots");
    let root = node.path("root.json");
    fs::copy(node.project.path("keys/root.json"), &root).expect("a copy");
    let config = fs::read_to_string(node.path("node.toml")).expect("node.toml");
    let config = config.replace("../repo/keys/root.json", "root.json");
    fs::write(
        node.path("node.toml"),
        config.replace("../repo/releases", "../nowhere"),
    )
    .expect("node.toml");
    for _ in 0..2 {
        node.project.relman(&["root", "renew", "--yes"]).exits(0);
    }
    let bundle = bundled(&node, TAG);
    install(&node, &bundle).exits(0);
    assert_eq!(node.installed(), node.released(TAG));
}
