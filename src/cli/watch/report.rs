//! What becomes of a report about a release: written beside the project, signed as a result, entered in the log.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::attest::Envelope;
use crate::cli::approve;
use crate::cli::args::{Cli, ReportArgs, StoreArgs};
use crate::cli::desk::Desk;
use crate::cli::project::{Project, start_dir, store_and_root};
use crate::io::drafts::LocalDrafts;
use crate::io::{clock, durable};
use crate::keys::Signer;
use crate::release::draft::Drafts;
use crate::release::gate;
use crate::release::publish::Keys;
use crate::release::state;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::watch::report::Report;
use crate::{Error, Kind, Result};

/// Whoever signs, and the commit that the release is of: found before hours of looking, and not after them.
pub(super) struct Signing {
    key: Box<dyn Signer>,
    commit: String,
}

impl Signing {
    /// The gate's key and the release; none where nothing is to be signed.
    ///
    /// # Errors
    /// Refused: no key at hand counts for gates. Failed: there is no such release.
    pub(super) fn find(
        cli: &Cli,
        project: &Project,
        tag: &str,
        args: &ReportArgs,
    ) -> Result<Option<Signing>> {
        if args.no_sign {
            return Ok(None);
        }
        let (store, root) = store_and_root(cli, &StoreArgs::default())?;
        let (fetch, cache, now) = (StoreMetadata(store.as_ref()), Memory::new(), clock::now());
        let view = View::open(store.as_ref(), &fetch, &cache, &root, now)?;
        let commit = match state::find(view.refreshed.targets(), tag) {
            Ok(released) => released.commit,
            Err(e) => {
                let drafts = LocalDrafts::new(project.work_dir().join("drafts"));
                drafts.load(tag)?.ok_or(e)?.commit
            }
        };
        let accepted = view.policy.accepted(&Purpose::Gate, now);
        let key = project.keyring()?.one_of("gate", &accepted)?;
        view.policy
            .check_signer(&Purpose::Gate, &key.public(), now)?;
        Ok(Some(Signing { key, commit }))
    }
}

/// Where a report and what leads to it are kept.
pub(super) fn place(project: &Project) -> PathBuf {
    project.work_dir().join("watch")
}

/// Writes the report, signs it, and enters the result in the log.
///
/// # Errors
/// I/O; a store that cannot be written. The report is there all the same, and the command may be run again.
pub(super) fn finish(
    cli: &Cli,
    args: &ReportArgs,
    project: &Project,
    signing: Option<&Signing>,
    report: &Report,
    progress: &mut Progress,
) -> Result<Answer> {
    let dir = place(project);
    durable::create_dir_all(&dir)?;
    let named = |extension: &str| dir.join(format!("{}-{}.{extension}", report.gate(), report.tag));
    let (document, page) = (named("report.json"), named("report.md"));
    durable::write_atomic(&document, &report.json()?, durable::MODE_FILE)?;
    durable::write_atomic(&page, report.markdown().as_bytes(), durable::MODE_FILE)?;
    let mut data = data(report)?;
    data["files"] = json!([shown(&document), shown(&page)]);
    let mut said = lines(report);
    for path in [&document, &page] {
        said.push_str(&format!("report  {}\n", text::line(&shown(path))));
    }
    let state = match signing {
        None => "written",
        Some(signing) => {
            let result = report.result(&signing.commit, clock::now())?;
            let envelope = Envelope::sign(&gate::statement(&result)?, signing.key.as_ref())?;
            match &args.out {
                Some(out) => {
                    let path = start_dir(cli)?.join(out);
                    let mut line = envelope.to_line()?;
                    line.push(b'\n');
                    durable::write_atomic(&path, &line, durable::MODE_FILE)?;
                    data["signed"] = json!(shown(&path));
                    said.push_str(&format!(
                        "signed  {}\nnext: at the project: relman import {}\n",
                        text::line(&shown(&path)),
                        text::line(&out.to_string_lossy())
                    ));
                    "signed"
                }
                None => {
                    let desk = Desk::open(cli, progress)?;
                    let (words, state) = approve::take_in(&desk, std::slice::from_ref(&envelope))?;
                    said.push_str(&format!("signed as {}: {words}", report.gate()));
                    state
                }
            }
        }
    };
    data["state"] = json!(state);
    Ok(match report.passed {
        true => Answer::done(data, said),
        false => Answer::findings(Kind::Failed, data, said),
    })
}

/// The report as data.
pub(super) fn data(report: &Report) -> Result<Value> {
    let mut data = serde_json::to_value(report)
        .map_err(|e| Error::bug("a report has no JSON").caused_by(e))?;
    data["gate"] = json!(report.gate());
    data["signed"] = Value::Null;
    Ok(data)
}

/// The report for people.
pub(super) fn lines(report: &Report) -> String {
    let lines = report.lines();
    lines.iter().map(|l| text::whole_line(l) + "\n").collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
