//! `relman install`, `rollback` and `status`: one daemon on this host.

use std::path::PathBuf;

use serde_json::json;

use super::args::{Cli, InstallArgs, NodeArgs, RollbackArgs};
use super::project::start_dir;
use crate::io::durable;
use crate::io::node_fs::NodeFs;
use crate::io::node_releases::NodeReleases;
use crate::io::service;
use crate::limits::MAX_CONFIG_LEN;
use crate::node::Node;
use crate::node::activate::{ChangeOutcome, ChangeReport};
use crate::node::config::NodeConfig;
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// `relman install`.
pub fn install(cli: &Cli, args: &InstallArgs, progress: &mut Progress) -> Result<Answer> {
    // A name that no release can have is refused before anything of the node is touched.
    let named = args.tag.as_deref().map(Tag::parse_any).transpose()?;
    let config = read(cli, &args.node)?;
    let tag = match named {
        Some(tag) => tag,
        None => Tag::parse_any(&NodeReleases::new(&config, true)?.agreed()?)?,
    };
    let report = with_node(&config, args.dry_run, progress, |node| {
        node.install(tag.as_str(), args.dry_run)
    })?;
    Ok(changed(&config, &report))
}

/// `relman rollback`.
pub fn rollback(cli: &Cli, args: &RollbackArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let report = with_node(&config, args.dry_run, progress, |node| {
        node.rollback(args.to.as_deref(), args.dry_run)
    })?;
    Ok(changed(&config, &report))
}

/// `relman status`.
pub fn status(cli: &Cli, args: &NodeArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, args)?;
    let status = with_node(&config, true, progress, |node| node.status())?;
    let mut out = String::new();
    for line in status.lines() {
        out.push_str(&text::line(&line));
        out.push('\n');
    }
    let data = json!(status);
    Ok(match status.problems.is_empty() {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Failed, data, out),
    })
}

pub(super) fn read(cli: &Cli, args: &NodeArgs) -> Result<NodeConfig> {
    let path: PathBuf = start_dir(cli)?.join(&args.config);
    let bytes = durable::read_bounded(&path, MAX_CONFIG_LEN)?.ok_or_else(|| {
        Error::failed(format!(
            "there is no node configuration at {}",
            path.display()
        ))
        .hint("name it: --config node.toml")
    })?;
    let config = String::from_utf8(bytes)
        .map_err(|e| Error::usage("node configuration is not UTF-8").caused_by(e))?;
    let dir = durable::resolve(durable::parent(&path));
    NodeConfig::parse(&config, &dir).map_err(|e| e.under(path.display().to_string()))
}

pub(super) fn with_node<T>(
    config: &NodeConfig,
    dry_run: bool,
    progress: &mut Progress,
    work: impl FnOnce(&Node) -> Result<T>,
) -> Result<T> {
    let host = NodeFs::new(config);
    let service = service::from_config(config);
    let releases = NodeReleases::new(config, dry_run)?;
    let progress = std::cell::RefCell::new(progress);
    let node = Node {
        config,
        host: &host,
        service: service.as_deref(),
        releases: &releases,
        say: &|stage| progress.borrow_mut().stage(stage),
    };
    work(&node)
}

fn changed(config: &NodeConfig, report: &ChangeReport) -> Answer {
    let mut out = String::new();
    if let Some(recovered) = &report.recovered {
        out.push_str(&format!("{}\n", text::line(&recovered.line())));
    }
    let (outcome, line) = match report.outcome {
        ChangeOutcome::Planned => ("planned", "nothing was changed".to_owned()),
        ChangeOutcome::Already => (
            "unchanged",
            format!("{} is already installed on {}", report.tag, config.name),
        ),
        ChangeOutcome::Done => ("done", format!("{} runs on {}", report.tag, config.name)),
    };
    if report.outcome == ChangeOutcome::Planned
        && let Some(plan) = &report.plan
    {
        for line in plan.lines() {
            out.push_str(&format!("  {}\n", text::line(&line)));
        }
    }
    if let Some(health) = &report.health {
        out.push_str(&format!("  {}\n", text::line(&health.checked)));
    }
    for version in &report.removed {
        out.push_str(&format!("  removed old version {version}\n"));
    }
    for warning in &report.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    out.push_str(&line);
    out.push('\n');
    let mut data = json!(report);
    data["node"] = config.name.clone().into();
    Answer::named(outcome, data, out)
}
