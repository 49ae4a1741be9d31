//! Runs gates: one clone, made anew whenever it is not what the tag has; everything that a command leaves
//! running is ended; logs are kept by their digest. I/O room.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use super::build::run::{self, End, Spec};
use super::build::{adopt_strays, furnish};
use super::durable::{self, MODE_SECRET};
use super::workshop::remove;
use super::{clock, tree};
use crate::Result;
use crate::error::Context;
use crate::hash::Sha256;
use crate::limits::MAX_REPORT_LEN;
use crate::release::build_plan::{BuildPlan, Places};
use crate::release::gate::{Ended, Machine, Order, Ran};
use crate::release::source::{Source, TagInfo};

/// Paths that begin with this are looked for in cargo's target directory as well.
const TARGET: &str = "target/";

/// Where gates are run on this machine.
pub struct GateYard {
    places: Places,
    logs: PathBuf,
    /// The clone as it was made; none before there is one.
    made: RefCell<Option<BTreeMap<String, tree::Entry>>>,
}

impl GateYard {
    /// Gates run in `places`, which belong to this process alone; logs are kept in `logs`, which need not
    /// exist.
    pub fn new(places: Places, logs: impl Into<PathBuf>) -> Self {
        adopt_strays();
        GateYard {
            places,
            logs: logs.into(),
            made: RefCell::new(None),
        }
    }

    /// The file of a log.
    pub fn log_path(logs: &Path, log: &Sha256) -> PathBuf {
        logs.join(format!("{log}.log"))
    }

    /// Where a report may be: in the clone, or in cargo's target directory.
    fn report_paths(&self, path: &str) -> Vec<PathBuf> {
        let in_target = path.strip_prefix(TARGET);
        let in_target = in_target.map(|rest| self.places.target.join(rest));
        [self.places.clone.join(path)]
            .into_iter()
            .chain(in_target)
            .collect()
    }

    /// What is in the clone now that was not made with it, or is not as it was, or is gone.
    fn differences(&self) -> Result<BTreeSet<String>> {
        let made = self.made.borrow();
        let before = made.clone().unwrap_or_default();
        let now = tree::entries(&self.places.clone)?;
        let paths = before.keys().chain(now.keys());
        let differs = |path: &&String| before.get(*path) != now.get(*path);
        Ok(paths.filter(differs).cloned().collect())
    }

    fn keep_log(&self, written: &Path, sha256: &Sha256) -> Result<()> {
        durable::sync_file(written)?;
        durable::rename(written, &Self::log_path(&self.logs, sha256))?;
        durable::sync_dir(&self.logs)
    }
}

impl Machine for GateYard {
    fn clean(&self, source: &dyn Source, info: &TagInfo) -> Result<BTreeMap<String, u64>> {
        let fresh = self.made.borrow().is_some() && self.differences()?.is_empty();
        if !fresh {
            remove(&self.places.clone)?;
            source.clone_at(info, &self.places.clone)?;
            *self.made.borrow_mut() = Some(tree::entries(&self.places.clone)?);
        }
        let made = self.made.borrow();
        let files = made.iter().flatten();
        Ok(files
            .filter(|(path, entry)| !is_git(path) && entry.is_file())
            .map(|(path, entry)| (path.clone(), entry.len()))
            .collect())
    }

    fn furnish(&self, plan: &BuildPlan) -> Result<()> {
        furnish(plan)
    }

    fn run(&self, order: &Order, hear: &mut dyn FnMut(&[u8], bool)) -> Result<Ran> {
        let home = &self.places.home;
        remove(home)?;
        fs::create_dir_all(home)
            .or_failed(|| format!("directory {} cannot be made", home.display()))?;
        durable::create_dir_all(&self.logs)?;
        let log = self.logs.join(format!(".running-{}", order.gate));
        if order.argv.is_empty() {
            let text = b"no command: the tag's files were looked at\n";
            durable::write_atomic(&log, text, MODE_SECRET)?;
            let sha256 = Sha256::of(text);
            self.keep_log(&log, &sha256)?;
            return Ok(Ran {
                ended: Ended::NoCommand,
                duration: std::time::Duration::ZERO,
                log: sha256,
                left_running: 0,
            });
        }
        for path in order
            .reports
            .iter()
            .flat_map(|path| self.report_paths(path))
        {
            // What is in the clone is the tag's: it stays, and is told of when it is read.
            if !path.starts_with(&self.places.clone) {
                remove_file(&path)?;
            }
        }
        let spec = Spec {
            argv: order.argv,
            dir: &self.places.clone,
            env: order.env,
            log: &log,
            timeout: clock::minutes(order.timeout_minutes),
            sweep: true,
        };
        let began = clock::elapsed();
        let output = run::run(&spec, &mut |line, stdout| {
            hear(line, stdout);
            Ok(true)
        })?;
        let duration = clock::elapsed().saturating_sub(began);
        self.keep_log(&log, &output.log_sha256)?;
        let ended = match output.end {
            End::TooLong => Ended::TimedOut(order.timeout_minutes),
            End::Status(status) => match status.code() {
                Some(code) => Ended::Exited(code),
                None => Ended::Signalled(status.signal().unwrap_or_default()),
            },
        };
        Ok(Ran {
            ended,
            duration,
            log: output.log_sha256,
            left_running: output.strays,
        })
    }

    fn report(&self, path: &str) -> Result<Vec<u8>, String> {
        if self
            .made
            .borrow()
            .iter()
            .flatten()
            .any(|(made, _)| made == path)
        {
            return Err(format!(
                "report {path} is committed, wanted a file that the gate makes"
            ));
        }
        let paths = self.report_paths(path);
        let found: Vec<&PathBuf> = paths.iter().filter(|p| durable::is_file(p)).collect();
        let found = match found.as_slice() {
            [] => return Err(format!("there is no report {path}")),
            [one] => one,
            _ => {
                return Err(format!(
                    "there are two reports {path}, in the clone and in cargo's target directory"
                ));
            }
        };
        match durable::read_bounded(found, MAX_REPORT_LEN) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("there is no report {path}")),
            Err(e) => Err(format!("report {path} cannot be read: {e}")),
        }
    }

    fn touched(&self) -> Result<Vec<String>> {
        let made = self.made.borrow();
        let is_of_tag = |path: &String| {
            !is_git(path) && made.as_ref().is_some_and(|made| made.contains_key(path))
        };
        let differences = self.differences()?.into_iter();
        Ok(differences.filter(is_of_tag).collect())
    }
}

fn is_git(path: &str) -> bool {
    path == ".git" || path.starts_with(".git/")
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).or_failed(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
