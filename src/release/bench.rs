//! From a tag to built binaries, which `cut` and `rebuild` do alike: clean clone, facts, plan, build.
//! What it needs of the machine comes through traits.

use jiff::Timestamp;

use super::assemble::Parts;
use super::build_plan::{BuildPlan, Places};
use super::config::Config;
use super::cut::Events;
use super::source::{Build, Built, CommitInfo, Facts, Previous, Source, TagInfo};
use crate::Result;

/// Where and with what something is built.
pub struct Bench<'a> {
    /// The git repository.
    pub source: &'a dyn Source,
    /// Whoever runs the build.
    pub build: &'a dyn Build,
    /// The directories of this build.
    pub places: &'a Places,
    /// The command to run, where one was recorded; else it follows from the configuration.
    pub command: Option<&'a [String]>,
    /// What is to be said of the facts before the build begins.
    pub remarks: &'a dyn Fn(&Facts) -> Vec<String>,
    /// Now.
    pub now: &'a dyn Fn() -> Timestamp,
}

/// What was built, and all that packing it needs to know.
pub struct Made {
    /// The configuration that it was built with.
    pub config: Config,
    /// The release before it in git's history.
    pub previous: Option<Previous>,
    /// The commits since then.
    pub commits: Vec<CommitInfo>,
    /// Where the source can be had.
    pub repository: String,
    /// What the clone and the machine were found to be.
    pub facts: Facts,
    /// What was run.
    pub plan: BuildPlan,
    /// What it gave.
    pub built: Built,
    /// When it began.
    pub started: Timestamp,
    /// When it had ended.
    pub finished: Timestamp,
}

impl Bench<'_> {
    /// Clones and builds a tag.
    ///
    /// # Errors
    /// A clone that cannot be made or built cleanly; the build failed.
    pub fn make(&self, info: &TagInfo, config: Config, events: &mut dyn Events) -> Result<Made> {
        let started = (self.now)();
        events.stage("clone the tag into a clean repository");
        let repository = config.repository(self.source.origin_url().as_deref());
        self.source.clone_at(info, &self.places.clone)?;
        let previous = self.source.previous_release(info, config.tags.pattern)?;
        let since = previous.as_ref().map(|p| p.commit.as_str());
        let commits = self.source.commits_between(since, &info.commit)?;

        let facts = self.build.inspect(&self.places.clone, &config.build)?;
        for remark in (self.remarks)(&facts) {
            events.note(&remark);
        }
        events.stage("build");
        let mut plan = BuildPlan::new(&config, info, &facts, self.places.clone())?;
        if let Some(command) = self.command {
            plan.argv = command.to_vec();
        }
        let built = self.build.build(&plan, &mut |line| events.line(line))?;
        let finished = (self.now)();
        Ok(Made {
            config,
            previous,
            commits,
            repository,
            facts,
            plan,
            built,
            started,
            finished,
        })
    }
}

impl Made {
    /// The release's parts, for [`super::assemble`].
    pub fn parts<'a>(&'a self, info: &'a TagInfo, threads: usize) -> Parts<'a> {
        Parts {
            config: &self.config,
            tag: &info.tag,
            info,
            previous: self.previous.as_ref(),
            commits: &self.commits,
            repository: &self.repository,
            facts: &self.facts,
            plan: &self.plan,
            built: &self.built,
            clone: &self.plan.places.clone,
            started: self.started,
            finished: self.finished,
            threads,
        }
    }
}
