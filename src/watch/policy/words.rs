//! Names and lines of text in `watch.toml`. Pure.

use std::collections::BTreeSet;

use crate::limits::{MAX_WATCH_NAME_LEN, MAX_WATCH_TEXT_LEN};

/// Text that people are shown is short, on one line, and shows what it is.
pub(super) fn text(what: &str, found: &str, problems: &mut Vec<String>) {
    let bad = |c: char| c.is_control() || crate::release::text::is_deceptive(c);
    if found.len() > MAX_WATCH_TEXT_LEN || found.chars().any(bad) {
        problems.push(format!(
            "{what}: wanted at most {MAX_WATCH_TEXT_LEN} bytes, on one line, of letters that show what they are"
        ));
    }
}

/// Names are plain, and there is one of each.
pub(super) fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = &'a String>,
    problems: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for name in names {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty()
            || name.len() > MAX_WATCH_NAME_LEN
            || !name.chars().all(plain)
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
            || name.ends_with('-')
        {
            problems.push(format!(
                "{what} {name:?}: wanted a name of lower-case letters, digits and hyphens, {MAX_WATCH_NAME_LEN} at most"
            ));
        }
        if !seen.insert(name) {
            problems.push(format!("there are two {what}s of the name {name}"));
        }
    }
}
