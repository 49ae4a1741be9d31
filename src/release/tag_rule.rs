//! What policy asks of the tag that a release was cut from: whose signature, what it builds upon,
//! which branches. The same check for whoever cuts and for every node. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::policy::ReleasePolicy;
use super::state::Released;
use super::tag::Tag;
use super::text::shown;
use crate::attest::dsse::short;
use crate::attest::git_tag::{self, GitTag, Signature};
use crate::attest::provenance::{Descent, SourceClaims};
use crate::keys::PublicKey;
use crate::limits::MAX_SHOWN_NAME;
use crate::trust::policy::{Purpose, TagRule};

/// Who made a tag, as far as its signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A tagger of the policy, whose signature was verified.
    Verified(Tagger),
    /// Why nobody can say.
    Unknown(String),
}

/// A person whose signature of a tag was verified; only [`check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagger {
    person: String,
    key: PublicKey,
}

impl Tagger {
    /// The person, as policy names them.
    pub fn person(&self) -> &str {
        &self.person
    }

    /// The key that signed.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// The person, or `nobody can say: why`.
impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Author::Verified(tagger) => write!(f, "{}, signature verified", tagger.person()),
            Author::Unknown(why) => write!(f, "nobody can say: {why}"),
        }
    }
}

impl Author {
    /// The verified person.
    pub fn person(&self) -> Option<&str> {
        match self {
            Author::Verified(tagger) => Some(tagger.person()),
            Author::Unknown(_) => None,
        }
    }
}

/// Holds what is claimed of a release's tag against `rule`, and gives every problem; tells who made
/// the tag in any case. Tagger keys count as they did at `at`.
///
/// `tag_object_id` is the id that the release's leaf and metadata give, none for a lightweight tag.
/// A node verifies the signature itself; for descent and branches it has the builder's word.
pub fn check(
    rule: &TagRule,
    claims: &SourceClaims,
    tag: &str,
    commit: &str,
    tag_object_id: Option<&str>,
    policy: &ReleasePolicy,
    at: Timestamp,
) -> (Author, Vec<String>) {
    let release = Release {
        tag,
        commit,
        tag_object_id,
    };
    let mut problems = release.contradictions(claims.tag_object.as_deref());
    let author = match problems.is_empty() {
        true => release.author(claims.tag_object.as_deref(), policy, at),
        false => Author::Unknown("its tag object is not this release's".into()),
    };
    if let (true, Author::Unknown(why)) = (rule.signed, &author) {
        problems.push(format!(
            "tag {tag} is not signed by a tagger: {why}, wanted a signature of {}",
            taggers(policy, at)
        ));
    }
    if rule.descends {
        match &claims.descent {
            Descent::First | Descent::From { .. } => {}
            Descent::Not { tag: before } => problems.push(format!(
                "tag {tag} lacks commits of {}, the release before it, wanted all of them",
                name(before)
            )),
            Descent::Untold => problems.push(format!(
                "the provenance does not say which release tag {tag} builds upon, wanted the one before it"
            )),
        }
    }
    let is_wanted = |branch: &&String| is_branch_of(rule, branch);
    if !rule.branches.is_empty() && !claims.branches.iter().any(|b| is_wanted(&b)) {
        let found: Vec<String> = claims.branches.iter().map(|b| name(b)).collect();
        problems.push(format!(
            "commit {commit} of tag {tag} is on {}, wanted a branch {}",
            match found.is_empty() {
                true => "none of the branches asked about".into(),
                false => found.join(", "),
            },
            rule.branches.join(" or ")
        ));
    }
    (author, problems)
}

/// Whether `rule` asks for a branch of this name.
pub fn is_branch_of(rule: &TagRule, branch: &str) -> bool {
    rule.branches.iter().any(|wanted| matches(wanted, branch))
}

/// The release that `tag` has to build upon: the highest version of its own phase and feature below
/// its own, and where there is none, the highest release of the nearest phase before it. Yanked
/// releases do not count.
pub fn previous<'a>(tag: &Tag, released: &'a [Released]) -> Option<&'a Released> {
    let before = released.iter().filter(|r| r.yanked.is_none());
    let parsed = before.filter_map(|r| Some((Tag::parse_any(&r.tag).ok()?, r)));
    let earlier = parsed.filter(|(other, _)| match other.phase().cmp(&tag.phase()) {
        std::cmp::Ordering::Less => tag.phase().is_some() && other.phase().is_some(),
        std::cmp::Ordering::Equal => {
            other.feature() == tag.feature() && other.version() < tag.version()
        }
        std::cmp::Ordering::Greater => false,
    });
    earlier.max_by(|a, b| a.0.cmp(&b.0)).map(|(_, r)| r)
}

