//! The operator's hands: real machines with real sshd, reached, not reached, lost in the middle, and lied about.

use std::fs;
use std::path::Path;

use relman::fleet::host::{Hosts, Reply, Request};
use relman::fleet::look::NodeLook;
use serde_json::{Value, json};

use crate::common::fleet_machines::{COUNT, Fleet, FleetNode, Setup, two_releases};
use crate::common::relman::{SECOND, TAG, flip};
use crate::common::wait_for;

const OLD: &str = r#"#!/bin/sh
case " $* " in
*" --version "*) echo relman 0.0.9 ;;
*) echo '{"command":"","outcome":"usage","data":null,"error":{"message":"unrecognized subcommand"}}'; exit 2 ;;
esac
"#;

/// The row of a node in what `fleet check --json` says.
fn row(document: &Value, node: &str) -> Value {
    let rows = document["data"]["nodes"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["node"] == node);
    found
        .unwrap_or_else(|| panic!("no {node} in {document:#}"))
        .clone()
}

/// Its findings in one text; each has something to run.
fn problems(row: &Value) -> String {
    let findings = row["findings"].as_array().expect("findings");
    let all = findings.iter().map(|finding| {
        assert!(finding["hint"].is_string(), "nothing to run: {finding}");
        format!(
            "{}: {} {}",
            finding["subject"], finding["problem"], finding["hint"]
        )
    });
    all.collect::<Vec<_>>().join("\n")
}

fn few(count: usize) -> Setup {
    Setup {
        count,
        ..Setup::default()
    }
}

/// Asks a node as the operator would; the hands are new each time.
fn ask(fleet: &Fleet, i: usize, bundle: Option<&Path>, request: &Request) -> Reply {
    fleet.inside(|| {
        let (config, hosts) = fleet.hosts(bundle.map(Path::to_owned));
        hosts.ask(&config.nodes[i - 1], request)
    })
}

fn look(fleet: &Fleet, i: usize) -> Result<NodeLook, String> {
    NodeLook::of(ask(fleet, i, None, &Request::Status))
}

fn install(tag: &str) -> Request {
    Request::Install {
        tag: tag.into(),
        start: false,
    }
}

