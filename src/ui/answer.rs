//! What a command answers, and its two renderings.

use std::io::Write;

use serde_json::{Value, json};

use super::text;
use crate::{Error, Kind};

/// The schema of every `--json` document.
pub const SCHEMA: &str = "relman/1";

/// The outcome of an answer that is not printed again.
const SAID: &str = "";

/// The outcome of a command that did not end in an [`Error`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// One word: `done`, `unchanged`, `draft`, `refused`, …
    pub outcome: &'static str,
    /// Process exit code.
    pub exit: u8,
    /// For programs.
    pub data: Value,
    /// For people; ends with a newline unless empty.
    pub text: String,
}

impl Answer {
    /// Success.
    pub fn done(data: Value, text: impl Into<String>) -> Self {
        Self::named("done", data, text)
    }

    /// Success of a special sort.
    pub fn named(outcome: &'static str, data: Value, text: impl Into<String>) -> Self {
        Answer {
            outcome,
            exit: 0,
            data,
            text: text.into(),
        }
    }

    /// Success of a command that printed its answer long ago, with [`print()`], and then went on.
    pub fn said() -> Self {
        Self::named(SAID, Value::Null, "")
    }

    /// Checks were made and found something: the answer is whole, the exit code says no.
    pub fn findings(kind: Kind, data: Value, text: impl Into<String>) -> Self {
        Answer {
            outcome: kind.name(),
            exit: kind.exit_code(),
            data,
            text: text.into(),
        }
    }
}

/// Prints what a command answered or why it failed; gives the exit code.
pub fn print(command: &str, json: bool, result: &Result<Answer, Error>) -> u8 {
    let exit = match result {
        Ok(answer) => answer.exit,
        Err(error) => error.kind().exit_code(),
    };
    let out = match (json, result) {
        (_, Ok(answer)) if answer.outcome == SAID => return exit,
        (true, _) => document(command, result),
        (false, Ok(answer)) => answer.text.clone(),
        (false, Err(_)) => String::new(),
    };
    if let (false, Err(error)) = (json, result) {
        let _ = std::io::stderr().write_all(for_people(error).as_bytes());
    }
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(out.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => exit,
        // Whoever reads us has seen enough; anything else must not look like success.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => exit,
        Err(e) => {
            let error = Error::failed("the answer of a run that has ended could not be written")
                .caused_by(e)
                .hint("where stdout leads to may be full; run the same command again");
            let _ = std::io::stderr().write_all(for_people(&error).as_bytes());
            exit.max(Kind::Failed.exit_code())
        }
    }
}

fn document(command: &str, result: &Result<Answer, Error>) -> String {
    let mut document = match result {
        Ok(answer) => json!({ "outcome": answer.outcome, "data": answer.data, "error": null }),
        Err(error) => json!({
            "outcome": error.kind().name(),
            "data": null,
            "error": {
                "message": error.message(),
                "causes": error.causes(),
                "hint": error.hint_text(),
            },
        }),
    };
    document["schema"] = SCHEMA.into();
    document["command"] = command.into();
    format!("{document:#}\n")
}

/// `error:`, a chain of `caused by:`, and one `hint:`.
pub fn for_people(error: &Error) -> String {
    let mut out = format!("error: {}\n", text::line(error.message()));
    for cause in error.causes() {
        for part in cause.lines() {
            out.push_str(&format!("caused by: {}\n", text::line(part)));
        }
    }
    if let Some(hint) = error.hint_text() {
        out.push_str(&format!("hint: {}\n", text::line(hint)));
    }
    out
}
