//! A fleet to operate on: six machines (systemd-nspawn) with real sshd on a bridge of their own, real units, the sample
//! daemon as a toy network whose nodes follow each other's heights, a store that nodes reach over HTTP, and an operator
//! beside them with a key, a `known_hosts` and a `fleet.toml`.
//!
//! Nodes are `n1` to `n6` at 10.77.0.11 to 10.77.0.16; the operator is at 10.77.0.1 and works in the project's repository,
//! where `fleet.toml` is. Clocks of relman stand still on both sides, at [`NOW`] until somebody sets them.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use relman::fleet::config::FleetConfig;
use relman::io::fleet_ssh::SshHosts;

use super::http_server::Server;
use super::machine::Machine;
use super::network::{self, BRIDGE, Network};
use super::relman::{NOW, Project, Run};
use super::timed;

/// How many machines there are where nobody says otherwise.
pub const COUNT: usize = 6;
/// Where nodes have their relman.
pub const RELMAN: &str = "/usr/local/bin/relman";

const SSHD: &str = "\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
";

/// What a fleet is to be like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `local`, `testnet` or `mainnet`, of all nodes.
    pub environment: &'static str,
    /// How many machines, at most 9.
    pub count: usize,
    /// Further lines of the environment's table in `fleet.toml`.
    pub rules: String,
    /// Further lines of each `node.toml`, at its end.
    pub node_toml: String,
    /// Milliseconds between blocks.
    pub block_interval_ms: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            environment: "local",
            count: COUNT,
            rules: String::new(),
            node_toml: String::new(),
            block_interval_ms: 500,
        }
    }
}

/// The machines, up, without a release; they go when it is dropped.
pub struct Fleet {
    nodes: Vec<FleetNode>,
    /// The store, as nodes see it.
    pub server: Server,
    /// The project of the operator.
    pub project: Project,
    /// What they are all plugged into.
    pub network: Network,
    clock: Mutex<String>,
}

/// One node.
pub struct FleetNode {
    /// Its name; also the name of its machine.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its machine.
    pub machine: Machine,
}

impl Fleet {
    /// Six machines that are up, for the releases of `project`.
    pub fn new(project: Project, setup: &Setup) -> Fleet {
        let network = Network::new();
        let namespace = network.namespace();
        let server = Server::serve(project.store(), network.listen(), move |address| {
            network::inside(&namespace, || drop(TcpStream::connect(address)));
        });
        let operator = project.beside("operator");
        fs::create_dir(&operator).expect("a directory");
        let user = make_key(&operator.join("id"));
        let nodes = std::thread::scope(|threads| {
            let make = |i: usize| machine(i, &network, &user, &server, &project, setup);
            let made: Vec<_> = (1..=setup.count)
                .map(|i| threads.spawn(move || make(i)))
                .collect();
            let made = made.into_iter();
            made.map(|node| node.join().expect("a machine")).collect()
        });
        let mut fleet = Fleet {
            nodes,
            server,
            project,
            network,
            clock: Mutex::new(NOW.to_owned()),
        };
        fleet.write_operators_files(setup);
        std::thread::scope(|threads| {
            for node in &mut fleet.nodes {
                threads.spawn(|| node.machine.boot());
            }
        });
        fleet
    }

    /// The nodes, `n1` first.
    pub fn nodes(&self) -> &[FleetNode] {
        &self.nodes
    }

    /// A node, counted from 1 like their names.
    pub fn node(&self, i: usize) -> &FleetNode {
        &self.nodes[i - 1]
    }

    /// A file of the operator.
    pub fn operators(&self, name: &str) -> PathBuf {
        self.project.beside("operator").join(name)
    }

