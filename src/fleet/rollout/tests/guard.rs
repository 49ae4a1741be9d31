//! The watch policy at a rollout's gates.

use std::collections::BTreeMap;

use super::*;
use crate::fleet::guard::Guard;
use crate::watch::engine::Engine;
use crate::watch::looker::Looker;
use crate::watch::policy::{Policy, template};
use crate::watch::sample::{Look, NodeSample};

/// Sees lines about a signal on `n001` from a number of looks on.
struct Sees<'a> {
    case: &'a Case,
    signal: &'static str,
    after: usize,
    looks: usize,
}

impl Looker for Sees<'_> {
    fn look(&mut self, nodes: &[String], _: &Policy) -> Look {
        self.looks += 1;
        let bad = self.looks > self.after;
        let sample = |name: &String| {
            let mut sample = NodeSample::default();
            let value = f64::from(u8::from(bad && name == "n001"));
            sample.set(self.signal, Ok(value));
            sample
        };
        let seconds = self.case.hosts.uptime().as_secs();
        Look {
            at_ms: 1_770_000_000_000 + i64::try_from(seconds).unwrap() * 1_000,
            nodes: nodes
                .iter()
                .map(|n| (n.clone(), sample(n)))
                .collect::<BTreeMap<_, _>>(),
            ..Look::default()
        }
    }
}

fn upgrade_guarded(case: &Case, signal: &'static str, after: usize, signed: bool) -> Ended {
    let names = case.config.nodes.iter().map(|n| n.name.clone()).collect();
    let engine = Engine::new(Policy::parse(template()).unwrap(), names);
    let looker = Sees {
        case,
        signal,
        after,
        looks: 0,
    };
    let guard = Guard::new(engine, Box::new(looker), signed);
    let desk = case.desk();
    case.at(&desk, false, |m| {
        let guarded = Machine {
            hosts: m.hosts,
            herald: m.herald,
            notify: m.notify,
            nodes: m.nodes,
            ledger: Ledger {
                local: &desk.local,
                store: Some(&case.store),
            },
            holder: m.holder.clone(),
            gone: m.gone,
            patience: m.patience,
            guard: Some(&guard),
            say: m.say,
        };
        upgrade(&guarded, case.plan(), "00000001").unwrap()
    })
}

#[test]
fn what_a_signed_policy_goes_back_for_has_all_go_back_whatever_the_rule() {
    let case = Case::new(4, &format!("{ROLLING}on_failure = \"stop\"\n{NETWORK}"));
    let ended = upgrade_guarded(&case, "log-corruption", 3, true);
    assert_eq!(
        ended.record.state,
        State::RolledBack,
        "{:?}",
        ended.record.reason
    );
    let reason = ended.record.reason.clone().unwrap();
    assert!(
        reason.contains("Data corruption: n001 log-corruption 1"),
        "{reason}"
    );
    case.is_true(&ended.record);
    case.all_run(OLD);
}

#[test]
fn a_policy_that_nobody_signed_and_a_page_hold_the_rollout() {
    for (signal, signed) in [("log-corruption", false), ("panics", true)] {
        let case = Case::new(4, &format!("{ROLLING}on_failure = \"stop\"\n{NETWORK}"));
        let ended = upgrade_guarded(&case, signal, 3, signed);
        assert_eq!(ended.record.state, State::Held, "{signal}");
        case.is_true(&ended.record);
    }
}

#[test]
fn nothing_is_begun_on_a_network_that_is_unwell_before() {
    let case = Case::new(4, &format!("{ROLLING}{NETWORK}"));
    let ended = upgrade_guarded(&case, "log-corruption", 0, true);
    assert_eq!(ended.record.state, State::Held);
    let reason = ended.record.reason.clone().unwrap();
    assert!(reason.starts_with("nothing more is moved"), "{reason}");
    assert!(case.hosts.installed().is_empty());
    case.all_run(OLD);
}

#[test]
fn what_a_patch_will_mend_stops_nothing() {
    let case = Case::new(4, &format!("{ROLLING}{NETWORK}"));
    let ended = upgrade_guarded(&case, "errors", 2, true);
    assert_eq!(ended.record.state, State::Done, "{:?}", ended.record.reason);
    case.all_run(NEW);
}
