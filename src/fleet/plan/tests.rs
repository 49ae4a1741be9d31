//! Plans: order, waves, what forbids them, what they cost.

use std::path::Path;

use super::*;
use crate::fleet::config::FleetConfig;
use crate::fleet::look::Daemon;

const TAG: &str = "phase2-finality-1.0.0";
const BEFORE: &str = "phase1-sig-verify-1.0.0";

fn fleet(environment: &str, rules: &str, nodes: usize) -> FleetConfig {
    let mut text = format!("[[environment]]\nname = \"{environment}\"\n{rules}\n");
    for n in 1..=nodes {
        text.push_str(&format!(
            "[[node]]\nname = \"n{n}\"\nssh = \"root@n{n}\"\nenvironment = \"{environment}\"\n"
        ));
    }
    FleetConfig::parse(&text, Path::new("/")).unwrap()
}

fn look(node: &NodeEntry) -> NodeLook {
    NodeLook {
        name: node.name.clone(),
        environment: node.environment.clone(),
        current: Some(BEFORE.into()),
        since: None,
        whole: true,
        daemon: Daemon::Verified,
        rollback: None,
        retained: Vec::new(),
        agreed: Some(TAG.into()),
        backups: 1,
        halted: None,
        unfinished: None,
        problems: Vec::new(),
    }
}

/// Makes a plan after `change` had its way with what was found out.
fn plan(config: &FleetConfig, choice: &Choice, change: impl FnOnce(&mut Facts)) -> Plan {
    let environment = &config.environments[0];
    let nodes = config.nodes_of(&environment.name);
    let ok = |node: &&NodeEntry| (node.name.clone(), Ok(()));
    let preview = Preview {
        downtime_ms: Some(9_500),
        problems: Vec::new(),
    };
    let mut facts = Facts {
        tag: TAG,
        environment,
        choice,
        now: "2026-02-01T00:00:00Z".parse().unwrap(),
        looks: nodes
            .iter()
            .map(|n| (n.name.clone(), Ok(look(n))))
            .collect(),
        previews: nodes
            .iter()
            .map(|n| (n.name.clone(), Ok(preview.clone())))
            .collect(),
        backups: nodes.iter().map(ok).collect(),
        rehearsals: nodes.iter().map(ok).collect(),
        gate: nodes.iter().map(ok).collect(),
        nodes,
        authority: Vec::new(),
    };
    change(&mut facts);
    Plan::make(&facts)
}

fn said(plan: &Plan) -> String {
    plan.lines().join("\n")
}

fn change_look(facts: &mut Facts, node: &str, change: impl FnOnce(&mut NodeLook)) {
    let Some(Ok(look)) = facts.looks.get_mut(node) else {
        panic!("no {node}");
    };
    change(look);
}

#[test]
fn one_node_goes_first_and_the_others_follow_in_waves() {
    let config = fleet(
        "mainnet",
        "waves = [1, 5, 15, 40, 60, 90, 100]\nwave_pause_seconds = 7",
        20,
    );
    let plan = plan(&config, &Choice::default(), |_| {});
    assert_eq!(plan.refusals, []);
    let sizes: Vec<usize> = plan.waves.iter().map(|w| w.nodes.len()).collect();
    // 1, and then up to 1, 1, 3, 8, 12, 18 and 20 of twenty.
    assert_eq!(sizes, [1, 2, 5, 4, 6, 2]);
    let order: Vec<&String> = plan.waves.iter().flat_map(|w| &w.nodes).collect();
    let wanted: Vec<String> = (1..=20).map(|n| format!("n{n}")).collect();
    assert_eq!(order, wanted.iter().collect::<Vec<_>>());
    assert_eq!(plan.waves[0].watch_seconds, 10);
    assert_eq!(plan.waves.last().unwrap().pause_seconds, 0);
}

