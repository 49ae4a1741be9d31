//! Making foreign text harmless before people see it: in messages, in Markdown, on terminals. Pure.

use crate::limits::{MAX_PERSON_LEN, MAX_SHOWN_NAME};
use crate::{Error, Result};

/// `text` in quotes with everything unprintable escaped, cut to `max` characters.
pub fn shown(text: &str, max: usize) -> String {
    let mut out = String::from("\"");
    let mut count = 0;
    for c in text.chars() {
        let piece: String = if is_deceptive(c) {
            c.escape_unicode().collect()
        } else {
            c.escape_debug().collect()
        };
        count += piece.chars().count();
        if count > max {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out.push('"');
    out
}

/// One line for a terminal or a log view: escape sequences and control characters are gone, tabs
/// are spaces.
pub fn plain_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // A CSI sequence ends with its first byte in @..~ (ECMA-48, 5.4).
                for c in chars.by_ref() {
                    if matches!(c, '@'..='~') {
                        break;
                    }
                }
            }
            '\t' => out.push_str("    "),
            c if c.is_control() || is_deceptive(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// One line of foreign text as Markdown that renders as that text: nothing in it can start
/// markup, HTML or a link, and control characters are gone.
pub fn markdown_line(line: &str) -> String {
    let plain = plain_line(line);
    let trimmed = plain.trim_end();
    let indent = trimmed.len() - trimmed.trim_start().len();
    let mut out = String::with_capacity(trimmed.len());
    for (i, c) in trimmed.char_indices() {
        let starts_block = i == indent && matches!(c, '#' | '=' | '~' | '+');
        if starts_block || matches!(c, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|') {
            out.push('\\');
        }
        out.push(c);
    }
    // A line of dashes alone would turn the line before it into a heading, or be a rule.
    if !out.is_empty() && out.chars().all(|c| matches!(c, '-' | '_' | ' ')) {
        out = out.replace('-', "\\-").replace('_', "\\_");
    }
    out
}

/// The first `max` characters of `text`, with an ellipsis where something was cut.
pub fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Characters that change how their neighbours look (bidirectional controls, zero-width and
/// line separators): a reader sees another text than the bytes say.
pub fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Checks the name of a person.
///
/// # Errors
/// Usage: an empty name, one of more than [`MAX_PERSON_LEN`] bytes, characters that hide.
pub fn check_person(person: &str) -> Result<()> {
    let hidden = |c: char| c.is_control() || is_deceptive(c);
    if person.trim().is_empty() || person.len() > MAX_PERSON_LEN || person.contains(hidden) {
        return Err(Error::usage(format!(
            "{} is no person's name, wanted 1 to {MAX_PERSON_LEN} visible bytes",
            shown(person, MAX_SHOWN_NAME)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_never_reach_a_terminal() {
        assert_eq!(plain_line("\u{1b}[31mred\u{1b}[0m\r\u{7}!\u{202e}"), "red!");
        assert_eq!(shown("a\u{1b}b\u{202e}", 60), "\"a\\u{1b}b\\u{202e}\"");
        assert_eq!(shown("aaaaaa", 3), "\"aaa…\"");
    }

    #[test]
    fn foreign_text_starts_no_markup() {
        assert_eq!(markdown_line("# title"), "\\# title");
        assert_eq!(markdown_line("  ====="), "  \\=====");
        assert_eq!(markdown_line("---"), "\\-\\-\\-");
        assert_eq!(markdown_line("- item_one"), "- item_one");
        assert_eq!(
            markdown_line("<img src=x> [a](b) `c` *d* \\"),
            "\\<img src=x\\> \\[a\\](b) \\`c\\` \\*d\\* \\\\"
        );
    }
}
