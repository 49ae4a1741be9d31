//! The one small file that a ceremony sends around: a proposal, and the public metadata that a signer
//! without network needs to see what it changes. Nothing in it is trusted before it is checked. Pure.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Base, FORMAT, Proposal, is_id};
use crate::limits::{
    MAX_EXCHANGE_LEN, MAX_POLICY_LEN, MAX_ROOT_LEN, MAX_ROOT_ROTATIONS, MAX_TARGETS_LEN,
};
use crate::release::environment::{breaches_of, refuse};
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::json;
use crate::{Error, Result};

/// The value of `schema` in exchange files.
pub const EXCHANGE: &str = "relman-exchange/1";

/// What is exported and imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// [`EXCHANGE`].
    pub schema: String,
    /// The proposal.
    pub proposal: Proposal,
    /// Files of the store's `metadata/` that it was made against: name to contents.
    pub base: BTreeMap<String, String>,
    /// Further files of the store that say whether the rules hold: path to contents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, String>,
}

impl Exchange {
    /// A proposal with the metadata that `view` of `store` shows.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn new(proposal: Proposal, store: &dyn Reader, view: &mut View) -> Result<Self> {
        let mut base = BTreeMap::new();
        let mut put = |name: String, bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec())
                .map_err(|e| Error::refused(format!("{name} is not UTF-8")).caused_by(e))?;
            base.insert(name, text);
            Ok::<_, Error>(())
        };
        let last = view.refreshed.root().version;
        for version in last.saturating_sub(MAX_ROOT_ROTATIONS).max(1)..=last {
            let name = format!("{version}.root.json");
            if let Some(bytes) = store.read(&format!("metadata/{name}"), MAX_ROOT_LEN)? {
                put(name, &bytes)?;
            }
        }
        let r = &view.refreshed;
        put("timestamp.json".into(), r.timestamp().bytes())?;
        let version = r.snapshot().version;
        put(format!("{version}.snapshot.json"), r.snapshot().bytes())?;
        let version = r.targets().version;
        put(format!("{version}.targets.json"), r.targets().bytes())?;
        for name in view.policy.policy().role_names() {
            let role = view.refreshed.role(&name)?;
            put(format!("{}.{name}.json", role.version), role.bytes())?;
        }
        let name = view.policy.pin().file_name();
        let policy = store
            .read(&format!("metadata/{name}"), MAX_POLICY_LEN)?
            .ok_or_else(|| Error::refused(format!("metadata/{name} is missing")))?;
        put(name, &policy)?;
        let mut evidence = BTreeMap::new();
        let now = proposal.time;
        let (_, needed) = breaches_of(&proposal, &Base::of(view)?, store, now)?;
        for (path, bytes) in needed {
            let known = path
                .strip_prefix("metadata/")
                .map(|name| base.contains_key(name));
            if known != Some(true) {
                let text = String::from_utf8(bytes)
                    .map_err(|e| Error::refused(format!("{path} is not UTF-8")).caused_by(e))?;
                evidence.insert(path, text);
            }
        }
        Ok(Exchange {
            schema: EXCHANGE.into(),
            proposal,
            base,
            evidence,
        })
    }

    /// Every reason not to sign or publish its proposal over `base` at `now`; none if all is well.
    /// Where `store` is at hand, what the file does not bring is looked up there.
    ///
    /// # Errors
    /// As [`Proposal::check`].
    pub fn check(
        &self,
        base: &Base,
        now: Timestamp,
        store: Option<&dyn Reader>,
    ) -> Result<Vec<String>> {
        let mut problems = self.proposal.check(base, now)?;
        let (breaches, _) = breaches_of(&self.proposal, base, &self.files(store), now)?;
        problems.extend(breaches.iter().map(ToString::to_string));
        Ok(problems)
    }

    /// As [`Exchange::check`], with all that is wrong as one error.
    ///
    /// # Errors
    /// Refused, with every problem as a cause.
    pub fn require_sound(
        &self,
        base: &Base,
        now: Timestamp,
        store: Option<&dyn Reader>,
    ) -> Result<()> {
        self.proposal.require_sound(base, now)?;
        let (breaches, _) = breaches_of(&self.proposal, base, &self.files(store), now)?;
        refuse(&self.proposal.summary, &breaches)
    }

    /// The store's files in it, before those of `store`; none of them trusted.
    pub fn files<'a>(&self, store: Option<&'a dyn Reader>) -> FilesInMemory<'a> {
        let base = self.base.iter();
        let base = base.map(|(name, text)| (format!("metadata/{name}"), text));
        let evidence = self.evidence.iter();
        let evidence = evidence.map(|(path, text)| (path.clone(), text));
        let files = evidence.chain(base);
        let files = files.map(|(path, text)| (path, text.clone().into_bytes()));
        FilesInMemory {
            files: files.collect(),
            below: store,
        }
    }

    /// Reads an exchange file.
    ///
    /// # Errors
    /// More than [`MAX_EXCHANGE_LEN`] bytes, malformed JSON, another schema or format.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_EXCHANGE_LEN {
            return Err(Error::refused(format!(
                "an exchange file of {} bytes, at most {MAX_EXCHANGE_LEN} are accepted",
                bytes.len()
            )));
        }
        let value = json::parse(bytes)?;
        let schema = value.get("schema").and_then(|s| s.as_str());
        if schema != Some(EXCHANGE) {
            return Err(Error::refused(format!(
                "it has schema {}, wanted {EXCHANGE:?}",
                schema.map_or("none".into(), |s| format!("{s:?}"))
            ))
            .hint("a file that `relman export` wrote is wanted"));
        }
        let exchange = Exchange::deserialize(&value)
            .map_err(|e| Error::refused("an exchange file is malformed").caused_by(e))?;
        let proposal = &exchange.proposal;
        if proposal.format != FORMAT || !is_id(&proposal.id) {
            return Err(Error::refused(format!(
                "proposal {:?} has format {}, wanted a plain name and format {FORMAT}",
                proposal.id, proposal.format
            )));
        }
        Ok(exchange)
    }

    /// The file.
    ///
    /// # Errors
    /// It would be larger than anybody reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let value = serde_json::to_value(self)
            .map_err(|e| Error::bug("an exchange file has no JSON").caused_by(e))?;
        let bytes = json::pretty(&value)?;
        match bytes.len() as u64 {
            found if found > MAX_EXCHANGE_LEN => Err(Error::failed(format!(
                "the exchange file has {found} bytes, at most {MAX_EXCHANGE_LEN} are accepted"
            ))),
            _ => Ok(bytes),
        }
    }

    /// Verifies the metadata in it from the signer's own `trusted_root` on.
    ///
    /// # Errors
    /// Anything that does not verify.
    pub fn base(&self, trusted_root: &[u8], now: Timestamp) -> Result<Base> {
        let files = FilesInMemory::new(
            self.base
                .iter()
                .map(|(name, text)| (format!("metadata/{name}"), text.clone().into_bytes())),
        );
        Base::open(&files, trusted_root, now).map_err(|e| {
            e.under("the metadata in the exchange file does not verify")
                .hint("is --root the trust root of that project? if it is, ask for a new export")
        })
    }
}

