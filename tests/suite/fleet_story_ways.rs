//! Ways to a node: a key that only the agent has, a jump host that alone knows the way, a login that is not root and
//! becomes it, a bundle for a node that does not reach the store.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::common::fleet_machines::{Fleet, Setup, two_releases};
use crate::common::fleet_steps::rolling;
use crate::common::relman::{Run, SECOND, TAG};
use crate::common::wait_for;

/// An agent that holds the operator's key; it ends when this is dropped.
struct Agent {
    process: Child,
    socket: String,
}

impl Agent {
    /// Takes the key of a file, which is removed.
    fn with(fleet: &Fleet) -> Agent {
        let socket = fleet.operators("agent").display().to_string();
        let process = Command::new("ssh-agent")
            .args(["-D", "-a", &socket])
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent runs");
        let agent = Agent { process, socket };
        wait_for("the agent", || {
            fs::exists(&agent.socket).is_ok_and(|is| is).then_some(())
        });
        let key = fleet.operators("id");
        let add = Command::new("ssh-add")
            .arg("-q")
            .arg(&key)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .status();
        assert!(add.expect("ssh-add runs").success());
        fs::remove_file(&key).expect("a key");
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn relman(fleet: &Fleet, agent: &Agent, arguments: &[&str]) -> Run {
    let mut command = fleet.command(arguments);
    command.env("SSH_AUTH_SOCK", &agent.socket);
    Run::of(command.output().expect("relman runs"))
}

/// A login without any rights but to become root without a password, on a node that only n1 reaches.
fn behind_a_jump_host(fleet: &Fleet) {
    let (jump, node) = (&fleet.node(1).machine, &fleet.node(2).machine);
    let login = [
        "useradd",
        "--create-home",
        "--shell",
        "/bin/sh",
        "--password",
        "*",
        "ops",
    ];
    node.run(&login).exits(0);
    node.write(
        "/etc/sudoers.d/ops",
        "Defaults env_keep += \"RELMAN_INSECURE_NOW\"\nops ALL=(root) NOPASSWD: /usr/local/bin/relman\n",
    );
    node.run(&["chmod", "440", "/etc/sudoers.d/ops"]).exits(0);
    for (machine, address) in [(jump, "10.88.0.1/24"), (node, "10.88.0.2/24")] {
        machine
            .run(&["ip", "address", "add", address, "dev", "host0"])
            .exits(0);
    }
    // From outside nothing gets in but by way of n1.
    node.run(&["ip", "route", "add", "blackhole", "10.77.0.1/32"])
        .exits(0);
    let config = fleet.operators("ssh_config");
    let text = fs::read_to_string(&config).expect("a file");
    let text = text
        .lines()
        .filter(|line| !line.contains("Identit"))
        .map(|line| match line {
            "  HostName 10.77.0.12" => "  HostName 10.88.0.2\n  ProxyJump n1\n",
            line => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(&config, text.replace("  User root\n", "") + "\n").expect("a file");
    let known = fleet.operators("known_hosts");
    let text = fs::read_to_string(&known).expect("a file");
    fs::write(&known, text.replace("10.77.0.12 ", "10.88.0.2 ")).expect("a file");
    fleet.edit("ssh = \"n1\"", "ssh = \"root@n1\"");
    fleet.edit(
        "ssh = \"n2\"",
        "ssh = \"ops@n2\"\nbecome = [\"sudo\", \"-n\"]\nbundle = true",
    );
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn a_key_in_an_agent_a_jump_host_a_login_that_is_not_root_and_a_bundle_lead_to_an_upgrade() {
    let setup = Setup {
        count: 2,
        ..rolling("max_unavailable = 1\n")
    };
    let fleet = Fleet::new(two_releases("story-ways"), &setup);
    fleet.install_everywhere(TAG);
    behind_a_jump_host(&fleet);
    // The user of the jump host is the operator's own configuration's matter.
    let config = fleet.operators("ssh_config");
    let text = fs::read_to_string(&config).expect("a file");
    fs::write(&config, text + "Host n1\n  User root\n").expect("a file");
    let agent = Agent::with(&fleet);

    // Nobody else holds the key.
    fleet
        .relman(&["fleet", "check", "--node", "n1"])
        .exits(1)
        .says(&["Permission denied"]);
    relman(&fleet, &agent, &["fleet", "check"])
        .exits(0)
        .says(&["n2"]);

    let bundle = fleet.operators("bundle").display().to_string();
    fleet
        .project
        .relman(&["bundle", SECOND, "--out", &bundle])
        .exits(0);
    let upgrade = [
        "fleet", "upgrade", SECOND, "--env", "local", "--yes", "--bundle", &bundle,
    ];
    relman(&fleet, &agent, &upgrade).exits(0);
    let back = ["fleet", "rollback", "--env", "local"];
    relman(&fleet, &agent, &back).exits(0);
    relman(&fleet, &agent, &upgrade).exits(0);
    fleet.tells_the_truth(Some(SECOND));
    let left = fleet.node(2).machine.run(&["ls", "/var/tmp"]).stdout;
    assert!(!left.contains("relman-bundle"), "{left}");

    // Without the right to become root nothing is done, and it is told what is wanting.
    fleet
        .node(2)
        .machine
        .run(&["rm", "/etc/sudoers.d/ops"])
        .exits(0);
    relman(&fleet, &agent, &["fleet", "check", "--node", "n2"])
        .exits(1)
        .says(&["password is required"]);
}
