//! Makes a plan from what was found out. Pure: the same facts give the same plan.

use super::{Expected, Facts, NodePlan, Plan, Refusal, Wave};
use crate::fleet::budget::{self, Weighed};
use crate::fleet::config::{Environment, NodeEntry, Strategy};
use crate::fleet::look::{Daemon, NodeLook};
use crate::node::record::ADOPTED_PREFIX;

/// "Expected downtime: 30 minutes per node" (guide, "Coordination"), where nobody measured.
const GUIDE_DOWNTIME_SECONDS: u64 = 1_800;

impl Plan {
    /// Makes the plan. What forbids it is in [`Plan::refusals`]: all of it, not the first.
    pub fn make(facts: &Facts) -> Plan {
        let mut refusals: Vec<Refusal> = facts
            .authority
            .iter()
            .map(|why| refusal(None, why.clone(), None))
            .collect();
        let mut notes = Vec::new();
        for name in &facts.choice.left_out {
            if !facts.nodes.iter().any(|node| &node.name == name) {
                let why = format!("{name} is to be left out and is no node of this environment");
                refusals.push(refusal(None, why, None));
            }
        }
        let nodes: Vec<NodePlan> = facts
            .nodes
            .iter()
            .map(|node| plan_node(node, facts, &mut refusals, &mut notes))
            .collect();
        let moving: Vec<&NodePlan> = nodes
            .iter()
            .filter(|node| !node.already && !node.left_out)
            .collect();
        let there = nodes.iter().filter(|node| !node.left_out).count();
        if there < facts.environment.min_nodes {
            let why = format!(
                "{there} node(s) take part, wanted at least {} (min_nodes)",
                facts.environment.min_nodes
            );
            refusals.push(refusal(None, why, None));
        }
        let waves = waves(facts.environment, nodes.len(), &moving);
        if let Some(why) = over_budget(facts.environment, &nodes, &moving) {
            refusals.push(refusal(None, why, None));
        }
        if moving.is_empty() && refusals.is_empty() {
            notes.push(format!("every node runs {} already", facts.tag));
        }
        let expected = expected(facts.environment, &waves, &nodes);
        Plan {
            tag: facts.tag.into(),
            environment: facts.environment.clone(),
            made_at: facts.now,
            waves,
            nodes,
            expected,
            refusals,
            notes,
        }
    }
}

fn refusal(node: Option<&str>, why: String, hint: Option<String>) -> Refusal {
    Refusal {
        node: node.map(str::to_owned),
        why,
        hint,
    }
}

/// What went wrong with a node, and what to run where that is known.
fn with_hint(why: &str) -> (String, Option<String>) {
    match why.rsplit_once("; hint: ") {
        Some((why, hint)) => (why.to_owned(), Some(hint.to_owned())),
        None => (why.to_owned(), None),
    }
}

