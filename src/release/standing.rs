//! How a store stands: who signed what until when, what waits for whom, what needs a hand. Pure.

mod environments;
mod keys;
mod known;
mod mirrors;
mod term;

use jiff::Timestamp;
use serde::Serialize;

use super::ceremony::{Base, Demand, Exchange, Holder};
use super::halt;
use super::publish::PEOPLE_MEMBER;
use super::state;
use super::view::View;
use crate::Result;
use crate::store::Reader;
use crate::trust::schema::Role;
use crate::trust::verify::Signers;
use crate::trust::{TrustError, Verified};

pub use environments::{EnvironmentStanding, HaltStanding, all as environments};
pub use keys::KeyTerm;
pub use known::{KnownKey, Validity, known_keys};
pub use mirrors::MirrorStanding;
pub use term::{Limits, State, Term, left};

/// A role of the metadata.
#[derive(Clone, Debug, Serialize)]
pub struct RoleStanding {
    /// Version and expiry.
    #[serde(flatten)]
    pub term: Term,
    /// How many keys must sign it.
    pub threshold: u64,
    /// How many may.
    pub keys: usize,
    /// Who signed this version.
    pub signed_by: Vec<Holder>,
}

/// A proposal that waits.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingProposal {
    /// Its id.
    pub id: String,
    /// What it does.
    pub summary: String,
    /// When it was made.
    #[serde(with = "crate::trust::time")]
    pub time: Timestamp,
    /// Whose signatures it has and lacks; empty where that cannot be said any more.
    pub demands: Vec<Demand>,
    /// Why it can never be published as it is.
    pub problems: Vec<String>,
}

/// The log.
#[derive(Clone, Debug, Serialize)]
pub struct LogStanding {
    /// Its origin.
    pub origin: String,
    /// Its entries.
    pub size: u64,
    /// Its root hash.
    pub root: String,
    /// The newest time at which a quorum of witnesses stood by it; null without witnesses.
    pub cosigned: Option<String>,
}

/// The part of their greatest age that cosignatures have left when somebody is told.
const COSIGNED_PART: i32 = 4;

/// What to tell of the age of the log's cosignatures, where policy limits it.
fn aging(view: &View, now: Timestamp) -> Option<String> {
    if let Err(e) = view.check_head(now) {
        return Some(format!("{}; relman timestamp", e.message()));
    }
    let end = view.cosigned_until()?;
    let age = end.duration_since(view.witnessed.as_ref()?.newest());
    (end.duration_since(now) <= age / COSIGNED_PART).then(|| {
        format!("the log's cosignatures are too old for nodes from {end} on: relman timestamp")
    })
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Root, targets, snapshot, timestamp, then the delegated roles.
    pub roles: Vec<RoleStanding>,
    /// Keys of the policy that end soon or have ended with nobody to take their place.
    pub keys: Vec<KeyTerm>,
    /// The log.
    pub log: LogStanding,
    /// What each network runs.
    pub environments: Vec<EnvironmentStanding>,
    /// Number of releases.
    pub releases: usize,
    /// Proposals that wait.
    pub proposals: Vec<WaitingProposal>,
    /// Tags of drafts.
    pub drafts: Vec<String>,
    /// Its mirrors, as far as they were asked for.
    pub mirrors: Vec<MirrorStanding>,
    /// Everything that needs a hand.
    pub warnings: Vec<String>,
}

