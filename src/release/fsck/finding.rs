//! One thing that is wrong with a log, and whether it can be made again. Pure.

use serde::Serialize;

use crate::log::{Bundle, Tile};

/// The checks of what is no object that is written once.
const HEADS: [&str; 2] = ["keys", "checkpoint"];

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is not there.
    Missing,
    /// It is there, and not what it must be.
    Differs,
    /// It cannot be read, or told right from wrong.
    Unclear,
    /// Nothing says that it should be there.
    Stray,
    /// Somebody began something there and did not end it.
    LeftOver,
}

/// How an object is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remake {
    /// From the hashes of the entries.
    Tile(Tile),
    /// From entries that are elsewhere.
    Bundle(Bundle),
    /// For the entry with this number, under the newest checkpoint.
    Proof(u64),
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// The object's path in the store.
    pub object: String,
    /// What is wrong with it.
    pub state: State,
    /// In words.
    pub message: String,
    /// Whether it is missing and can be made again.
    pub repairable: bool,
    /// How.
    #[serde(skip)]
    pub remake: Option<Remake>,
}

impl Finding {
    /// A finding that nothing here can mend.
    pub fn new(
        check: &'static str,
        object: impl Into<String>,
        state: State,
        message: impl Into<String>,
    ) -> Self {
        Finding {
            check,
            object: object.into(),
            state,
            message: message.into(),
            repairable: false,
            remake: None,
        }
    }

    /// Something that is missing and can be made again.
    pub fn missing(
        check: &'static str,
        object: impl Into<String>,
        how: &str,
        remake: Remake,
    ) -> Self {
        Finding {
            repairable: true,
            remake: Some(remake),
            ..Self::new(
                check,
                object,
                State::Missing,
                format!("is missing; it can be rebuilt {how}"),
            )
        }
    }

    /// Takes the way to make it again away, until the store has its checkpoint.
    pub fn cannot(&mut self) {
        if self.remake.take().is_some() {
            self.repairable = false;
            self.message.push_str(" once the checkpoint is there again");
        }
    }

    /// The message, with what to do.
    pub fn words(&self) -> String {
        match self.state {
            // Heads are replaced, and say themselves what to do.
            State::Differs if !HEADS.contains(&self.check) => format!(
                "{}; it is left as it is: compare it with a mirror's or a backup's, find out who \
                 wrote it, and move it away before it is rebuilt",
                self.message
            ),
            _ => self.message.clone(),
        }
    }
}
