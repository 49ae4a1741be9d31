//! What every command that writes to the store works at: the project, its store under the lease, its
//! keys and drafts. Decides nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::args::Cli;
use super::project::Project;
use crate::io::drafts::LocalDrafts;
use crate::io::drawer::LocalDrawer;
use crate::io::keyring::Keyring;
use crate::io::proposals::LocalProposals;
use crate::io::{clock, durable, fault};
use crate::limits::MAX_CHECKPOINT_LEN;
use crate::limits::MAX_POLICY_LEN;
use crate::release::attestations::Drawer;
use crate::release::ceremony::{Base, Demand, Exchange, Kind, Proposal, Signing};
use crate::release::cut::Events;
use crate::release::draft::{Drafts, Record};
use crate::release::halt::{Change, Halt, all_present, changes};
use crate::release::public;
use crate::release::publish::{self, Planned, Publisher, Waiting};
use crate::release::state::{self, Released};
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::store::stage::{Authoritative, Lease, Transaction};
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::trust::{Root, Unverified};
use crate::ui::Progress;
use crate::{Error, Result};

/// The store of a project under its lease, with every earlier publication finished.
pub struct Desk {
    /// The project.
    pub project: Project,
    /// Its store.
    pub store: Box<dyn Authoritative>,
    /// The secret keys at hand.
    pub keyring: Keyring,
    /// Its drafts.
    pub drafts: LocalDrafts,
    /// Attestations that wait for their release.
    pub drawer: LocalDrawer,
    /// Its proposals.
    pub proposals: LocalProposals,
    /// The bytes of the project's trust root.
    pub root: Vec<u8>,
    lease: Option<Box<dyn Lease>>,
    /// Where this run keeps what it did to halts.
    halts: Rc<RefCell<Vec<Change>>>,
}

/// What became of a proposal.
pub enum Settled {
    /// It is in the store.
    Published {
        /// The proposal's id.
        id: String,
        /// What the keys at hand signed.
        signing: Signing,
    },
    /// It is kept until others have signed.
    Waiting {
        /// The proposal's id.
        id: String,
        /// Its file.
        path: PathBuf,
        /// What the keys at hand signed.
        signing: Signing,
        /// Everything that must be signed.
        demands: Vec<Demand>,
        /// The key of the sequencer (snapshot, timestamp) that is not at hand, where all have signed.
        lacks: Option<Box<Waiting>>,
    },
}

impl Desk {
    /// Opens the project that the command line names and takes its store's lease.
    ///
    /// # Errors
    /// No project, no trust root, a lease that somebody else holds.
    pub fn open(cli: &Cli, progress: &mut Progress) -> Result<Self> {
        let project = Project::find(cli)?;
        let store = project.authoritative()?;
        let root = project.root()?;
        let lease = store.lease(cli.command.name())?;
        if lease.finished_earlier() {
            progress.note("finished a publication that an earlier run had begun");
        }
        let desk = Desk {
            keyring: project.keyring()?,
            drafts: LocalDrafts::new(project.work_dir().join("drafts")),
            proposals: LocalProposals::new(project.work_dir().join("proposals")),
            drawer: LocalDrawer::new(project.work_dir().join("attestations")),
            root,
            store,
            project,
            lease: Some(lease),
            halts: Rc::clone(&cli.halts),
        };
        desk.renew_public_files()?;
        desk.forget_published()?;
        Ok(desk)
    }

    /// Removes proposals that an earlier run was killed over after they could be seen.
    fn forget_published(&self) -> Result<()> {
        for id in self.proposals.ids()? {
            let Ok(Some(exchange)) = self.proposals.load(&id) else {
                continue;
            };
            if exchange.proposal.is_published(self.store.reader())? {
                self.proposals.remove(&id)?;
            }
        }
        Ok(())
    }

    /// Brings the project's copies of root, policy and public keys up to the store's, if a newer root
    /// was published. `root.json` is written last, so whatever was cut short is done again.
    fn renew_public_files(&self) -> Result<()> {
        let version = Unverified::<Root>::parse(&self.root)?
            .unverified_signed()
            .version;
        let next = format!("metadata/{}.root.json", version.saturating_add(1));
        if self.store.reader().open(&next)?.is_none() {
            return Ok(());
        }
        let files = self.with_view(|view| {
            let path = format!("metadata/{}", view.policy.pin().file_name());
            let policy = self.store.reader().read(&path, MAX_POLICY_LEN)?;
            let policy = policy.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
            let root = view.refreshed.root();
            public::files((root, root.bytes()), (&view.policy, &policy), clock::now())
        })?;
        let dir = self.project.keys_dir();
        for (name, bytes) in files {
            fault::point(&format!("public.{name}"));
            durable::write_atomic(&dir.join(name), &bytes, durable::MODE_FILE)?;
        }
        Ok(())
    }

