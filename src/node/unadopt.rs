//! Leaving relman: plain files at the binaries' paths again. Changes the world through the traits.

use serde::Serialize;

use super::Node;
use super::host::Found;
use super::record::{AdoptedFrom, Origin};
use crate::error::{Error, Result};

/// What became of the binaries' paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unadopted {
    /// The version whose files are there.
    pub version: String,
    /// Paths that were links and hold files, or would.
    pub paths: Vec<String>,
}

impl Node<'_> {
    /// Puts the current version's files where the links are, and makes nothing current. Each path
    /// changes by one rename, from a link to the same bytes; a killed run is finished by the next.
    ///
    /// # Errors
    /// Kind failed: nothing is installed; refused: the files are not the verified ones.
    pub fn unadopt(&self, dry_run: bool) -> Result<Unadopted> {
        if dry_run {
            return self.plan_unadopt();
        }
        self.host.prepare()?;
        let _lock = self.host.lock("node release")?;
        self.recover_locked()?;
        let plan = self.plan_unadopt()?;
        let retained = self.retained_whole(&plan.version)?;
        let adopted = match retained.record.origin {
            Origin::Adopted => retained.record.adopted_from.as_slice(),
            Origin::Verified => &[],
        };
        for binary in &self.config.binaries {
            if self.host.inspect(binary)? != Found::Ours {
                continue;
            }
            let Some(file) = retained.files.iter().find(|f| f.path == binary.name) else {
                // Not in this version: the link leads nowhere.
                self.host.unlink(binary)?;
                continue;
            };
            let from: Option<&AdoptedFrom> = adopted.iter().find(|a| a.name == binary.name);
            self.host.put_file(binary, &plan.version, file, from)?;
            self.host.fault_point("released-one")?;
        }
        self.host.set_current(None)?;
        Ok(plan)
    }

    fn plan_unadopt(&self) -> Result<Unadopted> {
        let version = self.host.current()?.ok_or_else(|| {
            Error::failed("nothing is installed on this node, so there is nothing to undo")
                .hint("relman status")
        })?;
        let mut paths = Vec::new();
        for binary in &self.config.binaries {
            if self.host.inspect(binary)? == Found::Ours {
                paths.push(binary.path.display().to_string());
            }
        }
        Ok(Unadopted { version, paths })
    }
}
