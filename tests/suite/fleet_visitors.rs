//! New nodes that get their relman from a verified release, and nodes whose sshd turns visitors away.

use std::fs;
use std::net::TcpStream;

use relman::fleet::host::{Hosts, Reply, Request};

use crate::common::fleet_machines::{Fleet, RELMAN, Setup};
use crate::common::relman::{Project, TAG, files, flip};
use crate::common::wait_for;

/// A project whose releases have a relman: a program that is another one on each machine, so that it is small.
fn releases_of_relman(name: &str) -> Project {
    let project = Project::uninitialised(name);
    let build = format!(
        "mkdir -p out; printf '#!/bin/sh\\nexec {RELMAN} \"$@\"\\n' > out/relman; chmod +x out/relman"
    );
    project.configure(&build, "[tags]\nrequire_predecessor = false\n");
    let text = fs::read_to_string(project.path("relman.toml")).expect("a configuration");
    project.write(
        "relman.toml",
        &text.replace("[\"out/timed\"]", "[\"out/relman\"]"),
    );
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    project
}

fn one() -> Setup {
    Setup {
        count: 1,
        ..Setup::default()
    }
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_new_node_is_given_the_relman_of_a_release_that_verifies_and_none_of_one_that_does_not() {
    let fleet = Fleet::new(releases_of_relman("fleet-release"), &one());
    let node = fleet.node(1);
    fleet.edit(
        "ssh = \"n1\"",
        "ssh = \"n1\"\nrelman = \"/opt/relman\"\nconfig = \"/opt/node.toml\"",
    );
    let text = fs::read_to_string(node.machine.path("/etc/relman/node.toml")).expect("a file");
    let toml = fleet.operators("node.toml");
    fs::write(&toml, text.replace("/etc/relman/root.json", "root.json")).expect("a file");
    let root = fleet.project.path("keys/root.json");
    let bootstrap = |tag: &str| {
        fleet.relman(&[
            "fleet",
            "bootstrap",
            "n1",
            "--release",
            tag,
            "--config",
            toml.to_str().expect("a name"),
            "--root",
            root.to_str().expect("a name"),
        ])
    };
    let there = node.machine.path("/opt/relman");

    let store = fleet.project.store();
    let archives = || {
        let all = files(&store).into_iter();
        all.filter(|name| name.ends_with(".tar.gz"))
            .map(|name| store.join(name))
    };
    assert!(archives().count() > 0);
    let whole: Vec<Vec<u8>> = archives().map(|path| fs::read(path).expect("it")).collect();
    archives().for_each(|path| flip(&path));
    bootstrap(TAG)
        .exits(3)
        .says(&["does not verify", "relman verify"]);
    assert!(!there.exists());
    for (path, bytes) in archives().zip(&whole) {
        fs::write(path, bytes).expect("it can be mended");
    }
    bootstrap("phase9-none-1.0.0")
        .exits(3)
        .says(&["does not verify"]);
    bootstrap(TAG).exits(0).says(&["n1: relman 0.1.0 new"]);
    let released = fs::read(store.join(TAG).join("relman")).expect("a release");
    assert_eq!(fs::read(&there).expect("a file"), released);
    bootstrap(TAG)
        .exits(0)
        .says(&["n1: relman 0.1.0 is there already"]);
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn an_sshd_that_turns_visitors_away_is_asked_again() {
    let fleet = Fleet::new(releases_of_relman("fleet-crowd"), &one());
    let machine = &fleet.node(1).machine;
    let config = machine.path("/etc/ssh/sshd_config");
    let text = fs::read_to_string(&config).expect("a file");
    fs::write(&config, format!("MaxStartups 1:100:1\n{text}")).expect("a file");
    machine.run(&["systemctl", "restart", "ssh"]).exits(0);
    let address = format!("{}:22", fleet.node(1).address);
    // Whoever has not said who he is takes the only place.
    let silent = || fleet.inside(|| TcpStream::connect(&address).expect("sshd listens"));
    let turned_away = || {
        let lines = machine.run(&["journalctl", "--unit", "ssh", "--output", "cat"]);
        lines.stdout.matches("MaxStartups").count()
    };
    let ask = || {
        fleet.inside(|| {
            let (config, hosts) = fleet.hosts(None);
            hosts.ask(&config.nodes[0], &Request::Status)
        })
    };

    // Of those who come together some are turned away; all are heard in the end.
    let place = silent();
    let before = turned_away();
    let replies: Vec<Reply> = std::thread::scope(|threads| {
        let asked: Vec<_> = (0..3).map(|_| threads.spawn(ask)).collect();
        wait_for("somebody to be turned away", || {
            (turned_away() > before).then_some(())
        });
        drop(place);
        let asked = asked.into_iter();
        asked
            .map(|one| one.join().expect("it does not panic"))
            .collect()
    });
    for reply in replies {
        assert!(matches!(reply, Reply::Answer(_)), "{reply:?}");
    }

    // Where the place stays taken it is told as what it is, and nobody waits for ever.
    let place = silent();
    let reply = ask();
    assert!(
        matches!(&reply, Reply::Unreachable(why) if why.contains("closed") || why.contains("reset")),
        "{reply:?}"
    );
    drop(place);
}
