//! The first publication of a store: root, policy, environments, an empty list of releases, and
//! the log that tells of them. Pure.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::batch::Batch;
use super::log_end::LogEnd;
use super::signing::{Signed, sign_under};
use super::{Keys, expires};
use crate::keys::PublicKey;
use crate::log::VerifierKey;
use crate::release::config::Expiry;
use crate::release::policy::ReleasePolicy;
use crate::store::Reader;
use crate::store::stage::Transaction;
use crate::trust::policy::{Environment, KeyEntry, Pin, PolicyDocument, Purpose};
use crate::trust::schema::{EXAMPLE_MEMBER, Root, Snapshot, TOP_LEVEL, Targets};
use crate::trust::verify::Signers;
use crate::trust::{MetaFile, Unsigned};
use crate::{Error, Result};

/// Root's member that names the holder of each TUF key, for messages alone.
pub const PEOPLE_MEMBER: &str = "x-relman-people";

/// The environments that a project starts with, in order.
const ENVIRONMENTS: [&str; 2] = ["testnet", "mainnet"];

/// How a project starts.
pub struct Genesis<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The log's origin line.
    pub origin: &'a str,
    /// Whose keys these are.
    pub person: &'a str,
    /// `none`, or who must cosign the log's checkpoints (C2SP tlog-policy).
    pub witnesses: &'a str,
    /// Mark the root as an example.
    pub example: bool,
    /// The keys: `root` `targets` `snapshot` `timestamp` `log` `builder` `publisher` `approver`
    /// `testnet` `mainnet`, one each.
    pub keys: &'a dyn Keys,
    /// How long signatures are valid.
    pub expiry: &'a Expiry,
    /// Now.
    pub now: Timestamp,
}

/// What a new project publishes.
pub struct Founded {
    /// `keys/root.json`.
    pub root: Vec<u8>,
    /// `keys/policy.json`.
    pub policy: Vec<u8>,
    /// The log's key as a vkey line.
    pub vkey: String,
    /// The builder's key, for `allowed_signers`.
    pub builder: PublicKey,
    /// The store's first objects.
    pub transaction: Transaction,
}

