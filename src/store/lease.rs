//! The lease object of a store without locks: who is at work, for people and for politeness. It
//! protects nothing by itself; the number of a plan does. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::Context;
use crate::{Error, Result};

/// Its name.
pub const LEASE: &str = ".relman-lease";
/// How long a holder is left alone, by the clock of whoever asks.
pub const LEASE_MINUTES: i64 = 15;
const FORMAT: u32 = 1;

/// Who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Person, machine, process and command, for people.
    pub who: String,
    /// Names one running system, so that others on it can tell whether the process is alive.
    pub machine: String,
    /// The process there.
    pub process: u32,
    /// Makes two holders different.
    pub attempt: String,
}

/// The lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRecord {
    format: u32,
    /// Grows with each taking.
    pub epoch: u64,
    /// The holder; none after it was given back.
    pub holder: Option<Holder>,
    /// When it was taken, given back or prolonged last.
    #[serde(with = "text")]
    pub taken: Timestamp,
    /// When others may take it.
    #[serde(with = "text")]
    pub expires: Timestamp,
}

impl LeaseRecord {
    /// The lease of `holder` after `before`.
    pub fn taken(before: Option<&Self>, holder: Holder, now: Timestamp) -> Self {
        LeaseRecord {
            format: FORMAT,
            epoch: before.map_or(1, |b| b.epoch.saturating_add(1)),
            holder: Some(holder),
            taken: now,
            expires: now
                .saturating_add(SignedDuration::from_mins(LEASE_MINUTES))
                .unwrap_or(now),
        }
    }

    /// The same lease, its time begun anew.
    pub fn prolonged(&self, now: Timestamp) -> Self {
        LeaseRecord {
            expires: now
                .saturating_add(SignedDuration::from_mins(LEASE_MINUTES))
                .unwrap_or(now),
            ..self.clone()
        }
    }

    /// The same lease, given back.
    pub fn given_back(&self, now: Timestamp) -> Self {
        LeaseRecord {
            holder: None,
            taken: now,
            expires: now,
            ..self.clone()
        }
    }

    /// Who keeps others from taking it now.
    pub fn keeps(&self, now: Timestamp) -> Option<&Holder> {
        self.holder.as_ref().filter(|_| now < self.expires)
    }

    /// The object's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(self).or_failed(|| "cannot write a lease".into())?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads it.
    ///
    /// # Errors
    /// Failed: no lease of relman's.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = || format!("{LEASE} is no lease of relman's");
        let lease: LeaseRecord = serde_json::from_slice(bytes).or_failed(wrong)?;
        if lease.format != FORMAT {
            return Err(Error::failed(wrong())
                .caused_by(format!("it is format {}, wanted {FORMAT}", lease.format)));
        }
        Ok(lease)
    }
}

/// Times as text.
mod text {
    use super::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(time: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(time)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ann() -> Holder {
        Holder {
            who: "ann".into(),
            machine: "m".into(),
            process: 7,
            attempt: "x".into(),
        }
    }

    #[test]
    fn a_lease_keeps_others_out_until_it_ends_or_is_given_back() {
        let now = at("2026-02-01T00:00:00Z");
        let lease = LeaseRecord::taken(None, ann(), now);
        let read = LeaseRecord::parse(&lease.to_bytes().unwrap()).unwrap();
        assert_eq!(read, lease);
        assert_eq!(read.keeps(at("2026-02-01T00:14:59Z")), Some(&ann()));
        assert_eq!(read.keeps(at("2026-02-01T00:15:00Z")), None);
        assert_eq!(read.given_back(now).keeps(now), None);
        assert_eq!(LeaseRecord::taken(Some(&read), ann(), now).epoch, 2);
    }

    #[test]
    fn what_is_no_lease_is_told() {
        let now = at("2026-02-01T00:00:00Z");
        let bytes = LeaseRecord::taken(None, ann(), now).to_bytes().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("2026", "never"),
            ("}", ""),
        ] {
            let e = LeaseRecord::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(e.to_string().contains(LEASE), "{e}");
        }
    }
}
