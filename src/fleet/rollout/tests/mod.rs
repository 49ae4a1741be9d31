//! Rollouts of simulated fleets: what must hold whatever goes wrong.

mod emergency;
mod failure;
mod guard;
mod killed;
mod scale;
mod smooth;
mod wishes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::Result;
use crate::fleet::config::FleetConfig;
use crate::fleet::fake::{FakeHerald, FakeHosts, FakeRecords, Fuse, NEW, OLD, config, plan};
use crate::fleet::plan::Plan;
use crate::fleet::record::{Record, RolloutId, State, Step};

const ROLLING: &str = "name = \"mainnet\"\nstrategy = \"rolling\"\nmargin_percent = 0\nfirst_watch_seconds = 60\n\
                       pause_seconds = 30\nlast_watch_seconds = 60\n";
const NETWORK: &str =
    "[environment.network]\nheight_within = 1\nmin_peers = 0\ntimeout_seconds = 300\n";

/// A fleet, its hosts, and the store that all operators share.
struct Case {
    config: FleetConfig,
    hosts: FakeHosts,
    store: FakeRecords,
    herald: FakeHerald,
    operators: AtomicU32,
}

/// An operator's machine.
struct Desk {
    local: FakeRecords,
    holder: Holder,
}

impl Case {
    fn new(count: usize, rules: &str) -> Self {
        let config = config(count, rules);
        Case {
            hosts: FakeHosts::new(&config),
            store: FakeRecords::default(),
            herald: FakeHerald::default(),
            operators: AtomicU32::new(0),
            config,
        }
    }

    fn desk(&self) -> Desk {
        let number = self.operators.fetch_add(1, Ordering::SeqCst);
        Desk {
            local: FakeRecords::default(),
            holder: Holder {
                who: format!("operator {number}"),
                machine: format!("m{number}"),
                process: 1,
                attempt: number.to_string(),
            },
        }
    }

    fn plan(&self) -> Plan {
        plan(&self.config)
    }

    /// Does something at a desk; holders for whom `gone` cannot come back.
    fn at<T>(&self, desk: &Desk, gone: bool, work: impl FnOnce(&Machine<'_>) -> T) -> T {
        let is_gone = move |_: &Holder| gone;
        work(&Machine {
            hosts: &self.hosts,
            herald: &self.herald,
            notify: &self.config.notify,
            nodes: &self.config.nodes,
            patience: self.config.ssh.patience,
            ledger: Ledger {
                local: &desk.local,
                store: Some(&self.store),
            },
            holder: desk.holder.clone(),
            gone: &is_gone,
            guard: None,
            say: &|_| {},
        })
    }

    fn upgrade(&self, desk: &Desk) -> Result<Ended> {
        self.at(desk, false, |m| upgrade(m, self.plan(), "00000001"))
    }

    fn resume(&self, desk: &Desk, id: &RolloutId) -> Result<Ended> {
        self.at(desk, true, |m| resume(m, id, false))
    }

    /// Sets a fuse for whoever works at the desk.
    fn light(&self, desk: &Desk, points: usize) -> Fuse {
        let fuse = Fuse::of(points);
        for place in [&desk.local, &self.store] {
            *place.fuse.lock().unwrap() = fuse.clone();
        }
        *self.hosts.fuse.lock().unwrap() = fuse.clone();
        fuse
    }

    /// The one record that there is, wherever.
    fn record(&self, desk: &Desk) -> Option<Record> {
        let mut all = self.store.all();
        all.extend(desk.local.all());
        all.into_iter().max_by_key(|r| (r.lease.epoch, r.revision))
    }

    /// The newest state of the record whose name ends so.
    fn record_of(&self, desk: &Desk, end: &str) -> Option<Record> {
        let mut all = self.store.all();
        all.extend(desk.local.all());
        all.retain(|r| r.id.as_str().ends_with(end));
        all.into_iter().max_by_key(|r| (r.lease.epoch, r.revision))
    }

    /// What holds at every end: verified releases, a record that tells the truth, no rule broken.
    #[track_caller]
    fn is_true(&self, record: &Record) {
        assert_eq!(self.hosts.broken_rules(), Vec::<String>::new());
        for node in self.hosts.nodes() {
            assert!([OLD, NEW].contains(&node.current.as_str()), "{node:?}");
            let told = record.node(&node.name).expect("a node");
            if node.answers(self.hosts.uptime()) && node.busy.is_none() {
                assert_eq!(
                    told.runs.as_deref(),
                    Some(node.current.as_str()),
                    "{told:?}"
                );
            } else {
                assert_eq!(told.runs, None, "nobody knows: {told:?} {node:?}");
            }
            if told.step == Step::Done && record.tag() == Some(NEW) {
                assert!(node.current == NEW && node.is_up(), "{told:?} {node:?}");
            }
        }
    }

    #[track_caller]
    fn all_run(&self, tag: &str) {
        for node in self.hosts.nodes() {
            assert!(node.current == tag && node.is_up(), "{node:?}");
        }
    }
}

/// Whether the driver was killed in `work`.
fn dies(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}
