//! `relman node init`, `check`, `release` and `units`: a node's configuration and its units; `node_daemon` has the others.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{
    Cli, DoctorArgs, NodeArgs, NodeCheckArgs, NodeCommand, NodeGroupArgs, NodeInitArgs,
    NodeReleaseArgs, NodeUnitsArgs,
};
use super::node::{How, read, with_node};
use super::node_daemon;
use super::project::start_dir;
use crate::io::{doctor, durable, process, service_systemd};
use crate::node::check::Finding;
use crate::node::config::{Control, NodeConfig};
use crate::node::template::{NewNode, node_toml};
use crate::node::units::{UnitFile, recover_units};
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// `relman node …`.
pub fn run(cli: &Cli, args: &NodeGroupArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.command {
        NodeCommand::Init(args) => init(cli, args),
        NodeCommand::Check(args) => check(cli, args, progress),
        NodeCommand::Release(args) => release(cli, args, progress),
        NodeCommand::Units(args) => units(cli, args),
        NodeCommand::Stop(args) => node_daemon::stop(cli, args, progress),
        NodeCommand::Start(args) => node_daemon::start(cli, args, progress),
        NodeCommand::Chain(args) => node_daemon::chain(cli, args, progress),
        NodeCommand::Signals(args) => node_daemon::signals(cli, args, progress),
        NodeCommand::Journal(args) => node_daemon::journal(cli, args),
    }
}

fn file(cli: &Cli, args: &NodeArgs) -> Result<PathBuf> {
    Ok(start_dir(cli)?.join(&args.config))
}

fn init(cli: &Cli, args: &NodeInitArgs) -> Result<Answer> {
    let path = file(cli, &args.node)?;
    let unit = args
        .unit
        .clone()
        .unwrap_or_else(|| format!("{}.service", args.binary));
    // A host without systemd has no unit, and that is no error.
    let (known, facts) = service_systemd::facts(&unit).unwrap_or_default();
    if args.unit.is_some() && !known {
        return Err(Error::failed(format!("{unit} does not exist on this host"))
            .hint("systemctl list-unit-files --type=service"));
    }
    let started = facts.programs.first().map(PathBuf::from);
    let binary = args
        .path
        .clone()
        .or(started.filter(|p| p.file_name().is_some_and(|n| n == args.binary.as_str())))
        .unwrap_or_else(|| Path::new("/usr/local/bin").join(&args.binary));
    let start = start_dir(cli)?;
    let absolute = |path: &Path| start.join(path).to_string_lossy().into_owned();
    let store = match args.store.contains("://") {
        true => args.store.clone(),
        false => absolute(Path::new(&args.store)),
    };
    let plain = unit.trim_end_matches(".service");
    let name = plain
        .split_once('@')
        .map_or(plain, |(_, instance)| instance);
    let node = NewNode {
        name: args.name.clone().unwrap_or_else(|| name.to_owned()),
        environment: args.environment.clone(),
        store,
        root: absolute(&args.root),
        binary: args.binary.clone(),
        path: absolute(&binary),
        unit: known.then_some(unit),
    };
    let toml = node_toml(&node);
    let config = NodeConfig::parse(&toml, durable::parent(&path))?;
    let data = json!({
        "file": path, "node": config.name, "unit": node.unit, "path": node.path, "text": toml,
    });
    if args.dry_run {
        return Ok(Answer::named("planned", data, toml));
    }
    durable::create_dir_all(durable::parent(&path))?;
    durable::write_once(&path, toml.as_bytes(), durable::MODE_FILE)?;
    let mut out = format!("wrote {}\n", text::line(&path.display().to_string()));
    match &node.unit {
        Some(unit) => out.push_str(&format!("  unit {unit} starts {}\n", node.path)),
        None => out.push_str("  no unit of that name was found: look at [service]\n"),
    }
    out.push_str(&format!(
        "next: relman node check --config {}\n",
        path.display()
    ));
    Ok(Answer::done(data, out))
}

