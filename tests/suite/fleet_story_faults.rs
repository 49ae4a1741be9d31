//! One rollout through everything that a network can do to it: a node that is cut off, an sshd that hangs, a disk that is
//! full, half of all nodes cut off. Each time the driver stops, names the node and what is wrong, and touches no further
//! node; each time `relman fleet resume` goes on with the same rollout once it is mended. Before it: a node whose relman
//! is too old to be driven.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::fleet_machines::{COUNT, Fleet, RELMAN, Setup, two_releases};
use crate::common::fleet_steps::QUICK;
use crate::common::relman::{Run, SECOND, TAG};
use crate::common::wait_for;

const UPGRADE: [&str; 6] = ["fleet", "upgrade", SECOND, "--env", "local", "--yes"];
const RESUME: [&str; 2] = ["fleet", "resume"];
/// Longer than any of these faults may occupy a driver: it gives up by itself, and nobody has to end it.
const LONGEST: Duration = Duration::from_secs(120);

/// What nodes run, asked of themselves: what is mounted on a machine is not seen from outside.
fn runs(fleet: &Fleet) -> Vec<String> {
    let nodes = fleet.nodes().iter();
    nodes
        .map(|node| {
            let status = node.relman(&["status", "--json"]).json();
            let tag = status["data"]["current"]["tag"].as_str();
            tag.expect("a release").to_owned()
        })
        .collect()
}

/// The first nodes have been moved, the others not.
#[track_caller]
fn moved(fleet: &Fleet, count: usize) {
    let wanted: Vec<&str> = (1..=COUNT)
        .map(|i| if i <= count { SECOND } else { TAG })
        .collect();
    assert_eq!(runs(fleet), wanted);
}

/// Drives until the held node has begun, lets `fault` happen, lets the node go, and waits for the driver.
fn through(fleet: &Fleet, arguments: &[&str], held: usize, fault: impl FnOnce()) -> Run {
    fleet.hold(held);
    let driver = fleet
        .command(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("relman runs");
    fleet.has_begun(held);
    fault();
    let begun = Instant::now();
    fleet.let_go(held);
    let run = Run::of(driver.wait_with_output().expect("it ends"));
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    run
}

/// An older relman in the place of a node's: it does not know what the network's gate asks.
fn make_old(fleet: &Fleet, i: usize) {
    let node = fleet.node(i);
    let keep = "touch /opt/now && mount --bind /usr/local/bin/relman /opt/now && umount /usr/local/bin/relman";
    node.machine.run(&["sh", "-c", keep]).exits(0);
    node.machine.write(
        RELMAN,
        r#"#!/bin/sh
case " $* " in
*" --version "*) echo relman 0.0.1 ;;
*" node chain "*) echo '{"command":"","outcome":"usage","data":null,"error":{"message":"unrecognized subcommand '"'chain'"'"}}'; exit 2 ;;
*) exec /opt/now "$@" ;;
esac
"#,
    );
    node.machine.run(&["chmod", "755", RELMAN]).exits(0);
}

/// The relman of these tests without what only a debugger wants, as a file that is quickly sent.
fn small_relman(fleet: &Fleet) -> String {
    let small = fleet.operators("relman").display().to_string();
    let stripped = Command::new("strip")
        .args(["-o", &small, env!("CARGO_BIN_EXE_relman")])
        .status();
    assert!(stripped.expect("strip runs").success());
    small
}

