//! What people are told about a rollout, or a halt. Pure; `io::herald` tells them by command, webhook and mail.

use jiff::Timestamp;
use serde::Serialize;

use super::config::Notify;

/// Why people are told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// An upgrade begins: window, expected downtime.
    Begun,
    /// It was held, by a person or by a failure.
    Held,
    /// It goes on.
    Resumed,
    /// It is done.
    Completed,
    /// It ended before that.
    Aborted,
    /// All nodes of an environment are stopped at once.
    EmergencyStop,
    /// Nodes go back at once.
    EmergencyRollback,
    /// An emergency is over.
    EmergencyOver,
    /// New installs are stopped by signature.
    Halted,
    /// The decision matrix calls for something.
    Alarm,
    /// They are allowed again, by a newer agreement.
    HaltEnded,
}

/// One thing that people are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Why.
    pub occasion: Occasion,
    /// The environment.
    pub environment: String,
    /// The release.
    pub tag: Option<String>,
    /// The rollout.
    pub rollout: Option<String>,
    /// Who did it.
    pub by: String,
    /// When.
    #[serde(with = "crate::trust::time")]
    pub at: Timestamp,
    /// One line for a phone.
    pub summary: String,
    /// What more there is to say: window, downtime, nodes that failed and why.
    pub details: Vec<String>,
}

/// Tells people.
pub trait Herald: Sync {
    /// Tells `one` of it.
    ///
    /// # Errors
    /// Why it could not be done, in one line without secrets. Nothing waits for it longer than [`Notify::timeout`].
    fn tell(&self, one: &Notify, notice: &Notice) -> Result<(), String>;
}

/// Tells everybody who is to be told of the environment; what failed, in words, is no reason to stop.
pub fn tell_all(herald: &dyn Herald, whom: &[Notify], notice: &Notice) -> Vec<String> {
    whom.iter()
        .filter(|n| n.environments.is_empty() || n.environments.contains(&notice.environment))
        .filter_map(|n| {
            let why = herald.tell(n, notice).err()?;
            Some(format!("{} was not told: {why}", n.name))
        })
        .collect()
}
