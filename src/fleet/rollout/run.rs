//! A driver at work on one record: how it writes, waits, and notices that it drives no more.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::{Ended, Machine};
use crate::fleet::ledger::{Copies, Ledger, Reach, Unwritten};
use crate::fleet::notice::{Notice, Occasion, tell_all};
use crate::fleet::record::{Record, RolloutId, State, Step};
use crate::{Error, Result};

/// How long people's wishes may go unnoticed while nothing else is done.
const SLICE: Duration = Duration::from_secs(5);
/// How long a lease is left before its time is begun anew; it is a third of it.
const RENEW: Duration = Duration::from_secs(300);
/// What is waited before a store that cannot be written is tried anew.
const STORE_PAUSES: [u64; 3] = [5, 15, 40];

/// A driver and its record.
pub(super) struct Run<'a> {
    pub m: &'a Machine<'a>,
    copies: Copies,
    /// When the record was written last, by the clock that never goes back.
    written: Duration,
    /// Nodes that ran before the last of them was told to move.
    pub up: BTreeSet<String>,
    /// The newest height before that.
    pub before: Option<u64>,
    /// A signed watch policy has all that was moved go back.
    pub must_go_back: bool,
    /// Nodes that do not answer and are not asked again in this run.
    pub given_up: BTreeSet<String>,
    /// Nodes that were told to go back twice, since the first time got lost.
    pub retried: BTreeSet<String>,
    /// Rollouts whose drivers were told to yield to this one.
    pub told: BTreeSet<RolloutId>,
    warnings: Vec<String>,
    store_silent: bool,
}

impl<'a> Run<'a> {
    pub fn new(m: &'a Machine<'a>, copies: Copies) -> Self {
        let mut run = Run {
            m,
            written: m.hosts.uptime(),
            up: BTreeSet::new(),
            before: None,
            must_go_back: false,
            given_up: BTreeSet::new(),
            retried: BTreeSet::new(),
            told: BTreeSet::new(),
            warnings: Vec::new(),
            store_silent: false,
            copies,
        };
        if let Some(why) = run.copies.unreachable.take() {
            run.warn(format!("the record in the store is not seen: {why}"));
        }
        run
    }

    pub fn record(&self) -> &Record {
        &self.copies.record
    }

    pub fn record_mut(&mut self) -> &mut Record {
        &mut self.copies.record
    }

    pub fn now(&self) -> Timestamp {
        self.m.hosts.now()
    }

    pub fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Puts a node into a step; written with the next [`Run::write`].
    pub fn enter(&mut self, name: &str, step: Step, words: Option<&str>) {
        let now = self.now();
        self.record_mut().enter(name, step, now, words);
    }

    pub fn note(&mut self, node: Option<&str>, what: &str) {
        let now = self.now();
        self.record_mut().note(now, node, what);
    }

    pub fn turn(&mut self, state: State, why: Option<&str>) {
        let now = self.now();
        self.record_mut().turn(state, now, why);
    }

    /// Writes the record before whatever it says is done. In an emergency only this machine's copy is waited for, and not
    /// even that keeps anybody from being safe.
    ///
    /// # Errors
    /// Somebody else drives now; for an upgrade also a record that cannot be written.
    pub fn write(&mut self) -> Result<()> {
        let reach = match self.record().is_emergency() {
            true => Reach::Local,
            false => Reach::Both,
        };
        let mut pauses = STORE_PAUSES.iter();
        loop {
            match self.write_once(reach) {
                Ok(()) => return Ok(()),
                Err(Unwritten::Lost(e)) => return Err(e),
                Err(e) if reach == Reach::Local => {
                    self.warn(e.into_error().to_string());
                    return Ok(());
                }
                Err(e @ Unwritten::Local(_)) => return Err(e.into_error()),
                Err(e @ Unwritten::Store(_)) => match pauses.next() {
                    Some(seconds) => self.m.hosts.pause(Duration::from_secs(*seconds)),
                    None => return Err(store_gone(e.into_error(), self.record())),
                },
            }
        }
    }

    /// Brings the store's copy up to date in an emergency, as far as the store answers.
    ///
    /// # Errors
    /// Somebody else drives now.
    pub fn push(&mut self) -> Result<()> {
        match self.write_once(Reach::Both) {
            Ok(()) => {
                self.store_silent = false;
                Ok(())
            }
            Err(Unwritten::Lost(e)) => Err(e),
            Err(e) => {
                self.store_silent = true;
                self.warn(e.into_error().to_string());
                Ok(())
            }
        }
    }

