//! Patterns of paths: `*` stands for anything in one name, `**` for any directories. Pure.

use crate::release::tag_rule::matches;

/// Whether `path` is one of `pattern`'s.
pub fn is_of(pattern: &str, path: &str) -> bool {
    let names: Vec<&str> = path.split('/').collect();
    // Which beginnings of the path the parts so far can stand for, by their number of names.
    let mut reached = vec![false; names.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for part in pattern.split('/') {
        let mut next = vec![false; names.len() + 1];
        let mut before = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = reached.get(at).copied().unwrap_or(false);
            *slot = match part {
                "**" => {
                    before |= here;
                    before
                }
                _ => {
                    let last = at.checked_sub(1);
                    last.is_some_and(|last| {
                        reached.get(last).copied().unwrap_or(false)
                            && names.get(last).is_some_and(|name| matches(part, name))
                    })
                }
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// Whether `path` is of one of the patterns.
pub fn is_of_any(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| is_of(pattern, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_names_and_directories() {
        for (pattern, path, wanted) in [
            ("src/lib.rs", "src/lib.rs", true),
            ("src/*.rs", "src/lib.rs", true),
            ("src/*.rs", "src/a/lib.rs", false),
            ("src/**", "src/a/b/lib.rs", true),
            ("src/**/*.rs", "src/lib.rs", true),
            ("**/*.rs", "a/b/c.rs", true),
            ("**/*.rs", "c.rs", true),
            ("**", "anything/at/all", true),
            ("src/**/x/**/y.rs", "src/a/x/b/c/y.rs", true),
            ("src/**/x/**/y.rs", "src/a/b/y.rs", false),
            ("src", "src/lib.rs", false),
            ("*", "a/b", false),
            ("docs/*-*.md", "docs/roll-back.md", true),
        ] {
            assert_eq!(is_of(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let pattern = vec!["**"; 300].join("/a/");
        assert!(!is_of(&pattern, &vec!["b"; 300].join("/")));
        let pattern = "a*".repeat(400);
        assert!(!is_of(&pattern, &"a".repeat(300)));
    }
}
