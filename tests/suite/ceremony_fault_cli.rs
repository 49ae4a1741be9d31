//! Ceremonies that go wrong: damaged and overtaken proposals, keys that are elsewhere, files that are old.

use std::fs;

use crate::common::relman::{BUILD, Project, TAG};

const PROPOSALS: &str = ".relman/proposals";

/// A project whose release waits for the second of two signatures; Bob's key lies beside it.
fn waiting(name: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(BUILD, "");
    project.add_key("targets.bob");
    project.relman(&["init", "--yes"]).exits(0);
    fs::rename(project.secrets().join("targets.bob"), project.beside("bob")).unwrap();
    let run = project.relman(&["cut", TAG]).exits(0);
    run.says(&["1 of 2 signatures"]);
    project
}

#[test]
fn a_damaged_proposal_hides_no_other_and_can_be_given_up() {
    let project = waiting("ceremony-damaged");
    project.write(&format!("{PROPOSALS}/yank-x.json"), "{");
    let id = format!("release-{TAG}");
    let run = project.relman(&["sign"]).exits(0);
    run.says(&["yank-x", "problem:", &id, "1 of 2 signatures"]);
    let run = project.relman(&["repo", "status"]).exits(1);
    run.says(&["proposal yank-x cannot be read", &id, "1 of 2 signatures"]);
    let run = project.relman(&["sign", "yank-x", "--dry-run"]);
    run.says(&["relman withdraw yank-x"]);
    project.relman(&["withdraw", "yank-x"]).exits(0);
    assert!(!project.path(PROPOSALS).join("yank-x.json").exists());
    project.relman(&["withdraw", "yank-x"]).exits(1);
}

#[test]
fn a_proposal_under_another_name_is_not_taken_for_that() {
    let project = waiting("ceremony-renamed");
    let (dir, id) = (project.path(PROPOSALS), format!("release-{TAG}"));
    fs::copy(dir.join(format!("{id}.json")), dir.join("root-2.json")).unwrap();
    let run = project.relman(&["sign", "root-2", "--yes"]).exits(1);
    run.says(&[&id, "relman withdraw root-2"]);
}

#[test]
fn a_root_change_that_was_overtaken_hides_no_other_proposal() {
    let project = waiting("ceremony-overtaken");
    project.relman(&["root", "renew", "--draft"]).exits(0);
    let draft = project.path(PROPOSALS).join("root-2.json");
    fs::rename(&draft, project.beside("old")).unwrap();
    let change = ["root", "set", "mainnet", "--approvals", "qa", "--yes"];
    project.relman(&change).exits(0).says(&["published"]);
    fs::rename(project.beside("old"), &draft).unwrap();
    let run = project.relman(&["sign"]).exits(0);
    run.says(&["root-2", "problem:", &format!("release-{TAG}")]);
}

#[test]
fn the_last_signature_is_kept_where_the_logs_key_is_missing() {
    let project = waiting("ceremony-log-key");
    let log = project.secrets().join("log");
    fs::rename(&log, project.beside("log")).unwrap();
    let (bob, id) = (project.beside("bob"), format!("release-{TAG}"));
    let sign = ["sign", &id, "--yes", "--key", bob.to_str().unwrap()];
    let run = project.relman(&sign).exits(1);
    run.says(&["the signatures on it are kept", "no log key"]);
    project
        .relman(&["sign"])
        .exits(0)
        .says(&["2 of 2 signatures", "has all signatures"]);
    fs::rename(project.beside("log"), log).unwrap();
    project
        .relman(&["sign", &id, "--yes"])
        .exits(0)
        .says(&["published"]);
    project.is_verified(TAG);
}

#[test]
fn a_signer_is_told_how_old_the_store_is_that_a_file_compares_with() {
    let project = waiting("ceremony-old-file");
    let file = project.beside("exchange.json");
    let (file, id) = (file.to_str().unwrap(), format!("release-{TAG}"));
    project.relman(&["export", &id, "--out", file]).exits(0);
    let (root, bob) = (project.path("keys/root.json"), project.beside("bob"));
    let look = [
        "sign",
        file,
        "--dry-run",
        "--root",
        root.to_str().unwrap(),
        "--key",
        bob.to_str().unwrap(),
    ];
    let elsewhere = Project::empty("ceremony-old-bob");
    let run = elsewhere.relman(&look).exits(0);
    run.says(&["vouched for until 2026-02-"]);
    let late = |arguments: &[&str]| {
        let mut command = elsewhere.command(arguments);
        command.env("RELMAN_INSECURE_NOW", "2026-04-01T00:00:00Z");
        crate::common::relman::Run::of(command.output().unwrap())
    };
    late(&look)
        .exits(0)
        .says(&["warning: compared with a store", "2026-04-01T00:00:00Z"]);

    // What is exported later compares with the store as it is then.
    project.relman(&["root", "renew", "--yes"]).exits(0);
    project.relman(&["export", &id, "--out", file]).exits(0);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("2.root.json"));
}

