//! relman takes a daemon from a git tag to a verified running binary on every node, and back.
//!
//! Rooms and which way imports go: `cli` → drivers in `release` and `node` → the pure cores
//! `trust`, `log` and `attest`. `io` implements the traits that the drivers define; it and `main`
//! are the only places that touch files, processes, the network, the environment or the clock.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod attest;
pub mod cli;
pub mod demo;
pub mod error;
#[cfg(feature = "maintainer")]
pub mod fleet;
pub mod hash;
pub mod io;
pub mod keys;
pub mod limits;
pub mod log;
pub mod node;
pub mod release;
pub mod store;
pub mod trust;
pub mod ui;
#[cfg(feature = "maintainer")]
pub mod watch;

pub use error::{Error, Kind, Result};
