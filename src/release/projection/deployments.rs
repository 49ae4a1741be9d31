//! `DEPLOYMENT_LOG.md`: what was deployed, where, when and by whom. Pure.

use super::markdown::{cell, head, table};
use super::story::{Deployment, Story};
use crate::limits::MAX_LEFT_OUT_LINES;
use crate::trust::time;

/// What stands for all environments.
const ALL: &str = "all";

/// The page.
pub fn page(story: &Story) -> String {
    let mut out = head(
        story,
        "Deployment log",
        "What was deployed where, when, and who said so. What each network is to run is what its quorum \
         agreed on; what each node really ran is not in this log.",
    );
    let present: Vec<Vec<String>> = story
        .present()
        .into_iter()
        .map(|row| {
            vec![
                environment(row),
                cell(&row.tag),
                time::format(row.time),
                row.index.to_string(),
                cell(&row.by),
            ]
        })
        .collect();
    out.push_str("\n## What runs now\n\n");
    out.push_str(&match present.is_empty() {
        true => "No network runs anything yet.\n".to_owned(),
        false => table(
            &["Environment", "Release", "Since", "Log entry", "Agreed by"],
            &present,
        ),
    });
    let rows: Vec<Vec<String>> = story.deployments.iter().map(row).collect();
    out.push_str("\n## What happened\n\n");
    out.push_str(&match rows.is_empty() {
        true => "Nothing was deployed yet.\n".to_owned(),
        false => table(
            &[
                "Log entry",
                "Time",
                "Environment",
                "Event",
                "Release",
                "Before it",
                "By",
                "Details",
            ],
            &rows,
        ),
    });
    if !story.left_out.is_empty() {
        out.push_str("\n## Log entries that are in no table\n\n");
        for (index, why) in story.left_out.iter().take(MAX_LEFT_OUT_LINES) {
            out.push_str(&format!("- entry {index}: {}\n", cell(why)));
        }
        if let Some(more) = story.left_out.len().checked_sub(MAX_LEFT_OUT_LINES + 1) {
            out.push_str(&format!("- and {} more: `relman log show`\n", more + 1));
        }
    }
    out
}

fn environment(row: &Deployment) -> String {
    row.environment.as_deref().map_or(ALL.into(), cell)
}

fn row(row: &Deployment) -> Vec<String> {
    vec![
        row.index.to_string(),
        time::format(row.time),
        environment(row),
        row.event.word().into(),
        cell(&row.tag),
        cell(row.previous.as_deref().unwrap_or_default()),
        cell(&row.by),
        cell(&row.details),
    ]
}
