//! Room `io`: the stage of a local store, a directory in the store that appears by one rename.

mod cosigned;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::thread;

use super::durable::{self, MODE_FILE, MODE_PRIVATE_DIR};
use super::lock::Lock;
use super::store_local::LocalStore;
use super::unsynced::Unsynced;
use super::{collect, fault, hashing};
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::MAX_CONFIG_LEN;
use crate::store::Reader;
use crate::store::stage::{Authoritative, Content, Lease, Stage, Staged, Transaction};
use crate::{Error, Result};

use cosigned::Cosigned;

const STAGE: &str = ".relman-stage";
const UNFINISHED: &str = ".relman-stage.tmp";
const CLEARED: &str = ".relman-stage.old";
const PLAN: &str = "plan.json";
const SUBMISSION: &str = "submission.json";

/// Stages in `store`. Whoever calls it holds the store's lock.
pub struct LocalStage<'a> {
    store: &'a LocalStore,
    /// Whether what is staged was written and read back by this very value.
    checked: Cell<bool>,
}

impl<'a> LocalStage<'a> {
    /// The stage of `store`.
    pub fn new(store: &'a LocalStore) -> Self {
        LocalStage {
            store,
            checked: Cell::new(false),
        }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.store.root().join(name)
    }

    fn fill(&self, dir: &Path, transaction: &Transaction) -> Result<()> {
        let mut unsynced = Unsynced::default();
        durable::create_dir_all_unsynced(dir, &mut unsynced)?;
        durable::set_mode(dir, MODE_PRIVATE_DIR)?;
        let mut plan = Vec::new();
        for (i, put) in transaction.puts.iter().enumerate() {
            fault::point(&format!("stage.{i}"));
            let slot = dir.join(i.to_string());
            let sha256 = match &put.content {
                Content::Bytes(bytes) => {
                    durable::write_new_unsynced(&slot, bytes, MODE_FILE, &mut unsynced)?;
                    Sha256::of(bytes)
                }
                Content::File { path, sha256 } => {
                    durable::place_once_unsynced(&slot, path, &mut unsynced)?;
                    *sha256
                }
            };
            plan.push(Staged {
                path: put.path.clone(),
                head: put.head,
                sha256,
            });
        }
        let bytes =
            serde_json::to_vec_pretty(&plan).or_failed(|| "cannot write the plan".into())?;
        durable::write_new_unsynced(&dir.join(PLAN), &bytes, MODE_FILE, &mut unsynced)?;
        if let Some(submission) = &transaction.submission {
            let bytes = serde_json::to_vec_pretty(submission)
                .or_failed(|| "cannot write what witnesses are asked for".into())?;
            durable::write_new_unsynced(&dir.join(SUBMISSION), &bytes, MODE_FILE, &mut unsynced)?;
        }
        // The disk writes while the processor hashes.
        thread::scope(|scope| {
            let checked = scope.spawn(|| check(dir, &plan));
            unsynced.sync()?;
            checked
                .join()
                .map_err(|_| Error::bug("the checking thread is gone"))?
        })
    }

    /// Puts one object where readers find it.
    fn put(&self, staged: &Staged, slot: &Path, unsynced: &mut Unsynced) -> Result<()> {
        if appears_by_itself(staged) {
            // All that it leads to is on disk before it appears, also after a power cut.
            unsynced.sync()?;
        }
        let path = self.store.path_of(&staged.path)?;
        match staged.head {
            true => durable::replace_unsynced(&path, slot, unsynced),
            false => durable::place_once_unsynced(&path, slot, unsynced),
        }
    }
}

/// Whether readers look at it without being led there: the heads, and the next root, which they
/// probe for.
fn appears_by_itself(staged: &Staged) -> bool {
    staged.head || staged.path.ends_with(".root.json")
}

/// What was written is read back before anything depends on it.
fn check(dir: &Path, plan: &[Staged]) -> Result<()> {
    let slots: Vec<PathBuf> = (0..plan.len()).map(|i| dir.join(i.to_string())).collect();
    for (staged, found) in plan.iter().zip(hashing::files(&slots)?) {
        if found != staged.sha256 {
            return Err(Error::failed(format!(
                "staged {} hashes to {found}, wanted {}",
                staged.path, staged.sha256
            ))
            .hint("the disk or another program changed it; cut again after looking at both"));
        }
    }
    Ok(())
}

impl Stage for LocalStage<'_> {
    fn write(&self, transaction: &Transaction) -> Result<()> {
        let (temp, stage) = (self.dir(UNFINISHED), self.dir(STAGE));
        durable::create_dir_all(self.store.root())?;
        durable::remove_all(&temp)?;
        let staged = self
            .fill(&temp, transaction)
            .and_then(|()| durable::rename(&temp, &stage));
        if staged.is_err() {
            let _ = durable::remove_all(&temp);
        }
        staged?;
        self.checked.set(true);
        fault::point("stage.written");
        Ok(())
    }

    fn finish(&self) -> Result<bool> {
        durable::remove_all(&self.dir(UNFINISHED))?;
        durable::remove_all(&self.dir(CLEARED))?;
        let stage = self.dir(STAGE);
        let Some(bytes) = durable::read_bounded(&stage.join(PLAN), MAX_CONFIG_LEN)? else {
            return Ok(false);
        };
        let plan: Vec<Staged> = serde_json::from_slice(&bytes)
            .or_failed(|| format!("{} is damaged", stage.join(PLAN).display()))?;
        if !self.checked.take() {
            check(&stage, &plan)?;
        }
        let cosigned = Cosigned::load(self.store, &stage, &plan)?;
        let mut unsynced = Unsynced::default();
        for (i, staged) in plan.iter().enumerate() {
            fault::point(&format!("publish.{i}"));
            let slot = cosigned.slot(&stage.join(i.to_string()), staged)?;
            self.put(staged, &slot, &mut unsynced).map_err(|e| {
                let hint = match e.hint_text() {
                    Some(first) => first.to_owned(),
                    None => "run the same command again".into(),
                };
                e.under(format!("publishing stopped at {}", staged.path))
                    .hint(format!("readers still see the old release; {hint}"))
            })?;
        }
        unsynced.sync()?;
        fault::point("publish.done");
        collect::superseded(self.store, plan.iter().map(|staged| staged.path.as_str()));
        durable::rename(&stage, &self.dir(CLEARED))?;
        durable::remove_all(&self.dir(CLEARED))?;
        Ok(true)
    }
}

/// The lease of a local store is a lock that the kernel drops with its holder.
struct LocalLease {
    store: LocalStore,
    finished_earlier: bool,
    _lock: Lock,
}

impl Authoritative for LocalStore {
    fn lease(&self, command: &str) -> Result<Box<dyn Lease>> {
        let store = self.clone();
        let lock = Lock::acquire(&Lock::of_store(store.root()), command)?;
        let finished_earlier = LocalStage::new(&store).finish()?;
        Ok(Box::new(LocalLease {
            store,
            finished_earlier,
            _lock: lock,
        }))
    }

    fn reader(&self) -> &dyn Reader {
        self
    }
}

impl Lease for LocalLease {
    fn finished_earlier(&self) -> bool {
        self.finished_earlier
    }

    fn publish(&self, transaction: &Transaction) -> Result<()> {
        let stage = LocalStage::new(&self.store);
        stage.write(transaction)?;
        stage.finish()?;
        Ok(())
    }
}
