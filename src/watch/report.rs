//! What was found of a release after its deployment, item by item: for people, as Markdown, as JSON, and as the result
//! that is signed. Stages and checklists give the same. Pure.

use jiff::Timestamp;
use serde::Serialize;

use crate::hash::Sha256;
use crate::limits::MAX_JSON_INTEGER;
use crate::node::stage::items::Verdict;
use crate::node::stage::report::{ItemReport, cell};
use crate::node::stage::tally::Gap;
use crate::release::gate::{GateResult, Materials, TestCounts};
use crate::release::source::Toolchain;
use crate::{Error, Result};

/// What every report says it is.
const SCHEMA: &str = "relman-release-report/1";

/// Items about one release, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    /// Which list: `stage-hour`, `checklist-handoff`.
    pub list: String,
    /// For headings.
    pub title: String,
    /// The release.
    pub tag: String,
    /// The environment; none for a list that is about none.
    pub environment: Option<String>,
    /// The nodes that were looked at.
    pub nodes: Vec<String>,
    /// RFC 3339.
    pub began: String,
    /// RFC 3339.
    pub ended: String,
    /// Every item that is not left out passed.
    pub passed: bool,
    /// Every item.
    pub items: Vec<ItemReport>,
    /// How it was looked at; none where people ticked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
}

/// The looks that a report rests on. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Course {
    /// How long the stage is.
    pub window_seconds: u64,
    /// How long it took.
    pub elapsed_seconds: u64,
    /// Looks.
    pub looks: u64,
    /// Times without looks, since the beginning; the first ones.
    pub gaps: Vec<Gap>,
    /// All of them.
    pub gap_seconds: u64,
}

/// Who and what a report is about.
#[derive(Clone, Debug)]
pub struct Heading {
    /// See [`Report::list`].
    pub list: String,
    /// See [`Report::title`].
    pub title: String,
    /// See [`Report::tag`].
    pub tag: String,
    /// See [`Report::environment`].
    pub environment: Option<String>,
    /// See [`Report::nodes`].
    pub nodes: Vec<String>,
    /// See [`Report::began`].
    pub began: String,
    /// See [`Report::ended`].
    pub ended: String,
}

impl Report {
    /// From judged items.
    pub fn new(heading: Heading, items: Vec<ItemReport>, course: Option<Course>) -> Self {
        let fine = |item: &ItemReport| matches!(item.verdict, Verdict::Passed | Verdict::LeftOut);
        Report {
            schema: SCHEMA,
            list: heading.list,
            title: heading.title,
            tag: heading.tag,
            environment: heading.environment,
            nodes: heading.nodes,
            began: heading.began,
            ended: heading.ended,
            passed: items.iter().all(fine),
            items,
            course,
        }
    }

    fn count(&self, verdict: Verdict) -> u64 {
        let of = self.items.iter().filter(|i| i.verdict == verdict);
        of.count() as u64
    }

    /// In one line.
    pub fn outcome(&self) -> String {
        match self.passed {
            true => "passed".into(),
            false => format!(
                "not passed, {} failed, {} unknown",
                self.count(Verdict::Failed),
                self.count(Verdict::Unknown)
            ),
        }
    }

    /// What it is about, in words.
    pub fn subject(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{} of {} on {environment}", self.title, self.tag),
            None => format!("{} of {}", self.title, self.tag),
        }
    }

    fn course_words(&self) -> String {
        let times = format!("from {} to {}", self.began, self.ended);
        match &self.course {
            None => times,
            Some(course) => format!(
                "{} looks at {} nodes in {} s of {} s, {times}, {} s without",
                course.looks,
                self.nodes.len(),
                course.elapsed_seconds,
                course.window_seconds,
                course.gap_seconds
            ),
        }
    }

    fn gap_words(&self) -> Vec<String> {
        let gaps = self.course.iter().flat_map(|course| &course.gaps);
        gaps.map(|gap| {
            format!(
                "no looks from second {} to {}: nothing is known of that time",
                gap.from, gap.to
            )
        })
        .collect()
    }

    /// For people, one line an item.
    pub fn lines(&self) -> Vec<String> {
        let head = format!("{}: {}", self.subject(), self.outcome());
        let items = self.items.iter().map(|item| {
            let word = item.verdict.word();
            format!("  {word:<8}  {}: {}", item.title, item.values)
        });
        let end = std::iter::once(self.course_words()).chain(self.gap_words());
        std::iter::once(head)
            .chain(items)
            .chain(end.map(|line| format!("  {line}")))
            .collect()
    }

    /// A page of Markdown.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "# {}\n\n**{}**\n\n| item | verdict | values |\n| --- | --- | --- |\n",
            cell(&self.subject()),
            self.outcome()
        );
        for item in &self.items {
            let word = item.verdict.word();
            page.push_str(&format!(
                "| {} | {word} | {} |\n",
                item.title,
                cell(&item.values)
            ));
        }
        page.push_str(&format!("\n{}\n", cell(&self.course_words())));
        for line in self.gap_words() {
            page.push_str(&format!("- {line}\n"));
        }
        if !self.nodes.is_empty() {
            page.push_str(&format!("\nNodes: {}\n", cell(&self.nodes.join(", "))));
        }
        page
    }

    /// The JSON document, whose digest is signed.
    ///
    /// # Errors
    /// A bug: it has no JSON.
    pub fn json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::bug("a report has no JSON").caused_by(e))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The name under which its result is signed: that of a gate, which policy may ask for.
    pub fn gate(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{}-{environment}", self.list),
            None => self.list.clone(),
        }
    }

    /// What is signed of it: the result of a gate that ran no command, with the digest of the JSON as its log.
    ///
    /// # Errors
    /// A bug: it has no JSON.
    pub fn result(&self, commit: &str, now: Timestamp) -> Result<GateResult> {
        let named = |verdict| {
            let of = self.items.iter().filter(move |i| i.verdict == verdict);
            of.map(|item| item.title.to_owned()).collect::<Vec<_>>()
        };
        let open = self
            .items
            .iter()
            .filter(|i| matches!(i.verdict, Verdict::Failed | Verdict::Unknown));
        let problems = open
            .map(|i| format!("{} {}: {}", i.verdict.word(), i.title, i.values))
            .collect();
        let seconds = self.course.as_ref().map_or(0, |c| c.elapsed_seconds);
        Ok(GateResult {
            tag: self.tag.clone(),
            commit: commit.to_owned(),
            gate: self.gate(),
            command: Vec::new(),
            exit_status: None,
            ended: Some("there is no command".into()),
            counts: Some(TestCounts {
                passed: self.count(Verdict::Passed),
                failed: self.count(Verdict::Failed) + self.count(Verdict::Unknown),
                ignored: self.count(Verdict::LeftOut),
            }),
            coverage: None,
            number: None,
            duration_ms: seconds.saturating_mul(1_000).min(MAX_JSON_INTEGER),
            log: Sha256::of(&self.json()?),
            toolchain: Toolchain::default(),
            materials: Materials::default(),
            problems,
            passed_tests: named(Verdict::Passed),
            failed_tests: named(Verdict::Failed),
            time: now,
        })
    }
}
