//! The driver of gates: tag → clean clone → each gate in it → a signed result of each, whatever it is.
//! What it needs of the machine comes through traits.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::added;
use super::judge::{Evidence, Verdict, judge};
use super::listen::Listener;
use super::plan::{Selection, plan};
use super::statement::{GateResult, Materials, statement};
use crate::attest::Envelope;
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::limits::{MAX_CONFIG_LEN, MAX_LOCKFILE_LEN, MAX_LOG_ENTRY_LEN};
use crate::release::attestations::Drawer;
use crate::release::build_plan::{BuildPlan, Places};
use crate::release::config::gate::Gate;
use crate::release::config::{self, Config};
use crate::release::cut::{Events, tagged_config};
use crate::release::lockfile;
use crate::release::source::{Build, ChangedFile, Facts, Rules, Source, TagInfo, Toolchain};
use crate::release::tag::Tag;
use crate::{Error, Result};

/// How a gate's command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was stopped after so many minutes.
    TimedOut(u64),
    /// There was none.
    NoCommand,
}

/// A command that is to be run in the clone.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The gate, for messages.
    pub gate: &'a str,
    /// Program and arguments.
    pub argv: &'a [String],
    /// The whole environment.
    pub env: &'a BTreeMap<String, String>,
    /// Minutes after which it is stopped.
    pub timeout_minutes: u64,
    /// Files that it will make; what is there of them before is removed.
    pub reports: Vec<&'a str>,
}

/// What became of an order.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub duration: Duration,
    /// Digest of the log, under which it is kept.
    pub log: Sha256,
    /// Processes that it left behind, which were ended.
    pub left_running: usize,
}

/// Where gates are run.
pub trait Machine {
    /// Makes the clone what the tag has, whatever was there before; gives every file of the tag with its
    /// length in bytes.
    ///
    /// # Errors
    /// As [`Source::clone_at`]; I/O.
    fn clean(&self, source: &dyn Source, info: &TagInfo) -> Result<BTreeMap<String, u64>>;

    /// Prepares home directory, cargo's home and target directory.
    ///
    /// # Errors
    /// I/O.
    fn furnish(&self, plan: &BuildPlan) -> Result<()>;

    /// Runs a command to its end, and ends whatever it leaves running; each line of its output goes to
    /// `hear`, with whether it came on stdout, and into the log.
    ///
    /// # Errors
    /// It cannot be started; a log that cannot be written.
    fn run(&self, order: &Order, hear: &mut dyn FnMut(&[u8], bool)) -> Result<Ran>;

    /// What a command left at a path of [`Order::reports`].
    ///
    /// # Errors
    /// Why there is nothing to read, for people.
    fn report(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The files of the tag that are not as they were after [`Machine::clean`].
    ///
    /// # Errors
    /// I/O.
    fn touched(&self) -> Result<Vec<String>>;
}

/// What gates are run with.
pub struct Runner<'a> {
    /// The project's configuration.
    pub config: &'a Config,
    /// The git repository.
    pub source: &'a dyn Source,
    /// Whoever knows the compiler.
    pub build: &'a dyn Build,
    /// Where they are run.
    pub machine: &'a dyn Machine,
    /// Its directories.
    pub places: &'a Places,
    /// The gate key.
    pub key: &'a dyn Signer,
    /// Where results are kept.
    pub drawer: &'a dyn Drawer,
    /// Now.
    pub now: &'a dyn Fn() -> Timestamp,
}

/// What all gates of a run have in common.
struct Ground {
    info: TagInfo,
    facts: Facts,
    plan: BuildPlan,
    materials: Materials,
    changes: Vec<ChangedFile>,
}

impl Ended {
    /// Why the command has not succeeded; none where it has.
    pub fn problem(self) -> Option<String> {
        match self {
            Ended::Exited(0) | Ended::NoCommand => None,
            Ended::Exited(code) => Some(format!("exited with {code}, wanted 0")),
            Ended::Signalled(signal) => Some(format!("was ended by signal {signal}")),
            Ended::TimedOut(minutes) => Some(format!("was stopped after {minutes} minutes")),
        }
    }

    fn status(self) -> Option<i64> {
        match self {
            Ended::Exited(code) => Some(code.into()),
            Ended::Signalled(_) | Ended::TimedOut(_) | Ended::NoCommand => None,
        }
    }

    /// Why there is no exit status.
    fn otherwise(self) -> Option<String> {
        match self {
            Ended::Exited(_) => None,
            Ended::NoCommand => Some("there is no command".into()),
            ended => ended.problem(),
        }
    }
}

