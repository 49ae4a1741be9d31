//! The matrix of `show`: person × role × what it is worth, for a release or a draft.

use serde_json::{Value, json};

use crate::release::attestations::{Row, Standing, Unmet};
use crate::ui::text;

/// A rule that is not met, and in which environment; none before the cut.
pub struct Lack {
    /// The environment.
    pub environment: Option<String>,
    /// The rule.
    pub unmet: Unmet,
}

/// What is shown of attestations.
pub struct Matrix {
    /// Every signature.
    pub rows: Vec<Row>,
    /// What is missing still.
    pub lacks: Vec<Lack>,
    /// What policy has against the tag.
    pub problems: Vec<String>,
    /// Who made the tag, in words.
    pub author: String,
}

impl Matrix {
    /// As a table; empty where there is nothing to tell.
    pub fn text(&self) -> String {
        let mut out = format!("tag made by  {}\n", text::line(&self.author));
        for problem in &self.problems {
            out.push_str(&format!("  problem: {}\n", text::line(problem)));
        }
        let mut table = Vec::new();
        for row in &self.rows {
            table.push(vec![
                format!("  {} {}", row.kind, text::line(&row.what)),
                text::line(row.person.as_deref().unwrap_or("?")),
                row.standing.words().to_owned(),
                row.time.map_or("-".to_owned(), text::time),
                row.log_index
                    .map_or("not in the log".to_owned(), |n| format!("log {n}")),
                text::line(&row.detail),
            ]);
        }
        for lack in &self.lacks {
            let place = match &lack.environment {
                Some(name) => format!("for {name}: "),
                None => String::new(),
            };
            table.push(vec![
                format!("  {}", text::line(&lack.unmet.rule)),
                "-".to_owned(),
                Standing::Missing.words().to_owned(),
                format!("{} of {}", lack.unmet.have, lack.unmet.wanted),
                "-".to_owned(),
                text::line(&format!("{place}{}", who(&lack.unmet))),
            ]);
        }
        if !table.is_empty() {
            out.push_str("gates, approvals, rebuilds\n");
            out.push_str(&text::table(&table));
        }
        out
    }

    /// For programs.
    pub fn data(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({ "kind": row.kind, "what": row.what, "person": row.person, "key": row.keyid,
                "standing": row.standing, "detail": row.detail,
                "time": row.time.map(|t| t.to_string()), "log_index": row.log_index })
        });
        let lacks = self.lacks.iter().map(|lack| {
            json!({ "environment": lack.environment, "rule": lack.unmet.rule, "have": lack.unmet.have,
                "wanted": lack.unmet.wanted, "message": lack.unmet.message,
                "missing": lack.unmet.missing })
        });
        json!({ "attestations": rows.collect::<Vec<_>>(), "lacks": lacks.collect::<Vec<_>>(),
            "problems": self.problems, "author": self.author })
    }
}

/// What the other columns do not say: why others do not count, and who could give one more.
fn who(unmet: &Unmet) -> String {
    let why = match unmet.rule.starts_with("approval ") {
        true => unmet.message.split_once("; ").map(|(_, why)| why),
        false => Some(unmet.message.as_str()),
    };
    let could = match unmet.missing.is_empty() {
        true => "nobody could give it: policy has no key for it".to_owned(),
        false => format!("could be given by {}", unmet.missing.join(", ")),
    };
    match why {
        Some(why) => format!("{why}; {could}"),
        None => could,
    }
}