fn an_older_relman_is_refused_by_name_and_replaced(fleet: &Fleet) {
    make_old(fleet, 6);
    let hint = "relman fleet bootstrap n6 --replace";
    let own = env!("CARGO_PKG_VERSION");
    let check = fleet.relman(&["fleet", "check", "--env", "local"]).exits(1);
    check.says(&[&format!("its relman is 0.0.1, this one is {own}"), hint]);
    let both = format!("its relman (0.0.1, this one is {own}) does not know what it was asked");
    for arguments in [
        &["fleet", "plan", SECOND, "--env", "local"][..],
        &UPGRADE[..],
    ] {
        let run = fleet.relman(arguments).exits(3);
        run.says(&[&format!("n6: {both}"), hint]);
    }
    moved(fleet, 0);
    let node = fleet.node(6);
    let config = node.machine.path("/etc/relman/node.toml");
    let (config, root) = (
        config.display().to_string(),
        fleet.project.path("keys/root.json").display().to_string(),
    );
    let small = small_relman(fleet);
    let bootstrap = ["fleet", "bootstrap", "n6", "--replace", "--binary", &small];
    let with = ["--config", &config, "--root", &root];
    fleet
        .relman(&[&bootstrap[..], &with].concat())
        .exits(0)
        .says(&[&format!("n6: relman {own} replaced")]);
    fleet
        .relman(&["fleet", "plan", SECOND, "--env", "local"])
        .exits(0);
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_rollout_goes_through_partitions_an_sshd_that_hangs_and_a_full_disk_and_says_where_it_stands() {
    let setup = Setup {
        rules: format!(
            "strategy = \"rolling\"\n{}",
            QUICK.replace("timeout_seconds = 60", "timeout_seconds = 15")
        ),
        ..Setup::default()
    };
    let fleet = Fleet::new(two_releases("story-faults"), &setup);
    fleet.edit(
        "connect_timeout_seconds = 15",
        "connect_timeout_seconds = 8",
    );
    fleet.edit("patience_seconds = 20", "patience_seconds = 10");
    // Its releases are on a small disk of their own.
    let mount =
        "mkdir -p /var/lib/relman && mount -t tmpfs -o size=32m,mode=755 tmpfs /var/lib/relman";
    fleet.node(4).machine.run(&["sh", "-c", mount]).exits(0);
    fleet.install_everywhere(TAG);
    an_older_relman_is_refused_by_name_and_replaced(&fleet);

    // One node is cut off while another one is moved: the network's gate sees it, and later the budget does.
    through(&fleet, &UPGRADE, 2, || fleet.cut_link(5))
        .exits(4)
        .says(&[
            "the network is not well",
            "n5: nothing is known of its chain",
        ]);
    let held = fleet.relman(&RESUME).exits(4);
    held.says(&["down, silent or left out: n5"]);
    let status = fleet.relman(&["fleet", "status", "--json"]).exits(0).json();
    let row = &status["data"]["record"]["nodes"][4];
    assert_eq!(
        (&row["name"], &row["step"]),
        (&"n5".into(), &"silent".into())
    );
    assert!(row["runs"].is_null(), "nobody knows: {row:#}");
    fleet.mend_link(5);
    moved(&fleet, 2);

    // An sshd that says nothing any more: the install on that node goes on to its end without anybody.
    let sshd = |signal: &str| {
        let kill = format!("kill -{signal} $(pidof sshd)");
        fleet.node(3).machine.run(&["sh", "-c", &kill]).exits(0);
    };
    through(&fleet, &RESUME, 3, || sshd("STOP"))
        .exits(4)
        .says(&["n3", "silent"]);
    wait_for("the install to end without its operator", || {
        (fleet.node(3).current().as_deref() == Some(SECOND)).then_some(())
    });
    sshd("CONT");
    fleet.takes_visitors(3);

    // A disk that is full when its turn comes: that node refuses and goes on with what it runs.
    let fill = "dd if=/dev/zero of=/var/lib/relman/filler bs=4k 2>/dev/null; [ -s /var/lib/relman/filler ]";
    fleet.node(4).machine.run(&["sh", "-c", fill]).exits(0);
    let run = fleet.relman(&RESUME).exits(4);
    run.says(&["n4", "o space left"]);
    moved(&fleet, 3);
    fleet.tells_the_truth(None);
    let explain = fleet.relman(&["fleet", "explain", "n4"]).exits(0);
    explain.says(&["o space left"]);
    fleet
        .node(4)
        .machine
        .run(&["rm", "/var/lib/relman/filler"])
        .exits(0);

    // Half of them are cut off.
    let half = [1, 3, 6];
    let run = through(&fleet, &RESUME, 5, || {
        half.iter().for_each(|i| fleet.cut_link(*i));
    });
    let run = run.exits(4);
    run.says(&[
        "the network is not well",
        "n1: nothing is known",
        "n6: nothing is known",
    ]);
    half.iter().for_each(|i| fleet.mend_link(*i));
    moved(&fleet, 5);
    fleet.relman(&RESUME).exits(0);
    fleet.tells_the_truth(Some(SECOND));
    assert_eq!(fleet.state(), "done");
}
