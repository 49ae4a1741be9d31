//! Where a store is copied to, whatever kind it is. No I/O here: `io` implements it.

use std::any::Any;
use std::io::Read;

use crate::Result;
use crate::hash::Sha256;
use crate::store::Reader;

/// Gives the bytes of an object from its beginning.
pub type OpenObject<'a> = dyn Fn() -> Result<Box<dyn Read + Send>> + 'a;

/// An object that is written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Its path.
    pub path: String,
    /// What it must hash to.
    pub sha256: Sha256,
    /// It has no more bytes than this.
    pub limit: u64,
    /// Whether it is a program.
    pub executable: bool,
}

/// A store that others are copied to.
pub trait Destination {
    /// What is there.
    fn reader(&self) -> &dyn Reader;

    /// Keeps other writers out until the value is dropped, and clears what a killed one left half-written.
    ///
    /// # Errors
    /// Somebody else is at work there, and who; a store that somebody publishes to.
    fn lock(&self, command: &str) -> Result<Box<dyn Any>>;

    /// Adds an object; `false` where it was there with the right bytes already. Nothing is seen at its
    /// path before all of it was hashed. Durable after [`Destination::settle`].
    ///
    /// # Errors
    /// Kind refused: other bytes at the path, which stay, or other bytes than wanted from `open`.
    fn add(&self, object: &NewObject, open: &OpenObject) -> Result<bool>;

    /// Makes durable all that was added.
    fn settle(&self) -> Result<()>;

    /// Removes an object that another one has replaced. Nothing depends on it: what stays is removed
    /// another time.
    fn discard(&self, path: &str);

    /// Replaces one of the few objects that may be, durably and in one step.
    fn set_head(&self, path: &str, bytes: &[u8]) -> Result<()>;
}
