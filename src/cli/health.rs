//! `relman health`: every probe once, or the items of a stage over its window.

use serde_json::json;

use super::args::{Cli, HealthArgs, StageArg};
use super::node::{How, read, with_node};
use super::project::start_dir;
use crate::io::durable;
use crate::node::stage::items::Stage;
use crate::ui::{Answer, Progress, text};
use crate::{Kind, Result};

/// Mode of the report.
const MODE: u32 = 0o644;

/// `relman health`.
pub fn run(cli: &Cli, args: &HealthArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let stage = match args.stage {
        Some(StageArg::Immediate) => Stage::Immediate,
        Some(StageArg::Hour) => Stage::Hour,
        Some(StageArg::Day) => Stage::Day,
        Some(StageArg::Week) => Stage::Week,
        None => {
            let look = with_node(&config, How::looking(), progress, |node| {
                node.look_at_health()
            })?;
            let lines = look.probes.iter().map(|probe| probe.line());
            let count = look.probes.len();
            let end = match look.healthy {
                true => format!(
                    "{} is healthy on {}: {count} of {count} probes",
                    look.tag, config.name
                ),
                false => format!("{} is not healthy on {}", look.tag, config.name),
            };
            let mut data = json!(look);
            data["node"] = config.name.clone().into();
            return Ok(answer(look.healthy, data, lines.chain([end])));
        }
    };
    let report = with_node(&config, How::looking(), progress, |node| {
        node.run_stage(stage, args.resume)
    })?;
    if let Some(out) = &args.out {
        let path = start_dir(cli)?.join(out);
        durable::write_atomic(&path, report.markdown().as_bytes(), MODE)?;
    }
    Ok(answer(
        report.passed,
        json!(report),
        report.lines().into_iter(),
    ))
}

fn answer(good: bool, data: serde_json::Value, lines: impl Iterator<Item = String>) -> Answer {
    let out: String = lines.map(|line| text::whole_line(&line) + "\n").collect();
    match good {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Failed, data, out),
    }
}
