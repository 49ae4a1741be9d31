//! Which witnesses must have cosigned (C2SP tlog-policy), and the time that they vouch for.
//!
//! **Witnessed time** of a checkpoint is the smallest T such that the witnesses that cosigned it at
//! or before T form a quorum: at T, and not before, a quorum knew it. So a quorum's honest members
//! bound it from both sides: of k that are needed, the latest of the k earliest counts. Witnesses
//! beyond the quorum, and clocks that are far ahead, do not move it.
//!
//! The **newest** time of a checkpoint is the largest T such that the witnesses that cosigned it at
//! or after T form a quorum: a quorum still called it the newest then. It tells how old a log that
//! seems to stand still is; one witness that goes on cosigning does not hide that the others do not.
//! Pure.

mod parse;

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::checkpoint::VerifiedCheckpoint;
use super::cosignature::CosignerKey;
use super::text;
use super::vkey::VerifierKey;
use crate::limits::MAX_WITNESS_SKEW_SECONDS;
use crate::{Error, Result};

/// A witness as the policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessEntry {
    /// Its name within the policy.
    pub name: String,
    /// Its key; the key's own name is the one in signature lines.
    pub key: CosignerKey,
    /// Where to submit checkpoints, if it says so.
    pub url: Option<String>,
}

/// A group: at least `threshold` of its members must have witnessed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Member>,
}

/// Index of a witness, or of a group that is defined before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Which of the times at which a quorum had cosigned is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Earliest,
    Latest,
}

/// A parsed witness policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessPolicy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<WitnessEntry>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

/// That a quorum has cosigned a checkpoint. Only [`WitnessPolicy::witnessed`] makes one, beside those that a
/// rehearsal assumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    time: Timestamp,
    newest: Timestamp,
    by: Vec<String>,
}

impl Witnessed {
    /// What a rehearsal takes as given for a checkpoint that nobody was shown yet.
    pub(crate) fn assumed(now: Timestamp) -> Self {
        Witnessed {
            time: now,
            newest: now,
            by: Vec::new(),
        }
    }

    /// The witnessed time; see the head of this module.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The newest time at which a quorum stood by the checkpoint; see the head of this module.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Refuses cosignatures of which too few are younger than `max_hours`: the log that is shown may
    /// be one that was frozen while the real one goes on.
    ///
    /// # Errors
    /// Refused, with both ages.
    pub fn check_age(&self, max_hours: u64, now: Timestamp) -> Result<()> {
        let seconds = i64::try_from(max_hours.saturating_mul(3600)).unwrap_or(i64::MAX);
        let until = self
            .newest
            .saturating_add(SignedDuration::from_secs(seconds));
        if now <= until.unwrap_or(Timestamp::MAX) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "a quorum of witnesses cosigned the log last at {}, it is now {now}: more than the \
             {max_hours} hours that policy allows",
            self.newest
        ))
        .hint("whoever publishes asks them again: relman timestamp; if it does, this store is frozen for you: compare it with another"))
    }

    /// The witnesses that had cosigned by then, as the policy names them.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// Refuses a clock that is more than [`MAX_WITNESS_SKEW_SECONDS`] behind witnessed time: a
    /// quorum says that it is later, so what this clock calls not expired may be. One witness that
    /// is ahead is no reason, unless no quorum can be had without it.
    ///
    /// # Errors
    /// Refused, with both times.
    pub fn check_clock(&self, now: Timestamp) -> Result<()> {
        let skew = SignedDuration::from_secs(MAX_WITNESS_SKEW_SECONDS);
        if self.time <= now.saturating_add(skew).unwrap_or(now) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "witnesses {} cosigned the log at {}, it is now {now}: a clock is wrong by more than \
             {MAX_WITNESS_SKEW_SECONDS} seconds",
            self.by.join(", "),
            self.time
        ))
        .hint("compare this machine's clock with others: timedatectl status"))
    }
}

impl fmt::Display for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "witnessed at {} by {}", self.time, self.by.join(", "))
    }
}

impl WitnessPolicy {
    /// The policy without witnesses.
    pub fn none() -> Self {
        WitnessPolicy::default()
    }

    /// Whether no cosignature is asked for.
    pub fn is_none(&self) -> bool {
        self.quorum.is_none()
    }

    /// The logs that the text names, perhaps none.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// All witnesses, in order, also those that no quorum needs.
    pub fn witnesses(&self) -> &[WitnessEntry] {
        &self.witnesses
    }