    /// Shows the verified store, as it is now.
    ///
    /// # Errors
    /// A store that does not verify; what `work` gives.
    pub fn with_view<T>(&self, work: impl FnOnce(&mut View) -> Result<T>) -> Result<T> {
        let fetch = StoreMetadata(self.store.reader());
        let cache = Memory::new();
        let now = clock::now();
        let mut view = View::open(self.store.reader(), &fetch, &cache, &self.root, now)?;
        work(&mut view)
    }

    /// Plans publications with the keys at hand.
    pub fn publisher(&self) -> Publisher<'_> {
        Publisher {
            store: self.store.reader(),
            keys: &self.keyring,
            expiry: &self.project.config.expiry,
            now: clock::now(),
        }
    }

    /// Gives the lease up while somebody thinks about proposal `id`, and takes it again. A timer that
    /// signs freshness in the meantime is welcome; nothing else may have changed.
    ///
    /// # Errors
    /// What `ask` gives; somebody else holds the lease now; store or proposal have changed.
    pub fn while_asking(
        &mut self,
        cli: &Cli,
        id: &str,
        ask: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let before = self.ground(id)?;
        self.lease = None;
        ask()?;
        self.lease = Some(self.store.lease(cli.command.name())?);
        match self.ground(id)? == before {
            true => Ok(()),
            false => Err(Error::failed(format!(
                "the store or proposal {id} has changed while you looked at it"
            ))
            .hint("nothing was signed; run the same command again and look once more")),
        }
    }

    /// What a decision about a proposal rests on: whatever is published is in the log.
    fn ground(&self, id: &str) -> Result<[Option<Vec<u8>>; 2]> {
        let checkpoint = self.store.read("log/checkpoint", MAX_CHECKPOINT_LEN)?;
        let proposal = self.proposals.load(id)?;
        let proposal = proposal.map(|proposal| proposal.to_bytes()).transpose()?;
        Ok([checkpoint, proposal])
    }

    /// Publishes what was planned under this lease.
    ///
    /// # Errors
    /// As [`Lease::publish`].
    pub fn write(&self, transaction: &Transaction) -> Result<()> {
        let lease = self.lease.as_ref();
        let lease = lease.ok_or_else(|| Error::bug("a publication without the lease"))?;
        lease.publish(transaction)?;
        publish::published(&self.keyring)?;
        self.renew_public_files()
    }

    /// The releases in the store.
    pub fn released(&self) -> Result<Vec<Released>> {
        self.with_view(|view| Ok(state::released(view.refreshed.targets()).0))
    }

    /// Enters a draft in the store, or says whose signatures it lacks.
    ///
    /// # Errors
    /// As [`Desk::propose`].
    pub fn publish(&self, record: &Record, progress: &mut Progress) -> Result<Option<Waiting>> {
        progress.stage("publish");
        let id = format!("release-{}", record.tag);
        let waiting = match self.proposals.load(&id)? {
            Some(waiting) if self.is_stale(&waiting.proposal)? => {
                progress.note("the store has moved on; the release is proposed anew");
                self.proposals.remove(&id)?;
                None
            }
            other => other,
        };
        let settled = match waiting {
            Some(waiting) => self.settle(waiting)?,
            None => self.propose(|publisher, view| publisher.propose_release(view, record))?,
        };
        match settled {
            Settled::Published { .. } => {
                self.drawer.remove(&record.tag)?;
                self.drafts.remove(&record.tag)?;
                Ok(None)
            }
            Settled::Waiting {
                demands,
                lacks,
                signing,
                ..
            } => {
                let unmet = demands.iter().find(|demand| !demand.is_met());
                let of = |demand: &Demand| Waiting {
                    absent: signing.absent_for(&demand.purpose),
                    ..Waiting::of(demand)
                };
                let waiting = lacks.map(|lacks| *lacks).or_else(|| unmet.map(of));
                let nobody = || Error::bug("a proposal that waits for nobody");
                waiting.ok_or_else(nobody).map(Some)
            }
        }
    }

    fn is_stale(&self, proposal: &Proposal) -> Result<bool> {
        self.with_view(|view| Ok(!proposal.stale(&Base::of(view)?)?.is_empty()))
    }

    /// Makes a proposal, signs it with the keys at hand, and publishes it or keeps it.
    ///
    /// # Errors
    /// A proposal that is not sound or is there already; a store that does not verify; I/O.
    pub fn propose(
        &self,
        make: impl FnOnce(&Publisher, &mut View) -> Result<Proposal>,
    ) -> Result<Settled> {
        let exchange = self.with_view(|view| {
            let proposal = make(&self.publisher(), view)?;
            if self.proposals.load(&proposal.id)?.is_some() {
                return Err(Error::failed(format!(
                    "proposal {} is there already and waits for signatures",
                    proposal.id
                ))
                .hint(format!(
                    "sign it: relman sign {0}; or begin anew: relman withdraw {0}",
                    proposal.id
                )));
            }
            Exchange::new(proposal, self.store.reader(), view)
        })?;
        self.settle(exchange)
    }

    /// Signs a proposal with the keys at hand; publishes it if it is whole, and keeps it otherwise.
    ///
    /// # Errors
    /// As [`Desk::propose`].
    pub fn settle(&self, mut exchange: Exchange) -> Result<Settled> {
        let signing = self.with_view(|view| {
            let base = Base::of(view)?;
            exchange.require_sound(&base, clock::now(), Some(self.store.reader()))?;
            exchange.proposal.sign(&base, &self.keyring)
        })?;
        if let Some(strange) = signing.strange.first() {
            return Err(Error::refused(format!(
                "the {strange} here is none that {} asks for",
                exchange.proposal.id
            ))
            .hint(
                "are these the secret keys of this project? name the right ones: --secret-keys DIR",
            ));
        }
        self.keep(exchange, signing)
    }

    /// Publishes a proposal if it is whole, and keeps it otherwise; `signing` is told on.
    ///
    /// # Errors
    /// As [`Desk::propose`].
    pub fn keep(&self, exchange: Exchange, signing: Signing) -> Result<Settled> {
        let proposal = &exchange.proposal;
        let id = proposal.id.clone();
        let plan = self.with_view(|view| {
            let base = Base::of(view)?;
            let demands = proposal.demands(&base)?;
            let whole = demands.iter().all(Demand::is_met);
            let planned = whole
                .then(|| {
                    self.publisher()
                        .publish(view, &base, proposal, (&self.drafts, &self.drawer))
                })
                .transpose()?;
            Ok((demands, planned, all_present(&base)))
        });
        let (demands, planned, halts) = match plan {
            Ok(plan) => plan,
            Err(e) => {
                // Such as an online key that was replaced and whose successor is elsewhere: others have
                // signed, and that is not thrown away.
                let waits = self.proposals.load(&id)?.is_some();
                if waits || (proposal.kind == Kind::Root && !signing.signed.is_empty()) {
                    self.proposals.save(&exchange)?;
                    return Err(e.under(format!(
                        "{id} is not published; the signatures on it are kept"
                    )));
                }
                return Err(e);
            }
        };
        let lacks = match planned {
            Some(Planned::Ready(transaction)) => {
                self.write(&transaction)?;
                // Nothing else begins one, and only what there is can end.
                if proposal.kind == Kind::Halt || !halts.is_empty() {
                    self.note_halts(&halts);
                }
                self.proposals.remove(&id)?;
                return Ok(Settled::Published { id, signing });
            }
            Some(Planned::Waiting(waiting)) => Some(Box::new(waiting)),
            None => None,
        };
        let path = self.proposals.save(&exchange)?;
        Ok(Settled::Waiting {
            id,
            path,
            signing,
            demands,
            lacks,
        })
    }

    /// Keeps what a publication did to the halts that there were before it, for whoever is told at the end.
    fn note_halts(&self, before: &BTreeMap<String, Halt>) {
        // What cannot be read back is found by the next command; the publication stands.
        if let Ok(after) = self.with_view(|view| Ok(all_present(&Base::of(view)?))) {
            self.halts.borrow_mut().extend(changes(before, &after));
        }
    }

    /// Reads a tag's name as this project names its tags.
    pub fn parse(&self, tag: &str) -> Result<Tag> {
        Tag::parse(tag, self.project.config.tags.pattern)
    }

    /// Where a published release is, for people.
    pub fn place(&self, tag: &str) -> String {
        format!("{}/{tag}", self.store.location())
    }
}
