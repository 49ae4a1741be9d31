//! `relman log fsck`: what of the log is missing, differs, or was left over; and making again what can be.

use serde_json::json;

use crate::cli::args::{Cli, LogFsckArgs};
use crate::cli::project::{http_options, open_store, start_dir, store_and_root};
use crate::io::clock;
use crate::release::fsck::{Found, Fsck};
use crate::store::Reader;
use crate::ui::{Answer, report, text};
use crate::{Kind, Result};

/// Runs the command without `--repair`.
pub fn run(cli: &Cli, args: &LogFsckArgs) -> Result<Answer> {
    let (store, root) = store_and_root(cli, &args.store)?;
    let from = copy(cli, args)?;
    let found = Fsck {
        store: store.as_ref(),
        from: from.as_deref(),
        root: &root,
        now: clock::now(),
    }
    .run()?;
    let repairable = found.repairable().count();
    let hint = match (repairable, args.store.store.is_some()) {
        (0, _) => String::new(),
        (n, false) => format!("{n} of them can be rebuilt: relman log fsck --repair\n"),
        (n, true) => format!(
            "{n} of them can be rebuilt: where the store is published, relman log fsck --repair; a mirror, \
             relman mirror\n"
        ),
    };
    Ok(answer(&found, store.as_ref(), &[], &hint))
}

/// The copy that entries may come from.
fn copy(cli: &Cli, args: &LogFsckArgs) -> Result<Option<Box<dyn Reader>>> {
    let Some(place) = &args.from else {
        return Ok(None);
    };
    let options = http_options(cli, &args.store.http)?;
    let store = match place.contains("://") {
        true => open_store(place, &options)?,
        false => open_store(&start_dir(cli)?.join(place).to_string_lossy(), &options)?,
    };
    Ok(Some(store))
}

fn answer(found: &Found, store: &dyn Reader, repaired: &[String], hint: &str) -> Answer {
    let report = found.report();
    let problems = report.problems().count();
    let repaired_lines = repaired
        .iter()
        .map(|path| format!("rebuilt {}\n", text::line(path)));
    let mut out: String = repaired_lines.collect();
    out.push_str(&report::lines(&report));
    let data = json!({
        "store": store.location(),
        "size": found.head.map(|head| head.size),
        "root": found.head.map(|head| head.root),
        "findings": found.findings,
        "repaired": repaired,
        "report": report,
    });
    let location = store.location();
    let place = text::line(&location);
    if report.is_ok() {
        out.push_str(&format!("the log of {place} is whole\n"));
        return Answer::done(data, out);
    }
    out.push_str(&format!(
        "the log of {place} is NOT whole: {}\n{hint}",
        report::problem_count(problems)
    ));
    Answer::findings(Kind::Refused, data, out)
}

/// Runs `--repair`.
#[cfg(feature = "maintainer")]
pub fn repair(cli: &Cli, args: &LogFsckArgs, progress: &mut crate::ui::Progress) -> Result<Answer> {
    use crate::cli::desk::Desk;
    use crate::limits::{MAX_REPAIRED_LEN, MAX_REPAIRED_OBJECTS};
    use crate::release::cut::Events;
    use crate::release::publish::Planned;

    let from = copy(cli, args)?;
    let desk = Desk::open(cli, progress)?;
    let fsck = Fsck {
        store: desk.store.reader(),
        from: from.as_deref(),
        root: &desk.root,
        now: clock::now(),
    };
    progress.stage("look at the log");
    let found = fsck.run()?;
    let add = |objects: Vec<(String, Vec<u8>)>| {
        let planned = desk.with_view(|view| desk.publisher().add_late(view, objects))?;
        match planned {
            Planned::Ready(transaction) => desk.write(&transaction),
            Planned::Waiting(waiting) => {
                Err(waiting.error("run it where the timestamp key is: --secret-keys DIR"))
            }
        }
    };
    let mut repaired = Vec::new();
    let mut batch: Vec<(String, Vec<u8>)> = Vec::new();
    let mut length = 0;
    for (path, what) in found.repairable() {
        let bytes = found.make(what).map_err(|e| e.under(path))?;
        length += bytes.len();
        repaired.push(path.to_owned());
        batch.push((path.to_owned(), bytes));
        if length >= MAX_REPAIRED_LEN || batch.len() >= MAX_REPAIRED_OBJECTS {
            add(std::mem::take(&mut batch))?;
            length = 0;
        }
    }
    if repaired.is_empty() {
        let hint = match found.findings.is_empty() {
            true => "",
            false => "nothing of it can be rebuilt from what is here\n",
        };
        return Ok(answer(&found, desk.store.reader(), &[], hint));
    }
    if !batch.is_empty() {
        add(batch)?;
    }
    progress.stage("look at the log again");
    let after = fsck.run()?;
    progress.end();
    Ok(answer(&after, desk.store.reader(), &repaired, ""))
}
