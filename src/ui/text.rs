//! Text that is safe to show: names and messages may come from an attacker's tag or commit.

use jiff::Timestamp;

use crate::release::text::is_deceptive;

/// Longest foreign text shown in one piece, in characters.
const MAX_SHOWN: usize = 400;

/// One line: control characters (which could move the cursor or hide text), bidirectional
/// overrides and line ends are escaped, and what is too long is cut.
pub fn line(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == MAX_SHOWN {
            out.push('…');
            break;
        }
        if is_hostile(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// As [`line()`], but all of it: for whoever answers for every word.
pub fn whole_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hostile(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

fn is_hostile(c: char) -> bool {
    c.is_control() || is_deceptive(c)
}

/// Bytes with a unit that keeps three digits: `512 B`, `11.8 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A time for people: `2026-01-05 09:00:00Z`.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Rows as columns, each as wide as its widest cell, two spaces apart.
pub fn table(rows: &[Vec<String>]) -> String {
    let widths = widths(rows);
    rows.iter().map(|cells| row(cells, &widths)).collect()
}

/// How wide the columns of rows are.
pub fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    (0..columns).map(width).collect()
}

/// One row as a line, its columns at least so wide.
pub fn row(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(&format!("{cell:width$}  "));
    }
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_annotation_cannot_drive_the_terminal() {
        assert_eq!(line("a\x1b[2Jb\rc\nd"), "a\\u{1b}[2Jb\\rc\\nd");
        assert_eq!(line("x\u{202e}y"), "x\\u{202e}y");
    }

    #[test]
    fn what_is_signed_is_shown_to_its_end() {
        let long = format!("{}\u{e0041}evil\u{ad}", "x".repeat(2 * MAX_SHOWN));
        let shown = whole_line(&long);
        assert!(shown.ends_with("\\u{e0041}evil\\u{ad}"), "{shown}");
    }

    #[test]
    fn sizes_keep_their_digits() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(12_373_000), "11.8 MiB");
    }
}
