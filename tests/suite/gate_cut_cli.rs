//! What a cut asks of gates: policy's rules, held against signed results before anything is built.

use std::fs;

use relman::attest::Envelope;

use crate::common::relman::{Project, TAG, flip};
use crate::gate_cli::{gated, results, shell, tag_with, tests};

/// Policy wants these gates of every release.
fn wants(project: &Project, rules: &str) {
    project
        .relman(&["root", "set", "cut", "--gates", rules, "--yes"])
        .exits(0);
}

fn unit(passed: usize) -> String {
    shell("unit", &tests(passed, 0, 0), "counts = \"cargo-test\"")
}

/// Nothing was built, and no draft was made.
#[track_caller]
fn nothing_was_cut(project: &Project) {
    assert!(project.listed().is_empty());
    assert!(!project.path(&format!(".relman/drafts/{TAG}")).exists());
}

#[test]
fn a_cut_without_the_gates_that_policy_wants_is_refused_before_it_is_built() {
    let project = gated("gatecut-none", &(unit(60) + &shell("stress", "exit 1", "")));
    wants(&project, "unit:tests=50,stress,byzantine");
    let run = project.relman(&["cut", TAG]).exits(3);
    let run = run.says(&[
        "has not passed the gates that policy wants",
        "gate unit is missing",
        "gate stress is missing",
        "gate byzantine is missing",
        &format!("hint: relman gate {TAG}"),
    ]);
    assert!(!run.stderr.contains("  build"), "{run:#?}");
    nothing_was_cut(&project);
    project.relman(&["gate", TAG]).exits(1);
    let run = project.relman(&["cut", TAG]).exits(3);
    let run = run.says(&[
        "gate stress failed at",
        "exited with 1",
        "gate byzantine is missing",
    ]);
    assert!(!run.stderr.contains("gate unit"), "{run:#?}");
    nothing_was_cut(&project);
}

#[test]
fn with_its_gates_passed_a_tag_is_cut() {
    let project = gated("gatecut-ok", &unit(50));
    wants(&project, "unit:tests=50");
    project.relman(&["gate", TAG]).exits(0);
    project.relman(&["cut", TAG, "--draft"]).exits(0);
}

#[test]
fn too_few_tests_and_another_command_are_told() {
    let project = gated("gatecut-few", &unit(49));
    wants(&project, "unit:tests=50:coverage=90");
    project.relman(&["gate", TAG]).exits(0);
    let run = project.relman(&["cut", TAG]).exits(3);
    run.says(&[
        "gate unit has 49 tests that passed, wanted 50",
        "gate unit measured no coverage, wanted 90 %",
    ]);
    nothing_was_cut(&project);
}

#[test]
fn cut_with_gate_runs_them_first_and_stops_at_a_failure() {
    let project = gated(
        "gatecut-both",
        &(unit(50) + &shell("stress", "test -e ../go", "")),
    );
    wants(&project, "unit:tests=50");
    let run = project.relman(&["cut", TAG, "--gate"]).exits(1);
    let run = run.says(&[
        "unit ok",
        "stress FAILED",
        "is not cut: stress failed",
        "hint: less",
    ]);
    assert!(!run.stderr.contains("  build"), "{run:#?}");
    nothing_was_cut(&project);
    assert_eq!(results(&project, TAG).len(), 2);
    project.git(&["tag", "-d", TAG]);
    tag_with(&project, &unit(50), "echo fixed\n", TAG);
    let run = project.relman(&["cut", TAG, "--gate", "--draft"]).exits(0);
    run.says(&["unit ok", "is a draft"]);
}

#[test]
fn a_release_that_is_out_is_not_run_through_its_gates_again() {
    let project = gated("gatecut-out", &unit(1));
    project.relman(&["cut", TAG]).exits(0);
    let run = project.relman(&["cut", TAG, "--gate"]).exits(0);
    run.says(&["is already cut"]);
    assert!(results(&project, TAG).is_empty());
}

#[test]
fn results_of_another_commit_of_the_same_tag_do_not_count() {
    let project = gated("gatecut-moved", &unit(50));
    wants(&project, "unit");
    project.relman(&["gate", TAG]).exits(0);
    project.git(&["tag", "-d", TAG]);
    tag_with(&project, &unit(50), "echo moved\n", TAG);
    let run = project.relman(&["cut", TAG]).exits(3);
    run.says(&["gate unit is missing: there is a result for commit"]);
    nothing_was_cut(&project);
}

#[test]
fn results_that_another_key_signed_or_somebody_changed_do_not_count() {
    let project = gated("gatecut-forged", &unit(50));
    wants(&project, "unit");
    project.relman(&["gate", TAG]).exits(0);
    let drawer = project.path(&format!(".relman/attestations/{TAG}.intoto.jsonl"));
    let good = fs::read(&drawer).unwrap();

    let other = project.copy();
    let statement = Envelope::parse(&good)
        .unwrap()
        .unverified_statement()
        .unwrap();
    let key = relman::io::keyring::Keyring::new(project.secrets()).require("builder");
    let forged = Envelope::sign(&statement, &key.unwrap()).unwrap();
    let path = other.path(&format!(".relman/attestations/{TAG}.intoto.jsonl"));
    fs::write(&path, forged.to_line().unwrap()).unwrap();
    let run = other.relman(&["cut", TAG]).exits(3);
    run.says(&["gate unit is missing: its result is not signed by a gate key"]);
    nothing_was_cut(&other);

    flip(&drawer);
    let run = project.relman(&["cut", TAG]);
    assert_ne!(run.code, Some(0), "{run:#?}");
    nothing_was_cut(&project);
    fs::write(&drawer, &good).unwrap();
    project.relman(&["cut", TAG, "--draft"]).exits(0);
}

#[test]
fn the_newest_result_decides() {
    let flaky = shell("unit", "test ! -e ../fail", "");
    let project = gated("gatecut-newest", &flaky);
    wants(&project, "unit");
    let uid = rustix::process::geteuid().as_raw();
    let mark = format!("/var/tmp/relman-{uid}/.gates/{}/fail", project.name);
    let at = |time: &str, code| {
        let mut command = project.command(&["gate", TAG]);
        let output = command.env("RELMAN_INSECURE_NOW", time).output().unwrap();
        crate::common::relman::Run::of(output).exits(code);
    };
    at("2026-02-01T00:00:00Z", 0);
    fs::write(&mark, "").unwrap();
    at("2026-02-01T00:01:00Z", 1);
    let cut = || {
        let mut command = project.command(&["cut", TAG, "--draft"]);
        let output = command
            .env("RELMAN_INSECURE_NOW", "2026-02-01T00:05:00Z")
            .output();
        crate::common::relman::Run::of(output.unwrap())
    };
    cut()
        .exits(3)
        .says(&["gate unit failed at 2026-02-01T00:01:00Z"]);
    fs::remove_file(&mark).unwrap();
    at("2026-02-01T00:02:00Z", 0);
    cut().exits(0);
}
