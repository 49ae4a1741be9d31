//! Things that go wrong on nodes and on the way to them, at every position.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::fleet::fake::Fault;

const RULES: &str = "name = \"mainnet\"\nmargin_percent = 0\nfirst_watch_seconds = 30\npause_seconds = 10\n\
                     waves = [50, 100]\n";

fn case(policy: &str) -> Case {
    Case::new(5, &format!("{RULES}on_failure = \"{policy}\"\n{NETWORK}"))
}

fn runs(case: &Case) -> Vec<bool> {
    case.hosts
        .nodes()
        .iter()
        .map(|n| n.current == NEW)
        .collect()
}

#[test]
fn the_first_failure_stops_at_every_position() {
    for at in 1..=5 {
        let case = case("stop");
        let name = format!("n{at:03}");
        case.hosts.with(&name, |n| n.faults.push(Fault::Unhealthy));
        let desk = case.desk();
        let ended = case.upgrade(&desk).unwrap();
        assert_eq!(ended.record.state, State::Held);
        assert_eq!(ended.record.step(&name), Some(Step::Failed));
        case.is_true(&ended.record);
        let moved: Vec<bool> = (1..=5).map(|i| i < at).collect();
        assert_eq!(runs(&case), moved);
        assert_eq!(
            case.hosts.installed().len(),
            at,
            "nobody after it was touched"
        );
        let again = case.resume(&case.desk(), &ended.record.id).unwrap();
        assert_eq!(again.record.state, State::Done, "{:?}", again.record.reason);
        case.is_true(&again.record);
        case.all_run(NEW);
    }
}

#[test]
fn after_a_failure_those_go_back_that_the_rules_name() {
    // The first node is a wave of its own, then two, then two.
    for (policy, still_new, state) in [
        (
            "roll-back-node",
            vec![true, true, true, false, false],
            State::Held,
        ),
        (
            "roll-back-wave",
            vec![true, true, true, false, false],
            State::Held,
        ),
        ("roll-back-all", vec![false; 5], State::RolledBack),
    ] {
        let case = case(policy);
        case.hosts.with("n005", |n| n.faults.push(Fault::Unhealthy));
        let ended = case.upgrade(&case.desk()).unwrap();
        assert_eq!(
            ended.record.state, state,
            "{policy}: {:?}",
            ended.record.reason
        );
        let mut wanted = still_new;
        if policy == "roll-back-node" {
            wanted[3] = true;
        }
        assert_eq!(runs(&case), wanted, "{policy}");
        case.is_true(&ended.record);
        assert!(case.hosts.nodes().iter().all(|n| n.is_up()), "{policy}");
    }
}

#[test]
fn an_answer_that_got_lost_is_found_out() {
    for fault in [
        Fault::LostAfter,
        Fault::LostBefore,
        Fault::Reboot,
        Fault::Slow,
    ] {
        for at in ["n001", "n003", "n005"] {
            let case = case("stop");
            case.hosts.with(at, |n| n.faults.push(fault));
            let ended = case.upgrade(&case.desk()).unwrap();
            assert_eq!(
                ended.record.state,
                State::Done,
                "{fault:?} {:?}",
                ended.record.reason
            );
            case.is_true(&ended.record);
            case.all_run(NEW);
            let orders = case.hosts.with(at, |n| n.orders);
            let twice = matches!(fault, Fault::LostBefore | Fault::Reboot);
            assert_eq!(orders, if twice { 2 } else { 1 }, "{fault:?}");
        }
    }
}

#[test]
fn a_node_that_goes_off_for_good_is_named_and_held() {
    let case = case("stop");
    case.hosts.with("n003", |n| n.faults.push(Fault::PowerOff));
    let ended = case.upgrade(&case.desk()).unwrap();
    assert_eq!(ended.record.state, State::Held);
    assert_eq!(ended.record.step("n003"), Some(Step::Silent));
    assert!(ended.record.reason.as_deref().unwrap().contains("n003"));
    case.is_true(&ended.record);
    // Somebody repairs it: it has what it had.
    case.hosts.with("n003", |n| {
        n.faults.clear();
        n.busy = None;
        n.runs = true;
    });
    let again = case.resume(&case.desk(), &ended.record.id).unwrap();
    assert_eq!(again.record.state, State::Done, "{:?}", again.record.reason);
    case.all_run(NEW);
    case.is_true(&again.record);
}

