//! Drivers of rollouts: one carries a stored plan out, others stop or put back everything in an emergency. Each step is
//! written into the record before it happens. The world is changed through the traits alone.
//!
//! What a node runs is always what it says when it is asked, never what the record says.

mod ask;
mod back;
mod begin;
mod checks;
mod converge;
mod emergency;
mod emergency_back;
mod gates;
mod moving;
mod next;
mod run;
mod start;
#[cfg(test)]
mod tests;
mod upgrade;
mod wishes;

use std::time::Duration;

use super::config::{NodeEntry, Notify};
use super::guard::Guards;
use super::host::Hosts;
use super::ledger::Ledger;
use super::notice::Herald;
use super::record::Record;
use crate::store::lease::Holder;

pub use begin::{Asked, abort, pause, resume, unfinished, upgrade};
pub use emergency::stop;
pub use emergency_back::{Orders, rollback};

/// What drivers work with.
pub struct Machine<'a> {
    /// The nodes, and the operator's clock.
    pub hosts: &'a dyn Hosts,
    /// Tells people.
    pub herald: &'a dyn Herald,
    /// Whom.
    pub notify: &'a [Notify],
    /// The nodes of the environment as `fleet.toml` has them, in order.
    pub nodes: &'a [NodeEntry],
    /// How long a node that has fallen silent is waited for.
    pub patience: Duration,
    /// Where records are.
    pub ledger: Ledger<'a>,
    /// Who drives.
    pub holder: Holder,
    /// Whether another holder cannot come back.
    pub gone: &'a dyn Fn(&Holder) -> bool,
    /// Holds the network against the watch policy; none: nobody has one.
    pub guard: Option<&'a dyn Guards>,
    /// Shows the record after each write.
    pub say: &'a dyn Fn(&Record),
}

/// How a driver ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The record as it was written last.
    pub record: Record,
    /// What is no error, but has to be said.
    pub warnings: Vec<String>,
}
