//! A network of its own in a namespace: a bridge that machines are plugged into, and this side's address on it. Nothing of
//! the host's network is touched, and nothing of it is reached.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::relman::Run;

/// The bridge's name inside.
pub const BRIDGE: &str = "br0";
/// This side's address.
pub const HERE: &str = "10.77.0.1";

/// A network; gone when it is dropped.
pub struct Network {
    name: String,
}

impl Network {
    /// A bridge with nobody on it but this side.
    pub fn new() -> Network {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("relman-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let network = Network { name };
        for words in [
            vec!["link", "set", "lo", "up"],
            vec!["link", "add", BRIDGE, "type", "bridge"],
            vec!["addr", "add", "10.77.0.1/24", "dev", BRIDGE],
            vec!["link", "set", BRIDGE, "up"],
        ] {
            network.ip(&words);
        }
        network
    }

    /// The namespace, as `nsenter --net=` takes it.
    pub fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Runs `ip` inside.
    pub fn ip(&self, words: &[&str]) {
        let mut all = vec!["-n", &self.name];
        all.extend(words);
        ip(&all);
    }

    /// A command that sees this network instead of the host's.
    pub fn command(&self, of: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .arg(format!("--net={}", self.namespace().display()))
            .arg(of.get_program())
            .args(of.get_args())
            .env_clear()
            .envs(
                of.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(std::process::Stdio::null());
        if let Some(dir) = of.get_current_dir() {
            inside.current_dir(dir);
        }
        inside
    }

    /// Listens on this side's address, on a free port.
    pub fn listen(&self) -> TcpListener {
        inside(&self.namespace(), || {
            TcpListener::bind((HERE, 0)).expect("a port is free")
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

/// Does something on a thread that is in that namespace.
pub fn inside<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| {
        let there = threads.spawn(|| {
            let file = std::fs::File::open(namespace).expect("a namespace");
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), network)
                .expect("root may enter it");
            work()
        });
        there.join().expect("it does not panic")
    })
}

fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().expect("ip runs");
    Run::of(output).exits(0);
}
