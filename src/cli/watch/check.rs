//! `relman watch check`: the decision matrix, or all that is wrong with it.

use serde_json::{Value, json};

use crate::Result;
use crate::cli::args::{Cli, WatchCheckArgs};
use crate::cli::policy_file::{Chosen, policy};
use crate::ui::{Answer, Progress, text};
use crate::watch::policy::{Exception, Row, When};

/// `relman watch check`.
pub fn run(cli: &Cli, args: &WatchCheckArgs, progress: &mut Progress) -> Result<Answer> {
    let chosen = policy(cli, args.policy.policy.as_deref(), progress)?;
    let p = &chosen.policy;
    let mut out = format!(
        "{}, {}: {} signals, {} rows, {} exceptions\n",
        text::line(&chosen.place),
        chosen.standing(),
        p.signals.len(),
        p.rows.len(),
        p.exceptions.len()
    );
    let mut table = vec![
        ["symptom", "severity", "when", "action"]
            .map(str::to_owned)
            .to_vec(),
    ];
    table.extend(p.rows.iter().map(|row| {
        vec![
            text::line(&row.symptom),
            row.severity.word().to_owned(),
            crate::watch::engine::condition_words(p, row),
            steps(row),
        ]
    }));
    out.push_str(&text::table(&table));
    for exception in &p.exceptions {
        out.push_str(&format!(
            "do not roll back if: {} ({})\n",
            text::line(&exception.says),
            when(exception)
        ));
    }
    Ok(Answer::done(data(&chosen), out))
}

fn steps(row: &Row) -> String {
    let one = |(after, action): (u64, &str)| match after {
        0 => action.to_owned(),
        after => format!("{action} after {after} s"),
    };
    let steps = row.steps.iter().map(|s| (s.after_seconds, s.action.word()));
    let steps: Vec<String> = steps.map(one).collect();
    format!("{}, {} look(s) in a row", steps.join(", "), row.samples)
}

fn when(exception: &Exception) -> String {
    let when = match &exception.when {
        When::SingleNode => "one node alone is concerned".to_owned(),
        When::Row { row, under_seconds } => {
            format!("{row} has held for less than {under_seconds} s")
        }
        When::Declared { signal } => format!("{signal} is declared"),
    };
    format!(
        "while {when}, {} lead to {} at most",
        exception.rows.join(", "),
        exception.action.word()
    )
}

fn data(chosen: &Chosen) -> Value {
    let p = &chosen.policy;
    let rows = p.rows.iter().map(|row| {
        json!({
            "name": row.name,
            "symptom": row.symptom,
            "severity": row.severity,
            "when": crate::watch::engine::condition_words(p, row),
            "samples": row.samples,
            "steps": row.steps,
        })
    });
    let exceptions = p.exceptions.iter().map(|e| {
        json!({ "name": e.name, "says": e.says, "when": when(e), "rows": e.rows, "action": e.action })
    });
    json!({
        "place": chosen.place,
        "signed": chosen.is_signed,
        "sha256": chosen.sha256.hex(),
        "signals": p.signals.iter().map(|s| &s.name).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "exceptions": exceptions.collect::<Vec<_>>(),
    })
}
