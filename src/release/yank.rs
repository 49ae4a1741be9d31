//! Releases that must not be used (any more): the proposal to say so, what holds proposal, target and
//! leaf together, and who said so when. Pure.
//!
//! A yank is two things that must agree: the `yank` in the release's target, which every node reads,
//! and a leaf in the log, which tells for ever who decided it and why, also after it was taken back.

use jiff::Timestamp;
use serde::Serialize;

use super::ceremony::{Base, Kind, Proposal, RoleDraft, StatementDraft};
use super::leaf::{Leaf, NONE, YANK, YankLeaf};
use super::publish::Publisher;
use super::state::{self, DANGEROUS, Released, WITHDRAWN, Yank};
use super::text::is_deceptive;
use super::verify::{Checked, best, signed_leaf};
use super::view::View;
use crate::limits::{MAX_REASON_LEN, MAX_TLOG_PROOF_LEN, MAX_YANKS};
use crate::log::TlogProof;
use crate::release::policy::ReleasePolicy;
use crate::store::Reader;
use crate::trust::Targets;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// Path of the proof of a release's `n`th yank leaf, counted from 1.
pub fn proof_path(tag: &str, n: u64) -> String {
    format!("{tag}/yank-{n}.tlog-proof")
}

/// Checks a level and a reason that somebody typed.
///
/// # Errors
/// Kind usage: another level; a reason that is empty, too long, or not plain visible text in one line.
pub fn check_words(level: &str, reason: &str) -> Result<()> {
    if ![WITHDRAWN, DANGEROUS, NONE].contains(&level) {
        return Err(Error::usage(format!(
            "level {level:?}, wanted {WITHDRAWN}, {DANGEROUS} or {NONE}"
        )));
    }
    let hidden = |c: char| c.is_control() || is_deceptive(c);
    let length = reason.chars().count();
    if reason.trim().is_empty() || length > MAX_REASON_LEN || reason.contains(hidden) {
        return Err(Error::usage(format!(
            "a reason of {length} characters, wanted 1 to {MAX_REASON_LEN} visible ones in one line"
        ))
        .hint("operators read it at night: --reason \"what is wrong, and what to do\""));
    }
    Ok(())
}

impl Publisher<'_> {
    /// Proposes to yank a release, to change its yank, or to take it back with level [`NONE`]. `None`
    /// where the release's target says exactly that already.
    ///
    /// # Errors
    /// No such release, a level or a reason that [`check_words`] refuses, a store that fails.
    pub fn propose_yank(
        &self,
        view: &View,
        tag: &str,
        level: &str,
        reason: &str,
    ) -> Result<Option<Proposal>> {
        check_words(level, reason)?;
        let mut released = state::find(view.refreshed.targets(), tag)?;
        let leaf = YankLeaf {
            tag: tag.to_owned(),
            archive: released.sha256,
            level: level.to_owned(),
            reason: reason.to_owned(),
            time: self.now,
        };
        let same = leaf.yank() == released.yanked;
        if same {
            return Ok(None);
        }
        released.yanked = leaf.yank();
        let mut targets: Targets = Targets::clone(view.refreshed.targets());
        self.renew(&mut targets, "targets")?;
        targets
            .targets
            .insert(released.archive_name(), released.target()?);
        let n = (1..=MAX_YANKS).find_map(|n| match self.store.open(&proof_path(tag, n)) {
            Ok(Some(_)) => None,
            Ok(None) => Some(Ok(n)),
            Err(e) => Some(Err(e)),
        });
        let n = n.unwrap_or_else(|| {
            Err(Error::failed(format!(
                "{tag} was yanked {MAX_YANKS} times already"
            )))
        })?;
        let mut proposal = Proposal::new(
            &view.policy.policy().document().project,
            &format!("yank-{tag}"),
            Kind::Yank,
            &leaf.line(),
            self.now,
        );
        proposal
            .roles
            .push(RoleDraft::targets("targets", &targets)?);
        proposal.statements.push(StatementDraft::new(
            Purpose::Publisher,
            &proof_path(tag, n),
            leaf.statement(),
        ));
        Ok(Some(proposal))
    }
}

