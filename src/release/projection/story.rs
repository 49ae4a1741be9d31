//! What the log tells, sorted by release and by environment. Only entries whose signature counts are in
//! it; of the others it has the numbers. Pure.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::Timestamp;

use crate::attest::Statement;
use crate::hash::Sha256;
use crate::log::TreeHead;
use crate::release::chronicle::{Halted, Move, Told, halts, moves, tell};
use crate::release::halt::Halt;
use crate::release::leaf::{AttestationKind, Leaf, OverrideLeaf, ReleaseLeaf, YankLeaf};
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::store::Reader;
use crate::{Kind, Result};

/// A release and what was said of it.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its log entry.
    pub index: u64,
    /// What that says.
    pub leaf: ReleaseLeaf,
    /// The tag, read.
    pub tag: Tag,
    /// Who built it.
    pub by: String,
    /// Gates, approvals, rebuilds and yanks, in the log's order.
    pub evidence: Vec<Evidence>,
    /// Why it must not be used: the last word on it.
    pub yanked: Option<(String, String)>,
    /// Environment to when it was first moved to it.
    pub ran: BTreeMap<String, Timestamp>,
}

/// Something that was said of a release.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its log entry.
    pub index: u64,
    /// When it was signed.
    pub time: Timestamp,
    /// `gate fmt`, `approval security`, `rebuild`, `yank`.
    pub what: String,
    /// Who signed it.
    pub by: String,
    /// What it says.
    pub says: String,
}

/// What a row of the deployment log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Operators were told.
    Announced,
    /// Rules were set aside.
    Overridden,
    /// An environment runs it from then on.
    Promoted,
    /// An environment went back to what it ran before.
    RolledBack,
    /// New installs of it are stopped.
    Halted,
    /// It must not be used any more, or may be again.
    Yanked,
    /// The publisher says that nodes were put back.
    PutBack,
    /// Nodes told what they did, in a batch whose digest is in the log.
    Receipts,
}

impl Event {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Event::Announced => "announced",
            Event::Overridden => "rules set aside",
            Event::Promoted => "promoted",
            Event::RolledBack => "rolled back",
            Event::Halted => "halted",
            Event::Yanked => "yank",
            Event::PutBack => "nodes put back",
            Event::Receipts => "receipts",
        }
    }
}

/// A row of the deployment log.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its log entry.
    pub index: u64,
    /// When it was signed.
    pub time: Timestamp,
    /// The environment; none where it is about all.
    pub environment: Option<String>,
    /// What happened.
    pub event: Event,
    /// The release; empty for receipts.
    pub tag: String,
    /// What the environment ran before.
    pub previous: Option<String>,
    /// Who.
    pub by: String,
    /// More about it.
    pub details: String,
}

/// What the log tells.
#[derive(Clone, Debug)]
pub struct Story {
    /// The log's origin.
    pub origin: String,
    /// The checkpoint.
    pub head: TreeHead,
    /// In the log's order.
    pub releases: Vec<Release>,
    /// In the log's order.
    pub deployments: Vec<Deployment>,
    /// Entries that are in no table, and why.
    pub left_out: Vec<(u64, String)>,
    halts: Vec<Halt>,
}

