//! What logs and witnesses say to each other: the `add-checkpoint` call of C2SP tlog-witness, from both
//! sides. Pure: bytes come in as values, and whoever carries them is a driver's affair.

mod answer;
mod request;

pub use answer::{Answer, SIZE_TYPE};
pub use request::Request;

/// What a witness's submission prefix is followed by.
pub const PATH: &str = "/add-checkpoint";
