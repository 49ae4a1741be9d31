//! Room `cli`: agreements that wait in the project for somebody's signature: why an environment does not name a release yet.

use crate::cli::args::{Cli, StoreArgs};
use crate::cli::project::{Project, store_and_root};
use crate::io::clock;
use crate::io::proposals::LocalProposals;
use crate::release::ceremony::Base;
use crate::{Error, Result};

/// Proposals that put something to the environment's keys, and whose signatures each has and lacks. Where none can be seen,
/// none is told: this only explains a refusal.
pub(super) fn agreements(cli: &Cli, args: &StoreArgs, environment: &str) -> Vec<String> {
    look(cli, args, environment).unwrap_or_default()
}

fn look(cli: &Cli, args: &StoreArgs, environment: &str) -> Result<Vec<String>> {
    let Some(project) = Project::look(cli)? else {
        return Ok(Vec::new());
    };
    let proposals = LocalProposals::new(project.work_dir().join("proposals"));
    let ids = proposals.ids()?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (store, root) = store_and_root(cli, args)?;
    let base = Base::open(store.as_ref(), &root, clock::now())?;
    let mut told = Vec::new();
    for id in ids {
        let Some(exchange) = proposals.load(&id)? else {
            continue;
        };
        let demands = exchange.proposal.demands(&base).map_err(Error::from)?;
        let open = demands
            .iter()
            .filter(|demand| demand.purpose == environment && !demand.is_met());
        told.extend(open.map(|demand| format!("proposal {id} waits: {}", demand.line())));
    }
    Ok(told)
}