impl Story {
    /// Reads the whole log, and the documents by which environments were moved.
    ///
    /// # Errors
    /// As [`super::pages`].
    pub fn read(view: &View, store: &dyn Reader) -> Result<Self> {
        let mut story = Story {
            origin: view.policy.log_origin().to_owned(),
            head: *view.history.checkpoint.head(),
            releases: Vec::new(),
            deployments: Vec::new(),
            left_out: Vec::new(),
            halts: Vec::new(),
        };
        tell(view, &mut |told| {
            match (&told.leaf, &told.problem) {
                (Some(Leaf::Metadata(leaf)), None) => {
                    for moved in moves(store, &view.policy, leaf)? {
                        story.moved(told, leaf.time, moved);
                    }
                    match halts(store, &view.policy, leaf) {
                        Ok(all) => {
                            for halted in all {
                                story.halted(told, leaf.time, halted);
                            }
                        }
                        // It stays in the log, and stops nobody from reading the rest.
                        Err(e) if e.kind() == Kind::Refused => {
                            story.leave_out(told.index, "what it halts cannot be told");
                        }
                        Err(e) => return Err(e),
                    }
                }
                (Some(leaf), None) => story.enter(told, leaf),
                _ => story.leave_out(told.index, "its signature does not count"),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(story)
    }

    /// What each environment runs, by its last move.
    pub fn present(&self) -> Vec<&Deployment> {
        let mut last: BTreeMap<&str, &Deployment> = BTreeMap::new();
        for row in &self.deployments {
            if let (Some(environment), Event::Promoted | Event::RolledBack) =
                (&row.environment, row.event)
            {
                last.insert(environment, row);
            }
        }
        last.into_values().collect()
    }

    fn leave_out(&mut self, index: u64, why: &str) {
        self.left_out.push((index, why.to_owned()));
    }

    fn release(&mut self, tag: &str) -> Option<&mut Release> {
        self.releases.iter_mut().find(|r| r.leaf.tag == tag)
    }

    fn enter(&mut self, told: &Told, leaf: &Leaf) {
        let (index, by) = (told.index, told.people().join(", "));
        match leaf {
            Leaf::Release(leaf) => self.enter_release(index, by, leaf),
            Leaf::Yank(leaf) => self.yank(index, by, leaf),
            Leaf::Attestation(leaf) => {
                let evidence = Evidence {
                    index,
                    time: leaf.time,
                    what: match leaf.kind {
                        AttestationKind::Rebuild => leaf.kind.to_string(),
                        kind => format!("{kind} {}", leaf.what),
                    },
                    by,
                    says: said(leaf.kind, told.statement.as_ref()),
                };
                match self.release(&leaf.tag) {
                    Some(release) => release.evidence.push(evidence),
                    None => self.leave_out(index, "it is about no release before it"),
                }
            }
            Leaf::Announcement(leaf) => self.deployments.push(Deployment {
                index,
                time: leaf.time,
                environment: Some(leaf.environment.clone()),
                event: Event::Announced,
                tag: leaf.tag.clone(),
                previous: None,
                by,
                details: format!(
                    "window from {} for {} minutes, {} minutes down a node",
                    leaf.at, leaf.window_minutes, leaf.downtime_minutes
                ),
            }),
            Leaf::Override(leaf) => self.overridden(index, by, leaf),
            Leaf::Rollback(leaf) => self.deployments.push(Deployment {
                index,
                time: leaf.time,
                environment: Some(leaf.environment.clone()),
                event: Event::PutBack,
                tag: leaf.to.clone(),
                previous: Some(leaf.tag.clone()),
                by,
                details: leaf.reason.clone(),
            }),
            Leaf::Receipts(leaf) => self.deployments.push(Deployment {
                index,
                time: leaf.time,
                environment: Some(leaf.environment.clone()),
                event: Event::Receipts,
                tag: String::new(),
                previous: None,
                by,
                details: format!(
                    "{} from {} to {}, batch sha256 {}",
                    leaf.receipts, leaf.first, leaf.last, leaf.batch
                ),
            }),
            // The caller has read what it lists.
            Leaf::Metadata(_) => {}
            Leaf::Unknown { .. } => {
                self.leave_out(index, "its type is not known to this version");
            }
        }
    }

    fn enter_release(&mut self, index: u64, by: String, leaf: &ReleaseLeaf) {
        if self.release(&leaf.tag).is_some() {
            return self.leave_out(index, "its release is in the log before");
        }
        match Tag::parse_any(&leaf.tag) {
            Ok(tag) => self.releases.push(Release {
                index,
                leaf: leaf.clone(),
                tag,
                by,
                evidence: Vec::new(),
                yanked: None,
                ran: BTreeMap::new(),
            }),
            Err(_) => self.leave_out(index, "its tag is none of a release"),
        }
    }

    fn yank(&mut self, index: u64, by: String, leaf: &YankLeaf) {
        let yanked = leaf.yank();
        let says = match &yanked {
            Some(yank) => format!("{}: {}", yank.level, yank.reason),
            None => format!("taken back: {}", leaf.reason),
        };
        let Some(release) = self.release(&leaf.tag) else {
            return self.leave_out(index, "it is about no release before it");
        };
        release.yanked = yanked.map(|yank| (yank.level, yank.reason));
        release.evidence.push(Evidence {
            index,
            time: leaf.time,
            what: "yank".into(),
            by: by.clone(),
            says: says.clone(),
        });
        self.deployments.push(Deployment {
            index,
            time: leaf.time,
            environment: None,
            event: Event::Yanked,
            tag: leaf.tag.clone(),
            previous: None,
            by,
            details: says,
        });
    }

    fn overridden(&mut self, index: u64, by: String, leaf: &OverrideLeaf) {
        let rules: Vec<&str> = leaf.sets_aside.iter().map(|rule| rule.word()).collect();
        self.deployments.push(Deployment {
            index,
            time: leaf.time,
            environment: Some(leaf.environment.clone()),
            event: Event::Overridden,
            tag: leaf.tag.clone(),
            previous: None,
            by,
            details: format!(
                "{} for version {}: {}",
                rules.join(", "),
                leaf.version,
                leaf.reason
            ),
        });
    }

    fn halted(&mut self, told: &Told, time: Timestamp, halted: Halted) {
        let Halted { halt, people } = halted;
        // A role that is only signed anew lists the same halt.
        if self.halts.contains(&halt) {
            return;
        }
        self.deployments.push(Deployment {
            index: told.index,
            time,
            environment: Some(halt.environment.clone()),
            event: Event::Halted,
            tag: halt.tag.clone(),
            previous: None,
            by: people.join(", "),
            details: format!(
                "stops installs of version {}: {}",
                halt.version, halt.reason
            ),
        });
        self.halts.push(halt);
    }

    fn moved(&mut self, told: &Told, time: Timestamp, moved: Move) {
        let Move {
            environment,
            version,
            current,
            people,
        } = moved;
        let ran_before = self
            .releases
            .iter()
            .any(|r| r.leaf.tag == current.tag && r.ran.contains_key(&environment));
        let goes_on = current
            .previous
            .as_ref()
            .is_some_and(|p| p.tag == current.tag);
        if let Some(release) = self.release(&current.tag) {
            release.ran.entry(environment.clone()).or_insert(time);
        }
        let mut details = vec![format!("version {version}")];
        if let Some(at) = current.not_before {
            details.push(format!("not before {at}"));
        }
        let ended = self.halts.iter().any(|halt| {
            let step = current.previous.as_ref();
            halt.environment == environment && step.is_some_and(|p| p.version == halt.version)
        });
        if ended {
            details.push("ends a halt".into());
        }
        details.extend(current.reason);
        self.deployments.push(Deployment {
            index: told.index,
            time,
            environment: Some(environment),
            event: match ran_before && !goes_on {
                true => Event::RolledBack,
                false => Event::Promoted,
            },
            tag: current.tag,
            previous: current.previous.map(|step| step.tag),
            by: people.join(", "),
            details: details.join("; "),
        });
    }
}

/// What an attestation says, in a few words.
fn said(kind: AttestationKind, statement: Option<&Statement>) -> String {
    let text = |path: &[&str]| statement.and_then(|s| s.text(path)).unwrap_or_default();
    match kind {
        AttestationKind::Gate => text(&["result"]).to_owned(),
        AttestationKind::Approval => text(&["comment"]).to_owned(),
        AttestationKind::Rebuild => "the same bytes".into(),
    }
}

impl Release {
    /// The digest of its archive.
    pub fn archive(&self) -> Sha256 {
        self.leaf.archive
    }
}