#[test]
fn an_import_that_ends_midway_says_what_is_published() {
    let project = waiting("ceremony-import-whole");
    let file = project.beside("exchange.json");
    let (file, id) = (file.to_str().unwrap(), format!("release-{TAG}"));
    project.relman(&["export", &id, "--out", file]).exits(0);
    let bob = project.beside("bob");
    let sign = ["sign", file, "--yes", "--key", bob.to_str().unwrap()];
    project.relman(&sign).exits(0);
    project.relman(&["withdraw", &id]).exits(0);
    let none = project.beside("none.json");
    let run = project
        .relman(&["import", file, none.to_str().unwrap()])
        .exits(4);
    run.says(&["1 of 2 files were imported", &id, "none.json"]);
    let run = project.relman(&["import", file]).exits(0);
    run.says(&[&id, "published already"]);
}

#[test]
fn a_proposal_that_is_new_here_is_shown_before_it_is_published() {
    let project = waiting("ceremony-import-new");
    let file = project.beside("exchange.json");
    let (file, id) = (file.to_str().unwrap(), format!("release-{TAG}"));
    project.relman(&["export", &id, "--out", file]).exits(0);
    let bob = project.beside("bob");
    let sign = ["sign", file, "--yes", "--key", bob.to_str().unwrap()];
    project.relman(&sign).exits(0);
    project.relman(&["withdraw", &id]).exits(0);
    let run = project.relman(&["import", file]).exits(0);
    run.says(&["role targets: version 1 → 2", "published"]);
}

#[test]
fn a_strangers_signature_on_a_proposal_that_is_new_here_is_dropped() {
    let project = waiting("ceremony-stranger");
    let file = project.beside("exchange.json");
    let (path, id) = (file.to_str().unwrap(), format!("release-{TAG}"));
    project.relman(&["export", &id, "--out", path]).exits(0);
    project.relman(&["withdraw", &id]).exits(0);
    let text = fs::read_to_string(&file).unwrap();
    let mut exchange: serde_json::Value = serde_json::from_str(&text).unwrap();
    let signatures = &mut exchange["proposal"]["roles"][0]["metadata"]["signatures"];
    let signatures = signatures.as_array_mut().unwrap();
    signatures.push(serde_json::json!({"keyid": "ab".repeat(32), "sig": "cd".repeat(64)}));
    fs::write(&file, exchange.to_string()).unwrap();
    project
        .relman(&["import", path])
        .exits(0)
        .says(&["1 of 2 signatures"]);
    let kept = fs::read_to_string(project.path(PROPOSALS).join(format!("{id}.json"))).unwrap();
    assert!(!kept.contains(&"ab".repeat(32)));
}

#[test]
fn whoever_signs_twice_or_names_a_file_that_is_not_there_is_told_so() {
    let project = waiting("ceremony-twice");
    let file = project.beside("exchange.json");
    let (file, id) = (file.to_str().unwrap(), format!("release-{TAG}"));
    project.relman(&["export", &id, "--out", file]).exits(0);
    let (root, bob) = (project.path("keys/root.json"), project.beside("bob"));
    let (root, bob) = (root.to_str().unwrap(), bob.to_str().unwrap());
    let elsewhere = Project::empty("ceremony-twice-bob");
    let sign = ["sign", file, "--yes", "--root", root, "--key", bob];
    elsewhere.relman(&sign).exits(0);
    let run = elsewhere.relman(&sign).exits(1);
    run.says(&["have signed", "already", "--dry-run"]);
    let look = ["sign", file, "--dry-run", "--root", root, "--key", bob];
    elsewhere
        .relman(&look)
        .exits(0)
        .says(&["2 of 2 signatures"]);
    let none = ["sign", "none.json", "--root", root, "--key", bob];
    elsewhere
        .relman(&none)
        .exits(1)
        .says(&["there is no file", "none.json"]);
}

#[test]
fn a_file_that_does_not_verify_sends_its_signer_to_whoever_made_it() {
    let project = waiting("ceremony-bad-file");
    let file = project.beside("exchange.json");
    let (path, id) = (file.to_str().unwrap(), format!("release-{TAG}"));
    project.relman(&["export", &id, "--out", path]).exits(0);
    let good: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let mut cut = good.clone();
    cut["base"]
        .as_object_mut()
        .unwrap()
        .remove("timestamp.json");
    fs::write(&file, cut.to_string()).unwrap();
    let look = ["sign", path, "--dry-run"];
    project
        .relman(&look)
        .exits(3)
        .says(&["ask for a new export"]);
    let mut late = good;
    late["proposal"]["time"] = "2026-03-01T00:00:00Z".into();
    fs::write(&file, late.to_string()).unwrap();
    project
        .relman(&look)
        .exits(3)
        .says(&["it is dated 2026-03-01", "do not sign it as it is"]);
}
