//! `relman audit`: the release history of a store, and every problem in it.

use serde_json::json;

use super::args::{Cli, StoreArgs};
use super::project::store_and_root;
use crate::io::scratch::PrivateFiles;
use crate::io::{clock, process};
use crate::release::audit::{Audit, Auditor};
use crate::release::cut::Events;
use crate::ui::{Answer, Progress, report, text};
use crate::{Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &StoreArgs, progress: &mut Progress) -> Result<Answer> {
    let (store, root) = store_and_root(cli, args)?;
    progress.stage("replay the log");
    let audit = Auditor {
        store: store.as_ref(),
        root: &root,
        scratch: &PrivateFiles::default(),
        now: clock::now(),
        threads: process::threads(),
    }
    .run(&mut |tag| progress.stage(&format!("check {tag}")))?;
    progress.end();
    Ok(answer(&audit, &store.location()))
}

fn answer(audit: &Audit, store: &str) -> Answer {
    let mut table = vec![
        ["ENTRY", "SIGNED", "BY", "KIND", "WHAT"]
            .map(str::to_owned)
            .to_vec(),
    ];
    table.extend(audit.history.iter().map(|event| {
        vec![
            event.index.to_string(),
            text::time(event.time),
            text::line(&event.who),
            text::line(&event.kind),
            text::line(&event.what),
        ]
    }));
    let problems = audit.report.problems().count();
    let mut out = text::table(&table);
    out.push('\n');
    out.push_str(&report::lines(&audit.report));
    let data = json!({
        "store": store,
        "history": audit.history,
        "report": audit.report,
        "problems": problems,
    });
    if audit.report.is_ok() {
        out.push_str(&format!("the history of {store} is whole\n"));
        return Answer::done(data, out);
    }
    out.push_str(&format!(
        "the history of {store} is NOT whole: {}\n",
        report::problem_count(problems)
    ));
    Answer::findings(Kind::Refused, data, out)
}
