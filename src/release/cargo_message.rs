//! Cargo's JSON messages, as far as to learn which executables a build made. Pure.

use std::path::PathBuf;

use serde::Deserialize;

use crate::release::source::BuiltBinary;
use crate::{Error, Result};

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// What a line of cargo's standard output is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A binary target was built, or was fresh.
    Binary(BuiltBinary),
    /// Another message of cargo's.
    Other,
    /// No message: what a program printed.
    Text,
}

/// Reads one line.
pub fn read_line(line: &str) -> Line {
    if !line.starts_with('{') {
        return Line::Text;
    }
    let Ok(message) = serde_json::from_str::<Message>(line) else {
        return Line::Text;
    };
    match (message.target, message.executable) {
        (Some(target), Some(path))
            if message.reason == "compiler-artifact" && target.kind.iter().any(|k| k == "bin") =>
        {
            Line::Binary(BuiltBinary {
                name: target.name,
                path,
            })
        }
        _ => Line::Other,
    }
}

/// The binaries of the names wanted (all, if none are given), sorted by name.
///
/// # Errors
/// Failed: nothing was built, a wanted name is not there, or two packages built one name.
pub fn select(mut built: Vec<BuiltBinary>, wanted: &[String]) -> Result<Vec<BuiltBinary>> {
    built.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    built.dedup();
    let names = || {
        built
            .iter()
            .map(|b| b.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if built.is_empty() {
        return Err(Error::failed("the build made no binaries")
            .hint("name packages or binaries below [build] in relman.toml"));
    }
    if let Some(missing) = wanted.iter().find(|w| !built.iter().any(|b| b.name == **w)) {
        return Err(Error::failed(format!(
            "the build made no binary {missing}, found: {}",
            names()
        ))
        .hint("correct binaries below [build] in relman.toml"));
    }
    if !wanted.is_empty() {
        built.retain(|b| wanted.contains(&b.name));
    }
    let twice = built.windows(2).find_map(|w| match w {
        [a, b] if a.name == b.name => Some(a.name.clone()),
        _ => None,
    });
    match twice {
        Some(name) => Err(Error::failed(format!("two packages build a binary {name}"))
            .hint("name one package with packages below [build] in relman.toml")),
        None => Ok(built),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(name: &str, path: &str) -> BuiltBinary {
        BuiltBinary {
            name: name.into(),
            path: path.into(),
        }
    }

    #[test]
    fn only_binary_targets_count() {
        let line = r#"{"reason":"compiler-artifact","package_id":"x","target":{"kind":["bin"],"name":"timed"},"executable":"/t/timed","fresh":true}"#;
        assert_eq!(read_line(line), Line::Binary(binary("timed", "/t/timed")));
        assert_eq!(read_line(&line.replace("bin", "test")), Line::Other);
        assert_eq!(
            read_line(&line.replace("\"/t/timed\"", "null")),
            Line::Other
        );
        assert_eq!(
            read_line(r#"{"reason":"build-finished","success":true}"#),
            Line::Other
        );
        assert_eq!(read_line("{not json"), Line::Text);
        assert_eq!(read_line("hello"), Line::Text);
    }

    #[test]
    fn a_name_that_was_not_built_is_told_with_those_that_were() {
        let built = vec![binary("b", "/b"), binary("a", "/a"), binary("a", "/a")];
        assert_eq!(
            select(built.clone(), &[]).unwrap(),
            [binary("a", "/a"), binary("b", "/b")]
        );
        assert_eq!(
            select(built.clone(), &["b".into()]).unwrap(),
            [binary("b", "/b")]
        );
        let e = select(built, &["c".into()]).unwrap_err();
        assert!(e.message().contains("no binary c, found: a, b"), "{e}");
        assert!(select(vec![], &[]).is_err());
        assert!(select(vec![binary("a", "/x"), binary("a", "/y")], &[]).is_err());
    }
}