#[test]
fn nodes_that_run_it_already_are_not_moved() {
    let config = fleet("mainnet", "margin_percent = 0", 3);
    let plan = plan(&config, &Choice::default(), |facts| {
        change_look(facts, "n2", |look| look.current = Some(TAG.into()));
        facts
            .previews
            .insert("n2".into(), Err("it is installed already".into()));
    });
    assert_eq!(plan.refusals, []);
    let order: Vec<&String> = plan.waves.iter().flat_map(|w| &w.nodes).collect();
    assert_eq!(order, ["n1", "n3"]);
    assert!(said(&plan).contains("runs it already"));
}

#[test]
fn an_older_relman_is_found_before_anything_is_begun_and_the_hint_is_its_own() {
    let config = fleet("mainnet", "", 6);
    let older = "its relman (0.0.1, this one is 0.1.0) does not know what it was asked: chain; \
                 hint: relman fleet bootstrap n2 --replace";
    for place in ["looks", "gate"] {
        let plan = plan(&config, &Choice::default(), |facts| match place {
            "looks" => drop(facts.looks.insert("n2".into(), Err(older.into()))),
            _ => drop(facts.gate.insert("n2".into(), Err(older.into()))),
        });
        let [refusal] = &plan.refusals[..] else {
            panic!("one reason: {:?}", plan.refusals);
        };
        assert_eq!(refusal.node.as_deref(), Some("n2"));
        assert!(
            refusal.why.ends_with("what it was asked: chain"),
            "{refusal:?}"
        );
        let hint = refusal.hint.as_deref().unwrap();
        assert!(
            hint.starts_with("relman fleet bootstrap n2 --replace"),
            "{hint}"
        );
    }
}

