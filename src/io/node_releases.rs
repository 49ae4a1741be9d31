//! Room `io`: verification for a node: its store, its trust root, and what it has seen before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::dir_sink::DirSink;
use super::memory_of_node::{DirCache, LastSeen, Overlay, SeenFile};
use super::scratch::PrivateFiles;
use super::store_bundle::BundleStore;
use super::store_http::{HttpStore, KeptHeads};
use super::store_local::LocalStore;
use super::{clock, durable, process};
use crate::attest::provenance::MemberFacts;
use crate::limits::MAX_ROOT_LEN;
use crate::node::config::{NodeConfig, StoreLocation};
use crate::node::release::{NodeKnows, Releases, VerifiedFile, VerifiedRelease};
use crate::release::environment::target_name;
use crate::release::report::{Problem, Report, with_problems};
use crate::release::state::{Released, current_tag};
use crate::release::verify::{
    Known, LOCAL, ScratchFile, SeenNothing, Subject, Unpacking, Verifier, unpack_checked,
    verify_retained,
};
use crate::store::Reader;
use crate::trust::refresh::{self, Cache, StoreMetadata};
use crate::trust::state::{Clock, Expiry};
use crate::trust::{Root, Unverified};
use crate::{Error, Result};

/// Verifies releases for one node.
pub struct NodeReleases {
    store: Box<dyn Reader>,
    root: PathBuf,
    environment: String,
    state: PathBuf,
    accept_example: bool,
    dry_run: bool,
    verified: RefCell<Option<Verified>>,
}

/// The archive that was verified, held open so that what is unpacked is what was hashed.
struct Verified {
    tag: String,
    archive: Box<dyn ScratchFile>,
    members: BTreeMap<String, MemberFacts>,
}

impl NodeReleases {
    /// For the node of `config`. A dry run looks into the archive at once and remembers nothing.
    ///
    /// # Errors
    /// Usage: a store that cannot be one.
    pub fn new(config: &NodeConfig, dry_run: bool) -> Result<Self> {
        let store: Box<dyn Reader> = match &config.store {
            StoreLocation::Path(path) => Box::new(LocalStore::new(path)),
            StoreLocation::Url(url) => {
                let store = HttpStore::with_options(url, &config.http)?;
                Box::new(match dry_run {
                    true => store,
                    false => store.keeping(KeptHeads::in_state(&config.state)),
                })
            }
        };
        Ok(Self::of(store, config, dry_run))
    }

    /// For what asks no store and must not wait for its settings to be right: a rollback, a stop.
    pub fn without_store(config: &NodeConfig) -> Self {
        Self::of(Box::new(LocalStore::new(&config.state)), config, true)
    }

    /// The same, from a bundle instead of the node's store: no check is another one.
    ///
    /// # Errors
    /// Usage: a bundle for another environment.
    pub fn from_bundle(config: &NodeConfig, bundle: BundleStore, dry_run: bool) -> Result<Self> {
        bundle.index().check_environment(&config.environment)?;
        Ok(Self::of(Box::new(bundle), config, dry_run))
    }

    fn of(store: Box<dyn Reader>, config: &NodeConfig, dry_run: bool) -> Self {
        NodeReleases {
            store,
            root: config.root.clone(),
            environment: config.environment.clone(),
            state: config.state.clone(),
            accept_example: config.insecure_accept_example_root,
            dry_run,
            verified: RefCell::new(None),
        }
    }

    fn trusted_root(&self) -> Result<Vec<u8>> {
        let root = durable::read_bounded(&self.root, MAX_ROOT_LEN)?.ok_or_else(|| {
            Error::failed(format!("there is no trust root at {}", self.root.display()))
                .hint("get root.json from the project's team, by a way that you trust")
        })?;
        self.check_example(&root)?;
        Ok(root)
    }

    /// The tag that the node's environment has agreed on; whether it may be installed is asked when
    /// it is verified. Remembers nothing.
    ///
    /// # Errors
    /// Usage: a `local` node. Refused: metadata that does not verify; nothing was promoted yet.
    pub fn agreed(&self) -> Result<String> {
        let name = &self.environment;
        if name == LOCAL {
            return Err(Error::usage("a local node installs what it is told to")
                .hint("name a release: relman install TAG"));
        }
        let trust = DirCache::new(self.state.join("trust"));
        let (cache, fetch) = (Overlay::new(&trust), StoreMetadata(self.store.as_ref()));
        let mut refreshed = self.refreshed(&fetch, &cache)?;
        let role = refreshed.role(name)?;
        let target = role.targets.get(&target_name(name));
        target.and_then(current_tag).ok_or_else(|| {
            Error::refused(format!("no release has been promoted to {name} yet"))
                .hint(format!("relman promote TAG --to {name}"))
        })
    }

    fn refreshed<'a>(
        &self,
        fetch: &'a StoreMetadata<'a>,
        cache: &'a Overlay<'a>,
    ) -> Result<refresh::Refreshed<'a>> {
        let clock = Clock {
            now: clock::now(),
            expiry: Expiry::Enforce,
        };
        refresh::refresh(Some(&self.trusted_root()?), fetch, cache, clock)
    }

    fn last_seen(&self) -> LastSeen {
        LastSeen::new(self.state.join("trust").join("last-seen"))
    }

    /// A root that says of itself that it is an example guards nothing.
    fn check_example(&self, root: &[u8]) -> Result<()> {
        let root = Unverified::<Root>::parse(root)?;
        if root.unverified_signed().is_example() && !self.accept_example {
            return Err(Error::refused("the trust root is marked as an example")
                .caused_by("its secret keys may be anybody's")
                .hint("use the root.json of your own project, made by: relman init"));
        }
        Ok(())
    }
}

