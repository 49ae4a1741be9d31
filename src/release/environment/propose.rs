//! Proposals to move an environment, and announcements of them: what is known of the release is looked
//! up here, and judged elsewhere. Pure.

use jiff::{SignedDuration, Timestamp};

use super::current::{Current, Origin, announcement_path, override_path, target_name};
use super::evidence::{Evidence, Known};
use super::rule::{Rule, check_reason};
use crate::limits::{MAX_ANNOUNCEMENTS, MAX_SEARCHED_VERSIONS};
use crate::release::ceremony::{Base, Kind, Proposal, RoleDraft, StatementDraft};
use crate::release::halt;
use crate::release::leaf::{AnnouncementLeaf, Leaf, OverrideLeaf};
use crate::release::publish::Publisher;
use crate::release::state;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::policy::{Environment, Purpose};
use crate::trust::schema::Targets;
use crate::{Error, Result};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Promote<'a> {
    /// The release.
    pub tag: &'a str,
    /// The environment that is to run it.
    pub environment: &'a str,
    /// From when on, if not from when it was announced for.
    pub not_before: Option<Timestamp>,
    /// Why.
    pub reason: Option<&'a str>,
    /// Rules that the environment's overriders are asked to set aside.
    pub set_aside: &'a [Rule],
}

/// An upgrade that is to be announced.
#[derive(Clone, Copy, Debug)]
pub struct Announce<'a> {
    /// The release.
    pub tag: &'a str,
    /// The environment that is to run it.
    pub environment: &'a str,
    /// When the maintenance window begins, if not as soon as notice allows.
    pub at: Option<Timestamp>,
    /// How long the window is, in minutes.
    pub window_minutes: u64,
    /// How long each node is expected to be down, in minutes.
    pub downtime_minutes: u64,
}

/// The environment called `name`.
fn environment<'a>(view: &'a View, name: &str) -> Result<&'a Environment> {
    view.policy.environment(name).ok_or_else(|| {
        Error::usage(format!(
            "policy has no environment {name:?}, wanted one of {}",
            view.policy.environment_names().join(", ")
        ))
    })
}

impl Promote<'_> {
    /// Proposes it. Rules are not looked at: [`super::breaches_of`] does.
    ///
    /// # Errors
    /// No such release or environment; it runs there already; a reason that is none.
    pub fn propose(&self, publisher: &Publisher, view: &mut View) -> Result<Proposal> {
        let (name, now) = (self.environment, publisher.now);
        environment(view, name)?;
        if let Some(reason) = self.reason {
            check_reason(reason)?;
        }
        let released = state::find(view.refreshed.targets(), self.tag)?;
        let present = view.refreshed.role(name)?;
        let halted = halt::present(&Base::of(view)?, name).is_some();
        let mut role: Targets = Targets::clone(&present);
        publisher.renew(&mut role, name)?;
        let mut current = Current::new(name, role.version, &released);
        current.reason = self.reason.map(str::to_owned);
        let store = publisher.store;
        let evidence = Evidence::new(
            store,
            &view.policy,
            view.refreshed.targets(),
            Some(&view.history),
        );
        if let Some(target) = present.targets.get(&target_name(name)) {
            let runs = evidence.document(name, target)?;
            if runs.tag == self.tag && !halted {
                return Err(Error::failed(format!("{name} runs {} already", self.tag)));
            }
            current.previous = Some(runs.step());
        }
        current.origin = origin(&evidence, view, name, self.tag)?;
        current.announcement = announcements(store, self.tag, name)?.0.pop();
        let announced = match &current.announcement {
            Some(path) => match evidence.leaf(path)?.0 {
                Leaf::Announcement(leaf) => Some(leaf.at),
                _ => None,
            },
            None => None,
        };
        current.not_before = self.not_before.max(announced);
        let project = &view.policy.policy().document().project;
        let mut proposal = Proposal::new(
            project,
            &format!("promote-{name}-{}", role.version),
            Kind::Promotion,
            &match &current.previous {
                Some(previous) if previous.tag == self.tag => {
                    format!("{name} goes on with {}, and its halt ends", self.tag)
                }
                Some(previous) => format!("{name} moves from {} to {}", previous.tag, self.tag),
                None => format!("{name} runs {}, its first release", self.tag),
            },
            now,
        );
        if !self.set_aside.is_empty() {
            let reason = self.reason.ok_or_else(|| {
                Error::usage("rules are to be set aside without a reason")
                    .hint("say why, for those who will read it years later: --reason TEXT")
            })?;
            let path = override_path(self.tag, name, role.version);
            let leaf = OverrideLeaf {
                tag: self.tag.to_owned(),
                archive: released.sha256,
                environment: name.to_owned(),
                version: role.version,
                sets_aside: self.set_aside.to_vec(),
                reason: reason.to_owned(),
                time: now,
            };
            current.overridden = Some(path.clone());
            let purpose = Purpose::Override(name.to_owned());
            let draft = StatementDraft::new(purpose, &path, leaf.statement());
            proposal.statements.push(draft);
        }
        role.targets.insert(target_name(name), current.target()?);
        proposal.roles.push(RoleDraft::targets(name, &role)?);
        let text = String::from_utf8(current.to_bytes()?)
            .map_err(|e| Error::bug("JSON is not UTF-8").caused_by(e))?;
        proposal.files.insert(current.path()?, text);
        Ok(proposal)
    }
}

