//! The rebuild room: the release that is to be built again, from verified metadata, log and provenance.
//! No I/O but through traits.

use std::collections::BTreeMap;

use super::recipe::Recipe;
use crate::attest::provenance::MemberFacts;
use crate::hash::Sha256;
use crate::limits::{MAX_ATTESTATION_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::TlogProof;
use crate::release::archive::{MemberPath, Sink};
use crate::release::assemble::{PROOF, PROVENANCE};
use crate::release::report::Problem;
use crate::release::state::{self, Released};
use crate::release::verify::{
    Scratch, ScratchFile, check_logged, fetch_archive, logged_origin, signed_release,
    unpack_checked,
};
use crate::release::view::View;
use crate::store::Reader;
use crate::{Error, Result};

/// A published release: who lists it, logged it and built it was verified. What policy asks of it
/// besides was not, nor whether it was yanked: anybody may want to know where such a release came from.
pub struct Published {
    /// What the metadata says of it.
    pub released: Released,
    /// How it was built.
    pub recipe: Recipe,
    /// Every member of the archive.
    pub members: BTreeMap<String, MemberFacts>,
    /// By whom, as policy names them.
    pub built_by: String,
    /// Its archive, at its first byte, with the digest that is listed.
    pub archive: Box<dyn ScratchFile>,
}

impl Published {
    /// Finds and verifies the release of a tag.
    ///
    /// # Errors
    /// Refused: it is not listed, not in the log or otherwise there than listed; no builder signed its
    /// provenance; its archive has other bytes.
    pub fn open(store: &dyn Reader, view: &View, scratch: &dyn Scratch, tag: &str) -> Result<Self> {
        let (policy, history) = (&view.policy, &view.history);
        let targets = view.refreshed.targets();
        let released = state::find(targets, tag)?;
        let listed = ("targets", targets.version, targets.bytes());
        check_logged(history, policy, store, listed)?;
        let read = |name: &str, limit: u64| {
            let path = format!("{tag}/{name}");
            let bytes = store.read(&path, limit)?;
            bytes.ok_or_else(|| Error::refused(format!("{path} is missing")))
        };
        let leaf = TlogProof::parse(&read(PROOF, MAX_TLOG_PROOF_LEN)?)
            .and_then(|proof| history.included(&proof, policy))
            .and_then(|included| signed_release(&included.entry, policy))
            .map_err(|e| e.under(format!("{tag}/{PROOF} does not verify")))?;
        if let Some(first) = released.differences(&leaf).into_iter().next() {
            return Err(Error::refused(first));
        }

        let path = format!("{tag}/{PROVENANCE}");
        let bytes = read(PROVENANCE, MAX_ATTESTATION_LEN)?;
        let made = logged_origin(&path, &bytes, &leaf, policy, &released)?;
        let recipe = Recipe::read(&made.statement)?;
        if recipe.tag_object != released.tag_object {
            return Err(Error::refused(format!(
                "{path} has tag object {}, the log has {}",
                recipe.tag_object.as_deref().unwrap_or("none"),
                released.tag_object.as_deref().unwrap_or("none"),
            )));
        }
        let open = |released: &Released| store.open(&released.archive_path());
        let archive = fetch_archive(&open, scratch, &released).map_err(|e| {
            e.under(format!(
                "the published {} cannot be compared with",
                released.archive_name()
            ))
        })?;
        Ok(Published {
            built_by: made.builders.join(", "),
            released,
            recipe,
            members: made.members,
            archive,
        })
    }

    /// The contents of the members that `wanted` names, as far as they fit into `room` bytes.
    ///
    /// # Errors
    /// Refused: the archive is not what the provenance says. Failed: it cannot be read.
    pub fn contents(
        &mut self,
        wanted: &[&str],
        room: u64,
        threads: usize,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut picked = Picked {
            wanted,
            room,
            under_way: None,
            done: BTreeMap::new(),
        };
        let tag = &self.released.tag;
        let unpacked = unpack_checked(
            &mut self.archive,
            tag,
            &self.members,
            threads,
            Some(&mut picked),
        );
        let name = self.released.archive_name();
        unpacked.map_err(|problems| {
            refused(
                &format!("the published {name} is not what its provenance says"),
                &problems,
            )
        })?;
        self.archive.rewind()?;
        Ok(picked.done)
    }
}

fn refused(what: &str, problems: &[Problem]) -> Error {
    let first = Error::refused(what);
    problems.iter().fold(first, |error, problem| {
        error.caused_by(format!("{} {}", problem.subject, problem.message))
    })
}

/// Keeps the contents of some members in memory.
struct Picked<'a> {
    wanted: &'a [&'a str],
    room: u64,
    under_way: Option<(String, Vec<u8>)>,
    done: BTreeMap<String, Vec<u8>>,
}

impl Sink for Picked<'_> {
    fn begin(&mut self, path: &MemberPath, _executable: bool, len: u64) -> Result<()> {
        let fits = self.wanted.contains(&path.as_str()) && len <= self.room;
        if fits {
            self.room -= len;
        }
        self.under_way = fits.then(|| (path.as_str().to_owned(), Vec::new()));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((_, contents)) = &mut self.under_way {
            contents.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end(&mut self, _sha256: Sha256) -> Result<()> {
        self.done.extend(self.under_way.take());
        Ok(())
    }
}