impl Genesis<'_> {
    /// Plans the whole start; the same keys and time give the same bytes.
    ///
    /// # Errors
    /// A key that is missing or used twice.
    pub fn plan(&self, store: &dyn Reader) -> Result<Founded> {
        let log_key = self.keys.one("log")?;
        let vkey = VerifierKey::from_public(self.origin, &log_key.public())?.to_string();
        let policy_bytes = ReleasePolicy::to_bytes(&self.policy(&vkey)?)?;
        let pin = Pin::of(&policy_bytes);
        let (root, root_bytes) = self.root(&pin)?;

        let end = LogEnd::founded(self.origin, log_key, self.keys.one("publisher")?)?;
        let mut batch = Batch::starting(store, Some(end), self.now);
        let policy = ReleasePolicy::parse(&policy_bytes, pin.clone())?;
        batch.want_witnesses(&policy, self.keys)?;
        batch.policy(pin.file_name(), policy_bytes.clone());
        let mut snapshot = Snapshot::new(1, self.until("snapshot")?);

        let targets = self.targets()?;
        let bytes = self.whole(&targets, "targets", &root)?;
        snapshot
            .meta
            .insert("targets.json".into(), MetaFile::of(1, &bytes));
        batch.role("targets", 1, bytes);
        for name in ENVIRONMENTS {
            let bytes = self.environment(name, &targets)?;
            snapshot
                .meta
                .insert(format!("{name}.json"), MetaFile::of(1, &bytes));
            batch.role(name, 1, bytes);
        }
        batch.role("root", 1, root_bytes.clone());

        let bytes = self.whole(&snapshot, "snapshot", &root)?;
        let meta = MetaFile::of(1, &bytes);
        batch.snapshot(1, bytes);
        let timestamp = crate::trust::Timestamp::new(1, self.until("timestamp")?, meta);
        batch.timestamp(1, self.whole(&timestamp, "timestamp", &root)?);
        Ok(Founded {
            root: root_bytes,
            policy: policy_bytes,
            vkey,
            builder: self.keys.one("builder")?.public(),
            transaction: batch.transaction()?,
        })
    }

    fn until(&self, role: &str) -> Result<Timestamp> {
        expires(self.expiry, role, self.now)
    }

    fn policy(&self, vkey: &str) -> Result<PolicyDocument> {
        let mut policy = PolicyDocument::new(self.project, self.origin);
        policy.log.vkeys.push(vkey.to_owned());
        policy.log.witnesses = self.witnesses.to_owned();
        let purposes = [
            ("builder", Purpose::Builder),
            ("publisher", Purpose::Publisher),
            ("gate", Purpose::Gate),
            ("approver", Purpose::Approver),
        ];
        let environments = ENVIRONMENTS.map(|e| (e, Purpose::Environment(e.to_owned())));
        // Keys outlive the metadata that they sign: policy ends them by a newer policy.
        let end = "9999-12-30T00:00:00Z"
            .parse()
            .map_err(|e| Error::bug("the end of time is no time").caused_by(e))?;
        for (file, purpose) in purposes.into_iter().chain(environments) {
            let key = crate::trust::PublicKey::ed25519(self.keys.one(file)?.public().bytes());
            policy
                .keys
                .push(KeyEntry::new(&key, self.person, purpose, self.now, end)?);
        }
        for name in ENVIRONMENTS {
            policy.environments.push(Environment {
                name: name.to_owned(),
                keys: vec![self.keys.one(name)?.public().keyid()],
                threshold: 1,
                approvals: Vec::new(),
                rebuilders: 0,
                // Nobody could tell these times before there are witnesses.
                minimum: None,
                soak_hours: 0,
                notice_hours: 0,
                halt: None,
                overriders: None,
            });
        }
        Ok(policy)
    }

    /// One key a role, or as many as are at hand, all of which must then sign.
    fn root(&self, pin: &Pin) -> Result<(Root, Vec<u8>)> {
        let mut root = Root::new(1, self.until("root")?);
        let mut people = Map::new();
        for role in TOP_LEVEL {
            let keys = self.keys.all(role)?;
            for key in &keys {
                let id = root.add_key(role, &key.public().into())?;
                people.insert(id, self.person.into());
            }
            if let Some(role) = root.roles.get_mut(role) {
                role.threshold = (keys.len() as u64).max(1);
            }
        }
        pin.set(&mut root);
        root.extra.insert(PEOPLE_MEMBER.into(), people.into());
        if self.example {
            root.extra.insert(EXAMPLE_MEMBER.into(), json!(true));
        }
        let bytes = self.whole(&root, "root", &root)?;
        Ok((root, bytes))
    }

    fn targets(&self) -> Result<Targets> {
        let mut targets = Targets::new(1, self.until("targets")?);
        for name in ENVIRONMENTS {
            let key = self.keys.one(name)?;
            let public = key.public().into();
            targets.delegate(name, &[public], 1, true, &[format!("{name}.*")])?;
        }
        Ok(targets)
    }

    fn environment(&self, name: &str, delegator: &Targets) -> Result<Vec<u8>> {
        let key = self.keys.one(name)?;
        let signed = Unsigned::new(&Targets::new(1, self.until(name)?))?.sign(key.as_ref())?;
        let signers = Signers::of_delegation(delegator, "targets", name)?;
        signed.publish(name, "targets version 1", signers)
    }

    fn whole<T: crate::trust::schema::Role>(
        &self,
        body: &T,
        role: &str,
        root: &Root,
    ) -> Result<Vec<u8>> {
        match sign_under(body, role, root, &self.keys.all(role)?)? {
            Signed::Whole(bytes) => Ok(bytes),
            Signed::Waiting(waiting) => Err(Error::failed(format!(
                "role {role} has {} of {} signatures",
                waiting.have, waiting.threshold
            ))),
        }
    }
}
