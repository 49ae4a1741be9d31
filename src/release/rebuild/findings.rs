//! The rebuild room: what a difference between two builds comes from, as far as its text tells. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::clock::{self, Number, Span};
use super::strings::Spot;

/// Why two builds of one source can give other bytes. In the order in which to look into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Another compiler, linker or host.
    Toolchain,
    /// Another relman wrote or packed it.
    Relman,
    /// A clock.
    Clock,
    /// A path of the machine.
    Path,
    /// The name of a user or a machine.
    Name,
    /// Random numbers, or a digest of something else that differs.
    Random,
    /// The same things in another order.
    Order,
    /// What git says of the history.
    History,
    /// A file that one of the two lacks.
    Member,
    /// The mode of a file.
    Mode,
    /// Text of which no more is known.
    Text,
    /// Names of symbols.
    Symbols,
    /// What is for debuggers alone.
    Debug,
    /// Machine code, and data that goes with it.
    Code,
    /// The linker's build id, a digest of all the rest.
    BuildId,
    /// None of these.
    Other,
}

/// One thing that differs, and what it looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it comes from.
    pub cause: Cause,
    /// A section, a line, or an offset.
    pub place: String,
    /// The published text, if it is text.
    pub published: Option<String>,
    /// The rebuilt text.
    pub rebuilt: Option<String>,
    /// In words.
    pub note: String,
}

/// What is known of the two builds and the machine of the second.
#[derive(Clone, Debug)]
pub struct Around {
    /// When the release was built.
    pub then: Span,
    /// When it was rebuilt.
    pub now: Span,
    /// Directories of this rebuild, and what each is for.
    pub dirs: Vec<(String, &'static str)>,
    /// Names of this machine and its user.
    pub names: Vec<String>,
}

/// Directories in which people and build machines build.
const ROOTS: [&str; 8] = [
    "/home",
    "/root",
    "/tmp",
    "/var/tmp",
    "/Users",
    "/build",
    "/builds",
    "/workspace",
];
/// Names that path remapping gives; they are the same everywhere.
const REMAPPED: [&str; 3] = ["/src", "/target", "/cargo"];
/// What paths of the standard library begin with.
const STD: &str = "/rustc/";
/// How compilers and linkers introduce themselves.
const TOOLS: [&str; 6] = [
    "rustc version",
    "/rustc/",
    "GCC: (",
    "clang version",
    "Linker: ",
    "LLD ",
];
/// Bytes of a tool's name and version.
const MAX_TOOL: usize = 40;
/// Fewest hex digits in a row that look like a random number or a digest.
const HEX: usize = 16;
/// Names shorter than this are found everywhere.
const MIN_NAME: usize = 3;

impl Finding {
    /// A finding without text.
    pub fn new(cause: Cause, place: impl Into<String>, note: impl Into<String>) -> Self {
        Finding {
            cause,
            place: place.into(),
            published: None,
            rebuilt: None,
            note: note.into(),
        }
    }

    /// A time that stands in a file as a number.
    pub fn of_number(place: &str, number: Number) -> Self {
        let note = format!(
            "a number is the time of the build: {} and {}",
            second(number.published),
            second(number.rebuilt)
        );
        Finding {
            published: Some(number.published.to_string()),
            rebuilt: Some(number.rebuilt.to_string()),
            ..Finding::new(Cause::Clock, place, note)
        }
    }

    /// What text that differs looks like.
    pub fn of_spot(place: &str, spot: &Spot, around: &Around) -> Self {
        let (left, right) = (spot.left(), spot.right());
        let found = [
            tools(left, right),
            paths(left, right, around),
            times(left, right, around),
            names(left, right, around),
            random(left, right),
        ];
        let found: Vec<(Cause, String)> = found.into_iter().flatten().collect();
        let cause = found.iter().map(|(cause, _)| *cause).min();
        let notes: Vec<String> = found.into_iter().map(|(_, note)| note).collect();
        let text = |side: &Option<super::strings::Piece>| side.as_ref().map(|p| p.text.clone());
        Finding {
            published: text(&spot.published),
            rebuilt: text(&spot.rebuilt),
            ..Finding::new(cause.unwrap_or(Cause::Text), place, notes.join("; "))
        }
    }
}

type Found = Option<(Cause, String)>;

fn second(seconds: i64) -> String {
    clock::meaning(&seconds.to_string()).unwrap_or_else(|| seconds.to_string())
}

/// What each side has and the other has not.
fn sides<'a>(left: Vec<&'a str>, right: Vec<&'a str>) -> [Vec<&'a str>; 2] {
    let set = |side: &[&'a str]| side.iter().copied().collect::<BTreeSet<_>>();
    let (l, r) = (set(&left), set(&right));
    let only = |side: Vec<&'a str>, other: &BTreeSet<&str>| {
        let mut out = side;
        out.retain(|item| !other.contains(item));
        out.dedup();
        out
    };
    [only(left, &r), only(right, &l)]
}

fn times(left: &str, right: &str, around: &Around) -> Found {
    let [published, rebuilt] = sides(clock::times(left), clock::times(right));
    if published.is_empty() && rebuilt.is_empty() {
        return None;
    }
    let told = |times: &[&str]| -> Vec<String> {
        let one = |time: &&str| match clock::meaning(time) {
            Some(meaning) => format!("{time} is {meaning}"),
            None => (*time).to_owned(),
        };
        times.iter().map(one).collect()
    };
    let mut note = format!(
        "a time: {}",
        [told(&published), told(&rebuilt)].concat().join(", ")
    );
    let build = [
        (&published, &around.then, "published"),
        (&rebuilt, &around.now, "rebuilt"),
    ];
    let built: Vec<&str> = build
        .iter()
        .filter(|(times, span, _)| times.iter().any(|time| is_of(time, span)))
        .map(|(.., word)| *word)
        .collect();
    if !built.is_empty() {
        note.push_str(&format!(": when it was {}", built.join(" and ")));
    }
    Some((Cause::Clock, note))
}

