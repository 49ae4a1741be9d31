//! Changes to root and to the policy that it pins, and all that must then be signed anew. Pure.

mod edit;
mod propose;
mod voided;

pub use propose::root_id;
pub use voided::voided;

use jiff::Timestamp;

use crate::attest::dsse::short;
use crate::keys::PublicKey;
use crate::trust::policy::{ApprovalRule, GateRule, PolicyDocument, Purpose, TagRule};
use crate::trust::schema::TOP_LEVEL;
use crate::{Error, Result};

/// Fewest characters that choose a key by the beginning of its id.
const MIN_KEYID_PREFIX: usize = 8;

/// What a key is for: a top-level role, the log, or a purpose of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// `root`, `targets`, `snapshot` or `timestamp`.
    Tuf(String),
    /// The log's checkpoints.
    Log,
    /// A purpose of the policy.
    Purpose(Purpose),
}

/// Which of a role's keys is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChoice {
    /// This one.
    Key(PublicKey),
    /// The one whose id begins so, or which this person holds.
    Named(String),
}

/// When a key ends to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Now: what it signed before stays valid.
    Now,
    /// Then: what it signed before stays valid, what it signed since counts for nothing.
    Since(Timestamp),
    /// Always: nothing that it ever signed counts.
    Erase,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A further key.
    Add {
        /// What for.
        role: KeyRole,
        /// The key.
        key: PublicKey,
        /// Who holds it.
        person: String,
        /// End of its validity, for purposes of the policy; by default none.
        not_after: Option<Timestamp>,
        /// A new threshold.
        threshold: Option<u64>,
    },
    /// A key less.
    Remove {
        /// What for.
        role: KeyRole,
        /// Which.
        key: KeyChoice,
        /// When it ends to count.
        end: End,
        /// A new threshold.
        threshold: Option<u64>,
    },
    /// One key in another's place.
    Rotate {
        /// What for.
        role: KeyRole,
        /// Which goes.
        old: KeyChoice,
        /// Which comes.
        new: PublicKey,
        /// Who holds it; by default whoever held the old one.
        person: Option<String>,
        /// When the old one ends to count.
        end: End,
    },
    /// How many keys must sign.
    Threshold {
        /// Whose.
        role: KeyRole,
        /// As many.
        threshold: u64,
    },
    /// What every release needs before it is published; what is left out stays.
    Cut(Wants),
    /// What an environment asks for; what is left out stays.
    Environment {
        /// Its name.
        name: String,
        /// Hours in the environment before it.
        soak_hours: Option<u64>,
        /// Hours between announcement and release.
        notice_hours: Option<u64>,
        /// The oldest release that nodes may run; empty for none.
        minimum: Option<String>,
        /// Approvals, rebuilders.
        wants: Wants,
    },
    /// Who witnesses the log; what is left out stays.
    Witnesses {
        /// The witness policy, or `none`.
        policy: Option<String>,
        /// How old cosignatures may be, in hours; 0 for any age.
        max_age_hours: Option<u64>,
    },
    /// When a network goes back.
    Watch {
        /// The watch policy, as it is written; none: nobody agrees on one any more.
        policy: Option<String>,
    },
    /// A new expiry; every other change brings one too.
    Renew {
        /// When root ends; by default as the configuration says.
        until: Option<Timestamp>,
    },
}

/// New rules about attestations and the tag; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Approvals.
    pub approvals: Option<Vec<ApprovalRule>>,
    /// How many rebuilders must agree.
    pub rebuilders: Option<u64>,
    /// Gates; only before a cut.
    pub gates: Option<Vec<GateRule>>,
    /// What is asked of the tag; only before a cut.
    pub tag: Option<TagRule>,
}

impl KeyRole {
    /// Reads a role's name as it is typed: `targets`, `builder`, `mainnet`, `halt-mainnet`.
    ///
    /// # Errors
    /// A name that neither TUF nor `policy` knows.
    pub fn parse(name: &str, policy: &PolicyDocument) -> Result<Self> {
        if TOP_LEVEL.contains(&name) {
            return Ok(KeyRole::Tuf(name.into()));
        }
        let plain = [
            Purpose::Builder,
            Purpose::Publisher,
            Purpose::Tagger,
            Purpose::Gate,
            Purpose::Approver,
            Purpose::Rebuilder,
            Purpose::Witness,
            Purpose::Node,
        ];
        let of_environments = policy.environments.iter().flat_map(|e| {
            let name = || e.name.clone();
            [
                Purpose::Environment(name()),
                Purpose::Halt(name()),
                Purpose::Override(name()),
            ]
        });
        let mut known: Vec<KeyRole> = TOP_LEVEL.map(|n| KeyRole::Tuf(n.into())).into();
        known.push(KeyRole::Log);
        known.extend(
            plain
                .into_iter()
                .chain(of_environments)
                .map(KeyRole::Purpose),
        );
        match known.iter().find(|role| role.name() == name) {
            Some(role) => Ok(role.clone()),
            None => {
                let names: Vec<String> = known.iter().map(KeyRole::name).collect();
                Err(Error::usage(format!(
                    "no key is for {name:?}, wanted one of {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// The name that people type, which is also that of the key files.
    pub fn name(&self) -> String {
        match self {
            KeyRole::Tuf(name) => name.clone(),
            KeyRole::Log => "log".into(),
            KeyRole::Purpose(purpose) => super::demand::keyring_name(purpose),
        }
    }
}

impl KeyChoice {
    /// The id among `keys` (id and holder) that is meant.
    ///
    /// # Errors
    /// None, or more than one.
    fn among(&self, role: &KeyRole, keys: &[(String, Option<String>)]) -> Result<String> {
        let meant = |id: &str, person: Option<&str>| match self {
            KeyChoice::Key(key) => key.keyid() == id,
            KeyChoice::Named(name) => {
                let by_id = name.len() >= MIN_KEYID_PREFIX && id.starts_with(name.as_str());
                by_id || person == Some(name)
            }
        };
        let found: Vec<_> = keys
            .iter()
            .filter(|(id, person)| meant(id, person.as_deref()))
            .collect();
        let words = match self {
            KeyChoice::Key(key) => short(&key.keyid()),
            KeyChoice::Named(name) => name.clone(),
        };
        let list = |keys: &mut dyn Iterator<Item = &(String, Option<String>)>| {
            let keys = keys.map(|(id, person)| match person {
                Some(person) => format!("{person} (key {})", short(id)),
                None => format!("key {}", short(id)),
            });
            keys.collect::<Vec<_>>().join(", ")
        };
        match found.as_slice() {
            [(id, _)] => Ok(id.clone()),
            [] => Err(Error::usage(format!(
                "{words:?} is no key of {}, which has {}",
                role.name(),
                list(&mut keys.iter())
            ))
            .hint("name it by its .pub file, its holder, or 8 or more characters of its id")),
            more => Err(Error::usage(format!(
                "{words:?} may be any of {}",
                list(&mut more.iter().copied())
            ))
            .hint("name it by 8 or more characters of its id")),
        }
    }
}