/// Where release `tag` ran before: here, or else in the environment before this one.
fn origin(evidence: &Evidence, view: &View, name: &str, tag: &str) -> Result<Option<Origin>> {
    if let Some(mut here) = stay(evidence, view, name, tag)? {
        here.ended = None;
        return Ok(Some(here));
    }
    let names = view.policy.environment_names();
    let before = names.iter().position(|n| *n == name);
    let before = before
        .and_then(|at| at.checked_sub(1))
        .and_then(|at| names.get(at));
    match before {
        Some(before) => stay(evidence, view, before, tag),
        None => Ok(None),
    }
}

/// The latest time that `environment` ran `tag`: the first version of it that its present keys have
/// signed, and the one that ended it.
fn stay(evidence: &Evidence, view: &View, environment: &str, tag: &str) -> Result<Option<Origin>> {
    let versions = super::sound::versions(view.refreshed.snapshot());
    let last = versions.get(environment).copied().unwrap_or_default();
    let first = last.saturating_sub(MAX_SEARCHED_VERSIONS).max(1);
    let mut found: Option<(Origin, Known)> = None;
    let mut later: Option<u64> = None;
    for version in (first..=last).rev() {
        if !evidence.has_role(environment, version)? {
            continue;
        }
        let known = evidence.signed(environment, version).ok();
        let same = |known: &Known| match &found {
            Some((_, then)) => known.current == then.current,
            None => known.current.tag == tag,
        };
        match known.filter(same) {
            Some(known) => {
                let ended = found.as_ref().map_or(later, |(origin, _)| origin.ended);
                let origin = Origin {
                    environment: environment.to_owned(),
                    version,
                    ended,
                };
                found = Some((origin, known));
            }
            None if found.is_some() => break,
            None => later = Some(version),
        }
    }
    Ok(found.map(|(origin, _)| origin))
}

/// The announcements of `tag` for `environment`, as paths of their proofs, and the path of the next.
///
/// # Errors
/// A store that cannot be read; more than [`MAX_ANNOUNCEMENTS`].
pub fn announcements(
    store: &dyn Reader,
    tag: &str,
    environment: &str,
) -> Result<(Vec<String>, String)> {
    let mut found = Vec::new();
    for n in 1..=MAX_ANNOUNCEMENTS {
        let path = announcement_path(tag, environment, n);
        if store.open(&path)?.is_none() {
            return Ok((found, path));
        }
        found.push(path);
    }
    Err(Error::failed(format!(
        "{tag} was announced for {environment} {MAX_ANNOUNCEMENTS} times already"
    )))
}

impl Announce<'_> {
    /// What is to be signed by the publisher.
    ///
    /// # Errors
    /// No such release or environment; a window that begins before the notice is over.
    pub fn leaf(&self, view: &View, now: Timestamp) -> Result<AnnouncementLeaf> {
        let environment = environment(view, self.environment)?;
        let released = state::find(view.refreshed.targets(), self.tag)?;
        let hours = i64::try_from(environment.notice_hours).unwrap_or(i64::MAX / 3_600);
        let earliest = SignedDuration::from_secs(hours.saturating_mul(3_600));
        let earliest = now
            .checked_add(earliest)
            .map_err(|e| Error::refused("the notice never ends").caused_by(e))?;
        let at = self.at.unwrap_or(earliest);
        if at < earliest {
            return Err(Error::refused(format!(
                "the window would begin at {at}, wanted {} hours of notice, which are over at {earliest}",
                environment.notice_hours
            ))
            .hint("begin it later: --at TIME"));
        }
        Ok(AnnouncementLeaf {
            tag: self.tag.to_owned(),
            archive: released.sha256,
            environment: self.environment.to_owned(),
            // Whole seconds: `not_before` has no others.
            at: crate::trust::time::parse(&crate::trust::time::format(at)).unwrap_or(at),
            window_minutes: self.window_minutes,
            downtime_minutes: self.downtime_minutes,
            time: now,
        })
    }
}

/// What operators are told.
pub fn announcement_text(leaf: &AnnouncementLeaf, project: &str, notice_hours: u64) -> String {
    format!(
        "{project}: planned upgrade of {environment} to {tag}\n\
         \n\
         maintenance window  {at}, {window} minutes\n\
         expected downtime   {downtime} minutes for each node\n\
         notice              {notice_hours} hours\n\
         archive sha256      {archive}\n\
         \n\
         Nodes install it from {at} on, once enough operators have agreed: relman agree\n\
         Before it: keep the binary that runs, and a tested way back (relman rollback).\n",
        environment = leaf.environment,
        tag = leaf.tag,
        at = leaf.at,
        window = leaf.window_minutes,
        downtime = leaf.downtime_minutes,
        archive = leaf.archive,
    )
}
