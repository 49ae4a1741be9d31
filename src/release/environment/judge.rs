//! The rules themselves, over facts that were verified before. Gives every breach. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::current::Current;
use super::evidence::Known;
use super::rule::{Breach, Rule, check_reason};
use crate::release::attestations::Unmet;
use crate::release::leaf::{AnnouncementLeaf, OverrideLeaf};
use crate::release::state::{self, Released};
use crate::release::tag::Tag;
use crate::release::verify::wants;
use crate::trust::policy::Environment;
use crate::trust::schema::Targets;

/// The times that rules are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For soak and notice: a node's is the newest witnessed one; whoever proposes, signs or publishes
    /// takes the clock. None where nobody could tell.
    pub waits: Option<Timestamp>,
    /// For `not_before`, by the clock of the node; none where nothing is being installed.
    pub install: Option<Timestamp>,
}

/// An override as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What it says.
    pub leaf: OverrideLeaf,
}

/// Everything that the rules look at.
pub struct Facts<'a> {
    /// The environment, as policy has it.
    pub environment: &'a Environment,
    /// The environment that releases come from; none for the first.
    pub before: Option<&'a Environment>,
    /// Top-level targets.
    pub targets: &'a Targets,
    /// What they say of the release; none where they do not list it.
    pub released: Option<&'a Released>,
    /// The document.
    pub current: &'a Current,
    /// What ran before.
    pub previous: Option<&'a Known>,
    /// Where the release ran before, as the document says.
    pub origin: Option<&'a Known>,
    /// What took its place there, where something did.
    pub ended: Option<&'a Known>,
    /// The announcement, and by when it was in the log.
    pub announced: Option<(&'a AnnouncementLeaf, Option<Timestamp>)>,
    /// The override.
    pub overridden: Option<&'a Override>,
    /// What the environment wants of its releases and nobody has given.
    pub unmet: &'a [Unmet],
    /// The times.
    pub times: Times,
}

