//! The rebuild room: how one file of a release differs from the same file of its rebuild. Pure.

use serde::Serialize;

use super::clock;
use super::elf::{self, Elf, ElfDifference};
use super::findings::{Around, Cause, Finding};
use super::programs;
use super::strings::{self, Piece, Spot};
use crate::hash::Sha256;
use crate::limits::{MAX_DIFFERING_LINES, MAX_FINDINGS, MAX_SHOWN_SPOT};
use crate::release::text::cut;

/// A file as one of the two sides has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Digest.
    pub sha256: Sha256,
    /// Bytes.
    pub length: u64,
    /// Mode 0755 instead of 0644.
    pub executable: bool,
}

/// What sort of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// A program or library.
    Elf,
    /// UTF-8.
    Text,
    /// Anything else.
    Bytes,
    /// It was not looked into: one side lacks it, only modes differ, or it is too long.
    Closed,
}

/// A file that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its path in the archive, below `<tag>/`.
    pub member: String,
    /// As published; none where it is not there.
    pub published: Option<Side>,
    /// As rebuilt.
    pub rebuilt: Option<Side>,
    /// What sort of file it is.
    pub sort: Sort,
    /// The first byte that differs, from 0.
    pub first_difference: Option<u64>,
    /// How many bytes differ, for files of one length.
    pub differing_bytes: Option<u64>,
    /// Parts of an ELF file.
    pub elf: Option<ElfDifference>,
    /// What the differences are.
    pub findings: Vec<Finding>,
    /// Findings that are not shown, since there are enough of their kind.
    pub more: usize,
}

impl Difference {
    /// A file of which only the outside is known.
    pub fn closed(member: &str, published: Option<Side>, rebuilt: Option<Side>) -> Self {
        let mut out = Difference {
            member: member.to_owned(),
            sort: Sort::Closed,
            first_difference: None,
            differing_bytes: None,
            elf: None,
            findings: Vec::new(),
            more: 0,
            published,
            rebuilt,
        };
        let finding = match (&out.published, &out.rebuilt) {
            (Some(a), Some(b)) if a.executable != b.executable => {
                let word = |side: &Side| if side.executable { "0755" } else { "0644" };
                let note = format!("mode {} published, {} rebuilt", word(a), word(b));
                Some(Finding::new(Cause::Mode, "mode", note))
            }
            (Some(_), Some(_)) => None,
            (None, _) => Some(Finding::new(
                Cause::Member,
                "archive",
                "is in the rebuilt archive alone",
            )),
            (_, None) => Some(Finding::new(
                Cause::Member,
                "archive",
                "is in the published archive alone",
            )),
        };
        out.findings.extend(finding);
        out
    }

    /// Looks into both files.
    pub fn look(mut self, published: &[u8], rebuilt: &[u8], around: &Around) -> Self {
        self.first_difference = Some(strings::common_prefix(published, rebuilt) as u64);
        if published.len() == rebuilt.len() {
            let differing = std::iter::zip(published, rebuilt).filter(|(a, b)| a != b);
            self.differing_bytes = Some(differing.count() as u64);
        }
        let mut findings = Vec::new();
        if let Some((a, b)) = Elf::read(published).zip(Elf::read(rebuilt)) {
            self.sort = Sort::Elf;
            let difference = elf::compare(&a, &b);
            programs::look(&a, &b, &difference, around, &mut findings);
            self.elf = Some(difference);
        } else if let Some((a, b)) = text(published).zip(text(rebuilt)) {
            self.sort = Sort::Text;
            look_into_text(a, b, around, &mut findings);
        } else {
            self.sort = Sort::Bytes;
            look_into_bytes("file", published, rebuilt, around, &mut findings);
            if findings.is_empty() {
                findings.push(Finding::new(Cause::Other, "file", "bytes that are no text"));
            }
        }
        self.attribute(&mut findings);
        let all = findings.len();
        let shown = few(findings);
        self.more = all - shown.len();
        self.findings.extend(shown);
        self
    }

    /// Two files are relman's own, and what it writes into them comes from one place.
    fn attribute(&self, findings: &mut [Finding]) {
        let cause = match self.member.as_str() {
            "RELEASE_NOTES.md" => Cause::History,
            "INSTALLATION.md" => Cause::Relman,
            _ => return,
        };
        findings
            .iter_mut()
            .for_each(|finding| finding.cause = cause);
    }
}

