//! `relman watch check`, `replay` and `declare`, and a watch policy that the root keys sign.

use std::fs;

use relman::watch::policy::template;
use relman::watch::recording::{Header, Line, line};
use relman::watch::sample::{Look, NodeSample};

use crate::common::relman::Project;
use crate::common::terminal::Terminal;

/// A recording of ten minutes: from a number of seconds on, the first of three nodes logs damaged data.
fn recording(project: &Project, name: &str, from: i64) -> String {
    let names: Vec<String> = (1..=3).map(|i| format!("n{i}")).collect();
    let mut bytes = line(&Header::new("mainnet", &names)).expect("a line");
    for second in (0..600).step_by(15) {
        let mut look = Look {
            at_ms: (1_770_000_000 + second) * 1_000,
            ..Look::default()
        };
        for (i, name) in names.iter().enumerate() {
            let mut sample = NodeSample::default();
            let bad = i == 0 && second >= from;
            sample.set("log-corruption", Ok(f64::from(u8::from(bad))));
            look.nodes.insert(name.clone(), sample);
        }
        bytes.extend(line(&Line::Look(look)).expect("a line"));
    }
    fs::write(project.path(name), bytes).expect("a recording");
    name.to_owned()
}

#[test]
fn init_writes_the_guides_matrix_and_check_prints_it() {
    let project = Project::new("watch-check");
    let text = fs::read_to_string(project.path("watch.toml")).expect("a policy");
    assert_eq!(text, template());
    project.relman(&["watch", "check"]).exits(0).says(&[
        "not signed",
        "No blocks 10+ min",
        "critical",
        "prepare, roll-back after 300 s",
        "do not roll back if: Temporary network partition (<5 minutes)",
    ]);
    let broken = text
        .replace("test = \"> 600\"", "test = \"soon\"")
        .replace("signal = \"cpu\"", "signal = \"heat\"");
    project.write("broken.toml", &broken);
    project
        .relman(&["watch", "check", "--policy", "broken.toml"])
        .exits(2)
        .says(&[
            "2 problem(s)",
            "row no-blocks: test is \"soon\"",
            "there is no signal \"heat\"",
        ]);
}

#[test]
fn a_recording_is_replayed_and_other_thresholds_decide_otherwise() {
    let project = Project::new("watch-replay");
    let file = recording(&project, "incident.jsonl", 300);
    let replay = ["watch", "replay", file.as_str()];
    let run = project.relman(&replay).exits(0).says(&[
        "40 looks at 3 nodes of mainnet",
        "Data corruption (critical): roll-back",
        "n1 log-corruption 1",
        "run: relman fleet rollback --env mainnet",
        "it would have called for roll-back at 2026-02-02 02:45:00Z, by data-corruption",
    ]);
    let again = project.relman(&replay).exits(0);
    assert_eq!(
        run.stdout, again.stdout,
        "the same looks give the same decisions"
    );
    // What if one line were not enough?
    let patient = template().replace(
        "signal = \"log-corruption\"\ntake = \"increase\"\nwindow_seconds = 600\ntest = \"> 0\"",
        "signal = \"log-corruption\"\ntake = \"increase\"\nwindow_seconds = 600\ntest = \"> 5\"",
    );
    project.write("patient.toml", &patient);
    project
        .relman(&[&replay[..], &["--policy", "patient.toml"]].concat())
        .exits(0)
        .says(&["it would have called for nothing"]);
    let stream = project
        .relman(&[&replay[..], &["--json-lines"]].concat())
        .exits(0);
    assert_eq!(stream.stdout.lines().count(), 40);
    let last: serde_json::Value =
        serde_json::from_str(stream.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["action"], "roll-back", "{last:#}");
    let document = project
        .relman(&[&replay[..], &["--json"]].concat())
        .exits(0)
        .json();
    assert_eq!(document["data"]["strongest"]["row"], "data-corruption");
}

#[test]
fn what_is_no_recording_is_refused_and_a_line_that_was_cut_off_is_left_out() {
    let project = Project::new("watch-broken");
    let file = recording(&project, "r.jsonl", 10_000);
    let whole = fs::read(project.path(&file)).expect("a recording");
    fs::write(project.path("cut.jsonl"), &whole[..whole.len() - 20]).expect("a file");
    project
        .relman(&["watch", "replay", "cut.jsonl"])
        .exits(0)
        .says(&["39 looks"]);
    fs::write(project.path("none.jsonl"), "{}\n").expect("a file");
    project
        .relman(&["watch", "replay", "none.jsonl"])
        .exits(2)
        .says(&["line 1 of the recording is malformed"]);
    project
        .relman(&["watch", "replay", "missing.jsonl"])
        .exits(2)
        .says(&["there is no recording"]);
}

