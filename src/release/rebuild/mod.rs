//! The rebuild room: builds a published release again and tells whether the bytes are the same, and where not,
//! why. The driver is here; what it needs of the machine comes through traits. The rest is pure.

pub mod advice;
pub mod clock;
pub mod compare;
pub mod elf;
pub mod findings;
mod programs;
mod published;
pub mod recipe;
pub mod report;
mod start;
pub mod strings;
mod suspects;

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;

pub use published::Published;
pub use report::Report;
pub use start::{configuration, find};

use self::clock::Span;
use self::compare::{Difference, Side};
use self::findings::Around;
use super::archive::Packed;
use super::assemble;
use super::bench::{Bench, Made};
use super::build_plan::Places;
use super::config::Config;
use super::cut::Events;
use super::draft::{DraftDir, Drafts};
use super::source::{Build, Source, TagInfo, Toolchain};
use crate::Result;
use crate::attest::provenance::MemberFacts;
use crate::attest::rebuild::Rebuild;
use crate::error::Context;
use crate::limits::MAX_COMPARED_LEN;

/// What a rebuild works with.
pub struct Rebuilder<'a> {
    /// The git repository.
    pub source: &'a dyn Source,
    /// Whoever runs the build.
    pub build: &'a dyn Build,
    /// Where the rebuilt archive is put together; nothing in it is kept.
    pub drafts: &'a dyn Drafts,
    /// The directories of this rebuild, with nothing of earlier builds in them.
    pub places: &'a Places,
    /// Further directories of this machine, and what each is.
    pub dirs: Vec<(String, &'static str)>,
    /// Names of this machine and its user.
    pub names: Vec<String>,
    /// Now.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Threads to pack and unpack with.
    pub threads: usize,
}

/// What a rebuild gave.
pub struct Done {
    /// What was found.
    pub report: Report,
    /// What there is to attest, if the archives are the same.
    pub attestable: Option<Rebuild>,
    /// The rebuilt archive.
    pub archive: Box<dyn Read + Send>,
}

impl Rebuilder<'_> {
    /// Builds and packs the release again and compares.
    ///
    /// # Errors
    /// Failed: the build or I/O. Refused: the published archive is not what its provenance says.
    pub fn run(
        &self,
        published: &mut Published,
        info: &TagInfo,
        (config, notes): (Config, Vec<String>),
        events: &mut dyn Events,
    ) -> Result<Done> {
        notes.iter().for_each(|note| events.note(note));
        let own = !config.build.command.is_empty();
        let recipe = &published.recipe;
        let bench = Bench {
            source: self.source,
            build: self.build,
            places: self.places,
            command: (!own).then_some(recipe.parameters.command.as_slice()),
            remarks: &|facts| {
                let tools = recipe.other_tools(&facts.toolchain);
                tools.iter().map(ToString::to_string).collect()
            },
            now: self.now,
        };
        let made = bench.make(info, config, events)?;
        events.stage("package");
        let dir = self.drafts.begin(&published.released.tag)?;
        let (packed, members) = assemble::pack(&made.parts(info, self.threads), dir.as_ref())?;
        events.stage("compare");
        let mut report = self.report(published, &made, &packed, notes);
        if report.same {
            report
                .notes
                .extend(suspects(&span(&made), info, dir.as_ref(), &members)?);
        } else {
            report.differences = self.differences(published, &made, &members, dir.as_ref())?;
            if report.differences.is_empty() {
                report.packing = Some(report::Packing {
                    published: published.recipe.packing.clone(),
                    rebuilt: assemble::packing(),
                });
            }
            report.advise();
        }
        Ok(Done {
            attestable: report.same.then(|| attestable(published, &made)),
            archive: dir.open(&published.released.archive_name())?,
            report,
        })
    }

    fn report(
        &self,
        published: &Published,
        made: &Made,
        packed: &Packed,
        notes: Vec<String>,
    ) -> Report {
        let released = &published.released;
        Report {
            tag: released.tag.clone(),
            commit: released.commit.clone(),
            same: packed.sha256 == released.sha256,
            published: report::Archive {
                sha256: released.sha256,
                length: released.length,
            },
            rebuilt: report::Archive {
                sha256: packed.sha256,
                length: packed.len,
            },
            built_by: published.built_by.clone(),
            tools: published.recipe.other_tools(&made.facts.toolchain),
            notes,
            members: published.members.len(),
            differences: Vec::new(),
            packing: None,
            advice: Vec::new(),
        }
    }

    fn around(&self, published: &Published, made: &Made) -> Around {
        let places = [
            (&self.places.clone, "this rebuild's clone"),
            (&self.places.target, "this rebuild's target directory"),
            (&self.places.cargo_home, "this rebuild's cargo home"),
            (&self.places.home, "this rebuild's home directory"),
        ];
        let own = places.map(|(path, what)| (path.to_string_lossy().into_owned(), what));
        Around {
            then: published.recipe.span,
            now: span(made),
            dirs: own.into_iter().chain(self.dirs.iter().cloned()).collect(),
            names: self.names.clone(),
        }
    }

    fn differences(
        &self,
        published: &mut Published,
        made: &Made,
        rebuilt: &BTreeMap<String, MemberFacts>,
        dir: &dyn DraftDir,
    ) -> Result<Vec<Difference>> {
        let around = self.around(published, made);
        let outsides = outsides(&published.members, rebuilt);
        let both = |d: &&Difference| {
            let sides = d.published.as_ref().zip(d.rebuilt.as_ref());
            sides.is_some_and(|(a, b)| a.sha256 != b.sha256)
        };
        let names: Vec<String> = outsides
            .iter()
            .filter(both)
            .map(|d| d.member.clone())
            .collect();
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut contents = published.contents(&wanted, MAX_COMPARED_LEN, self.threads)?;
        let mut out = Vec::new();
        for difference in outsides {
            let length = difference
                .rebuilt
                .as_ref()
                .map_or(u64::MAX, |side| side.length);
            let name = difference.member.clone();
            out.push(
                match contents
                    .remove(&name)
                    .filter(|_| length <= MAX_COMPARED_LEN)
                {
                    Some(theirs) => difference.look(&theirs, &read(dir, &name, length)?, &around),
                    None => difference,
                },
            );
        }
        Ok(out)
    }
}