/// Yanks are counted without gaps: whoever looks for them begins at 1 and ends at the first that is
/// not there.
///
/// # Errors
/// A number that is taken, or not the next one; a store that fails. Other paths are fine.
pub fn check_number(store: &dyn Reader, path: &str) -> Result<()> {
    let Some((tag, rest)) = path.split_once("/yank-") else {
        return Ok(());
    };
    let number = rest.strip_suffix(".tlog-proof").map(str::parse::<u64>);
    let n = match number {
        Some(Ok(n)) if proof_path(tag, n) == path => n,
        _ => 0,
    };
    let there = |n| Ok::<_, Error>(n == 0 || store.open(&proof_path(tag, n))?.is_some());
    if n > 0 && !there(n)? && there(n - 1)? {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{path} is not the name of the next yank of {tag}"
    )))
}

/// Whether a proposal's yanks and its statements about them agree: one statement for each target whose
/// yank changes, and none for any other.
///
/// # Errors
/// A draft that is no role.
pub fn check(proposal: &Proposal, base: &Base, after: &Targets) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut said = Vec::new();
    for draft in &proposal.statements {
        if draft.statement.predicate_type != YANK {
            continue;
        }
        match Leaf::read(&draft.statement) {
            Ok(Leaf::Yank(leaf)) => {
                if draft.purpose != Purpose::Publisher {
                    problems.push(format!(
                        "its yank is to be signed by {}, wanted {}",
                        draft.purpose,
                        Purpose::Publisher
                    ));
                }
                if leaf.time != proposal.time {
                    problems.push(format!(
                        "its yank is dated {}, it was proposed at {}",
                        leaf.time, proposal.time
                    ));
                }
                let dir = draft.proof.split_once("/yank-").map(|(dir, _)| dir);
                if dir != Some(leaf.tag.as_str()) {
                    problems.push(format!(
                        "the yank of {} is to be proved by {:?}",
                        leaf.tag, draft.proof
                    ));
                }
                if let Err(e) = check_words(&leaf.level, &leaf.reason) {
                    problems.push(format!("its yank has {e}"));
                }
                said.push(leaf);
            }
            Ok(_) => {}
            Err(e) => problems.push(e.to_string()),
        }
    }
    for (name, target) in &after.targets {
        let Ok(new) = Released::read(name, target) else {
            continue;
        };
        let old = base.targets.targets.get(name);
        let old = old.and_then(|old| Released::read(name, old).ok());
        let was = old.and_then(|old| old.yanked);
        let about: Vec<&YankLeaf> = said.iter().filter(|leaf| leaf.tag == new.tag).collect();
        let agrees = match about.as_slice() {
            [] => was == new.yanked,
            [leaf] => was != new.yanked && leaf.yank() == new.yanked && leaf.archive == new.sha256,
            _ => false,
        };
        if !agrees {
            problems.push(format!(
                "{} would be {}, its statements for the log say {}",
                new.tag,
                shown(new.yanked.as_ref()),
                match about.as_slice() {
                    [] => "nothing of it".to_owned(),
                    [leaf] => leaf.line(),
                    many => format!("{} things", many.len()),
                }
            ));
        }
    }
    for leaf in said {
        if state::find(after, &leaf.tag).is_err() {
            problems.push(format!(
                "it has a yank of {}, which is no release",
                leaf.tag
            ));
        }
    }
    Ok(problems)
}

fn shown(yank: Option<&Yank>) -> String {
    yank.map_or("not yanked".into(), Yank::to_string)
}

/// A yank leaf whose signature and inclusion were verified.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// `withdrawn`, `dangerous` or `none`.
    pub level: String,
    /// In words.
    pub reason: String,
    /// When it was decided, by the proposer's clock.
    #[serde(with = "crate::trust::time")]
    pub time: Timestamp,
    /// Who signed it.
    pub who: String,
    /// Its place in the log.
    pub log_index: u64,
}

