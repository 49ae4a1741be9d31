//! An approval: one person, in one role, says yes to one archive that was made from one commit. Pure.
//!
//! The predicate is relman's own (`docs/formats.md`); links and files in it are in-toto
//! ResourceDescriptors.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statement::{Statement, Subject};
use crate::hash::Sha256;
use crate::limits::{MAX_APPROVAL_COMMENT_LEN, MAX_APPROVAL_EVIDENCE, MAX_URL_LEN};
use crate::trust::policy::is_rule_name;
use crate::{Error, Result};

/// The predicate type.
pub const PREDICATE_TYPE: &str = "urn:relman:approval:v1";
/// The name of the subject that is the commit.
const SOURCE: &str = "source";

/// What an approval says. Who says it is told by the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The release's tag.
    pub tag: String,
    /// Digest of its archive.
    pub archive: Sha256,
    /// Hex id of the commit.
    pub commit: String,
    /// In which role: `code-review`, `security`, …
    pub role: String,
    /// In words.
    pub comment: Option<String>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// When it was given, by the approver's clock.
    pub time: Timestamp,
}

/// A link, or a file by its digest (in-toto ResourceDescriptor).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// A file's name without directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `sha256` of a file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    tag: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Evidence>,
    #[serde(with = "crate::trust::time")]
    time: Timestamp,
}

impl Evidence {
    /// A link.
    ///
    /// # Errors
    /// Usage: no `https://` or `http://` address, or one that is too long.
    pub fn link(uri: &str) -> Result<Self> {
        let evidence = Evidence {
            uri: Some(uri.to_owned()),
            name: None,
            digest: BTreeMap::new(),
        };
        match evidence.problem() {
            None => Ok(evidence),
            Some(problem) => Err(Error::usage(problem)),
        }
    }

    /// A file that was read.
    pub fn file(name: &str, sha256: Sha256) -> Self {
        Evidence {
            uri: None,
            name: Some(name.to_owned()),
            digest: BTreeMap::from([("sha256".into(), sha256.hex())]),
        }
    }

    /// The link, or the file's name with its digest.
    pub fn words(&self) -> String {
        match (&self.uri, &self.name) {
            (Some(uri), _) => uri.clone(),
            (None, name) => format!(
                "{} sha256 {}",
                name.as_deref().unwrap_or("a file"),
                self.digest.get("sha256").map_or("none", String::as_str)
            ),
        }
    }

    fn problem(&self) -> Option<String> {
        let web = |uri: &str| {
            ["https://", "http://"].iter().any(|s| uri.starts_with(s))
                && uri.len() <= MAX_URL_LEN
                && !uri.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        match (&self.uri, self.digest.get("sha256")) {
            (Some(uri), _) if !web(uri) => Some(format!("evidence {uri:?} is no web address")),
            (_, Some(hex)) if Sha256::from_hex(hex).is_none() => {
                Some(format!("evidence with digest {hex:?}"))
            }
            (None, None) => Some("evidence with neither an address nor a digest".into()),
            _ => None,
        }
    }
}

impl Approval {
    /// The name of the release's archive.
    pub fn archive_name(&self) -> String {
        format!("{}.tar.gz", self.tag)
    }

    /// The statement over archive and commit.
    ///
    /// # Errors
    /// Usage: a role that is no name, a comment that is too long or not plain text, too much evidence.
    pub fn statement(&self) -> Result<Statement> {
        if let Some(problem) = self.problem() {
            return Err(Error::usage(problem));
        }
        let predicate = Predicate {
            tag: self.tag.clone(),
            role: self.role.clone(),
            comment: self.comment.clone(),
            evidence: self.evidence.clone(),
            time: self.time,
        };
        let predicate = serde_json::to_value(predicate)
            .map_err(|e| Error::bug("an approval has no JSON").caused_by(e))?;
        let subjects = vec![
            Subject::new(self.archive_name(), self.archive),
            Subject::of_commit(SOURCE, &self.commit),
        ];
        Ok(Statement::new(subjects, PREDICATE_TYPE, predicate))
    }

