//! The one error type of the crate: what failed, why, and one command to run next.
//!
//! Written for the person at 3 a.m.: messages are lower case, without a full stop, and carry the
//! values found and wanted. The kind decides the exit code and nothing else.

use std::fmt;

/// What sort of failure this is; decides the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// I/O, build, gate or health failed, or an install rolled itself back: exit 1.
    Failed,
    /// Malformed command line, tag name or configuration: exit 2.
    Usage,
    /// Trust or policy refused: exit 3.
    Refused,
    /// A fleet operation was done on some nodes only: exit 4.
    Partial,
    /// A state that the code holds to be impossible: exit 70.
    Bug,
}

impl Kind {
    /// The process exit code for this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Partial => 4,
            Kind::Bug => 70,
        }
    }

    /// The word for this kind in `--json` output.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Refused => "refused",
            Kind::Partial => "partial",
            Kind::Bug => "bug",
        }
    }
}

/// A failure with its chain of causes and a hint.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

/// The hint for a full disk.
pub const MAKE_ROOM: &str = "make room, then run the same command again";

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` saying `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }))
    }

    /// I/O, build or health failure (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Malformed input from the user (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Trust or policy refusal (exit 3).
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// An impossible state (exit 70).
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// `value`, where nothing was found wrong with it; else one error of kind usage with all the `problems` of `what`.
    ///
    /// # Errors
    /// There are problems.
    pub fn unless<T>(problems: Vec<String>, what: &str, value: T) -> Result<T> {
        if problems.is_empty() {
            return Ok(value);
        }
        let error = Error::usage(format!("{what} has {} problem(s)", problems.len()));
        Err(problems.into_iter().fold(error, Error::caused_by))
    }

    /// Adds a cause under the message; an [`Error`] as cause brings its own chain along.
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.causes.push(cause.to_string());
        self
    }

    /// Puts `message` above this error, which becomes its first cause; kind and hint stay.
    pub fn under(mut self, message: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.0.message, message.into());
        self.0.causes.insert(0, old);
        self
    }

    /// Sets the one command or step to try next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with another kind.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The kind of this failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What failed.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Why, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// One command to run.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for cause in &self.0.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns any displayable error into an [`Error`] with a message above it.
pub trait Context<T> {
    /// On error: kind failed, `message`, caused by the original.
    fn or_failed(self, message: impl FnOnce() -> String) -> Result<T>;
    /// On error: kind refused, `message`, caused by the original.
    fn or_refused(self, message: impl FnOnce() -> String) -> Result<T>;
    /// On error: kind usage, `message`, caused by the original.
    fn or_usage(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn or_failed(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::failed(message()).caused_by(e))
    }
    fn or_refused(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::refused(message()).caused_by(e))
    }
    fn or_usage(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::usage(message()).caused_by(e))
    }
}
