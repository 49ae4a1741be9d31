//! Ceremonies in memory: a project whose keys grow from seeds, and proposals about it. No files, a
//! fixed clock.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::keys::seed::Seed;
use crate::release::config::Expiry;
use crate::release::publish::{Genesis, Keys, Publisher};
use crate::release::view::View;
use crate::store::stage::Content;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::trust::{TargetFile, Targets};

mod change_root;
mod exchange;
mod hostile;
mod review;
mod signatures;

/// The purposes of a new project; the key of each grows from its place here.
const PURPOSES: [&str; 11] = [
    "root",
    "targets",
    "snapshot",
    "timestamp",
    "log",
    "publisher",
    "builder",
    "approver",
    "testnet",
    "mainnet",
    "gate",
];

/// Keys by purpose.
#[derive(Clone, Default)]
struct Ring(BTreeMap<String, Vec<Seed>>);

impl Ring {
    fn one_each() -> Ring {
        let keys = PURPOSES.iter().zip(1..);
        Ring(
            keys.map(|(purpose, n)| ((*purpose).to_owned(), vec![Seed(n)]))
                .collect(),
        )
    }

    fn with(mut self, purpose: &str, seeds: &[u8]) -> Ring {
        let keys = seeds.iter().copied().map(Seed).collect();
        self.0.insert(purpose.into(), keys);
        self
    }

    fn only(purpose: &str, seeds: &[u8]) -> Ring {
        Ring::default().with(purpose, seeds)
    }
}

impl Keys for Ring {
    fn all(&self, purpose: &str) -> Result<Vec<Box<dyn Signer>>> {
        let seeds = self.0.get(purpose).into_iter().flatten();
        Ok(seeds
            .map(|seed| Box::new(*seed) as Box<dyn Signer>)
            .collect())
    }
}

fn seed(purpose: &str) -> Seed {
    Seed(
        PURPOSES
            .iter()
            .zip(1..)
            .find(|(p, _)| **p == purpose)
            .unwrap()
            .1,
    )
}

fn now() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

/// A project as it begins, a month before now.
struct World {
    store: FilesInMemory<'static>,
    root: Vec<u8>,
    expiry: Expiry,
}

impl World {
    fn new(ring: &Ring) -> World {
        let expiry = Expiry::default();
        let founded = Genesis {
            project: "timed",
            origin: "timed/relman-log",
            person: "alice",
            witnesses: "none",
            example: false,
            keys: ring,
            expiry: &expiry,
            now: "2026-02-01T00:00:00Z".parse().unwrap(),
        }
        .plan(&FilesInMemory::new(std::iter::empty()))
        .unwrap();
        let files = founded
            .transaction
            .puts
            .iter()
            .map(|put| match &put.content {
                Content::Bytes(bytes) => (put.path.clone(), bytes.clone()),
                Content::File { .. } => panic!("{} is a file", put.path),
            });
        World {
            store: FilesInMemory::new(files),
            root: founded.root,
            expiry,
        }
    }

    fn base(&self) -> Base {
        Base::open(&self.store, &self.root, now()).unwrap()
    }

    fn with_view<T>(&self, keys: &Ring, work: impl FnOnce(&Publisher, &mut View) -> T) -> T {
        let (fetch, cache) = (StoreMetadata(&self.store), Memory::new());
        let mut view = View::open(&self.store, &fetch, &cache, &self.root, now()).unwrap();
        let publisher = Publisher {
            store: &self.store,
            keys,
            expiry: &self.expiry,
            now: now(),
        };
        work(&publisher, &mut view)
    }

    /// A proposal that lists one more target.
    fn proposal(&self) -> Proposal {
        let mut targets = Targets::clone(&self.base().targets);
        targets.version += 1;
        let file = TargetFile::new(2, Sha256::of(b"{}"));
        targets.targets.insert("some.tar.gz".into(), file);
        let mut proposal = Proposal::new("timed", "release-some", Kind::Release, "list it", now());
        proposal
            .roles
            .push(RoleDraft::targets("targets", &targets).unwrap());
        proposal
    }

    fn changed(&self, changes: &[Change]) -> Result<Proposal> {
        self.with_view(&Ring::one_each(), |publisher, view| {
            publisher.propose_root(view, None, changes)
        })
    }
}

/// The only problem of a proposal.
#[track_caller]
fn problem(proposal: &Proposal, base: &Base) -> String {
    let problems = proposal.check(base, now()).unwrap();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.into_iter().next().unwrap()
}

/// What an approver would say of an archive.
fn statement(purpose: Purpose) -> StatementDraft {
    let subject = Subject::new("some.tar.gz", Sha256::of(b"{}"));
    let statement = Statement::new(
        vec![subject],
        "urn:example:approval",
        serde_json::json!({ "time": now().to_string() }),
    );
    StatementDraft::new(purpose, "some/approval.tlog-proof", statement)
}
