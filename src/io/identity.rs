//! Room `io`: who this process is, as a lease names its holder.

use std::sync::Arc;

use jiff::Timestamp;

use crate::Result;
use crate::error::Context;
use crate::hash::hex;
use crate::io::{clock, node_process, process};
use crate::store::lease::Holder;

/// Whoever publishes, or drives a rollout.
#[derive(Clone)]
pub struct Identity {
    /// Person and machine, for people.
    pub who: String,
    /// Names this running system; see [`Holder::machine`].
    pub machine: String,
    /// Now. Judges politeness alone.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Identity {
    /// This user on this machine.
    ///
    /// # Errors
    /// A system without `/proc`.
    pub fn here() -> Result<Self> {
        // Process numbers mean something between two starts of a machine, inside one container.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .or_failed(|| "cannot read the machine's boot id".into())?;
        let space = std::fs::read_link("/proc/self/ns/pid")
            .or_failed(|| "cannot read this process's namespace".into())?;
        let name = rustix::system::uname();
        Ok(Identity {
            who: format!(
                "{} at {}",
                process::login_name(),
                name.nodename().to_string_lossy()
            ),
            machine: format!("{} {}", boot.trim(), space.display()),
            clock: Arc::new(clock::now),
        })
    }

    /// This process running `command`, different from every other holder.
    ///
    /// # Errors
    /// A system without random bytes.
    pub fn holder(&self, command: &str) -> Result<Holder> {
        let process = std::process::id();
        Ok(Holder {
            who: format!("{}, process {process}, relman {command}", self.who),
            machine: self.machine.clone(),
            process,
            attempt: random()?,
        })
    }

    /// Whether a holder cannot come back: its process on this very machine has ended.
    pub fn is_gone(&self, holder: &Holder) -> bool {
        // What cannot be found out is not gone.
        holder.machine == self.machine && matches!(node_process::process(holder.process), Ok(None))
    }
}

/// A name that nobody else has: 32 hexadecimal digits.
///
/// # Errors
/// A system without random bytes.
pub fn random() -> Result<String> {
    let mut bytes = [0u8; 16];
    crate::io::random::fill(&mut bytes)?;
    Ok(hex(&bytes))
}
