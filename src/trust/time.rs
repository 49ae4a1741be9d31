//! The one form of time in metadata and policy: `YYYY-MM-DDTHH:MM:SSZ`, and what others write for it.
//! Reads no clock.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Reads exactly `YYYY-MM-DDTHH:MM:SSZ`; `None` for any other form or a date that does not exist.
pub fn parse(text: &str) -> Option<Timestamp> {
    if text.len() != 20 {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    // Refuses leap seconds, offsets and lower case, which parse but do not come back the same.
    (format(time) == text).then_some(time)
}

/// As [`parse`], for what others wrote: tuftool puts a fraction of a second into what it signs. It is cut
/// off, so that nothing lives longer than its signers said.
pub fn parse_expiry(text: &str) -> Option<Timestamp> {
    let Some((seconds, rest)) = text.split_once('.') else {
        return parse(text);
    };
    let digits = rest.strip_suffix('Z')?;
    let fraction = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    parse(&format!("{seconds}Z")).filter(|_| fraction)
}

/// Writes whole seconds; a fraction is cut off.
pub fn format(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// For `#[serde(with = "…")]`.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(time: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&format(*time))
}

/// For `#[serde(with = "…")]`.
///
/// # Errors
/// Anything but `YYYY-MM-DDTHH:MM:SSZ`.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
    read(d, parse)
}

/// The end of validity of metadata, for `#[serde(with = "…")]`.
pub mod expiry {
    pub use super::serialize;
    use super::{Deserializer, Timestamp, parse_expiry, read};

    /// # Errors
    /// What [`parse_expiry`] does not read.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        read(d, parse_expiry)
    }
}

fn read<'de, D: Deserializer<'de>>(
    d: D,
    parse: impl Fn(&str) -> Option<Timestamp>,
) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(d)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "time is {text:?}, wanted YYYY-MM-DDTHH:MM:SSZ"
        ))
    })
}
