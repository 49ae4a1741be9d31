//! `relman gate` with the real binary: what runs, what is asked, what is signed and kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use relman::attest::Envelope;
use relman::hash::Sha256;
use relman::keys::PublicKey;
use relman::release::gate::{GateResult, read};
use serde_json::{Value, json};

use crate::common::relman::{BUILD, Project, Run, SECOND, TAG};

/// A project whose first tag has these gates in its `relman.toml`.
pub fn gated(name: &str, gates: &str) -> Project {
    let project = Project::uninitialised(name);
    project.git(&["tag", "-d", TAG]);
    tag_with(&project, gates, "echo release one, with gates\n", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    project
}

/// Commits these gates and this program, and tags them.
pub fn tag_with(project: &Project, gates: &str, program: &str, tag: &str) {
    project.configure(BUILD, gates);
    project.write("prog.sh", program);
    project.git(&["add", "relman.toml"]);
    project.commit_and_tag("feat: what must hold", tag);
}

/// A gate that runs a line of shell, with further keys.
pub fn shell(name: &str, line: &str, more: &str) -> String {
    let command = json!(["sh", "-c", line]);
    format!("[[gate]]\nname = \"{name}\"\ncommand = {command}\n{more}\n")
}

/// Shell that prints what `cargo test` prints of so many tests.
pub fn tests(passed: usize, failed: usize, ignored: usize) -> String {
    let lines = |number: usize, word: &str| -> String {
        let lines = (0..number).map(|n| format!("test {word}::t{n} ... {word}\n"));
        lines.collect()
    };
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let text = format!(
        "running {} tests\n{}{}{}\ntest result: {word}. {passed} passed; {failed} failed; \
         {ignored} ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        passed + failed + ignored,
        lines(passed, "ok"),
        lines(failed, "FAILED"),
        lines(ignored, "ignored"),
    );
    format!("cat <<'END'\n{text}END\n")
}

/// What waits in the drawer for a release, verified under the project's gate key.
pub fn results(project: &Project, tag: &str) -> Vec<GateResult> {
    let public = fs::read_to_string(project.path("keys/gate.pub")).unwrap();
    let key = PublicKey::from_openssh(public.lines().next().unwrap()).unwrap();
    let path = project.path(&format!(".relman/attestations/{tag}.intoto.jsonl"));
    let text = fs::read(path).unwrap_or_default();
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let envelope = Envelope::parse(line).unwrap();
            read(envelope.verify(&[key]).unwrap().statement()).unwrap()
        })
        .collect()
}

/// `--json`'s gates: name, outcome, problems.
fn told(document: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let gates = document["data"]["gates"].as_array().unwrap().iter();
    gates
        .map(|gate| {
            let problems = gate["problems"].as_array().unwrap().iter().map(text);
            (
                text(&gate["name"]),
                text(&gate["outcome"]),
                problems.collect(),
            )
        })
        .collect()
}

