//! How long a row has held. Pure.

/// A row's past.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowMemory {
    /// The first look of those in a row at which it held.
    held_since: Option<i64>,
    /// The last look at which it held.
    held_until: i64,
    /// Looks at which it held since, in all.
    held: u32,
    /// Looks in a row at which it did not.
    ended: u32,
    /// The last look at which anything was known.
    known_at: Option<i64>,
}

impl RowMemory {
    /// One more look. It takes `samples` looks in a row to begin and to end; an unknown one is passed over, unless nothing
    /// was known for longer than `stale_seconds`: then nobody knows whether it has held all the time.
    pub(super) fn saw(&mut self, holds: Option<bool>, at: i64, samples: u32, stale_seconds: u64) {
        let stale = i64::try_from(stale_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let silent = self.known_at.is_some_and(|known| at - known > stale);
        if silent {
            *self = RowMemory::default();
        }
        match holds {
            None => return,
            Some(true) => {
                self.held_since.get_or_insert(at);
                self.held_until = at;
                self.held = self.held.saturating_add(1);
                self.ended = 0;
            }
            Some(false) => {
                self.ended = self.ended.saturating_add(1);
                if self.ended >= samples || self.held < samples {
                    self.held_since = None;
                    self.held = 0;
                }
            }
        }
        self.known_at = Some(at);
    }

    /// Whether it was seen often enough.
    pub(super) fn has_begun(&self, samples: u32) -> bool {
        self.held >= samples
    }

    /// Milliseconds for which it was seen to hold.
    pub(super) fn held_ms(&self) -> Option<i64> {
        self.held_since
            .map(|since| (self.held_until - since).max(0))
    }
}
