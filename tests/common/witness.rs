//! A log that grows, or forks, and witnesses of it as processes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use ed25519_dalek::SigningKey;
use relman::hash::Sha256;
use relman::io::keyring::FileKey;
use relman::log::add_checkpoint::Request;
use relman::log::merkle::node_hash;
use relman::log::{
    Asked, Checkpoint, CosignerKey, HashSource, NoteSigner, TreeHead, VerifiedCheckpoint,
    leaf_hash, prove_consistency,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::http::{Answer, exchange};
use super::relman::Run;

/// The log.
pub const ORIGIN: &str = "timed/relman-log";
/// Its witness.
pub const NAME: &str = "mn1.example/witness";

/// A log in memory.
pub struct Log(Vec<Sha256>);

impl Log {
    /// The honest one.
    pub fn of(size: u64) -> Log {
        Log::forked(size, size)
    }

    /// One that is honest up to `honest` and has entries of its own from there on.
    pub fn forked(honest: u64, size: u64) -> Log {
        let entry = |n: u64| match n < honest {
            true => format!("entry {n}"),
            false => format!("forged {n}"),
        };
        Log((0..size).map(|n| leaf_hash(entry(n).as_bytes())).collect())
    }

    fn root(leaves: &[Sha256]) -> Sha256 {
        match leaves {
            [] => Sha256::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&Log::root(left), &Log::root(right))
            }
        }
    }

    /// What the log has signed about all of it.
    pub fn checkpoint(&self) -> VerifiedCheckpoint {
        let head = TreeHead {
            size: self.0.len() as u64,
            root: Log::root(&self.0),
        };
        let signer = signer();
        let note = Checkpoint::new(ORIGIN, head).unwrap().sign(&[&signer]);
        let keys = [signer.verifier().clone()];
        VerifiedCheckpoint::verify(&note.unwrap(), &keys, ORIGIN).unwrap()
    }

    /// The proof that it extends its first `old` entries.
    pub fn prove(&self, old: u64) -> relman::Result<Vec<Sha256>> {
        prove_consistency(old, self.0.len() as u64, self)
    }

    /// The body of a request to cosign it.
    pub fn request(&self, old: u64) -> String {
        let note = self.checkpoint().note().clone();
        let request = Request::new(old, self.prove(old).unwrap(), note);
        request.unwrap().to_string()
    }
}

impl HashSource for Log {
    fn node(&self, level: u8, index: u64) -> relman::Result<Sha256> {
        let start = (index << level) as usize;
        Ok(Log::root(&self.0[start..start + (1 << level)]))
    }
}

/// Who signs for the log.
pub fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[1; 32])).unwrap()
}

/// Where a witness lives: its key and its state, which outlive it.
pub struct Home {
    dir: TempDir,
    name: &'static str,
}

impl Home {
    /// A new one, of [`NAME`].
    pub fn new() -> Home {
        Home::named(NAME)
    }

    /// A new one of another name.
    pub fn named(name: &'static str) -> Home {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let home = Home {
            dir: dir.unwrap(),
            name,
        };
        let key = FileKey::random().unwrap().to_text("witness", None).unwrap();
        fs::write(home.path("key"), key.as_bytes()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(home.path("key"), mode).unwrap();
        home
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The one record in the state.
    pub fn record(&self) -> PathBuf {
        let name = format!("{}.checkpoint", Sha256::of(ORIGIN.as_bytes()));
        self.path("state").join(name)
    }

    /// The command with all that it needs, and `more`.
    pub fn command(&self, more: &[&str]) -> Command {
        self.command_at(0, more)
    }

    /// As [`Home::command`], on a port of this machine; 0 for any.
    pub fn command_at(&self, port: u16, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relman"));
        command
            .args(["witness", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--state", "state"])
            .args(["--key", "key", "--name", self.name])
            .args(more)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// What it says when it does not begin.
    #[track_caller]
    pub fn fails(&self, more: &[&str]) -> Run {
        Run::of(self.command(more).output().unwrap())
    }

    /// A running witness of the log.
    pub fn start(&self) -> Witness {
        self.start_with(&[])
    }

    /// As [`Home::start`], with variables.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Witness {
        let log = signer().verifier().to_string();
        let mut command = self.command(&["--log", &log]);
        command.envs(variables.iter().copied());
        Witness::of(command, &self.path("said"))
    }
}

/// A witness that runs; it is killed when dropped.
pub struct Witness {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
    /// What it printed when it began.
    pub begun: String,
    /// Where it is.
    pub url: String,
}

impl Witness {
    /// Starts the command and reads what it prints first, up to the line of its log.
    pub fn of(mut command: Command, stderr: &Path) -> Witness {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(stderr);
        let child = command.stdout(Stdio::piped()).stderr(log.unwrap()).spawn();
        let mut child = child.unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut begun = String::new();
        while stdout.read_line(&mut begun).unwrap() > 0 && !begun.contains("\n  log ") {}
        let url = begun.split_once("listens on ").unwrap_or_else(|| {
            panic!("{begun:?} {}", fs::read_to_string(stderr).unwrap());
        });
        Witness {
            url: url.1.lines().next().unwrap().to_owned(),
            begun,
            child,
            stdout,
            stderr: stderr.to_owned(),
        }
    }

    /// Its port on this machine.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Its key, as it says.
    pub fn key(&self) -> CosignerKey {
        let line = self
            .begun
            .lines()
            .find_map(|l| l.strip_prefix("  key     "));
        CosignerKey::parse(line.unwrap()).unwrap()
    }

    /// How it is asked.
    pub fn asked(&self) -> Asked {
        Asked {
            key: self.key(),
            url: self.url.clone(),
        }
    }

    /// A POST to `add-checkpoint` on a connection of its own.
    pub fn post(&self, body: &str) -> std::io::Result<Answer> {
        let head =
            "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length:";
        self.send(&format!("{head} {}\r\n\r\n{body}", body.len()))
    }

    /// A GET on a connection of its own.
    pub fn get(&self, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
        self.send(&head).unwrap()
    }

    /// Any bytes on a connection of their own, and the answer.
    pub fn send(&self, bytes: &str) -> std::io::Result<Answer> {
        exchange(self.port(), bytes, super::PATIENCE)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; gives the exit code, none after a signal.
    pub fn ends(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        code
    }

    /// Its access log.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
