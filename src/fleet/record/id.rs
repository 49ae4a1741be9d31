//! The name of a rollout: when, where, and a little chance. Pure.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Hexadecimal digits of chance.
const CHANCE: usize = 8;

/// A rollout's name, such as `20260201T000000Z-testnet-1f0c93ab`. It is an object's name and a file's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RolloutId(String);

impl RolloutId {
    /// The name of a rollout that begins now; `chance` are eight hexadecimal digits from outside.
    ///
    /// # Errors
    /// Bug: no such digits, or an environment that cannot be in a name.
    pub fn new(now: Timestamp, environment: &str, chance: &str) -> Result<Self> {
        let time = now.strftime("%Y%m%dT%H%M%SZ");
        let text = format!("{time}-{environment}-{chance}");
        Self::parse(&text).map_err(|e| Error::bug("a rollout without a name").caused_by(e))
    }

    /// Reads a name.
    ///
    /// # Errors
    /// Usage: it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!(
                "{text:?} is no name of a rollout, wanted such as 20260201T000000Z-testnet-1f0c93ab"
            ))
            .hint("relman fleet status lists them")
        };
        let mut parts = text.splitn(3, '-');
        let (time, environment, chance) = (parts.next(), parts.next(), parts.next());
        let (Some(time), Some(environment), Some(chance)) = (time, environment, chance) else {
            return Err(wrong());
        };
        let digits = |text: &str, count: usize| {
            text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
        };
        let time = time
            .strip_suffix('Z')
            .and_then(|t| t.split_once('T'))
            .is_some_and(|(day, time)| digits(day, 8) && digits(time, 6));
        let lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase());
        let hex = |text: &str| {
            text.len() == CHANCE
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let named = (1..=32).contains(&environment.len()) && lower(environment);
        match time && named && hex(chance) {
            true => Ok(RolloutId(text.to_owned())),
            false => Err(wrong()),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The environment in it.
    pub fn environment(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RolloutId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<RolloutId> for String {
    fn from(id: RolloutId) -> String {
        id.0
    }
}
