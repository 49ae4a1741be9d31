//! `RELEASE_NOTES.md`: the tag's message, then the commits since the previous release. Pure.
//!
//! It goes into the archive, so it depends on the tag and its history alone.

use std::fmt::Write;

use crate::limits::MAX_NOTES_COMMITS;
use crate::release::source::{CommitInfo, Previous, TagInfo};
use crate::release::text::{cut, markdown_line};

const GROUPS: [(&str, &[&str]); 5] = [
    ("Features", &["feat", "feature"]),
    ("Fixes", &["fix", "bugfix", "revert"]),
    ("Performance", &["perf"]),
    ("Documentation", &["docs", "doc"]),
    ("Other", &[]),
];
const BREAKING: &str = "Breaking changes";
/// Characters of one commit's line that are shown.
const MAX_LINE: usize = 300;

/// A commit's first line, read as a conventional commit where it is one
/// (conventionalcommits.org 1.0.0).
#[derive(Debug, PartialEq, Eq)]
struct Change<'a> {
    group: &'static str,
    scope: Option<&'a str>,
    text: &'a str,
    breaking: bool,
}

/// The text of the release notes. `commits` are those since `previous`, newest first; merges are
/// left out.
pub fn release_notes(
    info: &TagInfo,
    previous: Option<&Previous>,
    commits: &[CommitInfo],
) -> String {
    let mut out = format!("# {}\n\n", info.tag);
    let _ = writeln!(out, "- commit: `{}`", info.commit);
    let date = jiff::Timestamp::from_second(info.commit_time)
        .map(|t| t.strftime("%Y-%m-%d").to_string())
        .unwrap_or_else(|_| info.commit_time.to_string());
    let _ = writeln!(out, "- committed: {date} (UTC)");
    match previous {
        Some(p) => {
            let _ = writeln!(
                out,
                "- previous release: {} (`{}`)",
                p.tag,
                short(&p.commit)
            );
        }
        None => out.push_str("- previous release: none\n"),
    }
    if !info.annotation.trim().is_empty() {
        out.push('\n');
        for line in info.annotation.trim().lines() {
            let _ = writeln!(out, "{}", markdown_line(line));
        }
    }

    let changes: Vec<(Change<'_>, &CommitInfo)> = commits
        .iter()
        .filter(|c| c.parents < 2)
        .map(|c| (read(c), c))
        .collect();
    let breaking = changes.iter().filter(|(c, _)| c.breaking);
    section(&mut out, BREAKING, breaking);
    for (group, _) in GROUPS {
        let members = changes
            .iter()
            .filter(|(c, _)| c.group == group && !c.breaking);
        section(&mut out, group, members);
    }
    if changes.is_empty() {
        out.push_str("\nNo commits since the previous release.\n");
    }
    if commits.len() >= MAX_NOTES_COMMITS {
        let _ = writeln!(
            out,
            "\nOlder commits are left out; these are the newest {MAX_NOTES_COMMITS}."
        );
    }
    out
}

fn section<'a>(
    out: &mut String,
    title: &str,
    changes: impl Iterator<Item = &'a (Change<'a>, &'a CommitInfo)>,
) {
    let mut changes = changes.peekable();
    if changes.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n## {title}\n");
    for (change, commit) in changes {
        out.push_str("- ");
        if let Some(scope) = change.scope {
            let _ = write!(out, "{}: ", markdown_line(scope));
        }
        let text = markdown_line(&cut(change.text, MAX_LINE));
        let _ = writeln!(out, "{text} (`{}`)", short(&commit.id));
        if change.breaking
            && let Some(footer) = breaking_footer(&commit.body)
        {
            let _ = writeln!(out, "  {}", markdown_line(&cut(footer, MAX_LINE)));
        }
    }
}

