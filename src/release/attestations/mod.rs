//! What is said of a release besides its provenance: results of gates, approvals, rebuilds. Each is
//! one in-toto statement in a DSSE envelope; policy says how many count. Pure.
//!
//! `offered` finds them, `row` says what each is worth, `unmet` holds them against the rules.

mod offered;
mod release;
mod row;
mod unmet;

use crate::Result;
use crate::attest::Envelope;

pub use offered::{Logged, Offered, in_history, numbered};
pub use release::{Judged, of_release};
pub use row::{About, Row, Said, Standing, rows};
pub use unmet::{Unmet, Wanted, unmet};

#[cfg(test)]
mod tests;

/// Where attestations about a release are kept until they are in the store.
pub trait Drawer {
    /// All that are there, in the order in which they came; nothing about them is verified.
    ///
    /// # Errors
    /// I/O; a file that holds something else.
    fn load(&self, tag: &str) -> Result<Vec<Envelope>>;

    /// Adds one, durably; tells whether it was not there yet.
    ///
    /// # Errors
    /// As [`Drawer::load`]; a drawer that is full.
    fn add(&self, tag: &str, envelope: &Envelope) -> Result<bool>;

    /// Forgets all of a release.
    ///
    /// # Errors
    /// I/O.
    fn remove(&self, tag: &str) -> Result<()>;
}