    /// Writes what nobody may decide a second time: in an emergency into the store as well, unless it did not answer.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn settle_it(&mut self) -> Result<()> {
        match self.store_silent || !self.record().is_emergency() {
            true => self.write(),
            false => self.push(),
        }
    }

    fn write_once(&mut self, reach: Reach) -> Result<(), Unwritten> {
        let now = self.now();
        let record = &mut self.copies.record;
        if record.lease.holder.is_some() {
            record.lease = record.lease.prolonged(now);
        }
        self.m.ledger.write(&mut self.copies, reach)?;
        self.written = self.m.hosts.uptime();
        (self.m.say)(self.record());
        Ok(())
    }

    /// The places of records that answer, for whoever cannot wait for the others.
    pub fn reachable(&self) -> Ledger<'a> {
        match self.store_silent {
            true => Ledger {
                store: None,
                ..self.m.ledger
            },
            false => self.m.ledger,
        }
    }

    /// Keeps the lease while a step takes long.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn renew(&mut self) -> Result<()> {
        match self.m.hosts.uptime().saturating_sub(self.written) >= RENEW {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Takes over what others wrote.
    ///
    /// # Errors
    /// Somebody else drives now.
    pub fn look(&mut self) -> Result<()> {
        if self.store_silent {
            return Ok(());
        }
        let looked = self.m.ledger.look(&mut self.copies);
        looked.map_err(Unwritten::into_error)
    }

    /// Lets time pass, with an eye on wishes; `false` where the state has changed by one.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn wait(&mut self, time: Duration) -> Result<bool> {
        let until = self.m.hosts.uptime() + time;
        loop {
            let left = until.saturating_sub(self.m.hosts.uptime());
            if left.is_zero() {
                return Ok(true);
            }
            self.m.hosts.pause(left.min(SLICE));
            if self.obey()? {
                return Ok(false);
            }
            self.renew()?;
        }
    }

    /// Tells people; whoever could not be told is named.
    pub fn tell(&mut self, occasion: Occasion, summary: &str, details: Vec<String>) {
        let notice = self.notice(occasion, summary, details);
        for why in tell_all(self.m.herald, self.m.notify, &notice) {
            self.note(None, &why);
            self.warn(why);
        }
    }

    /// Tells people while `work` goes on: in an emergency nothing waits for a mail server.
    ///
    /// # Errors
    /// What `work` gives.
    pub fn while_telling<T>(
        &mut self,
        occasion: Occasion,
        summary: &str,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let notice = self.notice(occasion, summary, Vec::new());
        let (herald, notify) = (self.m.herald, self.m.notify);
        let (done, untold) = thread::scope(|scope| {
            let telling = scope.spawn(move || tell_all(herald, notify, &notice));
            let done = work(self);
            let untold = telling.join();
            (done, untold)
        });
        let untold = untold.unwrap_or_else(|_| vec!["telling people broke off".into()]);
        for why in untold {
            self.note(None, &why);
            self.warn(why);
        }
        done
    }

    fn notice(&self, occasion: Occasion, summary: &str, details: Vec<String>) -> Notice {
        let record = self.record();
        Notice {
            occasion,
            environment: record.environment().name.clone(),
            tag: record.tag().map(str::to_owned),
            rollout: Some(record.id.to_string()),
            by: self.m.holder.who.clone(),
            at: self.now(),
            summary: summary.to_owned(),
            details,
        }
    }

    /// Asks every node a last time what it runs, gives the lease back and writes that.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn finish(mut self) -> Result<Ended> {
        let names: Vec<String> = self.record().nodes.iter().map(|n| n.name.clone()).collect();
        for (name, look) in self.statuses(&names) {
            self.record_mut().saw(&name, &look);
        }
        let now = self.now();
        let lease = self.record().lease.given_back(now);
        self.record_mut().lease = lease;
        match self.record().is_emergency() {
            true => self.push()?,
            false => self.write()?,
        }
        Ok(Ended {
            record: self.copies.record,
            warnings: self.warnings,
        })
    }
}

fn store_gone(error: Error, record: &Record) -> Error {
    error
        .under(format!(
            "rollout {} stops here: nobody could go on with it elsewhere",
            record.id
        ))
        .hint(format!(
            "once the store answers: relman fleet resume {}",
            record.id
        ))
}
