//! Decimal numbers that are compared exactly: what a stress test measured against what is wanted. Pure.
//!
//! Floating point has no place in what is signed and compared: 0.1 is not 0.1 there, and `nan` is a
//! number that nothing is below.

use std::cmp::Ordering;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Digits before the point.
const MAX_WHOLE: usize = 18;
/// Digits after it.
const MAX_FRACTION: usize = 9;

/// A number of at most 18 digits before and 9 after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The number times 10 to the power of [`MAX_FRACTION`].
    scaled: i128,
}

impl Decimal {
    /// Reads `-12`, `1000` or `999.5`; `None` for anything else: no exponent, no separators, no `nan`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > MAX_WHOLE
            || fraction.len() > MAX_FRACTION
            || !are_digits(whole)
            || !are_digits(fraction)
        {
            return None;
        }
        let scaled: i128 = format!("{whole}{fraction:0<MAX_FRACTION$}").parse().ok()?;
        Some(Decimal {
            scaled: if negative { -scaled } else { scaled },
        })
    }

    /// Whether `part` of `whole` is at least this many percent; nothing is a part of nothing.
    pub fn is_reached_by(self, part: u64, whole: u64) -> bool {
        let one = 10_i128.pow(MAX_FRACTION as u32);
        let wanted = self.scaled.checked_mul(i128::from(whole));
        // What is too large to be multiplied is far more than all.
        whole > 0 && wanted.is_some_and(|wanted| i128::from(part) * 100 * one >= wanted)
    }
}

impl From<u32> for Decimal {
    fn from(number: u32) -> Self {
        Decimal {
            scaled: i128::from(number) * 10_i128.pow(MAX_FRACTION as u32),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.scaled.cmp(&other.scaled)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u128.pow(MAX_FRACTION as u32);
        let size = self.scaled.unsigned_abs();
        let sign = if self.scaled < 0 { "-" } else { "" };
        let fraction = format!("{:0width$}", size % one, width = MAX_FRACTION);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{}", size / one),
            fraction => write!(f, "{sign}{}.{fraction}", size / one),
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A whole number, or text.
struct Written;

impl Visitor<'_> for Written {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number such as 1000, or text such as \"99.5\"")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::parse(text)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Decimal, E> {
        Err(E::custom(
            "a decimal number is written as text, such as \"99.5\", so that it is compared exactly",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn decimals_are_compared_as_they_are_written() {
        assert!(decimal("999.999999999") < decimal("1000"));
        assert_eq!(decimal("1000.0"), decimal("1000"));
        assert!(decimal("-1.5") < decimal("-1.4"));
        assert_eq!(decimal("-0"), decimal("0"));
        for text in ["0", "-1.5", "1000", "0.000000001", "999.25"] {
            assert_eq!(decimal(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_plain_number_is_none() {
        let long = "9".repeat(MAX_WHOLE + 1);
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1e9",
            "+1",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "1,000",
            "1_000",
            " 1",
            "0x10",
            "1.2.3",
            "--1",
            "1.0000000001",
            "٣",
            &long,
        ] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn percent_is_reached_exactly_or_not_at_all() {
        let ninety = decimal("90");
        assert!(ninety.is_reached_by(9, 10));
        assert!(!ninety.is_reached_by(899_999, 1_000_000));
        assert!(decimal("90.5").is_reached_by(181, 200));
        assert!(!decimal("90.5").is_reached_by(180, 200));
        assert!(!decimal("0").is_reached_by(0, 0));
        let most = crate::limits::MAX_JSON_INTEGER;
        assert!(decimal(&"9".repeat(MAX_WHOLE)) > ninety && ninety.is_reached_by(most, most));
        assert!(!decimal(&"9".repeat(MAX_WHOLE)).is_reached_by(most, most));
    }
}
