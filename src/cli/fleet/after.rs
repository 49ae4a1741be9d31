//! What comes after a rollout: receipts into the log's batch, journals of its time into one archive. What fails here is
//! named with one command to run again, and changes nothing of how the rollout ended.

use jiff::Timestamp;
use serde_json::json;

use super::collected::{Collected, Gather, collect};
use super::wiring::Wiring;
use crate::cli::args::Cli;
use crate::fleet::aftermath::since;
use crate::fleet::rollout::Ended;
use crate::ui::{Answer, Progress, text};

/// Adds to `answer` what comes after a rollout that ended, if it has and moved anything.
pub(super) fn after(
    cli: &Cli,
    wiring: &Wiring,
    ended: &Ended,
    skip: bool,
    mut answer: Answer,
    progress: &mut Progress,
) -> Answer {
    let record = &ended.record;
    if !record.is_over() || record.nodes.iter().all(|n| n.attempts == 0) {
        return answer;
    }
    let environment = &record.environment().name;
    if skip {
        answer.text.push_str(&format!(
            "next: receipts and journals of all nodes: relman fleet collect --env {environment}\n"
        ));
        return answer;
    }
    let name = format!("{}.journals", record.id);
    let nodes = wiring.nodes_of(environment);
    // Only those that it was about.
    let nodes: Vec<&_> = nodes
        .iter()
        .filter(|entry| record.node(&entry.name).is_some())
        .collect();
    let since = since(&wiring.all().unwrap_or_default(), record);
    let gather = Gather {
        environment,
        nodes: &nodes,
        since,
        path: &wiring.beside_records(&format!("{name}.tar.gz")),
        name: &name,
        parallel: wiring.config.ssh.parallel,
    };
    let (said, data) = match collect(cli, wiring.hosts(), &gather, progress) {
        Ok(collected) => told(&collected, environment, since),
        Err(e) => {
            let why = format!("no journals and no receipts: {e}");
            let said = problem(&why) + &again(environment, since);
            (
                said,
                json!({ "file": null, "nodes": [], "problems": [why] }),
            )
        }
    };
    answer.text.push_str(&said);
    answer.data["after"] = data;
    answer
}

fn told(collected: &Collected, environment: &str, since: Timestamp) -> (String, serde_json::Value) {
    let mut said = format!(
        "journals since {}: {}\n",
        text::time(since),
        collected.file.display()
    );
    for why in &collected.problems {
        said.push_str(&problem(why));
    }
    if !collected.problems.is_empty() {
        said.push_str(&again(environment, since));
    }
    said.push_str(&collected.next());
    let data =
        json!({ "file": collected.file, "nodes": collected.rows, "problems": collected.problems });
    (said, data)
}

fn problem(why: &str) -> String {
    format!("problem: {}\n", text::line(why))
}

/// One command that makes it good; the rollout is what it is.
fn again(environment: &str, since: Timestamp) -> String {
    format!("once that is mended: relman fleet collect --env {environment} --since {since}\n")
}
