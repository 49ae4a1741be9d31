//! Signing a role with the keys at hand, and saying who is missing. Pure.

use super::super::ceremony::{Demand, Holder};
use super::{Keys, PEOPLE_MEMBER};
use crate::attest::dsse::short;
use crate::keys::Signer;
use crate::release::attestations::Unmet;
use crate::trust::Unsigned;
use crate::trust::schema::{Role, Root};
use crate::trust::verify::Signers;
use crate::{Error, Result};

/// A role that lacks signatures.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Waiting {
    /// The role.
    pub role: String,
    /// Signatures that the keys at hand gave.
    pub have: usize,
    /// Signatures that the role needs.
    pub threshold: u64,
    /// Who could give one more: name and key.
    pub missing: Vec<String>,
    /// Where it is a rule about attestations that is not met: how far it is.
    pub rule: Option<String>,
    /// A key that should be here and cannot be used.
    pub absent: Option<Absent>,
}

/// Why a key that should be here cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Absent {
    /// What it is for.
    pub purpose: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Absent {
    /// The first key of a purpose that is absent.
    pub fn of(keys: &dyn Keys, purpose: &str) -> Option<Self> {
        keys.absent(purpose).map(|e| Absent {
            purpose: purpose.to_owned(),
            problem: e.to_string(),
            hint: e.hint_text().map(str::to_owned),
        })
    }
}

/// The result of [`sign`].
pub enum Signed {
    /// The file to publish.
    Whole(Vec<u8>),
    /// Too few signatures.
    Waiting(Waiting),
}

impl Waiting {
    /// What a rule of the policy lacks.
    pub fn of_rule(unmet: &Unmet) -> Self {
        Waiting {
            role: unmet.rule.clone(),
            have: unmet.have,
            threshold: unmet.wanted,
            missing: match unmet.missing.is_empty() {
                true => vec![unmet.message.clone()],
                false => unmet.missing.clone(),
            },
            rule: Some(unmet.message.clone()),
            absent: None,
        }
    }

    /// What a demand lacks.
    pub fn of(demand: &Demand) -> Self {
        Waiting {
            role: demand.purpose.clone(),
            have: demand.have.len(),
            threshold: demand.threshold,
            missing: demand.missing.iter().map(Holder::to_string).collect(),
            rule: None,
            absent: None,
        }
    }

    /// `role mainnet has 1 of 3 signatures, missing: bob (key 1a2b3c4d)`.
    pub fn line(&self) -> String {
        if let Some(rule) = &self.rule {
            return format!("{rule}; missing: {}", self.missing.join(", "));
        }
        let missing = self.missing.join(", ");
        format!(
            "role {} has {} of {} signatures, missing: {missing}",
            self.role, self.have, self.threshold
        )
    }

    /// The error of a command that can do nothing without the key; `hint` is for one who has it
    /// elsewhere.
    pub fn error(&self, hint: &str) -> Error {
        let error = Error::failed(self.line());
        match &self.absent {
            None => error.hint(hint),
            Some(absent) => {
                let error = error.caused_by(&absent.problem);
                error.hint(absent.hint.as_deref().unwrap_or(hint))
            }
        }
    }
}

/// Signs a top-level role as `root` demands, with all keys at hand for it.
pub fn sign<T: Role>(body: &T, role: &str, root: &Root, keys: &dyn Keys) -> Result<Signed> {
    let mut signed = sign_under(body, role, root, &keys.all(role)?)?;
    if let Signed::Waiting(waiting) = &mut signed {
        waiting.absent = Absent::of(keys, role);
    }
    Ok(signed)
}

/// Signs a top-level role as `root` demands.
///
/// # Errors
/// A key at hand that root does not name for this role.
pub fn sign_under<T: Role>(
    body: &T,
    role: &str,
    root: &Root,
    keys: &[Box<dyn Signer>],
) -> Result<Signed> {
    let signers = Signers::of_root(root, role)?;
    let id = |key: &dyn Signer| key.public().keyid();
    // A key that was replaced may lie beside its successor; only foreign ones are a mistake.
    let at_hand = keys.iter().map(Box::as_ref);
    let known: Vec<&dyn Signer> = at_hand
        .filter(|key| signers.keyids.contains(&id(*key)))
        .collect();
    if let (Some(foreign), true) = (keys.first(), known.is_empty()) {
        let wanted: Vec<_> = signers.keyids.iter().map(|id| named(root, id)).collect();
        return Err(Error::refused(format!(
            "the {role} key here is {}, root version {} wants one of: {}",
            short(&id(foreign.as_ref())),
            root.version,
            wanted.join(", ")
        ))
        .hint(
            "are these the secret keys of this project? name the right ones: --secret-keys DIR",
        ));
    }
    let unsigned = Unsigned::new(body)?;
    let Some((first, rest)) = known.split_first() else {
        let missing = signers.keyids.iter().map(|id| named(root, id)).collect();
        return Ok(Signed::Waiting(Waiting {
            role: role.into(),
            have: 0,
            threshold: signers.threshold,
            missing,
            rule: None,
            absent: None,
        }));
    };
    let mut signed = unsigned.sign(*first)?;
    for key in rest {
        signed = signed.sign(*key)?;
    }
    let have = signed.count(signers).valid_keyids.len();
    if (have as u64) < signers.threshold {
        let missing = signed.missing(signers);
        return Ok(Signed::Waiting(Waiting {
            role: role.into(),
            have,
            threshold: signers.threshold,
            missing: missing.iter().map(|id| named(root, id)).collect(),
            rule: None,
            absent: None,
        }));
    }
    let by = format!("root version {}", root.version);
    Ok(Signed::Whole(signed.publish(role, &by, signers)?))
}

/// A key by the name that root gives its holder: `alice (key 1a2b3c4d)`.
fn named(root: &Root, id: &str) -> String {
    let person = root
        .extra
        .get(PEOPLE_MEMBER)
        .and_then(|m| m.get(id)?.as_str());
    match person {
        Some(person) => format!("{person} (key {})", short(id)),
        None => format!("key {}", short(id)),
    }
}