    /// The operator's relman, in his repository and on the machines' network.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.in_network(&mut self.project.command(arguments))
    }

    /// A command of this side's on the machines' network, at their time.
    pub fn in_network(&self, command: &mut Command) -> Command {
        self.network
            .command(command.env("RELMAN_INSECURE_NOW", self.now()))
    }

    /// What the clocks say.
    pub fn now(&self) -> String {
        self.clock.lock().expect("nobody panicked").clone()
    }

    /// Sets the clocks of everybody, as far as relman looks at them.
    pub fn set_clock(&self, time: &str) {
        time.clone_into(&mut *self.clock.lock().expect("nobody panicked"));
        for node in &self.nodes {
            node.machine.write("/etc/ssh/sshd_config", &sshd(time));
            node.machine.run(&["systemctl", "restart", "ssh"]).exits(0);
        }
    }

    /// [`Fleet::command`], run to its end.
    #[track_caller]
    pub fn relman(&self, arguments: &[&str]) -> Run {
        let run = Run::of(self.command(arguments).output().expect("relman runs"));
        assert!(!matches!(run.code, Some(70 | 101)), "{run:#?}");
        run
    }

    /// The operator's hands, as `fleet.toml` is now; use them [`Fleet::inside`].
    pub fn hosts(&self, bundle: Option<PathBuf>) -> (FleetConfig, SshHosts) {
        let text = fs::read_to_string(self.project.path("fleet.toml")).expect("a fleet");
        let config = FleetConfig::parse(&text, &self.project.repo()).expect("it is well-formed");
        let hosts = SshHosts::new(&config, bundle).expect("hands");
        (config, hosts)
    }

    /// Does something where the machines are reached from, as far as programs and connections go.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        network::inside(&self.network.namespace(), work)
    }

    /// Changes `fleet.toml`: replaces `from`, which must be there, by `to`.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.project.path("fleet.toml")).expect("a fleet");
        assert!(text.contains(from), "{from:?} is not in {text}");
        self.project.write("fleet.toml", &text.replace(from, to));
    }

    /// Has a node recovered at each start, installs a release on it without ssh, and enables its daemon.
    pub fn install(&self, i: usize, tag: &str) {
        let node = self.node(i);
        node.relman(&["node", "units", "--write"]).exits(0);
        node.relman(&["install", tag, "--start", "--force"])
            .exits(0);
        node.machine
            .run(&["systemctl", "enable", &node.unit()])
            .exits(0);
    }

    /// [`Fleet::install`] on all at the same time; then they have met each other.
    pub fn install_everywhere(&self, tag: &str) {
        std::thread::scope(|threads| {
            for i in 1..=self.nodes.len() {
                threads.spawn(move || self.install(i, tag));
            }
        });
    }

    /// Nobody reaches the node any more, nor it anybody; connections that there are stay until somebody gives them up.
    pub fn cut_link(&self, i: usize) {
        let wire = Machine::wire(&self.node(i).name);
        self.network.ip(&["link", "set", &wire, "down"]);
    }

    /// The opposite.
    pub fn mend_link(&self, i: usize) {
        let wire = Machine::wire(&self.node(i).name);
        self.network.ip(&["link", "set", &wire, "up"]);
    }

    /// Pulls a node's plug.
    pub fn cut_power(&mut self, i: usize) {
        self.nodes[i - 1].machine.cut_power();
    }

    /// Has a node shut down in order.
    pub fn shut_down(&mut self, i: usize) {
        self.nodes[i - 1].machine.shut_down();
    }

    /// Starts a node that is off.
    pub fn boot(&mut self, i: usize) {
        self.nodes[i - 1].machine.boot();
    }

    /// Gives a node a new host key, as if another machine answered in its place; `known_hosts` stays as it is.
    pub fn change_host_key(&self, i: usize) {
        let machine = &self.node(i).machine;
        make_key(&host_key(machine));
        machine.run(&["systemctl", "restart", "ssh"]).exits(0);
    }

    fn write_operators_files(&self, setup: &Setup) {
        let dir = self.project.beside("operator");
        let mut ssh = format!(
            "Host *\n  User root\n  IdentitiesOnly yes\n  IdentityFile {0}/id\n  UserKnownHostsFile {0}/known_hosts\n  GlobalKnownHostsFile /dev/null\n",
            dir.display()
        );
        let mut known = String::new();
        let mut toml = format!(
            "[ssh]\nconfig = \"{}/ssh_config\"\nconnect_timeout_seconds = 15\nalive_timeout_seconds = 6\npatience_seconds = 20\n\n[[environment]]\nname = \"{}\"\n{}\n",
            dir.display(),
            setup.environment,
            setup.rules
        );
        for FleetNode {
            name,
            address,
            machine,
        } in &self.nodes
        {
            ssh.push_str(&format!("Host {name}\n  HostName {address}\n"));
            let public = fs::read_to_string(host_key(machine).with_extension("pub"));
            known.push_str(&format!("{address} {}", public.expect("a host key")));
            toml.push_str(&format!(
                "[[node]]\nname = \"{name}\"\nssh = \"{name}\"\nenvironment = \"{}\"\n",
                setup.environment
            ));
        }
        for (name, text) in [("ssh_config", ssh), ("known_hosts", known)] {
            fs::write(dir.join(name), text).expect("a file");
        }
        self.project.write("fleet.toml", &toml);
    }
}

impl FleetNode {
    /// Its daemon's unit.
    pub fn unit(&self) -> String {
        format!("timed@{}.service", self.name)
    }

    /// Its own relman, run on it without ssh.
    pub fn relman(&self, arguments: &[&str]) -> Run {
        let mut argv = vec![RELMAN];
        argv.extend(arguments);
        self.machine
            .run_with(&[("RELMAN_INSECURE_NOW", NOW)], &argv)
    }