fn plan_node(
    node: &NodeEntry,
    facts: &Facts,
    refusals: &mut Vec<Refusal>,
    notes: &mut Vec<String>,
) -> NodePlan {
    let name = node.name.as_str();
    let left_out = facts.choice.left_out.contains(name);
    let silent = Err("nobody asked it".to_owned());
    let look = facts.looks.get(name).unwrap_or(&silent);
    let mut plan = NodePlan {
        name: name.into(),
        from: None,
        back_to: None,
        weight: node.weight,
        downtime_seconds: GUIDE_DOWNTIME_SECONDS,
        measured: false,
        already: false,
        left_out,
    };
    if left_out {
        notes.push(format!("{name} is left out, and counts as down"));
        return plan;
    }
    let look = match look {
        Ok(look) => look,
        Err(why) => {
            let (why, known) = with_hint(why);
            let first = known.unwrap_or_else(|| format!("ssh {} true", node.ssh));
            let hint = format!("{first}; or go without it: --without {name}");
            let why = format!("nobody knows what it runs: {why}");
            refusals.push(refusal(Some(name), why, Some(hint)));
            return plan;
        }
    };
    plan.from = look.current.clone();
    plan.already = look.runs(facts.tag);
    let problems = against(node, look, facts);
    refusals.extend(problems.into_iter().map(|(why, hint)| {
        let hint = hint.map(|command| format!("ssh {} {command}", node.ssh));
        refusal(Some(name), why, hint)
    }));
    if look.whole {
        plan.back_to = look.current.clone();
    }
    if look.backups == 0 && facts.environment.verify_backups {
        notes.push(format!(
            "{name} has no backup yet; the first is made when it is moved, if its node.toml has [backup]"
        ));
    }
    match facts.previews.get(name) {
        Some(Ok(preview)) => {
            if let Some(ms) = preview.downtime_ms {
                (plan.downtime_seconds, plan.measured) = (ms.div_ceil(1_000), true);
            }
            for problem in preview.problems.iter().filter(|_| !plan.already) {
                let why = format!("it would not begin the install: {problem}");
                refusals.push(refusal(Some(name), why, None));
            }
        }
        Some(Err(why)) if !plan.already => {
            let why = format!("it would not install {}: {why}", facts.tag);
            refusals.push(refusal(Some(name), why, None));
        }
        Some(Err(_)) | None => {}
    }
    for (what, answers) in [
        ("its backups", &facts.backups),
        ("the rehearsal of its way back", &facts.rehearsals),
    ] {
        if let Some(Err(why)) = answers.get(name) {
            refusals.push(refusal(Some(name), format!("{what}: {why}"), None));
        }
    }
    if let Some(Err(why)) = facts.gate.get(name) {
        let (why, hint) = with_hint(why);
        refusals.push(refusal(Some(name), why, hint));
    }
    plan
}

/// What a node's own state says against moving it, and the command of its relman that helps.
fn against(node: &NodeEntry, look: &NodeLook, facts: &Facts) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let relman = |words: &str| Some(format!("{} {words} --config {}", node.relman, node.config));
    if look.name != node.name {
        let why = format!(
            "it says that it is node {:?}, fleet.toml says {:?}",
            look.name, node.name
        );
        found.push((why, None));
    }
    if look.environment != node.environment {
        let why = format!(
            "it says that it belongs to {:?}, fleet.toml says {:?}",
            look.environment, node.environment
        );
        found.push((why, None));
    }
    if let Some(unfinished) = &look.unfinished {
        let why = format!("{unfinished} is unfinished or under way");
        found.push((why, relman("recover")));
    }
    match &look.current {
        Some(tag) if tag.starts_with(ADOPTED_PREFIX) => {
            let why = format!("it runs {tag}, which is no known release");
            found.push((why, None));
        }
        Some(tag) if !look.whole => {
            let why = format!(
                "{tag} is not whole there, so there would be no verified way back: {}",
                look.problems.join("; ")
            );
            found.push((why, relman("status")));
        }
        Some(_) => match look.daemon {
            Daemon::Verified => {}
            Daemon::Other => {
                let why = "its daemon runs other bytes than the verified ones".to_owned();
                found.push((why, relman("status")));
            }
            Daemon::Down => {
                let why = "its daemon does not run".to_owned();
                found.push((why, relman("doctor")));
            }
            Daemon::Unknown => {
                let why = "it does not tell whether its daemon runs the verified bytes".to_owned();
                found.push((why, relman("node check")));
            }
        },
        None if facts.choice.first_install => {}
        None => {
            let why = "nothing was installed there by relman, so it runs no known release; to begin with such nodes: --first-install".to_owned();
            found.push((why, None));
        }
    }
    found
}

