//! `relman monitor export …`: the watch policy for other people's monitoring.

use serde_json::{Value, json};

use super::args::{Cli, MonitorArgs, MonitorCommand, MonitorExport, MonitorExportArgs};
use super::policy_file::{Chosen, policy};
use super::project::start_dir;
use crate::io::durable;
use crate::release::cut::Events;
use crate::trust::policy::is_rule_name;
use crate::ui::{Answer, Progress, text};
use crate::watch::export::dashboard::dashboard;
use crate::watch::export::routes::{Webhook, routes};
use crate::watch::export::rules::rules;
use crate::{Error, Result};

/// `relman monitor …`.
pub fn run(cli: &Cli, args: &MonitorArgs, progress: &mut Progress) -> Result<Answer> {
    let MonitorCommand::Export(export) = &args.command;
    let common = match export {
        MonitorExport::Prometheus(args) | MonitorExport::Grafana(args) => args,
        MonitorExport::Alertmanager(args) => &args.export,
    };
    let environment = common.env.as_deref();
    if let Some(name) = environment
        && !is_rule_name(name)
    {
        return Err(Error::usage(format!(
            "environment {name:?}, wanted lower-case letters, digits and hyphens"
        )));
    }
    let chosen = policy(cli, common.policy.as_deref(), progress)?;
    let found = &chosen.policy;
    let (file, data) = match export {
        MonitorExport::Prometheus(_) => {
            let rules = rules(found, environment)?;
            for left in &rules.left_out {
                progress.note(&format!(
                    "{} is not exported: {}",
                    text::line(&left.row),
                    text::line(&left.why)
                ));
            }
            let alerts: Vec<&_> = rules.alerts().collect();
            let data =
                json!({ "alerts": alerts, "left_out": rules.left_out, "notes": rules.notes });
            (rules.yaml(), data)
        }
        MonitorExport::Alertmanager(args) => {
            let webhook = Webhook::new(&args.webhook, &args.credentials)?;
            (routes(found, environment, &webhook), json!({}))
        }
        MonitorExport::Grafana(_) => {
            let made = dashboard(found, environment)?;
            let data = json!({ "uid": made.model["uid"], "expressions": made.expressions });
            (format!("{:#}\n", made.model), data)
        }
    };
    answer(cli, common, &chosen, file, data)
}

fn answer(
    cli: &Cli,
    args: &MonitorExportArgs,
    chosen: &Chosen,
    file: String,
    mut data: Value,
) -> Result<Answer> {
    data["environment"] = json!(args.env);
    data["policy"] = json!({ "place": chosen.place, "sha256": chosen.sha256 });
    data["file"] = Value::Null;
    let Some(out) = &args.out else {
        data["text"] = json!(file);
        return Ok(Answer::done(data, file));
    };
    let path = start_dir(cli)?.join(out);
    durable::write_atomic(&path, file.as_bytes(), durable::MODE_FILE)?;
    let shown = path.display().to_string();
    let said = format!("written {}\n", text::line(&shown));
    data["file"] = json!(shown);
    Ok(Answer::done(data, said))
}
