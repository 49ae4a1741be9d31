//! The rebuild room: dates and times in text and in numbers, as build scripts write them. Pure.

use jiff::Timestamp;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Years in which a build can have been made.
const YEARS: std::ops::RangeInclusive<u32> = 2010..=2099;
/// 2010-01-01 and 2100-01-01, in seconds since 1970.
const SECONDS: std::ops::Range<u64> = 1_262_304_000..4_102_444_800;
/// A number in the middle of this many hex digits is no time.
const HEX_RUN: usize = 20;
/// Seconds by which a machine's clock may be off from the times that were written down.
const SLACK: i64 = 60;

/// From when to when a build ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub started: Timestamp,
    /// When it had ended.
    pub finished: Timestamp,
}

impl Span {
    /// Whether this is a time at which the build ran, in seconds since 1970.
    pub fn has(&self, seconds: i64) -> bool {
        let from = self.started.as_second().saturating_sub(SLACK);
        (from..=self.finished.as_second().saturating_add(SLACK)).contains(&seconds)
    }

    /// The day of the build as build scripts and compilers write it, if it began and ended on one.
    pub fn day(&self) -> Option<[String; 3]> {
        let forms = |at: Timestamp| {
            ["%Y-%m-%d", "%b %e %Y", "%Y%m%d"].map(|form| at.strftime(form).to_string())
        };
        (forms(self.started) == forms(self.finished)).then(|| forms(self.started))
    }
}

/// The dates, times of day and seconds since 1970 in a text, in order.
pub fn times(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        if !first.is_ascii_digit() && !first.is_ascii_uppercase() {
            at += 1;
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        // Text in a program is often not separated from what stands before it.
        let in_number = at > 0 && digit(bytes, at - 1) && digit(bytes, at);
        let len = match in_number {
            true => None,
            false => iso(rest)
                .or_else(|| written(rest))
                .or_else(|| time_of_day(rest))
                .or_else(|| number(bytes, at)),
        };
        match len {
            Some(len) => {
                out.extend(text.get(at..at + len));
                at += len;
            }
            None => at += 1,
        }
    }
    out
}

/// A text of [`times`] in words, if it is a number of seconds (or smaller units) since 1970.
pub fn meaning(time: &str) -> Option<String> {
    let digits = time.bytes().all(|b| b.is_ascii_digit());
    let seconds = match time.len() {
        10 | 13 | 16 | 19 if digits => time.get(..10)?.parse().ok()?,
        _ => return None,
    };
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}

/// A time in two files of equal length, as a number: each side's lies in its own build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Where it stands.
    pub offset: usize,
    /// Seconds since 1970, as published.
    pub published: i64,
    /// As rebuilt.
    pub rebuilt: i64,
}

/// The first number near `(start, end)`, where the two differ, that is the time of its build: 32 bits of
/// seconds, or 64 bits of milli-, micro- or nanoseconds, little endian.
pub fn number_at(
    (start, end): (usize, usize),
    (published, rebuilt): (&[u8], &[u8]),
    (then, now): (&Span, &Span),
) -> Option<Number> {
    let read = |bytes: &[u8], at: usize, width: usize| {
        let part = bytes.get(at..at.checked_add(width)?)?;
        let mut whole = [0u8; 8];
        whole.get_mut(..width)?.copy_from_slice(part);
        i64::try_from(u64::from_le_bytes(whole)).ok()
    };
    for at in start.saturating_sub(7)..end {
        for (width, unit) in [(4, 1), (8, 1_000), (8, 1_000_000), (8, 1_000_000_000)] {
            let Some(sides) = read(published, at, width).zip(read(rebuilt, at, width)) else {
                continue;
            };
            let (a, b) = (sides.0 / unit, sides.1 / unit);
            if sides.0 != sides.1 && then.has(a) && now.has(b) {
                return Some(Number {
                    offset: at,
                    published: a,
                    rebuilt: b,
                });
            }
        }
    }
    None
}

fn digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

fn parse(bytes: &[u8], from: usize, to: usize) -> Option<u32> {
    let part = bytes.get(from..to)?;
    let digits = part.iter().all(u8::is_ascii_digit);
    digits.then(|| part.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    YEARS.contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// `2025-11-25`, with a time of day behind `T` or a space if there is one.
fn iso(bytes: &[u8]) -> Option<usize> {
    let separator = bytes.get(4).filter(|b| matches!(b, b'-' | b'/'))?;
    if bytes.get(7) != Some(separator) || digit(bytes, 10) {
        return None;
    }
    let (year, month, day) = (
        parse(bytes, 0, 4)?,
        parse(bytes, 5, 7)?,
        parse(bytes, 8, 10)?,
    );
    is_date(year, month, day).then_some(())?;
    let rest = bytes.get(11..).unwrap_or_default();
    let time = bytes.get(10).filter(|b| matches!(b, b'T' | b' ' | b'_'));
    Some(match time.and_then(|_| time_of_day(rest)) {
        Some(len) => 11 + len,
        None => 10,
    })
}

/// `Nov 25 2025` and `Nov  5 2025` (C's `__DATE__`), `Nov 25 16:42:00 2025` (C's `ctime`).
fn written(bytes: &[u8]) -> Option<usize> {
    let month = bytes.get(..3)?;
    MONTHS.iter().find(|m| m.as_bytes() == month)?;
    let day = match bytes.get(3..6)? {
        [b' ', b' ', _] => parse(bytes, 5, 6)?,
        [b' ', ..] => parse(bytes, 4, 6)?,
        _ => return None,
    };
    let rest = bytes.get(7..)?;
    let time = time_of_day(rest).map_or(0, |len| len + 1);
    let year = parse(bytes, 7 + time, 11 + time)?;
    is_date(year, 1, day).then_some(11 + time)
}

/// `16:42:00`.
fn time_of_day(bytes: &[u8]) -> Option<usize> {
    let (h, m, s) = (
        parse(bytes, 0, 2)?,
        parse(bytes, 3, 5)?,
        parse(bytes, 6, 8)?,
    );
    let colons = bytes.get(2) == Some(&b':') && bytes.get(5) == Some(&b':');
    (colons && h < 24 && m < 60 && s <= 60 && !digit(bytes, 8)).then_some(8)
}

/// Seconds or smaller units since 1970, `20251125`, `20251125164200`.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let good = match len {
        10 | 13 | 16 | 19 => {
            let digits = std::str::from_utf8(rest.get(..10)?).ok()?;
            SECONDS.contains(&digits.parse().ok()?)
        }
        8 | 14 => is_date(parse(rest, 0, 4)?, parse(rest, 4, 6)?, parse(rest, 6, 8)?),
        _ => false,
    };
    (good && hex_run(bytes, at) < HEX_RUN).then_some(len)
}

