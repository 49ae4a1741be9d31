//! Paths as text: what a file is called may be any bytes, what a manifest holds is UTF-8. Pure.

use std::path::Path;

use crate::hash::hex;
use crate::release::gate::glob;

/// `bytes` as text: `%`, control characters and what is no UTF-8 become `%XX`.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '%' => out.push_str("%25"),
                c if c.is_control() => {
                    let mut buffer = [0u8; 4];
                    quote(c.encode_utf8(&mut buffer).as_bytes(), &mut out);
                }
                c => out.push(c),
            }
        }
        quote(chunk.invalid(), &mut out);
    }
    out
}

fn quote(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        out.push('%');
        out.push_str(&hex(&[*byte]));
    }
}

/// The bytes of which [`escape`] made `text`; none where it made no such text.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let pair = [bytes.next()?, bytes.next()?];
        let pair = std::str::from_utf8(&pair).ok()?;
        out.extend(crate::hash::from_hex(pair)?);
    }
    // One path has one spelling, so that two entries cannot be the same file.
    (escape(&out) == text).then_some(out)
}

/// The names that an entry's path is made of; none where it is no path below a directory.
pub fn names(path: &str) -> Option<Vec<Vec<u8>>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let names = path.split('/').map(|name| {
        let name = unescape(name)?;
        let good = !matches!(name.as_slice(), b"" | b"." | b"..")
            && name.len() <= 255
            && !name.contains(&b'/')
            && !name.contains(&0);
        good.then_some(name)
    });
    names.collect()
}

/// `name` below `path`, both as they are in entries.
pub fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

/// A host's path as text.
pub fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// Patterns of `node.toml`, ready to be held against paths of entries.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// Those of `raw` that are about paths below the data directory.
    pub fn relative(raw: &[String]) -> Self {
        Self::of(raw.iter().filter(|p| !p.starts_with('/')))
    }

    /// Those of `raw` that are absolute.
    pub fn absolute(raw: &[String]) -> Self {
        Self::of(raw.iter().filter(|p| p.starts_with('/')))
    }

    fn of<'a>(raw: impl Iterator<Item = &'a String>) -> Self {
        Patterns(raw.map(|p| escape(p.as_bytes())).collect())
    }

    /// Whether `path`, or a directory above it, is of one of the patterns.
    pub fn cover(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at);
        let mut above = ends.chain([path.len()]).filter(|end| *end > 0);
        !self.0.is_empty()
            && above.any(|end| {
                let path = path.get(..end).unwrap_or(path);
                glob::is_of_any(&self.0, path)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_has_one_spelling_and_comes_back() {
        for name in [
            b"plain".as_slice(),
            b"a b%c",
            b"new\nline",
            b"\xff\xfe\x80",
            "caf\u{e9}\u{85}".as_bytes(),
            b"",
        ] {
            let text = escape(name);
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert_eq!(unescape(&text).as_deref(), Some(name), "{text}");
        }
        for other in ["%4", "%zz", "%41", "%FF", "a\n", "%"] {
            assert_eq!(unescape(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_path_that_leads_out_or_nowhere_is_none() {
        assert_eq!(names("").map(|n| n.len()), Some(0));
        assert_eq!(names("a/b").map(|n| n.len()), Some(2));
        for path in ["/a", "a//b", "..", "a/../b", ".", "a/", "a/%2f", "a/%00"] {
            assert_eq!(names(path), None, "{path}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_names_and_all_below() {
        let raw: Vec<String> = ["keys", "*.sign", "a/**/last_signed", "/etc/x.conf", "100%"]
            .map(str::to_owned)
            .into();
        let patterns = Patterns::relative(&raw);
        for path in [
            "keys",
            "keys/a/b",
            "x.sign",
            "a/last_signed",
            "a/b/c/last_signed",
            "100%25",
        ] {
            assert!(patterns.cover(path), "{path}");
        }
        for path in [
            "",
            "key",
            "b/keys",
            "b/x.sign",
            "last_signed",
            "/etc/x.conf",
        ] {
            assert!(!patterns.cover(path), "{path}");
        }
        assert!(Patterns::absolute(&raw).cover("/etc/x.conf"));
        assert!(!Patterns::absolute(&raw).cover("/etc/y.conf"));
    }
}