fn read(commit: &CommitInfo) -> Change<'_> {
    let other = Change {
        group: "Other",
        scope: None,
        text: &commit.summary,
        breaking: breaking_footer(&commit.body).is_some(),
    };
    let Some((head, text)) = commit.summary.split_once(": ") else {
        return other;
    };
    let (head, bang) = match head.strip_suffix('!') {
        Some(head) => (head, true),
        None => (head, false),
    };
    let (kind, scope) = match head.split_once('(') {
        Some((kind, scope)) => match scope.strip_suffix(')') {
            Some(scope) => (kind, Some(scope)),
            None => return other,
        },
        None => (head, None),
    };
    if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphabetic()) {
        return other;
    }
    let kind = kind.to_ascii_lowercase();
    match GROUPS
        .iter()
        .find(|(_, kinds)| kinds.contains(&kind.as_str()))
    {
        Some((group, _)) => Change {
            group,
            scope,
            text: text.trim(),
            breaking: bang || other.breaking,
        },
        None => Change {
            breaking: bang || other.breaking,
            ..other
        },
    }
}

fn breaking_footer(body: &str) -> Option<&str> {
    body.lines().find_map(|l| {
        l.strip_prefix("BREAKING CHANGE: ")
            .or_else(|| l.strip_prefix("BREAKING-CHANGE: "))
            .map(str::trim)
    })
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::tag::{Pattern, Tag};

    fn tag(name: &str) -> Tag {
        Tag::parse(name, Pattern::Phase).unwrap()
    }

    fn info(annotation: &str) -> TagInfo {
        TagInfo {
            tag: tag("phase1-sig-verify-1.0.1"),
            object: Some("3".repeat(40)),
            commit: "1".repeat(40),
            tree: "2".repeat(40),
            annotation: annotation.into(),
            tagger: None,
            tag_time: None,
            commit_time: 1_700_000_000,
            is_signed: false,
        }
    }

    fn commit(n: u8, summary: &str, body: &str) -> CommitInfo {
        CommitInfo {
            id: format!("{n:02x}").repeat(20),
            summary: summary.into(),
            body: body.into(),
            parents: 1,
        }
    }

    #[test]
    fn commits_are_grouped_and_merges_left_out() {
        let mut merge = commit(9, "Merge branch 'x'", "");
        merge.parents = 2;
        let commits = [
            commit(1, "feat(rpc): add getpeerinfo", ""),
            commit(2, "fix: count votes once", ""),
            commit(3, "Tidy up", ""),
            merge,
            commit(
                4,
                "feat!: new block format",
                "text\n\nBREAKING CHANGE: old nodes stop",
            ),
            commit(5, "chore: x", ""),
        ];
        let previous = Previous {
            tag: tag("phase1-sig-verify-1.0.0"),
            commit: "f".repeat(40),
        };
        let notes = release_notes(
            &info("Signatures.\n\nChecked now."),
            Some(&previous),
            &commits,
        );
        let wanted = "\
# phase1-sig-verify-1.0.1

- commit: `1111111111111111111111111111111111111111`
- committed: 2023-11-14 (UTC)
- previous release: phase1-sig-verify-1.0.0 (`ffffffffffff`)

Signatures.

Checked now.

## Breaking changes

- new block format (`040404040404`)
  old nodes stop

## Features

- rpc: add getpeerinfo (`010101010101`)

## Fixes

- count votes once (`020202020202`)

## Other

- Tidy up (`030303030303`)
- chore: x (`050505050505`)
";
        assert_eq!(notes, wanted);
    }

    #[test]
    fn a_hostile_message_makes_no_heading_link_or_escape_sequence() {
        let annotation = "# Fixed\n===\n\u{1b}]0;x\u{7}<script>\n[click](javascript:x)\n```";
        let commits = [commit(1, "fix(a](x)): <b>\u{1b}[2J\u{202e}![x](y)", "")];
        let notes = release_notes(&info(annotation), None, &commits);
        assert!(notes.contains("\\# Fixed\n\\===\n"), "{notes}");
        for bad in [
            "\u{1b}",
            "\u{202e}",
            "\n# F",
            " <b>",
            "\n<s",
            "](javascript",
            "\n```",
        ] {
            let plain = notes
                .replace("\\]", "")
                .replace("\\<", "")
                .replace("\\`", "");
            assert!(!plain.contains(bad), "{bad:?} in {notes}");
        }
        assert_eq!(notes.matches("\n## ").count(), 1);
    }

    #[test]
    fn a_release_without_commits_says_so() {
        assert!(
            release_notes(&info(""), None, &[])
                .ends_with("\nNo commits since the previous release.\n")
        );
    }
}