/// Which files differ, from the outside.
fn outsides(
    published: &BTreeMap<String, MemberFacts>,
    rebuilt: &BTreeMap<String, MemberFacts>,
) -> Vec<Difference> {
    let side = |facts: &MemberFacts| Side {
        sha256: facts.sha256,
        length: facts.length,
        executable: facts.executable,
    };
    let new = rebuilt.keys().filter(|name| !published.contains_key(*name));
    let names = published.keys().chain(new);
    let pairs = names.map(|name| (name, published.get(name), rebuilt.get(name)));
    pairs
        .filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| Difference::closed(name, a.map(side), b.map(side)))
        .collect()
}

fn read(dir: &dyn DraftDir, name: &str, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    dir.open(name)?
        .take(length)
        .read_to_end(&mut bytes)
        .or_failed(|| format!("the rebuilt {name} cannot be read"))?;
    Ok(bytes)
}

fn span(made: &Made) -> Span {
    Span {
        started: made.started,
        finished: made.finished,
    }
}

/// Programs in which the time of the build stands although the bytes are the same.
fn suspects(
    span: &Span,
    info: &TagInfo,
    dir: &dyn DraftDir,
    members: &BTreeMap<String, MemberFacts>,
) -> Result<Vec<String>> {
    let commit = Timestamp::from_second(info.commit_time).unwrap_or_default();
    let mut out = Vec::new();
    let programs = members
        .iter()
        .filter(|(_, facts)| facts.executable && facts.length <= MAX_COMPARED_LEN);
    for (name, facts) in programs {
        let bytes = read(dir, name, facts.length)?;
        out.extend(suspects::time_of_build(&bytes, span, commit).map(|time| {
            format!(
                "{name} has {time:?} in it, when it was rebuilt: rebuild it on another day as well"
            )
        }));
    }
    Ok(out)
}

fn attestable(published: &Published, made: &Made) -> Rebuild {
    let recipe = &published.recipe;
    let Toolchain { cargo, rustc, host } = made.facts.toolchain.clone();
    let tools = [("cargo", cargo), ("host", host), ("rustc", rustc)];
    let there = tools.into_iter().filter(|(_, version)| !version.is_empty());
    Rebuild {
        tag: recipe.claims.tag.clone(),
        archive: published.released.sha256,
        repository: recipe.claims.repository.clone(),
        commit: recipe.claims.commit.clone(),
        tree: recipe.tree.clone(),
        tag_object: recipe.tag_object.clone(),
        command: recipe.parameters.command.clone(),
        toolchain: there
            .map(|(name, version)| (name.to_owned(), version))
            .collect(),
        builder_version: env!("CARGO_PKG_VERSION").into(),
        started: made.started,
        finished: made.finished,
    }
}
