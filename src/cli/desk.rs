//! What every command that writes to the store works at: the project, its store under the lease, its
//! keys and drafts. Decides nothing.

use super::args::Cli;
use super::project::Project;
use crate::Result;
use crate::io::clock;
use crate::io::drafts::LocalDrafts;
use crate::io::keyring::Keyring;
use crate::release::cut::Events;
use crate::release::draft::{Drafts, Record};
use crate::release::publish::{Planned, Publisher, Waiting};
use crate::release::state::{self, Released};
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::store::stage::{Authoritative, Lease, Transaction};
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::Progress;

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
    /// The bytes of the project's trust root.
    pub root: Vec<u8>,
    lease: Box<dyn Lease>,
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
        Ok(Desk {
            keyring: project.keyring()?,
            drafts: LocalDrafts::new(project.work_dir().join("drafts")),
            root,
            store,
            project,
            lease,
        })
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

    /// Publishes what was planned under this lease.
    ///
    /// # Errors
    /// As [`Lease::publish`].
    pub fn write(&self, transaction: &Transaction) -> Result<()> {
        self.lease.publish(transaction)
    }

    /// The releases in the store.
    pub fn released(&self) -> Result<Vec<Released>> {
        self.with_view(|view| Ok(state::released(view.refreshed.targets()).0))
    }

    /// Enters a draft in the store, or says whose signatures it lacks.
    pub fn publish(&self, record: &Record, progress: &mut Progress) -> Result<Option<Waiting>> {
        progress.stage("publish");
        let planned =
            self.with_view(|view| self.publisher().release(view, record, &self.drafts))?;
        match planned {
            Planned::Waiting(waiting) => Ok(Some(waiting)),
            Planned::Ready(transaction) => {
                self.write(&transaction)?;
                self.drafts.remove(&record.tag)?;
                Ok(None)
            }
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
