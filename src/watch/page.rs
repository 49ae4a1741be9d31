//! `RUNBOOKS.md`: the watch policy as a page that people read: the matrix, what is measured, when not to go back, what to
//! run. Pure; the same policy gives the same bytes.

use super::engine::condition_words;
use super::policy::{Action, Policy, Row, Signal, When};
use crate::hash::Sha256;
use crate::release::projection::{MARK, Page, cell, table};

/// The page's name.
pub const FILE_NAME: &str = "RUNBOOKS.md";

/// What is run where an action is called for.
pub fn command(action: Action) -> &'static str {
    match action {
        Action::RollBack => "relman fleet rollback --env ENVIRONMENT",
        Action::Prepare => "relman fleet pause",
        Action::Page | Action::Observe => "relman watch --env ENVIRONMENT",
        Action::Restart => "relman node start",
        Action::Patch => "relman fleet upgrade TAG --env ENVIRONMENT",
    }
}

/// The page of a policy whose text has that digest.
pub fn page(policy: &Policy, sha256: Sha256) -> Page {
    let mut text = format!(
        "{MARK}from the watch policy with SHA-256 {sha256} -->\n\
         # Runbooks\n\n\
         What is measured while a network runs, when it is bad enough, and what is done then. `relman watch` acts by it.\n\n\
         Do not edit this page: change the policy and run `relman docs`; `relman docs --check` tells whether it says what the \
         policy says.\n\n\
         ## Decision matrix\n\n\
         A row holds while its condition does, looked at every {} s, {} times in a row unless it says otherwise. What is not \
         known neither begins a row nor ends it.\n\n",
        policy.interval_seconds, policy.samples
    );
    let rows: Vec<Vec<String>> = policy.rows.iter().map(|row| matrix(policy, row)).collect();
    text.push_str(&table(
        &["symptom", "severity", "holds while", "then", "page"],
        &rows,
    ));
    text.push_str("\n## What to run\n\n");
    let actions = [
        (Action::RollBack, "go back now"),
        (
            Action::Prepare,
            "wake the person on call, hold the rollout, make ready to go back",
        ),
        (Action::Page, "wake the person on call"),
        (Action::Restart, "restart that node, on the node"),
        (Action::Patch, "mend it with a release of its own"),
        (Action::Observe, "look on"),
    ];
    let rows: Vec<Vec<String>> = actions
        .iter()
        .map(|(action, says)| {
            let run = format!("`{}`", command(*action));
            vec![action.word().into(), (*says).into(), run]
        })
        .collect();
    text.push_str(&table(&["action", "is", "command"], &rows));
    text.push_str("\n## Do not roll back if\n\n");
    let rows: Vec<Vec<String>> = policy
        .exceptions
        .iter()
        .map(|exception| {
            let when = match &exception.when {
                When::SingleNode => "one node alone is concerned, of several".to_owned(),
                When::Row { row, under_seconds } => {
                    format!("{row} has held for less than {under_seconds} s")
                }
                When::Declared { signal } => format!("a person has declared {signal}"),
            };
            vec![
                cell(&exception.says),
                cell(&when),
                cell(&exception.rows.join(", ")),
                exception.action.word().into(),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => text.push_str("The policy has no exceptions.\n"),
        false => text.push_str(&table(
            &["guide", "while", "rows", "lead at most to"],
            &rows,
        )),
    }
    text.push_str("\n## Signals\n\n");
    let rows: Vec<Vec<String>> = policy.signals.iter().map(signal).collect();
    text.push_str(&table(&["signal", "from", "metric", "unit", "of"], &rows));
    text.push_str(&format!(
        "\nA block comes every {} s. Heights further apart than {} part the network. A value that nobody has confirmed for {} s \
         is unknown; clocks more than {} s apart are not believed.\n",
        policy.block_interval_seconds,
        policy.height_within,
        policy.stale_seconds,
        policy.clock_skew_seconds
    ));
    Page {
        name: FILE_NAME,
        text,
    }
}

fn matrix(policy: &Policy, row: &Row) -> Vec<String> {
    let steps = row.steps.iter().map(|step| match step.after_seconds {
        0 => format!("**{}**", step.action.word()),
        seconds => format!("after {seconds} s **{}**", step.action.word()),
    });
    let samples = match row.samples {
        samples if samples == policy.samples => String::new(),
        1 => ", at one look".into(),
        samples => format!(", at {samples} looks in a row"),
    };
    vec![
        cell(&row.symptom),
        row.severity.word().into(),
        cell(&format!("{}{samples}", condition_words(policy, row))),
        steps.collect::<Vec<_>>().join(", "),
        format!("[{}](<{}>)", row.name, link(&policy.runbook, &row.name)),
    ]
}

fn signal(signal: &Signal) -> Vec<String> {
    vec![
        cell(&signal.name),
        signal.source.word().into(),
        cell(signal.metric.as_deref().unwrap_or_default()),
        cell(&signal.unit),
        match signal.network {
            true => "the network".into(),
            false => "each node".into(),
        },
    ]
}

/// An address between angle brackets, and in a cell of a table.
fn link(page: &str, row: &str) -> String {
    let mut out = String::new();
    for c in page.chars() {
        match c {
            '<' | '>' | '\\' | '|' | '`' => out.push_str(&format!("%{:02X}", u32::from(c))),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    format!("{out}#{row}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::policy::template;

    fn made(text: &str) -> String {
        page(&Policy::parse(text).unwrap(), Sha256::of(text.as_bytes())).text
    }

    #[test]
    fn the_page_has_the_guides_matrix_exceptions_and_commands() {
        let text = made(template());
        assert!(text.starts_with(MARK));
        for part in [
            "| No blocks 10+ min | critical | blocks-overdue \\> 600 s, at any | **roll-back** | [no-blocks](<docs/runbook-matrix.md#no-blocks>) |",
            "**prepare**, after 300 s **roll-back**",
            "| Temporary network partition (\\<5 minutes) | partition has held for less than 300 s |",
            "| roll-back | go back now | `relman fleet rollback --env ENVIRONMENT` |",
            "errors\\_total{severity=\"critical\"}",
            "at one look",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(text, made(template()));
    }

    #[test]
    fn a_policy_can_write_no_markdown_of_its_own() {
        let hostile = template()
            .replace(
                "symptom = \"Network partition\"",
                "symptom = \"a | b <script> [x](y)\"",
            )
            .replace(
                "runbook = \"docs/runbook-matrix.md\"",
                "runbook = \"x> | <y\"",
            );
        let text = made(&hostile);
        assert!(text.contains("a \\| b \\<script\\> \\[x\\](y)"), "{text}");
        assert!(text.contains("(<x%3E %7C %3Cy#partition>)"), "{text}");
    }
}
