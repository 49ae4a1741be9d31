//! All that a store has about one release, judged. Pure.

use jiff::Timestamp;

use super::offered::{Offered, in_history};
use super::row::{About, Row, rows};
use super::unmet::{Unmet, Wanted, unmet};
use crate::limits::MAX_ATTESTATION_LEN;
use crate::release::assemble::{PROOF, PROVENANCE};
use crate::release::state::Released;
use crate::release::verify::{about, logged_origin, signed_release};
use crate::release::view::View;
use crate::store::Reader;
use crate::{Error, Result};

/// The attestations of a published release.
pub struct Judged<'a> {
    /// What they must be about.
    pub about: About<'a>,
    /// All that lie beside it.
    pub offered: Vec<Offered>,
    /// What each is worth.
    pub rows: Vec<Row>,
    /// What policy has against the tag.
    pub problems: Vec<String>,
}

impl Judged<'_> {
    /// What of `wanted` is missing.
    pub fn unmet(&self, wanted: &Wanted, view: &View) -> Vec<Unmet> {
        unmet(wanted, &view.policy, &self.about, &self.rows)
    }
}

/// Judges what lies beside `released`.
///
/// # Errors
/// A release whose leaf or provenance does not verify; a proof that is damaged or leads elsewhere.
pub fn of_release<'a>(
    store: &dyn Reader,
    view: &View,
    released: &'a Released,
    now: Timestamp,
) -> Result<Judged<'a>> {
    let tag = &released.tag;
    let path = format!("{tag}/{PROOF}");
    let included = view.history.proved(store, &path, &view.policy)?;
    let included = included.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    let leaf = signed_release(&included.entry, &view.policy)?;
    if let Some(difference) = released.differences(&leaf).into_iter().next() {
        return Err(Error::refused(format!("{tag}: {difference}")));
    }
    let path = format!("{tag}/{PROVENANCE}");
    let bytes = store.read(&path, MAX_ATTESTATION_LEN)?;
    let bytes = bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    let made = logged_origin(&path, &bytes, &leaf, &view.policy, released)?;
    let (about, problems) = about(&view.policy, released, &made, leaf.time, now);
    let (offered, _) = in_history(store, &view.history, &view.policy, tag)?;
    let rows = rows(&view.policy, &about, &offered);
    Ok(Judged {
        about,
        offered,
        rows,
        problems,
    })
}
