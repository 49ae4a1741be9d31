//! Which backups go. Pure.

use super::host::Listed;
use super::manifest::{BackupId, Part};

/// The backups that go when `keep` may stay, oldest first: never the newest whole one, and never the
/// newest whole one of the data of a version in `needed`. Broken ones go before whole ones.
pub fn superfluous(backups: &[Listed], keep: usize, needed: &[&str]) -> Vec<BackupId> {
    let whole = |l: &&Listed| l.manifest.is_ok();
    let mut kept: Vec<&BackupId> = Vec::new();
    kept.extend(backups.iter().rev().find(whole).map(|l| &l.id));
    for version in needed {
        let of = |l: &&Listed| l.manifest.as_ref().is_ok_and(|m| m.has_data_of(version));
        kept.extend(backups.iter().rev().find(of).map(|l| &l.id));
    }
    // A backup of the configuration alone is no reason to lose the newest one of the data.
    let with_data = |l: &&Listed| {
        let data = |m: &super::manifest::Manifest| m.roots_of(Part::Data).next().is_some();
        l.manifest.as_ref().is_ok_and(data)
    };
    kept.extend(backups.iter().rev().find(with_data).map(|l| &l.id));
    let mut candidates: Vec<&Listed> = backups.iter().filter(|l| !kept.contains(&&l.id)).collect();
    candidates.sort_by_key(|l| (l.manifest.is_ok(), l.id.number()));
    let excess = backups.len().saturating_sub(keep.max(1));
    candidates
        .into_iter()
        .take(excess)
        .map(|l| l.id.clone())
        .collect()
}
