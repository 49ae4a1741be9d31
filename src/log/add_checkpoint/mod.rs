//! What logs and witnesses say to each other: the `add-checkpoint` call of C2SP tlog-witness, from both
//! sides. Pure: bytes come in as values, and whoever carries or keeps them is a driver's affair.

mod answer;
mod decide;
mod notary;
mod request;

pub use answer::{Answer, SIZE_TYPE};
pub use decide::{Admitted, Record, Refusal, Watched};
pub use notary::{Answered, Notary, Shelf};
pub use request::Request;

/// What a witness's submission prefix is followed by.
pub const PATH: &str = "/add-checkpoint";
