//! The rebuild room: text that is in one of two byte strings alone, with what stands around it. Pure.

use std::collections::HashMap;

use crate::limits::{MAX_SHOWN_SPOT, MAX_SPOTS};

/// Shortest piece of text that counts as such, in bytes.
const MIN_RUN: usize = 6;
/// How much that is the same on both sides is taken along, in bytes.
const CONTEXT: usize = 64;
/// Differences with less than this between them are one.
const GAP: usize = 12;
/// How far ahead the counterpart of a piece of text is looked for.
const AHEAD: usize = 8;
/// Bytes compared at a time.
const BLOCK: usize = 4_096;

/// Text on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub offset: usize,
    /// Printable ASCII, at most [`MAX_SHOWN_SPOT`] bytes.
    pub text: String,
}

/// Text that differs, or is on one side alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// As published.
    pub published: Option<Piece>,
    /// As rebuilt.
    pub rebuilt: Option<Piece>,
}

impl Spot {
    /// The published text; empty where there is none.
    pub fn left(&self) -> &str {
        self.published.as_ref().map_or("", |piece| &piece.text)
    }

    /// The rebuilt text; empty where there is none.
    pub fn right(&self) -> &str {
        self.rebuilt.as_ref().map_or("", |piece| &piece.text)
    }
}

/// The text that differs, in order; at most [`MAX_SPOTS`] spots.
pub fn spots(published: &[u8], rebuilt: &[u8]) -> Vec<Spot> {
    let mut out = Vec::new();
    match published.len() == rebuilt.len() {
        true => aligned(published, rebuilt, &mut out),
        false => shifted(published, rebuilt, 0, &mut out),
    }
    out.truncate(MAX_SPOTS);
    out
}

/// Where byte strings of equal length differ: ranges with `GAP` equal bytes or more between them.
pub fn clusters<'a>(a: &'a [u8], b: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut differing = std::iter::zip(a, b)
        .enumerate()
        .filter(|(_, (x, y))| x != y)
        .map(|(at, _)| at)
        .peekable();
    std::iter::from_fn(move || {
        let start = differing.next()?;
        let mut end = start + 1;
        while let Some(at) = differing.next_if(|at| *at < end + GAP) {
            end = at + 1;
        }
        Some((start, end))
    })
}

/// How many bytes both begin with.
pub fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut at = 0;
    for (x, y) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let same = std::iter::zip(x, y).take_while(|(x, y)| x == y).count();
        at += same;
        if same < x.len() {
            break;
        }
    }
    at
}

/// How many bytes both end with.
fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    pairs.take_while(|(x, y)| x == y).count()
}

/// Equal lengths: what stands at the same place belongs together.
fn aligned(a: &[u8], b: &[u8], out: &mut Vec<Spot>) {
    for (start, end) in clusters(a, b) {
        if out.len() >= MAX_SPOTS {
            return;
        }
        let from = before(a, start).min(before(b, start));
        let to = after(a, end).max(after(b, end));
        let (left, right) = (part(a, from, to), part(b, from, to));
        let plain = |side: &[u8]| side.iter().copied().all(is_text);
        if left.len() >= MIN_RUN && plain(left) && plain(right) {
            out.push(Spot {
                published: Some(piece(from, left)),
                rebuilt: Some(piece(from, right)),
            });
        } else {
            one_sided(left, right, (from, from), out);
        }
    }
}

/// Other lengths: what both begin and end with is left out.
fn shifted(a: &[u8], b: &[u8], base: usize, out: &mut Vec<Spot>) {
    let start = common_prefix(a, b);
    let end = common_suffix(part(a, start, a.len()), part(b, start, b.len()));
    let from = before(a, start);
    let to = |side: &[u8]| after(side, side.len() - end);
    let (left, right) = (part(a, from, to(a)), part(b, from, to(b)));
    one_sided(left, right, (base + from, base + from), out);
}

/// Runs of text that only one of two places has.
fn one_sided(a: &[u8], b: &[u8], bases: (usize, usize), out: &mut Vec<Spot>) {
    let (left, right) = (runs(a), runs(b));
    let (left, right) = (without(&left, &right), without(&right, &left));
    let mut right = right.into_iter().peekable();
    let alone = |run: Run| Spot {
        rebuilt: Some(piece(bases.1 + run.0, run.1)),
        ..Spot::default()
    };
    for run in left {
        if out.len() >= MAX_SPOTS {
            return;
        }
        let ahead = right
            .clone()
            .take(AHEAD)
            .position(|other| are_alike(run.1, other.1));
        for _ in 0..ahead.unwrap_or(0) {
            out.extend(right.next().map(alone));
        }
        out.push(match ahead.and_then(|_| right.next()) {
            Some(other) => pair(run, other, bases),
            None => Spot {
                published: Some(piece(bases.0 + run.0, run.1)),
                ..Spot::default()
            },
        });
    }
    out.extend(right.take(MAX_SPOTS).map(alone));
}

/// Offset and bytes.
type Run<'a> = (usize, &'a [u8]);

