//! The two copies of a record: the operator's own, which is written first and goes on when the store does not answer, and
//! the store's, which decides who drives. Works through the trait alone.

use jiff::Timestamp;

use super::record::{Record, RolloutId, Wanted};
use super::records::{Records, Revision, Saved};
use crate::limits::MAX_ROLLOUTS;
use crate::store::lease::{Holder, LeaseRecord};
use crate::{Error, Result};

/// How often a write that somebody came before is tried anew.
const TRIES: u32 = 8;

/// Where records are.
#[derive(Clone, Copy)]
pub struct Ledger<'a> {
    /// On the operator's machine.
    pub local: &'a dyn Records,
    /// In the store; none where it cannot be written, such as behind HTTP.
    pub store: Option<&'a dyn Records>,
}

/// A record and what the places of its copies call the state that was read or written there.
#[derive(Clone, Debug)]
pub struct Copies {
    /// The newest of them.
    pub record: Record,
    local: Option<Revision>,
    store: Option<Revision>,
    /// The lease under which it is written; once another one is found there, nothing is.
    fence: LeaseRecord,
    /// Why the store's was not seen.
    pub unreachable: Option<String>,
}

/// Where a write has to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On this machine: an emergency waits for nothing else.
    Local,
    /// In the store, too, where there is one.
    Both,
}

/// Why a record was not written.
#[derive(Debug)]
pub enum Unwritten {
    /// Somebody else drives the rollout now.
    Lost(Error),
    /// The copy on this machine cannot be written.
    Local(Error),
    /// That in the store cannot be; that on this machine is.
    Store(Error),
}

impl Unwritten {
    /// What went wrong.
    pub fn into_error(self) -> Error {
        match self {
            Unwritten::Lost(e) => e,
            Unwritten::Local(e) => e.under("the record on this machine cannot be written"),
            Unwritten::Store(e) => e.under("the record in the store cannot be written"),
        }
    }
}

