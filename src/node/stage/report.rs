//! What a stage found: one report, for people, as Markdown and as JSON. Pure.

use serde::Serialize;

use super::items::{Evidence, Stage, Verdict, of_stage};
use super::tally::{Gap, Memory};
use crate::node::config::stages::StageConfig;

/// One item.
#[derive(Clone, Debug, Serialize)]
pub struct ItemReport {
    /// Its word.
    pub item: &'static str,
    /// As the team's list has it.
    pub title: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// The values.
    pub values: String,
}

/// A whole stage.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// Its word.
    pub stage: &'static str,
    /// The release that is current.
    pub tag: String,
    /// The node.
    pub node: String,
    /// RFC 3339.
    pub began: String,
    /// RFC 3339.
    pub ended: String,
    /// How long the stage is, in seconds.
    pub window_seconds: u64,
    /// How long it took, in seconds.
    pub elapsed_seconds: u64,
    /// Looks.
    pub looks: u64,
    /// Every item that is not left out passed.
    pub passed: bool,
    /// Every item.
    pub items: Vec<ItemReport>,
    /// Times without looks, in seconds since the beginning; the first ones.
    pub gaps: Vec<Gap>,
    /// All of them, in seconds.
    pub gap_seconds: u64,
}

/// Judges what is remembered.
pub fn judge(stage: Stage, memory: &Memory, config: &StageConfig) -> Vec<ItemReport> {
    let tally = |signal: &str| memory.tallies.get(signal).cloned().unwrap_or_default();
    let evidence = evidence(stage, memory, config, &tally);
    of_stage(stage)
        .map(|item| {
            let (verdict, values) = item.judge(&evidence);
            ItemReport {
                item: item.key,
                title: item.title,
                verdict,
                values,
            }
        })
        .collect()
}

/// Whether nothing but a block that is due is missing.
pub fn waits_for_a_block(stage: Stage, memory: &Memory, config: &StageConfig) -> bool {
    let tally = |signal: &str| memory.tallies.get(signal).cloned().unwrap_or_default();
    let evidence = evidence(stage, memory, config, &tally);
    of_stage(stage).any(|item| item.waits_for_a_block(&evidence))
}

fn evidence<'a>(
    stage: Stage,
    memory: &Memory,
    config: &'a StageConfig,
    tally: &'a dyn Fn(&str) -> super::tally::Tally,
) -> Evidence<'a> {
    Evidence {
        stage,
        config,
        tally,
        elapsed_ms: memory.elapsed_ms,
    }
}

impl StageReport {
    /// For people, one line an item.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "stage {} of {} on {}: {}",
            self.stage,
            self.tag,
            self.node,
            self.outcome()
        )];
        for item in &self.items {
            lines.push(format!(
                "  {:<8}  {}: {}",
                item.verdict.word(),
                item.title,
                item.values
            ));
        }
        lines.push(self.course());
        lines.extend(self.gaps.iter().map(|gap| {
            format!(
                "  no looks from second {} to {}: nothing is known of that time",
                gap.from, gap.to
            )
        }));
        lines
    }

    fn outcome(&self) -> String {
        let count = |verdict| self.items.iter().filter(|i| i.verdict == verdict).count();
        match self.passed {
            true => "passed".into(),
            false => format!(
                "not passed, {} failed, {} unknown",
                count(Verdict::Failed),
                count(Verdict::Unknown)
            ),
        }
    }

    fn course(&self) -> String {
        format!(
            "  {} looks in {} s of {} s, from {} to {}, {} s without",
            self.looks,
            self.elapsed_seconds,
            self.window_seconds,
            self.began,
            self.ended,
            self.gap_seconds
        )
    }

    /// A page of Markdown.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "# Health: stage {} of {} on {}\n\n**{}**\n\n| item | verdict | values |\n| --- | --- | --- |\n",
            cell(self.stage),
            cell(&self.tag),
            cell(&self.node),
            self.outcome()
        );
        for item in &self.items {
            page.push_str(&format!(
                "| {} | {} | {} |\n",
                item.title,
                item.verdict.word(),
                cell(&item.values)
            ));
        }
        page.push_str(&format!("\n{}\n", self.course().trim()));
        for gap in &self.gaps {
            page.push_str(&format!(
                "- no looks from second {} to {}: nothing is known of that time\n",
                gap.from, gap.to
            ));
        }
        page
    }
}

/// Foreign text that can neither end a cell nor become anything else than text.
pub fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || crate::release::text::is_deceptive(c) => out.push(' '),
            '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
