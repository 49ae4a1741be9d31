//! What a provenance says of the tag that was cut, beside its name and commit: the tag object itself,
//! so that anybody can verify its signature, the release it builds upon, its branches. Pure.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

use crate::attest::Statement;
use crate::limits::{MAX_BRANCHES, MAX_TAG_OBJECT_LEN};

/// Annotation of the source with the raw tag object as text.
const TAG_OBJECT: &str = "tagObject";
/// The same in standard base64, where it is not UTF-8.
const TAG_OBJECT_BASE64: &str = "tagObjectBase64";

/// What the builder says of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceClaims {
    /// The raw tag object; none for a lightweight tag, and where the provenance does not have it.
    pub tag_object: Option<Vec<u8>>,
    /// Whether it builds upon the release before it.
    pub descent: Descent,
    /// The branches that have the commit, of those that policy asked about.
    pub branches: Vec<String>,
}

/// Whether a release builds upon the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Descent {
    /// The provenance does not say.
    #[default]
    Untold,
    /// No release was before it.
    First,
    /// It has all commits of this one.
    From {
        /// The tag.
        tag: String,
        /// Hex id of its commit.
        commit: String,
    },
    /// It does not have all commits of the release of this tag.
    Not {
        /// The tag.
        tag: String,
    },
}

impl SourceClaims {
    /// The annotations of the source among `resolvedDependencies`.
    pub(super) fn annotations(&self) -> Option<Value> {
        let raw = self.tag_object.as_deref()?;
        Some(match std::str::from_utf8(raw) {
            Ok(text) => json!({ TAG_OBJECT: text }),
            Err(_) => json!({ TAG_OBJECT_BASE64: Base64::encode_string(raw) }),
        })
    }

    /// `internalParameters.source`.
    pub(super) fn parameters(&self) -> Value {
        let (from, previous) = match &self.descent {
            Descent::Untold => return json!({ "branches": self.branches }),
            Descent::First => (Value::Null, Value::Null),
            Descent::From { tag, commit } => (json!({ "tag": tag, "commit": commit }), json!(tag)),
            Descent::Not { tag } => (Value::Null, json!(tag)),
        };
        json!({ "descendsFrom": from, "previous": previous, "branches": self.branches })
    }
}

/// The claims of a provenance statement about its source. What is not there or malformed is not
/// claimed; too long a tag object, or too many branches, are none.
pub fn source_claims(statement: &Statement) -> SourceClaims {
    let build = statement.predicate.get("buildDefinition");
    let at = |path: &str| build.and_then(|b| b.pointer(path));
    SourceClaims {
        tag_object: at("/resolvedDependencies/0/annotations")
            .and_then(Value::as_object)
            .and_then(tag_object)
            .filter(|raw| raw.len() <= MAX_TAG_OBJECT_LEN),
        descent: at("/internalParameters/source").map_or(Descent::Untold, descent),
        branches: at("/internalParameters/source/branches")
            .and_then(Value::as_array)
            .filter(|names| names.len() <= MAX_BRANCHES)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
    }
}

fn tag_object(annotations: &Map<String, Value>) -> Option<Vec<u8>> {
    let text = |name: &str| annotations.get(name).and_then(Value::as_str);
    match text(TAG_OBJECT) {
        Some(raw) => Some(raw.as_bytes().to_vec()),
        None => Base64::decode_vec(text(TAG_OBJECT_BASE64)?).ok(),
    }
}

fn descent(source: &Value) -> Descent {
    let text = |path: &str| source.pointer(path).and_then(Value::as_str);
    let owned = |path: &str| text(path).map(str::to_owned);
    let null = |name: &str| source.get(name).is_some_and(Value::is_null);
    let from = (owned("/descendsFrom/tag"), owned("/descendsFrom/commit"));
    match (from, owned("/previous")) {
        ((Some(tag), Some(commit)), _) => Descent::From { tag, commit },
        (_, Some(tag)) => Descent::Not { tag },
        _ if null("descendsFrom") && null("previous") => Descent::First,
        _ => Descent::Untold,
    }
}
