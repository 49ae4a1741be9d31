//! The rebuild room: what in equal bytes may come out different another time. Pure.

use jiff::Timestamp;

use super::clock::{Span, times};
use super::findings::is_of;

/// Longest piece of text looked at in one go, in bytes: times are short.
const MAX_RUN: usize = 4_096;

/// The shortest time: `20251125`.
const MIN_TIME: usize = 8;

/// The first text in a program that is a time at which it was built. Two builds soon after one another give
/// the same bytes although they ask a clock. The commit's own time is meant to be in there: where both
/// cannot be told apart, there is nothing to say.
pub fn time_of_build<'a>(program: &'a [u8], built: &Span, commit: Timestamp) -> Option<&'a str> {
    let commit_span = Span {
        started: commit,
        finished: commit,
    };
    if built.has(commit.as_second()) || built.day() == commit_span.day() {
        return None;
    }
    let runs = program.split(|byte| !matches!(byte, b' '..=b'~'));
    let long = runs.filter(|run| run.len() >= MIN_TIME);
    let parts = long.flat_map(|run| run.chunks(MAX_RUN));
    let texts = parts.filter_map(|part| std::str::from_utf8(part).ok());
    texts.flat_map(times).find(|time| is_of(time, built))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect<'a>(program: &'a [u8], commit: &str) -> Option<&'a str> {
        let built = Span {
            started: "2025-11-25T16:00:00Z".parse().unwrap(),
            finished: "2025-11-25T16:02:00Z".parse().unwrap(),
        };
        time_of_build(program, &built, commit.parse().unwrap())
    }

    #[test]
    fn the_time_of_the_build_in_a_program_is_found() {
        let commit = "2025-11-01T00:00:00Z";
        for (program, found) in [
            (b"\x01\xffbuilt 1764086460\0".as_slice(), Some("1764086460")),
            (b"on 2025-11-25\0", Some("2025-11-25")),
            (b"Nov 25 2025", Some("Nov 25 2025")),
            (b"on 2025-11-01 and 2024-01-01, 1761955200\0", None),
            (b"", None),
        ] {
            assert_eq!(suspect(program, commit), found);
        }
    }

    #[test]
    fn the_day_of_the_commit_is_no_suspect() {
        assert_eq!(suspect(b"on 2025-11-25\0", "2025-11-25T09:00:00Z"), None);
    }
}