fn hex_run(bytes: &[u8], at: usize) -> usize {
    let is_hex = |b: &&u8| b.is_ascii_hexdigit();
    let before = bytes.get(..at).unwrap_or_default();
    let after = bytes.get(at..).unwrap_or_default();
    before.iter().rev().take_while(is_hex).count() + after.iter().take_while(is_hex).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(started: &str, finished: &str) -> Span {
        let [started, finished] = [started, finished].map(|t| t.parse().unwrap());
        Span { started, finished }
    }

    #[test]
    fn dates_and_times_are_recognised_as_people_and_compilers_write_them() {
        for (text, found) in [
            ("built 2025-11-25 by", vec!["2025-11-25"]),
            ("2025-11-25T16:42:00Z", vec!["2025-11-25T16:42:00"]),
            ("at 2025/11/25 16:42:00.", vec!["2025/11/25 16:42:00"]),
            ("Nov 25 2025", vec!["Nov 25 2025"]),
            ("Tue Nov  5 16:42:00 2025", vec!["Nov  5 16:42:00 2025"]),
            ("Nov  5 2025 16:42:00", vec!["Nov  5 2025", "16:42:00"]),
            ("xat1764086400error", vec!["1764086400"]),
            ("1764086400123", vec!["1764086400123"]),
            ("v20251125-rc", vec!["20251125"]),
            ("20251125164200", vec!["20251125164200"]),
        ] {
            assert_eq!(times(text), found, "{text}");
        }
    }

    #[test]
    fn other_numbers_are_no_times() {
        for text in [
            "1.95.0",
            "0000000000",
            "9999999999",
            "17640864001",
            "2025-13-01",
            "2025-11-255",
            "25:00:00",
            "16:42:001",
            "Now 25 2025",
            "a1764086400bcdef0123456789",
            "12345678",
            "",
            "202",
            "Nov",
            "Nov 2",
            "2025-1",
            "16:4",
        ] {
            assert_eq!(times(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn seconds_since_1970_are_told_as_a_date() {
        assert_eq!(
            meaning("1764086400").as_deref(),
            Some("2025-11-25T16:00:00Z")
        );
        assert_eq!(
            meaning("1764086400123").as_deref(),
            Some("2025-11-25T16:00:00Z")
        );
        assert_eq!(meaning("2025-11-25"), None);
    }

    #[test]
    fn a_number_is_a_time_only_if_each_side_names_its_own_build() {
        let then = span("2025-11-25T16:00:00Z", "2025-11-25T16:01:00Z");
        let now = span("2025-12-01T08:00:00Z", "2025-12-01T08:01:00Z");
        let file = |value: u64, width: usize| {
            let mut bytes = vec![0xcc; 16];
            bytes[5..5 + width].copy_from_slice(&value.to_le_bytes()[..width]);
            bytes
        };
        let find = |a: &[u8], b: &[u8]| {
            let cluster = super::super::strings::clusters(a, b).next().unwrap();
            number_at(cluster, (a, b), (&then, &now))
        };
        let (a, b) = (then.started.as_second(), now.finished.as_second());
        let wanted = Number {
            offset: 5,
            published: a,
            rebuilt: b,
        };
        assert_eq!(find(&file(a as u64, 4), &file(b as u64, 4)), Some(wanted));
        let nanos = |s: i64| file(s as u64 * 1_000_000_000 + 17, 8);
        assert_eq!(find(&nanos(a), &nanos(b)), Some(wanted));
        assert_eq!(find(&file(b as u64, 4), &file(a as u64, 4)), None);
        assert_eq!(find(&file(1, 4), &file(2, 4)), None);
    }

    #[test]
    fn a_build_over_midnight_has_no_day() {
        let day = span("2025-11-05T16:00:00Z", "2025-11-05T16:01:00Z")
            .day()
            .unwrap();
        assert_eq!(day, ["2025-11-05", "Nov  5 2025", "20251105"]);
        assert_eq!(
            span("2025-11-05T23:59:00Z", "2025-11-06T00:01:00Z").day(),
            None
        );
    }
}