#[test]
fn every_reason_of_every_node_is_told_with_a_command() {
    let config = fleet("mainnet", "", 6);
    let plan = plan(&config, &Choice::default(), |facts| {
        facts
            .authority
            .push("mainnet is to run phase1-sig-verify-1.0.0".into());
        facts
            .looks
            .insert("n1".into(), Err("not reached: no route to host".into()));
        change_look(facts, "n2", |look| look.daemon = Daemon::Down);
        change_look(facts, "n3", |look| {
            look.current = Some("adopted-0123456789abcdef".into())
        });
        change_look(facts, "n4", |look| {
            look.unfinished = Some("install of x at swap".into())
        });
        change_look(facts, "n5", |look| look.environment = "testnet".into());
        facts
            .previews
            .insert("n6".into(), Err("the notice is not over".into()));
        facts
            .backups
            .insert("n6".into(), Err("a file differs".into()));
    });
    let text = said(&plan);
    for wanted in [
        "refused: mainnet is to run phase1-sig-verify-1.0.0",
        "refused: n1: nobody knows what it runs: not reached: no route to host",
        "--without n1",
        "refused: n2: its daemon does not run",
        "hint: ssh root@n2 /usr/local/bin/relman doctor --config /etc/relman/node.toml",
        "refused: n3: it runs adopted-0123456789abcdef, which is no known release",
        "refused: n4: install of x at swap is unfinished",
        "refused: n5: it says that it belongs to \"testnet\"",
        "refused: n6: it would not install phase2-finality-1.0.0: the notice is not over",
        "refused: n6: its backups: a file differs",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

#[test]
fn without_a_verified_release_to_go_back_to_nothing_is_begun() {
    let config = fleet("mainnet", "", 3);
    let plan = plan(&config, &Choice::default(), |facts| {
        change_look(facts, "n2", |look| {
            look.whole = false;
            look.problems = vec!["timed has another digest".into()];
        });
    });
    let text = said(&plan);
    assert!(
        text.contains("n2: phase1-sig-verify-1.0.0 is not whole there"),
        "{text}"
    );
    assert!(text.contains("timed has another digest"), "{text}");
    assert_eq!(plan.nodes[1].back_to, None);
}

#[test]
fn a_node_that_is_left_out_counts_as_down() {
    let config = fleet("mainnet", "max_unavailable = 1\nmargin_percent = 0", 6);
    let choice = Choice {
        left_out: ["n4".to_owned()].into(),
        first_install: false,
    };
    let plan = plan(&config, &choice, |_| {});
    let text = said(&plan);
    assert!(
        text.contains("with n1 down, 2 node(s) would be down (1 are anyway), at most 1"),
        "{text}"
    );
    let config = fleet("mainnet", "max_unavailable = 2\nmargin_percent = 0", 6);
    let plan = self::plan(&config, &choice, |_| {});
    assert_eq!(plan.refusals, []);
    assert!(plan.waves.iter().all(|w| !w.nodes.contains(&"n4".into())));
    let unknown = Choice {
        left_out: ["n44".to_owned()].into(),
        first_install: false,
    };
    let plan = self::plan(&config, &unknown, |_| {});
    assert!(said(&plan).contains("n44 is to be left out and is no node"));
}

#[test]
fn weight_forbids_what_numbers_would_allow() {
    let mut config = fleet("mainnet", "margin_percent = 0", 3);
    config.nodes[1].weight = 10;
    let plan = plan(&config, &Choice::default(), |_| {});
    let text = said(&plan);
    assert!(
        text.contains("with n2 down, 2 of 12 weight would be left"),
        "{text}"
    );
}

#[test]
fn the_first_install_of_all_is_asked_for_by_name() {
    let config = fleet("mainnet", "margin_percent = 0", 3);
    let nothing = |facts: &mut Facts| {
        for node in ["n1", "n2", "n3"] {
            change_look(facts, node, |look| {
                (look.current, look.whole) = (None, false)
            });
        }
    };
    let plan = plan(&config, &Choice::default(), nothing);
    assert!(said(&plan).contains("--first-install"));
    let choice = Choice {
        left_out: BTreeSet::new(),
        first_install: true,
    };
    let plan = self::plan(&config, &choice, nothing);
    assert_eq!(plan.refusals, []);
}

#[test]
fn time_and_cost_are_those_of_the_slowest_node_of_each_step() {
    let rules = "pause_seconds = 60\nfirst_watch_seconds = 100\nlast_watch_seconds = 1000\nblock_reward = 50";
    let config = fleet("mainnet", rules, 3);
    let plan = plan(&config, &Choice::default(), |facts| {
        let slow = Preview {
            downtime_ms: Some(590_001),
            problems: Vec::new(),
        };
        facts.previews.insert("n3".into(), Ok(slow));
    });
    // n1: 10 and its watch, a pause; n2: 10, a pause; n3: 591, and the last watch.
    assert_eq!(plan.expected.seconds, 10 + 100 + 60 + 10 + 60 + 591 + 1000);
    assert_eq!(plan.expected.downtime_seconds, 611);
    // A third of the weight is away for 611 seconds: a third of what 600 seconds bring.
    assert_eq!(plan.expected.blocks_missed_thousandths, 339);
    assert_eq!(plan.expected.reward_missed, Some(16));
    assert!(said(&plan).contains("takes 30 min 31 s; nodes are down for 10 min 11 s in all; 0.339 block(s) missed, 16 in rewards"));
}

#[test]
fn on_the_testnet_all_are_away_from_the_beginning() {
    let config = fleet("testnet", "", 3);
    let plan = plan(&config, &Choice::default(), |_| {});
    assert_eq!(plan.refusals, []);
    // The second starts after the first's 10 seconds and its watch of 10, and 5 of pause.
    assert_eq!(plan.expected.downtime_seconds, 10 + (25 + 10) + (40 + 10));
    assert_eq!(plan.expected.seconds, 50 + 3_600);
    assert!(said(&plan).contains("all are stopped"));
}

#[test]
fn a_stored_plan_is_read_as_it_was() {
    let config = fleet(
        "mainnet",
        "window = \"22:00-04:00\"\n[environment.network]",
        3,
    );
    let plan = plan(&config, &Choice::default(), |facts| {
        facts.authority.push("no".into());
    });
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    let more = text.replacen("\"tag\"", "\"later\":1,\"tag\"", 1);
    assert!(serde_json::from_str::<Plan>(&more).is_err());
}
