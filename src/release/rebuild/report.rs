//! The rebuild room: what a rebuild found, for people and for programs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::advice::{self, Advice};
use super::compare::{Difference, Sort};
use super::elf::ElfDifference;
use super::findings::{Cause, Finding};
use super::recipe::OtherTool;
use crate::hash::Sha256;
use crate::release::text::shown;

/// Columns of advice.
const WIDTH: usize = 96;
/// Sections of an ELF file that are told to people; programs get all.
const MAX_SECTIONS: usize = 24;
/// Longest text that is shown, in characters.
const MAX_TEXT: usize = 160;

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Archive {
    /// Digest.
    pub sha256: Sha256,
    /// Bytes.
    pub length: u64,
}

/// How each side packs, where the files are the same and the archives are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Packing {
    /// As recorded.
    pub published: BTreeMap<String, Value>,
    /// As this version does.
    pub rebuilt: BTreeMap<String, Value>,
}

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The tag.
    pub tag: String,
    /// Hex id of the commit.
    pub commit: String,
    /// Whether the archives are the same, byte for byte.
    pub same: bool,
    /// The published archive.
    pub published: Archive,
    /// The rebuilt one.
    pub rebuilt: Archive,
    /// Who built the published one.
    pub built_by: String,
    /// Tools that are not those that the release was built with.
    pub tools: Vec<OtherTool>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// Files in the published archive.
    pub members: usize,
    /// Files that differ.
    pub differences: Vec<Difference>,
    /// How each side packs, if no file differs and the archives do.
    pub packing: Option<Packing>,
    /// What to do, most important first.
    pub advice: Vec<Advice>,
}

impl Report {
    /// Works the advice out from all that is known.
    pub fn advise(&mut self) {
        let findings = self.differences.iter().flat_map(|d| &d.findings);
        let mut causes: BTreeSet<Cause> = findings.map(|finding| finding.cause).collect();
        // What follows from something else goes away with it.
        if causes.first().is_some_and(|first| *first < Cause::Symbols) {
            causes.retain(|cause| *cause < Cause::Symbols);
        }
        if let Some(packing) = &self.packing {
            let same = packing.published == packing.rebuilt;
            causes.insert(if same { Cause::Other } else { Cause::Relman });
        }
        if !self.same {
            let cause = |tool: &OtherTool| match tool.name {
                "relman" => Cause::Relman,
                _ => Cause::Toolchain,
            };
            causes.extend(self.tools.iter().map(cause));
        }
        self.advice = causes.into_iter().map(advice::of).collect();
    }

    /// The report for people, a line each; what is foreign in it is still to be made harmless.
    pub fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.same {
            out.push(format!("{} came out the same", self.tag));
        } else {
            out.push(format!(
                "{} came out different: {}",
                self.tag,
                self.extent()
            ));
        }
        out.push(format!("  commit     {}", self.commit));
        let archive = |a: &Archive| format!("sha256 {}, {} bytes", a.sha256, a.length);
        out.push(format!(
            "  published  {}, built by {}",
            archive(&self.published),
            self.built_by
        ));
        if !self.same {
            out.push(format!("  rebuilt    {}", archive(&self.rebuilt)));
        }
        for tool in &self.tools {
            out.push(format!(
                "  {:9}  {} published, {} here",
                tool.name, tool.published, tool.rebuilt
            ));
        }
        out.extend(self.notes.iter().map(|note| format!("  note: {note}")));
        for difference in &self.differences {
            out.extend(member(difference));
        }
        if let Some(packing) = &self.packing {
            let words = |map: &BTreeMap<String, Value>| {
                let pairs = map.iter().map(|(name, value)| format!("{name} {value}"));
                pairs.collect::<Vec<_>>().join(", ")
            };
            out.push("how the archive was packed".into());
            out.push(format!("  published  {}", words(&packing.published)));
            out.push(format!("  rebuilt    {}", words(&packing.rebuilt)));
        }
        if !self.advice.is_empty() {
            out.push("what to do".into());
        }
        for advice in &self.advice {
            out.extend(wrapped(&format!("{}: {}", advice.title, advice.text)));
        }
        out
    }

    fn extent(&self) -> String {
        match self.differences.len() {
            0 => "the files are the same, the archive is not".into(),
            n => format!("{n} of {} files", self.members.max(n)),
        }
    }
}