impl Ledger<'_> {
    /// Names of all records, oldest first, and what could not be looked at.
    ///
    /// # Errors
    /// This machine's cannot be read.
    pub fn list(&self) -> Result<(Vec<RolloutId>, Vec<String>)> {
        let mut ids = self.local.list()?;
        let mut warnings = Vec::new();
        match self.store.map(Records::list).transpose() {
            Ok(more) => ids.extend(more.unwrap_or_default()),
            Err(e) => warnings.push(format!("records in the store are not seen: {e}")),
        }
        ids.sort();
        ids.dedup();
        ids.drain(..ids.len().saturating_sub(MAX_ROLLOUTS));
        Ok((ids, warnings))
    }

    /// Both copies of a record, as one: the newer state, with the wishes of both.
    ///
    /// # Errors
    /// A copy that is damaged; none on this machine while the store does not answer.
    pub fn load(&self, id: &RolloutId) -> Result<Option<Copies>> {
        let mine = read(self.local, id)?;
        let (theirs, unreachable) = match self.store.map(|s| read(s, id)).transpose() {
            Ok(theirs) => (theirs.flatten(), None),
            Err(e) if mine.is_none() => return Err(e),
            Err(e) => (None, Some(e.to_string())),
        };
        let (record, local, store) = match (mine, theirs) {
            (None, None) => return Ok(None),
            (Some((record, at)), None) => (record, Some(at), None),
            (None, Some((record, at))) => (record, None, Some(at)),
            (Some((mine, local)), Some((theirs, store))) => {
                let (mut newer, older) = match is_newer(&mine, &theirs) {
                    true => (mine, theirs),
                    false => (theirs, mine),
                };
                newer.adopt_wishes(&older);
                (newer, Some(local), Some(store))
            }
        };
        Ok(Some(Copies {
            fence: record.lease.clone(),
            record,
            local,
            store,
            unreachable,
        }))
    }

    /// A record that is not there yet.
    ///
    /// # Errors
    /// As [`Ledger::write`].
    pub fn create(&self, record: Record, reach: Reach) -> Result<Copies, (Box<Copies>, Unwritten)> {
        let mut copies = Copies {
            fence: record.lease.clone(),
            record,
            local: None,
            store: None,
            unreachable: None,
        };
        match self.write(&mut copies, reach) {
            Ok(()) => Ok(copies),
            Err(why) => Err((Box::new(copies), why)),
        }
    }

    /// Writes the record, on this machine first. Wishes that others wrote meanwhile come into it.
    ///
    /// # Errors
    /// See [`Unwritten`].
    pub fn write(&self, copies: &mut Copies, reach: Reach) -> Result<(), Unwritten> {
        copies.record.revision += 1;
        copies.local = Some(
            put(
                self.local,
                &copies.fence,
                &mut copies.record,
                copies.local.take(),
            )
            .map_err(|e| e.unwrap_or_else(Unwritten::Local))?,
        );
        if let (Reach::Both, Some(store)) = (reach, self.store) {
            // Kept where it fails: the next write has to know what is there.
            let before = copies.store.clone();
            copies.store = Some(
                put(store, &copies.fence, &mut copies.record, before)
                    .map_err(|e| e.unwrap_or_else(Unwritten::Store))?,
            );
        }
        Ok(())
    }

    /// Takes over what others wrote: wishes, or that somebody else drives.
    ///
    /// # Errors
    /// Somebody else drives it. A place that cannot be reached is none.
    pub fn look(&self, copies: &mut Copies) -> Result<(), Unwritten> {
        let Copies {
            record,
            local,
            store,
            fence,
            ..
        } = copies;
        for (place, known) in [(Some(self.local), local), (self.store, store)] {
            let Some(Ok(Some(found))) = place.map(|p| p.load(&record.id)) else {
                continue;
            };
            // What is there is what was written from here.
            if known.as_ref() == Some(&found.revision) {
                continue;
            }
            let Ok(theirs) = Record::parse(&found.bytes) else {
                continue;
            };
            mine(fence, &theirs).map_err(Unwritten::Lost)?;
            record.adopt_wishes(&theirs);
            *known = Some(found.revision);
        }
        Ok(())
    }

    /// Makes `holder` the driver: the epoch grows, and whoever drove before cannot write any more. `gone` says whether a
    /// holder cannot come back.
    ///
    /// # Errors
    /// Somebody drives it, and who; no such record; a store that cannot be written, unless in an emergency.
    pub fn take(
        &self,
        id: &RolloutId,
        holder: &Holder,
        now: Timestamp,
        gone: &dyn Fn(&Holder) -> bool,
    ) -> Result<Copies> {
        for _ in 0..TRIES {
            let mut copies = self.load(id)?.ok_or_else(|| no_record(id))?;
            let lease = &copies.record.lease;
            if let Some(other) = lease.keeps(now)
                && other != holder
                && !gone(other)
            {
                return Err(Error::failed(format!(
                    "rollout {id} is driven by somebody else: {}",
                    other.who
                ))
                .hint(format!(
                    "wait until it ends or its lease does at {}; if it cannot end: relman fleet resume {id} --take-over",
                    lease.expires
                )));
            }
            copies.record.lease = LeaseRecord::taken(Some(lease), holder.clone(), now);
            copies.fence = copies.record.lease.clone();
            copies.record.note(now, None, "drives it from here on");
            copies.record.revision += 1;
            if self.put_exactly(&mut copies)? {
                return Ok(copies);
            }
        }
        Err(Error::failed(format!(
            "the record of rollout {id} changes faster than it can be taken"
        ))
        .hint("run the same command again"))
    }

    /// Writes a wish for whoever drives the rollout.
    ///
    /// # Errors
    /// No such record; it is over; nowhere to write it.
    pub fn wish(
        &self,
        id: &RolloutId,
        who: &str,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<Copies> {
        for _ in 0..TRIES {
            let mut copies = self.load(id)?.ok_or_else(|| no_record(id))?;
            if copies.record.is_over() {
                return Err(Error::failed(format!(
                    "rollout {id} is over: it is {}",
                    copies.record.state.name()
                )));
            }
            copies.record.wish(who, wanted, now)?;
            copies.record.revision += 1;
            if self.put_exactly(&mut copies)? {
                return Ok(copies);
            }
        }
        Err(Error::failed(format!(
            "the record of rollout {id} changes faster than it can be written"
        ))
        .hint("run the same command again"))
    }

    /// Writes the record if nobody has since it was read: into the store first, which decides. `false`: somebody has.
    fn put_exactly(&self, copies: &mut Copies) -> Result<bool> {
        let bytes = copies.record.to_bytes()?;
        let id = copies.record.id.clone();
        if let Some(store) = self.store.filter(|_| copies.unreachable.is_none()) {
            match exactly(store, &id, &bytes, copies.store.as_ref()) {
                Ok(Some(at)) => copies.store = Some(at),
                Ok(None) => return Ok(false),
                Err(e) if !copies.record.is_emergency() => {
                    return Err(Unwritten::Store(e).into_error());
                }
                Err(e) => copies.unreachable = Some(e.to_string()),
            }
        }
        if let (Some(why), false) = (&copies.unreachable, copies.record.is_emergency()) {
            return Err(Error::failed(format!(
                "rollout {id} cannot go on while the store does not answer"
            ))
            .caused_by(why)
            .hint("an emergency can: relman fleet stop, relman fleet rollback"));
        }
        match exactly(self.local, &id, &bytes, copies.local.as_ref())
            .map_err(|e| Unwritten::Local(e).into_error())?
        {
            Some(at) => {
                copies.local = Some(at);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

fn no_record(id: &RolloutId) -> Error {
    Error::usage(format!("there is no record of a rollout {id}"))
        .hint("relman fleet status lists those that there are")
}

fn read(place: &dyn Records, id: &RolloutId) -> Result<Option<(Record, Revision)>> {
    let Some(stored) = place.load(id)? else {
        return Ok(None);
    };
    let record = Record::parse(&stored.bytes)
        .and_then(|record| match record.id == *id {
            true => Ok(record),
            false => Err(Error::failed(format!("it is that of {}", record.id))),
        })
        .map_err(|e| {
            e.under(format!(
                "{}: the record of rollout {id} is damaged",
                place.location()
            ))
        })?;
    Ok(Some((record, stored.revision)))
}

/// Whether `a`, of this machine, is of a later state than `b`, of the store. Where two have begun the same epoch, the
/// store's word counts.
fn is_newer(a: &Record, b: &Record) -> bool {
    match a.lease.epoch.cmp(&b.lease.epoch) {
        std::cmp::Ordering::Equal => {
            let same = a.lease.holder == b.lease.holder
                || a.lease.holder.is_none()
                || b.lease.holder.is_none();
            same && a.revision > b.revision
        }
        order => order.is_gt(),
    }
}

/// Whether whoever holds the lease `own` may still write over `theirs`.
fn mine(own: &LeaseRecord, theirs: &Record) -> Result<()> {
    let other = &theirs.lease;
    // One that was given back in this epoch was given back by whoever holds it.
    let same = other.holder == own.holder || other.holder.is_none();
    if other.epoch < own.epoch || (other.epoch == own.epoch && same) {
        return Ok(());
    }
    let who = match &other.holder {
        Some(holder) => holder.who.clone(),
        None => "somebody who has ended".into(),
    };
    Err(Error::failed(format!(
        "rollout {} is driven by somebody else now: {who}",
        theirs.id
    ))
    .hint("nothing more was done here; see how it goes on: relman fleet status"))
}

/// Writes a driver's record into one place.
fn put(
    place: &dyn Records,
    fence: &LeaseRecord,
    record: &mut Record,
    mut before: Option<Revision>,
) -> Result<Revision, Result<Unwritten, Error>> {
    for _ in 0..TRIES {
        let bytes = record.to_bytes().map_err(Err)?;
        match place
            .save(&record.id, &bytes, before.as_ref())
            .map_err(Err)?
        {
            Saved::Done(at) => return Ok(at),
            Saved::Differs => {}
        }
        let Some(found) = place.load(&record.id).map_err(Err)? else {
            before = None;
            continue;
        };
        if found.bytes == bytes {
            return Ok(found.revision);
        }
        let theirs = Record::parse(&found.bytes).map_err(Err)?;
        mine(fence, &theirs).map_err(|e| Ok(Unwritten::Lost(e)))?;
        record.adopt_wishes(&theirs);
        record.revision = record.revision.max(theirs.revision) + 1;
        before = Some(found.revision);
    }
    Err(Err(Error::failed(format!(
        "the record of rollout {} changes faster than it can be written",
        record.id
    ))))
}

fn exactly(
    place: &dyn Records,
    id: &RolloutId,
    bytes: &[u8],
    before: Option<&Revision>,
) -> Result<Option<Revision>> {
    if let Saved::Done(at) = place.save(id, bytes, before)? {
        return Ok(Some(at));
    }
    // An answer may have got lost on its way.
    let found = place.load(id)?.filter(|found| found.bytes == bytes);
    Ok(found.map(|found| found.revision))
}
