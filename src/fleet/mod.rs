//! The fleet: many nodes, moved one after another, stopped all at once. Values and drivers; no I/O here: `io` implements
//! what drivers ask of hosts, records and people.
//!
//! | file | is |
//! | --- | --- |
//! | `config` | `fleet.toml` |
//! | `host` | what is asked of one node, and what it answers; the trait that ssh and the tests' fake implement |
//! | `look` | what a node's answers say about it |
//! | `budget` | how many nodes, and how much weight, may be down |
//! | `plan` | waves, preconditions, cost: what an upgrade would do, before it does it |
//! | `readiness` | which weight runs which release |
//! | `notice` | what people are told |
//! | `record` | the durable record of a rollout |
//! | `records`, `ledger` | where records are kept; the operator's copy and the store's |
//! | `network_gate` | whether the network is well |
//! | `guard` | the watch policy at a rollout's gates |
//! | `rollout` | carries a plan out; stops and puts back everything in an emergency |
//! | `aftermath` | from when on the journals of a rollout are of interest |
//! | `pick` | which nodes a command line names |
//! | `bootstrap` | what a new node is given |
//! | `check` | whether a node is what `fleet.toml` says |

pub mod aftermath;
pub mod bootstrap;
pub mod budget;
pub mod check;
pub mod config;
#[cfg(test)]
mod fake;
pub mod guard;
pub mod host;
pub mod ledger;
pub mod look;
pub mod network_gate;
pub mod notice;
pub mod pick;
pub mod plan;
pub mod readiness;
pub mod record;
pub mod records;
pub mod rollout;
