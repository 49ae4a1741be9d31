//! Asking witnesses elsewhere about a log that is staged to grow: from then on the tree cannot be lost, so
//! whatever they sign stays true. Pure: the way to them comes in through a trait.

use jiff::Timestamp;

use super::witness::{Provable, cosignatures};
use crate::log::{Asked, CosignerKey, Note, StoreTiles, TileHashes, Transport, prove_consistency};
use crate::release::ceremony::FilesInMemory;
use crate::release::policy::ReleasePolicy;
use crate::store::Reader;
use crate::store::cosign::{Cosigners, Submission};
use crate::trust::policy::Pin;
use crate::{Error, Kind, Result};

/// Asks over `transport`; `now` tells the time.
pub struct AskWitnesses<T> {
    /// The way to the witnesses.
    pub transport: T,
    /// What the clock says.
    pub now: fn() -> Timestamp,
}

impl<T: Transport + Send + Sync> Cosigners for AskWitnesses<T> {
    fn cosign(
        &self,
        submission: &Submission,
        tiles: Vec<(String, Vec<u8>)>,
        store: &dyn Reader,
    ) -> Result<Vec<u8>> {
        let policies = submission.policies.iter();
        let policies = policies.map(|text| {
            let bytes = text.as_bytes();
            ReleasePolicy::parse(bytes, Pin::of(bytes))
        });
        let policies = policies.collect::<Result<Vec<_>>>()?;
        let first = policies
            .first()
            .ok_or_else(|| Error::refused("a checkpoint is to be cosigned for no policy"))?;
        let note = Note::parse(submission.checkpoint.as_bytes())?;
        let checkpoint = first.checkpoint(&note)?;
        let head = *checkpoint.head();
        let grown = FilesInMemory::over(tiles.into_iter(), store);
        let grown = StoreTiles::new(&grown, "log", head.size);
        let hashes = TileHashes::open(&grown, &head)?;
        let prove = |from| prove_consistency(from, head.size, &hashes);
        let asked = asked(submission, &policies)?;
        let mut failures = Vec::new();
        let answers = cosignatures(
            (&asked, submission.old_size),
            &Provable {
                checkpoint,
                prove: &prove,
            },
            &self.transport,
            &mut failures,
            (self.now)(),
        );
        let mut all = note.clone();
        let mut lines = String::new();
        for (asked, line) in answers.map_err(waits)? {
            all.add_cosignature(&asked.key, &line)?;
            lines.push_str(&format!("{line}\n"));
        }
        for policy in &policies {
            let reached = policy
                .checkpoint(&all)
                .and_then(|checkpoint| policy.witnessed(&checkpoint));
            if let Err(e) = reached {
                return Err(waits(
                    failures
                        .iter()
                        .fold(e.with_kind(Kind::Failed), Error::caused_by),
                ));
            }
        }
        match all.to_string().strip_prefix(&submission.checkpoint) {
            Some(behind) if behind == lines => Ok(lines.into_bytes()),
            _ => Err(Error::bug("cosignatures do not come behind the checkpoint")),
        }
    }
}

/// The witnesses that were reached before, with the addresses that the policies give.
fn asked(submission: &Submission, policies: &[ReleasePolicy]) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for vkey in &submission.witnesses {
        let key = CosignerKey::parse(vkey)?;
        let entries = policies.iter().flat_map(|p| p.witnesses().witnesses());
        let mut urls = entries
            .filter(|entry| entry.key == key)
            .filter_map(|entry| entry.url.clone());
        if let Some(url) = urls.next() {
            asked.push(Asked { key, url });
        }
    }
    Ok(asked)
}

fn waits(e: Error) -> Error {
    e.under("it is written down and not published: too few witnesses have cosigned it").hint(
        "readers still see the old state, and nothing is lost; the next command that publishes asks them \
         again, such as: relman timestamp",
    )
}