impl Releases for NodeReleases {
    fn verify(&self, tag: &str, staging: &Path) -> Result<VerifiedRelease> {
        let now = clock::now();
        self.last_seen().check(now)?;
        let root = self.trusted_root()?;
        let (trust, seen) = (
            DirCache::new(self.state.join("trust")),
            SeenFile::new(self.state.join("log").join("checkpoint")),
        );
        let (overlay, looking) = (Overlay::new(&trust), SeenNothing(Some(&seen)));
        let cache: &dyn Cache = if self.dry_run { &overlay } else { &trust };
        let verdict = Verifier {
            store: self.store.as_ref(),
            trusted_root: Some(&root),
            cache,
            seen: if self.dry_run { &looking } else { &seen },
            scratch: &PrivateFiles::in_dir(staging),
            clock: Clock {
                now,
                expiry: Expiry::Enforce,
            },
            threads: process::threads(),
            stop_at_first: true,
        }
        .run(
            &Subject {
                tag,
                environment: &self.environment,
                release: self.store.as_ref(),
                archive: &|released: &Released| self.store.open(&released.archive_path()),
                unpacking: match self.dry_run {
                    true => Unpacking::Members,
                    false => Unpacking::Later,
                },
            },
            None,
        );
        // Only a time at which the metadata was fresh: a clock that is far ahead is not remembered.
        if !self.dry_run && verdict.report.passed("metadata") {
            self.last_seen().advance(now)?;
        }
        let (Some(release), Some(archive)) = (verdict.release, verdict.archive) else {
            return Err(refusal(tag, &verdict.report));
        };
        for (name, bytes) in &release.evidence {
            if name == "root.json" {
                self.check_example(bytes)?;
            }
        }
        let verified = verified_release(
            tag,
            &release.released,
            &release.members,
            release.minimum,
            release.evidence,
            verdict.report.warnings,
        );
        self.verified.replace(Some(Verified {
            tag: tag.to_owned(),
            archive,
            members: release.members,
        }));
        Ok(verified)
    }

    fn unpack(&self, release: &VerifiedRelease, _staging: &Path, dir: &Path) -> Result<()> {
        let mut held = self.verified.borrow_mut();
        let verified = held
            .as_mut()
            .filter(|verified| verified.tag == release.tag)
            .ok_or_else(|| Error::bug(format!("{} is to be unpacked unverified", release.tag)))?;
        verified.archive.rewind()?;
        let mut sink = DirSink::new(dir);
        unpack_checked(
            &mut verified.archive,
            &verified.tag,
            &verified.members,
            process::threads(),
            Some(&mut sink),
        )
        .map_err(|problems| {
            let problems: Vec<&Problem> = problems.iter().collect();
            let tag = &release.tag;
            with_problems(
                &problems,
                &format!("the archive of {tag} was refused"),
                || format!("the archive of {tag} could not be unpacked"),
            )
        })
    }

    fn verify_retained(
        &self,
        tag: &str,
        evidence: &[(String, Vec<u8>)],
        now: Timestamp,
    ) -> Result<VerifiedRelease> {
        let (release, mut warnings) = verify_retained(tag, evidence, &self.trusted_root()?, now)?;
        // Going back must work on a machine that has lost its time.
        warnings.extend(self.last_seen().check(now).err().map(|e| e.to_string()));
        Ok(verified_release(
            tag,
            &release.released,
            &release.members,
            None,
            release.evidence,
            warnings,
        ))
    }

    fn look(&self) -> Result<()> {
        let trust = DirCache::new(self.state.join("trust"));
        let (cache, fetch) = (Overlay::new(&trust), StoreMetadata(self.store.as_ref()));
        self.last_seen().check(clock::now())?;
        self.refreshed(&fetch, &cache).map(|_| ())
    }

    fn known(&self, now: Timestamp) -> Result<Option<NodeKnows>> {
        let cache = DirCache::new(self.state.join("trust"));
        let overlay = Overlay::new(&cache);
        let environment = (self.environment != LOCAL).then_some(self.environment.as_str());
        let known = Known::read(&overlay, &self.trusted_root()?, environment, now)?;
        known
            .map(|metadata| {
                Ok(NodeKnows {
                    metadata,
                    // Written after each refresh whose history was believed.
                    refreshed: durable::modified(&self.state.join("log").join("checkpoint"))?,
                })
            })
            .transpose()
    }
}

fn verified_release(
    tag: &str,
    released: &Released,
    members: &BTreeMap<String, MemberFacts>,
    minimum: Option<String>,
    evidence: Vec<(String, Vec<u8>)>,
    warnings: Vec<String>,
) -> VerifiedRelease {
    let file = |(path, facts): (&String, &MemberFacts)| VerifiedFile {
        path: path.clone(),
        sha256: facts.sha256,
        len: facts.length,
        executable: facts.executable,
    };
    VerifiedRelease {
        tag: tag.to_owned(),
        archive_sha256: released.sha256,
        archive_len: released.length,
        files: members.iter().map(file).collect(),
        edges: released.edges.clone(),
        minimum,
        evidence,
        warnings,
    }
}

fn refusal(tag: &str, report: &Report) -> Error {
    let failed = report.problems().next().map_or("one", |(check, _)| check);
    let problems: Vec<&Problem> = report.problems().map(|(_, p)| p).collect();
    let hint = format!("all that is wrong with it: relman verify {tag} --store STORE --root ROOT");
    with_problems(
        &problems,
        &format!("{tag} was refused by check {failed}"),
        || format!("{tag} could not be verified: check {failed} did not come to an end"),
    )
    .hint(hint)
}
