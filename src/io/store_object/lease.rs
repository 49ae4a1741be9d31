//! Room `io`: taking, prolonging and giving back the lease of an object store. It keeps two publishers
//! from each other's way; what keeps them from harm is in `publish`.

use std::sync::Arc;

use super::objects::{Objects, Written};
use super::publish;
use crate::io::identity::Identity;
use crate::limits::MAX_LEASE_LEN;
use crate::store::lease::{Holder, LEASE, LeaseRecord};
use crate::store::plan::STAGE;
use crate::store::stage::{Lease, Transaction};
use crate::{Error, Result};

/// How often a lease that others take or give back meanwhile is asked for.
const TRIES: u32 = 8;

/// A lease that was taken. It is given back when it is dropped.
pub struct BucketLease {
    objects: Arc<Objects>,
    identity: Identity,
    holder: Holder,
    finished_earlier: bool,
}

impl BucketLease {
    /// Takes the lease, and finishes what an earlier holder has begun.
    ///
    /// # Errors
    /// Somebody else holds it; a store that cannot be written safely.
    pub fn take(objects: Arc<Objects>, identity: &Identity, command: &str) -> Result<Self> {
        objects.keeps_conditions(&format!("{STAGE}/conditions"))?;
        let mut lease = BucketLease {
            objects,
            identity: identity.clone(),
            holder: identity.holder(command)?,
            finished_earlier: false,
        };
        lease.hold(|holder, record| {
            Error::failed(format!(
                "another relman is at work here: {}, since {}",
                holder.who, record.taken
            ))
            .hint(format!(
                "wait for it to end, then run the same command again; if it cannot end, its lease does at {}",
                record.expires
            ))
        })?;
        lease.finished_earlier = publish::finish_earlier(&lease.objects)?;
        publish::clean(&lease.objects);
        Ok(lease)
    }

    /// Takes or prolongs the lease, or says with `busy` who has it.
    fn hold(&self, busy: impl Fn(&Holder, &LeaseRecord) -> Error) -> Result<()> {
        for _ in 0..TRIES {
            let found = self.objects.read(LEASE, MAX_LEASE_LEN)?;
            let now = (self.identity.clock)();
            let before = match &found {
                Some(found) => Some(LeaseRecord::parse(&found.bytes).map_err(|e| {
                    e.hint("if nobody publishes to this store now, remove that object")
                })?),
                None => None,
            };
            if let Some(record) = &before
                && let Some(holder) = record.keeps(now)
                && *holder != self.holder
                && !self.identity.is_gone(holder)
            {
                return Err(busy(holder, record));
            }
            let record = LeaseRecord::taken(before.as_ref(), self.holder.clone(), now);
            let bytes = record.to_bytes()?;
            let held = match found {
                Some(found) => self.objects.swap(LEASE, &bytes, found.etag)?,
                None => self.objects.create(LEASE, &bytes)? == Written::Done,
            };
            if held {
                return Ok(());
            }
        }
        Err(
            Error::failed("the lease of this store changes hands faster than it can be taken")
                .hint("run the same command again"),
        )
    }

    fn give_back(&self) -> Result<()> {
        let Some(found) = self.objects.read(LEASE, MAX_LEASE_LEN)? else {
            return Ok(());
        };
        let record = LeaseRecord::parse(&found.bytes)?;
        if record.holder.as_ref() == Some(&self.holder) {
            let free = record.given_back((self.identity.clock)()).to_bytes()?;
            self.objects.swap(LEASE, &free, found.etag)?;
        }
        Ok(())
    }
}

impl Lease for BucketLease {
    fn finished_earlier(&self) -> bool {
        self.finished_earlier
    }

    fn publish(&self, transaction: &Transaction) -> Result<()> {
        self.hold(|holder, record| {
            Error::failed(format!(
                "the lease ran out while this was prepared, and somebody else is at work: {}, since {}",
                holder.who, record.taken
            ))
            .hint("nothing is lost: wait for it to end, then run the same command again")
        })?;
        publish::publish(&self.objects, &self.holder, transaction)
    }
}

impl Drop for BucketLease {
    fn drop(&mut self) {
        // One that is not given back runs out.
        let _ = self.give_back();
    }
}