/// The first node is a wave of its own; the others follow in the configured shares of all nodes.
fn waves(environment: &Environment, all: usize, moving: &[&NodePlan]) -> Vec<Wave> {
    let mut waves = Vec::new();
    let names: Vec<String> = moving.iter().map(|node| node.name.clone()).collect();
    let Some((first, others)) = names.split_first() else {
        return waves;
    };
    let wave = |nodes: &[String]| Wave {
        nodes: nodes.to_vec(),
        watch_seconds: 0,
        pause_seconds: environment.wave_pause_seconds,
    };
    waves.push(Wave {
        watch_seconds: environment.first_watch_seconds,
        ..wave(std::slice::from_ref(first))
    });
    // Nodes that run the release already are moved as far as shares go.
    let before = all - moving.len();
    let mut moved = 0;
    for percent in &environment.waves {
        let wanted = (all * usize::from(*percent)).div_ceil(100);
        let upto = wanted.saturating_sub(before + 1).clamp(moved, others.len());
        if upto > moved {
            waves.push(wave(&others[moved..upto]));
            moved = upto;
        }
    }
    if let Some(last) = waves.last_mut() {
        last.watch_seconds = last.watch_seconds.max(environment.last_watch_seconds);
        last.pause_seconds = 0;
    }
    waves
}

fn over_budget(
    environment: &Environment,
    nodes: &[NodePlan],
    moving: &[&NodePlan],
) -> Option<String> {
    if environment.strategy == Strategy::Together {
        return None;
    }
    let all: Vec<Weighed> = nodes
        .iter()
        .map(|node| Weighed {
            weight: node.weight,
            down: node.left_out,
        })
        .collect();
    let going: Vec<Weighed> = moving
        .iter()
        .map(|node| Weighed {
            weight: node.weight,
            down: false,
        })
        .collect();
    let steps = going
        .chunks(environment.serial)
        .zip(moving.chunks(environment.serial));
    steps
        .filter_map(|(going, nodes)| {
            let why = budget::forbids(environment, &all, going)?;
            let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            Some(format!("with {} down, {why}", names.join(" and ")))
        })
        .next()
}

fn expected(environment: &Environment, waves: &[Wave], nodes: &[NodePlan]) -> Expected {
    let downtime = |name: &String| {
        let node = nodes.iter().find(|node| &node.name == name);
        node.map_or(GUIDE_DOWNTIME_SECONDS, |node| node.downtime_seconds)
    };
    let mut seconds = 0u64;
    // For each node from when it is away, and until when.
    let mut away: Vec<(&String, u64)> = Vec::new();
    for wave in waves {
        for (place, step) in wave.nodes.chunks(environment.serial).enumerate() {
            if place > 0 {
                seconds = seconds.saturating_add(environment.pause_seconds);
            }
            let longest = step.iter().map(downtime).max().unwrap_or(0);
            let begun = seconds;
            seconds = seconds.saturating_add(longest);
            away.extend(step.iter().map(|name| match environment.strategy {
                Strategy::Rolling => (name, downtime(name)),
                // All were stopped at the beginning.
                Strategy::Together => (name, begun.saturating_add(downtime(name))),
            }));
        }
        seconds = seconds
            .saturating_add(wave.watch_seconds)
            .saturating_add(wave.pause_seconds);
    }
    let total: u128 = nodes.iter().map(|node| u128::from(node.weight)).sum();
    let weight = |name: &String| {
        let node = nodes.iter().find(|node| &node.name == name);
        u128::from(node.map_or(0, |node| node.weight))
    };
    let lost: u128 = away
        .iter()
        .map(|(name, seconds)| weight(name) * u128::from(*seconds))
        .fold(0, u128::saturating_add);
    let interval = u128::from(environment.block_interval_seconds.max(1));
    let thousandths = lost.saturating_mul(1_000) / (total.max(1) * interval);
    let blocks = u64::try_from(thousandths).unwrap_or(u64::MAX);
    Expected {
        seconds,
        downtime_seconds: away.iter().fold(0, |sum, (_, s)| sum.saturating_add(*s)),
        blocks_missed_thousandths: blocks,
        reward_missed: environment.block_reward.map(|reward| {
            u64::try_from(u128::from(blocks) * u128::from(reward) / 1_000).unwrap_or(u64::MAX)
        }),
    }
}