    /// Whether a quorum of `checkpoint` cosigned, and when; `None` where none is asked for.
    /// `counts` says whether a witness's key counted at the time of its cosignature.
    ///
    /// # Errors
    /// Refused: a cosignature by a known witness that does not verify; no quorum, with who is
    /// missing of which group.
    pub fn witnessed(
        &self,
        checkpoint: &VerifiedCheckpoint,
        counts: &dyn Fn(&WitnessEntry, Timestamp) -> bool,
    ) -> Result<Option<Witnessed>> {
        if self.is_none() {
            return Ok(None);
        }
        let mut times = self.cosigned(checkpoint)?;
        for (witness, time) in self.witnesses.iter().zip(&mut times) {
            *time = time.filter(|time| counts(witness, *time));
        }
        self.judge(&times).map(Some).map_err(|missing| {
            missing.under(format!(
                "checkpoint of size {} has no quorum of witnesses",
                checkpoint.head().size
            ))
        })
    }

    /// When each witness cosigned, in their order; no quorum is asked for.
    ///
    /// # Errors
    /// Refused: a cosignature by a known witness that does not verify.
    pub fn cosigned(&self, checkpoint: &VerifiedCheckpoint) -> Result<Vec<Option<Timestamp>>> {
        let keys: Vec<CosignerKey> = self.witnesses.iter().map(|w| w.key.clone()).collect();
        checkpoint.cosigned(&keys)
    }

    /// Whether these witnesses, by their keys, would be a quorum.
    ///
    /// # Errors
    /// Refused: who is missing of which group.
    pub fn check_reachable(&self, at_hand: &BTreeSet<CosignerKey>) -> Result<()> {
        if self.is_none() {
            return Ok(());
        }
        let times = self.witnesses.iter();
        let times: Vec<Option<Timestamp>> = times
            .map(|w| at_hand.contains(&w.key).then_some(Timestamp::UNIX_EPOCH))
            .collect();
        self.judge(&times).map(drop)
    }

    fn judge(&self, times: &[Option<Timestamp>]) -> Result<Witnessed> {
        let time = self.decide(times, Order::Earliest)?;
        let by = self.witnesses.iter().zip(times);
        let by = by.filter(|(_, cosigned)| cosigned.is_some_and(|t| t <= time));
        Ok(Witnessed {
            time,
            newest: self.decide(times, Order::Latest)?,
            by: by.map(|(witness, _)| witness.name.clone()).collect(),
        })
    }

    /// The smallest time by which those who cosigned are a quorum, or the largest from which on they
    /// are. A group's time is the k-th smallest (largest) of its members', so each is judged after
    /// its members and nothing recurses.
    fn decide(&self, times: &[Option<Timestamp>], order: Order) -> Result<Timestamp> {
        let mut of_groups: Vec<Option<Timestamp>> = Vec::new();
        let mut lacking: Vec<Option<String>> = Vec::new();
        for group in &self.groups {
            let time_of = |member: &Member| match member {
                Member::Witness(at) => times.get(*at).copied().flatten(),
                Member::Group(at) => of_groups.get(*at).copied().flatten(),
            };
            let mut found: Vec<Timestamp> = group.members.iter().filter_map(time_of).collect();
            found.sort_unstable();
            if order == Order::Latest {
                found.reverse();
            }
            let time = found.get(group.threshold.saturating_sub(1)).copied();
            let missing = group.members.iter().filter(|m| time_of(m).is_none());
            let missing: Vec<&str> = missing.map(|m| self.name(*m)).collect();
            lacking.push(time.is_none().then(|| {
                format!(
                    "group {} has {} of the {} that it wants, missing: {}",
                    text::quote(&group.name),
                    found.len(),
                    group.threshold,
                    text::quote(&missing.join(" "))
                )
            }));
            of_groups.push(time);
        }
        let decided = match self.quorum {
            None => None,
            Some(Member::Witness(at)) => times.get(at).copied().flatten(),
            Some(Member::Group(at)) => of_groups.get(at).copied().flatten(),
        };
        if let Some(time) = decided {
            return Ok(time);
        }
        let mut why = Vec::new();
        let mut todo: Vec<Member> = self.quorum.into_iter().collect();
        while let Some(member) = todo.pop() {
            match member {
                Member::Witness(at) if times.get(at).copied().flatten().is_none() => {
                    let name = self.name(member);
                    why.push(format!("witness {} is missing", text::quote(name)));
                }
                Member::Group(at) => {
                    if let (Some(Some(lack)), Some(group)) = (lacking.get(at), self.groups.get(at))
                    {
                        why.push(lack.clone());
                        let inner = group.members.iter().copied();
                        todo.extend(inner.filter(|m| matches!(m, Member::Group(_))));
                    }
                }
                Member::Witness(_) => {}
            }
        }
        Err(Error::refused(why.join("; ")))
    }

    fn name(&self, member: Member) -> &str {
        let name = match member {
            Member::Witness(at) => self.witnesses.get(at).map(|w| &w.name),
            Member::Group(at) => self.groups.get(at).map(|g| &g.name),
        };
        name.map_or("", String::as_str)
    }
}
