//! Places of records in memory.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::fleet::record::{Record, RolloutId};
use crate::fleet::records::{Records, Revision, Saved, Stored};
use crate::{Error, Result};

/// Ends the driver when it has burnt down; every write of a record and every order to a node is two points.
#[derive(Clone, Default)]
pub struct Fuse {
    left: Arc<AtomicUsize>,
}

impl Fuse {
    /// One that burns down after `points`.
    pub fn of(points: usize) -> Self {
        let fuse = Fuse::default();
        fuse.left.store(points, Ordering::SeqCst);
        fuse
    }

    /// A point at which the driver may end, as by `kill -9`.
    pub fn point(&self) {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return;
        }
        self.left.store(left - 1, Ordering::SeqCst);
        if left == 1 {
            resume_unwind(Box::new("the driver was killed"));
        }
    }
}

/// A place.
#[derive(Default)]
pub struct FakeRecords {
    objects: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    /// It does not answer.
    pub cut_off: AtomicBool,
    /// Where the driver may end.
    pub fuse: Mutex<Fuse>,
}

impl FakeRecords {
    /// What is there, read.
    pub fn all(&self) -> Vec<Record> {
        let objects = self.objects.lock().unwrap_or_else(|e| e.into_inner());
        objects
            .values()
            .map(|(bytes, _)| Record::parse(bytes).expect("a record"))
            .collect()
    }

    fn answer(&self) -> Result<()> {
        match self.cut_off.load(Ordering::SeqCst) {
            true => Err(Error::failed("the store does not answer")),
            false => Ok(()),
        }
    }
}

impl Records for FakeRecords {
    fn load(&self, id: &RolloutId) -> Result<Option<Stored>> {
        self.answer()?;
        let objects = self.objects.lock().unwrap_or_else(|e| e.into_inner());
        Ok(objects.get(id.as_str()).map(|(bytes, at)| Stored {
            bytes: bytes.clone(),
            revision: Revision(at.to_string()),
        }))
    }

    fn save(&self, id: &RolloutId, bytes: &[u8], before: Option<&Revision>) -> Result<Saved> {
        let fuse = self.fuse.lock().unwrap_or_else(|e| e.into_inner()).clone();
        fuse.point();
        self.answer()?;
        let saved = {
            let mut objects = self.objects.lock().unwrap_or_else(|e| e.into_inner());
            let found = objects
                .get(id.as_str())
                .map(|(_, at)| Revision(at.to_string()));
            if found.as_ref() != before {
                return Ok(Saved::Differs);
            }
            let next = objects.get(id.as_str()).map_or(1, |(_, at)| at + 1);
            objects.insert(id.as_str().to_owned(), (bytes.to_vec(), next));
            Saved::Done(Revision(next.to_string()))
        };
        fuse.point();
        Ok(saved)
    }

    fn list(&self) -> Result<Vec<RolloutId>> {
        self.answer()?;
        let objects = self.objects.lock().unwrap_or_else(|e| e.into_inner());
        objects.keys().map(|id| RolloutId::parse(id)).collect()
    }

    fn location(&self) -> String {
        "memory".into()
    }
}
