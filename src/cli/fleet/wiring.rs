//! What drivers of rollouts work with on this machine: ssh, hooks, and the two places of records.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;

use super::read;
use crate::cli::args::{Cli, FleetPlaceArgs};
use crate::cli::policy_file;
use crate::cli::project::{Project, start_dir};
use crate::cli::watch::declared::WithDeclared;
use crate::fleet::config::{FleetConfig, NodeEntry};
use crate::fleet::guard::{Guard, Guards};
use crate::fleet::host::Hosts;
use crate::fleet::ledger::Ledger;
use crate::fleet::record::{Record, RolloutId};
use crate::fleet::records::Records;
use crate::fleet::rollout::Machine;
use crate::io::clock;
use crate::io::fleet_ssh::SshHosts;
use crate::io::herald::Heralds;
use crate::io::identity::{Identity, random};
use crate::io::rollouts::RecordDir;
use crate::io::watch::Sources;
use crate::ui::Progress;
use crate::watch::engine::Engine;
use crate::{Error, Result};

/// Hexadecimal digits of chance in a rollout's name.
const CHANCE: usize = 8;

/// The machine of a command.
pub(in crate::cli) struct Wiring {
    /// The fleet.
    pub config: FleetConfig,
    hosts: Arc<SshHosts>,
    heralds: Heralds,
    local: RecordDir,
    store: Option<Box<dyn Records>>,
    identity: Identity,
    /// Why records are on this machine alone; none where they are not.
    pub alone: Option<String>,
}

impl Wiring {
    /// Reads what the arguments name. In an `emergency` a store that cannot be used is told and done without.
    ///
    /// # Errors
    /// Usage: no fleet; a store that is none.
    pub fn new(
        cli: &Cli,
        place: &FleetPlaceArgs,
        bundle: Option<PathBuf>,
        emergency: bool,
    ) -> Result<Self> {
        let (_, config) = read(cli, &place.fleet)?;
        let hosts = SshHosts::new(&config, bundle)?;
        Self::with(cli, place.store.as_deref(), config, hosts, emergency)
    }

    /// The same with a fleet that was read and hosts that were asked already.
    ///
    /// # Errors
    /// As [`Wiring::new`].
    pub fn with(
        cli: &Cli,
        store: Option<&str>,
        config: FleetConfig,
        hosts: SshHosts,
        emergency: bool,
    ) -> Result<Self> {
        let looked = Project::look(cli).and_then(|project| {
            let records = records(cli, store, project.as_ref())?;
            Ok((project, records))
        });
        let (project, (store, alone)) = match looked {
            Ok(looked) => looked,
            Err(e) if emergency => (None, (None, Some(e.to_string()))),
            Err(e) => return Err(e),
        };
        let work_dir = match &project {
            Some(project) => project.work_dir(),
            None => config.dir.join(".relman"),
        };
        Ok(Wiring {
            heralds: Heralds::new(config.dir.clone()),
            local: RecordDir::local(&work_dir),
            identity: Identity::here()?,
            config,
            hosts: Arc::new(hosts),
            store,
            alone,
        })
    }