/// What the store says of a release.
struct Release<'a> {
    tag: &'a str,
    commit: &'a str,
    tag_object_id: Option<&'a str>,
}

impl Release<'_> {
    /// Where the tag object is not the one that the release was cut from.
    fn contradictions(&self, raw: Option<&[u8]>) -> Vec<String> {
        let tag = self.tag;
        let (raw, wanted) = match (raw, self.tag_object_id) {
            (None, _) => return Vec::new(),
            (Some(_), None) => {
                return vec![format!(
                    "the provenance has a tag object, and tag {tag} is lightweight"
                )];
            }
            (Some(raw), Some(wanted)) => (raw, wanted),
        };
        let found = git_tag::id(raw, wanted.len()).unwrap_or_else(|| "of another kind".into());
        if found != wanted {
            return vec![format!(
                "the tag object of {tag} in the provenance has the id {found}, wanted {wanted}"
            )];
        }
        let parsed = match GitTag::parse(raw) {
            Ok(parsed) => parsed,
            Err(e) => return vec![format!("tag {tag}: {e}")],
        };
        let mut problems = Vec::new();
        if parsed.name != tag {
            problems.push(format!(
                "the tag object of {tag} is that of {}",
                name(parsed.name)
            ));
        }
        if parsed.kind == "commit" && parsed.object != self.commit {
            problems.push(format!(
                "the tag object of {tag} names commit {}, wanted {}",
                parsed.object, self.commit
            ));
        }
        problems
    }

    fn author(&self, raw: Option<&[u8]>, policy: &ReleasePolicy, at: Timestamp) -> Author {
        match (raw, self.tag_object_id) {
            (Some(raw), _) => self.signer(raw, policy, at).unwrap_or_else(Author::Unknown),
            (None, None) => Author::Unknown("it is lightweight".into()),
            (None, Some(_)) => {
                Author::Unknown("the provenance does not have its tag object".into())
            }
        }
    }

    fn signer(&self, raw: &[u8], policy: &ReleasePolicy, at: Timestamp) -> Result<Author, String> {
        let tag = self.tag;
        let parsed = GitTag::parse(raw).map_err(|e| e.to_string())?;
        match parsed.signature {
            Signature::Ssh(_) => {}
            Signature::None => return Err("it is unsigned".into()),
            Signature::Pgp => {
                return Err(format!(
                    "it is PGP-signed, which relman does not verify: git verify-tag {tag}"
                ));
            }
            Signature::X509 => {
                return Err(format!(
                    "it is signed with X.509, which relman does not verify: git verify-tag {tag}"
                ));
            }
        }
        if parsed.kind != "commit" {
            return Err(format!("it tags a {}, not a commit", name(parsed.kind)));
        }
        let key = parsed.unverified_signer().map_err(|e| e.to_string())?;
        let id = short(&key.keyid());
        let entry = match policy.policy().unchecked_key(&key.keyid()) {
            Some(known) => &known.entry,
            None => {
                return Err(format!(
                    "it is signed by key {id}, which policy does not name"
                ));
            }
        };
        let person = &entry.person;
        if entry.purpose != Purpose::Tagger {
            return Err(format!(
                "it is signed by the {} key {id} of {person}",
                entry.purpose
            ));
        }
        if !entry.counts_for(&Purpose::Tagger, at) {
            return Err(format!(
                "it is signed by key {id} of {person}, which is valid from {} to {} and not at {at}",
                entry.not_before, entry.not_after
            ));
        }
        let key = parsed
            .verify(&[key])
            .map_err(|e| format!("it claims key {id} of {person}, and {e}"))?;
        Ok(Author::Verified(Tagger {
            person: person.clone(),
            key,
        }))
    }
}

/// Who may sign tags, in words.
fn taggers(policy: &ReleasePolicy, at: Timestamp) -> String {
    let keys: BTreeSet<PublicKey> = policy.accepted(&Purpose::Tagger, at).into_iter().collect();
    match keys.is_empty() {
        true => "a tagger, and policy names none".into(),
        false => policy.people(&keys),
    }
}

fn name(text: &str) -> String {
    shown(text, MAX_SHOWN_NAME)
}

/// Whether `text` is of the pattern, in which `*` stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}
