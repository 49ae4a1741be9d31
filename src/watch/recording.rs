//! Looks as lines of JSON: what was seen, written while it is watched, read again to see what another policy would have
//! done. Pure.
//!
//! The first line says what the file is; each further one is a look, or a decision that was acted on.

use serde::{Deserialize, Serialize};

use super::sample::Look;
use crate::limits::{MAX_FLEET_NODES, MAX_WATCH_LINE_LEN};
use crate::{Error, Result};

/// The only format there is.
const FORMAT: u64 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always 1.
    pub format: u64,
    /// The environment.
    pub environment: String,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// The rollout that was watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// SHA-256 of the policy that was acted on, in lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
}

/// A further line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Line {
    /// What was seen.
    Look(Look),
    /// What was decided on the looks before it, in words; for people, and passed over by a replay.
    Decision(serde_json::Value),
}

impl Header {
    /// For a watch that begins.
    pub fn new(environment: &str, nodes: &[String]) -> Self {
        Header {
            format: FORMAT,
            environment: environment.into(),
            nodes: nodes.to_vec(),
            rollout: None,
            policy_sha256: None,
        }
    }

    /// Reads the first line.
    ///
    /// # Errors
    /// Kind usage: it is no recording, or of another format.
    pub fn parse(line: &[u8]) -> Result<Self> {
        let header: Header = read(line, 1)?;
        if header.format != FORMAT {
            return Err(Error::usage(format!(
                "the recording has format {}, wanted {FORMAT}",
                header.format
            )));
        }
        if header.nodes.is_empty() || header.nodes.len() > MAX_FLEET_NODES {
            return Err(Error::usage(format!(
                "the recording is of {} nodes, wanted 1 to {MAX_FLEET_NODES}",
                header.nodes.len()
            )));
        }
        Ok(header)
    }
}

impl Line {
    /// Reads the line of that number.
    ///
    /// # Errors
    /// Kind usage: it is none of a recording.
    pub fn parse(line: &[u8], number: u64) -> Result<Self> {
        read(line, number)
    }
}

/// A value as one line, its end included.
///
/// # Errors
/// Kind bug: it is longer than a line may be.
pub fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|e| Error::bug("a look cannot be written").caused_by(e.to_string()))?;
    if bytes.len() as u64 >= MAX_WATCH_LINE_LEN {
        return Err(Error::bug("a look is longer than a line may be"));
    }
    bytes.push(b'\n');
    Ok(bytes)
}

fn read<T: for<'a> Deserialize<'a>>(line: &[u8], number: u64) -> Result<T> {
    if line.len() as u64 > MAX_WATCH_LINE_LEN {
        return Err(Error::usage(format!(
            "line {number} of the recording is longer than {MAX_WATCH_LINE_LEN} bytes"
        )));
    }
    serde_json::from_slice(line).map_err(|e| {
        Error::usage(format!("line {number} of the recording is malformed"))
            .caused_by(e.to_string())
    })
}
