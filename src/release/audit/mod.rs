//! The whole history of a store, replayed: log, leaves, every metadata version, every release, and
//! whatever nobody signed for. Everything is judged by what held when it happened. Pure: the store comes
//! in through its trait.

pub mod against;
mod at;
pub mod crew;
mod environments;
mod eras;
mod halts;
mod judge;
mod logged;
mod prefix;
mod records;
mod releases;
pub(in crate::release) mod replay;
pub mod split_view;
mod strays;
mod then;
mod versions;
mod walk;

#[cfg(test)]
mod tests;

use std::io::Read;

use jiff::Timestamp;
use serde::Serialize;

use self::against::{Compared, Other};
use self::at::{AsOf, Size};
use self::eras::Eras;
use self::judge::Judge;
use self::logged::Logged;
use self::prefix::Prefixes;
use self::releases::Releases;
use self::split_view::SplitView;
use self::then::Then;
use self::versions::{Look, Versions};
use self::walk::{Walk, Walked};
use super::report::{Problem, Report};
use super::state::Released;
use super::verify::Scratch;
use super::view::View;
use crate::log::{TileHashes, TreeHead};
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
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
    /// Whether it would count today as well.
    pub counts: bool,
}

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The last lines of the history, in the log's order.
    pub history: Vec<Event>,
    /// Entries that were judged.
    pub entries: u64,
    /// Where it began: entries before this one were only shown to be there still.
    pub since: u64,
    /// All checks.
    pub report: Report,
    /// What nobody can judge any more. Never a pass, and nothing that anybody did wrong.
    pub notes: Vec<String>,
    /// What was looked at, by check.
    pub cases: Vec<(&'static str, String)>,
    /// The store as it was, where that was asked.
    pub as_of: Option<AsOf>,
    /// How what others have seen compares.
    pub compared: Vec<Compared>,
    /// Two heads that the log has signed and that cannot both be true.
    pub split_view: Option<SplitView>,
    /// The signed checkpoint that it ended at.
    pub checkpoint: String,
}

/// How far an audit is.
pub enum Told<'a> {
    /// Entries of the log that were judged, of how many.
    Entries(u64, u64),
    /// A release is being checked.
    Release(&'a str),
}

/// Wraps an archive that is about to be read.
pub type Counted<'a> = dyn Fn(Box<dyn Read + Send>) -> Box<dyn Read + Send> + 'a;

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
    /// Threads to read, verify and unpack with.
    pub threads: usize,
    /// The store as it was then, and no later.
    pub at: Option<Timestamp>,
    /// Only what came after this signed checkpoint.
    pub since: Option<&'a Other>,
    /// What others have seen.
    pub against: &'a [Other],
    /// Lines of history that are kept.
    pub history: usize,
    /// Sees every archive as it is read.
    pub counted: &'a Counted<'a>,
}

