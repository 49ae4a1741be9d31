//! From samples to a judgement. Pure: samples and times come in.
//!
//! Healthy needs so many good looks in a row and so many answers at all. A bad look ends the row, and
//! so does one without an answer. Whoever is not healthy has until its deadline; whoever was and is
//! no longer has the deadline again, from then on.

use std::time::Duration;

use serde::Serialize;

use super::{Mark, Sample};
use crate::node::config::probe::Pace;

/// How a probe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As many good looks as wanted.
    Healthy,
    /// The last answer was a bad one.
    Unhealthy,
    /// No answer, or too few good ones to tell.
    Unknown,
}

impl State {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Unhealthy => "unhealthy",
            State::Unknown => "unknown",
        }
    }
}

/// The judgement of one probe until now.
#[derive(Clone, Debug)]
pub struct Judge {
    deadline: Duration,
    successes: u32,
    samples: u32,
    row: u32,
    answered: u32,
    looks: u32,
    last: Option<Sample>,
    state: State,
    since: Duration,
    /// Since when it is not healthy.
    waiting_since: Duration,
}

impl Judge {
    /// Nothing is known yet, at `now`.
    pub fn new(pace: &Pace, now: Duration) -> Self {
        Judge {
            deadline: pace.deadline,
            successes: pace.successes,
            samples: pace.samples,
            row: 0,
            answered: 0,
            looks: 0,
            last: None,
            state: State::Unknown,
            since: now,
            waiting_since: now,
        }
    }

    /// Takes one more sample.
    pub fn add(&mut self, now: Duration, sample: Sample) {
        self.looks = self.looks.saturating_add(1);
        match sample.mark {
            Mark::Good => {
                self.row = self.row.saturating_add(1);
                self.answered = self.answered.saturating_add(1);
            }
            Mark::Bad => {
                self.row = 0;
                self.answered = self.answered.saturating_add(1);
            }
            Mark::Unknown => self.row = 0,
        }
        let enough = self.row >= self.successes && self.answered >= self.samples;
        let state = match sample.mark {
            Mark::Good if enough => State::Healthy,
            Mark::Bad => State::Unhealthy,
            _ => State::Unknown,
        };
        if self.state == State::Healthy && state != State::Healthy {
            self.waiting_since = now;
        }
        if state != self.state {
            (self.state, self.since) = (state, now);
        }
        self.last = Some(sample);
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when it stands so.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Looks that were judged.
    pub fn looks(&self) -> u32 {
        self.looks
    }

    /// The last look.
    pub fn last(&self) -> Option<&Sample> {
        self.last.as_ref()
    }

    /// Whether it is not healthy and will not be waited for any longer.
    pub fn has_failed(&self, now: Duration) -> bool {
        let is_final = self.last.as_ref().is_some_and(|last| last.is_final);
        let late = now.saturating_sub(self.waiting_since) >= self.deadline;
        self.state != State::Healthy && (is_final || late)
    }

    /// Why it is not healthy; empty where it is.
    pub fn why(&self) -> String {
        match &self.last {
            None => "no look has ended yet".into(),
            Some(_) if self.state == State::Healthy => String::new(),
            Some(last) if last.mark == Mark::Good => format!(
                "{} of {} good looks in a row, {} of {} answers",
                self.row.min(self.successes),
                self.successes,
                self.answered.min(self.samples),
                self.samples
            ),
            Some(last) => last.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(successes: u32, samples: u32) -> Pace {
        Pace {
            deadline: Duration::from_secs(10),
            interval: Duration::from_secs(1),
            successes,
            samples,
            timeout: Duration::from_secs(1),
        }
    }

    /// The state after each of the marks, one a second: `+` good, `-` bad, `?` unknown.
    fn states(pace: &Pace, marks: &str) -> (String, Judge) {
        let mut judge = Judge::new(pace, Duration::ZERO);
        let states = marks.chars().zip(1..).map(|(mark, second)| {
            let sample = match mark {
                '+' => Sample::good("1"),
                '-' => Sample::bad("0", "wrong"),
                _ => Sample::unknown("no answer"),
            };
            judge.add(Duration::from_secs(second), sample);
            match judge.state() {
                State::Healthy => 'h',
                State::Unhealthy => 'u',
                State::Unknown => '?',
            }
        });
        (states.collect(), judge)
    }

    #[test]
    fn a_flapping_probe_is_never_healthy_where_a_row_is_wanted() {
        assert_eq!(states(&pace(3, 1), "+-++-+++").0, "?u??u??h");
        assert_eq!(states(&pace(2, 1), "+-+-+-+-").0, "?u?u?u?u");
    }

    #[test]
    fn too_few_answers_are_not_enough_however_good() {
        assert_eq!(states(&pace(1, 4), "+++++").0, "???hh");
        // Bad answers are answers; looks without one are not.
        assert_eq!(states(&pace(1, 4), "-+-+").0, "u?uh");
        assert_eq!(states(&pace(1, 3), "??+++").0, "????h");
    }

    #[test]
    fn no_answer_is_neither_a_success_nor_forgiven() {
        assert_eq!(states(&pace(2, 1), "+?+?+").0, "?????");
        assert_eq!(states(&pace(1, 1), "+?").0, "h?");
        let (_, judge) = states(&pace(1, 1), "????");
        assert_eq!((judge.state(), judge.looks()), (State::Unknown, 4));
        assert_eq!(judge.why(), "no answer");
    }

    #[test]
    fn a_deadline_ends_the_wait_and_begins_anew_once_it_was_healthy() {
        let at = Duration::from_secs;
        let (_, judge) = states(&pace(2, 1), "+-");
        assert!(!judge.has_failed(at(9)) && judge.has_failed(at(10)));
        let (_, judge) = states(&pace(1, 1), "++++-");
        assert!(!judge.has_failed(at(14)) && judge.has_failed(at(15)));
        let (_, judge) = states(&pace(1, 1), "+");
        assert!(!judge.has_failed(at(1_000)));
        assert!(Judge::new(&pace(1, 1), at(3)).has_failed(at(13)));
    }

    #[test]
    fn what_is_final_is_not_waited_for() {
        let mut judge = Judge::new(&pace(1, 1), Duration::ZERO);
        judge.add(Duration::ZERO, Sample::bad("gone", "it ended").finally());
        assert!(judge.has_failed(Duration::ZERO));
    }

    #[test]
    fn it_tells_since_when_it_stands_so() {
        let (_, judge) = states(&pace(1, 1), "++--");
        assert_eq!(
            (judge.state(), judge.since()),
            (State::Unhealthy, Duration::from_secs(3))
        );
    }
}
