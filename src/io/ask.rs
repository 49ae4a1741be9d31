//! Room `io`: questions to the person at the terminal.

use std::io::{BufRead, Write};

use super::process;
use crate::error::Context;
use crate::{Error, Result};

/// Longest answer.
const MAX_ANSWER_LEN: usize = 256;

/// Asks for one line; an empty answer means the default.
///
/// # Errors
/// There is nobody to ask.
pub fn line(question: &str, default: &str) -> Result<String> {
    if !process::can_ask() {
        return Err(
            Error::usage(format!("{question}? there is no terminal to ask at"))
                .hint("take the defaults: --yes"),
        );
    }
    eprint!("{question} [{default}]: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .or_failed(|| "cannot read the answer".into())?;
    let answer = answer.trim();
    if answer.len() > MAX_ANSWER_LEN || answer.chars().any(char::is_control) {
        return Err(Error::usage("that is no name"));
    }
    Ok(match answer {
        "" => default.to_owned(),
        some => some.to_owned(),
    })
}

/// Shows `what`, then asks for one line as [`line()`] does.
///
/// # Errors
/// There is nobody to ask.
pub fn about(what: &str, question: &str, default: &str) -> Result<String> {
    if process::can_ask() {
        eprint!("{what}");
    }
    line(question, default)
}
