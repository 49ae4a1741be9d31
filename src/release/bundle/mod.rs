//! Bundles: one file with all that a node reads of a store to install one release, and the log's hash
//! tiles. A plain tar (ustar) whose every byte follows from its first member, the index. Pure.
//!
//! Nothing is trusted because it comes from a bundle: it is read like any store, by the same checks.
//! The index only tells damage from an attack, and where what lies.

mod collect;
mod layout;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::hash::Sha256;
use crate::limits::{
    MAX_ARCHIVE_LEN, MAX_BUNDLE_INDEX_LEN, MAX_BUNDLE_MEMBERS, MAX_BUNDLE_SMALL_LEN, MAX_SHOWN_NAME,
};
use crate::release::tag::Tag;
use crate::release::verify::LOCAL;
use crate::store::is_object_name;
use crate::{Error, Result};

pub use collect::{Collected, Collector};
pub use layout::{END_LEN, Layout, Piece, ReadAt, header, padding};

/// The name of the index in the tar.
pub const INDEX: &str = "bundle.json";
const FORMAT: u32 = 1;

/// An object of the store that lies in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path in the store.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// Digest of its content.
    pub sha256: Sha256,
}

/// What a bundle says of itself: a claim that the store's own signatures have to bear out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    format: u32,
    /// The release.
    pub tag: String,
    /// The environment whose nodes it is for; nodes of `local` take any.
    pub environment: String,
    /// Everything but the archive, sorted by path.
    pub members: Vec<Member>,
    /// The archive, last in the file.
    pub archive: Member,
}

impl Index {
    /// An index of these members.
    ///
    /// # Errors
    /// As [`Index::parse`]: what readers would refuse is never written.
    pub fn new(
        tag: &str,
        environment: &str,
        mut members: Vec<Member>,
        archive: Member,
    ) -> Result<Self> {
        members.sort_by(|a, b| a.path.cmp(&b.path));
        let index = Index {
            format: FORMAT,
            tag: tag.to_owned(),
            environment: environment.to_owned(),
            members,
            archive,
        };
        index.check()?;
        Ok(index)
    }

    /// As written: one line.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|e| Error::bug("an index has no JSON").caused_by(e))?;
        bytes.push(b'\n');
        match bytes.len() as u64 > MAX_BUNDLE_INDEX_LEN {
            true => Err(Error::failed(format!(
                "the index of a bundle would have {} bytes, the limit is {MAX_BUNDLE_INDEX_LEN}",
                bytes.len()
            ))),
            false => Ok(bytes),
        }
    }

    /// Reads an index.
    ///
    /// # Errors
    /// Refused: another format, anything that relman would not have written: white space, names out
    /// of order or twice, an archive that is not the tag's, too many or too large members.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let malformed = || Error::refused(format!("{INDEX} is malformed"));
        let index: Index = serde_json::from_slice(bytes).map_err(|e| malformed().caused_by(e))?;
        index.check()?;
        match index.to_bytes()? == bytes {
            true => Ok(index),
            false => Err(malformed().caused_by("it is not written as relman writes it")),
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::refused(format!("{INDEX} {why}")));
        if self.format != FORMAT {
            return refuse(format!("has format {}, wanted {FORMAT}", self.format));
        }
        Tag::parse_any(&self.tag).map_err(|e| e.under(INDEX).with_kind(crate::Kind::Refused))?;
        let (count, all) = (self.members.len(), self.members.iter());
        if count > MAX_BUNDLE_MEMBERS {
            return refuse(format!(
                "lists {count} members, the limit is {MAX_BUNDLE_MEMBERS}"
            ));
        }
        let mut before = "";
        for member in all.clone() {
            let path = member.path.as_str();
            if !is_object_name(path) || path.chars().any(char::is_control) {
                let shown: String = path.chars().take(MAX_SHOWN_NAME).collect();
                return refuse(format!("lists {shown:?}, which is no name of an object"));
            }
            if path <= before || path == self.archive.path {
                return refuse(format!("lists {path:?} twice or out of order"));
            }
            before = path;
        }
        let small = all
            .clone()
            .fold(0u64, |sum, m| sum.saturating_add(m.length));
        if small > MAX_BUNDLE_SMALL_LEN || self.archive.length > MAX_ARCHIVE_LEN {
            return refuse(format!(
                "lists {small} bytes and an archive of {}, the limits are {MAX_BUNDLE_SMALL_LEN} and {MAX_ARCHIVE_LEN}",
                self.archive.length
            ));
        }
        let archive = format!("targets/{}.{}.tar.gz", self.archive.sha256, self.tag);
        if self.archive.path != archive {
            return refuse(format!(
                "has the archive {:?}, wanted {archive:?}",
                self.archive.path
            ));
        }
        let role = format!(".{}.json", self.environment);
        let of_role = |path: &str| {
            let version = path.strip_prefix("metadata/")?.strip_suffix(&role)?;
            version.parse::<u64>().ok()
        };
        if self.environment != LOCAL && !all.clone().any(|m| of_role(&m.path).is_some()) {
            return refuse(format!(
                "is for {:?} and lists no role of that environment",
                self.environment
                    .chars()
                    .take(MAX_SHOWN_NAME)
                    .collect::<String>()
            ));
        }
        Ok(())
    }

    /// Checks that a node of `environment` may be served from it.
    ///
    /// # Errors
    /// Usage: it was made for another environment, so what this one has agreed on is not in it.
    pub fn check_environment(&self, environment: &str) -> Result<()> {
        if environment == LOCAL || environment == self.environment {
            return Ok(());
        }
        Err(Error::usage(format!(
            "the bundle is for {}, this node is one of {environment}",
            self.environment
        ))
        .hint(format!(
            "make one for it: relman bundle {} --environment {environment} --out FILE",
            self.tag
        )))
    }

    /// All members in the order of the file, the archive last.
    pub fn in_order(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().chain([&self.archive])
    }
}
