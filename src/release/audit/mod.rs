//! The whole history of a store, replayed: log, leaves, every metadata version, every release, and
//! whatever nobody signed for. Pure: the store comes in through its trait.

mod environments;
pub(in crate::release) mod replay;
mod strays;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::attestations::in_history;
use super::leaf::{AttestationKind, Leaf, ReleaseLeaf, YankLeaf};
use super::report::{Outcome, Problem, Report};
use super::state::{self, Released};
use super::verify::{Scratch, SeenNothing, Subject, Unpacking, Verifier};
use super::view::View;
use super::yank;
use crate::hash::Sha256;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::trust::state::{Clock, Expiry};
use crate::{Error, Result};

/// One line of the history.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Index of the log entry.
    pub index: u64,
    /// When it was signed, by the signer's clock.
    #[serde(with = "crate::trust::time")]
    pub time: Timestamp,
    /// `release`, `metadata`, `yank`, or the predicate type of a leaf that is not known.
    pub kind: String,
    /// What it is about.
    pub what: String,
    /// Whose key signed it.
    pub who: String,
}

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Audit {
    /// The history in the log's order.
    pub history: Vec<Event>,
    /// All checks.
    pub report: Report,
}

/// With what a store is audited.
pub struct Auditor<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// The trust root.
    pub root: &'a [u8],
    /// Where archives are fetched to.
    pub scratch: &'a dyn Scratch,
    /// Now; only tells what has expired.
    pub now: Timestamp,
    /// Threads to unpack with.
    pub threads: usize,
}

/// What the log says, once it was replayed.
#[derive(Default)]
struct Logged {
    releases: BTreeMap<String, Vec<ReleaseLeaf>>,
    metadata: BTreeMap<String, BTreeSet<Sha256>>,
    yanks: BTreeMap<String, Vec<YankLeaf>>,
    /// How many of each kind a release has.
    attestations: BTreeMap<(String, AttestationKind), u64>,
}

