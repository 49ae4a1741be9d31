//! `relman gate`: runs what must hold of a tag before it is released. The store's lease is not taken, since
//! gates may run for days.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Cli, GateArgs, StoreArgs};
use super::project::{Project, store_and_root};
use crate::io::build::ProcessBuilder;
use crate::io::clock;
use crate::io::drawer::LocalDrawer;
use crate::io::gates::GateYard;
use crate::io::git::GitSource;
use crate::io::workshop::Workshop;
use crate::keys::Signer;
use crate::release::config::gate::{CountsFormat, Gate};
use crate::release::gate::{GateResult, Runner, Selection};
use crate::release::publish::Keys;
use crate::release::state;
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// `relman gate`.
pub fn run(cli: &Cli, args: &GateArgs, progress: &mut Progress) -> Result<Answer> {
    let project = Project::find(cli)?;
    let tag = Tag::parse(&args.tag, project.config.tags.pattern)?;
    let selection = Selection {
        only: args.only.clone(),
        fail_fast: args.fail_fast,
    };
    if args.list {
        let source = source(&project)?;
        let gates = Runner::list(&project.config, &source, &tag, &selection, progress)?;
        return Ok(listed(&tag, &gates));
    }
    let (key, is_released) = ready(cli, &project, &tag)?;
    let results = run_gates(
        &project,
        &tag,
        &selection,
        args.clean,
        key.as_ref(),
        progress,
    )?;
    Ok(answer(&project, &tag, is_released, &results))
}

