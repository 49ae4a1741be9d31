//! The rules of the house, held against the source tree: where the machine may be touched, which
//! way imports go, how long files are. Reads sources as text; compiles nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const MAX_LINES: usize = 500;
/// Modules of std that touch the machine.
const MACHINE: [&str; 4] = ["fs", "process", "net", "env"];
/// Crates that touch the machine.
const MACHINE_CRATES: [&str; 6] = ["rustix", "git2", "hyper", "reqwest", "tempfile", "tokio"];
/// Calls that read a clock.
const CLOCKS: [&str; 4] = [
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];
/// Methods of `Path` that ask the disk without naming `std::fs`.
const PATH_IO: [&str; 8] = [
    ".canonicalize()",
    ".exists()",
    ".try_exists()",
    ".is_dir()",
    ".is_file()",
    ".is_symlink()",
    ".read_dir()",
    ".read_link()",
];
/// The rooms; what lies below them all (`hash`, `keys`, `limits`, `store`, …) names none of them.
const ROOMS: [&str; 11] = [
    "trust", "log", "attest", "release", "node", "watch", "fleet", "io", "ui", "cli", "demo",
];

/// The rooms that `room` must not name.
fn forbidden(room: &str) -> &'static [&'static str] {
    match room {
        "trust" | "log" | "attest" => &[
            "release", "node", "watch", "fleet", "cli", "ui", "io", "demo",
        ],
        "release" => &["node", "watch", "fleet", "cli", "ui", "io", "demo"],
        "node" => &["watch", "fleet", "cli", "ui", "io", "demo"],
        "watch" => &["fleet", "cli", "ui", "io", "demo"],
        "fleet" => &["cli", "ui", "io", "demo"],
        "io" => &["cli", "ui"],
        "ui" => &["cli", "io"],
        "demo" => &["cli"],
        "cli" => &[],
        _ => &ROOMS,
    }
}

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text without comment lines and white space, so that a rule sees through formatting.
    fn code(&self) -> String {
        self.text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
            .flat_map(|line| line.split_whitespace())
            .collect::<Vec<_>>()
            .join(" ")
            .replace("{ ", "{")
            .replace(" }", "}")
            // What kind an archive's entry has, not what is on the disk.
            .replace("entry_type().is_file()", "")
    }

    fn room(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below.split(['/', '.']).next().unwrap_or(below)
    }
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files of the tree as `/`-separated relative paths, without what git ignores and the example's data.
fn files(below: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut dirs = vec![top().join(below)];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.map(|e| e.expect("a readable directory")) {
            let name = entry.file_name();
            let kind = entry.file_type().expect("a file type");
            let skipped = [".git", "target", ".relman"];
            if kind.is_dir() && !skipped.iter().any(|s| name == *s) {
                dirs.push(entry.path());
            } else if kind.is_file() && name != ".git" {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    out
}

fn read(path: &Path) -> Option<Source> {
    let text = String::from_utf8(fs::read(path).expect("a readable file")).ok()?;
    let path = path.strip_prefix(top()).expect("a path in the tree");
    Some(Source {
        path: path.to_string_lossy().replace('\\', "/"),
        text,
    })
}

fn sources(below: &[&str]) -> Vec<Source> {
    let all = below.iter().flat_map(|dir| files(dir));
    let found: Vec<Source> = all
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| read(&path).unwrap_or_else(|| panic!("{} is not UTF-8", path.display())))
        .collect();
    assert!(!found.is_empty(), "no sources below {below:?}");
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// First names after each `<start>::` in code, those of `<start>::{a, b::c}` one by one.
fn named(code: &str, start: &str) -> Vec<String> {
    let mark = format!("{start}::");
    let mut out = Vec::new();
    for (at, _) in code.match_indices(&mark) {
        let before = code[..at].chars().next_back();
        // The end of another word, or the middle of a path (`core::std::…`), but not `::std::…`.
        let path = code[..at].strip_suffix("::").unwrap_or_default();
        if before.is_some_and(is_word)
            || (start != "super" && path.chars().next_back().is_some_and(is_word))
        {
            continue;
        }
        let rest = &code[at + mark.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            out.push(rest.chars().take_while(|c| is_word(*c)).collect());
            continue;
        };
        let (mut depth, mut item) = (0usize, String::new());
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => out.push(std::mem::take(&mut item)),
                _ => {}
            }
            if depth == 0 && c != ',' {
                item.push(c);
            }
        }
        out.push(item);
    }
    let first = |item: String| item.trim().chars().take_while(|c| is_word(*c)).collect();
    out.into_iter().map(first).collect()
}

fn may_touch_the_machine(source: &Source) -> bool {
    source.path.starts_with("src/io/") || source.path == "src/main.rs"
}

