//! `CHANGELOG.md`: the notes of every release, newest first. They are read from the store and held
//! against the release's entry: its sums, and in them the notes. Pure.

use super::markdown::{cell, head, notes};
use super::story::{Release, Story};
use crate::attest::sums;
use crate::hash::Sha256;
use crate::limits::{MAX_ATTESTATION_LEN, MAX_SUMS_LEN};
use crate::release::assemble::SUMS;
use crate::store::Reader;
use crate::{Error, Result};

/// The notes' file.
const NOTES: &str = "RELEASE_NOTES.md";

/// The page.
///
/// # Errors
/// Refused: notes or sums that are missing or not as the log says.
pub fn page(story: &Story, store: &dyn Reader) -> Result<String> {
    let mut out = head(
        story,
        "Changelog",
        "What each release brings, newest first, in the words of its release notes.",
    );
    if story.releases.is_empty() {
        out.push_str("\nThere is no release yet.\n");
    }
    for release in story.releases.iter().rev() {
        let date = release.leaf.time.strftime("%Y-%m-%d");
        out.push_str(&format!("\n## {} ({date})\n\n", cell(&release.leaf.tag)));
        if let Some((level, reason)) = &release.yanked {
            let words = cell(&format!("{level}: {reason}"));
            out.push_str(&format!("**Yanked**, {words}\n\n"));
        }
        out.push_str(&notes(&signed_notes(release, store)?));
    }
    Ok(out)
}

fn signed_notes(release: &Release, store: &dyn Reader) -> Result<String> {
    let leaf = &release.leaf;
    let list = read(
        store,
        &format!("{}/{SUMS}", leaf.tag),
        MAX_SUMS_LEN,
        leaf.sums,
    )?;
    let sums = sums::parse(&list).map_err(|e| e.under(format!("{}/{SUMS}", leaf.tag)))?;
    let path = format!("{}/{NOTES}", leaf.tag);
    let digest = sums
        .get(NOTES)
        .ok_or_else(|| Error::refused(format!("{}/{SUMS} does not list {NOTES}", leaf.tag)))?;
    let bytes = read(store, &path, MAX_ATTESTATION_LEN, *digest)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read(store: &dyn Reader, path: &str, limit: u64, wanted: Sha256) -> Result<Vec<u8>> {
    let missing = || {
        Error::refused(format!(
            "{path} is missing in the store at {}",
            store.location()
        ))
    };
    let bytes = store.read(path, limit)?.ok_or_else(missing)?;
    match Sha256::of(&bytes) {
        found if found == wanted => Ok(bytes),
        found => Err(Error::refused(format!(
            "{path} hashes to {found}, the log leads to {wanted}"
        ))
        .hint("see what else was changed: relman audit")),
    }
}