fn check(cli: &Cli, args: &NodeCheckArgs, progress: &mut Progress) -> Result<Answer> {
    let path = file(cli, &args.node)?;
    let config = read(cli, &args.node)?;
    let found = with_node(&config, How::looking(), progress, |node| node.check(&path))?;
    Ok(findings(
        &config,
        &found,
        "the configuration fits this host",
    ))
}

/// `relman doctor`.
pub fn doctor(cli: &Cli, args: &DoctorArgs, progress: &mut Progress) -> Result<Answer> {
    let path = file(cli, &args.node)?;
    let config = read(cli, &args.node)?;
    let found = with_node(&config, How::looking(), progress, |node| {
        node.doctor(&path, &doctor::Host)
    })?;
    Ok(findings(&config, &found, "nothing was found"))
}

fn findings(config: &NodeConfig, found: &[Finding], none: &str) -> Answer {
    let data = json!({ "node": config.name, "findings": found });
    if found.is_empty() {
        return Answer::done(data, format!("{}: {none}\n", config.name));
    }
    let mut out = String::new();
    for finding in found {
        out.push_str(&format!(
            "{}: {}\n",
            finding.subject,
            text::line(&finding.problem)
        ));
        if let Some(hint) = &finding.hint {
            out.push_str(&format!("  hint: {}\n", text::line(hint)));
        }
    }
    Answer::findings(Kind::Failed, data, out)
}

fn release(cli: &Cli, args: &NodeReleaseArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let how = How {
        dry_run: args.dry_run,
        ..How::default()
    };
    let done = with_node(&config, how, progress, |node| node.unadopt(args.dry_run))?;
    let data = json!({ "node": config.name, "version": done.version, "paths": done.paths });
    let (outcome, verb) = match args.dry_run {
        true => ("planned", "would become"),
        false => ("done", "is"),
    };
    let mut out = String::new();
    for path in &done.paths {
        out.push_str(&format!("{path} {verb} a file of {}\n", done.version));
    }
    if !args.dry_run {
        out.push_str(&format!(
            "{} is its own again; what was kept is in {}\n",
            config.name,
            config.state.display()
        ));
    }
    Ok(Answer::named(outcome, data, out))
}

fn units(cli: &Cli, args: &NodeUnitsArgs) -> Result<Answer> {
    let path = file(cli, &args.node)?;
    let config = read(cli, &args.node)?;
    let unit = match config.service.as_ref().map(|s| &s.control) {
        Some(Control::Systemd { unit }) => unit,
        _ => {
            return Err(Error::usage(format!(
                "{} has no systemd unit in node.toml, so nothing can wait for recovery",
                config.name
            ))
            .hint("run relman recover before the daemon is started"));
        }
    };
    let relman = process::current_exe()?;
    let files = recover_units(&config.name, unit, &relman, &path, &config.state);
    let shown: Vec<_> = files.iter().map(|f| args.dir.join(&f.path)).collect();
    let mut out = String::new();
    if args.write {
        for (UnitFile { text, .. }, path) in files.iter().zip(&shown) {
            durable::create_dir_all(durable::parent(path))?;
            durable::write_atomic(path, text.as_bytes(), durable::MODE_FILE)?;
            out.push_str(&format!("wrote {}\n", path.display()));
        }
        service_systemd::reload()?;
        out.push_str(&format!(
            "{unit} waits for recovery from its next start on\n"
        ));
    } else {
        for (UnitFile { text, .. }, path) in files.iter().zip(&shown) {
            out.push_str(&format!("# {}\n{text}\n", path.display()));
        }
    }
    let listed: Vec<_> = files
        .iter()
        .zip(&shown)
        .map(|(file, path)| json!({ "path": path, "text": file.text }))
        .collect();
    let outcome = if args.write { "done" } else { "planned" };
    Ok(Answer::named(
        outcome,
        json!({ "node": config.name, "unit": unit, "files": listed }),
        out,
    ))
}