    /// The release that is current; none before the first.
    pub fn current(&self) -> Option<String> {
        let link = self
            .machine
            .path(&format!("/var/lib/relman/{}/current", self.name));
        let target = fs::read_link(link).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Whether its unit's main process runs.
    pub fn runs(&self) -> bool {
        let run = self.machine.run(&["systemctl", "is-active", &self.unit()]);
        run.stdout.trim() == "active"
    }
}

/// A machine that is off, with all that it needs.
fn machine(
    number: usize,
    network: &Network,
    user: &str,
    server: &Server,
    project: &Project,
    setup: &Setup,
) -> FleetNode {
    let name = format!("n{number}");
    let address = |i: usize| format!("10.77.0.{}", 10 + i);
    let relman = Path::new(env!("CARGO_BIN_EXE_relman"));
    let machine = Machine::new(vec![(relman.to_owned(), RELMAN)]).plugged_into(
        &network.namespace(),
        BRIDGE,
        &name,
    );
    machine.write(RELMAN, "");
    machine.write("/etc/hostname", &format!("{name}\n"));
    machine.write("/etc/systemd/system/timed@.service", timed::UNIT);
    let peers: Vec<String> = (1..=setup.count)
        .filter(|i| *i != number)
        .map(|i| format!("{}:24101", address(i)))
        .collect();
    machine.write(
        &format!("/etc/timed/{name}.conf"),
        &format!(
            "network = regtest\nrpc_bind = 0.0.0.0:24101\ndatadir = /var/lib/timed\nblock_interval_ms = {}\npeers = {}\n",
            setup.block_interval_ms,
            peers.join(",")
        ),
    );
    fs::create_dir_all(machine.path("/var/lib/timed")).expect("a directory");
    let root = fs::read_to_string(project.path("keys/root.json")).expect("a trust root");
    machine.write("/etc/relman/root.json", &root);
    machine.write(
        "/etc/relman/node.toml",
        &node_toml(&name, setup.environment, &server.url(), &setup.node_toml),
    );
    plug_in(&machine, &address(number));
    let key = host_key(&machine);
    for old in ["rsa", "ecdsa", "ed25519"] {
        let _ = fs::remove_file(machine.path(&format!("/etc/ssh/ssh_host_{old}_key")));
    }
    make_key(&key);
    machine.write("/etc/ssh/sshd_config", &sshd(NOW));
    machine.write("/etc/ssh/authorized_keys", user);
    FleetNode {
        address: address(number),
        name,
        machine,
    }
}

/// The `node.toml` of a node of this fleet.
pub fn node_toml(name: &str, environment: &str, store: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\nenvironment = \"{environment}\"\nstore = \"{store}\"\nroot = \"/etc/relman/root.json\"\n\
         [[binary]]\nname = \"timed\"\npath = \"/usr/local/bin/timed\"\n\
         [service]\nunit = \"timed@{name}.service\"\nstop_timeout_seconds = 2\n\
         [health]\ntimeout_seconds = 8\nstable_seconds = 1\n\
         [health.rpc]\nurl = \"http://127.0.0.1:24101/rpc\"\ncookie_file = \"/var/lib/timed/.cookie\"\n{more}\n"
    )
}

/// A project with two releases of the sample daemon, cut and published.
pub fn two_releases(name: &str) -> Project {
    let project = Project::uninitialised(name);
    let daemon = timed::binary().display();
    // A line behind the end of a program tells two builds apart and changes nothing.
    project.configure(
        &format!("mkdir -p out; cp {daemon} out/timed; cat prog.sh >> out/timed"),
        "[tags]\nrequire_predecessor = false\n",
    );
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", super::relman::TAG]).exits(0);
    project.second();
    project.relman(&["cut", super::relman::SECOND]).exits(0);
    project
}

/// An address at each boot, and the clock of whatever systemd starts.
fn plug_in(machine: &Machine, address: &str) {
    machine.write(
        "/etc/systemd/system/plug.service",
        &format!(
            "[Unit]\nBefore=ssh.service network.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=ip address add {address}/24 dev host0\nExecStart=ip link set host0 up\n"
        ),
    );
    let wants = machine.path("/etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).expect("a directory");
    std::os::unix::fs::symlink("../plug.service", wants.join("plug.service")).expect("a link");
    machine.write(
        "/etc/systemd/system.conf.d/clock.conf",
        &format!("[Manager]\nDefaultEnvironment=RELMAN_INSECURE_NOW={NOW}\n"),
    );
}

/// The configuration of an sshd whose visitors' relman has this time.
fn sshd(time: &str) -> String {
    format!("{SSHD}SetEnv RELMAN_INSECURE_NOW={time}\n")
}

fn host_key(machine: &Machine) -> PathBuf {
    machine.path("/etc/ssh/ssh_host_ed25519_key")
}

/// A new key at a path; its public half.
fn make_key(path: &Path) -> String {
    let public = path.with_extension("pub");
    for old in [path, &public] {
        let _ = fs::remove_file(old);
    }
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
    fs::read_to_string(public).expect("its public half")
}
