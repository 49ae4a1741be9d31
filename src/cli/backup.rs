//! `relman backup`: a node's backups.

use serde_json::json;

use super::args::{BackupArgs, BackupCommand, BackupCreateArgs, BackupRestoreArgs, Cli};
use super::node::{How, changed, read, with_node};
use crate::node::Node;
use crate::node::backup::host::Listed;
use crate::node::backup::plan::way_name;
use crate::node::backup::{
    BackupChecked, BackupRecovered, CreateReport, CreateWanted, Manifest, Part, Pruned,
    RestoreReport, RestoreWanted,
};
use crate::node::config::NodeConfig;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// `relman backup`.
pub fn run(cli: &Cli, args: &BackupArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, args.node())?;
    match &args.command {
        BackupCommand::Create(args) => create(&config, args, progress),
        BackupCommand::List(_) => list(&config, progress),
        BackupCommand::Verify(args) => verify(&config, args.id.as_deref(), progress),
        BackupCommand::Restore(args) => restore(&config, args, progress),
        BackupCommand::Prune(args) => {
            let keep = args.keep.map(usize::from);
            let pruned = with_node(&config, How::looking(), progress, |node| {
                node.prune_backups_and_aside(keep)
            })?;
            Ok(pruned_answer(&pruned))
        }
    }
}

fn create(config: &NodeConfig, args: &BackupCreateArgs, progress: &mut Progress) -> Result<Answer> {
    if !config.backup.configured {
        return Err(Error::usage(
            "node.toml says nothing of backups: neither configuration, [data] nor [backup]",
        )
        .hint("see docs/backups.md, or set [data] dir in node.toml"));
    }
    let wanted = CreateWanted {
        stop: args.stop,
        hot: args.hot,
        reason: args.reason.clone(),
        dry_run: args.dry_run,
    };
    let report = with_node(config, How::looking(), progress, |node| {
        node.create_backup(&wanted)
    })?;
    Ok(created(&report))
}

fn created(report: &CreateReport) -> Answer {
    let mut out = recovered(report.recovered.as_ref());
    for warning in &report.plan.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    let data = json!(report);
    let (Some(id), Some(manifest)) = (&report.id, &report.manifest) else {
        for line in report.plan.lines() {
            out.push_str(&format!("  {}\n", text::line(&line)));
        }
        out.push_str("nothing was changed\n");
        return Answer::named("planned", data, out);
    };
    for note in &manifest.skipped {
        out.push_str(&format!("left out: {}\n", text::line(note)));
    }
    for note in &manifest.unsteady {
        let note = text::line(note);
        out.push_str(&format!("warning: changed while it was read: {note}\n"));
    }
    out.push_str(&format!("backup {id} is made: {}\n", holds(manifest)));
    Answer::done(data, out)
}

/// What a backup holds, in a few words.
fn holds(manifest: &Manifest) -> String {
    let parts: Vec<&str> = [Part::Binary, Part::Configuration, Part::Data]
        .into_iter()
        .filter(|part| manifest.roots_of(*part).next().is_some())
        .map(Part::name)
        .collect();
    let ways: Vec<String> = manifest
        .ways
        .iter()
        .map(|(way, amount)| format!("{} {}", amount.files, way_name(*way)))
        .collect();
    format!(
        "{}; {} file(s), {} bytes ({})",
        parts.join(", "),
        manifest.total.files,
        manifest.total.bytes,
        ways.join(", ")
    )
}

fn recovered(what: Option<&BackupRecovered>) -> String {
    what.map_or(String::new(), |r| format!("{}\n", text::line(&r.line())))
}

fn list(config: &NodeConfig, progress: &mut Progress) -> Result<Answer> {
    let all = with_node(config, How::looking(), progress, |node| node.backups())?;
    let mut out = String::new();
    for Listed { id, manifest } in &all {
        match manifest {
            Ok(manifest) => {
                let of = manifest.about.previous.as_deref().unwrap_or("no version");
                let line = format!("{id}  {of}  {}  {}", holds(manifest), manifest.about.reason);
                out.push_str(&text::line(&line));
            }
            Err(error) => out.push_str(&text::line(&format!("{id}  broken: {error}"))),
        }
        out.push('\n');
    }
    if all.is_empty() {
        out.push_str("there are no backups\n");
    }
    let entry = |l: &Listed| match &l.manifest {
        Ok(manifest) => json!({ "id": l.id, "manifest": manifest, "problem": null }),
        Err(error) => json!({ "id": l.id, "manifest": null, "problem": error.to_string() }),
    };
    let backups: Vec<_> = all.iter().map(entry).collect();
    Ok(Answer::done(json!({ "backups": backups }), out))
}

