//! A node that has no backups, for tests of the other drivers.

use std::path::{Path, PathBuf};

use super::host::{BackupHost, Identity, Listed, RestoreSurvey, Source, Survey, Swapped};
use super::journal::BackupJournal;
use super::manifest::{BackupId, Begun, Manifest};
use super::plan::RestorePlan;
use crate::error::{Error, Result};

/// Has none and makes none.
pub(crate) struct NoBackups;

fn none<T>() -> Result<T> {
    Err(Error::failed("there are no backups here"))
}

impl BackupHost for NoBackups {
    fn read_journal(&self) -> Result<Option<BackupJournal>> {
        Ok(None)
    }
    fn write_journal(&self, _: &BackupJournal) -> Result<()> {
        none()
    }
    fn remove_journal(&self) -> Result<()> {
        Ok(())
    }
    fn survey(&self, _: &[Source]) -> Result<Survey> {
        none()
    }
    fn make(&self, _: &[Source], _: &Begun<'_>) -> Result<BackupId> {
        none()
    }
    fn clean(&self) -> Result<()> {
        Ok(())
    }
    fn list(&self) -> Result<Vec<Listed>> {
        Ok(Vec::new())
    }
    fn manifest(&self, _: &BackupId) -> Result<Manifest> {
        none()
    }
    fn verify(&self, _: &BackupId) -> Result<Vec<String>> {
        none()
    }
    fn remove(&self, _: &BackupId) -> Result<()> {
        none()
    }
    fn look(&self, _: &BackupId) -> Result<RestoreSurvey> {
        none()
    }
    fn stage(&self, _: &BackupId) -> Result<Identity> {
        none()
    }
    fn unstage(&self) -> Result<()> {
        Ok(())
    }
    fn swap(&self, _: &RestorePlan, _: Identity) -> Result<()> {
        none()
    }
    fn swapped(&self, _: &RestorePlan, _: Identity) -> Result<Swapped> {
        none()
    }
    fn finish_swap(&self, _: &RestorePlan, _: Identity) -> Result<()> {
        none()
    }
    fn identity(&self, _: &Path) -> Result<Option<Identity>> {
        Ok(None)
    }
    fn restore_configuration(&self, _: &BackupId) -> Result<Vec<String>> {
        none()
    }
    fn put_aside(&self) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
    fn remove_aside(&self, _: &Path) -> Result<()> {
        none()
    }
}
