//! A signal's recent past: bounded, whatever the window. Pure.
//!
//! A counter that is lower than before was reset: what it has now came since. Of a window that was not seen from its
//! beginning, an increase is a lower bound, and an average is unknown.

use std::collections::VecDeque;

use super::policy::Take;
use crate::limits::MAX_WATCH_POINTS;

/// What is known of a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// It.
    Exactly(f64),
    /// It is that or more.
    AtLeast(f64),
    /// Nothing, and why.
    Unknown(String),
}

/// The values of one signal, with their times in milliseconds.
#[derive(Clone, Debug)]
pub struct Series {
    window_ms: i64,
    counter: bool,
    /// For a counter: what it has grown by since the first.
    points: VecDeque<(i64, f64)>,
    last: Option<f64>,
}

impl Series {
    /// Of a signal whose longest window is that.
    pub fn new(window_seconds: u64, counter: bool) -> Self {
        Series {
            window_ms: i64::try_from(window_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX),
            counter,
            points: VecDeque::new(),
            last: None,
        }
    }

    /// Adds a value; times ascend.
    pub fn add(&mut self, at: i64, value: f64) {
        let point = match (self.counter, self.last) {
            (false, _) => value,
            (true, None) => 0.0,
            (true, Some(last)) => {
                let before = self.points.back().map_or(0.0, |(_, grown)| *grown);
                let step = if value < last {
                    value.max(0.0)
                } else {
                    value - last
                };
                before + step
            }
        };
        self.last = Some(value);
        // Of points that are closer than the window can hold, the newest stays.
        let grain = self.window_ms / (MAX_WATCH_POINTS as i64 / 2);
        let close = |a: &(i64, f64), b: &(i64, f64)| b.0 - a.0 < grain;
        if let [.., before, newest] = self.points.make_contiguous()
            && close(before, newest)
        {
            self.points.pop_back();
        }
        self.points.push_back((at, point));
        // One point from before the window stays: where it begins.
        while self
            .points
            .get(1)
            .is_some_and(|(next, _)| at - *next >= self.window_ms)
        {
            self.points.pop_front();
        }
    }

    /// When it was seen last.
    pub fn newest(&self) -> Option<i64> {
        self.points.back().map(|(at, _)| *at)
    }

    /// The newest value.
    pub fn value(&self) -> Option<f64> {
        self.last
    }

    /// The values of the last looks, oldest first, for a picture.
    pub fn points(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.points.iter().copied()
    }

    /// What `take` makes of the last `window_seconds`.
    pub fn take(&self, take: Take, window_seconds: u64, now: i64) -> Number {
        let window = i64::try_from(window_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let Some(last) = self.last else {
            return Number::Unknown("it was never seen".into());
        };
        if take == Take::Value {
            return Number::Exactly(last);
        }
        let begin = now.saturating_sub(window);
        // The last point at or before the beginning, or the first that there is.
        let from = self.points.iter().rposition(|(at, _)| *at <= begin);
        let seen = now - self.points.front().map_or(now, |(at, _)| *at);
        let partly = || {
            Number::Unknown(format!(
                "{} s of the window of {window_seconds} s are seen",
                seen.max(0) / 1_000
            ))
        };
        match take {
            Take::Value => Number::Exactly(last),
            Take::Increase | Take::RatePerMinute => {
                let Some((_, now_at)) = self.points.back() else {
                    return partly();
                };
                let Some((began, low)) = self.points.get(from.unwrap_or(0)) else {
                    return partly();
                };
                let grown = now_at - low;
                match (take, from) {
                    (Take::Increase, Some(_)) => Number::Exactly(grown),
                    (Take::Increase, None) => Number::AtLeast(grown),
                    (_, None) => partly(),
                    (_, Some(_)) => {
                        let minutes = (now - began).max(1) as f64 / 60_000.0;
                        Number::Exactly(grown / minutes)
                    }
                }
            }
            Take::Mean => match from {
                None => partly(),
                Some(_) => self.mean(begin, now).map_or_else(partly, Number::Exactly),
            },
            Take::Growth => {
                let quarter = window / 4;
                let first = self.mean(begin, begin + quarter);
                match (from, first, self.mean(now - quarter, now)) {
                    (Some(_), Some(first), Some(last)) if first > 0.0 => {
                        Number::Exactly((last - first) * 100.0 / first)
                    }
                    (Some(_), Some(_), Some(_)) => {
                        Number::Unknown("there is nothing that it could have grown from".into())
                    }
                    _ => partly(),
                }
            }
        }
    }

    fn mean(&self, from: i64, to: i64) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0_u32);
        for (at, value) in &self.points {
            if (from..=to).contains(at) {
                sum += value;
                count += 1;
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }
}