impl Facts<'_> {
    /// Every breach that is not set aside.
    pub fn judge(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        self.agreement(&mut breaches);
        self.origin(&mut breaches);
        self.waits(&mut breaches);
        self.notice(&mut breaches);
        self.order(&mut breaches);
        self.status(&mut breaches);
        let set_aside = self.set_aside();
        breaches.retain(|b| !(b.rule.can_be_set_aside() && set_aside.contains(&b.rule)));
        breaches
    }

    /// The rules that the override sets aside.
    fn set_aside(&self) -> BTreeSet<Rule> {
        let rules = self.overridden.map(|o| o.leaf.sets_aside.clone());
        rules.unwrap_or_default().into_iter().collect()
    }

    /// Whether the release comes back to where it ran before.
    fn returns(&self) -> bool {
        let here = &self.environment.name;
        self.origin
            .is_some_and(|origin| origin.current.environment == *here)
    }

    fn agreement(&self, out: &mut Vec<Breach>) {
        let (current, mut bad) = (self.current, Vec::new());
        match self.released {
            None => bad.push(format!("targets does not list {}", current.tag)),
            Some(released) => {
                let (listed, named) = (released.sha256, current.archive.sha256);
                if listed != named || released.length != current.archive.length {
                    bad.push(format!(
                        "{} is {} bytes with sha256 {named} here, targets lists {} bytes with sha256 {listed}",
                        current.tag, current.archive.length, released.length
                    ));
                }
            }
        }
        if let Some(over) = self.overridden {
            let leaf = &over.leaf;
            let name = &self.environment.name;
            let same = leaf.tag == current.tag
                && leaf.archive == current.archive.sha256
                && leaf.environment == *name
                && leaf.version == current.version;
            if !same {
                bad.push(format!(
                    "the override is for {} and version {} of {}, wanted {} and version {} of {name}",
                    leaf.tag, leaf.version, leaf.environment, current.tag, current.version
                ));
            }
        }
        out.extend(bad.into_iter().map(|m| Breach::new(Rule::Agreement, m)));
    }

    /// It ran in the environment before this one, or in this one.
    fn origin(&self, out: &mut Vec<Breach>) {
        let (tag, here) = (&self.current.tag, &self.environment.name);
        if self.returns() {
            let reason = self.current.reason.as_deref().unwrap_or_default();
            if let Err(e) = check_reason(reason) {
                let message = format!("{here} goes back to {tag}: {e}");
                out.push(Breach::new(Rule::Reason, message));
            }
        }
        let wanted = match (&self.before, self.origin) {
            (_, Some(_)) if self.returns() => here,
            (None, None) => return,
            (None, Some(origin)) => {
                let found = &origin.current.environment;
                let message = format!("{here} is the first environment, {tag} comes from {found}");
                return out.push(Breach::new(Rule::Agreement, message));
            }
            (Some(before), _) => &before.name,
        };
        let skipped = match self.origin {
            None => format!("{tag} never ran in {wanted}, which comes before {here}"),
            Some(origin) if origin.current.environment != *wanted => format!(
                "{tag} comes from {}, wanted {wanted}, which comes before {here}",
                origin.current.environment
            ),
            Some(origin)
                if origin.current.tag != *tag || origin.current.archive != self.current.archive =>
            {
                format!(
                    "{wanted} version {} was {} with sha256 {}, not {tag} with sha256 {}",
                    origin.current.version,
                    origin.current.tag,
                    origin.current.archive.sha256,
                    self.current.archive.sha256
                )
            }
            Some(_) => return,
        };
        out.push(Breach::new(Rule::Skipped, skipped));
    }

    /// Soak: in the environment before; in the first one, the phase before.
    fn waits(&self, out: &mut Vec<Breach>) {
        let hours = self.environment.soak_hours;
        if hours == 0 || self.returns() {
            return;
        }
        let (ran, ended) = match &self.before {
            Some(_) => (self.origin, self.ended.map(|ended| ended.since)),
            // Where there is no environment before, phases soak here, one after the other.
            None => match (self.phases(), self.previous) {
                ((Some(before), Some(now)), Some(previous)) if now > before => {
                    (Some(previous), None)
                }
                _ => return,
            },
        };
        let Some(ran) = ran else { return };
        let place = &ran.current.environment;
        let tag = &ran.current.tag;
        let until = ended.unwrap_or(self.times.waits);
        let message = match ran.since.zip(until) {
            None => format!("nobody can tell how long {tag} ran in {place}, wanted {hours} hours"),
            Some((since, until)) => match span(hours).and_then(|s| since.checked_add(s).ok()) {
                Some(over) if over <= until => return,
                Some(_) if ended.is_some() => format!(
                    "{tag} ran in {place} from {since} until {until} only, wanted {hours} hours"
                ),
                over => format!(
                    "{tag} runs in {place} since {since}, wanted {hours} hours, which are over at {}; it is {until}",
                    over.map_or("no time".into(), |t| t.to_string())
                ),
            },
        };
        out.push(Breach::new(Rule::Soak, message));
    }

    fn notice(&self, out: &mut Vec<Breach>) {
        let (here, tag) = (&self.environment.name, &self.current.tag);
        let hours = self.environment.notice_hours;
        let mut bad = |message: String| out.push(Breach::new(Rule::Notice, message));
        if let Some((leaf, _)) = self.announced {
            let about = leaf.tag == *tag
                && leaf.environment == *here
                && leaf.archive == self.current.archive.sha256;
            if !about {
                bad(format!(
                    "the announcement is of {} for {}, wanted {tag} for {here}",
                    leaf.tag, leaf.environment
                ));
            }
            if self.current.not_before.is_none_or(|from| from < leaf.at) {
                bad(format!(
                    "{tag} was announced for {}, and may be installed from {}",
                    leaf.at,
                    self.current
                        .not_before
                        .map_or("now".into(), |t| t.to_string())
                ));
            }
        }
        if hours > 0 && !self.returns() {
            match self.announced {
                None => bad(format!(
                    "{tag} was not announced to the operators of {here}, wanted {hours} hours before"
                )),
                Some((_, since)) => {
                    let begins = self.current.not_before.max(self.times.waits);
                    let over = since
                        .zip(span(hours))
                        .and_then(|(at, s)| at.checked_add(s).ok());
                    if over.zip(begins).is_none_or(|(over, begins)| begins < over) {
                        bad(format!(
                            "{tag} was announced at {}, wanted {hours} hours of notice, which are over at {}",
                            since.map_or("an unknown time".into(), |t| t.to_string()),
                            over.map_or("no time that anybody can tell".into(), |t| t.to_string())
                        ));
                    }
                }
            }
        }
        if let Some((now, from)) = self.times.install.zip(self.current.not_before)
            && now < from
        {
            let message = format!("{tag} may be installed in {here} from {from} on, it is {now}");
            out.push(Breach::new(Rule::NotBefore, message));
        }
    }

    /// The phase that ran before and the one of this release.
    fn phases(&self) -> (Option<u32>, Option<u32>) {
        let previous = self.previous.and_then(|p| phase(&p.current.tag));
        (previous, phase(&self.current.tag))
    }

    fn order(&self, out: &mut Vec<Breach>) {
        if self.returns() {
            return;
        }
        let (tag, here) = (&self.current.tag, &self.environment.name);
        let (before, now) = self.phases();
        let Some(now) = now else { return };
        let message = match (&self.previous, before) {
            (Some(previous), Some(before)) if now > before.saturating_add(1) => format!(
                "{tag} is of phase {now}, {here} runs {} of phase {before}, wanted phase {} or an earlier one",
                previous.current.tag,
                before.saturating_add(1)
            ),
            (Some(previous), Some(before)) if now < before => format!(
                "{tag} is of phase {now} and never ran in {here}, which runs {} of phase {before}",
                previous.current.tag
            ),
            (Some(_), _) => return,
            (None, _) => match self.first_phase() {
                Some(first) if now > first => format!(
                    "{tag} is of phase {now}, and {here} has run nothing yet, wanted a release of phase {first}"
                ),
                _ => return,
            },
        };
        out.push(Breach::new(Rule::Order, message));
    }

    /// The lowest phase of which there is a release that is not yanked.
    fn first_phase(&self) -> Option<u32> {
        let (released, _) = state::released(self.targets);
        let good = released.iter().filter(|r| r.yanked.is_none());
        good.filter_map(|r| phase(&r.tag)).min()
    }

    fn status(&self, out: &mut Vec<Breach>) {
        if let Some(yank) = self.released.and_then(|r| r.yanked.as_ref()) {
            let message = format!(
                "{} is yanked ({}): {}",
                self.current.tag, yank.level, yank.reason
            );
            out.push(Breach::new(Rule::Yanked, message));
        }
        let unmet = self.unmet.iter();
        out.extend(unmet.map(|unmet| Breach::new(Rule::Approvals, wants(unmet))));
    }
}

fn phase(tag: &str) -> Option<u32> {
    Tag::parse_any(tag).ok()?.phase()
}

/// Hours as a span; none where they are more than time has.
fn span(hours: u64) -> Option<SignedDuration> {
    let seconds = i64::try_from(hours).ok()?.checked_mul(3_600)?;
    Some(SignedDuration::from_secs(seconds))
}
