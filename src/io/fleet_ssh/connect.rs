//! Room `io`: a connection to one destination: made, kept, told apart from one that is gone.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use openssh::Session;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::Hands;
use super::words::{self, Fate, Refusal};
use crate::fleet::config::SshConfig;
use crate::limits::MAX_NODE_TALK_LEN;

/// How often a server that drops visitors is asked again, and how long after the first time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// How long a connection that nobody uses stays: what a killed run leaves behind ends by itself.
const IDLE_SECONDS: u64 = 600;
/// Longest directory that sockets are put below: ssh binds `<socket>.<16 characters>` first, and all of it has to fit into
/// 107 bytes (unix(7), sun_path).
const MAX_SOCKET_DIR_LEN: usize = 60;

/// A connection.
pub(super) struct Open {
    pub(super) session: Session,
    /// Where ssh says what becomes of it.
    log: PathBuf,
}

impl Open {
    /// The last thing that ssh said of it, for people.
    pub(super) fn last_words(&self) -> Option<String> {
        let log = read_log(&self.log);
        words::told(&log).last().map(words::shown)
    }
}

/// The place of one destination's connection.
pub(super) struct Slot {
    destination: String,
    open: Mutex<Option<Arc<Open>>>,
}

impl Slot {
    pub(super) fn new(destination: &str) -> Slot {
        Slot {
            destination: destination.to_owned(),
            open: Mutex::new(None),
        }
    }

    /// The connection, if one was made.
    pub(super) async fn kept(&self) -> Option<Arc<Open>> {
        self.open.lock().await.clone()
    }

    /// The connection, made if there is none. Whoever comes while it is being made waits for it.
    pub(super) async fn connect(&self, hands: &Hands) -> Result<Arc<Open>, String> {
        let mut place = self.open.lock().await;
        if let Some(open) = &*place {
            return Ok(Arc::clone(open));
        }
        let mut tries = 0;
        loop {
            let refusal = match self.once(hands, "INFO").await {
                Ok(open) => return Ok(Arc::clone(place.insert(Arc::new(open)))),
                Err(refusal) => refusal,
            };
            match refusal.fate {
                Fate::Passing if tries + 1 < TRIES => {
                    tries += 1;
                    sleep(PAUSE * tries).await;
                }
                // Which key an unknown host has is told to those alone who look closely.
                Fate::Unknown => {
                    return match self.once(hands, "DEBUG1").await {
                        Ok(open) => Ok(Arc::clone(place.insert(Arc::new(open)))),
                        Err(refusal) => Err(refusal.why),
                    };
                }
                _ => return Err(refusal.why),
            }
        }
    }

    async fn once(&self, hands: &Hands, level: &str) -> Result<Open, Refusal> {
        connect(&hands.ssh, &hands.sockets, &self.destination, level).await
    }

    /// Lets go of a connection, unless there is another one by now.
    pub(super) async fn forget(&self, gone: &Arc<Open>) {
        let mut place = self.open.lock().await;
        if place.as_ref().is_some_and(|open| Arc::ptr_eq(open, gone)) {
            *place = None;
        }
    }
}

/// Where directories with sockets are made: the user's own run-time directory, or the temporary one, if paths there are
/// short enough.
pub(super) fn socket_dir() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let fits = |dir: &PathBuf| {
        dir.is_absolute() && dir.as_os_str().len() <= MAX_SOCKET_DIR_LEN && dir.is_dir()
    };
    runtime
        .into_iter()
        .chain([std::env::temp_dir()])
        .find(fits)
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// The options that hold whatever the user's configuration says: nothing is asked, no key is taken on trust, nothing of
/// the operator's is lent to the node, nothing else runs over the connection.
fn options(ssh: &SshConfig) -> Vec<String> {
    let alive = ssh.alive_timeout.as_secs().max(1);
    // A connection is given up after one interval and `count` questions without an answer.
    let interval = alive.div_ceil(3);
    let count = (alive / interval).saturating_sub(1).max(1);
    [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "Tunnel=no",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "RequestTTY=no",
        "ConnectionAttempts=1",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("ControlPersist={IDLE_SECONDS}"),
        format!("ConnectTimeout={}", ssh.connect_timeout.as_secs().max(1)),
        format!("ServerAliveInterval={interval}"),
        format!("ServerAliveCountMax={count}"),
    ])
    .collect()
}

