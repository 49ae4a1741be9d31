//! `relman audit`: the release history of a store, and every problem in it.

mod others;
mod words;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use self::others::{note_in, other};
use super::args::{AuditArgs, Cli};
use super::project::{http_options, start_dir, store_and_root};
use crate::io::durable::{self, MODE_FILE};
use crate::io::scratch::PrivateFiles;
use crate::io::{clock, process};
use crate::limits::{AUDIT_HISTORY_LINES, MAX_SPLIT_VIEW_LEN, MAX_VKEY_LEN};
use crate::log::VerifierKey;
use crate::release::audit::split_view::SplitView;
use crate::release::audit::{Audit, Auditor, Told};
use crate::release::cut::Events;
use crate::trust::time;
use crate::ui::{Answer, Progress, junit, text};
use crate::{Error, Kind, Result};

/// Entries between two looks at how far it is.
const TOLD_EVERY: u64 = 256;
/// Names of evidence that are tried where the first ones are taken.
const MAX_NAMES: u32 = 100;

/// Runs the command.
pub fn run(cli: &Cli, args: &AuditArgs, progress: &mut Progress) -> Result<Answer> {
    if let (Some(file), Some(log)) = (&args.check_evidence, &args.log) {
        return check_evidence(&start_dir(cli)?, file, log);
    }
    let start = start_dir(cli)?;
    let at = args.at.as_deref().map(date).transpose()?;
    let history = history(args.history.as_deref())?;
    let options = http_options(cli, &args.store.http)?;
    let (store, root) = store_and_root(cli, &args.store)?;
    let since = args.since.as_ref().map(|path| note_in(&start.join(path)));
    let against = args.against.iter();
    let against: Vec<_> = against
        .map(|place| other(&start, place, &options))
        .collect();
    progress.stage("replay the log");
    let counted = progress.reading();
    let audit = Auditor {
        store: store.as_ref(),
        root: &root,
        scratch: &PrivateFiles::default(),
        now: clock::now(),
        threads: process::threads(),
        at,
        since: since.as_ref(),
        against: &against,
        history,
        counted: &counted,
    }
    .run(&mut |told| match told {
        Told::Entries(done, all) if done % TOLD_EVERY == 0 || done == all => {
            progress.count(done, all);
        }
        Told::Entries(..) => {}
        Told::Release(tag) => progress.stage(&format!("check {tag}")),
    })?;
    progress.end();
    let store = store.location();
    let mut said = Vec::new();
    let evidence = audit.split_view.as_ref().map(|split| {
        let file = keep(&start, args.evidence.as_deref(), split, &audit.checkpoint);
        match file {
            Ok(file) => (file.display().to_string(), split.to_string()),
            Err(e) => {
                said.push(format!("the evidence could not be written: {e}"));
                (String::new(), split.to_string())
            }
        }
    });
    if let Some(path) = &args.junit {
        let document = junit::document(
            &format!("relman audit {store}"),
            &audit.report,
            &audit.cases,
        );
        durable::write_atomic(&start.join(path), document.as_bytes(), MODE_FILE)?;
    }
    if let Some(path) = &args.save_checkpoint {
        match audit.report.is_ok() {
            true => {
                durable::write_atomic(&start.join(path), audit.checkpoint.as_bytes(), MODE_FILE)?
            }
            false => said.push(format!(
                "{} was not written: what was found has to be looked at first",
                path.display()
            )),
        }
    }
    Ok(answer(&audit, &store, evidence, said))
}

/// A time, or the end of a day.
fn date(given: &str) -> Result<Timestamp> {
    let whole = match given.len() {
        10 => format!("{given}T23:59:59Z"),
        _ => given.to_owned(),
    };
    whole.parse().map_err(|e| {
        Error::usage(format!(
            "the time is {given:?}, wanted 2026-02-01T00:00:00Z or 2026-02-01"
        ))
        .caused_by(e)
    })
}

fn history(given: Option<&str>) -> Result<usize> {
    match given {
        None => Ok(AUDIT_HISTORY_LINES),
        Some("all") => Ok(usize::MAX),
        Some(lines) => lines.parse().map_err(|_| {
            Error::usage(format!(
                "the history is to have {lines:?} lines, wanted a number or all"
            ))
        }),
    }
}

