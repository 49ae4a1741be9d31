//! A project whose witnesses are other machines: what is published only with them, what waits for them, and what
//! they refuse.

use std::fs;

use crate::common::relman::{NOW, Project, Run, SECOND, TAG, copy_tree};
use crate::common::witness::{Home, Witness};

const NAMES: [&str; 3] = ["mn1.example/w", "mn2.example/w", "mn3.example/w"];

/// A project that wants two of three machines.
struct Watched {
    project: Project,
    homes: Vec<Home>,
    running: Vec<Option<Witness>>,
    /// The policy has their addresses, so they come back on the same ones.
    ports: [u16; 3],
}

impl Watched {
    fn new(name: &str) -> Watched {
        let project = Project::new(name);
        let homes: Vec<Home> = NAMES.into_iter().map(Home::named).collect();
        let mut watched = Watched {
            project,
            homes,
            running: vec![None, None, None],
            ports: [0; 3],
        };
        (0..3).for_each(|n| watched.start(n, NOW));
        watched.agree();
        watched
    }

    /// Starts a witness whose clock says `now`; again on the port that it had.
    fn start(&mut self, number: usize, now: &str) {
        let home = &self.homes[number];
        let vkey = fs::read_to_string(self.project.path("keys/log.vkey")).unwrap();
        let mut command = home.command_at(self.ports[number], &["--log", vkey.trim()]);
        command.env("RELMAN_INSECURE_NOW", now);
        let witness = Witness::of(command, &home.path("said"));
        self.ports[number] = witness.port();
        self.running[number] = Some(witness);
    }

    fn stop(&mut self, number: usize) {
        self.running[number] = None;
    }

    /// Writes the present addresses into the policy file.
    fn policy(&self) -> String {
        let lines = self.running.iter().zip(1..).map(|(witness, number)| {
            let witness = witness.as_ref().unwrap();
            format!("witness w{number} {} {}\n", witness.key(), witness.url)
        });
        lines.collect::<String>() + "group g 2 w1 w2 w3\nquorum g\n"
    }

    fn agree(&self) {
        let file = self.project.beside("witnesses");
        fs::write(&file, self.policy()).unwrap();
        let file = file.display().to_string();
        self.project
            .relman(&["root", "witnesses", &file, "--yes"])
            .exits(0);
    }

    fn at(&self, now: &str, arguments: &[&str]) -> Run {
        let mut command = self.project.command(arguments);
        let command = command.env("RELMAN_INSECURE_NOW", now);
        Run::of(command.output().expect("relman runs"))
    }

    fn checkpoint(&self) -> String {
        fs::read_to_string(self.project.store().join("log/checkpoint")).unwrap()
    }
}

#[test]
fn two_of_three_machines_cosign_and_one_may_be_down() {
    let mut watched = Watched::new("remote-way");
    let project = &watched.project;
    project.relman(&["cut", TAG]).exits(0);
    let run = project.relman(&["verify", TAG]).exits(0);
    run.says(&["witnessed at 2026-02-01T00:00:00Z by w1, w2, w3"]);
    project.is_sound();
    let proof = project.store().join(TAG).join("release.tlog-proof");
    let proof = fs::read_to_string(proof).unwrap();
    for name in NAMES {
        assert!(
            proof.contains(name),
            "the proof alone shows its quorum: {proof}"
        );
    }
    watched.stop(1);
    let project = &watched.project;
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let run = project.relman(&["verify", SECOND]).exits(0);
    run.says(&["witnessed at 2026-02-01T00:00:00Z by w1, w3"]);
}

#[test]
fn without_a_quorum_nothing_is_published_and_everybody_who_is_missing_is_named() {
    let mut watched = Watched::new("remote-few");
    watched.stop(0);
    watched.stop(2);
    let before = watched.checkpoint();
    watched.project.relman(&["cut", TAG]).exits(1).says(&[
        "nothing was published: the witnesses that can be asked are no quorum",
        "mn1.example/w",
        "mn3.example/w",
    ]);
    assert_eq!(watched.checkpoint(), before);
    assert!(!watched.project.store().join(".relman-stage").exists());
    // The metadata's freshness does not wait for them.
    watched.project.relman(&["timestamp"]).exits(0);
}

