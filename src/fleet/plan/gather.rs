//! Asks every node of an environment what a plan is made from. Changes nothing anywhere.

use std::collections::BTreeMap;

use super::{Choice, Facts, Plan, Preview};
use crate::fleet::config::{Environment, FleetConfig, NodeEntry};
use crate::fleet::host::{Document, Hosts, Reply, Request, ask_each};
use crate::fleet::look::NodeLook;

/// Asks all nodes at the same time and makes the plan. `authority` is what the operator's own look at the store says
/// against it.
pub fn gather(
    hosts: &dyn Hosts,
    config: &FleetConfig,
    environment: &Environment,
    tag: &str,
    choice: &Choice,
    authority: Vec<String>,
) -> Plan {
    let nodes = config.nodes_of(&environment.name);
    let moved: Vec<&NodeEntry> = nodes
        .iter()
        .copied()
        .filter(|node| !choice.left_out.contains(&node.name))
        .collect();
    let looks = ask_each(hosts, &moved, &Request::Status, NodeLook::of);
    // Who does not say what it runs is not asked for more: its silence is told once.
    let awake: Vec<&NodeEntry> = moved
        .iter()
        .copied()
        .filter(|node| looks.get(&node.name).is_some_and(Result::is_ok))
        .collect();
    let preview = Request::Preview { tag: tag.into() };
    let previews = ask_each(hosts, &awake, &preview, |reply| {
        reply.good().map(|document| read_preview(&document))
    });
    let good = |reply: Reply| reply.good().map(|_| ());
    let backups = match environment.verify_backups {
        true => ask_each(hosts, &awake, &Request::VerifyBackups, good),
        false => BTreeMap::new(),
    };
    let can_go_back: Vec<&NodeEntry> = awake
        .iter()
        .copied()
        .filter(|node| matches!(looks.get(&node.name), Some(Ok(l)) if l.rollback.is_some()))
        .collect();
    let rehearsal = Request::Rehearse {
        to: None,
        with_data: false,
    };
    let rehearsals = match environment.rehearse {
        true => ask_each(hosts, &can_go_back, &rehearsal, good),
        false => BTreeMap::new(),
    };
    // What would only be found once the first node was moved.
    let gate = match environment.network {
        Some(_) => ask(
            hosts,
            &awake,
            &Request::Chain { at: None },
            |reply| match reply {
                Reply::Foreign(why) => Err(why),
                _ => Ok(()),
            },
        ),
        None => BTreeMap::new(),
    };
    Plan::make(&Facts {
        tag,
        environment,
        nodes,
        choice,
        now: hosts.now(),
        looks,
        previews,
        backups,
        rehearsals,
        gate,
        authority,
    })
}

fn read_preview(document: &Document) -> Preview {
    let plan = &document.data["plan"];
    Preview {
        downtime_ms: plan["downtime_ms"].as_u64(),
        problems: plan["problems"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .filter_map(|problem| Some(problem.as_str()?.to_owned()))
            .collect(),
    }
}
