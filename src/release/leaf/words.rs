//! What a leaf is and says, in words for people, and what it is about. Pure.

use super::{Leaf, OverrideLeaf};
use crate::release::halt;

/// The kinds of leaves that this version knows, by their words.
pub const KINDS: [&str; 10] = [
    "release",
    "metadata",
    "announcement",
    "override",
    "yank",
    "rollback",
    "receipts",
    "gate",
    "approval",
    "rebuild",
];

/// What begins the kind of a leaf whose type is not known; the type follows.
pub const UNKNOWN: &str = "unknown";

impl Leaf {
    /// Its kind: one of [`KINDS`], or `unknown` and the predicate type.
    pub fn kind(&self) -> String {
        match self {
            Leaf::Release(_) => "release".into(),
            Leaf::Metadata(_) => "metadata".into(),
            Leaf::Announcement(_) => "announcement".into(),
            Leaf::Override(_) => "override".into(),
            Leaf::Yank(_) => "yank".into(),
            Leaf::Rollback(_) => "rollback".into(),
            Leaf::Receipts(_) => "receipts".into(),
            Leaf::Attestation(leaf) => leaf.kind.to_string(),
            Leaf::Unknown { predicate_type, .. } => format!("{UNKNOWN} {predicate_type}"),
        }
    }

    /// What it says, in one line; empty for a type that is not known.
    pub fn what(&self) -> String {
        match self {
            Leaf::Release(leaf) => leaf.tag.clone(),
            Leaf::Metadata(leaf) => {
                let names: Vec<&str> = leaf.files.keys().map(|name| short_name(name)).collect();
                names.join(", ")
            }
            Leaf::Announcement(leaf) => {
                format!("{} for {} at {}", leaf.tag, leaf.environment, leaf.at)
            }
            Leaf::Override(leaf) => override_line(leaf),
            Leaf::Yank(leaf) => leaf.line(),
            Leaf::Rollback(leaf) => leaf.line(),
            Leaf::Receipts(leaf) => leaf.line(),
            Leaf::Attestation(leaf) => leaf.line(),
            Leaf::Unknown { .. } => String::new(),
        }
    }

    /// The release that it is about, of a rollback the one that was left; none for metadata, receipts and
    /// types that are not known.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Leaf::Release(leaf) => Some(&leaf.tag),
            Leaf::Announcement(leaf) => Some(&leaf.tag),
            Leaf::Override(leaf) => Some(&leaf.tag),
            Leaf::Yank(leaf) => Some(&leaf.tag),
            Leaf::Rollback(leaf) => Some(&leaf.tag),
            Leaf::Attestation(leaf) => Some(&leaf.tag),
            Leaf::Metadata(_) | Leaf::Receipts(_) | Leaf::Unknown { .. } => None,
        }
    }

    /// Whether it is about an environment, by itself, by a version of its role or of the one that halts it.
    pub fn is_about_environment(&self, name: &str) -> bool {
        match self {
            Leaf::Announcement(leaf) => leaf.environment == name,
            Leaf::Override(leaf) => leaf.environment == name,
            Leaf::Rollback(leaf) => leaf.environment == name,
            Leaf::Receipts(leaf) => leaf.environment == name,
            Leaf::Metadata(leaf) => leaf.files.keys().any(|file| {
                let of = |role: &str| file.strip_suffix(&format!(".{role}.json"));
                let version = of(name).or_else(|| of(&halt::role_name(name)));
                version.is_some_and(|version| version.parse::<u64>().is_ok())
            }),
            _ => false,
        }
    }
}

fn override_line(leaf: &OverrideLeaf) -> String {
    let rules: Vec<&str> = leaf.sets_aside.iter().map(|rule| rule.word()).collect();
    format!(
        "{} for {} version {}, sets aside {}: {}",
        leaf.tag,
        leaf.environment,
        leaf.version,
        rules.join(", "),
        leaf.reason
    )
}

/// `<sha256>.policy.json` is too long for a line.
fn short_name(name: &str) -> &str {
    match name.split_once('.') {
        Some((digest, rest)) if digest.len() == 64 => rest,
        _ => name,
    }
}
