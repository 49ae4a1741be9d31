//! Where the proofs of leaves lie in a store: their names follow from the leaves and their order alone,
//! so that they are found where nothing can be listed. Pure.

use std::collections::BTreeMap;

use super::{AttestationLeaf, Leaf};
use crate::attest::Statement;
use crate::release::assemble::PROOF;
use crate::store::is_object_name;

/// What proofs' names end with.
pub const PROOF_SUFFIX: &str = ".tlog-proof";

/// Where the proof of a metadata file lies; `stem` is its name without `.json`, such as `7.mainnet`.
pub fn metadata_proof(stem: &str) -> String {
    format!("metadata/{stem}{PROOF_SUFFIX}")
}

/// What the types of leaves begin with, and end with.
const LEAF: (&str, &str) = ("urn:relman:leaf:", ":v1");

/// Names the proofs of a log's leaves, which it must be shown in their order from the first on.
#[derive(Debug, Default)]
pub struct Places {
    numbers: BTreeMap<String, u64>,
}

impl Places {
    /// Paths of the proofs of the next leaf: one, several where it lists several metadata files, none
    /// for what has no place of its own. Whether its signature counts is not asked here.
    pub fn next(&mut self, statement: &Statement) -> Vec<String> {
        let paths = match Leaf::read(statement) {
            Ok(Leaf::Release(leaf)) => vec![format!("{}/{PROOF}", leaf.tag)],
            Ok(Leaf::Metadata(leaf)) => {
                let names = leaf.files.keys();
                // A policy is not proved by itself: root pins it.
                let roles = names.filter(|name| !name.ends_with(".policy.json"));
                let stems = roles.filter_map(|name| name.strip_suffix(".json"));
                stems.map(metadata_proof).collect()
            }
            _ => late_path(statement, &mut self.numbers)
                .into_iter()
                .map(|(_, path)| path)
                .collect(),
        };
        let own = |path: &String| is_object_name(path) && path.matches('/').count() == 1;
        paths.into_iter().filter(own).collect()
    }
}

/// The tag and the path of the proof of late evidence, whose name follows from the leaf: `<tag>/<kind>-<n>`,
/// counted from 1; with an environment, `<tag>/<kind>-<environment>-<n>`, or the version of the
/// environment that it is about. `numbers` has how many of each were counted so far.
pub fn late_path(
    statement: &Statement,
    numbers: &mut BTreeMap<String, u64>,
) -> Option<(String, String)> {
    let (tag, stem) = match AttestationLeaf::read(statement) {
        Ok(leaf) => (leaf.tag.clone(), format!("{}/{}", leaf.tag, leaf.kind)),
        Err(_) => {
            let kind = statement.predicate_type.strip_prefix(LEAF.0)?;
            let kind = kind.strip_suffix(LEAF.1)?;
            let tag = statement.text(&["tag"])?;
            let stem = match statement.text(&["environment"]) {
                Some(environment) => format!("{tag}/{kind}-{environment}"),
                None => format!("{tag}/{kind}"),
            };
            (tag.to_owned(), stem)
        }
    };
    // What is no name of such a proof is none, whoever signed it.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    if stem.matches('/').count() != 1 || !stem.bytes().all(|b| b == b'/' || plain(b)) {
        return None;
    }
    let version = statement.predicate.get("version").and_then(|v| v.as_u64());
    let n = version.unwrap_or_else(|| {
        let n = numbers.entry(stem.clone()).or_default();
        *n += 1;
        *n
    });
    Some((tag, format!("{stem}-{n}{PROOF_SUFFIX}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::Subject;
    use crate::hash::Sha256;
    use serde_json::{Value, json};

    fn names(leaves: &[(&str, Value)]) -> Vec<Option<String>> {
        let mut numbers = BTreeMap::new();
        let statement = |(kind, predicate): &(&str, Value)| {
            let subject = Subject::new("a", Sha256::of(b"a"));
            Statement::new(vec![subject], kind, predicate.clone())
        };
        let path = |leaf| Some(late_path(&statement(leaf), &mut numbers)?.1);
        leaves.iter().map(path).collect()
    }

    #[test]
    fn late_evidence_is_named_by_its_leaf_alone() {
        let yank = "urn:relman:leaf:yank:v1";
        let announcement = "urn:relman:leaf:announcement:v1";
        let found = names(&[
            (yank, json!({"tag": "v1.0.0"})),
            (yank, json!({"tag": "v2.0.0"})),
            (yank, json!({"tag": "v1.0.0"})),
            (
                announcement,
                json!({"tag": "v1.0.0", "environment": "testnet"}),
            ),
            (
                announcement,
                json!({"tag": "v1.0.0", "environment": "mainnet"}),
            ),
            (
                announcement,
                json!({"tag": "v1.0.0", "environment": "mainnet"}),
            ),
            (
                "urn:relman:leaf:override:v1",
                json!({"tag": "v1.0.0", "environment": "mainnet", "version": 7}),
            ),
        ]);
        let found: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
        assert_eq!(
            found,
            [
                "v1.0.0/yank-1.tlog-proof",
                "v2.0.0/yank-1.tlog-proof",
                "v1.0.0/yank-2.tlog-proof",
                "v1.0.0/announcement-testnet-1.tlog-proof",
                "v1.0.0/announcement-mainnet-1.tlog-proof",
                "v1.0.0/announcement-mainnet-2.tlog-proof",
                "v1.0.0/override-mainnet-7.tlog-proof",
            ]
        );
    }

    #[test]
    fn a_leaf_cannot_name_a_file_elsewhere() {
        let found = names(&[
            ("urn:relman:leaf:x:v1", json!({"tag": "../v1.0.0"})),
            ("urn:relman:leaf:x/y:v1", json!({"tag": "v1.0.0"})),
            (
                "urn:relman:leaf:x:v1",
                json!({"tag": "v1.0.0", "environment": "../../log"}),
            ),
            ("urn:relman:leaf:x:v1", json!({"environment": "mainnet"})),
            ("urn:other:x:v1", json!({"tag": "v1.0.0"})),
        ]);
        assert_eq!(found, vec![None; 5]);
    }
}