#[test]
fn what_a_person_declares_is_kept_until_it_is_withdrawn() {
    let project = Project::new("watch-declare");
    let declare = ["watch", "declare", "vulnerability", "--env", "mainnet"];
    project
        .relman(&[&declare[..], &["--why", "forged signatures pass"]].concat())
        .exits(0)
        .says(&["vulnerability is declared on mainnet", "roll-back"]);
    project
        .relman(&[&declare[..], &["--withdraw"]].concat())
        .exits(0)
        .says(&["declared on mainnet no longer", "forged signatures pass"]);
    project
        .relman(&[&declare[..], &["--withdraw"]].concat())
        .exits(0)
        .says(&["is not declared"]);
    project
        .relman(&[
            "watch", "declare", "memory", "--env", "mainnet", "--why", "x",
        ])
        .exits(2)
        .says(&["wanted one of vulnerability, ordinary-bug"]);
    project
        .relman(&[
            "watch",
            "declare",
            "vulnerability",
            "--env",
            "../x",
            "--why",
            "x",
        ])
        .exits(2);
}

#[test]
fn the_policy_that_the_root_keys_signed_counts_and_one_that_differs_does_not() {
    let project = Project::new("watch-signed");
    project
        .relman(&["root", "watch", "watch.toml", "--yes"])
        .exits(0)
        .says(&["watch policy: none → "]);
    project
        .relman(&["watch", "check"])
        .exits(0)
        .says(&["signed by the root keys"]);
    project.relman(&["root"]).exits(0).says(&["watch policy"]);
    // Whoever changes the file changes nothing.
    let lax = template().replace("test = \"> 600\"", "test = \"> 60000\"");
    project.write("watch.toml", &lax);
    project
        .relman(&["watch", "check"])
        .exits(0)
        .says(&["is not what was signed", "blocks-overdue > 600 s"]);
    // A change is shown for what it is before it is signed.
    project
        .relman(&["root", "watch", "watch.toml", "--dry-run"])
        .exits(0)
        .says(&[
            "- watch: [[row]] name = \"no-blocks\" test = \"> 600\"",
            "+ watch: [[row]] name = \"no-blocks\" test = \"> 60000\"",
        ]);
    project.write("watch.toml", "format = 1\n");
    project
        .relman(&["root", "watch", "watch.toml", "--yes"])
        .exits(2)
        .says(&["there is no [[row]]"]);
    project.relman(&["root", "watch", "none", "--yes"]).exits(0);
    project.write("watch.toml", template());
    project
        .relman(&["watch", "check"])
        .exits(0)
        .says(&["not signed"]);
    project.relman(&["audit"]).exits(0);
}

/// Three nodes that nobody reaches: nothing listens there.
fn unreachable(name: &str) -> Project {
    let project = Project::new(name);
    let nodes = ["t1", "t2", "t3"].map(|name| {
        format!("[[node]]\nname = \"{name}\"\nssh = \"{name}\"\nenvironment = \"testnet\"\n")
    });
    let head = "[ssh]\nconfig = \"ssh_config\"\n[[environment]]\nname = \"testnet\"\n";
    project.write("fleet.toml", &format!("{head}{}", nodes.concat()));
    project.write("ssh_config", "Host *\nHostName 127.0.0.1\nPort 1\n");
    project
}

const WATCH: [&str; 3] = ["watch", "--env", "testnet"];

#[test]
fn what_nobody_answers_is_unknown_and_only_a_signed_policy_is_acted_on() {
    let project = unreachable("watch-unreachable");
    let run = project
        .relman(&[&WATCH[..], &["--looks", "2", "--plain"]].concat())
        .exits(1)
        .says(&[
            "unknown: t1 over ssh does not answer",
            "unknown: No blocks 10+ min",
            "recorded: ",
        ]);
    assert!(
        !run.stdout.contains("run:"),
        "nothing is called for: {run:#?}"
    );
    project
        .relman(&[&WATCH[..], &["--act", "--looks", "1"]].concat())
        .exits(3)
        .says(&["is not signed", "relman root watch watch.toml"]);
    // What a person declares needs no source.
    let declare = ["watch", "declare", "vulnerability", "--env", "testnet"];
    project
        .relman(&[&declare[..], &["--why", "forged signatures pass"]].concat())
        .exits(0);
    let run = project
        .relman(&[&WATCH[..], &["--looks", "2", "--json"]].concat())
        .exits(1);
    let mut lines = run.stdout.lines();
    for _ in 0..2 {
        let line = lines.next().expect("an event");
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["row"], "vulnerability", "{event:#}");
        assert_eq!(event["command"], "relman fleet rollback --env testnet");
    }
    let document: Vec<&str> = lines.collect();
    let document: serde_json::Value =
        serde_json::from_str(&document.join("\n")).expect("the command's document");
    assert_eq!(document["data"]["last"]["action"], "roll-back");
    // It is on the disk, and decides the same again.
    let recording = document["data"]["recording"].as_str().expect("a path");
    project
        .relman(&["watch", "replay", recording])
        .exits(0)
        .says(&["2 looks at 3 nodes of testnet", "by vulnerability"]);
}

#[test]
fn the_live_view_takes_the_terminal_and_gives_it_back() {
    let project = unreachable("watch-view");
    let mut terminal = Terminal::sized(project.command(&WATCH), 40, 120);
    terminal
        .shows("UNKNOWN")
        .shows("matrix")
        .shows("severity")
        .types("q");
    let run = terminal.ends().exits(1);
    assert!(run.stdout.contains("recorded: "), "{run:#?}");
}