/// All that the log's proofs beside a release say of its yanks, oldest first.
///
/// # Errors
/// A proof that is damaged or about something else; a last leaf that says another thing than the
/// release's target.
pub fn recorded(
    store: &dyn Reader,
    policy: &ReleasePolicy,
    released: &Released,
) -> Result<Vec<Recorded>> {
    let mut found = Vec::new();
    let mut last = None;
    for n in 1..=MAX_YANKS {
        let path = proof_path(&released.tag, n);
        let check = |proof: &TlogProof| {
            Ok(Checked {
                value: one(proof, policy, released)?,
                whole: true,
                since: None,
            })
        };
        let mut read = |path: &str| store.read(path, MAX_TLOG_PROOF_LEN);
        let proved = best(&path, &mut read, &check).map_err(|e| e.under(path))?;
        let Some(((leaf, one), _)) = proved else {
            break;
        };
        last = leaf.yank();
        found.push(one);
    }
    if last != released.yanked {
        return Err(Error::refused(format!(
            "{} is {} in targets.json, {} by the log",
            released.tag,
            shown(released.yanked.as_ref()),
            shown(last.as_ref())
        )));
    }
    Ok(found)
}

fn one(
    proof: &TlogProof,
    policy: &ReleasePolicy,
    released: &Released,
) -> Result<(YankLeaf, Recorded)> {
    let entry = proof.unverified_extra().to_vec();
    let included = proof.verify(&entry, policy.log_keys(), policy.log_origin())?;
    let (leaf, signers) = signed_leaf(&entry, policy)?;
    match leaf {
        Leaf::Yank(leaf) if leaf.tag == released.tag && leaf.archive == released.sha256 => {
            let recorded = Recorded {
                level: leaf.level.clone(),
                reason: leaf.reason.clone(),
                time: leaf.time,
                who: policy.people(&signers),
                log_index: included.index(),
            };
            Ok((leaf, recorded))
        }
        _ => Err(Error::refused(format!(
            "is not about a yank of {}",
            released.tag
        ))),
    }
}

/// Where a release's target and the yank leaves of the whole log disagree; `leaves` in the log's order.
pub fn disagreement(released: &Released, leaves: &[YankLeaf]) -> Option<String> {
    let strange = leaves.iter().find(|leaf| leaf.archive != released.sha256);
    if let Some(leaf) = strange {
        return Some(format!(
            "a yank in the log is about sha256 {}, the release has {}",
            leaf.archive, released.sha256
        ));
    }
    let last = leaves.last().and_then(YankLeaf::yank);
    (last != released.yanked).then(|| {
        format!(
            "is {} in targets.json, {} by the log",
            shown(released.yanked.as_ref()),
            shown(last.as_ref())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ceremony::FilesInMemory;

    #[test]
    fn yanks_are_counted_without_gaps() {
        let files = [(proof_path("v1.0.0", 1), Vec::new())];
        let store = FilesInMemory::new(files.into_iter());
        let fine = |path: &str| check_number(&store, path).is_ok();
        assert!(fine("v1.0.0/yank-2.tlog-proof") && fine("v2.0.0/yank-1.tlog-proof"));
        assert!(fine("v1.0.0/announcement-mainnet-9.tlog-proof"));
        for strange in ["1", "3", "0", "02", "x", "99999999999999999999"] {
            assert!(
                !fine(&format!("v1.0.0/yank-{strange}.tlog-proof")),
                "{strange}"
            );
        }
        assert!(!fine("v1.0.0/yank-2"));
    }

    #[test]
    fn a_reason_is_short_and_visible() {
        assert!(check_words("dangerous", "loses coins").is_ok());
        assert!(check_words("dangerous", &"é".repeat(MAX_REASON_LEN)).is_ok());
        for bad in ["", "  ", "two\nlines", "\u{202e}turned", "\u{1b}[2J"] {
            assert!(check_words("dangerous", bad).is_err(), "{bad:?}");
        }
        assert!(check_words("dangerous", &"x".repeat(MAX_REASON_LEN + 1)).is_err());
        assert!(check_words("bad", "loses coins").is_err());
    }
}
