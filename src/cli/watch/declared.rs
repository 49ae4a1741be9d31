//! What people have declared and not withdrawn: a file for each environment on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::io::durable::{self, MODE_SECRET};
use crate::io::lock::Lock;
use crate::limits::MAX_WATCH_LINE_LEN;
use crate::watch::looker::Looker;
use crate::watch::policy::Policy;
use crate::watch::sample::Look;
use crate::{Error, Result};

/// One declaration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declaration {
    /// Why.
    pub why: String,
    /// Who declared it.
    pub by: String,
    /// When.
    #[serde(with = "crate::trust::time")]
    pub at: Timestamp,
}

/// All of an environment, by signal.
pub(super) type Declarations = BTreeMap<String, Declaration>;

/// Looks, with what people have declared.
pub(in crate::cli) struct WithDeclared<L> {
    looker: L,
    path: PathBuf,
}

impl<L: Looker> WithDeclared<L> {
    /// What `looker` sees, and what is declared on the environment here.
    pub fn new(looker: L, work_dir: &Path, environment: &str) -> Self {
        WithDeclared {
            looker,
            path: path(work_dir, environment),
        }
    }
}

impl<L: Looker> Looker for WithDeclared<L> {
    fn look(&mut self, nodes: &[String], policy: &Policy) -> Look {
        let mut look = self.looker.look(nodes, policy);
        match read(&self.path) {
            Ok(all) => look.declared = all.into_iter().map(|(s, d)| (s, d.why)).collect(),
            Err(e) => {
                look.silent.insert("declarations".into(), e.to_string());
            }
        }
        look
    }
}

/// Where they are.
pub(super) fn path(work_dir: &Path, environment: &str) -> PathBuf {
    work_dir
        .join("watch")
        .join(format!("{environment}.declared.json"))
}

/// Those that hold.
///
/// # Errors
/// The file cannot be read, or is malformed.
pub(super) fn read(path: &Path) -> Result<Declarations> {
    let Some(bytes) = durable::read_bounded(path, MAX_WATCH_LINE_LEN)? else {
        return Ok(Declarations::new());
    };
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::failed(format!("{} is malformed", path.display()))
            .caused_by(e.to_string())
            .hint("move it away, and declare again what holds: relman watch declare")
    })
}

/// Changes them; two who do so at once do it one after the other.
///
/// # Errors
/// They cannot be read or written.
pub(super) fn change<T>(path: &Path, change: impl FnOnce(&mut Declarations) -> T) -> Result<T> {
    let _lock = Lock::wait(&path.with_extension("lock"))?;
    let mut all = read(path)?;
    let out = change(&mut all);
    let bytes = serde_json::to_vec_pretty(&all)
        .map_err(|e| Error::bug("declarations have no JSON").caused_by(e.to_string()))?;
    durable::write_atomic(path, &bytes, MODE_SECRET)?;
    Ok(out)
}