fn verify(config: &NodeConfig, id: Option<&str>, progress: &mut Progress) -> Result<Answer> {
    let checked = with_node(config, How::looking(), progress, |node| {
        let ids = match id {
            Some(id) => vec![node.backup_named(id)?],
            None => node.backups()?.into_iter().map(|l| l.id).collect(),
        };
        ids.iter()
            .map(|id| node.verify_backup(id))
            .collect::<Result<Vec<BackupChecked>>>()
    })?;
    let mut out = String::new();
    for backup in &checked {
        for problem in &backup.problems {
            out.push_str(&format!("problem: {}\n", text::line(problem)));
        }
        let how = match backup.problems.len() {
            0 => "is whole".to_owned(),
            n => format!("has {n} problem(s)"),
        };
        out.push_str(&format!(
            "backup {} {how}: {} file(s), {} bytes were read\n",
            backup.id, backup.files, backup.bytes
        ));
    }
    if checked.is_empty() {
        out.push_str("there are no backups\n");
    }
    let whole = checked.iter().all(|b| b.problems.is_empty());
    let data = json!({ "backups": checked });
    Ok(match whole {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Failed, data, out),
    })
}

fn restore(
    config: &NodeConfig,
    args: &BackupRestoreArgs,
    progress: &mut Progress,
) -> Result<Answer> {
    if args.binary {
        let report = with_node(config, How::looking(), progress, |node| {
            let id = node.backup_named(&args.id)?;
            node.restore_binary(&id, args.dry_run)
        })?;
        return Ok(match report {
            Some(report) => changed(config, &report),
            None => Answer::named(
                "unchanged",
                json!({ "node": config.name }),
                "that version is current already\n",
            ),
        });
    }
    let report = with_node(config, How::looking(), progress, |node| {
        let id = node.backup_named(&args.id)?;
        let wanted = wanted(node, &id, args)?;
        node.restore_backup(&id, wanted)
    })?;
    Ok(restored(&report))
}

/// Without a part, those that the backup holds.
fn wanted(
    node: &Node,
    id: &crate::node::backup::BackupId,
    args: &BackupRestoreArgs,
) -> Result<RestoreWanted> {
    let held = node.backups()?.into_iter().find(|l| l.id == *id);
    let held = held.map(|l| l.manifest).transpose()?;
    let all = !args.data && !args.configuration;
    let holds = |part| {
        held.as_ref()
            .is_some_and(|m| m.roots_of(part).next().is_some())
    };
    let wanted = RestoreWanted {
        data: args.data || (all && holds(Part::Data)),
        configuration: args.configuration || (all && holds(Part::Configuration)),
        stop: args.stop,
        stopped: args.stopped,
        dry_run: args.dry_run,
    };
    if !wanted.data && !wanted.configuration {
        return Err(
            Error::failed(format!("backup {id} holds neither data nor configuration"))
                .hint(format!("relman backup restore {id} --binary")),
        );
    }
    Ok(wanted)
}

fn restored(report: &RestoreReport) -> Answer {
    let mut out = recovered(report.recovered.as_ref());
    for line in report.plan.lines() {
        out.push_str(&format!("  {}\n", text::line(&line)));
    }
    for warning in &report.plan.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    let data = json!(report);
    if !report.done {
        out.push_str("nothing was changed\n");
        return Answer::named("planned", data, out);
    }
    out.push_str(&format!("backup {} is restored\n", report.plan.id));
    Answer::done(data, out)
}

fn pruned_answer(pruned: &Pruned) -> Answer {
    let mut out = recovered(pruned.recovered.as_ref());
    for id in &pruned.removed {
        out.push_str(&format!("removed backup {id}\n"));
    }
    for path in &pruned.aside {
        out.push_str(&format!("removed {}\n", text::line(path)));
    }
    let data = json!(pruned);
    if pruned.removed.is_empty() && pruned.aside.is_empty() {
        out.push_str("nothing was to be removed\n");
        return Answer::named("unchanged", data, out);
    }
    Answer::done(data, out)
}
