//! Receipts with the real `relman`: written on a node, exported, taken in, and their digest in the log.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::relman::{Run, SECOND, TAG, copy_tree, flip};
use crate::node_cli::Node;

const FILE: &str = "state/receipts/receipts.jsonl";

fn with_one(name: &str) -> Node {
    let node = Node::new(name);
    node.run(&format!("install {TAG}"))
        .exits(0)
        .says(&["this node has a key of its own now", "relman receipts key"]);
    node
}

fn receipts(node: &Node) -> Vec<Value> {
    let document = node.run("receipts list --json").exits(0).json();
    let list = document["data"]["receipts"].as_array().cloned();
    list.expect("receipts")
}

/// The root keys let the node's key count.
fn admit(node: &Node) {
    let key = node.path("state/receipts/node.pub");
    let key = key.to_string_lossy();
    let add = ["root", "add", "node", &key, "--person", "Bob", "--yes"];
    node.project.relman(&add).exits(0);
}

fn export(node: &Node, more: &str) -> PathBuf {
    let out = node.path("batch.jsonl");
    node.run(&format!("receipts export --out {}{more}", out.display()))
        .exits(0);
    out
}

#[track_caller]
fn import(node: &Node, file: &std::path::Path) -> Run {
    node.project.relman(&["import", &file.to_string_lossy()])
}

#[test]
fn installs_rollbacks_and_refusals_leave_a_chain_that_verifies() {
    let node = with_one("receipts-way");
    node.run(&format!("install {SECOND}")).exits(0);
    node.run("install phase9-none-1.0.0").exits(3);
    node.run("rollback").exits(0);
    let found = receipts(&node);
    let told: Vec<Value> = found
        .iter()
        .map(|r| json!([r["sequence"], r["operation"], r["release"], r["outcome"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            [1, "install", TAG, "committed"],
            [2, "install", SECOND, "committed"],
            [3, "install", "phase9-none-1.0.0", "refused"],
            [4, "rollback", TAG, "committed"],
        ])
    );
    for pair in found.windows(2) {
        assert_eq!(pair[1]["previous"], pair[0]["digest"]);
    }
    let second = &found[1];
    assert_eq!(second["before"], TAG);
    assert!(second["running"].is_string() && second["archive"].is_string());
    assert!(
        second["seen"]["checkpoint"]["size"]
            .as_u64()
            .is_some_and(|n| n > 3)
    );
    assert!(second["seen"]["metadata"]["timestamp"].is_u64());
    let shown = node.run("receipts show 4 --json").exits(0).json();
    let summary = &shown["data"]["verified"];
    assert_eq!(
        summary["predicateType"],
        "https://slsa.dev/verification_summary/v1"
    );
    assert_eq!(summary["predicate"]["verificationResult"], "PASSED");
    assert_eq!(summary["subject"][0]["name"], format!("{TAG}.tar.gz"));
    node.run("receipts show 5").exits(1);
    node.run("receipts verify")
        .exits(0)
        .says(&["4 receipts verify"]);
    node.run("status")
        .exits(0)
        .says(&[&format!("receipt   4: rollback {TAG} committed")]);
    let mode = |path| {
        fs::metadata(node.path(path))
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode("state/receipts/node.key") & 0o777, 0o600);
}

#[test]
fn a_tampered_archive_leaves_a_refusal_with_a_failed_verification() {
    let node = with_one("receipts-flip");
    let targets = node.project.store().join("targets");
    for entry in fs::read_dir(targets).expect("targets/") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains(SECOND) {
            flip(&path);
        }
    }
    node.run(&format!("install {SECOND}")).exits(3);
    let shown = node.run("receipts show 2 --json").exits(0).json();
    let receipt = &shown["data"];
    assert_eq!(receipt["outcome"], "refused");
    assert!(
        receipt["reason"]
            .as_str()
            .is_some_and(|r| r.contains("hashes to"))
    );
    let predicate = &receipt["verified"]["predicate"];
    assert_eq!(predicate["verificationResult"], "FAILED");
    assert_eq!(predicate["verifiedLevels"], json!(["FAILED"]));
}