#[test]
fn each_gate_gets_a_line_and_a_signed_result_with_its_log() {
    let gates = shell(
        "unit",
        &tests(50, 0, 0),
        "counts = \"cargo-test\"\nmin_tests = 50",
    ) + &shell(
        "stress",
        "echo sustained 1200.5 tx/s",
        "[gate.number]\npattern = '([0-9.]+) tx/s'\nat_least = 1000",
    );
    let project = gated("gate-ok", &gates);
    let run = project.relman(&["gate", TAG]).exits(0);
    let run = run.says(&["unit ok", "stress ok", "50 passed", "1200.5", "relman cut"]);
    assert!(!run.stdout.contains("FAILED"), "{run:#?}");

    let commit = project.git(&["rev-parse", &format!("{TAG}^{{commit}}")]);
    let found = results(&project, TAG);
    assert_eq!(found.len(), 2);
    for result in &found {
        assert!(result.has_passed());
        assert_eq!((result.tag.as_str(), &result.commit), (TAG, &commit));
        assert_eq!(result.exit_status, Some(0));
        let config = fs::read(project.path("relman.toml")).unwrap();
        assert_eq!(result.materials.config, Some(Sha256::of(&config)));
        let log = project.path(&format!(".relman/logs/{}.log", result.log));
        assert_eq!(Sha256::of(&fs::read(&log).unwrap()), result.log);
        let mode = fs::metadata(&log).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(found[0].counts.unwrap().passed, 50);
    assert_eq!(found[0].passed_tests.len(), 50);
    assert_eq!(found[1].number.unwrap().to_string(), "1200.5");
    assert_eq!(found[1].command, ["sh", "-c", "echo sustained 1200.5 tx/s"]);
}

#[test]
fn every_demand_that_is_not_met_is_told_and_kept_as_evidence() {
    let coverage = "printf 'SF:src/vote.rs\\nDA:1,1\\nDA:2,0\\nend_of_record\\n' > lcov.info";
    let counted = "counts = \"cargo-test\"";
    let gates = [
        shell(
            "few",
            &tests(49, 0, 0),
            &format!("{counted}\nmin_tests = 50"),
        ),
        shell("red", &tests(3, 1, 0), counted),
        shell(
            "idle",
            &tests(3, 0, 2),
            &format!("{counted}\nallow_ignored = [\"ignored::t0\"]"),
        ),
        shell("silent", "true", counted),
        shell(
            "warned",
            "echo 'warning: unused variable' >&2",
            "no_warnings = true",
        ),
        shell(
            "covered",
            coverage,
            "[gate.coverage]\nfile = \"lcov.info\"\nformat = \"lcov\"\npaths = [\"src/vote.rs\"]\nmin_percent = 90",
        ),
        shell(
            "slow",
            "echo 999.9 tx/s",
            "[gate.number]\npattern = '([0-9.]+) tx/s'\nat_least = 1000\nunit = \"tx/s\"",
        ),
        shell("exit", "echo no; exit 7", ""),
        shell("gone", "exec /nonexistent/program", ""),
        "[[gate]]\nname = \"docs\"\nrequired_files = [\"ROLLBACK.md\"]\n".to_owned(),
        shell("last", "true", ""),
    ];
    let project = gated("gate-failed", &gates.concat());
    let document = project.relman(&["gate", TAG, "--json"]).exits(1).json();
    assert_eq!(document["outcome"], "failed");
    let told = told(&document);
    let problems: Vec<(&str, &str)> = told
        .iter()
        .map(|(name, _, problems)| (name.as_str(), problems.first().map_or("", String::as_str)))
        .collect();
    assert_eq!(
        problems,
        [
            ("few", "49 tests passed, wanted 50"),
            ("red", "1 tests failed: FAILED::t0"),
            ("idle", "ignored and not in allow_ignored: ignored::t1"),
            (
                "silent",
                "the number of tests cannot be read: the output has no line `test result`"
            ),
            ("warned", "\"warning: unused variable\""),
            (
                "covered",
                "50.00 % (1 of 2) of critical lines were run, wanted 90 %"
            ),
            ("slow", "999.9 tx/s, wanted at least 1000 tx/s"),
            ("exit", "exited with 7, wanted 0"),
            ("gone", "exited with 127, wanted 0"),
            ("docs", "the tag has no file ROLLBACK.md"),
            ("last", ""),
        ]
    );
    let found = results(&project, TAG);
    assert_eq!(found.len(), 11);
    assert_eq!(found.iter().filter(|result| result.has_passed()).count(), 1);
    // The same for people, with a line for each while they run. A second later, since a result that is the same to
    // its last byte is the same result.
    let mut again = project.command(&["gate", TAG, "--only", "few", "--only", "last"]);
    again.env("RELMAN_INSECURE_NOW", "2026-02-01T00:00:01Z");
    Run::of(again.output().unwrap()).exits(1).says(&[
        "few FAILED: 49 tests passed, wanted 50",
        "last ok",
        "1 of 2 gates failed",
    ]);
    assert_eq!(
        results(&project, TAG).len(),
        13,
        "a newer run replaces nothing"
    );
}

#[test]
fn fail_fast_stops_and_only_picks_and_list_runs_nothing() {
    let project = gated(
        "gate-pick",
        &(shell("a", "exit 1", "") + &shell("b", "true", "")),
    );
    let run = project.relman(&["gate", TAG, "--fail-fast"]).exits(1);
    assert!(!run.stdout.contains(" b "), "{run:#?}");
    assert_eq!(results(&project, TAG).len(), 1);
    project.relman(&["gate", TAG, "--only", "b"]).exits(0);
    assert_eq!(results(&project, TAG).len(), 2);
    let run = project.relman(&["gate", TAG, "--list"]).exits(0);
    run.says(&["a  60 min  sh -c exit 1", "b  60 min  sh -c true"]);
    let document = project
        .relman(&["gate", TAG, "--list", "--json"])
        .exits(0)
        .json();
    assert_eq!(document["outcome"], "planned");
    assert_eq!(document["data"]["gates"][1]["name"], "b");
    let run = project.relman(&["gate", TAG, "--only", "bb"]).exits(2);
    run.says(&["no gate of relman.toml is called \"bb\""]);
    assert_eq!(results(&project, TAG).len(), 2);
}

#[test]
fn only_lines_added_since_the_release_before_are_looked_at() {
    let bad = "// old();\n";
    let gates = "[[gate]]\nname = \"diff\"\nchanged_files = [\"CHANGELOG.md\"]\n\
        [gate.forbid_new]\npaths = [\"*.sh\"]\n";
    let project = gated("gate-diff", gates);
    project.git(&["tag", "-d", TAG]);
    project.write("CHANGELOG.md", "one\n");
    project.git(&["add", "CHANGELOG.md"]);
    let old = format!("echo one\n{bad}");
    tag_with(&project, gates, &old, TAG);
    // Of the first release everything is new.
    let run = project.relman(&["gate", TAG]).exits(1);
    run.says(&["prog.sh:2 adds \"// old();\""]);

    tag_with(&project, gates, &format!("echo two\n{old}"), SECOND);
    let run = project.relman(&["gate", SECOND]).exits(1);
    let run = run.says(&["file CHANGELOG.md is as it was in the release before"]);
    assert!(!run.stdout.contains("adds"), "{run:#?}");

    project.git(&["tag", "-d", SECOND]);
    project.write("CHANGELOG.md", "two\none\n");
    project.git(&["add", "CHANGELOG.md"]);
    tag_with(&project, gates, &format!("echo three\n{old}"), SECOND);
    project.relman(&["gate", SECOND]).exits(0);

    project.git(&["tag", "-d", SECOND]);
    tag_with(&project, gates, &format!("{old}// new();\n"), SECOND);
    let run = project.relman(&["gate", SECOND]).exits(1);
    run.says(&["prog.sh:3 adds \"// new();\""]);
}

#[test]
fn the_tags_own_gates_count_and_not_those_of_the_working_tree() {
    let project = gated("gate-own", &shell("unit", "exit 1", ""));
    project.configure(BUILD, &shell("unit", "true", ""));
    let run = project.relman(&["gate", TAG]).exits(1);
    run.says(&["relman.toml differs", "unit FAILED: exited with 1"]);
}

#[test]
fn gates_run_for_a_release_that_is_out_already() {
    let project = gated("gate-late", &shell("unit", "true", ""));
    project.relman(&["cut", TAG]).exits(0);
    project.relman(&["gate", TAG]).exits(0);
    assert_eq!(results(&project, TAG).len(), 1);
}

#[test]
fn without_the_gate_key_of_the_policy_nothing_is_run() {
    let project = gated("gate-key", &shell("unit", "touch ../ran", ""));
    let key = project.secrets().join("gate");
    fs::copy(project.secrets().join("builder"), &key).unwrap();
    let run = project.relman(&["gate", TAG]).exits(3);
    run.says(&["the gate key here is", "--secret-keys DIR"]);
    fs::remove_file(&key).unwrap();
    let run = project.relman(&["gate", TAG]).exits(1);
    run.says(&["there is no gate key here"]);
    assert!(results(&project, TAG).is_empty());
    for (arguments, code) in [
        (&["gate", "phase1-sig-verify-9.9.9"][..], 1),
        (&["gate", "../x"][..], 2),
        (&["gate"][..], 2),
        (&["gate", TAG, "--list", "--fail-fast"][..], 2),
    ] {
        project.relman(arguments).exits(code);
    }
}

#[test]
fn a_gate_cannot_drive_the_terminal() {
    let line = "printf 'warning: \\033[2Jgone\\r\\033]0;title\\007\\n'";
    let project = gated("gate-escape", &shell("unit", line, "no_warnings = true"));
    let run = project.relman(&["gate", TAG]).exits(1);
    for text in [&run.stdout, &run.stderr] {
        let raw = text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!raw, "{run:?}");
    }
}
