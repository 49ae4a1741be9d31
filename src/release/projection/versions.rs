//! `VERSION_HISTORY.md`: all versions there are, and what was said of each. Pure.

use std::collections::BTreeSet;

use super::markdown::{cell, head, table};
use super::story::{Release, Story};
use crate::trust::time;

/// The page.
pub fn page(story: &Story) -> String {
    let mut out = head(
        story,
        "Version history",
        "Every release, from which commit, by whom, and where it ran first when.",
    );
    if story.releases.is_empty() {
        out.push_str("\nThere is no release yet.\n");
        return out;
    }
    let environments: BTreeSet<&str> = story
        .releases
        .iter()
        .flat_map(|release| release.ran.keys())
        .map(String::as_str)
        .collect();
    let mut headings = vec![
        "Log entry".to_owned(),
        "Release".into(),
        "Version".into(),
        "Phase".into(),
        "Cut".into(),
        "Commit".into(),
        "Built by".into(),
        "State".into(),
    ];
    headings.extend(
        environments
            .iter()
            .map(|name| format!("In {} since", cell(name))),
    );
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = story
        .releases
        .iter()
        .map(|release| row(release, &environments))
        .collect();
    out.push('\n');
    out.push_str(&table(&headings, &rows));
    for release in &story.releases {
        out.push_str(&section(release));
    }
    out
}

fn row(release: &Release, environments: &BTreeSet<&str>) -> Vec<String> {
    let leaf = &release.leaf;
    let mut cells = vec![
        release.index.to_string(),
        cell(&leaf.tag),
        cell(&release.tag.version().to_string()),
        release
            .tag
            .phase()
            .map_or(cell(""), |phase| phase.to_string()),
        time::format(leaf.time),
        cell(&leaf.commit),
        cell(&release.by),
        match &release.yanked {
            Some((level, _)) => cell(&format!("yanked ({level})")),
            None => "published".into(),
        },
    ];
    cells.extend(environments.iter().map(|name| {
        let since = release.ran.get(*name);
        since.map_or(cell(""), |at| time::format(*at))
    }));
    cells
}

fn section(release: &Release) -> String {
    let leaf = &release.leaf;
    let mut out = format!("\n## {}\n\n", cell(&leaf.tag));
    out.push_str(&format!("- archive: sha256 `{}`\n", release.archive()));
    out.push_str(&format!("- commit: {}\n", cell(&leaf.commit)));
    if let Some(object) = &leaf.tag_object {
        out.push_str(&format!("- tag object: {}\n", cell(object)));
    }
    if let Some((level, reason)) = &release.yanked {
        let words = cell(&format!("{level}: {reason}"));
        out.push_str(&format!("- yanked: {words}\n"));
    }
    if release.evidence.is_empty() {
        out.push_str("\nNobody has said anything of it.\n");
        return out;
    }
    let rows = release.evidence.iter().map(|one| {
        vec![
            one.index.to_string(),
            time::format(one.time),
            cell(&one.what),
            cell(&one.by),
            cell(&one.says),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    out.push('\n');
    out.push_str(&table(&["Log entry", "Time", "What", "By", "Says"], &rows));
    out
}