impl Auditor<'_> {
    /// Replays everything; `tell` is told how far it is.
    ///
    /// # Errors
    /// Only where nothing at all can be said: no metadata that verifies. All else is in the report.
    pub fn run(&self, tell: &mut dyn FnMut(Told)) -> Result<Audit> {
        let fetch = StoreMetadata(self.store);
        let cache = Memory::new();
        let mut view = View::open(self.store, &fetch, &cache, self.root, self.now)?;
        let mut audit = Audit {
            checkpoint: view.history.checkpoint.note().to_string(),
            ..Audit::default()
        };
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

        let (eras, wrong) = Eras::load(self.store, &view);
        let head = *view.history.checkpoint.head();
        let tiles = view.history.tiles();
        let prefixes = TileHashes::open(&tiles, &head).map(Prefixes::new);
        let prefixes = match prefixes {
            Ok(prefixes) => prefixes,
            Err(e) => {
                // Where the tiles lead elsewhere, the entries say what is wrong with which.
                let walked = self.walk(head, 0).run(|_, _| (), |_, ()| ());
                let mut problems = problem("log", &e);
                problems.extend(walked.problems);
                audit.report.enter::<()>("log", Err(problems));
                for name in LATER {
                    audit.report.skip(name, DAMAGED);
                }
                return Ok(audit);
            }
        };
        self.compare(&view, (&eras, &prefixes), &mut audit);
        self.replay(&mut view, (eras, wrong), &prefixes, &mut audit, tell);
        Ok(audit)
    }

    fn walk(&self, head: TreeHead, since: u64) -> Walk<'_> {
        Walk {
            store: self.store,
            head,
            since,
            threads: self.threads,
        }
    }

    /// What others have seen, and the checkpoint that this audit goes on from.
    fn compare(&self, view: &View, known: (&Eras, &Prefixes), audit: &mut Audit) {
        let place = self.store.location();
        let here = (&view.history.checkpoint, place.as_str());
        if let Some(since) = self.since {
            let (compared, split) = against::compare(here, known, since);
            let result = match (compared.verdict, compared.entries) {
                ("equal" | "older", Some(entries)) => {
                    audit.since = entries;
                    let detail = format!(
                        "the log goes on from {entries} entries, which were not looked at again"
                    );
                    Ok(((), detail))
                }
                _ => Err(vec![Problem::new(&compared.place, &compared.detail)]),
            };
            audit.split_view = audit.split_view.take().or(split);
            audit.report.enter("since", result);
            audit.cases.push(("since", compared.place));
        }
        if self.against.is_empty() {
            return;
        }
        let mut problems = Vec::new();
        for other in self.against {
            let (compared, split) = against::compare(here, known, other);
            problems.extend(compared.problem());
            if compared.verdict == "newer" {
                let warning = format!("{}: {}", compared.place, compared.detail);
                audit.report.warnings.push(warning);
            }
            audit.cases.push(("against", compared.place.clone()));
            audit.split_view = audit.split_view.take().or(split);
            audit.compared.push(compared);
        }
        let detail = format!("{} others have the same history", self.against.len());
        audit.report.enter("against", whole(problems, detail));
    }

    fn replay(
        &self,
        view: &mut View,
        (mut eras, wrong): (Eras, Vec<Problem>),
        prefixes: &Prefixes,
        audit: &mut Audit,
        tell: &mut dyn FnMut(Told),
    ) {
        let head = *prefixes.hashes().head();
        let mut size = Size {
            entries: head.size,
            witnessed: None,
        };
        if let Some(time) = self.at {
            match at::size(self.store, head, self.threads, (&eras, prefixes), time) {
                Ok(found) => size = found,
                Err(problems) => {
                    audit.report.enter::<()>("log", Err(problems));
                    for name in LATER {
                        audit
                            .report
                            .skip(name, "the store as it was cannot be told");
                    }
                    return;
                }
            }
        }
        if audit.since > 0
            && let Err(e) = eras.resume(self.store, audit.since)
        {
            let note = format!(
                "all entries were read, since it cannot be told which policy was in force at entry {}: {e}",
                audit.since
            );
            audit.notes.push(note);
            audit.since = 0;
        }
        let keys = eras.keys();
        let range = (audit.since, size.entries);
        let mut judge = Judge::new(&keys, eras, range, self.history);
        let total = head.size - audit.since;
        let walked = self.walk(head, audit.since).run(
            |_, entry| judge::claim(entry, &keys),
            |index, claim| {
                judge.take(index, claim);
                tell(Told::Entries(index + 1 - range.0, total));
            },
        );
        let is_whole = walked.whole;
        self.log(view, walked, audit);
        if !is_whole {
            for name in LATER {
                audit.report.skip(name, DAMAGED);
            }
            return;
        }
        let (warnings, notes) = judge.said();
        audit.report.warnings.extend(warnings);
        audit.notes.extend(notes);
        audit.entries = judge.seen;
        let detail = format!(
            "{} entries, each signed by a key of its purpose when it was logged",
            judge.seen
        );
        audit.cases.push(("leaves", "entries".into()));
        audit.report.enter("leaves", whole(judge.problems, detail));
        audit.history = judge.history.into();
        let look = Look {
            store: self.store,
            logged: &judge.logged,
            eras: &judge.eras,
            prefixes,
            upto: size.entries,
        };
        self.rest(view, &look, (wrong, size), audit, tell);
    }

    fn log(&self, view: &View, walked: Walked, audit: &mut Audit) {
        let witnessed = match &view.witnessed {
            None => "no witnesses asked for".to_owned(),
            Some(w) => w.to_string(),
        };
        let size = view.history.checkpoint.head().size;
        let which = match audit.since {
            0 => format!("{size} entries lead"),
            since => format!("{} entries after the first {since} lead", size - since),
        };
        let origin = view.policy.log_origin();
        let detail = format!("{which} to the root that {origin} signed, {witnessed}");
        audit.cases.push(("log", "log".into()));
        audit.report.enter("log", whole(walked.problems, detail));
    }

    /// What the leaves lead to.
    fn rest(
        &self,
        view: &mut View,
        look: &Look,
        (mut problems, size): (Vec<Problem>, Size),
        audit: &mut Audit,
        tell: &mut dyn FnMut(Told),
    ) {
        let (versions, more) = versions::check(view, look);
        problems.extend(more);
        let detail = format!(
            "{} metadata files, each signed by who could then, each logged and proved that must be",
            versions.files
        );
        let roles = ["root", "targets", "snapshot"].map(str::to_owned);
        let roles = roles.into_iter().chain(versions.roles.keys().cloned());
        audit.cases.extend(roles.map(|role| ("versions", role)));
        audit.report.enter("versions", whole(problems, detail));

        let then = Then::new(self.store, look.upto);
        let released = at::released(self.store, &versions, look.upto);
        let released = match released {
            Ok(released) => released,
            Err(e) => {
                audit
                    .report
                    .enter::<()>("releases", Err(problem("targets.json", &e)));
                return audit.report.skip("environments", "targets cannot be read");
            }
        };
        self.releases(view, look, (&versions, &released, &then), audit, tell);
        let mut found = environments::check(self.store, view, look, &versions);
        let halts = halts::check(self.store, look, &versions);
        found.problems.extend(halts.problems);
        found.notes.extend(halts.notes);
        found.files.extend(halts.files);
        let mut moves: Vec<String> = found
            .moves
            .iter()
            .map(|(name, moves)| format!("{name} moved {moves} times"))
            .collect();
        if halts.count > 0 {
            moves.push(format!("{} halts", halts.count));
        }
        let names = found.moves.keys().cloned();
        audit.cases.extend(names.map(|name| ("environments", name)));
        audit.report.warnings.extend(found.warnings);
        audit.notes.extend(found.notes);
        let environments = whole(found.problems, moves.join(", "));
        audit.report.enter("environments", environments);
        if let Some(time) = self.at {
            let known = (look.eras, &versions);
            match at::as_of(self.store, known, size, time, &found.runs) {
                Ok(as_of) => audit.as_of = Some(as_of),
                Err(e) => audit
                    .notes
                    .push(format!("not all that held then can be told: {e}")),
            }
            audit.notes.push(UNTOLD.into());
            return;
        }
        audit.cases.push(("strays", "objects".into()));
        let all: Vec<Released> = super::state::released(view.refreshed.targets()).0;
        let files = (&found.files, &records::names(look.logged));
        let strays = strays::check(self.store, view, &all, files, audit.since == 0);
        audit.report.enter("strays", strays);
    }

    fn releases(
        &self,
        view: &View,
        look: &Look,
        (versions, released, then): (&Versions, &[Released], &Then),
        audit: &mut Audit,
        tell: &mut dyn FnMut(Told),
    ) {
        let logged: &Logged = look.logged;
        let malformed = super::state::released(view.refreshed.targets()).1;
        let mut problems: Vec<Problem> = malformed
            .iter()
            .map(|e| Problem::new("targets.json", e.to_string()))
            .collect();
        let old = |release: &Released| {
            let listed = versions.listed.get(&release.tag);
            listed.is_some_and(|listed| listed.index < logged.since)
        };
        problems.extend(logged.one_leaf_each(released, &old));
        let lookers = Releases {
            auditor: self,
            store: then,
            view,
            look,
            versions,
        };
        problems.extend(lookers.yanks(released));
        problems.extend(lookers.attestations(released));
        problems.extend(records::check(self.store, look, released));
        let mut found = releases::Found::default();
        for release in released {
            let leaves = logged.releases.get(&release.tag).map(Vec::as_slice);
            if let Some([(index, leaf), ..]) = leaves {
                tell(Told::Release(&release.tag));
                audit.cases.push(("releases", release.tag.clone()));
                lookers.check(release, (*index, leaf), &mut found);
            }
        }
        problems.extend(found.problems);
        audit.report.warnings.extend(found.warnings);
        audit.notes.extend(found.notes);
        let detail = match audit.since {
            0 => format!("{} releases, every byte of them", found.checked),
            _ => format!("{} new releases, every byte of them", found.checked),
        };
        audit.report.enter("releases", whole(problems, detail));
    }
}

/// The checks that need a log which is whole.
const LATER: [&str; 5] = ["leaves", "versions", "releases", "environments", "strays"];
/// What no store keeps of a time gone by.
const UNTOLD: &str = "which timestamp was published then, and what lay in the store besides, is in no log and cannot be told";
/// Why they were not made.
const DAMAGED: &str = "the log could not be replayed";

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
