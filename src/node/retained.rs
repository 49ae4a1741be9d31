//! What a retained version is worth now: verified again, offline. Reads through the host's trait.

use super::Node;
use super::record::{FileRecord, Origin, RECORD_NAME, ReleaseRecord, differences};
use crate::error::{Error, Result};
use crate::release::edges::Edges;

/// A retained version whose evidence was verified again.
#[derive(Clone, Debug)]
pub struct Retained {
    /// The record kept beside it.
    pub record: ReleaseRecord,
    /// What its files have to be: from the verified evidence, or, for an adopted version, from
    /// the record alone.
    pub files: Vec<FileRecord>,
    /// How far a node may go back from it; nothing where it was only found here.
    pub edges: Edges,
    /// What is no reason to refuse, but has to be said.
    pub warnings: Vec<String>,
}

impl Node<'_> {
    /// Verifies the evidence of `version` again and says what its files have to be.
    pub(super) fn retained(&self, version: &str) -> Result<Retained> {
        let evidence = self.host.evidence(version)?;
        let record = ReleaseRecord::read(version, &evidence)?;
        if record.origin == Origin::Adopted {
            return Ok(Retained {
                files: record.files.clone(),
                edges: Edges::default(),
                warnings: vec![format!(
                    "{version} was found on this host, not installed by relman: only its recorded digest was checked, no signature covers it"
                )],
                record,
            });
        }
        let stored: Vec<(String, Vec<u8>)> = evidence
            .into_iter()
            .filter(|(name, _)| name != RECORD_NAME)
            .collect();
        let release = self
            .releases
            .verify_retained(version, &stored, self.host.now())?;
        if release.tag != version {
            return Err(Error::refused(format!(
                "the evidence kept for {version} is that of {}",
                release.tag
            )));
        }
        Ok(Retained {
            files: release.files.iter().map(FileRecord::from).collect(),
            edges: release.edges,
            warnings: release.warnings,
            record,
        })
    }

    /// The current version and what it is worth, for who looks at what runs.
    ///
    /// # Errors
    /// Kind failed: nothing is installed; and as [`Node::retained`].
    pub(super) fn installed(&self) -> Result<(String, Retained)> {
        let Some(tag) = self.host.current()? else {
            return Err(
                Error::failed("nothing is installed, so there is nothing to look at")
                    .hint("relman install"),
            );
        };
        let retained = self.retained(&tag)?;
        Ok((tag, retained))
    }

    /// Refuses unless the files of `version` are exactly `wanted`.
    pub(super) fn require_files(&self, version: &str, wanted: &[FileRecord]) -> Result<()> {
        let Some(found) = self.host.files(version)? else {
            return Err(
                Error::failed(format!("{version} is not retained on this node"))
                    .hint("relman status shows what is"),
            );
        };
        let lines = differences(wanted, &found);
        if lines.is_empty() {
            return Ok(());
        }
        let directory = self.config.state.join("versions").join(version);
        let error = Error::refused(format!(
            "the files of {version} on this node are not the verified ones: somebody changed {}",
            directory.display()
        ))
        .hint(format!(
            "keep it as evidence and install {version} again: mv {} {}",
            directory.display(),
            self.config
                .state
                .join(format!("{version}.changed"))
                .display()
        ));
        Err(lines.into_iter().fold(error, Error::caused_by))
    }

    /// [`Node::retained`] and [`Node::require_files`].
    pub(super) fn retained_whole(&self, version: &str) -> Result<Retained> {
        let retained = self.retained(version)?;
        self.require_files(version, &retained.files)?;
        Ok(retained)
    }
}
