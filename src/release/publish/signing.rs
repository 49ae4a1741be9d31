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
        }
    }
}

/// Signs a top-level role as `root` demands, with all keys at hand for it.
pub fn sign<T: Role>(body: &T, role: &str, root: &Root, keys: &dyn Keys) -> Result<Signed> {
    sign_under(body, role, root, &keys.all(role)?)
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
