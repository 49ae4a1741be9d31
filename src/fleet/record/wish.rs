//! What people wish of a rollout that somebody else drives. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::limits::MAX_ROLLOUT_WISHES;
use crate::{Error, Result};

/// What somebody wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Wait before the next step.
    Pause,
    /// Wait no more.
    Resume,
    /// End it, with what was moved as it is.
    Abort,
    /// End it, and put back what was moved.
    AbortAndRollBack,
    /// An emergency took over: end it and touch no node any more.
    Yield,
}

/// One wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Counted from 1, in the order in which they were written.
    pub number: u64,
    /// When.
    #[serde(with = "crate::trust::time")]
    pub at: Timestamp,
    /// Whose it is.
    pub who: String,
    /// What.
    pub wanted: Wanted,
}

impl Wanted {
    /// In messages.
    pub fn name(self) -> &'static str {
        match self {
            Wanted::Pause => "pause",
            Wanted::Resume => "resume",
            Wanted::Abort => "abort",
            Wanted::AbortAndRollBack => "abort and roll back",
            Wanted::Yield => "yield to an emergency",
        }
    }
}

impl Record {
    /// Adds a wish; the driver answers it before its next step.
    ///
    /// # Errors
    /// Failed: nobody has answered the many before it.
    pub fn wish(&mut self, who: &str, wanted: Wanted, now: Timestamp) -> Result<()> {
        if self.wishes.len() >= MAX_ROLLOUT_WISHES {
            return Err(Error::failed(format!(
                "{} wishes for rollout {} wait for an answer already",
                self.wishes.len(),
                self.id
            ))
            .hint(format!(
                "does anybody drive it? relman fleet resume {}",
                self.id
            )));
        }
        let last = self.wishes.last().map_or(self.wishes_taken, |w| w.number);
        self.wishes.push(Wish {
            number: last + 1,
            at: now,
            who: who.to_owned(),
            wanted,
        });
        self.note_by(now, who, None, &format!("wishes: {}", wanted.name()));
        Ok(())
    }

    /// Takes over what was written into another copy of this record by somebody who does not drive it.
    pub fn adopt_wishes(&mut self, other: &Record) {
        let taken = self.wishes_taken;
        for wish in other.wishes.iter().filter(|w| w.number > taken) {
            let same = |w: &Wish| (w.at, &w.who, w.wanted) == (wish.at, &wish.who, wish.wanted);
            if self.wishes.iter().any(same) || self.wishes.len() >= MAX_ROLLOUT_WISHES {
                continue;
            }
            let last = self.wishes.last().map_or(taken, |w| w.number);
            self.wishes.push(Wish {
                number: wish.number.max(last + 1),
                ..wish.clone()
            });
            let what = format!("wishes: {}", wish.wanted.name());
            self.note_by(wish.at, &wish.who, None, &what);
        }
    }

    /// The wishes that wait, which are answered by this.
    pub fn take_wishes(&mut self) -> Vec<Wish> {
        if let Some(last) = self.wishes.last() {
            self.wishes_taken = last.number;
        }
        std::mem::take(&mut self.wishes)
    }
}