#[test]
fn killed_around_the_questions_the_next_command_publishes_the_same_tree() {
    for point in [
        "cosign.ask",
        "cosign.answered",
        "cosign.written",
        "publish.0",
    ] {
        let watched = Watched::new(&format!("remote-{}", point.replace('.', "-")));
        let project = &watched.project;
        let before = watched.checkpoint();
        let run = project.killed_at(point, &["cut", TAG]);
        assert!(run.was_killed(), "{point}: {run:?}");
        assert_eq!(watched.checkpoint(), before, "{point}: nobody saw it yet");
        let run = project.relman(&["timestamp"]).exits(0);
        run.says(&["finished a publication"]);
        project.is_verified(TAG);
        project.is_sound();
        project.second();
        project.relman(&["cut", SECOND]).exits(0);
        project.is_sound();
    }
}

#[test]
fn what_is_written_down_waits_for_witnesses_that_went_away_in_between() {
    let mut watched = Watched::new("remote-waits");
    let before = watched.checkpoint();
    assert!(
        watched
            .project
            .killed_at("cosign.ask", &["cut", TAG])
            .was_killed()
    );
    (0..3).for_each(|n| watched.stop(n));
    watched.project.relman(&["timestamp"]).exits(1).says(&[
        "it is written down and not published: too few witnesses have cosigned it",
        "readers still see the old state",
        "relman timestamp",
    ]);
    watched.project.relman(&["list"]).exits(0);
    assert_eq!(watched.checkpoint(), before);
    (0..3).for_each(|n| watched.start(n, NOW));
    watched.project.relman(&["timestamp"]).exits(0);
    watched.project.is_verified(TAG);
    watched.project.is_sound();
}

#[test]
fn witnesses_refuse_a_store_that_was_put_back_and_goes_another_way() {
    let watched = Watched::new("remote-fork");
    let project = &watched.project;
    let kept = project.beside("kept");
    copy_tree(&project.store(), &kept);
    project.relman(&["cut", TAG]).exits(0);
    fs::remove_dir_all(project.store()).unwrap();
    copy_tree(&kept, &project.store());
    // Another commit under the same tag: not what they have seen.
    project.git(&["tag", "-d", TAG]);
    fs::remove_dir_all(project.path(".relman/drafts")).unwrap_or_default();
    project.write("prog.sh", "echo another history\n");
    project.commit_and_tag("feat: another history", TAG);
    let before = watched.checkpoint();
    let run = watched.at("2026-02-01T00:00:01Z", &["cut", TAG]).exits(3);
    run.says(&["mn1.example/w", "or has two histories"]);
    assert_eq!(watched.checkpoint(), before);
    assert!(!project.store().join(".relman-stage").exists());
}

#[test]
fn a_frozen_log_is_noticed_and_timestamp_has_it_cosigned_again() {
    let mut watched = Watched::new("remote-age");
    watched
        .project
        .relman(&["root", "witnesses", "--max-age-hours", "24", "--yes"])
        .exits(0)
        .says(&["greatest age of cosignatures: any → 24 hours"]);
    watched.project.relman(&["cut", TAG]).exits(0);
    let late = "2026-02-02T00:00:01Z";
    let status = ["repo", "status"];
    watched
        .at("2026-02-01T17:00:00Z", &status)
        .exits(0)
        .says(&["cosigned last at 2026-02-01T00:00:00Z"]);
    watched.at("2026-02-01T18:00:00Z", &status).exits(1).says(&[
        "the log's cosignatures are too old for nodes from 2026-02-02T00:00:00Z on: relman timestamp",
    ]);
    watched
        .at("2026-02-02T00:00:00Z", &["verify", TAG])
        .exits(0);
    watched.at(late, &["verify", TAG]).exits(3).says(&[
        "a quorum of witnesses cosigned the log last at 2026-02-01T00:00:00Z",
        "24 hours that policy allows",
    ]);
    (0..3).for_each(|n| watched.stop(n));
    let run = watched.at(late, &["timestamp"]).exits(1);
    run.says(&[
        "warning: witnesses did not cosign the log anew",
        "timestamp 5 is valid",
    ]);
    (0..2).for_each(|n| watched.start(n, late));
    watched.at(late, &["timestamp"]).exits(0);
    watched.at(late, &["verify", TAG]).exits(0);
    let renew = ["timestamp", "--renew-before", "12"];
    let unchanged = watched.checkpoint();
    watched.at("2026-02-02T11:00:00Z", &renew).exits(0);
    assert_eq!(watched.checkpoint(), unchanged);
}
