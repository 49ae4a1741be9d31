//! Who made these bytes, from which source, who approved them: DSSE, in-toto, SLSA, SSHSIG.
//!
//! Pure: bytes, keys and times come in, values go out. Parsing gives nothing that is trusted;
//! only verification does.

pub mod approval;
pub mod dsse;
pub mod git_tag;
pub mod provenance;
pub mod rebuild;
pub mod sigstore;
pub mod sshsig;
pub mod statement;
pub mod sums;

pub use dsse::Envelope;
pub use statement::{Statement, Subject};
