//! Fresher proofs of an entry, which lie beside the first one under names of their own: nothing that was
//! published is overwritten. Pure.
//!
//! The first proof of an entry was made when it was logged, and tells since when it was there. It may not
//! do any more: there were no witnesses then, or others, or a key was replaced. A reader looks for
//! fresher ones only where the first does not do by itself, so that no reader pays for what it has not.

use jiff::Timestamp;

use super::history::{History, Included};
use crate::Result;
use crate::limits::{MAX_FRESH_PROOFS, MAX_TLOG_PROOF_LEN};
use crate::log::TlogProof;
use crate::release::leaf::PROOF_SUFFIX;
use crate::release::policy::ReleasePolicy;
use crate::store::Reader;

/// What stands between the name and the number of a fresher one.
const MARK: &str = ".fresh-";

/// Where the `n`th fresher proof beside the one at `first` lies, counted from 1.
pub fn fresh_path(first: &str, n: u64) -> String {
    let stem = first.strip_suffix(PROOF_SUFFIX).unwrap_or(first);
    format!("{stem}{MARK}{n}{PROOF_SUFFIX}")
}

/// The path of the first proof, where `path` is that of a fresher one.
pub fn first_path(path: &str) -> Option<String> {
    let (stem, n) = path.strip_suffix(PROOF_SUFFIX)?.rsplit_once(MARK)?;
    let first = format!("{stem}{PROOF_SUFFIX}");
    let n = n.parse().ok()?;
    (fresh_path(&first, n) == path && (1..=MAX_FRESH_PROOFS).contains(&n)).then_some(first)
}

/// A proof that was checked.
pub struct Checked<T> {
    /// What came of it.
    pub value: T,
    /// Whether it has by itself all that policy asks for.
    pub whole: bool,
    /// Since when it shows the entry in the log.
    pub since: Option<Timestamp>,
}

/// Reads an object, if it is there.
pub type Read<'a> = dyn FnMut(&str) -> Result<Option<Vec<u8>>> + 'a;

/// The proof at `first` if it is whole; else the newest whole one beside it, with the earliest time that
/// any whole one shows; else the first one as it is. `None` where there is no first one.
///
/// # Errors
/// What `check` has against the first proof, if no other is whole; what `read` says.
pub fn best<T>(
    first: &str,
    read: &mut Read,
    check: &dyn Fn(&TlogProof) -> Result<Checked<T>>,
) -> Result<Option<(T, Option<Timestamp>)>> {
    let Some(bytes) = read(first)? else {
        return Ok(None);
    };
    let parsed = TlogProof::parse(&bytes);
    let checked = parsed.as_ref().map_err(Clone::clone).and_then(check);
    if let Ok(Checked {
        value,
        whole: true,
        since,
    }) = checked
    {
        return Ok(Some((value, since)));
    }
    // A first proof that holds says which entry it is about; one that does not says nothing.
    let holds = parsed.as_ref().ok().filter(|_| checked.is_ok());
    let entry = holds.map(TlogProof::unverified_extra);
    let mut newest = None;
    let mut earliest: Option<Timestamp> = None;
    for n in 1..=MAX_FRESH_PROOFS {
        let Some(bytes) = read(&fresh_path(first, n))? else {
            break;
        };
        let Ok(proof) = TlogProof::parse(&bytes) else {
            continue;
        };
        if entry.is_some_and(|entry| entry != proof.unverified_extra()) {
            continue;
        }
        if let Ok(checked) = check(&proof)
            && checked.whole
        {
            earliest = match (earliest, checked.since) {
                (Some(known), Some(found)) => Some(known.min(found)),
                (known, found) => known.or(found),
            };
            newest = Some(checked.value);
        }
    }
    match (newest, checked) {
        (Some(value), _) => Ok(Some((value, earliest))),
        (None, Ok(checked)) => Ok(Some((checked.value, checked.since))),
        (None, Err(e)) => Err(e),
    }
}

impl History<'_> {
    /// The entry that the proof at `path` of `store` puts into this log, by that proof or by a fresher
    /// one beside it; `None` where there is no such proof.
    ///
    /// # Errors
    /// As [`History::included`], under the path.
    pub fn proved(
        &self,
        store: &dyn Reader,
        path: &str,
        policy: &ReleasePolicy,
    ) -> Result<Option<Included>> {
        let check = |proof: &TlogProof| {
            let included = self.included(proof, policy)?;
            Ok(Checked {
                whole: included.whole,
                since: included.since,
                value: included,
            })
        };
        let found = best(
            path,
            &mut |path| store.read(path, MAX_TLOG_PROOF_LEN),
            &check,
        )
        .map_err(|e| e.under(path))?;
        Ok(found.map(|(included, since)| Included { since, ..included }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresher_proofs_have_names_that_lead_back_to_the_first() {
        let first = "v1.0.0/announcement-mainnet-1.tlog-proof";
        let second = fresh_path(first, 2);
        assert_eq!(second, "v1.0.0/announcement-mainnet-1.fresh-2.tlog-proof");
        assert_eq!(first_path(&second).as_deref(), Some(first));
        for strange in [
            first,
            "a/b.fresh-0.tlog-proof",
            "a/b.fresh-02.tlog-proof",
            "a/b.fresh-x.tlog-proof",
            "a/b.fresh-1",
            "a/b.fresh-99999999999999999999.tlog-proof",
        ] {
            assert_eq!(first_path(strange), None, "{strange}");
        }
    }
}