/// How a source touches the machine.
fn machine_uses(code: &str) -> Vec<String> {
    let std = named(code, "std");
    let mut found: Vec<String> = std
        .into_iter()
        .filter(|name| MACHINE.contains(&name.as_str()))
        .map(|name| format!("std::{name}"))
        .collect();
    for name in MACHINE_CRATES {
        found.extend(named(code, name).first().map(|_| format!("{name}::")));
    }
    let calls = CLOCKS.iter().chain(&PATH_IO);
    found.extend(
        calls
            .filter(|call| code.contains(**call))
            .map(|c| (*c).to_owned()),
    );
    found
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn only_io_and_main_touch_files_processes_network_environment_and_clock() {
    let outside = sources(&["src"])
        .into_iter()
        .filter(|s| !may_touch_the_machine(s));
    none(
        outside
            .flat_map(|s| {
                machine_uses(&s.code())
                    .into_iter()
                    .map(move |what| format!("{} uses {what}", s.path))
            })
            .collect(),
    );
}

#[test]
fn imports_go_one_way() {
    let mut problems = Vec::new();
    for source in sources(&["src"]) {
        if matches!(source.path.as_str(), "src/main.rs" | "src/lib.rs") {
            continue;
        }
        let code = source.code();
        let rooms = forbidden(source.room());
        for start in ["crate", "super", "relman"] {
            for name in named(&code, start) {
                if rooms.contains(&name.as_str()) {
                    problems.push(format!("{} names {start}::{name}", source.path));
                }
            }
        }
    }
    none(problems);
}

#[test]
fn files_stay_short_and_say_first_what_they_are() {
    let mut problems = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!(
                "{} has {lines} lines, at most {MAX_LINES} are wanted",
                source.path
            ));
        }
        if source.path.starts_with("src/") && !source.text.starts_with("//! ") {
            problems.push(format!("{} does not begin with `//! `", source.path));
        }
    }
    none(problems);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("unimpl", "emented!("),
        concat!("to", "do!("),
    ];
    let mut problems = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        for (number, line) in source.text.lines().enumerate() {
            let found = marks.iter().filter(|mark| line.contains(**mark));
            problems.extend(found.map(|m| format!("{}:{}: {m}", source.path, number + 1)));
        }
    }
    none(problems);
}

#[test]
fn every_ignored_test_says_why() {
    let attribute = concat!("#[ig", "nore");
    let mut problems = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        for (number, line) in source.text.lines().enumerate() {
            let reason = line.trim().strip_prefix(attribute);
            if reason.is_some_and(|rest| !rest.starts_with(" = \"") || rest.starts_with(" = \"\""))
            {
                problems.push(format!("{}:{}: no reason", source.path, number + 1));
            }
        }
    }
    none(problems);
}

/// Whether `text` has `dir` as the beginning of a path, not as the middle of one.
fn names_dir(text: &str, dir: &str) -> bool {
    text.match_indices(dir).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + dir.len()..].chars().next();
        let in_a_path = |c: char| is_word(c) || ".-})>/$~*".contains(c);
        !before.is_some_and(in_a_path) && after.is_none_or(|c| !is_word(c))
    })
}

/// Directories that exist on the machine of whoever wrote a text, and on no other.
fn own_dirs() -> Vec<String> {
    let mut dirs = vec![concat!("/ro", "ot/").into(), concat!("/Us", "ers/").into()];
    let here = top();
    // A checkout in `/src` is no clue: compilers are told that name on purpose.
    if here.components().count() > 2 {
        dirs.push(here.to_string_lossy().into_owned());
    }
    dirs
}

#[test]
fn no_text_knows_the_machine_that_it_was_written_on() {
    let dirs = own_dirs();
    let home = concat!("/ho", "me/");
    let mut problems = Vec::new();
    for source in files("").iter().filter_map(|path| read(path)) {
        for (number, line) in source.text.lines().enumerate() {
            let mut found: Vec<&str> = dirs
                .iter()
                .map(String::as_str)
                .filter(|d| names_dir(line, d))
                .collect();
            // Nobody's home directory is fine; tests call its owner `me`.
            if line
                .match_indices(home)
                .any(|(at, _)| !line[at + home.len()..].starts_with("me"))
            {
                found.push(home);
            }
            problems.extend(
                found
                    .iter()
                    .map(|dir| format!("{}:{}: {dir}", source.path, number + 1)),
            );
        }
    }
    none(problems);
}

#[test]
fn the_rules_find_what_they_look_for() {
    for code in [
        "use std::fs;",
        "use std::{io::Read, fs::File};",
        "use std::{collections::{BTreeMap, BTreeSet}, env};",
        "::std::process::exit(1)",
        "let now = Instant::now();",
        "if path.is_dir() {",
        "use rustix::fs::flock;",
    ] {
        assert_eq!(machine_uses(code).len(), 1, "{code}");
    }
    for code in [
        "use std::io::Read;",
        "use crate::io::fs;",
        "env!(\"HOME\")",
        "use std::{fmt, collections::net};",
    ] {
        assert_eq!(machine_uses(code), Vec::<String>::new(), "{code}");
    }
    let grouped = "use crate::{Error, io::{clock, lock}, ui}; super::node::x(); crate::cli";
    assert_eq!(named(grouped, "crate"), ["Error", "io", "ui", "cli"]);
    assert_eq!(named(grouped, "super"), ["node"]);
    assert!(names_dir("in `/x/y/z`", "/x/y"));
    assert!(!names_dir("keys/x/y", "/x/y") && !names_dir("/x/yz", "/x/y"));
}