fn member(difference: &Difference) -> Vec<String> {
    let sort = match difference.sort {
        Sort::Elf => "ELF, ",
        Sort::Text => "text, ",
        Sort::Bytes | Sort::Closed => "",
    };
    let size = match (&difference.published, &difference.rebuilt) {
        (Some(a), Some(b)) if a.length == b.length => format!("{} bytes", a.length),
        (Some(a), Some(b)) => format!("{} bytes published, {} rebuilt", a.length, b.length),
        (Some(a), None) => format!("{} bytes published, not rebuilt", a.length),
        (None, Some(b)) => format!("not published, {} bytes rebuilt", b.length),
        (None, None) => String::new(),
    };
    let mut head = format!("{}: {sort}{size}", difference.member);
    if let Some(count) = difference.differing_bytes {
        head.push_str(&format!(", {count} differ"));
    }
    if let Some(at) = difference.first_difference {
        head.push_str(&format!(", first at {at}"));
    }
    let mut out = vec![head];
    for (side, word) in [
        (&difference.published, "published"),
        (&difference.rebuilt, "rebuilt"),
    ] {
        out.extend(
            side.iter()
                .map(|side| format!("  {word:9}  sha256 {}", side.sha256)),
        );
    }
    out.extend(difference.elf.iter().flat_map(elf));
    out.extend(difference.findings.iter().flat_map(finding));
    if difference.more > 0 {
        out.push(format!("  and {} more of these kinds", difference.more));
    }
    out
}

fn elf(elf: &ElfDifference) -> Vec<String> {
    let mut out = Vec::new();
    if let Some([a, b]) = &elf.machines {
        out.push(format!("  machine: {a} published, {b} rebuilt"));
    }
    if let Some([a, b]) = &elf.build_ids {
        let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".into());
        out.push(format!(
            "  build id: {} published, {} rebuilt",
            id(a),
            id(b)
        ));
    }
    for section in elf.sections.iter().take(MAX_SECTIONS) {
        let size = match (section.published, section.rebuilt) {
            (Some(a), Some(b)) if a == b => format!("{a} bytes"),
            (Some(a), Some(b)) => format!("{a} bytes published, {b} rebuilt"),
            (Some(a), None) => format!("{a} bytes, published only"),
            (None, Some(b)) => format!("{b} bytes, rebuilt only"),
            (None, None) => String::new(),
        };
        out.push(format!("  section {}: {size}", section.name));
    }
    let more = elf.sections.len().saturating_sub(MAX_SECTIONS);
    if more > 0 {
        out.push(format!("  and {more} more sections"));
    }
    out
}

fn finding(finding: &Finding) -> Vec<String> {
    let title = advice::of(finding.cause).title;
    let note = match finding.note.is_empty() {
        true => String::new(),
        false => format!(": {}", finding.note),
    };
    let mut out = vec![format!("  {title} in {}{note}", finding.place)];
    for (text, word) in [
        (&finding.published, "published"),
        (&finding.rebuilt, "rebuilt"),
    ] {
        out.extend(
            text.iter()
                .map(|text| format!("    {word:9}  {}", shown(text, MAX_TEXT))),
        );
    }
    out
}

/// Lines of at most [`WIDTH`] columns, the first of two columns' indent and the others of four.
fn wrapped(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = String::from(" ");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH && !line.trim().is_empty() {
            out.push(std::mem::replace(&mut line, "   ".into()));
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push(line);
    out
}

#[cfg(test)]
mod tests;
