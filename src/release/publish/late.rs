//! What comes later and changes nothing that anybody has signed: fresher proofs, tiles that were lost,
//! digests of receipts. Pure.

use super::batch::Batch;
use super::{Planned, Publisher};
use crate::Result;
use crate::release::leaf::{Leaf, ReceiptsLeaf};
use crate::release::view::View;
use crate::trust::MetaFile;
use crate::trust::policy::Purpose;

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

    /// Plans to enter the leaves of batches of receipts in the log. Their proofs lie nowhere: `log prove`
    /// makes one for whoever holds the batch.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn log_receipts(&self, view: &View, leaves: &[ReceiptsLeaf]) -> Result<Planned> {
        let publishers = view.policy.accepted(&Purpose::Publisher, self.now);
        let key = self.keys.one_of("publisher", &publishers)?;
        if let Some(witnessed) = &view.witnessed {
            witnessed.check_clock(self.now)?;
        }
        let mut batch = Batch::new(self, &view.policy, *view.history.checkpoint.head())?;
        for leaf in leaves {
            batch.unproved(Leaf::Receipts(leaf.clone()).sign(key.as_ref())?);
        }
        let snapshot = view.refreshed.snapshot();
        let meta = MetaFile::of(snapshot.version, snapshot.bytes());
        self.stamped(view, view.refreshed.root(), batch, meta)
    }
}
