//! Why metadata was refused. Values only: nothing is decided here.

use std::fmt;

use super::time;
use crate::Error;

/// A refusal by the trust core; becomes an [`Error`] of kind refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustError {
    /// Not the JSON that is accepted: malformed, repeated member, float, too deep.
    Json(String),
    /// A member is missing, of the wrong type or out of range.
    Schema {
        /// What was read, as `root` or `timestamp`.
        role: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Longer than is accepted or listed.
    TooLong {
        /// The file.
        name: String,
        /// Bytes found or announced.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The bytes are not those that the role above listed.
    Digest {
        /// The file.
        name: String,
        /// `length`, or the hash algorithm.
        what: String,
        /// Value of the bytes at hand.
        found: String,
        /// Value listed.
        wanted: String,
    },
    /// Too few valid signatures of distinct keys.
    Threshold {
        /// The role.
        role: String,
        /// Whose list of keys was counted, as `root 3`.
        by: String,
        /// Distinct keys with a valid signature.
        found: u64,
        /// Threshold of the role.
        wanted: u64,
        /// Keys that could not count, with the reason.
        notes: Vec<String>,
    },
    /// Another version than the one that was asked for or listed.
    Version {
        /// The role.
        role: String,
        /// Version in the file.
        found: u64,
        /// Version wanted.
        wanted: u64,
    },
    /// Older than what is trusted already.
    Rollback {
        /// The role that would go back.
        role: String,
        /// Version offered; `None` where the role has disappeared.
        found: Option<u64>,
        /// Version trusted.
        trusted: u64,
    },
    /// Past its expiry.
    Expired {
        /// The role.
        role: String,
        /// Its version.
        version: u64,
        /// When it expired.
        expires: jiff::Timestamp,
        /// The time it was checked for.
        now: jiff::Timestamp,
    },
    /// The repository does not have a file that is needed.
    Missing {
        /// The file.
        name: String,
        /// Why it is needed.
        wanted_by: String,
    },
    /// A role that nobody vouches for.
    Unlisted {
        /// The role.
        role: String,
        /// Where it should be listed.
        wanted_in: String,
    },
    /// The search met more delegated roles than are visited.
    TooManyDelegations {
        /// The target looked for.
        target: String,
        /// Roles visited at most.
        limit: usize,
    },
    /// Something of TUF that this version does not do.
    Unsupported {
        /// The role.
        role: String,
        /// What it asks for.
        what: String,
    },
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(problem) => write!(f, "JSON refused: {problem}"),
            Self::Schema { role, problem } => write!(f, "{role} metadata is malformed: {problem}"),
            Self::TooLong { name, found, limit } => {
                write!(f, "{name} is {found} bytes, at most {limit} are accepted")
            }
            Self::Digest {
                name,
                what,
                found,
                wanted,
            } => write!(f, "{name} has {what} {found}, listed is {wanted}"),
            Self::Threshold {
                role,
                by,
                found,
                wanted,
                notes,
            } => {
                write!(
                    f,
                    "{role} metadata has {found} valid signatures of keys listed by {by}, wanted {wanted}"
                )?;
                if !notes.is_empty() {
                    write!(f, " ({})", notes.join("; "))?;
                }
                Ok(())
            }
            Self::Version {
                role,
                found,
                wanted,
            } => write!(f, "{role} metadata has version {found}, wanted {wanted}"),
            Self::Rollback {
                role,
                found: Some(found),
                trusted,
            } => write!(
                f,
                "rollback: {role} metadata would go back to version {found}, {trusted} is trusted already"
            ),
            Self::Rollback {
                role,
                found: None,
                trusted,
            } => write!(
                f,
                "rollback: {role} metadata would disappear, version {trusted} is trusted already"
            ),
            Self::Expired {
                role,
                version,
                expires,
                now,
            } => write!(
                f,
                "{role} metadata version {version} expired at {}, it is {} now",
                time::format(*expires),
                time::format(*now)
            ),
            Self::Missing { name, wanted_by } => {
                write!(f, "the store has no {name}, wanted by {wanted_by}")
            }
            Self::Unlisted { role, wanted_in } => {
                write!(f, "role {role:?} is not listed in {wanted_in}")
            }
            Self::TooManyDelegations { target, limit } => write!(
                f,
                "target {target:?} was not found in the first {limit} delegated roles, and no more are visited"
            ),
            Self::Unsupported { role, what } => {
                write!(f, "role {role:?} asks for {what}, which is not supported")
            }
        }
    }
}

impl std::error::Error for TrustError {}

impl TrustError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Expired { role, .. } if role == "timestamp" => {
                "check this machine's clock; if it is right, the store is stale: the sequencer runs `relman timestamp`".into()
            }
            Self::Expired { role, .. } => format!(
                "check this machine's clock; if it is right, the holders of the {role} keys must sign a new version"
            ),
            Self::Rollback { .. } => {
                "this store is older than one seen before: use the authoritative store, or find out who replays old files".into()
            }
            Self::Missing { .. } => "try again, the store may be in the middle of a copy; if it stays, use another mirror".into(),
            _ => return None,
        })
    }
}

impl From<TrustError> for Error {
    fn from(error: TrustError) -> Self {
        let out = Error::refused(error.to_string());
        match error.hint() {
            Some(hint) => out.hint(hint),
            None => out,
        }
    }
}
