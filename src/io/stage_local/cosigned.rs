//! Room `io`: cosignatures for what is staged, written down before anybody sees them.

use std::path::{Path, PathBuf};

use super::SUBMISSION;
use crate::Result;
use crate::error::Context;
use crate::io::durable::{self, MODE_FILE};
use crate::io::fault;
use crate::io::store_local::LocalStore;
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_HASH_TILE_LEN, MAX_PLAN_LEN, MAX_TLOG_PROOF_LEN};
use crate::store::cosign::{Submission, is_carrier, is_hash_tile, nobody};
use crate::store::stage::Staged;

/// The answers, beside the plan.
const LINES: &str = "cosignatures";

/// What staged objects get behind their checkpoint; perhaps nothing.
pub struct Cosigned(Option<(Submission, Vec<u8>)>);

impl Cosigned {
    /// Reads the answers of a stage; asks for them where there are none yet.
    ///
    /// # Errors
    /// Too few witnesses answered: the stage stays, and the next command asks again.
    pub fn load(store: &LocalStore, stage: &Path, plan: &[Staged]) -> Result<Self> {
        let Some(bytes) = durable::read_bounded(&stage.join(SUBMISSION), MAX_PLAN_LEN)? else {
            return Ok(Cosigned(None));
        };
        let submission: Submission = serde_json::from_slice(&bytes)
            .or_failed(|| format!("{} is damaged", stage.join(SUBMISSION).display()))?;
        let path = stage.join(LINES);
        if let Some(lines) = durable::read_bounded(&path, MAX_CHECKPOINT_LEN)? {
            return Ok(Cosigned(Some((submission, lines))));
        }
        let cosigners = store.cosigners().ok_or_else(nobody)?;
        let mut tiles = Vec::new();
        for (i, staged) in plan.iter().enumerate() {
            if is_hash_tile(&staged.path) {
                let bytes = durable::read_required(&stage.join(i.to_string()), MAX_HASH_TILE_LEN)?;
                tiles.push((staged.path.clone(), bytes));
            }
        }
        fault::point("cosign.ask");
        let lines = cosigners.cosign(&submission, tiles, store)?;
        fault::point("cosign.answered");
        durable::write_atomic(&path, &lines, MODE_FILE)?;
        fault::point("cosign.written");
        Ok(Cosigned(Some((submission, lines))))
    }

    /// The file to publish for what is staged in `slot`: itself, or one with the cosignatures.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn slot(&self, slot: &Path, staged: &Staged) -> Result<PathBuf> {
        let Some((submission, lines)) = &self.0 else {
            return Ok(slot.to_owned());
        };
        if !is_carrier(&staged.path) {
            return Ok(slot.to_owned());
        }
        let bytes = durable::read_required(slot, MAX_TLOG_PROOF_LEN)?;
        let Some(bytes) = submission.cosigned(&staged.path, &bytes, lines) else {
            return Ok(slot.to_owned());
        };
        let made = slot.with_extension("cosigned");
        // On disk before it has a name that is written once.
        durable::write_atomic(&made, &bytes, MODE_FILE)?;
        Ok(made)
    }
}
