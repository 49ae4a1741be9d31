//! Whole rollouts over six real machines: the testnet's way, one node after another, failures in the middle, operators
//! who are killed or come in pairs, machines that lose their link or their power, emergencies.
//!
//! Every story ends the same way: each node runs a verified release, and the record tells the truth.

use std::fs;
use std::process::Command;

use crate::common::fleet_machines::{COUNT, Fleet, Setup, two_releases};
use crate::common::fleet_steps::{QUICK, rolling};
use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree, files};
use crate::common::wait_for;

fn tar(arguments: &[&str]) -> String {
    let output = Command::new("tar").args(arguments).output();
    Run::of(output.expect("tar runs")).exits(0).stdout
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn the_testnets_way_from_the_agreement_to_the_archive_of_journals() {
    let project = two_releases("story-testnet");
    project
        .relman(&["promote", TAG, "--to", "testnet"])
        .exits(0);
    let setup = Setup {
        environment: "testnet",
        rules: format!("rehearse = true\n{QUICK}"),
        ..Setup::default()
    };
    let fleet = Fleet::new(project, &setup);
    fleet.install_everywhere(TAG);
    let plan = ["fleet", "plan", SECOND, "--env", "testnet"];
    // Nobody has agreed to it: every node says so, and so does the operator's own look.
    fleet
        .relman(&plan)
        .exits(3)
        .says(&["refused: check", "refused: n6: it would not install phase2"]);
    fleet
        .project
        .relman(&["promote", SECOND, "--to", "testnet"])
        .exits(0);
    fleet
        .relman(&plan)
        .exits(0)
        .says(&["all are stopped", "wave 1: n1", "takes "]);
    assert_eq!(
        fleet.current(),
        vec![Some(TAG.to_owned()); COUNT],
        "a plan changes nothing"
    );
    fleet
        .relman(&["fleet", "upgrade", SECOND, "--env", "testnet", "--yes"])
        .exits(0)
        .says(&["n6", "verified bytes run"]);
    fleet.tells_the_truth(Some(SECOND));
    // What comes after it came by itself.
    let gathered = files(&fleet.project.path(".relman/rollouts"));
    let gathered: Vec<&String> = gathered
        .iter()
        .filter(|f| f.ends_with(".journals.tar.gz"))
        .collect();
    assert_eq!(gathered.len(), 1, "{gathered:?}");
    let gathered = fleet.project.path(".relman/rollouts").join(gathered[0]);
    let list = tar(&["-tzf", &gathered.display().to_string()]);
    assert_eq!(list.lines().count(), COUNT + 1, "{list}");
    fleet
        .relman(&["fleet", "readiness", SECOND, "--env", "testnet"])
        .exits(0)
        .says(&["(100.0 %), 6 node(s)", "at least two thirds"]);

    // Receipts count once the nodes' keys are in the policy; the journals come in any case.
    let collect = [
        "fleet",
        "collect",
        "--env",
        "testnet",
        "--since",
        "2020-01-01T00:00:00Z",
    ];
    let archive = fleet.operators("all.tar.gz");
    let out = archive.display().to_string();
    fleet
        .relman(&[&collect[..], &["--out", &out]].concat())
        .exits(4)
        .says(&["problem: n1: its receipts were refused"]);
    let list = tar(&["-tzf", &out]);
    assert_eq!(list.lines().count(), COUNT + 1, "{list}");
    let journal = tar(&["-xzOf", &out, "--wildcards", "*/n4.log"]);
    assert!(journal.contains("timed starts"), "{journal}");
    for node in fleet.nodes() {
        let key = node.relman(&["receipts", "key", "--json"]).exits(0).json();
        let line = key["data"]["public"].as_str().expect("a key").to_owned();
        let file = fleet.operators(&format!("{}.pub", node.name));
        fs::write(&file, line + "\n").expect("a file");
        let file = file.display().to_string();
        fleet
            .project
            .relman(&[
                "root", "add", "node", &file, "--person", &node.name, "--yes",
            ])
            .exits(0);
    }
    let second = fleet.operators("again.tar.gz").display().to_string();
    let run = fleet.relman(&[&collect[..], &["--out", &second]].concat());
    run.exits(0).says(&["n6: ", "receipts of testnet"]);
    fleet
        .project
        .relman(&["receipts", "push"])
        .exits(0)
        .says(&["logged"]);
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_node_that_fails_at_any_position_stops_the_rollout_which_goes_on_when_it_is_mended() {
    let fleet = Fleet::new(two_releases("story-failing"), &rolling(""));
    fleet.install_everywhere(TAG);
    for position in 1..=COUNT {
        let machine = &fleet.node(position).machine;
        let config = machine.path("/etc/relman/node.toml");
        let good = fs::read_to_string(&config).expect("a configuration");
        // Its install is healthy as far as systemd goes, and a probe of its own says no.
        let sick = "[[probe]]\nname = \"sentinel\"\nkind = \"command\"\ncommand = [\"false\"]\ndeadline_seconds = 2\n";
        let hasty = good.replace("timeout_seconds = 8", "timeout_seconds = 3");
        fs::write(&config, format!("{hasty}{sick}")).expect("a configuration");
        let run = match position {
            1 => fleet.relman(&UPGRADE),
            _ => fleet.relman(&["fleet", "resume"]),
        };
        assert!(matches!(run.code, Some(1 | 4)), "{run:#?}");
        let wanted: Vec<Option<String>> = (1..=COUNT)
            .map(|i| Some(if i < position { SECOND } else { TAG }.to_owned()))
            .collect();
        assert_eq!(fleet.current(), wanted, "{run:#?}");
        let name = format!("n{position}");
        fleet
            .relman(&["fleet", "explain", &name])
            .exits(0)
            .says(&["sentinel"]);
        fleet.tells_the_truth(None);
        fs::write(&config, good).expect("a configuration");
    }
    fleet.relman(&["fleet", "resume"]).exits(0);
    fleet.tells_the_truth(Some(SECOND));
}

const UPGRADE: [&str; 6] = ["fleet", "upgrade", SECOND, "--env", "local", "--yes"];

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn an_operator_who_is_killed_is_followed_by_another_on_another_machine() {
    let fleet = Fleet::new(two_releases("story-operators"), &rolling(""));
    fleet.install_everywhere(TAG);
    fleet.hold(3);
    let mut first = fleet.driver(&UPGRADE);
    fleet.has_begun(3);
    // While one drives, nobody else does.
    let run = fleet.relman(&UPGRADE);
    assert!(matches!(run.code, Some(1 | 3)), "{run:#?}");
    fleet
        .relman(&["fleet", "resume"])
        .exits(1)
        .says(&["--take-over"]);
    first.kill().expect("it can be killed");
    first.wait().expect("a child");
    // What was begun goes on without anybody looking.
    fleet.let_go(3);
    // Another machine has the same repository, store and ssh, and nothing of what the first has kept to itself.
    fs::remove_dir_all(fleet.project.path(".relman/rollouts")).expect("a local copy");
    fleet
        .relman(&["fleet", "resume", "--take-over"])
        .exits(0)
        .says(&["n6", "verified bytes run"]);
    fleet.tells_the_truth(Some(SECOND));
    assert_eq!(fleet.state(), "done");
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_rollout_that_is_asked_to_pause_does_before_its_next_step() {
    let fleet = Fleet::new(two_releases("story-pause"), &rolling(""));
    fleet.install_everywhere(TAG);
    fleet.hold(2);
    let mut first = fleet.driver(&UPGRADE);
    fleet.has_begun(2);
    fleet
        .relman(&["fleet", "pause"])
        .exits(0)
        .says(&["before the next step"]);
    fleet.let_go(2);
    first.wait().expect("a child");
    assert_eq!(fleet.state(), "paused");
    let tags: Vec<&str> = [SECOND, SECOND, TAG, TAG, TAG, TAG].into();
    let found: Vec<String> = fleet.current().into_iter().flatten().collect();
    assert_eq!(found, tags);
    fleet.tells_the_truth(None);
    // Given up, and what was moved goes back.
    fleet.relman(&["fleet", "abort", "--roll-back"]);
    fleet.tells_the_truth(Some(TAG));
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_node_whose_power_or_link_goes_in_mid_install_is_waited_for_or_named_and_catches_up() {
    let mut fleet = Fleet::new(two_releases("story-power"), &rolling(""));
    fleet.install_everywhere(TAG);
    fleet.hold(2);
    let mut first = fleet.driver(&UPGRADE);
    fleet.has_begun(2);
    fleet.cut_power(2);
    fleet.boot(2);
    fleet.takes_visitors(2);
    fleet.let_go(2);
    let ended = first.wait().expect("a child");
    if !ended.success() {
        fleet.relman(&["fleet", "resume"]).exits(0);
    }
    fleet.tells_the_truth(Some(SECOND));
    assert_eq!(fleet.state(), "done");

    // The same with a link that is down for longer than anybody waits for a silent connection.
    fleet.hold(5);
    let back = ["fleet", "upgrade", TAG, "--env", "local", "--yes"];
    let mut second = fleet.driver(&back);
    fleet.has_begun(5);
    fleet.cut_link(5);
    fleet.let_go(5);
    wait_for("the install to end without its operator", || {
        (fleet.node(5).current().as_deref() == Some(TAG)).then_some(())
    });
    fleet.mend_link(5);
    let ended = second.wait().expect("a child");
    if !ended.success() {
        fleet.relman(&["fleet", "resume"]).exits(0);
    }
    fleet.tells_the_truth(Some(TAG));

    // A host that is shut down in order while the new release is in place and about to start, and comes up again.
    fleet.hold_daemon(4, "ExecStartPre");
    let mut third = fleet.driver(&UPGRADE);
    fleet.has_begun(4);
    fleet.shut_down(4);
    fleet.let_go(4);
    fleet.boot(4);
    fleet.takes_visitors(4);
    let ended = third.wait().expect("a child");
    if !ended.success() {
        fleet.relman(&["fleet", "resume"]).exits(0);
    }
    fleet.tells_the_truth(Some(SECOND));
    assert_eq!(fleet.state(), "done");
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn everything_stops_at_once_and_goes_back_even_without_the_store_and_with_a_silent_node() {
    let mut fleet = Fleet::new(two_releases("story-emergency"), &rolling(""));
    fleet.install_everywhere(TAG);
    let done = fleet.upgrade(SECOND).exits(0);
    drop(done);
    fleet.tells_the_truth(Some(SECOND));
    fleet.edit("patience_seconds = 20", "patience_seconds = 6");
    fleet.cut_link(4);
    let run = fleet.relman(&["fleet", "stop", "--env", "local"]).exits(4);
    run.says(&["n4"]);
    for i in [1, 2, 3, 5, 6] {
        assert!(!fleet.node(i).runs(), "n{i} was to stop");
    }
    // The store's server is gone, too: what is retained is verified from its own evidence.
    let store = fleet.project.store();
    let away = fleet.project.beside("away");
    fs::rename(&store, &away).expect("it can be moved");
    let run = fleet
        .relman(&["fleet", "rollback", "--env", "local"])
        .exits(4);
    run.says(&["n4"]);
    for i in [1, 2, 3, 5, 6] {
        assert_eq!(fleet.node(i).current().as_deref(), Some(TAG));
        assert!(fleet.node(i).runs(), "n{i} was to run again");
    }
    fs::rename(&away, &store).expect("it can be moved");
    // One that comes back after its power was cut has the rest done.
    fleet.cut_power(4);
    fleet.boot(4);
    fleet.takes_visitors(4);
    fleet.relman(&["fleet", "resume"]).exits(0);
    fleet.tells_the_truth(Some(TAG));
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn nodes_that_trust_another_root_or_get_other_bytes_refuse_and_nothing_is_begun() {
    let fleet = Fleet::new(two_releases("story-trust"), &rolling(""));
    fleet.install_everywhere(TAG);
    let stranger = Project::published("story-stranger");
    let root = fs::read_to_string(stranger.path("keys/root.json")).expect("a root");
    let honest = fs::read_to_string(fleet.project.path("keys/root.json")).expect("a root");
    fleet.node(5).machine.write("/etc/relman/root.json", &root);
    let run = fleet.upgrade(SECOND).exits(3);
    run.says(&["n5"]);
    assert_eq!(fleet.current(), vec![Some(TAG.to_owned()); COUNT]);
    fleet
        .node(5)
        .machine
        .write("/etc/relman/root.json", &honest);
    // Whoever stands between the nodes and the store gives them other bytes; the operator's own copy is good.
    let archive = fs::read_dir(fleet.project.store().join("targets"))
        .expect("targets")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains(SECOND))
        .expect("an archive");
    let bytes = fs::read(&archive).expect("an archive");
    let good = fleet.project.beside("good");
    copy_tree(&fleet.project.store(), &good);
    let mut evil = bytes.clone();
    let middle = evil.len() / 2;
    evil[middle] ^= 1;
    fs::remove_file(&archive).expect("it is there");
    fs::write(&archive, evil).expect("a file");
    let good = good.display().to_string();
    let run = fleet
        .relman(&["fleet", "plan", SECOND, "--env", "local", "--store", &good])
        .exits(3);
    run.says(&[
        "refused: n1: it would not install",
        "refused: n6: it would not install",
    ]);
    fs::write(&archive, bytes).expect("a file");
    fleet.upgrade(SECOND).exits(0);
    fleet.tells_the_truth(Some(SECOND));
}
