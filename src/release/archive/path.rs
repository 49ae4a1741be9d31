//! The archive room: names of members. A [`MemberPath`] can be joined to a directory safely.

use std::fmt;

use crate::limits::MAX_MEMBER_PATH_LEN;
use crate::{Error, Result};

/// A relative path of plain components: it can only name something below where it is joined.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberPath(String);

impl MemberPath {
    /// Checks `text`: UTF-8 of 1 to [`MAX_MEMBER_PATH_LEN`] bytes, components separated by `/`,
    /// none of them empty, `.` or `..`, without backslashes and control characters.
    ///
    /// # Errors
    /// Refused, naming the rule that `text` breaks.
    pub fn new(text: &str) -> Result<Self> {
        match fault(text) {
            None => Ok(MemberPath(text.to_owned())),
            Some(fault) => Err(Error::refused(format!(
                "archive member {text:?} {fault}; wanted a plain relative path"
            ))),
        }
    }

    /// The path with `/` between its components.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a member path; `None` for a good one.
pub(super) fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > MAX_MEMBER_PATH_LEN {
        return Some("is too long");
    }
    if text.starts_with('/') {
        return Some("is absolute");
    }
    if text.contains('\\') {
        return Some("has a backslash");
    }
    if text.chars().any(char::is_control) {
        return Some("has a control character");
    }
    text.split('/').find_map(|component| match component {
        "" => Some("has an empty component"),
        "." => Some("has a `.` component"),
        ".." => Some("has a `..` component"),
        _ => None,
    })
}

/// As [`fault`], for the one component that all members are below.
pub(super) fn prefix_fault(text: &str) -> Option<&'static str> {
    fault(text).or_else(|| text.contains('/').then_some("has more than one component"))
}
