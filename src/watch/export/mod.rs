//! The policy for other people's monitoring: Prometheus's rules, Alertmanager's routes, Grafana's dashboard. The same rows,
//! numbers and waits that relman acts on itself. Pure.
//!
//! | file | is |
//! | --- | --- |
//! | `promql` | selectors, labels, durations |
//! | `condition` | a row's condition in PromQL |
//! | `rules` | alerts |
//! | `routes` | who hears of them, and which mute others |
//! | `dashboard` | a picture for each signal |

pub mod condition;
pub mod dashboard;
pub mod promql;
pub mod routes;
pub mod rules;

#[cfg(test)]
mod tests;

use super::policy::Policy;

/// What the files say first.
const MADE: &str = "made by `relman monitor export`; change watch.toml and make it anew";

/// A row of the matrix that cannot be exported, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// The row.
    pub row: String,
    /// In words.
    pub why: String,
}

/// `no-blocks` as Prometheus's alerts are called: `NoBlocks`.
fn camel(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(part).collect()
}

/// A string in YAML: between single quotes, in which nothing but these has a meaning.
fn yaml(text: &str) -> String {
    format!("'{}'", one_line(text).replace('\'', "''"))
}

/// Text that can end neither a comment nor a string.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// Where a row's page in the runbook is.
fn runbook(policy: &Policy, row: &str) -> String {
    format!("{}#{row}", policy.runbook)
}
