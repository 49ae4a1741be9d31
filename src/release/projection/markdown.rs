//! Markdown of which nothing that others wrote can become structure. Pure.

use crate::limits::{MAX_NOTES_LINE, MAX_NOTES_LINES, MAX_PROJECTED_TEXT};
use crate::release::text::{cut, plain_line};

use super::story::Story;

/// What a table has for what is not there.
const NONE: &str = "–";
/// The least heading of a release's notes: the page has the first, the release the second.
const LEAST_HEADING: usize = 3;
/// The smallest heading that there is.
const LAST_HEADING: usize = 6;

/// What every page begins with.
pub const MARK: &str = "<!-- made by `relman docs` ";

/// How every page begins: from which checkpoint it was made, so that anybody can make it again.
pub fn head(story: &Story, title: &str, about: &str) -> String {
    // Nothing can end the comment but we.
    let origin = plain_line(&story.origin).replace(['<', '>'], "");
    format!(
        "{MARK}from log {origin}, checkpoint of {} entries with root {} -->\n\
         # {title}\n\n{about}\n\n\
         Do not edit this page: `relman docs` writes it anew, and `relman docs --check` tells whether it \
         says what the log says.\nTimes are UTC, by the clock of whoever signed; the order is the log's.\n",
        story.head.size, story.head.root
    )
}

/// Foreign text as one cell of a table, or inside a line: it renders as that text, whatever is in it, and
/// is cut where it is long.
pub fn cell(text: &str) -> String {
    let spaced = text.replace(['\n', '\t'], " ");
    let plain = cut(plain_line(&spaced).trim(), MAX_PROJECTED_TEXT);
    if plain.is_empty() {
        return NONE.into();
    }
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '&' | '!' | '$'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A table; cells are Markdown already.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!("| {} |\n", headings.join(" | "));
    let rules: Vec<&str> = headings.iter().map(|_| "---").collect();
    out.push_str(&format!("| {} |\n", rules.join(" | ")));
    for row in rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out
}

/// A release's notes below a heading of their own: without their title, with smaller headings, and with
/// nothing that opens a block, a link or HTML. Notes that relman wrote have nothing of the kind.
pub fn notes(text: &str) -> String {
    let mut lines = text.lines().peekable();
    lines.next_if(|line| line.starts_with("# "));
    let mut out = String::new();
    for (n, line) in lines.enumerate() {
        if n == MAX_NOTES_LINES {
            out.push_str("\nThe rest is in the release's own RELEASE_NOTES.md.\n");
            break;
        }
        out.push_str(&note_line(line));
        out.push('\n');
    }
    format!("{}\n", out.trim_matches('\n'))
}

fn note_line(line: &str) -> String {
    let line = plain_line(&cut(line, MAX_NOTES_LINE));
    let start = line.trim_start();
    let hashes = start.bytes().take_while(|b| *b == b'#').count();
    if (1..=LAST_HEADING).contains(&hashes) {
        let rest = start.get(hashes..).unwrap_or_default();
        if rest.is_empty() || rest.starts_with(' ') {
            let level = (hashes + 1).clamp(LEAST_HEADING, LAST_HEADING);
            return format!("{}{}", "#".repeat(level), inline(rest));
        }
    }
    let rule = |c: char| !start.is_empty() && start.chars().all(|x| x == c || x == ' ');
    let opens = start.starts_with("```") || start.starts_with("~~~");
    let escape = rule('=') || rule('-') || opens;
    format!("{}{}", if escape { "\\" } else { "" }, inline(&line))
}

/// Escapes what starts HTML or a link, unless it is escaped.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        if matches!(c, '<' | '[') && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_cell() {
        assert_eq!(cell("a | b\n| c |\r\n# d"), "a \\| b \\| c \\| \\# d");
        assert_eq!(
            cell("<script>`x`</script> [y](z)"),
            "\\<script\\>\\`x\\`\\</script\\> \\[y\\](z)"
        );
        assert_eq!(cell("\u{1b}[2J\u{202e}"), NONE);
        assert_eq!(
            cell(&"x".repeat(5000)).chars().count(),
            MAX_PROJECTED_TEXT + 1
        );
        assert_eq!(
            cell("&lt; \\| _x_ ~~y~~"),
            "\\&lt; \\\\\\| \\_x\\_ \\~\\~y\\~\\~"
        );
    }

    #[test]
    fn notes_become_smaller_and_open_nothing() {
        let text = "# v1\n\n- commit: `ab`\n\nTitle\n===\n## Fixes\n\n- x \\<b\\> <i> [a](b) \\[c\\]\n```\n#5 is fixed\n---\n###### deep\n";
        let wanted = "- commit: `ab`\n\nTitle\n\\===\n### Fixes\n\n- x \\<b\\> \\<i> \\[a](b) \\[c\\]\n\\```\n#5 is fixed\n\\---\n###### deep\n";
        assert_eq!(notes(text), wanted);
        assert_eq!(notes(""), "\n");
    }

    #[test]
    fn notes_have_an_end() {
        let text = "- x\n".repeat(MAX_NOTES_LINES + 7);
        let out = notes(&text);
        assert_eq!(out.lines().count(), MAX_NOTES_LINES + 2);
        assert!(out.ends_with("RELEASE_NOTES.md.\n"));
    }
}