/// A store in memory, such as one that would be.
pub struct FilesInMemory<'a> {
    files: BTreeMap<String, Vec<u8>>,
    below: Option<&'a dyn Reader>,
}

impl<'a> FilesInMemory<'a> {
    /// These files alone, by path.
    pub fn new(files: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        FilesInMemory {
            files: files.collect(),
            below: None,
        }
    }

    /// These files before those of `store`.
    pub fn over(files: impl Iterator<Item = (String, Vec<u8>)>, store: &'a dyn Reader) -> Self {
        FilesInMemory {
            files: files.collect(),
            below: Some(store),
        }
    }
}

impl Reader for FilesInMemory<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match (self.files.get(path), self.below) {
            (Some(bytes), _) if bytes.len() as u64 > limit => Err(Error::refused(format!(
                "{path} is longer than {limit} bytes"
            ))),
            (Some(bytes), _) => Ok(Some(bytes.clone())),
            (None, Some(below)) => below.read(path, limit),
            (None, None) => Ok(None),
        }
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        match (self.files.get(path), self.below) {
            (Some(bytes), _) => Ok(Some(Box::new(Cursor::new(bytes.clone())))),
            (None, Some(below)) => below.open(path),
            (None, None) => Ok(None),
        }
    }

    fn location(&self) -> String {
        self.below.map_or("memory".into(), Reader::location)
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        self.below.map_or(Ok(None), |below| below.list(prefix))
    }
}

// Metadata in an exchange file stands in JSON strings, and the limits of its parts hold as well.
const _: () = assert!(MAX_EXCHANGE_LEN > 2 * MAX_TARGETS_LEN);
