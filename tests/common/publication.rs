//! Publications by the library alone, for what no command enters in a log.

use std::fs;

use relman::Result;
use relman::io::keyring::Keyring;
use relman::io::store_local::LocalStore;
use relman::release::config::Expiry;
use relman::release::publish::{Planned, Publisher};
use relman::release::view::View;
use relman::store::stage::Authoritative;
use relman::trust::memory::Memory;
use relman::trust::refresh::StoreMetadata;

use super::relman::{NOW, Project};

/// Publishes in a project's store what `plan` plans with these keys.
#[track_caller]
pub fn publish(
    project: &Project,
    keys: &Keyring,
    plan: impl FnOnce(&Publisher, &View) -> Result<Planned>,
) {
    let store = LocalStore::new(project.store());
    let lease = store.lease("test").unwrap();
    let root = fs::read(project.path("keys/root.json")).unwrap();
    let (fetch, cache, now) = (StoreMetadata(&store), Memory::new(), NOW.parse().unwrap());
    let view = View::open(&store, &fetch, &cache, &root, now).unwrap();
    let publisher = Publisher {
        store: &store,
        keys,
        expiry: &Expiry::default(),
        now,
    };
    let Planned::Ready(transaction) = plan(&publisher, &view).unwrap() else {
        panic!("keys are missing");
    };
    lease.publish(&transaction).unwrap();
}
