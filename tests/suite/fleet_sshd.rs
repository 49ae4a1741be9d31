//! The operator's hands at one sshd of this machine: many visitors at once, where few are let in at a time.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use relman::fleet::config::FleetConfig;
use relman::io::fleet_ssh::SshHosts;

use crate::common::relman::quick_dir;
use crate::common::wait_for;

const VISITORS: usize = 12;

/// A server; it ends when dropped.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn key(path: &Path) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    fs::read_to_string(path.with_extension("pub")).expect("a public key")
}

#[test]
#[ignore = "wants root, sshd and ssh"]
fn a_server_that_drops_visitors_at_random_is_asked_again_until_all_are_in() {
    let dir = quick_dir();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let host = key(Path::new(&at("host")));
    fs::write(at("authorized"), key(Path::new(&at("user")))).expect("a file");
    fs::create_dir_all("/run/sshd").expect("sshd's directory");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = port.local_addr().expect("an address").port();
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
         PermitRootLogin prohibit-password\nMaxStartups 2:60:6\n",
        at("host"),
        at("authorized")
    );
    fs::write(at("sshd_config"), config).expect("a file");
    let log = fs::File::create(at("sshd.log")).expect("a file");
    let sshd = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f", &at("sshd_config")])
        .stderr(log)
        .stdin(Stdio::null())
        .spawn();
    let _sshd = Sshd(sshd.expect("sshd runs"));
    wait_for("sshd", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let mut toml = format!(
        "[ssh]\nconfig = \"{}\"\nconnect_timeout_seconds = 30\n[[environment]]\nname = \"local\"\n",
        at("config")
    );
    for i in 0..VISITORS {
        toml.push_str(&format!(
            "[[node]]\nname = \"n{i}\"\nssh = \"n{i}\"\nenvironment = \"local\"\nrelman = \"{}\"\n",
            env!("CARGO_BIN_EXE_relman")
        ));
    }
    let config = format!(
        "Host *\nHostName 127.0.0.1\nPort {port}\nUser root\nIdentitiesOnly yes\nIdentityFile {}\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
        at("user"),
        at("known")
    );
    fs::write(at("config"), config).expect("a file");
    fs::write(at("known"), format!("[127.0.0.1]:{port} {host}")).expect("a file");

    let fleet = FleetConfig::parse(&toml, dir.path()).expect("a fleet");
    let hosts = SshHosts::new(&fleet, None).expect("hands");
    let nodes: Vec<_> = fleet.nodes.iter().collect();
    let mut met = 0;
    hosts.meet_all(&nodes, &mut |i, contact| {
        let contact = contact.unwrap_or_else(|e| panic!("n{i}: {e:?}"));
        assert_eq!(contact.version, env!("CARGO_PKG_VERSION"));
        met += 1;
    });
    assert_eq!(met, VISITORS);
}
