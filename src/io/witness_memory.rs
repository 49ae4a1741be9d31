//! Room `io`: what the witnesses whose keys are here have cosigned, one file a witness and log.

use std::cell::RefCell;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::durable::{self, MODE_SECRET};
use super::fault;
use crate::error::Context;
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::MAX_WITNESS_MEMORY_LEN;
use crate::log::{Memory, TreeHead, WitnessMemory};
use crate::{Error, Result};

/// The only format there is.
const FORMAT: u64 = 1;

/// The memories in a directory beside the keys.
pub struct WitnessFiles {
    dir: PathBuf,
    /// What was saved through this value and is not confirmed.
    answered: RefCell<Vec<(PublicKey, String, Memory)>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u64,
    origin: String,
    published: Head,
    answered: Head,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    size: u64,
    root: Sha256,
}

impl From<TreeHead> for Head {
    fn from(head: TreeHead) -> Self {
        Head {
            size: head.size,
            root: head.root,
        }
    }
}

impl From<Head> for TreeHead {
    fn from(head: Head) -> Self {
        TreeHead {
            size: head.size,
            root: head.root,
        }
    }
}

impl WitnessFiles {
    /// The memories in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        WitnessFiles {
            dir: dir.into(),
            answered: RefCell::default(),
        }
    }

    fn path_of(&self, witness: &PublicKey, origin: &str) -> PathBuf {
        let origin = Sha256::of(origin.as_bytes());
        self.dir.join(format!("{}.{origin}", witness.keyid()))
    }

    fn write(&self, witness: &PublicKey, origin: &str, memory: &Memory) -> Result<()> {
        let stored = Stored {
            format: FORMAT,
            origin: origin.to_owned(),
            published: memory.published.into(),
            answered: memory.answered.into(),
        };
        let mut bytes = serde_json::to_vec_pretty(&stored)
            .or_failed(|| "a witness's memory has no JSON".into())?;
        bytes.push(b'\n');
        durable::create_private_dir(&self.dir)?;
        durable::write_atomic(&self.path_of(witness, origin), &bytes, MODE_SECRET)
    }
}

impl WitnessMemory for WitnessFiles {
    fn load(&self, witness: &PublicKey, origin: &str) -> Result<Option<Memory>> {
        let path = self.path_of(witness, origin);
        let Some(bytes) = durable::read_bounded(&path, MAX_WITNESS_MEMORY_LEN)? else {
            return Ok(None);
        };
        let damaged = |why: String| {
            Error::refused(format!("{} is damaged", path.display()))
                .caused_by(why)
                .hint("restore it from a backup: without it the witness could sign two histories")
        };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if stored.format != FORMAT || stored.origin != origin {
            return Err(damaged(format!(
                "it is format {} about log {:?}, wanted format {FORMAT} about log {origin:?}",
                stored.format, stored.origin
            )));
        }
        Ok(Some(Memory {
            published: stored.published.into(),
            answered: stored.answered.into(),
        }))
    }

    fn save(&self, witness: &PublicKey, origin: &str, memory: &Memory) -> Result<()> {
        self.write(witness, origin, memory)?;
        fault::point("witness.answered");
        let answer = (*witness, origin.to_owned(), *memory);
        self.answered.borrow_mut().push(answer);
        Ok(())
    }

    fn confirm(&self) -> Result<()> {
        fault::point("witness.published");
        for (witness, origin, memory) in self.answered.take() {
            let published = memory.answered;
            self.write(
                &witness,
                &origin,
                &Memory {
                    published,
                    ..memory
                },
            )?;
        }
        Ok(())
    }
}