fn runs(bytes: &[u8]) -> Vec<Run<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    for run in bytes.split(|b| !is_text(*b)) {
        if run.len() >= MIN_RUN {
            out.push((at, run));
        }
        at += run.len() + 1;
    }
    out
}

/// The runs that `other` has not, or not as often.
fn without<'a>(runs: &[Run<'a>], other: &[Run<'a>]) -> Vec<Run<'a>> {
    let mut there: HashMap<&[u8], usize> = HashMap::new();
    for (_, run) in other {
        *there.entry(run).or_default() += 1;
    }
    let mut out = Vec::new();
    for run in runs {
        match there.get_mut(run.1) {
            Some(left) if *left > 0 => *left -= 1,
            _ => out.push(*run),
        }
    }
    out
}

fn are_alike(a: &[u8], b: &[u8]) -> bool {
    let (prefix, suffix) = ends(a, b);
    2 * (prefix + suffix) >= a.len().min(b.len())
}

/// What two runs begin and end with, not counted twice.
fn ends(a: &[u8], b: &[u8]) -> (usize, usize) {
    let prefix = common_prefix(a, b);
    (
        prefix,
        common_suffix(part(a, prefix, a.len()), part(b, prefix, b.len())),
    )
}

fn pair(a: Run, b: Run, bases: (usize, usize)) -> Spot {
    let (prefix, suffix) = ends(a.1, b.1);
    let from = prefix.saturating_sub(CONTEXT);
    let trim = |(offset, run): Run, base: usize| {
        let to = (run.len() - suffix + CONTEXT).min(run.len());
        piece(base + offset + from, part(run, from, to))
    };
    Spot {
        published: Some(trim(a, bases.0)),
        rebuilt: Some(trim(b, bases.1)),
    }
}

fn piece(offset: usize, bytes: &[u8]) -> Piece {
    let bytes = part(bytes, 0, bytes.len().min(MAX_SHOWN_SPOT));
    Piece {
        offset,
        text: String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Where the text that leads up to `at` begins, but not further away than [`CONTEXT`].
fn before(bytes: &[u8], at: usize) -> usize {
    let run = part(bytes, at.saturating_sub(CONTEXT), at);
    at - run.iter().rev().take_while(|b| is_text(**b)).count()
}

/// Where the text that goes on at `at` ends, likewise.
fn after(bytes: &[u8], at: usize) -> usize {
    let run = part(bytes, at, (at + CONTEXT).min(bytes.len()));
    at + run.iter().take_while(|b| is_text(**b)).count()
}

fn part(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(a: &[u8], b: &[u8]) -> Vec<(String, String)> {
        let both = |s: &Spot| (s.left().to_owned(), s.right().to_owned());
        spots(a, b).iter().map(both).collect()
    }

    fn is(found: &[(String, String)], wanted: &[(&str, &str)]) {
        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn equal_bytes_have_no_spots() {
        is(&texts(b"the same", b"the same"), &[]);
        is(&texts(b"", b""), &[]);
    }

    #[test]
    fn a_difference_is_shown_with_what_stands_around_it() {
        let found = texts(b"\0built 1764086400 by\0", b"\0built 1764086466 by\0");
        is(&found, &[("built 1764086400 by", "built 1764086466 by")]);
        assert_eq!(
            spots(b"\0\0abcdefX", b"\0\0abcdefY")[0]
                .published
                .as_ref()
                .unwrap()
                .offset,
            2
        );
    }

    #[test]
    fn a_longer_text_does_not_make_all_after_it_differ() {
        let a = b"\0first text\0built on monday\0last text here\0";
        let b = b"\0first text\0built on wednesday\0last text here\0";
        is(&texts(a, b), &[("built on monday", "built on wednesday")]);
    }

    #[test]
    fn text_on_one_side_alone_has_no_counterpart() {
        let found = texts(b"\x01\x01one text\0", b"\x01\x01one text\0another one\0");
        is(&found, &[("", "another one")]);
    }

    #[test]
    fn machine_code_that_differs_is_no_text() {
        is(&texts(b"\x01ab\x02cd\x03", b"\x01xy\x02zw\x03"), &[]);
    }

    #[test]
    fn there_is_a_limit_to_spots_and_to_their_length() {
        let many = |c: char| {
            (0..10_000)
                .map(|i| format!("{c}text{i}\0"))
                .collect::<String>()
        };
        assert_eq!(
            spots(many('a').as_bytes(), many('b').as_bytes()).len(),
            MAX_SPOTS
        );
        let shorter = many('b').replace("btext77\0", "");
        assert_eq!(
            spots(many('a').as_bytes(), shorter.as_bytes()).len(),
            MAX_SPOTS
        );
        let found = texts(&[b'x'; 5_000], &[b'y'; 5_001]);
        assert!(
            found
                .iter()
                .all(|(a, b)| a.len() <= MAX_SHOWN_SPOT && b.len() <= MAX_SHOWN_SPOT)
        );
    }

    #[test]
    fn clusters_join_what_is_near() {
        let a = [0u8; 64];
        let mut b = a;
        (b[3], b[5], b[40]) = (1, 1, 1);
        assert_eq!(clusters(&a, &b).collect::<Vec<_>>(), [(3, 6), (40, 41)]);
    }
}