impl Runner<'_> {
    /// Runs the gates of `tag` that are selected, and signs and keeps each result, failed ones as well.
    ///
    /// # Errors
    /// No such tag, no such gate; a machine that cannot run them. A gate that fails is no error.
    pub fn run(
        &self,
        tag: &Tag,
        selection: &Selection,
        events: &mut dyn Events,
    ) -> Result<Vec<GateResult>> {
        let info = self.resolve(tag)?;
        let config = tagged_config(self.config, self.source, &info, events)?;
        let gates = plan(&config, selection)?;
        events.stage("clone the tag into a clean repository");
        self.machine.clean(self.source, &info)?;
        let ground = self.ground(&config, info, &gates)?;
        let mut results = Vec::new();
        for gate in &gates {
            events.stage(&gate.name);
            let result = self.one(gate, &ground, events)?;
            self.keep(&result)?;
            events.result(&line(&result));
            let stop = selection.fail_fast && !result.has_passed();
            results.push(result);
            if stop {
                break;
            }
        }
        Ok(results)
    }

    /// The gates that would be run.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub fn list(
        config: &Config,
        source: &dyn Source,
        tag: &Tag,
        selection: &Selection,
        events: &mut dyn Events,
    ) -> Result<Vec<Gate>> {
        let info = source.resolve(tag, rules(config))?;
        plan(&tagged_config(config, source, &info, events)?, selection)
    }

    fn resolve(&self, tag: &Tag) -> Result<TagInfo> {
        self.source.resolve(tag, rules(self.config))
    }

    fn ground(&self, config: &Config, info: TagInfo, gates: &[Gate]) -> Result<Ground> {
        let facts = self.build.inspect(&self.places.clone, &config.build)?;
        let plan = BuildPlan::for_gates(config, &info, &facts, self.places.clone())?;
        self.machine.furnish(&plan)?;
        let digest = |path, limit| -> Result<Option<Sha256>> {
            let file = self.source.committed_file(&info, path, limit)?;
            Ok(file.as_deref().map(Sha256::of))
        };
        let materials = Materials {
            config: digest(config::FILE_NAME, MAX_CONFIG_LEN)?,
            lockfile: digest(lockfile::FILE_NAME, MAX_LOCKFILE_LEN)?,
        };
        let asks = |gate: &Gate| gate.forbid_new.is_some() || !gate.changed_files.is_empty();
        let changes = match gates.iter().any(asks) {
            false => Vec::new(),
            true => {
                let pattern = config.tags.pattern;
                let previous = self.source.previous_release(&info, pattern)?;
                let previous = previous.as_ref().map(|previous| previous.commit.as_str());
                let is_wanted = |path: &str| added::is_looked_at(gates, path);
                self.source.changes(previous, &info.commit, &is_wanted)?
            }
        };
        Ok(Ground {
            info,
            facts,
            plan,
            materials,
            changes,
        })
    }

    fn one(&self, gate: &Gate, ground: &Ground, events: &mut dyn Events) -> Result<GateResult> {
        // Whatever the gate before left in the clone is gone, and so is what it changed.
        let tree = self.machine.clean(self.source, &ground.info)?;
        let mut env = ground.plan.env.clone();
        env.extend(gate.env.clone());
        let order = Order {
            gate: &gate.name,
            argv: &gate.command,
            env: &env,
            timeout_minutes: gate.timeout_minutes,
            reports: gate.reports().collect(),
        };
        let mut listener = Listener::new(gate);
        let ran = self.machine.run(&order, &mut |line, stdout| {
            listener.line(line, stdout);
            // Cargo's messages for programs are no talk.
            if !line.starts_with(b"{") {
                let text = String::from_utf8_lossy(line);
                events.line(&crate::release::text::plain_line(text.trim_end()));
            }
        })?;
        if ran.left_running > 0 {
            events.note(&format!(
                "gate {} left {} processes running, which were ended",
                gate.name, ran.left_running
            ));
        }
        let touched = self.machine.touched()?;
        let verdict = judge(
            gate,
            Evidence {
                ended: ran.ended,
                heard: listener.finish(),
                report: &|path| self.machine.report(path),
                root: text(&self.places.clone),
                tree: &tree,
                changes: &ground.changes,
                touched: &touched,
            },
        );
        Ok(self.result(gate, ground, &ran, verdict))
    }

    fn result(&self, gate: &Gate, ground: &Ground, ran: &Ran, verdict: Verdict) -> GateResult {
        GateResult {
            tag: ground.info.tag.to_string(),
            commit: ground.info.commit.clone(),
            gate: gate.name.clone(),
            command: gate.command.clone(),
            exit_status: ran.ended.status(),
            ended: ran.ended.otherwise(),
            counts: verdict.counts,
            coverage: verdict.coverage,
            number: verdict.number,
            duration_ms: u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX),
            log: ran.log,
            toolchain: Toolchain::clone(&ground.facts.toolchain),
            materials: ground.materials,
            problems: verdict.problems,
            passed_tests: verdict.passed,
            failed_tests: verdict.failed,
            time: (self.now)(),
        }
    }

    /// Signs a result and puts it where it waits for its release.
    fn keep(&self, result: &GateResult) -> Result<()> {
        let envelope = Envelope::sign(&statement(result)?, self.key)?;
        let length = envelope.to_line()?.len();
        if length > MAX_LOG_ENTRY_LEN {
            return Err(Error::bug(format!(
                "the result of gate {} has {length} bytes, a log entry at most {MAX_LOG_ENTRY_LEN}",
                result.gate
            )));
        }
        self.drawer.add(&result.tag, &envelope).map(drop)
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        allow_lightweight: config.tags.allow_lightweight,
    }
}

/// Build plans have checked that it is UTF-8.
fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// `fmt ok 1.2 s`, or `test FAILED: 49 tests passed, wanted 50`.
fn line(result: &GateResult) -> String {
    let seconds = format!(
        "{}.{} s",
        result.duration_ms / 1_000,
        result.duration_ms / 100 % 10
    );
    match result.problems.split_first() {
        None => format!("{} ok {seconds}", result.gate),
        Some((first, [])) => format!("{} FAILED: {first}", result.gate),
        Some((first, rest)) => format!("{} FAILED: {first} (and {} more)", result.gate, rest.len()),
    }
}
