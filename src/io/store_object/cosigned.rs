//! Room `io`: cosignatures for a plan that was won, written down once before its first step.

use super::objects::{Objects, Written};
use super::reader::Published;
use crate::io::fault;
use crate::limits::{MAX_CHECKPOINT_LEN, MAX_HASH_TILE_LEN, MAX_TLOG_PROOF_LEN};
use crate::store::cosign::{Submission, is_carrier, is_hash_tile, nobody};
use crate::store::plan::{Plan, Step, cosignatures_path, staged_path};
use crate::{Error, Result};

/// What steps get behind their checkpoint; perhaps nothing.
pub struct Cosigned<'a>(Option<(&'a Submission, Vec<u8>)>);

impl<'a> Cosigned<'a> {
    /// Reads the answers for a plan; asks for them where there are none yet. Of two programs that
    /// ask at once, one's answers count for both.
    ///
    /// # Errors
    /// Too few witnesses answered: the plan stays, and the next command asks again.
    pub fn load(objects: &Objects, plan: &'a Plan) -> Result<Self> {
        let Some(submission) = &plan.submission else {
            return Ok(Cosigned(None));
        };
        let path = cosignatures_path(plan.sequence);
        let written = || Ok::<_, Error>(objects.read(&path, MAX_CHECKPOINT_LEN)?.map(|f| f.bytes));
        if let Some(lines) = written()? {
            return Ok(Cosigned(Some((submission, lines))));
        }
        let cosigners = objects.cosigners().ok_or_else(nobody)?;
        let mut tiles = Vec::new();
        for step in plan.steps.iter().filter(|step| is_hash_tile(&step.path)) {
            let bytes = bytes_of(objects, plan.sequence, step, MAX_HASH_TILE_LEN)?;
            tiles.push((step.path.clone(), bytes));
        }
        fault::point("cosign.ask");
        let lines = cosigners.cosign(submission, tiles, &Published(objects))?;
        fault::point("cosign.answered");
        let lines = match objects.create(&path, &lines)? {
            Written::Done => lines,
            Written::Differs => written()?.ok_or_else(|| {
                Error::failed("somebody else has published this meanwhile")
                    .hint("run the same command again")
            })?,
        };
        fault::point("cosign.written");
        Ok(Cosigned(Some((submission, lines))))
    }

    /// The bytes of a step that gets cosignatures; `None` for one that stays as it is planned.
    ///
    /// # Errors
    /// What is staged for it cannot be read.
    pub fn bytes(&self, objects: &Objects, sequence: u64, step: &Step) -> Result<Option<Vec<u8>>> {
        let Some((submission, lines)) = &self.0 else {
            return Ok(None);
        };
        if !is_carrier(&step.path) {
            return Ok(None);
        }
        let bytes = bytes_of(objects, sequence, step, MAX_TLOG_PROOF_LEN)?;
        Ok(submission.cosigned(&step.path, &bytes, lines))
    }
}

fn bytes_of(objects: &Objects, sequence: u64, step: &Step, limit: u64) -> Result<Vec<u8>> {
    if let Some(bytes) = step.inline_bytes()? {
        return Ok(bytes);
    }
    let staged = objects.read(&staged_path(sequence, &step.sha256), limit)?;
    let gone = || Error::failed(format!("what was staged for {} is gone", step.path));
    Ok(staged.ok_or_else(gone)?.bytes)
}
