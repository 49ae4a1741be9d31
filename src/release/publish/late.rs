//! Objects that come later and change nothing that anybody has signed: fresher proofs, tiles that were
//! lost. Pure.

use super::batch::Batch;
use super::{Planned, Publisher};
use crate::Result;
use crate::release::view::View;
use crate::trust::MetaFile;

impl Publisher<'_> {
    /// Plans to add objects that nobody has to sign, with a fresh timestamp: a store without locks
    /// numbers its publications by it.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn add_late(&self, view: &View, objects: Vec<(String, Vec<u8>)>) -> Result<Planned> {
        let mut batch = Batch::starting(self.store, None, self.now);
        for (path, bytes) in objects {
            batch.object(path, bytes);
        }
        let snapshot = view.refreshed.snapshot();
        let meta = MetaFile::of(snapshot.version, snapshot.bytes());
        self.stamped(view, view.refreshed.root(), batch, meta)
    }
}
