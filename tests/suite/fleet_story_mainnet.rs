//! A mainnet of six machines: what four of six masternodes agree on, two days after it was announced, goes through, one
//! node after another; with one key fewer, or one second earlier, nothing is begun.

use std::sync::atomic::{AtomicBool, Ordering};

use super::environment_cli::{Operator, export};
use super::environment_waits_cli::with_witness;
use super::root_cli::{held_elsewhere, new_key, run_at};
use crate::common::fleet_machines::{COUNT, Fleet, Setup, two_releases};
use crate::common::fleet_steps::QUICK;
use crate::common::relman::{NOW, Project, SECOND, TAG};

/// Whose keys the last five are; the first one is of whoever began the project.
const PEOPLE: [&str; 5] = ["bob", "carol", "dan", "erin", "frank"];
const QUORUM: usize = 4;
const BEFORE: &str = "2026-02-02T23:59:59Z";
const WINDOW: &str = "2026-02-03T00:00:00Z";

/// Six masternodes, each with a key on a machine of its own; all but the last in one step.
fn masternodes(project: &Project) -> Vec<Operator> {
    for name in PEOPLE {
        let key = new_key(project, &format!("mainnet.{name}"));
        let end = if name == "frank" { "--yes" } else { "--draft" };
        let add = ["root", "add", "mainnet", &key, "--person", name, end];
        project.relman(&add).exits(0);
    }
    let names = PEOPLE.map(|name| format!("mainnet.{name}"));
    let all = ["mainnet".to_owned()].into_iter().chain(names);
    all.map(|name| Operator::new(project, held_elsewhere(project, &name)))
        .collect()
}

/// One more masternode agrees to a proposal, on its own machine, and its file comes back.
fn agrees(project: &Project, now: &str, operator: &Operator, id: &str, i: usize) {
    let file = export(project, id, &format!("{id}-{i}.json"));
    operator.agree(now, &file, &["--yes"]).exits(0);
    run_at(project, now, &["import", &file]).exits(0);
}

/// The id of the one proposal that waits.
fn proposal(project: &Project) -> String {
    let document = project.relman(&["repo", "status", "--json"]).json();
    let waiting = document["data"]["proposals"].as_array().expect("a list");
    assert_eq!(waiting.len(), 1, "{document:#}");
    waiting[0]["id"].as_str().expect("an id").to_owned()
}

/// While `work` goes on nobody ever sees two daemons down at the same time.
fn never_two_down<T: Send>(fleet: &Fleet, work: impl FnOnce() -> T + Send) -> T {
    let over = AtomicBool::new(false);
    let over = &over;
    std::thread::scope(|threads| {
        let working = threads.spawn(move || {
            let done = work();
            over.store(true, Ordering::SeqCst);
            done
        });
        let mut seen = 0;
        while !over.load(Ordering::SeqCst) && !working.is_finished() {
            let down = |i: usize| !fleet.node(i).runs();
            if let Some(first) = (1..=COUNT).find(|i| down(*i)) {
                seen += 1;
                for other in (1..=COUNT).filter(|i| *i != first) {
                    // Each goes down once: one that is down before and after another is, was down with it.
                    let both = down(other) && down(first);
                    assert!(!both, "n{first} and n{other} are down");
                }
            }
        }
        assert!(seen > 0, "nobody looked");
        working.join().expect("it does not panic")
    })
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn mainnet_moves_one_by_one_once_four_of_six_keys_have_agreed_and_notice_is_over() {
    let project = two_releases("story-mainnet");
    with_witness(&project);
    let operators = masternodes(&project);
    for tag in [TAG, SECOND] {
        project
            .relman(&["promote", tag, "--to", "testnet"])
            .exits(0);
    }
    project
        .relman(&["promote", TAG, "--to", "mainnet"])
        .exits(0);
    let first = proposal(&project);
    for (i, operator) in operators.iter().take(QUORUM).enumerate() {
        agrees(&project, NOW, operator, &first, i);
    }
    let setup = Setup {
        environment: "mainnet",
        rules: QUICK.to_owned(),
        ..Setup::default()
    };
    let fleet = Fleet::new(project, &setup);
    fleet.install_everywhere(TAG);
    let project = &fleet.project;
    let set = ["root", "set", "mainnet", "--notice-hours", "48", "--yes"];
    project.relman(&set).exits(0);
    project
        .relman(&["announce", SECOND, "--to", "mainnet"])
        .exits(0)
        .says(&[WINDOW, "48 hours"]);
    project
        .relman(&["promote", SECOND, "--to", "mainnet"])
        .exits(0);
    let second = proposal(project);
    for (i, operator) in operators.iter().take(QUORUM - 1).enumerate() {
        agrees(project, NOW, operator, &second, i);
    }

    // One key is missing: everybody says so, and nothing is begun.
    let plan = ["fleet", "plan", SECOND, "--env", "mainnet"];
    let upgrade = ["fleet", "upgrade", SECOND, "--env", "mainnet", "--yes"];
    for arguments in [&plan[..], &upgrade] {
        fleet.relman(arguments).exits(3).says(&[
            "3 of 4 signatures",
            "missing: dan",
            "erin",
            "frank",
            "n1: it would not install",
            "n6: it would not install",
        ]);
    }
    let ready = ["fleet", "readiness", SECOND, "--env", "mainnet"];
    fleet
        .relman(&ready)
        .exits(1)
        .says(&["less than two thirds"]);
    fleet
        .relman(&["fleet", "status"])
        .exits(0)
        .says(&["there is no rollout yet"]);
    assert_eq!(fleet.current(), vec![Some(TAG.to_owned()); COUNT]);

    // With the fourth it is agreed on, and no node takes it before the notice is over.
    agrees(project, NOW, &operators[QUORUM - 1], &second, QUORUM);
    fleet.set_clock(BEFORE);
    run_at(project, BEFORE, &["timestamp"]).exits(0);
    fleet
        .relman(&upgrade)
        .exits(3)
        .says(&["not-before", WINDOW, "n1: it would not install"]);
    assert_eq!(fleet.current(), vec![Some(TAG.to_owned()); COUNT]);
    fleet.set_clock(WINDOW);
    run_at(project, WINDOW, &["timestamp"]).exits(0);
    let plan = fleet.relman(&plan).exits(0);
    plan.says(&["wave 1: n1"]);
    never_two_down(&fleet, || fleet.relman(&upgrade)).exits(0);
    fleet.tells_the_truth(Some(SECOND));
    fleet
        .relman(&ready)
        .exits(0)
        .says(&["(100.0 %), 6 node(s)", "at least two thirds"]);

    // What was done, in which order, is in the record: each node was done before the next one was told.
    let status = fleet.relman(&["fleet", "status", "--json"]).exits(0).json();
    let events = status["data"]["record"]["events"].as_array().cloned();
    let events = events.expect("events");
    let at = |name: &str, what: &str| {
        let found = events
            .iter()
            .position(|event| event["node"] == name && event["what"] == what);
        found.unwrap_or_else(|| panic!("{name} is never {what}: {events:#?}"))
    };
    for i in 1..COUNT {
        let (name, next) = (format!("n{i}"), format!("n{}", i + 1));
        assert!(at(&name, "done") < at(&next, "installing"), "{name}");
    }
}