/// Writes evidence where nothing is yet; gives the path.
fn keep(
    start: &Path,
    named: Option<&Path>,
    split: &SplitView,
    checkpoint: &str,
) -> Result<PathBuf> {
    let bytes = split.to_string().into_bytes();
    if let Some(named) = named {
        let path = start.join(named);
        durable::write_once(&path, &bytes, MODE_FILE)?;
        return Ok(path);
    }
    let origin = checkpoint.lines().next().unwrap_or_default().chars();
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c,
        false => '-',
    };
    let origin: String = origin.map(plain).take(60).collect();
    let [smaller, _] = split.heads();
    let mut failed = Error::failed("every name for the evidence is taken");
    for n in 1..=MAX_NAMES {
        let more = match n {
            1 => String::new(),
            n => format!("-{n}"),
        };
        let path = start.join(format!("split-view-{origin}-{}{more}.txt", smaller.size));
        match durable::write_once(&path, &bytes, MODE_FILE) {
            Ok(()) => return Ok(path),
            Err(e)
                if durable::read_bounded(&path, MAX_SPLIT_VIEW_LEN).is_ok_and(|b| b.is_some()) =>
            {
                failed = e;
            }
            Err(e) => return Err(e),
        }
    }
    Err(failed)
}

/// Whether a text is evidence of a split view, with nothing but the log's key.
fn check_evidence(start: &Path, file: &Path, log: &str) -> Result<Answer> {
    let path = start.join(file);
    let bytes = durable::read_required(&path, MAX_SPLIT_VIEW_LEN)?;
    let key = match VerifierKey::parse(log) {
        Ok(key) => key,
        Err(e) => {
            let bytes = durable::read_bounded(&start.join(log), MAX_VKEY_LEN as u64)?;
            let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
            VerifierKey::parse(&text.ok_or(e)?)?
        }
    };
    let split = SplitView::parse(&bytes)?;
    split
        .check(std::slice::from_ref(&key), key.name())
        .map_err(|e| e.under(format!("{} is no evidence of a split view", path.display())))?;
    let [smaller, larger] = split.heads();
    let head = |h: &crate::log::TreeHead| json!({"size": h.size, "root": h.root});
    let text = format!(
        "{} holds: the log {} signed root {} for {} entries and root {} for {}, and neither goes on from the other\n",
        path.display(),
        text::line(key.name()),
        smaller.root,
        smaller.size,
        larger.root,
        larger.size
    );
    let data = json!({
        "origin": key.name(),
        "smaller": head(smaller),
        "larger": head(larger),
    });
    Ok(Answer::done(data, text))
}

fn answer(
    audit: &Audit,
    store: &str,
    evidence: Option<(String, String)>,
    said: Vec<String>,
) -> Answer {
    let problems = audit.report.problems().count();
    let mut out = words::history(audit);
    out.push_str(&words::findings(audit, &said));
    if let Some((file, text)) = &evidence {
        match file.is_empty() {
            true => out.push_str(&format!("evidence of the split view:\n{text}")),
            false => out.push_str(&format!(
                "evidence of the split view: {}\n",
                text::line(file)
            )),
        }
    }
    let data = json!({
        "store": store,
        "history": audit.history,
        "history_left_out": audit.entries - audit.history.len() as u64,
        "entries": audit.entries,
        "since": audit.since,
        "report": audit.report,
        "notes": audit.notes,
        "as_of": audit.as_of,
        "compared": audit.compared,
        "evidence": evidence.map(|(file, text)| json!({"file": file, "text": text})),
        "checkpoint": audit.checkpoint,
        "problems": problems,
    });
    let which = match &audit.as_of {
        Some(as_of) => format!("{store} as of {}", time::format(as_of.time)),
        None => store.to_owned(),
    };
    let which = text::line(&which);
    if audit.report.is_ok() {
        out.push_str(&format!("the history of {which} is whole\n"));
        return Answer::done(data, out);
    }
    out.push_str(&format!(
        "the history of {which} is NOT whole: {}\n",
        crate::ui::report::problem_count(problems)
    ));
    Answer::findings(Kind::Refused, data, out)
}