impl Standing {
    /// Looks at the store that `view` shows, and at what waits beside it.
    ///
    /// # Errors
    /// A delegated role that is missing or refused; a store that fails.
    pub fn of(
        store: &dyn Reader,
        view: &mut View,
        waiting: &[Exchange],
        drafts: Vec<String>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Self> {
        let base = Base::of(view)?;
        let roles = roles(view, &base, limits, now)?;
        let keys = keys::ending(base.policy.policy().document(), limits, now);
        let environments = environments::all(store, &base)?;
        let proposals: Vec<WaitingProposal> = waiting
            .iter()
            .map(|exchange| proposal(exchange, &base, now))
            .collect();
        let head = view.history.checkpoint.head();
        // A halt does not end by its role's expiry, nor does anything else.
        let terms = roles.iter().map(|role| &role.term);
        let terms = terms.filter(|term| halt::environment_of(&term.role).is_none());
        let mut warnings: Vec<String> = terms.filter_map(|term| term.warning(now)).collect();
        warnings.extend(keys.iter().map(|key| key.warning(now)));
        warnings.extend(aging(view, now));
        warnings.extend(environments.iter().flat_map(EnvironmentStanding::warnings));
        warnings.extend(proposals.iter().flat_map(WaitingProposal::warnings));
        Ok(Standing {
            roles,
            keys,
            log: LogStanding {
                origin: base.policy.log_origin().to_owned(),
                size: head.size,
                root: head.root.hex(),
                cosigned: view.witnessed.as_ref().map(|w| w.newest().to_string()),
            },
            environments,
            releases: state::released(&base.targets).0.len(),
            proposals,
            drafts,
            mirrors: Vec::new(),
            warnings,
        })
    }
}

impl Standing {
    /// Adds a mirror that was looked at.
    pub fn add(&mut self, mirror: MirrorStanding, now: Timestamp) {
        self.warnings.extend(mirror.warning(now));
        self.mirrors.push(mirror);
    }
}

impl WaitingProposal {
    fn warnings(&self) -> Vec<String> {
        let unmet: Vec<&Demand> = self.demands.iter().filter(|d| !d.is_met()).collect();
        match (self.problems.first(), unmet.is_empty()) {
            (Some(first), _) => vec![format!(
                "proposal {} cannot be published: {first}; give it up: relman withdraw {0}",
                self.id
            )],
            (None, true) => vec![format!(
                "proposal {} has all signatures and is not published: relman sign {0} where the \
                 store's keys are",
                self.id
            )],
            (None, false) => unmet
                .iter()
                .map(|demand| format!("proposal {} waits: {}", self.id, demand.line()))
                .collect(),
        }
    }
}

fn proposal(exchange: &Exchange, base: &Base, now: Timestamp) -> WaitingProposal {
    let proposal = &exchange.proposal;
    let problems = proposal.check(base, now);
    WaitingProposal {
        id: proposal.id.clone(),
        summary: proposal.summary.clone(),
        time: proposal.time,
        demands: proposal.demands(base).unwrap_or_default(),
        problems: problems.unwrap_or_else(|e| vec![e.to_string()]),
    }
}

fn roles(
    view: &View,
    base: &Base,
    limits: &Limits,
    now: Timestamp,
) -> Result<Vec<RoleStanding>, TrustError> {
    let r = &view.refreshed;
    let of_root = |name: &str| Signers::of_root(&base.root, name);
    let mut out = vec![
        role("root", r.root(), of_root("root")?, base, limits, now),
        role(
            "targets",
            r.targets(),
            of_root("targets")?,
            base,
            limits,
            now,
        ),
        role(
            "snapshot",
            r.snapshot(),
            of_root("snapshot")?,
            base,
            limits,
            now,
        ),
        role(
            "timestamp",
            r.timestamp(),
            of_root("timestamp")?,
            base,
            limits,
            now,
        ),
    ];
    for (name, delegated) in &base.roles {
        let signers = Signers::of_delegation(&base.targets, "targets", name)?;
        out.push(role(name, delegated, signers, base, limits, now));
    }
    Ok(out)
}

fn role<T: Role>(
    name: &str,
    role: &Verified<T>,
    signers: Signers<'_>,
    base: &Base,
    limits: &Limits,
    now: Timestamp,
) -> RoleStanding {
    RoleStanding {
        term: Term::new(name, role.version(), role.expires(), limits, now),
        threshold: signers.threshold,
        keys: signers.keyids.len(),
        signed_by: role.signers().iter().map(|id| holder(base, id)).collect(),
    }
}

fn holder(base: &Base, keyid: &str) -> Holder {
    let of_root = base.root.extra.get(PEOPLE_MEMBER);
    let of_root = of_root.and_then(|people| people.get(keyid)?.as_str().map(str::to_owned));
    let known = || {
        let key = base.policy.policy().unchecked_key(keyid)?;
        Some(key.entry.person.clone())
    };
    Holder {
        keyid: keyid.to_owned(),
        person: of_root.or_else(known),
    }
}
