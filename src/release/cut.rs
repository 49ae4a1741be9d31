//! The driver of `cut`: tag → clean clone → build → complete, signed draft. What it needs of the
//! machine comes through traits; publishing a draft is the business of `publish`.

#[cfg(feature = "maintainer")]
mod cutter;
#[cfg(feature = "maintainer")]
mod tagged;

#[cfg(feature = "maintainer")]
pub use cutter::Cutter;
#[cfg(feature = "maintainer")]
pub use tagged::{read_tagged, tagged_config};

use super::draft::Record;
use super::state::Released;

/// Whoever shows what a driver is doing.
pub trait Events {
    /// A stage begins, and with it the one before ends.
    fn stage(&mut self, name: &str);
    /// A line of output of the stage under way.
    fn line(&mut self, line: &str);
    /// Something that stays on the screen.
    fn note(&mut self, message: &str);
    /// The stage under way ends with this, which is told instead of its name.
    fn result(&mut self, message: &str) {
        self.note(message);
    }
}

/// How a cut ended before publishing.
#[derive(Debug)]
pub enum Drafted {
    /// The store has this release already, from the same tag.
    Published(Box<Released>),
    /// A complete draft; `fresh` if it was built now.
    Draft {
        /// The draft.
        record: Box<Record>,
        /// Whether it was built by this call.
        fresh: bool,
    },
}
