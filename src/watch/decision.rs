//! What the engine came to at one look, and the evidence that it rests on. Values and words.

use serde::Serialize;

use super::policy::{Action, Severity};

/// How a row of the matrix stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It does not hold, and that is known.
    Quiet,
    /// Nobody knows.
    Unknown,
    /// It holds, and not for long enough yet.
    Rising,
    /// It calls for something.
    Firing,
}

/// One value that a row rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The node; none: the network, or a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// In words: what was found.
    pub found: String,
}

/// A row of the matrix at one look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowState {
    /// Its name.
    pub row: String,
    /// As the matrix has it.
    pub symptom: String,
    /// See [`Severity`].
    pub severity: Severity,
    /// See [`State`].
    pub state: State,
    /// What it is held against, in words.
    pub wanted: String,
    /// Seconds that it has held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u64>,
    /// What it calls for, exceptions heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// What it would call for without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_exception: Option<Action>,
    /// The exceptions that hold it back, in the guide's words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_back_by: Vec<String>,
    /// What it calls for next if it goes on to hold, and in how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<(Action, u64)>,
    /// What was found where it holds.
    pub evidence: Vec<Evidence>,
    /// What is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Evidence>,
    /// How near it is to calling for its last step, in percent.
    pub nearness: u8,
}

/// All rows at one look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The rows, in the matrix's order.
    pub rows: Vec<RowState>,
    /// Sources that did not answer, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
}

/// What a decision says in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No row holds, and every row is known.
    Healthy,
    /// No row calls for anything, and something is not known.
    Unknown,
    /// A row holds and may call for something.
    Rising,
    /// A row calls for something.
    Firing,
}

impl Decision {
    /// The row that calls for most; of several, the most severe, then the first.
    pub fn strongest(&self) -> Option<&RowState> {
        let firing = self.rows.iter().rev().filter(|r| r.action.is_some());
        firing.max_by_key(|r| (r.action, r.severity))
    }

    /// The row that is nearest to firing and does not fire yet.
    pub fn nearest(&self) -> Option<&RowState> {
        let quiet = self.rows.iter().rev().filter(|r| r.action.is_none());
        quiet
            .filter(|r| r.nearness > 0)
            .max_by_key(|r| (r.nearness, r.severity))
    }

    /// What is to be done; none: nothing.
    pub fn action(&self) -> Option<Action> {
        self.strongest().and_then(|r| r.action)
    }

    /// In one word.
    pub fn verdict(&self) -> Verdict {
        let any = |state| self.rows.iter().any(|r| r.state == state);
        match () {
            () if any(State::Firing) => Verdict::Firing,
            () if any(State::Rising) => Verdict::Rising,
            () if any(State::Unknown) || !self.silent.is_empty() => Verdict::Unknown,
            () => Verdict::Healthy,
        }
    }

    /// What is not known: sources that do not answer, then one line for each row.
    pub fn unknowns(&self) -> Vec<String> {
        let unknown = self.rows.iter().filter(|r| r.state == State::Unknown);
        // Who does not answer is mostly why rows are not known.
        let silent = self.silent.iter().cloned();
        silent
            .chain(unknown.map(|r| format!("{}: {}", r.symptom, words(&r.unknown))))
            .collect()
    }
}

impl Verdict {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Unknown => "unknown",
            Verdict::Rising => "rising",
            Verdict::Firing => "firing",
        }
    }
}

impl State {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            State::Quiet => "quiet",
            State::Unknown => "unknown",
            State::Rising => "rising",
            State::Firing => "firing",
        }
    }
}

/// Evidence on one line.
pub fn words(evidence: &[Evidence]) -> String {
    let one = |e: &Evidence| match &e.node {
        Some(node) => format!("{node} {}", e.found),
        None => e.found.clone(),
    };
    evidence.iter().map(one).collect::<Vec<_>>().join("; ")
}
