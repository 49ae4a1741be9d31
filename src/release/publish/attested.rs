//! Attestations on their way into the log: those of a draft with its release, later ones by themselves.
//! Only what verifies and is about the release goes in. Pure.

use std::collections::BTreeSet;

use super::batch::Batch;
use super::{Planned, Publisher, Waiting};
use crate::attest::Envelope;
use crate::limits::{MAX_ATTESTATION_LEN, MAX_ATTESTATIONS, MAX_LOG_ENTRY_LEN};
use crate::release::assemble::{APPROVALS, PROVENANCE};
use crate::release::attestations::{Drawer, Offered, Row, Standing, Unmet, rows, unmet};
use crate::release::draft::{Drafts, Record};
use crate::release::leaf::AttestationKind;
use crate::release::policy::ReleasePolicy;
use crate::release::state::Released;
use crate::release::tag_rule::Author;
use crate::release::verify::{about, logged_origin, signed_release};
use crate::release::view::View;
use crate::{Error, Result};

/// What is known of a draft's attestations.
#[derive(Debug)]
pub struct Attested {
    /// What every one of them is worth.
    pub rows: Vec<Row>,
    /// Who made the tag.
    pub author: Author,
    /// What policy wants of every release and nobody has given.
    pub unmet: Vec<Unmet>,
    /// What policy has against the tag.
    pub problems: Vec<String>,
    /// Those that go into the log.
    good: Vec<(AttestationKind, Envelope)>,
}

/// Looks at the attestations that wait for a draft.
///
/// # Errors
/// A draft whose provenance or leaf does not verify; a drawer that cannot be read.
pub fn attested(
    policy: &ReleasePolicy,
    record: &Record,
    released: &Released,
    drafts: &dyn Drafts,
    drawer: &dyn Drawer,
    now: jiff::Timestamp,
) -> Result<Attested> {
    let leaf = signed_release(record.leaf.as_bytes(), policy)?;
    let bytes = drafts.read(&record.tag, PROVENANCE, MAX_ATTESTATION_LEN)?;
    let made = logged_origin(PROVENANCE, &bytes, &leaf, policy, released)?;
    let (about, problems) = about(policy, released, &made, leaf.time, now);
    let envelopes = drawer.load(&record.tag)?;
    let mut all = Vec::new();
    let mut good = Vec::new();
    for envelope in envelopes {
        let found = rows(policy, &about, &[Offered::unlogged(envelope.clone())]);
        good.extend(worth_logging(&found).map(|kind| (kind, envelope)));
        all.extend(found);
    }
    let unmet = unmet(&policy.wanted_for_cut(), policy, &about, &all);
    Ok(Attested {
        rows: all,
        author: about.author,
        unmet,
        problems,
        good,
    })
}

/// The kind of an attestation of which every signature was verified, and that is about the release.
fn worth_logging(rows: &[Row]) -> Option<AttestationKind> {
    let fine = |row: &Row| matches!(row.standing, Standing::Ok | Standing::Failed);
    rows.first()
        .filter(|_| rows.iter().all(fine))
        .map(|row| row.kind)
}

impl Publisher<'_> {
    /// Adds the attestations of a draft to its publication; `Some` where policy wants more.
    pub(super) fn add_attestations(
        &self,
        batch: &mut Batch,
        policy: &ReleasePolicy,
        (record, released): (&Record, &Released),
        (drafts, drawer): (&dyn Drafts, &dyn Drawer),
    ) -> Result<Option<Waiting>> {
        let attested = attested(policy, record, released, drafts, drawer, self.now)?;
        if let Some(first) = attested.problems.first() {
            return Err(Error::refused(first.clone())
                .under(format!("the draft of {} cannot be published", record.tag)));
        }
        if let Some(unmet) = attested.unmet.first() {
            return Ok(Some(Waiting::of_rule(unmet)));
        }
        let mut file = Vec::new();
        for kind in AttestationKind::ALL {
            let of_kind = attested.good.iter().filter(|(k, _)| *k == kind);
            for (n, (_, envelope)) in (1..).zip(of_kind) {
                let line = entry(envelope)?;
                file.extend_from_slice(&line);
                file.push(b'\n');
                batch.entry(line, kind.proof_path(&record.tag, n));
            }
        }
        if !file.is_empty() {
            batch.object(format!("{}/{APPROVALS}", record.tag), file);
        }
        Ok(None)
    }

    /// Plans to enter attestations about a published release in the log; `None` where all of them are
    /// there already.
    ///
    /// # Errors
    /// One that does not verify, is about something else, or is signed by a key that does not count.
    pub fn attest(
        &self,
        view: &View,
        released: &Released,
        envelopes: &[Envelope],
    ) -> Result<Option<Planned>> {
        let judged = super::super::attestations::of_release(self.store, view, released, self.now)?;
        let there: BTreeSet<Vec<u8>> = judged
            .offered
            .iter()
            .filter_map(|one| one.envelope.to_line().ok())
            .collect();
        let mut entries = Vec::new();
        let mut next = std::collections::BTreeMap::new();
        for envelope in envelopes {
            let line = entry(envelope)?;
            if there.contains(&line) || entries.iter().any(|(known, _)| *known == line) {
                continue;
            }
            let found = rows(
                &view.policy,
                &judged.about,
                &[Offered::unlogged(envelope.clone())],
            );
            let kind = worth_logging(&found).ok_or_else(|| refused(&found))?;
            let n = match next.get(&kind) {
                Some(n) => *n,
                None => self.next_number(kind, &released.tag)?,
            };
            next.insert(kind, n + 1);
            entries.push((line, kind.proof_path(&released.tag, n)));
        }
        match entries.is_empty() {
            true => Ok(None),
            false => self.enter(view, entries).map(Some),
        }
    }

    fn next_number(&self, kind: AttestationKind, tag: &str) -> Result<u64> {
        for n in 1..=MAX_ATTESTATIONS {
            if self.store.open(&kind.proof_path(tag, n))?.is_none() {
                return Ok(n);
            }
        }
        Err(Error::failed(format!(
            "{tag} has {MAX_ATTESTATIONS} of kind {kind} already"
        )))
    }
}

/// Why an attestation is not taken.
pub fn refused(rows: &[Row]) -> Error {
    let bad = rows
        .iter()
        .find(|row| !matches!(row.standing, Standing::Ok | Standing::Failed));
    match bad {
        None => Error::refused("it is no attestation that this version knows"),
        Some(row) => Error::refused(format!(
            "{} {} by {} does not count: {}",
            row.kind,
            row.what,
            row.person.as_deref().unwrap_or("somebody unknown"),
            row.standing.words()
        ))
        .caused_by(&row.detail),
    }
}

fn entry(envelope: &Envelope) -> Result<Vec<u8>> {
    let line = envelope.to_line()?;
    match line.len() > MAX_LOG_ENTRY_LEN {
        true => Err(Error::refused(format!(
            "an attestation of {} bytes, the log takes {MAX_LOG_ENTRY_LEN}",
            line.len()
        ))),
        false => Ok(line),
    }
}