#[test]
fn a_changed_cut_or_exchanged_ledger_is_told_by_status_and_verify() {
    let node = with_one("receipts-tamper");
    node.run(&format!("install {SECOND}")).exits(0);
    let path = node.path(FILE);
    let whole = fs::read(&path).expect("receipts");
    let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
    assert_eq!(lines.len(), 4);
    for changed in [
        lines[2..].concat(),
        [lines[0], lines[1], lines[3]].concat(),
        [lines[0], &b"{}\n"[..], lines[1]].concat(),
        whole
            .iter()
            .map(|b| if *b == b'Q' { b'R' } else { *b })
            .collect(),
    ] {
        fs::write(&path, changed).expect("it can be written");
        node.run("receipts verify").exits(3).says(&["problem"]);
        node.run("receipts list").exits(3);
        node.run("status").exits(1).says(&["receipts: "]);
        node.run("receipts export --out x.jsonl").exits(3);
    }
    fs::write(&path, &whole).expect("it can be put back");
    node.run("receipts verify").exits(0);
    // A torn end is none of these.
    fs::write(&path, &whole[..whole.len() - 10]).expect("it can be written");
    node.run("receipts verify").exits(0).says(&["unfinished"]);
    node.run("status")
        .exits(0)
        .says(&["1 operation(s) have none yet"]);
    node.run("rollback").exits(0);
    let found = receipts(&node);
    assert_eq!(found.len(), 3);
    assert_eq!(
        (&found[1]["late"], &found[2]["late"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn a_kill_between_history_and_receipt_costs_nothing() {
    let node = Node::new("receipts-kill");
    let points = [
        "install-commit",
        "receipt-written",
        "install-commit-done",
        "committed",
    ];
    for (hour, point) in (1..).step_by(2).zip(points) {
        let config = node.path("node.toml");
        let config = config.to_string_lossy();
        let before = receipts(&node).len();
        let mut command = node.project.command(&["install", TAG, "--config", &config]);
        command
            .env("RELMAN_INSECURE_NOW", format!("2026-02-01T0{hour}:00:00Z"))
            .env("RELMAN_INSECURE_KILL_AT", point);
        let run = Run::of(command.output().expect("relman runs"));
        assert!(run.was_killed(), "{point}: {run:?}");
        let next = format!("2026-02-01T0{}:00:00Z", hour + 1);
        node.run_at(&next, &format!("install {SECOND}")).exits(0);
        assert_eq!(receipts(&node).len(), before + 2, "{point}");
        node.run("receipts verify").exits(0);
    }
}

#[test]
fn a_node_whose_key_others_can_read_still_goes_back_and_says_so() {
    let node = with_one("receipts-key");
    node.run(&format!("install {SECOND}")).exits(0);
    let key = node.path("state/receipts/node.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    node.run("rollback")
        .exits(0)
        .says(&["have a receipt yet", "0644"]);
    assert_eq!(receipts(&node).len(), 2);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    node.run(&format!("install {SECOND}")).exits(0);
    assert_eq!(receipts(&node).len(), 4);
    node.run("receipts verify").exits(0);
}

#[test]
fn a_key_that_is_lost_is_replaced_and_the_chain_goes_on() {
    let node = with_one("receipts-lost-key");
    fs::remove_file(node.path("state/receipts/node.key")).expect("it can go");
    node.run(&format!("install {SECOND}"))
        .exits(0)
        .says(&["this node has a key of its own now"]);
    let found = receipts(&node);
    assert_ne!(found[0]["key"], found[1]["key"]);
    assert_eq!(found[1]["previous"], found[0]["digest"]);
    let key = node.run("receipts key --json").exits(0).json();
    assert_eq!(key["data"]["id"], found[1]["key"]);
    node.run("status").exits(0);
}

#[test]
fn receipts_go_into_the_log_as_a_digest_and_nothing_else() {
    let node = with_one("receipts-push");
    let batch = export(&node, "");
    let mode = fs::metadata(&batch).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    import(&node, &batch)
        .exits(3)
        .says(&["do not verify", "relman root add node"]);
    let root = node.project.path("keys/root.json");
    let by_root = format!("receipts verify --root {}", root.display());
    node.run(&by_root).exits(3);
    admit(&node);
    let later = "2026-02-01T01:00:00Z";
    node.run_at(later, &format!("install {SECOND}")).exits(0);
    // The key counts from when it was admitted.
    let batch = export(&node, " --since 2");
    import(&node, &batch)
        .exits(0)
        .says(&["1 receipts of local (n1)"]);
    import(&node, &batch).exits(0).says(&["imported before"]);
    let project = &node.project;
    project
        .relman(&["receipts", "push"])
        .exits(0)
        .says(&["logged 1 receipts of local"]);
    project
        .relman(&["receipts", "push"])
        .exits(0)
        .says(&["has all batches"]);
    project.is_sound();
    project
        .relman(&["log", "show", "--kind", "receipts"])
        .exits(0)
        .says(&["1 receipts of local"]);
    let said = project.relman(&["log", "show", "--json"]).exits(0).stdout;
    assert!(
        !said.contains("\"n1\"") && !said.contains("node@n1"),
        "{said}"
    );
    project.relman(&["docs", "--out", "."]).exits(0);
    let page = fs::read_to_string(project.path("DEPLOYMENT_LOG.md")).expect("a page");
    assert!(
        page.contains("receipts") && page.contains("batch sha256"),
        "{page}"
    );
    // A store that is private may keep the file; then it is the one that the log has.
    let kept = project.path(".relman/receipts");
    let dir_mode = fs::metadata(&kept)
        .expect("a directory")
        .permissions()
        .mode();
    assert_eq!(dir_mode & 0o777, 0o700);
    copy_tree(&kept, &project.store());
    project.is_sound();
    for entry in fs::read_dir(project.store().join("receipts")).expect("a directory") {
        flip(&entry.expect("an entry").path());
    }
    project
        .relman(&["audit"])
        .exits(3)
        .says(&["is the batch of entry"]);
}

#[test]
fn two_histories_of_one_node_are_an_alarm_with_both_receipts() {
    let node = with_one("receipts-fork");
    admit(&node);
    let later = "2026-02-01T01:00:00Z";
    let before = node.path("state-before");
    copy_tree(&node.path("state"), &before);
    node.run_at(later, &format!("install {SECOND}")).exits(0);
    let first = export(&node, " --since 2");
    import(&node, &first).exits(0);
    // The machine is put back, and goes another way.
    fs::remove_dir_all(node.path("state/receipts")).expect("it can go");
    copy_tree(&before.join("receipts"), &node.path("state"));
    fs::copy(
        before.join("history.jsonl"),
        node.path("state/history.jsonl"),
    )
    .expect("a copy");
    node.run_at(
        "2026-02-01T02:00:00Z",
        "rollback --to phase1-sig-verify-1.0.0",
    )
    .exits(0);
    let second = export(&node, " --since 2");
    import(&node, &second).exits(3).says(&[
        "alarm: node n1",
        "part at receipt 2",
        "one is:",
        "the other is:",
    ]);
}

#[test]
fn a_receipt_after_its_key_was_revoked_is_refused() {
    let node = with_one("receipts-revoked");
    admit(&node);
    node.run_at("2026-02-01T01:00:00Z", &format!("install {SECOND}"))
        .exits(0);
    let good = node.path("good.jsonl");
    fs::rename(export(&node, " --since 2"), &good).expect("a rename");
    import(&node, &good).exits(0);
    node.run_at("2026-02-01T03:00:00Z", "rollback").exits(0);
    let remove = [
        "root",
        "remove",
        "node",
        "Bob",
        "--since",
        "2026-02-01T02:00:00Z",
        "--yes",
    ];
    node.project.relman(&remove).exits(0);
    let late = export(&node, " --since 3");
    import(&node, &late)
        .exits(3)
        .says(&["receipt 3 of n1", "no valid signature"]);
    import(&node, &good).exits(0);
}

#[test]
fn what_is_no_batch_or_has_bytes_behind_it_is_refused() {
    let node = with_one("receipts-bad");
    admit(&node);
    node.run_at("2026-02-01T01:00:00Z", &format!("install {SECOND}"))
        .exits(0);
    let batch = export(&node, " --since 2");
    let bytes = fs::read(&batch).expect("a batch");
    for changed in [
        [&bytes[..], b"x"].concat(),
        bytes[..bytes.len() - 1].to_vec(),
        bytes[..bytes.iter().position(|b| *b == b'\n').expect("a line") + 1].to_vec(),
        bytes
            .iter()
            .map(|b| if *b == b'Q' { b'R' } else { *b })
            .collect(),
    ] {
        fs::write(&batch, changed).expect("it can be written");
        let run = import(&node, &batch);
        assert!(matches!(run.code, Some(1..=3)), "{run:?}");
    }
    node.project
        .relman(&["receipts", "push"])
        .exits(0)
        .says(&["no receipts here"]);
    node.run("receipts export --since 9 --out x.jsonl").exits(1);
}

#[test]
fn the_node_shows_its_key_before_the_first_install() {
    let node = Node::new("receipts-first-key");
    let first = node.run("receipts key --json").exits(0).json();
    assert_eq!(first["data"]["made"], true);
    let again = node.run("receipts key --json").exits(0).json();
    assert_eq!(again["data"]["made"], false);
    assert_eq!(again["data"]["id"], first["data"]["id"]);
    node.run(&format!("install {TAG}")).exits(0);
    assert_eq!(receipts(&node)[0]["key"], first["data"]["id"]);
    node.run("receipts list")
        .exits(0)
        .says(&["install", "committed"]);
}

#[test]
fn a_rollback_of_a_network_is_told_in_the_log_and_audited() {
    let node = with_one("receipts-told");
    let project = &node.project;
    let tell = |to: &str, from: &str, env: &str, reason: &str| {
        project.relman(&[
            "announce",
            to,
            "--to",
            env,
            "--rolled-back-from",
            from,
            "--reason",
            reason,
        ])
    };
    tell(TAG, SECOND, "mainnet", "it forked at 1200")
        .exits(0)
        .says(&[&format!(
            "mainnet went back from {SECOND} to {TAG}: it forked at 1200"
        )]);
    tell(TAG, SECOND, "mainnet", "and once more so").exits(0);
    tell(TAG, TAG, "mainnet", "it went wrong").exits(2);
    tell(TAG, "phase9-none-1.0.0", "mainnet", "it went wrong").exits(3);
    tell(TAG, SECOND, "othernet", "it went wrong").exits(2);
    project
        .relman(&["announce", TAG, "--to", "mainnet", "--reason", "x"])
        .exits(2);
    project.is_sound();
    project.is_verified(SECOND);
    assert!(
        project
            .store()
            .join(SECOND)
            .join("rollback-mainnet-2.tlog-proof")
            .exists()
    );
    for (option, value) in [
        ("--kind", "rollback"),
        ("--release", SECOND),
        ("--environment", "mainnet"),
    ] {
        project
            .relman(&["log", "show", option, value])
            .exits(0)
            .says(&["went back from"]);
    }
    project.relman(&["docs", "--out", "."]).exits(0);
    let page = fs::read_to_string(project.path("DEPLOYMENT_LOG.md")).expect("a page");
    assert!(
        page.contains("nodes put back") && page.contains("it forked at 1200"),
        "{page}"
    );
    assert!(page.contains("No network runs anything yet"), "{page}");
    let mirror = project.beside("mirror");
    let place = mirror.to_string_lossy();
    project.relman(&["mirror", "releases", &place]).exits(0);
    assert!(
        mirror
            .join(SECOND)
            .join("rollback-mainnet-1.tlog-proof")
            .exists()
    );
}