    /// Where records are.
    pub fn ledger(&self) -> Ledger<'_> {
        Ledger {
            local: &self.local,
            store: self.store.as_deref(),
        }
    }

    /// The nodes of an environment.
    pub fn nodes_of(&self, environment: &str) -> Vec<NodeEntry> {
        let nodes = self.config.nodes_of(environment);
        nodes.into_iter().cloned().collect()
    }

    /// A file that belongs to a rollout, beside this machine's records.
    pub fn beside_records(&self, name: &str) -> PathBuf {
        self.local.beside(name)
    }

    /// The hosts.
    pub fn hosts(&self) -> &SshHosts {
        &self.hosts
    }

    /// Gives `work` all that a driver works with; what happens is told as it does.
    ///
    /// # Errors
    /// What `work` gives.
    pub fn drive<T>(
        &self,
        command: &str,
        environment: &str,
        progress: &mut Progress,
        work: impl FnOnce(&Machine<'_>) -> Result<T>,
    ) -> Result<T> {
        self.drive_guarded(command, environment, None, progress, work)
    }

    /// [`Wiring::drive`], with the network held against a watch policy.
    ///
    /// # Errors
    /// What `work` gives.
    pub fn drive_guarded<T>(
        &self,
        command: &str,
        environment: &str,
        guard: Option<&dyn Guards>,
        progress: &mut Progress,
        work: impl FnOnce(&Machine<'_>) -> Result<T>,
    ) -> Result<T> {
        if let Some(why) = &self.alone {
            progress.say(&format!("the record is on this machine alone: {why}"));
        }
        let nodes = self.nodes_of(environment);
        let progress = RefCell::new(progress);
        let told = Cell::new(0);
        let say = |record: &Record| {
            let all = record.events_left_out + record.events.len() as u64;
            let new = usize::try_from(all.saturating_sub(told.replace(all))).unwrap_or(usize::MAX);
            let from = record.events.len().saturating_sub(new);
            for event in record.events.get(from..).unwrap_or_default() {
                let node = event.node.as_deref().map(|n| format!("{n}: "));
                let line = format!("{}{}", node.unwrap_or_default(), event.what);
                progress.borrow_mut().say(&line);
            }
        };
        let gone = |holder: &crate::store::lease::Holder| self.identity.is_gone(holder);
        work(&Machine {
            hosts: self.hosts.as_ref(),
            herald: &self.heralds,
            notify: &self.config.notify,
            nodes: &nodes,
            patience: self.config.ssh.patience,
            ledger: self.ledger(),
            holder: self.identity.holder(command)?,
            gone: &gone,
            guard,
            say: &say,
        })
    }

    /// The watch policy at work on an environment: the signed one, else watch.toml beside relman.toml; none where nobody
    /// has one.
    ///
    /// # Errors
    /// Usage: a policy with problems. Refused: the store does not verify.
    pub fn guard(
        &self,
        cli: &Cli,
        environment: &str,
        progress: &mut Progress,
    ) -> Result<Option<Guard<'_>>> {
        let Some(chosen) = policy_file::find(cli, progress)? else {
            progress.say("no watch policy: gates ask the nodes and the network alone");
            return Ok(None);
        };
        progress.say(&format!(
            "gates hold the network against {}, {}",
            chosen.place,
            chosen.standing()
        ));
        let names = self
            .nodes_of(environment)
            .into_iter()
            .map(|n| n.name)
            .collect();
        let work_dir = match Project::look(cli)? {
            Some(project) => project.work_dir(),
            None => self.config.dir.join(".relman"),
        };
        let looker = WithDeclared::new(self.sources(environment), &work_dir, environment);
        let engine = Engine::new(chosen.policy, names);
        Ok(Some(Guard::new(engine, Box::new(looker), chosen.is_signed)))
    }

    /// All sources of an environment; lines of logs count from now on.
    pub fn sources(&self, environment: &str) -> Sources {
        let hosts: Arc<dyn Hosts + Send + Sync> = self.hosts.clone();
        Sources::new(&self.config, environment, hosts, clock::now())
    }

    /// The rollout that the arguments name, or the only one that is not over.
    ///
    /// # Errors
    /// Usage: there is none, or more than one.
    pub fn find(&self, id: Option<&str>) -> Result<RolloutId> {
        if let Some(id) = id {
            return RolloutId::parse(id);
        }
        let open: Vec<RolloutId> = self
            .all()?
            .into_iter()
            .filter(|r| !r.is_over())
            .map(|r| r.id)
            .collect();
        match open.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error::usage("no rollout is under way or waits")
                .hint("relman fleet status ID shows one that is over")),
            more => {
                let ids: Vec<&str> = more.iter().map(RolloutId::as_str).collect();
                Err(Error::usage(format!(
                    "{} rollouts are not over, name one: {}",
                    ids.len(),
                    ids.join(", ")
                )))
            }
        }
    }

    /// Every record that can be read, oldest first.
    ///
    /// # Errors
    /// The records on this machine cannot be listed.
    pub fn all(&self) -> Result<Vec<Record>> {
        let ledger = self.ledger();
        let (ids, _) = ledger.list()?;
        let copies = ids.iter().filter_map(|id| ledger.load(id).ok().flatten());
        Ok(copies.map(|c| c.record).collect())
    }

    /// One record.
    ///
    /// # Errors
    /// Usage: there is none of that name.
    pub fn record(&self, id: &RolloutId) -> Result<Record> {
        let copies = self.ledger().load(id)?;
        copies.map(|c| c.record).ok_or_else(|| {
            Error::usage(format!("there is no record of a rollout {id}"))
                .hint("relman fleet status lists those that there are")
        })
    }
}

/// Digits for the name of a rollout.
///
/// # Errors
/// A system without random bytes.
pub(in crate::cli) fn chance() -> Result<String> {
    Ok(random()?.chars().take(CHANCE).collect())
}

type Place = (Option<Box<dyn Records>>, Option<String>);

/// The store's place of records, or why there is none.
fn records(cli: &Cli, store: Option<&str>, project: Option<&Project>) -> Result<Place> {
    match (store, project) {
        (Some(url), _) if url.starts_with("s3://") => Project::bucket_records(url),
        (Some(url), _) if url.contains("://") => {
            let why = format!("{url} cannot be written, so nobody elsewhere can go on with it");
            return Ok((None, Some(why)));
        }
        (Some(path), _) => {
            let path = start_dir(cli)?.join(path);
            Ok(Box::new(RecordDir::of_store(&path)) as Box<dyn Records>)
        }
        (None, Some(project)) => project.records(),
        (None, None) => {
            let why = "no store is named (--store) and there is no project here";
            return Ok((None, Some(why.into())));
        }
    }
    .map(|records| (Some(records), None))
}