async fn connect(
    ssh: &SshConfig,
    sockets: &Path,
    destination: &str,
    level: &str,
) -> Result<Open, Refusal> {
    let lasting = |why: String| Refusal {
        why,
        fate: Fate::Lasting,
    };
    let dir = tempfile::Builder::new()
        .prefix("relman-ssh-")
        .tempdir_in(sockets)
        .map_err(|e| lasting(format!("cannot make a directory for ssh's socket: {e}")))?;
    let (log, said) = (dir.path().join("log"), dir.path().join("said"));
    let mut master = master(ssh, &dir, destination, level)
        .map_err(|e| lasting(format!("cannot write ssh's log: {e}")))?
        .spawn()
        .map_err(|e| {
            lasting(format!(
                "cannot run ssh: {e}; hint: apt-get install openssh-client"
            ))
        })?;
    // It goes to the background once it is let in. Its own timeout ends with the exchange of keys.
    let patience = ssh.connect_timeout + ssh.alive_timeout;
    let status = match timeout(patience, master.wait()).await {
        Ok(Ok(status)) => status,
        Ok(Err(e)) => return Err(lasting(format!("cannot wait for ssh: {e}"))),
        Err(_) => {
            let _ = master.kill().await;
            return Err(lasting(format!(
                "no connection within {} s",
                patience.as_secs()
            )));
        }
    };
    match status.success() {
        true => Ok(Open {
            session: Session::new_native_mux(dir),
            log,
        }),
        false => Err(words::refusal(
            &read_log(&log),
            &read_log(&said),
            destination,
        )),
    }
}

fn master(
    ssh: &SshConfig,
    dir: &TempDir,
    destination: &str,
    level: &str,
) -> std::io::Result<Command> {
    // Banners, and what the ssh of a jump host says.
    let said = File::create(dir.path().join("said"))?;
    let mut command = Command::new("ssh");
    command
        .args(["-M", "-N", "-f", "-T", "-S"])
        .arg(dir.path().join("master"))
        .arg("-E")
        .arg(dir.path().join("log"))
        .args(["-o", &format!("LogLevel={level}")]);
    for option in options(ssh) {
        command.args(["-o", &option]);
    }
    if let Some(config) = &ssh.config {
        command.arg("-F").arg(config);
    }
    command
        .args(["--", destination])
        // Options end at jump hosts; this keeps their ssh from asking on the terminal, too.
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("SSH_ASKPASS", "/bin/false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .kill_on_drop(true);
    Ok(command)
}

/// The end of a log; what cannot be read says nothing.
fn read_log(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let from = file.metadata()?.len().saturating_sub(MAX_NODE_TALK_LEN);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(MAX_NODE_TALK_LEN).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(alive: u64) -> SshConfig {
        SshConfig {
            config: None,
            connect_timeout: Duration::from_secs(10),
            alive_timeout: Duration::from_secs(alive),
            patience: Duration::from_secs(300),
            parallel: 1,
        }
    }

    #[test]
    fn nothing_is_asked_and_no_key_is_taken_on_trust() {
        let options = options(&ssh(15));
        for wanted in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "ForwardAgent=no",
            "ConnectTimeout=10",
        ] {
            assert!(options.iter().any(|o| o == wanted), "{wanted}");
        }
    }

    #[test]
    fn a_silent_node_is_given_up_in_the_time_that_was_asked_for() {
        for alive in [1, 2, 3, 15, 16, 300] {
            let options = options(&ssh(alive));
            let value = |name: &str| -> u64 {
                let found = options.iter().find_map(|o| o.strip_prefix(name));
                found.unwrap().parse().unwrap()
            };
            let after = value("ServerAliveInterval=") * (value("ServerAliveCountMax=") + 1);
            assert!(
                after.abs_diff(alive) <= alive.div_ceil(2).max(2),
                "{alive}: {after}"
            );
        }
    }

    #[test]
    fn a_socket_fits_into_its_address() {
        let dir = "d".repeat(MAX_SOCKET_DIR_LEN);
        let socket = format!("{dir}/relman-ssh-XXXXXX/master.{}", "x".repeat(16));
        assert!(socket.len() <= 107, "{}", socket.len());
        assert!(socket_dir().as_os_str().len() <= MAX_SOCKET_DIR_LEN);
    }
}