    /// Reads a statement whose signature was verified.
    ///
    /// # Errors
    /// Refused: another predicate type, unknown members, a malformed one, other subjects than one
    /// archive and one commit.
    pub fn read(statement: &Statement) -> Result<Self> {
        if statement.predicate_type != PREDICATE_TYPE {
            return Err(Error::refused(format!(
                "predicate type {:?}, wanted {PREDICATE_TYPE:?}",
                statement.predicate_type
            )));
        }
        let predicate: Predicate = serde_json::from_value(Value::clone(&statement.predicate))
            .map_err(|e| Error::refused("an approval is malformed").caused_by(e))?;
        let archive = format!("{}.tar.gz", predicate.tag);
        let found = |name: &str| statement.subject.iter().find(|s| s.name == name);
        let of_archive = found(&archive).and_then(Subject::sha256);
        let of_source = found(SOURCE).and_then(Subject::git_commit);
        let (Some(sha256), Some(commit), 2) = (of_archive, of_source, statement.subject.len())
        else {
            return Err(Error::refused(format!(
                "an approval of {:?} whose two subjects are not {archive:?} and {SOURCE:?}",
                predicate.tag
            )));
        };
        let approval = Approval {
            archive: sha256,
            commit: commit.to_owned(),
            tag: predicate.tag,
            role: predicate.role,
            comment: predicate.comment,
            evidence: predicate.evidence,
            time: predicate.time,
        };
        match approval.problem() {
            None => Ok(approval),
            Some(problem) => Err(Error::refused(problem)),
        }
    }

    fn problem(&self) -> Option<String> {
        if !is_rule_name(&self.role) {
            return Some(format!(
                "role {:?} is no name, wanted lower-case words with `-` between, such as code-review",
                self.role
            ));
        }
        if let Some(comment) = &self.comment {
            let hidden = |c: char| c.is_control() && c != '\n';
            if comment.len() > MAX_APPROVAL_COMMENT_LEN || comment.contains(hidden) {
                return Some(format!(
                    "a comment of {} bytes, wanted at most {MAX_APPROVAL_COMMENT_LEN} of plain text",
                    comment.len()
                ));
            }
        }
        if self.evidence.len() > MAX_APPROVAL_EVIDENCE {
            return Some(format!(
                "{} pieces of evidence, the limit is {MAX_APPROVAL_EVIDENCE}",
                self.evidence.len()
            ));
        }
        self.evidence.iter().find_map(Evidence::problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval() -> Approval {
        Approval {
            tag: "phase1-x-1.0.0".into(),
            archive: Sha256::of(b"archive"),
            commit: "ab".repeat(20),
            role: "code-review".into(),
            comment: Some("two commits, read whole".into()),
            evidence: vec![
                Evidence::link("https://example.org/review/7").unwrap(),
                Evidence::file("report.pdf", Sha256::of(b"report")),
            ],
            time: "2026-02-03T04:05:06Z".parse().unwrap(),
        }
    }

    #[test]
    fn an_approval_is_read_back_as_it_was_given() {
        let given = approval();
        let payload = given.statement().unwrap().to_bytes().unwrap();
        let read = Approval::read(&Statement::parse(&payload).unwrap()).unwrap();
        assert_eq!(read, given);
    }

    #[test]
    fn what_cannot_be_an_approval_is_refused_when_made_and_when_read() {
        let bad: [fn(&mut Approval); 5] = [
            |a| a.role = "Code Review".into(),
            |a| a.comment = Some("\u{1b}[2J".into()),
            |a| a.comment = Some("x".repeat(MAX_APPROVAL_COMMENT_LEN + 1)),
            |a| a.evidence[0].uri = Some("javascript:alert(1)".into()),
            |a| a.evidence[1].digest.clear(),
        ];
        for change in bad {
            let mut approval = approval();
            change(&mut approval);
            assert!(approval.statement().is_err(), "{approval:?}");
        }
        let good = approval().statement().unwrap();
        let strange: [fn(&mut Statement); 5] = [
            |s| s.predicate_type = "urn:relman:approval:v2".into(),
            |s| s.predicate["more"] = 1.into(),
            |s| s.predicate["role"] = "QA!".into(),
            |s| s.subject.truncate(1),
            |s| s.subject[0].name = "phase2-x-1.0.0.tar.gz".into(),
        ];
        for change in strange {
            let mut statement = good.clone();
            change(&mut statement);
            assert!(Approval::read(&statement).is_err(), "{statement:?}");
        }
    }
}