/// `relman cut --gate`: runs every gate of a tag that is not released yet.
///
/// # Errors
/// As for `relman gate`; a gate that fails.
pub fn before_cut(
    cli: &Cli,
    project: &Project,
    tag: &Tag,
    clean: bool,
    progress: &mut Progress,
) -> Result<()> {
    let (key, is_released) = ready(cli, project, tag)?;
    if is_released {
        return Ok(());
    }
    let selection = Selection::default();
    let results = run_gates(project, tag, &selection, clean, key.as_ref(), progress)?;
    let failed: Vec<&GateResult> = results.iter().filter(|r| !r.has_passed()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = failed.iter().map(|result| result.gate.as_str()).collect();
    let error = Error::failed(format!("{tag} is not cut: {} failed", names.join(", ")));
    let causes = failed.iter().flat_map(|result| {
        let problems = result.problems.iter();
        problems.map(|problem| format!("{}: {problem}", result.gate))
    });
    let error = causes.fold(error, Error::caused_by);
    let first = failed.first().map(|result| result.log);
    let log = first.map(|log| GateYard::log_path(&logs(project), &log));
    Err(error.hint(format!("less {}", log.unwrap_or_default().display())))
}

/// The gate key, before hours of work and not after them; and whether the tag is released already.
fn ready(cli: &Cli, project: &Project, tag: &Tag) -> Result<(Box<dyn Signer>, bool)> {
    let (store, root) = store_and_root(cli, &StoreArgs::default())?;
    let (fetch, cache, now) = (StoreMetadata(store.as_ref()), Memory::new(), clock::now());
    let view = View::open(store.as_ref(), &fetch, &cache, &root, now)?;
    let accepted = view.policy.accepted(&Purpose::Gate, now);
    let key = project.keyring()?.one_of("gate", &accepted)?;
    view.policy
        .check_signer(&Purpose::Gate, &key.public(), now)?;
    let released = state::released(view.refreshed.targets()).0;
    Ok((key, released.iter().any(|r| r.tag == tag.as_str())))
}

fn run_gates(
    project: &Project,
    tag: &Tag,
    selection: &Selection,
    clean: bool,
    key: &dyn Signer,
    progress: &mut Progress,
) -> Result<Vec<GateResult>> {
    let source = source(project)?;
    let workshop = Workshop::open_for_gates(None, &project.config.project, clean)?;
    let places = workshop.places();
    Runner {
        config: &project.config,
        source: &source,
        build: &ProcessBuilder::from_env(),
        machine: &GateYard::new(places.clone(), logs(project)),
        places: &places,
        key,
        drawer: &LocalDrawer::new(project.work_dir().join("attestations")),
        now: &clock::now,
    }
    .run(tag, selection, progress)
}

fn source(project: &Project) -> Result<GitSource> {
    let source = GitSource::open(&project.dir)?;
    Ok(source.with_public_url(project.config.release.repository.clone()))
}

fn logs(project: &Project) -> std::path::PathBuf {
    project.work_dir().join("logs")
}

fn answer(project: &Project, tag: &Tag, is_released: bool, results: &[GateResult]) -> Answer {
    let logs = logs(project);
    let drawer = LocalDrawer::new(project.work_dir().join("attestations"));
    let drawer = drawer.path_of(tag.as_str());
    let failed = results.iter().filter(|r| !r.has_passed()).count();
    let gates: Vec<Value> = results.iter().map(|r| as_json(r, &logs)).collect();
    let data = json!({ "release": tag.as_str(), "gates": gates, "results": drawer });
    let rows: Vec<Vec<String>> = results.iter().map(row).collect();
    let mut said = text::table(&rows);
    for result in results {
        for problem in &result.problems {
            said.push_str(&format!("  {}: {}\n", result.gate, text::line(problem)));
        }
    }
    said.push_str(&format!(
        "results {}\nlogs    {}\n",
        drawer.display(),
        logs.display()
    ));
    if failed == 0 {
        let next = match is_released {
            true => "publish",
            false => "cut",
        };
        said.push_str(&format!("next: relman {next} {tag}\n"));
        return Answer::done(data, said);
    }
    said.push_str(&format!("{failed} of {} gates failed\n", results.len()));
    Answer::findings(Kind::Failed, data, said)
}

/// Name, outcome, what was counted, time, log.
fn row(result: &GateResult) -> Vec<String> {
    let mut counted = Vec::new();
    if let Some(counts) = result.counts {
        counted.push(format!("{} passed", counts.passed));
        let others = [(counts.failed, "failed"), (counts.ignored, "ignored")];
        let others = others.iter().filter(|(number, _)| *number > 0);
        counted.extend(others.map(|(number, word)| format!("{number} {word}")));
    }
    counted.extend(result.coverage.map(|coverage| coverage.to_string()));
    counted.extend(result.number.map(|number| number.to_string()));
    let outcome = if result.has_passed() { "ok" } else { "FAILED" };
    let seconds = format!(
        "{}.{} s",
        result.duration_ms / 1_000,
        result.duration_ms / 100 % 10
    );
    let log = result.log.hex();
    vec![
        outcome.into(),
        result.gate.clone(),
        counted.join(", "),
        seconds,
        format!("log {}", log.get(..8).unwrap_or_default()),
    ]
}

fn as_json(result: &GateResult, logs: &Path) -> Value {
    json!({
        "name": result.gate,
        "outcome": if result.has_passed() { "passed" } else { "failed" },
        "problems": result.problems,
        "exit_status": result.exit_status,
        "counts": result.counts,
        "coverage": result.coverage,
        "number": result.number,
        "duration_ms": result.duration_ms,
        "log": GateYard::log_path(logs, &result.log),
        "log_sha256": result.log,
    })
}

fn listed(tag: &Tag, gates: &[Gate]) -> Answer {
    let rows: Vec<Vec<String>> = gates
        .iter()
        .map(|gate| {
            let command = match gate.command.is_empty() {
                true => "(no command)".to_owned(),
                false => text::line(&gate.command.join(" ")),
            };
            let minutes = format!("{} min", gate.timeout_minutes);
            vec![
                gate.name.clone(),
                minutes,
                command,
                demands(gate).join("; "),
            ]
        })
        .collect();
    let data: Vec<Value> = gates
        .iter()
        .map(|gate| {
            json!({ "name": gate.name, "command": gate.command,
                "timeout_minutes": gate.timeout_minutes, "demands": demands(gate) })
        })
        .collect();
    let data = json!({ "release": tag.as_str(), "gates": data });
    Answer::named("planned", data, text::table(&rows))
}

/// What a gate asks besides that its command succeeds.
fn demands(gate: &Gate) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(format) = gate.counts {
        let format = match format {
            CountsFormat::CargoTest => "cargo test",
            CountsFormat::LibtestJson => "libtest's JSON",
            CountsFormat::Junit => "JUnit",
        };
        let least = gate.min_tests.unwrap_or(1);
        out.push(format!("at least {least} tests, by {format}, none failed"));
        out.push(match gate.allow_ignored.is_empty() {
            true => "none ignored".to_owned(),
            false => format!("none ignored but {}", gate.allow_ignored.join(", ")),
        });
    }
    if gate.no_warnings {
        out.push("no warnings".into());
    }
    if let Some(c) = &gate.coverage {
        let paths = c.paths.join(", ");
        out.push(format!("{} % of the lines of {paths}", c.min_percent));
    }
    if let Some(number) = &gate.number {
        let bounds = [("at least", number.at_least), ("at most", number.at_most)];
        for (word, bound) in bounds {
            let bound = bound.map(|bound| format!("{word} {bound} {}", number.unit));
            out.extend(bound.map(|text| text.trim_end().to_owned()));
        }
    }
    if gate.forbid_new.is_some() {
        out.push("no new unfinished code".into());
    }
    for (word, files) in [
        ("there", &gate.required_files),
        ("changed", &gate.changed_files),
    ] {
        if !files.is_empty() {
            out.push(format!("{word}: {}", files.join(", ")));
        }
    }
    out.iter().map(|demand| text::line(demand)).collect()
}