#[test]
fn a_node_that_is_down_anyway_counts_against_the_budget() {
    let case = case("stop");
    case.hosts.with("n005", |n| n.runs = false);
    let ended = case.upgrade(&case.desk()).unwrap();
    assert_eq!(ended.record.state, State::Held);
    let why = ended.record.reason.clone().unwrap();
    assert!(
        why.contains("max_unavailable") && why.contains("n005"),
        "{why}"
    );
    assert!(case.hosts.installed().is_empty());
    case.is_true(&ended.record);
}

#[test]
fn a_host_that_is_no_relman_is_held_before_it_is_touched() {
    let case = Case::new(
        3,
        "name = \"local\"\nmax_unavailable = 2\npause_seconds = 0\n",
    );
    case.hosts.with("n002", |n| n.faults.push(Fault::Foreign));
    let ended = case.upgrade(&case.desk()).unwrap();
    assert_eq!(ended.record.state, State::Held);
    assert_eq!(ended.record.step("n002"), Some(Step::Silent));
    let words = ended.record.node("n002").unwrap().words.clone().unwrap();
    assert!(words.contains("it is no relman"), "{words}");
    assert_eq!(case.hosts.installed(), ["n001"]);
}

#[test]
fn nobody_is_moved_once_a_node_knows_of_a_halt() {
    let case = case("stop");
    case.hosts.with("n004", |n| n.halted = true);
    let ended = case.upgrade(&case.desk()).unwrap();
    assert_eq!(ended.record.state, State::Held);
    let why = ended.record.reason.clone().unwrap();
    assert!(
        why.contains("n004") && why.contains("by eve: a fork"),
        "{why}"
    );
    assert!(case.hosts.installed().is_empty());
    case.hosts.with("n004", |n| n.halted = false);
    let done = case.resume(&case.desk(), &ended.record.id).unwrap();
    assert_eq!(done.record.state, State::Done);
}

#[test]
fn a_partition_in_the_middle_holds_it_and_healing_lets_it_go_on() {
    let case = case("stop");
    let until = Duration::from_secs(5_000);
    // It is reached no more once two others are moved.
    case.hosts.with("n002", |n| n.faults.push(Fault::Unhealthy));
    let desk = case.desk();
    let first = case.upgrade(&desk).unwrap();
    case.hosts
        .with("n004", |n| n.faults.push(Fault::SilentUntil(until)));
    let held = case.resume(&desk, &first.record.id).unwrap();
    assert_eq!(held.record.state, State::Held, "unknown is not well");
    case.is_true(&held.record);
    case.hosts.pass(until);
    let done = case.resume(&desk, &first.record.id).unwrap();
    assert_eq!(done.record.state, State::Done, "{:?}", done.record.reason);
    case.is_true(&done.record);
}

#[test]
fn an_upgrade_stops_when_the_store_is_gone_and_goes_on_when_it_is_back() {
    let case = case("stop");
    let desk = case.desk();
    case.store.cut_off.store(true, Ordering::SeqCst);
    let error = case.upgrade(&desk).unwrap_err();
    assert!(error.to_string().contains("not begun"), "{error}");
    assert!(case.hosts.log().is_empty(), "no node was touched");
    case.store.cut_off.store(false, Ordering::SeqCst);
    // What was written here alone is over there: nothing was begun.
    let begun = desk.local.all().remove(0);
    let done = case.resume(&desk, &begun.id).unwrap();
    assert_eq!(done.record.state, State::Done);
    case.is_true(&done.record);
}

#[test]
fn an_upgrade_of_nodes_that_were_stopped_together_leaves_none_down() {
    let rules = "name = \"testnet\"\non_failure = \"roll-back-all\"\nlast_watch_seconds = 60\n";
    for at in ["n001", "n002", "n004"] {
        let case = Case::new(4, &format!("{rules}{NETWORK}"));
        case.hosts.with(at, |n| n.faults.push(Fault::Unhealthy));
        let ended = case.upgrade(&case.desk()).unwrap();
        assert_eq!(
            ended.record.state,
            State::RolledBack,
            "{at} {:?}",
            ended.record.reason
        );
        case.all_run(OLD);
        case.is_true(&ended.record);
    }
}