/// At most [`MAX_FINDINGS`] of one cause in one place; lines of a file are one place.
fn few(findings: Vec<Finding>) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    let place = |finding: &Finding| finding.place.split(' ').next().map(str::to_owned);
    for finding in findings {
        let alike = |f: &&Finding| f.cause == finding.cause && place(f) == place(&finding);
        if out.iter().filter(alike).count() < MAX_FINDINGS {
            out.push(finding);
        }
    }
    out
}

fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn look_into_text(a: &str, b: &str, around: &Around, out: &mut Vec<Finding>) {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let sorted = |lines: &[&str]| {
        let mut lines = lines.to_vec();
        lines.sort_unstable();
        lines.join("\n")
    };
    if a.len() == b.len() && a != b && sorted(&a) == sorted(&b) {
        out.push(Finding::new(
            Cause::Order,
            "file",
            "the same lines in another order",
        ));
        return;
    }
    let start = std::iter::zip(&a, &b).take_while(|(x, y)| x == y).count();
    let (a, b) = (
        a.get(start..).unwrap_or_default(),
        b.get(start..).unwrap_or_default(),
    );
    let same = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (left, right) = (a.len() - same, b.len() - same);
    if left.max(right) == 0 {
        out.push(Finding::new(Cause::Other, "file", "line ends"));
    }
    for i in 0..left.max(right).min(MAX_DIFFERING_LINES) {
        let piece = |lines: &[&str], count: usize| {
            let line = lines.get(i).filter(|_| i < count)?;
            Some(Piece {
                offset: 0,
                text: cut(line, MAX_SHOWN_SPOT),
            })
        };
        let spot = Spot {
            published: piece(a, left),
            rebuilt: piece(b, right),
        };
        if spot.published != spot.rebuilt {
            out.push(Finding::of_spot(
                &format!("line {}", start + i + 1),
                &spot,
                around,
            ));
        }
    }
}

pub(super) fn look_into_bytes(
    place: &str,
    a: &[u8],
    b: &[u8],
    around: &Around,
    out: &mut Vec<Finding>,
) {
    let before = out.len();
    // A byte or two beside text may be data that happens to look like text.
    let mut doubtful = Vec::new();
    for spot in strings::spots(a, b) {
        let finding = Finding::of_spot(place, &spot, around);
        match finding.cause == Cause::Text && is_tiny(&spot) {
            true => doubtful.push(finding),
            false => out.push(finding),
        }
    }
    if out.len() == before {
        out.append(&mut doubtful);
    }
    look_for_numbers(place, a, b, around, out);
    let known = out.iter().skip(before).any(|f| f.cause != Cause::Text);
    if !known && is_reordered(a, b) {
        out.truncate(before);
        out.push(Finding::new(
            Cause::Order,
            place,
            "the same bytes in another order",
        ));
    }
}

fn is_tiny(spot: &Spot) -> bool {
    let (left, right) = (spot.left().as_bytes(), spot.right().as_bytes());
    let differing = std::iter::zip(left, right).filter(|(a, b)| a != b);
    left.len() == right.len() && differing.count() <= 2
}

pub(super) fn look_for_numbers(
    place: &str,
    a: &[u8],
    b: &[u8],
    around: &Around,
    out: &mut Vec<Finding>,
) {
    if a.len() != b.len() {
        return;
    }
    let spans = (&around.then, &around.now);
    let numbers = strings::clusters(a, b).filter_map(|at| clock::number_at(at, (a, b), spans));
    let findings = numbers
        .take(MAX_FINDINGS)
        .map(|number| Finding::of_number(&format!("{place} at {}", number.offset), number));
    out.extend(findings);
}

/// Whether both have each byte equally often, and text among them.
fn is_reordered(a: &[u8], b: &[u8]) -> bool {
    let count = |bytes: &[u8]| {
        let mut counts = [0u64; 256];
        for byte in bytes {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
        counts
    };
    a.len() == b.len() && a != b && count(a) == count(b)
}

#[cfg(test)]
pub mod tests;
