//! Attestations as they are found: beside a release in a store, each by its log proof. Pure.

use jiff::Timestamp;

use crate::Result;
use crate::attest::Envelope;
use crate::limits::MAX_ATTESTATIONS;
use crate::release::leaf::AttestationKind;
use crate::release::policy::ReleasePolicy;
use crate::release::verify::History;
use crate::store::Reader;

/// An attestation that nobody has verified yet.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The envelope.
    pub envelope: Envelope,
    /// Its place in the log; none before it is published.
    pub logged: Option<Logged>,
}

/// A verified place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The entry's number, from 0.
    pub index: u64,
    /// The witnessed time by which it was there; none without witnesses.
    pub since: Option<Timestamp>,
}

impl Offered {
    /// Its kind, as it claims.
    pub fn kind(&self) -> Option<AttestationKind> {
        let statement = self.envelope.unverified_statement().ok()?;
        AttestationKind::of(&statement)
    }

    /// One that is in no log yet.
    pub fn unlogged(envelope: Envelope) -> Self {
        Offered {
            envelope,
            logged: None,
        }
    }
}

/// Gives the log entry that the proof at a path proves, with its place; none where there is no proof.
pub type FindEntry<'a> = dyn FnMut(&str) -> Result<Option<(Vec<u8>, Logged)>> + 'a;

/// Files that a node keeps: name and bytes.
pub type Files = Vec<(String, Vec<u8>)>;

/// All attestations that lie beside a release under their numbered names, by `entry`, which verifies
/// the proof at a path and gives the log entry with its place; `None` where there is no such file.
///
/// # Errors
/// What `entry` says; an entry that is no envelope.
pub fn numbered(tag: &str, entry: &mut FindEntry) -> Result<Vec<Offered>> {
    let mut all = Vec::new();
    for kind in AttestationKind::ALL {
        for n in 1..=MAX_ATTESTATIONS {
            let path = kind.proof_path(tag, n);
            let Some((bytes, logged)) = entry(&path)? else {
                break;
            };
            let envelope = Envelope::parse(&bytes).map_err(|e| e.under(path))?;
            all.push(Offered {
                envelope,
                logged: Some(logged),
            });
        }
    }
    Ok(all)
}

/// Those beside a release in a store whose log `history` shows, and the proofs that a node keeps: file
/// name and bytes.
///
/// # Errors
/// A proof that is damaged or does not lead into that log.
pub fn in_history(
    store: &dyn Reader,
    history: &History,
    policy: &ReleasePolicy,
    tag: &str,
) -> Result<(Vec<Offered>, Files)> {
    let mut proofs = Vec::new();
    let all = numbered(tag, &mut |path| {
        let Some(included) = history.proved(store, path, policy)? else {
            return Ok(None);
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        proofs.push((name.to_owned(), included.proof));
        let logged = Logged {
            index: included.index,
            since: included.since,
        };
        Ok(Some((included.entry, logged)))
    })?;
    Ok((all, proofs))
}
