//! The rules by name, and what breaks one. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Fewest characters of a reason: less than a few words tells nobody anything years later.
const MIN_REASON_LEN: usize = 10;
/// Most bytes of a reason.
const MAX_REASON_LEN: usize = 2_000;

/// A rule that holds when an environment moves to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// What the environment's role says is whole and agrees with itself, the store and the log.
    Agreement,
    /// The release has run in the environment before this one.
    Skipped,
    /// It has run there, or the phase before it here, for long enough.
    Soak,
    /// The operators were told early enough.
    Notice,
    /// The time from which on it may be installed has come.
    NotBefore,
    /// Phases follow one another.
    Order,
    /// The release is not yanked.
    Yanked,
    /// The approvals that the environment wants.
    Approvals,
    /// A written reason, where one is wanted.
    Reason,
}

impl Rule {
    /// Its word on the command line and in statements.
    pub fn word(self) -> &'static str {
        match self {
            Rule::Agreement => "agreement",
            Rule::Skipped => "skipped",
            Rule::Soak => "soak",
            Rule::Notice => "notice",
            Rule::NotBefore => "not-before",
            Rule::Order => "order",
            Rule::Yanked => "yanked",
            Rule::Approvals => "approvals",
            Rule::Reason => "reason",
        }
    }

    /// Whether the environment's overriders can set it aside. No environment is ever skipped: moving
    /// the one before takes a minute once its soak is set aside.
    pub fn can_be_set_aside(self) -> bool {
        matches!(
            self,
            Rule::Soak | Rule::Notice | Rule::Order | Rule::Approvals
        )
    }

    /// Reads the words of `--override`.
    ///
    /// # Errors
    /// Usage: a word that is none, or of a rule that nobody can set aside.
    pub fn parse_list(words: &[String]) -> Result<Vec<Rule>> {
        let all = [Rule::Soak, Rule::Notice, Rule::Order, Rule::Approvals];
        let mut out = Vec::new();
        for word in words {
            let rule = all.into_iter().find(|rule| rule.word() == word.trim());
            out.push(rule.ok_or_else(|| {
                Error::usage(format!(
                    "{word:?} cannot be set aside, wanted some of soak, notice, order, approvals"
                ))
            })?);
        }
        out.sort();
        out.dedup();
        Ok(out)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What breaks a rule: what was found and what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// The rule.
    pub rule: Rule,
    /// In words.
    pub message: String,
}

impl Breach {
    /// A breach of `rule`.
    pub fn new(rule: Rule, message: impl Into<String>) -> Self {
        Breach {
            rule,
            message: message.into(),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)
    }
}

/// Whether `reason` says something: a few words on one line.
///
/// # Errors
/// Refused: too short, too long, control characters.
pub fn check_reason(reason: &str) -> Result<()> {
    let letters = reason.chars().filter(|c| c.is_alphanumeric()).count();
    if reason.chars().any(char::is_control) || reason.len() > MAX_REASON_LEN {
        return Err(Error::refused(format!(
            "a reason has control characters or more than {MAX_REASON_LEN} bytes"
        ))
        .hint("say it in one line"));
    }
    match letters < MIN_REASON_LEN {
        true => Err(Error::refused(format!(
            "the reason {reason:?} has {letters} letters, wanted {MIN_REASON_LEN} or more"
        ))
        .hint("say why, for those who will read it years later: --reason TEXT")),
        false => Ok(()),
    }
}
