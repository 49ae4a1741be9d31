//! The real program against an S3 server: killed at the steps of a publication, and racing with itself.

use std::process::Stdio;
use std::thread;

use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::faults::block_on;
use super::server::Server;
use crate::common::relman::{Project, Run, SECOND, TAG};

/// A project in a bucket, with [`TAG`] published.
fn published(server: &Server, name: &str) -> Project {
    let project = Project::uninitialised(name);
    server.configure(&project);
    run(server, &project, &["init", "--yes"]).exits(0);
    run(server, &project, &["cut", TAG]).exits(0);
    project
}

#[track_caller]
fn run(server: &Server, project: &Project, arguments: &[&str]) -> Run {
    let mut command = server.relman(project, arguments);
    Run::of(command.stdin(Stdio::null()).output().unwrap())
}

/// Commits something new, tags it and cuts its draft.
#[track_caller]
fn draft(server: &Server, project: &Project, tag: &str) {
    project.write("prog.sh", &format!("echo {tag}\n"));
    project.commit_and_tag("fix: more", tag);
    run(server, project, &["cut", tag, "--draft"]).exits(0);
}

#[track_caller]
fn listed(server: &Server, project: &Project) -> Vec<String> {
    let document = run(server, project, &["list", "--json"]).exits(0).json();
    let releases = document["data"]["releases"].as_array().cloned().unwrap();
    let tags = releases.iter().map(|r| r["tag"].as_str().unwrap());
    tags.map(str::to_owned).collect()
}

#[test]
#[ignore = "needs moto's server: tests/judges/setup"]
fn killed_at_every_step_of_publishing_to_a_server_the_next_command_finishes() {
    let server = Server::start();
    let project = published(&server, "bucket-kill");
    let mut before = listed(&server, &project);
    let mut points: Vec<String> = ["stage.0", "stage.9", "stage.written", "publish.done"]
        .map(str::to_owned)
        .to_vec();
    points.extend((0..100).map(|step| format!("publish.{step}")));
    let mut killed = 0;
    for (round, point) in points.iter().enumerate() {
        let tag = format!("phase1-sig-verify-1.0.{}", round + 1);
        draft(&server, &project, &tag);
        let mut command = server.relman(&project, &["publish", &tag]);
        command.env("RELMAN_INSECURE_KILL_AT", point);
        let first = Run::of(command.output().unwrap());
        // Readers see the old or the new state, whole.
        let seen = listed(&server, &project);
        assert!(
            seen.starts_with(&before) && seen.len() <= before.len() + 1,
            "{point}: {seen:?}"
        );
        run(&server, &project, &["verify", TAG]).exits(0);
        // A number that nobody has is a step that this publication does not have.
        let was_killed = first.was_killed();
        if was_killed {
            killed += 1;
            let second = run(&server, &project, &["publish", &tag]).exits(0);
            let begun = point.starts_with("publish") || point == "stage.written";
            let finished = second.stderr.contains("finished a publication");
            assert_eq!(
                finished,
                begun && point != "publish.done",
                "{point}: {second:#?}"
            );
        } else {
            first.exits(0);
        }
        run(&server, &project, &["verify", &tag]).exits(0);
        before.push(tag);
        assert_eq!(listed(&server, &project), before, "{point}");
        if !was_killed {
            break;
        }
    }
    assert!(killed > 15, "{killed} times");
    run(&server, &project, &["audit"]).exits(0);
}

#[test]
#[ignore = "needs moto's server: tests/judges/setup"]
fn two_programs_publishing_different_drafts_at_once_lose_neither() {
    let server = Server::start();
    let ann = published(&server, "bucket-race");
    let bob = ann.copy();
    let mut wanted = vec![TAG.to_owned()];
    let mut told_to_retry = 0;
    for round in 1..=10 {
        let tags = [1, 2].map(|minor| format!("phase1-sig-verify-1.{minor}.{round}"));
        for (project, tag) in [&ann, &bob].into_iter().zip(&tags) {
            draft(&server, project, tag);
        }
        thread::scope(|scope| {
            let publish = |project, tag: &str| {
                let mut retries = 0;
                loop {
                    let run = run(&server, project, &["publish", tag]);
                    if run.code == Some(0) {
                        return retries;
                    }
                    run.exits(1).says(&["run the same command again"]);
                    retries += 1;
                }
            };
            let [first, second] = &tags;
            let (ann, bob) = (&ann, &bob);
            let other = scope.spawn(move || publish(bob, second));
            told_to_retry += publish(ann, first) + other.join().unwrap();
        });
        wanted.extend(tags);
    }
    let mut there = listed(&server, &ann);
    there.sort();
    wanted.sort();
    assert_eq!(there, wanted);
    for tag in &wanted {
        run(&server, &bob, &["verify", tag]).exits(0);
    }
    run(&server, &bob, &["audit"]).exits(0);
    println!("told to retry {told_to_retry} times");
}

#[test]
#[ignore = "needs moto's server: tests/judges/setup"]
fn a_log_in_a_bucket_is_rebuilt_and_its_proofs_are_made_fresh() {
    let server = Server::start();
    let project = published(&server, "bucket-log");
    project.second();
    run(&server, &project, &["cut", SECOND]).exits(0);
    let refresh = ["log", "prove", TAG, "--refresh"];
    run(&server, &project, &refresh)
        .exits(0)
        .says(&["release.fresh-1.tlog-proof"]);
    run(&server, &project, &["log", "fsck"]).exits(0);
    let bucket = server.bucket();
    for path in ["log/tile/0/000.p/5", "log/tile/entries/000.p/5"] {
        block_on(bucket.objects.delete(&Path::from(path))).unwrap();
    }
    run(&server, &project, &["audit"]).exits(3);
    run(&server, &project, &["log", "fsck"])
        .exits(3)
        .says(&["2 of them can be rebuilt"]);
    run(&server, &project, &["log", "fsck", "--repair"])
        .exits(0)
        .says(&["rebuilt log/tile/0/000.p/5", "is whole"]);
    run(&server, &project, &["audit"]).exits(0);
}
