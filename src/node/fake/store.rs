//! The store of the host in memory: releases that are believed.

use std::path::Path;

use jiff::Timestamp;

use super::{Fake, Files, records};
use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::node::release::{NodeKnows, Releases, VerifiedFile, VerifiedRelease};

impl Releases for Fake {
    fn verify(&self, tag: &str, _: &Path) -> Result<VerifiedRelease> {
        let files = self
            .read(|w| w.store.get(tag).cloned())?
            .ok_or_else(|| Error::refused(format!("{tag} is not in the store")))?;
        let mut release = release(tag, &files);
        self.declare(&mut release);
        release.minimum = self.0.borrow().minimum.clone();
        Ok(release)
    }
    fn unpack(&self, release: &VerifiedRelease, _: &Path, dir: &Path) -> Result<()> {
        self.mutate(|w| {
            let files = w.store.get(&release.tag).cloned().unwrap_or_default();
            w.staging.insert(dir.into(), files);
            Ok(())
        })
    }
    fn verify_retained(
        &self,
        tag: &str,
        evidence: &[(String, Vec<u8>)],
        _: Timestamp,
    ) -> Result<VerifiedRelease> {
        match evidence {
            [(name, bytes)] if name == "proof" => {
                let files: Files = serde_json::from_slice(bytes)
                    .map_err(|_| Error::refused("the proof is malformed"))?;
                let mut release = release(tag, &files);
                self.declare(&mut release);
                Ok(release)
            }
            _ => Err(Error::refused("no proof")),
        }
    }
    fn look(&self) -> Result<()> {
        self.read(|_| ())
    }
    fn known(&self, _: Timestamp) -> Result<Option<NodeKnows>> {
        Ok(None)
    }
}

impl Fake {
    fn declare(&self, release: &mut VerifiedRelease) {
        release.edges = self
            .0
            .borrow()
            .edges
            .get(&release.tag)
            .cloned()
            .unwrap_or_default();
    }
}

fn release(tag: &str, files: &Files) -> VerifiedRelease {
    VerifiedRelease {
        tag: tag.into(),
        archive_sha256: Sha256::of(tag.as_bytes()),
        archive_len: 1,
        files: records(files)
            .into_iter()
            .map(|f| VerifiedFile {
                path: f.path,
                sha256: f.sha256,
                len: f.len,
                executable: f.executable,
            })
            .collect(),
        edges: Default::default(),
        minimum: None,
        evidence: vec![(
            "proof".into(),
            serde_json::to_vec(files).unwrap_or_default(),
        )],
        warnings: Vec::new(),
    }
}