/// What bundles left on a node.
fn left_behind(node: &FleetNode) -> Vec<String> {
    let dir = fs::read_dir(node.machine.path("/var/tmp")).expect("a directory");
    let names = dir.map(|e| {
        e.expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    names
        .filter(|name| name.starts_with("relman-bundle"))
        .collect()
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_fleet_is_checked_and_what_is_wrong_with_each_node_is_told() {
    let fleet = Fleet::new(two_releases("fleet-check"), &Setup::default());
    fleet.install_everywhere(TAG);
    let document = fleet.relman(&["fleet", "check", "--json"]).exits(0).json();
    for i in 1..=COUNT {
        let row = row(&document, &format!("n{i}"));
        assert_eq!(
            (&row["current"], &row["daemon"], &row["findings"]),
            (&TAG.into(), &"verified".into(), &json!([])),
            "{row:#}"
        );
    }

    // Another name than its own, by way of a jump host that alone knows the way.
    let config = fleet.operators("ssh_config");
    let text = fs::read_to_string(&config).expect("a file");
    let jump = "Host inner\n  HostName 127.0.0.1\n  ProxyJump n1\n";
    fs::write(&config, format!("{text}{jump}")).expect("a file");
    let known = fleet.operators("known_hosts");
    let text = fs::read_to_string(&known).expect("a file");
    let first = text
        .lines()
        .next()
        .expect("a key")
        .replace("10.77.0.11", "127.0.0.1");
    fs::write(&known, format!("{text}{first}\n")).expect("a file");
    fleet.edit(
        "name = \"n4\"\nssh = \"n4\"",
        "name = \"n4\"\nssh = \"inner\"",
    );
    // One that hangs, one in whose place somebody else answers, an old one, and none at all.
    fleet
        .node(2)
        .machine
        .run(&["sh", "-c", "kill -STOP $(cat /run/sshd.pid)"])
        .exits(0);
    fleet.change_host_key(3);
    fleet.node(5).machine.write("/opt/old", OLD);
    fleet
        .node(5)
        .machine
        .run(&["chmod", "+x", "/opt/old"])
        .exits(0);
    fleet.edit("ssh = \"n5\"", "ssh = \"n5\"\nrelman = \"/opt/old\"");
    fleet.edit(
        "ssh = \"n6\"",
        "ssh = \"n6\"\nbecome = [\"env\", \"A=b c\"]\nrelman = \"/opt/none\"",
    );
    let document = fleet.relman(&["fleet", "check", "--json"]).exits(1).json();
    assert_eq!(row(&document, "n1")["findings"], json!([]));
    for (node, reached, wanted) in [
        ("n2", false, vec!["ssh", "timed out", "ssh n2 true"]),
        (
            "n3",
            false,
            vec![
                "another key",
                "SHA256:",
                "known_hosts:3",
                "known_hosts' -F '10.77.0.13'",
            ],
        ),
        (
            "n4",
            true,
            vec!["its node.toml has name \\\"n1\\\", fleet.toml has \\\"n4\\\""],
        ),
        (
            "n5",
            true,
            vec![
                "its relman is 0.0.9",
                "does not know",
                "relman fleet bootstrap n5 --replace",
            ],
        ),
        (
            "n6",
            false,
            vec!["/opt/none is not there", "relman fleet bootstrap n6 "],
        ),
    ] {
        let row = row(&document, node);
        assert_eq!(row["reached"], reached, "{row:#}");
        let said = problems(&row);
        for words in wanted {
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
    }
    let people = fleet
        .relman(&["fleet", "check", "--node", "n1", "--node", "n2"])
        .exits(1);
    people.says(&["n1    local", "verified", "no answer", "hint: ssh n2 true"]);
    fleet
        .relman(&["fleet", "check", "--node", "n9"])
        .exits(2)
        .says(&["no node and no group"]);

    // A host that nobody knows is not made known by asking it.
    fs::write(&known, "").expect("a file");
    let run = fleet.relman(&["fleet", "check", "--node", "n1"]).exits(1);
    run.says(&[
        "No ED25519 host key is known",
        "it sent ssh-ed25519 SHA256:",
    ]);
    assert_eq!(fs::read_to_string(&known).expect("a file"), "");
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_connection_that_drops_in_mid_install_does_not_end_the_install_and_the_next_status_tells_the_truth()
 {
    let setup = Setup {
        // A change begins only when the test says so.
        node_toml: "[hooks]\nbefore = [\"sh\", \"-c\", \"touch /var/begun; until [ -e /var/go ]; do sleep 0.1; done\"]\n".into(),
        ..few(1)
    };
    let fleet = Fleet::new(two_releases("fleet-dropped"), &setup);
    let machine = &fleet.node(1).machine;
    let (begun, go) = (machine.path("/var/begun"), machine.path("/var/go"));
    fs::write(&go, "").expect("a file");
    fleet.install(1, TAG);
    let way_back = Request::Rollback {
        to: None,
        with_data: false,
        emergency: false,
        start: false,
    };
    for (request, wanted, cut) in [
        (install(SECOND), SECOND, true),
        // Whoever serves the connection on the node is killed.
        (way_back, TAG, false),
    ] {
        fs::remove_file(&go).expect("it was there");
        fs::remove_file(&begun).expect("it was there");
        let reply = std::thread::scope(|threads| {
            let asked = threads.spawn(|| ask(&fleet, 1, None, &request));
            wait_for("the change to begin", || {
                (begun.exists() || asked.is_finished()).then_some(())
            });
            if !begun.exists() {
                panic!("{wanted}: {:?}", asked.join());
            }
            match cut {
                true => fleet.cut_link(1),
                false => drop(machine.run(&["sh", "-c", "kill -9 $(pidof sshd)"])),
            }
            asked.join().expect("it does not panic")
        });
        assert!(matches!(reply, Reply::Lost(_)), "{reply:?}");
        match cut {
            true => {
                let reply = ask(&fleet, 1, None, &Request::Status);
                assert!(matches!(reply, Reply::Unreachable(_)), "{reply:?}");
                fleet.mend_link(1);
            }
            false => drop(machine.run(&["systemctl", "restart", "ssh"]).exits(0)),
        }
        // What it was cut off from still waits.
        assert!(!look(&fleet, 1).expect("a status").runs(wanted));
        fs::write(&go, "").expect("a file");
        wait_for("the change to end", || {
            look(&fleet, 1)
                .is_ok_and(|look| look.runs(wanted))
                .then_some(())
        });
        // The receipt comes last, under the node's lock.
        wait_for("its relman to end", || {
            (machine.run(&["pidof", "relman"]).code != Some(0)).then_some(())
        });
    }
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_connection_is_kept_between_requests_and_made_anew_when_it_has_died() {
    let fleet = Fleet::new(two_releases("fleet-kept"), &few(1));
    fleet.install(1, TAG);
    let machine = &fleet.node(1).machine;
    let visitors = || {
        let run = machine.run(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
        run.stdout.matches("sshd: root@notty").count()
    };
    fleet.inside(|| {
        let (config, hosts) = fleet.hosts(None);
        let node = &config.nodes[0];
        for _ in 0..3 {
            hosts.ask(node, &Request::Status).good().expect("an answer");
            hosts.ask(node, &Request::Health).good().expect("an answer");
            assert_eq!(visitors(), 1);
        }
        machine.run(&["sh", "-c", "kill -9 $(pidof sshd)"]);
        machine.run(&["systemctl", "restart", "ssh"]).exits(0);
        hosts.ask(node, &Request::Status).good().expect("an answer");
        fleet.cut_link(1);
        let reply = hosts.ask(node, &Request::Status);
        assert!(matches!(reply, Reply::Unreachable(_)), "{reply:?}");
        fleet.mend_link(1);
        hosts.ask(node, &Request::Status).good().expect("an answer");
        drop(hosts);
    });
    wait_for("the connection's end", || (visitors() == 0).then_some(()));
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_node_whose_power_was_cut_is_not_reached_and_answers_once_it_is_on_again() {
    let mut fleet = Fleet::new(two_releases("fleet-power"), &few(1));
    fleet.install(1, TAG);
    fleet.cut_power(1);
    let reply = ask(&fleet, 1, None, &Request::Status);
    assert!(matches!(reply, Reply::Unreachable(_)), "{reply:?}");
    fleet.boot(1);
    assert!(look(&fleet, 1).expect("a status").runs(TAG));
    assert!(fleet.node(1).runs());
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_node_without_a_way_to_the_store_is_sent_a_bundle() {
    let fleet = Fleet::new(two_releases("fleet-bundle"), &few(1));
    let node = fleet.node(1);
    let config = node.machine.path("/etc/relman/node.toml");
    let text = fs::read_to_string(&config).expect("a file");
    let cut_off = text.replace(&fleet.server.url(), "http://10.99.0.1:8080");
    fs::write(&config, cut_off).expect("a file");
    node.relman(&["node", "units", "--write"]).exits(0);
    fleet.edit("ssh = \"n1\"", "ssh = \"n1\"\nbundle = true");
    let bundle = fleet.operators("bundle");
    let name = bundle.to_str().expect("a name");
    fleet
        .project
        .relman(&["bundle", TAG, "--out", name])
        .exits(0);
    let tag = TAG.to_owned();

    let without = ask(&fleet, 1, None, &Request::Preview { tag: tag.clone() });
    assert!(
        matches!(&without, Reply::Unreachable(why) if why.contains("hint: relman bundle TAG")),
        "{without:?}"
    );
    let planned = ask(&fleet, 1, Some(&bundle), &Request::Preview { tag });
    assert_eq!(planned.good().expect("a plan").outcome, "planned");
    let forced = Request::Install {
        tag: TAG.into(),
        start: true,
    };

    // A stream that ends too soon, and a bundle that was tampered with, change nothing.
    let whole = fs::read(&bundle).expect("a file");
    let short = fleet.inside(|| {
        let (config, hosts) = fleet.hosts(Some(bundle.clone()));
        fs::write(&bundle, &whole[..whole.len() / 2]).expect("a file");
        hosts.ask(&config.nodes[0], &forced)
    });
    assert!(matches!(short, Reply::Unreachable(_)), "{short:?}");
    fs::write(&bundle, &whole).expect("a file");
    flip(&bundle);
    let reply = ask(&fleet, 1, Some(&bundle), &forced);
    assert!(
        matches!(&reply, Reply::Answer(a) if !a.is_good()),
        "{reply:?}"
    );
    assert_eq!(node.current(), None);

    fs::write(&bundle, &whole).expect("a file");
    let done = ask(&fleet, 1, Some(&bundle), &forced);
    assert_eq!(done.good().expect("an install").outcome, "done");
    assert!(look(&fleet, 1).expect("a status").runs(TAG));
    assert_eq!(left_behind(node), [""; 0]);
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_new_node_is_given_relman_a_trust_root_and_its_configuration_and_nothing_of_it_is_overwritten()
{
    let fleet = Fleet::new(two_releases("fleet-bootstrap"), &few(2));
    let node = fleet.node(1);
    let text = fs::read_to_string(node.machine.path("/etc/relman/node.toml")).expect("a file");
    let text = text
        .replace("\"n1\"", "\"{name}\"")
        .replace("timed@n1", "timed@{name}")
        .replace("/etc/relman/root.json", "root.json");
    let toml = fleet.operators("node.toml");
    fs::write(&toml, text).expect("a file");
    for name in ["n1", "n2"] {
        let ssh = format!("ssh = \"{name}\"");
        fleet.edit(&ssh, &format!("{ssh}\ngroups = [\"new\"]\nrelman = \"/opt/it's/relman\"\nconfig = \"/opt/new/node.toml\""));
    }
    let (toml, root) = (
        toml.to_str().expect("a name"),
        fleet.project.path("keys/root.json"),
    );
    let root = root.to_str().expect("a name");
    let own = env!("CARGO_BIN_EXE_relman");
    let bootstrap = |binary: &str, root: &str, more: &[&str]| {
        let words = [
            "fleet",
            "bootstrap",
            "new",
            "--binary",
            binary,
            "--config",
            toml,
            "--root",
            root,
        ];
        fleet.relman(&[&words[..], more].concat())
    };
    bootstrap(own, root, &["--dry-run"])
        .exits(0)
        .says(&["n1: relman would be new"]);
    assert!(!node.machine.path("/opt/new").exists());
    // What is no relman never gets its name.
    bootstrap("/bin/true", root, &[])
        .exits(1)
        .says(&["no relman for this machine"]);
    assert!(!node.machine.path("/opt/it's/relman").exists());
    bootstrap(own, root, &[])
        .exits(0)
        .says(&["n1: relman 0.1.0 new", "n2: relman 0.1.0 new"]);
    for node in fleet.nodes() {
        let relman = node.machine.path("/opt/it's/relman");
        assert_eq!(
            fs::read(relman).expect("a file"),
            fs::read(own).expect("a file")
        );
    }
    fleet.relman(&["fleet", "check"]).exits(0);
    bootstrap(own, root, &[])
        .exits(0)
        .says(&["n1: relman 0.1.0 is there already"]);

    // What is there stays: relman unless it is said, the trust root whatever is said.
    let old = node.machine.path("/opt/it's/relman");
    fs::write(&old, OLD).expect("a file");
    bootstrap(own, root, &[])
        .exits(4)
        .says(&["n1: another relman is at", "--replace"]);
    let foreign = fleet.operators("foreign.json");
    fs::write(&foreign, "{}").expect("a file");
    let foreign = foreign.to_str().expect("a name");
    bootstrap(own, foreign, &["--replace"])
        .exits(3)
        .says(&["another trust root", "never replaced"]);
    assert_eq!(fs::read_to_string(&old).expect("a file"), OLD);
    bootstrap(own, root, &["--replace"])
        .exits(0)
        .says(&["n1: relman 0.1.0 replaced"]);
}
