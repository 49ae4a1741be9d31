//! `relman repo status`: how a store stands, and what needs a hand.

use serde_json::json;

use super::args::{Cli, RepoArgs, RepoCommand, RepoStatusArgs};
use super::project::{Project, http_options, open_store, start_dir, store_and_root};
use crate::io::clock;
use crate::io::drafts::LocalDrafts;
use crate::io::proposals::LocalProposals;
use crate::release::draft::Drafts;
use crate::release::standing::{
    EnvironmentStanding, Limits, MirrorStanding, RoleStanding, Standing, State, left,
};
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, text};
use crate::{Kind, Result};

use jiff::Timestamp;

/// Runs the command.
pub fn run(cli: &Cli, args: &RepoArgs) -> Result<Answer> {
    match &args.command {
        RepoCommand::Status(args) => status(cli, args),
    }
}

fn status(cli: &Cli, args: &RepoStatusArgs) -> Result<Answer> {
    let (store, root) = store_and_root(cli, &args.store)?;
    let project = match &args.store.store {
        None => Some(Project::find(cli)?),
        Some(_) => None,
    };
    let (mut waiting, mut drafts, mut limits) = (Vec::new(), Vec::new(), Limits::usual());
    let mut damaged = Vec::new();
    if let Some(project) = &project {
        let proposals = LocalProposals::new(project.work_dir().join("proposals"));
        for id in proposals.ids()? {
            // One that cannot be read must not hide how the store stands.
            match proposals.load(&id) {
                Ok(exchange) => waiting.extend(exchange),
                Err(e) => damaged.push(format!(
                    "proposal {id} cannot be read: {e}; give it up: relman withdraw {id}"
                )),
            }
        }
        drafts = LocalDrafts::new(project.work_dir().join("drafts")).tags()?;
        limits = Limits::of_timestamp_days(project.config.expiry.timestamp);
    }
    let fetch = StoreMetadata(store.as_ref());
    let (cache, now) = (Memory::new(), clock::now());
    let mut view = View::open(store.as_ref(), &fetch, &cache, &root, now)?;
    let mut standing = Standing::of(store.as_ref(), &mut view, &waiting, drafts, &limits, now)?;
    standing.warnings.extend(damaged);
    let http = http_options(cli, &args.store.http)?;
    for place in &args.mirror {
        let opened = match place.contains("://") {
            true => open_store(place, &http),
            false => open_store(&start_dir(cli)?.join(place).to_string_lossy(), &http),
        };
        let mirror = opened.as_deref().map_err(Clone::clone);
        let mirror = MirrorStanding::of(place, mirror, &root, &view, &limits, now);
        standing.add(mirror, now);
    }
    let mut data = json!(standing);
    data["store"] = store.location().into();
    let out = lines(&standing, &store.location(), now);
    Ok(match standing.warnings.is_empty() {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Failed, data, out),
    })
}

fn lines(standing: &Standing, store: &str, now: Timestamp) -> String {
    let mut rows = vec![
        ["ROLE", "VERSION", "EXPIRES", "LEFT", "SIGNATURES", "BY"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(standing.roles.iter().map(|role| role_row(role, now)));
    let mut out = text::table(&rows);
    let cosigned = standing.log.cosigned.as_ref();
    out.push_str(&format!(
        "\nlog   {}, {} entries{}\nstore {store}, {} releases\n",
        text::line(&standing.log.origin),
        standing.log.size,
        cosigned.map_or(String::new(), |time| format!(", cosigned last at {time}")),
        standing.releases
    ));
    for environment in &standing.environments {
        out.push_str(&environment_line(environment));
    }
    for proposal in &standing.proposals {
        out.push_str(&format!(
            "waits {}: {}\n",
            text::line(&proposal.id),
            text::line(&proposal.summary)
        ));
        let open = proposal.problems.is_empty();
        for demand in proposal.demands.iter().filter(|_| open) {
            out.push_str(&format!("      {}\n", text::line(&demand.line())));
        }
    }
    for mirror in &standing.mirrors {
        let (place, line) = (text::line(&mirror.place), mirror.line());
        out.push_str(&format!("mirror {place}: {line}\n"));
    }
    for tag in &standing.drafts {
        out.push_str(&format!("draft {}\n", text::line(tag)));
    }
    for warning in &standing.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    if standing.warnings.is_empty() {
        out.push_str("nothing needs a hand\n");
    }
    out
}

fn role_row(role: &RoleStanding, now: Timestamp) -> Vec<String> {
    let by: Vec<String> = role.signed_by.iter().map(ToString::to_string).collect();
    vec![
        text::line(&role.term.role),
        role.term.version.to_string(),
        text::time(role.term.expires),
        match role.term.state {
            State::Expired => "EXPIRED".into(),
            _ => left(role.term.expires, now),
        },
        format!("{} of {}", role.signed_by.len(), role.threshold),
        text::line(&by.join(", ")),
    ]
}

/// `env   mainnet runs phase1-… since …`.
pub fn environment_line(environment: &EnvironmentStanding) -> String {
    format!(
        "env   {} {}\n",
        text::line(&environment.name),
        text::line(&environment.words())
    )
}