impl Auditor<'_> {
    /// Replays everything; `on_release` is told of each release before it is checked.
    ///
    /// # Errors
    /// Only where nothing at all can be said: no metadata that verifies. All else is in the report.
    pub fn run(&self, on_release: &mut dyn FnMut(&str)) -> Result<Audit> {
        let fetch = StoreMetadata(self.store);
        let cache = Memory::new();
        let mut view = View::open(self.store, &fetch, &cache, self.root, self.now)?;
        let mut audit = Audit::default();
        let late = view.expiries(self.now);
        let r = &view.refreshed;
        let detail = format!(
            "root {}, timestamp {}, snapshot {}, targets {}",
            r.root().version,
            r.timestamp().version,
            r.snapshot().version,
            r.targets().version
        );
        audit.report.enter("metadata", Ok(((), detail)));
        audit.report.warnings.extend(late);

        let logged = self.log(&view, &mut audit);
        if let Some(logged) = &logged {
            let found = versions::check(self.store, &mut view, &logged.metadata);
            audit.report.enter("versions", found);
        } else {
            audit
                .report
                .skip("versions", "the log could not be replayed");
        }
        let (released, malformed) = state::released(view.refreshed.targets());
        let problems = malformed
            .iter()
            .map(|e| Problem::new("targets.json", e.to_string()));
        let mut problems: Vec<Problem> = problems.collect();
        if let Some(logged) = &logged {
            problems.extend(one_leaf_each(&released, logged));
            problems.extend(self.yanks(&view, &released, logged));
            problems.extend(self.attestations(&view, &released, logged));
        }
        for release in &released {
            on_release(&release.tag);
            problems.extend(self.release(&release.tag));
        }
        let detail = format!("{} releases, every byte of them", released.len());
        audit.report.enter("releases", whole(problems, detail));
        let mut currents = BTreeSet::new();
        let found = environments::check(self.store, &mut view, &mut currents);
        audit.report.enter("environments", found);
        let found = strays::check(self.store, &view, &released, &currents);
        audit.report.enter("strays", found);
        Ok(audit)
    }

    fn log(&self, view: &View, audit: &mut Audit) -> Option<Logged> {
        let replay::Replayed { entries, problems } = match replay::entries(view, self.store) {
            Ok(replayed) => replayed,
            Err(problems) => {
                audit.report.enter::<()>("log", Err(problems));
                audit.report.skip("leaves", "the log could not be replayed");
                return None;
            }
        };
        let witnessed = match &view.witnessed {
            None => "no witnesses asked for".to_owned(),
            Some(w) => w.to_string(),
        };
        let detail = format!(
            "{} entries lead to the root that {} signed, {witnessed}",
            entries.len(),
            view.policy.log_origin()
        );
        audit.report.enter("log", whole(problems, detail));
        let mut problems = Vec::new();
        let mut logged = Logged::default();
        for (index, entry) in (0u64..).zip(&entries) {
            match replay::event(index, entry, &view.policy) {
                Ok((event, leaf)) => {
                    logged.note(leaf);
                    audit.history.push(event);
                }
                Err(e) => problems.push(Problem::new(format!("log entry {index}"), e.to_string())),
            }
        }
        let unknown = audit
            .history
            .iter()
            .filter(|e| e.kind.starts_with("unknown"))
            .count();
        if unknown > 0 {
            let warning =
                format!("{unknown} log entries are of types that this version does not know");
            audit.report.warnings.push(warning);
        }
        let detail = format!(
            "{} entries, each signed by a key of its purpose",
            entries.len()
        );
        audit.report.enter("leaves", whole(problems, detail));
        Some(logged)
    }

    /// What the targets say of yanks is what the log said last; each yank in the log is of a release
    /// and proved beside it.
    fn yanks(&self, view: &View, released: &[Released], logged: &Logged) -> Vec<Problem> {
        let mut problems = Vec::new();
        for release in released {
            let leaves = logged.yanks.get(&release.tag);
            let leaves = leaves.map_or(&[][..], Vec::as_slice);
            let proved = match yank::disagreement(release, leaves) {
                Some(message) => Err(Error::refused(message)),
                None => yank::recorded(self.store, &view.policy, release),
            };
            let message = match proved {
                Ok(proved) if proved.len() == leaves.len() => continue,
                Ok(proved) => format!(
                    "has {} yanks in the log, {} are proved beside it",
                    leaves.len(),
                    proved.len()
                ),
                Err(e) => e.to_string(),
            };
            problems.push(Problem::new(&release.tag, message));
        }
        let strange = logged.yanks.keys();
        let strange = strange.filter(|tag| !released.iter().any(|r| r.tag == **tag));
        problems
            .extend(strange.map(|tag| Problem::new(tag, "is yanked in the log and no release")));
        problems
    }

    /// Every attestation that the log has lies beside its release, and no other.
    fn attestations(&self, view: &View, released: &[Released], logged: &Logged) -> Vec<Problem> {
        let mut problems = Vec::new();
        for release in released {
            let tag = &release.tag;
            let found = in_history(self.store, &view.history, &view.policy, tag);
            let (offered, _) = match found {
                Ok(found) => found,
                Err(e) => {
                    problems.push(Problem::new(tag, e.to_string()));
                    continue;
                }
            };
            for kind in AttestationKind::ALL {
                let in_log = logged.attestations.get(&(tag.clone(), kind));
                let in_log = in_log.copied().unwrap_or_default();
                let of_kind = offered.iter().filter(|one| one.kind() == Some(kind));
                let beside = of_kind.count() as u64;
                if beside != in_log {
                    problems.push(Problem::new(
                        tag,
                        format!(
                            "has {in_log} of kind {kind} in the log, {beside} are proved beside it"
                        ),
                    ));
                }
            }
        }
        problems
    }

    /// Everything that `verify` would say of a release.
    fn release(&self, tag: &str) -> Vec<Problem> {
        let verdict = Verifier {
            store: self.store,
            trusted_root: Some(self.root),
            cache: &Memory::new(),
            seen: &SeenNothing(None),
            scratch: self.scratch,
            clock: Clock {
                now: self.now,
                expiry: Expiry::Report,
            },
            threads: self.threads,
            stop_at_first: false,
        }
        .run(
            &Subject {
                tag,
                environment: super::verify::LOCAL,
                release: self.store,
                archive: &|released: &Released| self.store.open(&released.archive_path()),
                unpacking: Unpacking::Directory,
            },
            None,
        );
        let found = verdict.report.problems();
        let mut problems: Vec<Problem> = found
            .filter(|(check, _)| *check != "status")
            .map(|(_, p)| match p.subject.starts_with(tag) {
                true => p.clone(),
                false => Problem::new(format!("{tag}: {}", p.subject), p.message.clone()),
            })
            .collect();
        let skipped = verdict
            .report
            .checks
            .iter()
            .filter(|c| c.outcome == Outcome::Skipped);
        problems.extend(skipped.map(|c| {
            Problem::new(
                tag,
                format!("check {} could not be made: {}", c.name, c.detail),
            )
        }));
        problems
    }
}

impl Logged {
    fn note(&mut self, leaf: Leaf) {
        match leaf {
            Leaf::Release(leaf) => self
                .releases
                .entry(leaf.tag.clone())
                .or_default()
                .push(leaf),
            Leaf::Metadata(leaf) => {
                for (name, digest) in leaf.files {
                    self.metadata.entry(name).or_default().insert(digest);
                }
            }
            Leaf::Yank(leaf) => self.yanks.entry(leaf.tag.clone()).or_default().push(leaf),
            Leaf::Attestation(leaf) => {
                *self.attestations.entry((leaf.tag, leaf.kind)).or_default() += 1;
            }
            Leaf::Announcement(_) | Leaf::Override(_) | Leaf::Unknown { .. } => {}
        }
    }
}

/// The log and the metadata must tell of the same releases, each once.
fn one_leaf_each(released: &[Released], logged: &Logged) -> Vec<Problem> {
    let mut problems = Vec::new();
    for release in released {
        match logged.releases.get(&release.tag).map(Vec::as_slice) {
            Some([_]) => {}
            Some(leaves) => problems.push(Problem::new(
                &release.tag,
                format!("is in the log {} times, wanted once", leaves.len()),
            )),
            None => problems.push(Problem::new(
                &release.tag,
                "is in targets.json and not in the log",
            )),
        }
    }
    for tag in logged.releases.keys() {
        if !released.iter().any(|r| r.tag == *tag) {
            problems.push(Problem::new(tag, "is in the log and not in targets.json"));
        }
    }
    problems
}

fn whole(problems: Vec<Problem>, detail: String) -> Result<((), String), Vec<Problem>> {
    match problems.is_empty() {
        true => Ok(((), detail)),
        false => Err(problems),
    }
}

/// Problems from an error about `subject`.
fn problem(subject: impl Into<String>, error: &Error) -> Vec<Problem> {
    vec![Problem::new(subject, error.to_string())]
}
