//! Room `io`: a store in an S3-compatible object store. What may be published is decided elsewhere;
//! here it is made safe without locks: by objects that are created once and replaced by condition.

mod collect;
mod config;
mod cosigned;
mod lease;
mod mirror;
mod objects;
mod publish;
mod reader;
#[cfg(feature = "maintainer")]
mod rollouts;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;

pub use config::Settings;

use crate::Result;
pub use crate::io::identity::Identity;
use crate::store::Reader;
use crate::store::cosign::Cosigners;
use crate::store::stage::{Authoritative, Lease};

use lease::BucketLease;
use objects::Objects;

/// What is waited before a write is decided anew.
const PAUSE: Duration = Duration::from_millis(200);

/// A store in an object store.
pub struct BucketStore {
    objects: Arc<Objects>,
    identity: Identity,
}

impl BucketStore {
    /// The store that `settings` and the environment describe.
    ///
    /// # Errors
    /// Usage: settings that name no bucket. Failed: a system that gives no sockets.
    pub fn open(settings: &Settings) -> Result<Self> {
        let (store, prefix) = config::connect(settings)?;
        let objects = Objects::new(store, &prefix, settings.url.clone(), PAUSE)?;
        Ok(Self::with(objects, Identity::here()?))
    }

    /// A store below `prefix` of any object store, used by `identity`; for tests and other kinds.
    ///
    /// # Errors
    /// Failed: a system that gives no timers.
    pub fn over(store: Arc<dyn ObjectStore>, prefix: &str, identity: Identity) -> Result<Self> {
        let location = format!("objects:{prefix}");
        let objects = Objects::new(store, prefix, location, Duration::ZERO)?;
        Ok(Self::with(objects, identity))
    }

    /// The same store, whose publications may wait for witnesses that `cosigners` asks.
    pub fn with_cosigners(self, cosigners: Arc<dyn Cosigners>) -> Self {
        self.objects.ask_with(cosigners);
        self
    }

    fn with(objects: Objects, identity: Identity) -> Self {
        BucketStore {
            objects: Arc::new(objects),
            identity,
        }
    }
}

impl Authoritative for BucketStore {
    fn lease(&self, command: &str) -> Result<Box<dyn Lease>> {
        let lease = BucketLease::take(Arc::clone(&self.objects), &self.identity, command)?;
        Ok(Box::new(lease))
    }

    fn reader(&self) -> &dyn Reader {
        self
    }
}