/// Whether a time is one at which a build ran.
pub fn is_of(time: &str, span: &Span) -> bool {
    let seconds = time.get(..10).and_then(|t| t.parse().ok());
    let seconds = seconds.filter(|_| clock::meaning(time).is_some());
    let day = || {
        span.day()
            .is_some_and(|forms| forms.iter().any(|form| time.starts_with(form)))
    };
    seconds.is_some_and(|s| span.has(s)) || day()
}

fn paths(left: &str, right: &str, around: &Around) -> Found {
    let [published, rebuilt] = sides(absolute(left), absolute(right));
    let first = rebuilt.first().or(published.first())?;
    let below = |path: &str, dir: &str| {
        let rest = path.strip_prefix(dir);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let known = around.dirs.iter().find(|(dir, _)| below(first, dir));
    let what = match known {
        Some((_, what)) => what,
        None if below(first, "/tmp") || below(first, "/var/tmp") => "a temporary directory",
        None => "a directory of one machine",
    };
    let all = [published.as_slice(), rebuilt.as_slice()].concat();
    Some((
        Cause::Path,
        format!("a path, of {what}: {}", all.join(", ")),
    ))
}

/// Absolute paths with two parts or more, without those that are the same on every machine.
fn absolute(text: &str) -> Vec<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || "_.+@%~=-".contains(c);
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('/')) {
        let start = at + found;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest
            .find(|c: char| !part(c) && c != '/')
            .unwrap_or(rest.len());
        // Where the standard library's own paths follow at once, another text begins.
        let path = rest.get(..end).unwrap_or_default();
        let end = path.rfind(STD).filter(|at| *at > 0).unwrap_or(end);
        let path = path.get(..end).unwrap_or_default();
        at = start + end.max(1);
        let begins = |dirs: &[&str]| {
            let below = |dir: &&str| path.strip_prefix(*dir).is_some_and(|r| r.starts_with('/'));
            dirs.iter().any(below)
        };
        // Text in a program is often not separated from what stands before it; a path that goes on is.
        let before = text.get(..start).unwrap_or_default();
        let word = before
            .rfind(|c: char| !part(c) && c != '/')
            .map_or(0, |at| at + 1);
        let goes_on = before.get(word..).is_none_or(|word| word.contains('/'));
        let own = before
            .chars()
            .next_back()
            .is_none_or(|c| !part(c) && !":/".contains(c));
        let deep = path.trim_end_matches('/').matches('/').count() > 1;
        if (begins(&ROOTS) && !goes_on) || (own && deep && !begins(&REMAPPED)) {
            out.push(path);
        } else {
            // A path may begin in the middle of what looked like one.
            at = start + 1;
        }
    }
    out
}

fn names(left: &str, right: &str, around: &Around) -> Found {
    let has = |text: &str, name: &str| {
        let word = |c: char| c.is_ascii_alphanumeric();
        text.match_indices(name).any(|(at, _)| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + name.len()..).and_then(|t| t.chars().next());
            !before.is_some_and(word) && !after.is_some_and(word)
        })
    };
    let mut names = around.names.iter().filter(|name| name.len() >= MIN_NAME);
    let name = names.find(|name| has(right, name) && !has(left, name))?;
    Some((
        Cause::Name,
        format!("a name of this machine or its user: {name}"),
    ))
}

fn tools(left: &str, right: &str) -> Found {
    let [published, rebuilt] = sides(tool_names(left), tool_names(right));
    let differ = !published.is_empty() || !rebuilt.is_empty();
    differ.then(|| {
        (
            Cause::Toolchain,
            "a compiler or linker says which it is".into(),
        )
    })
}

/// What compilers and linkers say of themselves.
fn tool_names(text: &str) -> Vec<&str> {
    let name = |c: char| c.is_ascii_alphanumeric() || "._ ()~+-".contains(c);
    let at = |tool: &'static str| {
        text.match_indices(tool).filter_map(move |(at, _)| {
            let rest = text.get(at + tool.len()..)?;
            let end = rest.find(|c: char| !name(c)).unwrap_or(rest.len());
            text.get(at..at + tool.len() + end.min(MAX_TOOL))
        })
    };
    TOOLS.into_iter().flat_map(at).collect()
}

fn random(left: &str, right: &str) -> Found {
    let [published, rebuilt] = sides(hex_runs(left), hex_runs(right));
    let both = !published.is_empty() && !rebuilt.is_empty();
    both.then(|| (Cause::Random, "a random number or a digest".into()))
}

/// Long lower-case hex numbers and UUIDs.
fn hex_runs(text: &str) -> Vec<&str> {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == '-';
    let runs = text.split(|c| !is_hex(c));
    let long = |run: &&str| {
        let digits = run.chars().filter(char::is_ascii_digit).count();
        let letters = run.chars().filter(char::is_ascii_lowercase).count();
        digits + letters >= HEX && digits > 0 && letters > 0
    };
    runs.filter(long).collect()
}

#[cfg(test)]
mod tests;
