//! `relman fleet readiness`: which weight runs which release, verified.

use serde_json::json;

use super::read;
use crate::cli::args::{Cli, FleetReadinessArgs};
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Request, ask_each};
use crate::fleet::look::NodeLook;
use crate::fleet::readiness::Readiness;
use crate::io::fleet_ssh::SshHosts;
use crate::release::cut::Events;
use crate::ui::{Answer, Progress, text};
use crate::{Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetReadinessArgs, progress: &mut Progress) -> Result<Answer> {
    let (_, config) = read(cli, &args.fleet)?;
    config.environment(&args.env)?;
    let nodes = config.nodes_of(&args.env);
    let hosts = SshHosts::new(&config, None)?;
    progress.stage(&format!("ask {} node(s)", nodes.len()));
    let mut looks = ask_each(&hosts, &nodes, &Request::Status, NodeLook::of);
    let answers: Vec<(&NodeEntry, Result<NodeLook, String>)> = nodes
        .iter()
        .map(|node| {
            let look = looks.remove(&node.name);
            (*node, look.unwrap_or_else(|| Err("nobody asked it".into())))
        })
        .collect();
    let report = Readiness::of(&answers);
    let mut out: String = report
        .lines()
        .iter()
        .map(|l| text::line(l) + "\n")
        .collect();
    let ready = args.tag.as_ref().map(|tag| report.is_ready(tag));
    if let (Some(tag), Some(ready)) = (&args.tag, ready) {
        let than = if ready { "at least" } else { "less than" };
        out.push_str(&text::line(&format!(
            "{than} two thirds of the weight run {tag}, verified"
        )));
        out.push('\n');
    }
    let mut data = json!(report);
    data["environment"] = args.env.clone().into();
    data["ready"] = json!(ready);
    Ok(match ready {
        Some(false) => Answer::findings(Kind::Failed, data, out),
        _ => Answer::done(data, out),
    })
}
