//! `relman install`, `rollback` and `status`: one daemon on this host.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::args::{Cli, InstallArgs, NodeArgs, RecoverArgs, RollbackArgs, StatusArgs};
use super::project::start_dir;
use crate::io::backup::BackupFs;
use crate::io::node_fs::NodeFs;
use crate::io::node_receipts::NodeReceipts;
use crate::io::node_releases::NodeReleases;
use crate::io::service;
use crate::io::store_bundle::BundleStore;
use crate::io::{clock, durable};
use crate::limits::MAX_CONFIG_LEN;
use crate::node::Node;
use crate::node::activate::{ChangeOutcome, ChangeReport, Options};
use crate::node::config::NodeConfig;
use crate::node::receipt::Receipts;
use crate::node::recover::BeforeStart;
use crate::node::status::Status;
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::release::verify::LOCAL;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// `relman install`.
pub fn install(cli: &Cli, args: &InstallArgs, progress: &mut Progress) -> Result<Answer> {
    // A name that no release can have is refused before anything of the node is touched.
    let named = args.tag.as_deref().map(Tag::parse_any).transpose()?;
    let config = read(cli, &args.node)?;
    let bundle = match &args.bundle {
        Some(path) => Some(BundleStore::open(&start_dir(cli)?.join(path))?),
        None => None,
    };
    let of_bundle = bundle.as_ref().map(|bundle| bundle.index().tag.clone());
    let releases = match bundle {
        Some(bundle) => NodeReleases::from_bundle(&config, bundle, args.dry_run)?,
        None => NodeReleases::new(&config, args.dry_run)?,
    };
    let tag = match (named, of_bundle) {
        (Some(tag), _) => tag,
        (None, Some(tag)) if config.environment == LOCAL => Tag::parse_any(&tag)?,
        (None, Some(_)) => Tag::parse_any(&releases.agreed()?)?,
        (None, None) => Tag::parse_any(&NodeReleases::new(&config, true)?.agreed()?)?,
    };
    let options = Options {
        dry_run: args.dry_run,
        force: args.force,
        start: args.start,
        ..Options::default()
    };
    let how = How {
        dry_run: args.dry_run,
        ..How::default()
    };
    let report = with_releases(&config, how, &releases, progress, |node| {
        if args.tag.is_none() {
            node.refuse_return(tag.as_str())?;
        }
        node.install(tag.as_str(), &options)
    })?;
    Ok(changed(&config, &report))
}

/// `relman rollback`.
pub fn rollback(cli: &Cli, args: &RollbackArgs, progress: &mut Progress) -> Result<Answer> {
    let mut config = read(cli, &args.node)?;
    if args.emergency {
        config.health.stable = Duration::ZERO;
    }
    let options = Options {
        dry_run: args.dry_run,
        start: args.start,
        with_data: args.with_data,
        // Whatever state the daemon is in now is why somebody goes back.
        force: true,
    };
    let how = How {
        dry_run: args.dry_run,
        at_once: args.emergency,
        ..How::default()
    };
    let report = with_node_alone(&config, how, progress, |node| {
        node.rollback(args.to.as_deref(), &options)
    })?;
    Ok(changed(&config, &report))
}

/// `relman recover`.
pub fn recover(cli: &Cli, args: &RecoverArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let how = How {
        booting: args.boot,
        ..How::default()
    };
    let found = with_node_alone(&config, how, progress, |node| match args.boot {
        true => node.recover_before_start(),
        false => node.recover().map(BeforeStart::Recovered),
    })?;
    Ok(match found {
        BeforeStart::UnderWay(held) => Answer::named(
            "unchanged",
            json!({ "node": config.name, "underWay": held }),
            format!("nothing was done: {held}\n", held = text::line(&held)),
        ),
        BeforeStart::Recovered(recovery) if recovery.is_none() => Answer::named(
            "unchanged",
            json!({ "node": config.name, "recovered": null }),
            format!("nothing was unfinished on {}\n", config.name),
        ),
        BeforeStart::Recovered(recovery) => {
            let data = json!({ "node": config.name, "recovered": recovery });
            let lines = recovery.lines();
            let out: String = lines.iter().map(|l| text::line(l) + "\n").collect();
            match recovery.problem() {
                None => Answer::done(data, out),
                Some(_) => Answer::findings(Kind::Failed, data, out),
            }
        }
    })
}

/// `relman status`.
pub fn status(cli: &Cli, args: &StatusArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let status = with_node(&config, How::looking(), progress, |node| node.status())?;
    if args.prometheus {
        return prometheus(cli, args, &status);
    }
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

/// Problems are in the samples: a collector that fails would lose them.
fn prometheus(cli: &Cli, args: &StatusArgs, status: &Status) -> Result<Answer> {
    let page = status.prometheus(clock::now());
    let data = json!({ "node": status.name, "text": page });
    let Some(out) = &args.out else {
        return Ok(Answer::done(data, page));
    };
    let path = start_dir(cli)?.join(out);
    durable::write_atomic(&path, page.as_bytes(), durable::MODE_FILE)?;
    Ok(Answer::done(data, format!("wrote {}\n", path.display())))
}

/// How a command works on the node.
#[derive(Clone, Copy, Default)]
pub(super) struct How {
    /// Nothing is changed or remembered.
    pub dry_run: bool,
    /// See [`Node::at_once`].
    pub at_once: bool,
    /// See [`Node::booting`].
    pub booting: bool,
}

impl How {
    pub(super) fn looking() -> Self {
        How {
            dry_run: true,
            ..How::default()
        }
    }
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
    how: How,
    progress: &mut Progress,
    work: impl FnOnce(&Node) -> Result<T>,
) -> Result<T> {
    let releases = NodeReleases::new(config, how.dry_run)?;
    with_releases(config, how, &releases, progress, work)
}

/// [`with_node`] for what asks no store.
pub(super) fn with_node_alone<T>(
    config: &NodeConfig,
    how: How,
    progress: &mut Progress,
    work: impl FnOnce(&Node) -> Result<T>,
) -> Result<T> {
    let releases = NodeReleases::without_store(config);
    with_releases(config, how, &releases, progress, work)
}

/// [`with_node`] where releases come from elsewhere than the node's store.
fn with_releases<T>(
    config: &NodeConfig,
    how: How,
    releases: &NodeReleases,
    progress: &mut Progress,
    work: impl FnOnce(&Node) -> Result<T>,
) -> Result<T> {
    let host = NodeFs::new(config);
    let service = service::from_config(config);
    let ledger = NodeReceipts::new(config);
    let progress = std::cell::RefCell::new(progress);
    let count = |done, total| progress.borrow_mut().count(done, total);
    let backups = BackupFs::new(config, &count);
    let node = Node {
        config,
        host: &host,
        service: service.as_deref(),
        backups: &backups,
        releases,
        receipts: Receipts::new(&ledger),
        say: &|stage| progress.borrow_mut().stage(stage),
        at_once: how.at_once,
        booting: how.booting,
    };
    work(&node)
}

pub(super) fn changed(config: &NodeConfig, report: &ChangeReport) -> Answer {
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
