//! Where records of rollouts are kept: a trait, implemented below `io` by directories and object stores. No I/O here.

use super::record::RolloutId;
use crate::Result;

/// The directory of records in a store, the only objects beside the heads that are ever replaced. Mirrors do not copy it.
pub const DIR: &str = crate::store::ROLLOUTS;

/// What a place calls one state of a record; means something there alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(pub String);

/// A record as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes; nobody has looked into them.
    pub bytes: Vec<u8>,
    /// The state that they are.
    pub revision: Revision,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is there, durably.
    Done(Revision),
    /// Another state than the expected one is there, or that cannot be told; nothing was replaced, or the very bytes were.
    Differs,
}

/// A place that keeps records.
pub trait Records: Sync {
    /// The record of that name; `None` where there is none.
    ///
    /// # Errors
    /// Anything but "not found".
    fn load(&self, id: &RolloutId) -> Result<Option<Stored>>;

    /// Puts `bytes` in the place of the state `before`, or creates the record where that is none. Durable when it returns.
    ///
    /// # Errors
    /// The place could not be reached; it may have been written all the same.
    fn save(&self, id: &RolloutId, bytes: &[u8], before: Option<&Revision>) -> Result<Saved>;

    /// Names of all records, oldest first.
    ///
    /// # Errors
    /// The place could not be reached.
    fn list(&self) -> Result<Vec<RolloutId>>;

    /// Where it is, for people.
    fn location(&self) -> String;
}
