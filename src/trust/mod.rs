//! TUF 1.0: is this release authorised for this network, now?
//!
//! Pure: bytes and a time come in, verified roles or an error go out. Nothing below this module may
//! touch a file, the network, the environment or a clock; the drivers in [`mod@refresh`] do so through
//! the [`refresh::Fetch`] and [`refresh::Cache`] traits alone.

pub mod clock;
pub mod edit;
pub mod envelope;
pub mod error;
pub mod json;
pub mod key;
pub mod memory;
pub mod meta;
pub mod policy;
pub mod refresh;
pub mod schema;
pub mod select;
pub mod state;
pub mod time;
pub mod verify;

#[cfg(test)]
mod tests;

pub use edit::{Signed, Unsigned};
pub use envelope::Unverified;
pub use error::TrustError;
pub use key::PublicKey;
pub use meta::{MetaFile, TargetFile};
pub use policy::{Pin, Policy, PolicyDocument};
pub use refresh::{Cache, Fetch, Refreshed, refresh, stored};
pub use schema::{Root, Snapshot, Targets, Timestamp};
pub use state::{Clock, Expired, Expiry};
pub use verify::Verified;
