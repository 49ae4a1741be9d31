//! The driver killed at every write and every order, before and after; then somebody else goes on.

use super::*;
use crate::fleet::fake::Fault;

/// Kills an upgrade at each of its points; `same` goes on at the same desk, else at another one.
fn everywhere(rules: &str, count: usize, fault: Option<(&str, Fault)>, same: bool) {
    let mut at = 1;
    loop {
        let case = Case::new(count, rules);
        if let Some((name, fault)) = fault {
            case.hosts.with(name, |n| n.faults.push(fault));
        }
        let desk = case.desk();
        case.light(&desk, at);
        let mut ended = None;
        let died = dies(|| ended = Some(case.upgrade(&desk)));
        case.light(&desk, 0);
        if !died {
            assert!(ended.expect("an end").is_ok());
            assert!(at > 20, "{at} points");
            return;
        }
        finish(&case, &desk, same, at);
        at += 1;
    }
}

fn finish(case: &Case, desk: &Desk, same: bool, at: usize) {
    let other = case.desk();
    let next = if same { desk } else { &other };
    let seen = if same {
        case.record(desk)
    } else {
        case.record(&other)
    };
    let Some(record) = seen else {
        assert!(
            case.hosts.log().is_empty(),
            "point {at}: nothing is done before it is written"
        );
        return;
    };
    if record.is_over() {
        return;
    }
    let mut ended = case
        .resume(next, &record.id)
        .unwrap_or_else(|e| panic!("point {at}: {e}"));
    for _ in 0..3 {
        if ended.record.state != State::Held {
            break;
        }
        case.is_true(&ended.record);
        ended = case.resume(next, &record.id).unwrap();
    }
    assert_eq!(
        ended.record.state,
        State::Done,
        "point {at}: {:?}",
        ended.record.reason
    );
    case.is_true(&ended.record);
    case.all_run(NEW);
}

const ONE: &str =
    "name = \"mainnet\"\nmargin_percent = 0\nfirst_watch_seconds = 30\npause_seconds = 10\n";

#[test]
fn a_rolling_upgrade_killed_anywhere_is_finished_elsewhere() {
    everywhere(&format!("{ONE}{NETWORK}"), 3, None, false);
}

#[test]
fn a_rolling_upgrade_killed_anywhere_is_finished_by_the_same_machine() {
    everywhere(&format!("{ONE}{NETWORK}"), 3, None, true);
}

#[test]
fn an_upgrade_together_killed_anywhere_is_finished_elsewhere() {
    let rules = "name = \"testnet\"\nlast_watch_seconds = 30\n";
    everywhere(&format!("{rules}{NETWORK}"), 3, None, false);
}

#[test]
fn two_faults_at_once_are_two_faults_and_no_more() {
    for fault in [
        Fault::Unhealthy,
        Fault::Reboot,
        Fault::LostAfter,
        Fault::LostBefore,
    ] {
        let rules = ONE
            .replace("mainnet", "local")
            .replace("margin_percent = 0\n", "");
        everywhere(&rules, 2, Some(("n002", fault)), false);
    }
}

#[test]
fn going_back_killed_anywhere_is_finished_elsewhere() {
    let rules = format!("{ONE}on_failure = \"roll-back-all\"\n{NETWORK}");
    for at in 1.. {
        let case = Case::new(3, &rules);
        case.hosts.with("n003", |n| n.faults.push(Fault::Unhealthy));
        let desk = case.desk();
        case.light(&desk, at);
        let died = dies(|| {
            let _ = case.upgrade(&desk);
        });
        case.light(&desk, 0);
        if !died {
            assert!(at > 40);
            return;
        }
        let other = case.desk();
        let Some(record) = case.record(&other).filter(|r| !r.is_over()) else {
            continue;
        };
        let ended = case.resume(&other, &record.id).unwrap();
        case.is_true(&ended.record);
        match ended.record.state {
            State::RolledBack => case.all_run(OLD),
            // The failure came after the kill, or was over before it was seen.
            State::Done => case.all_run(NEW),
            state => panic!("point {at}: {state:?} {:?}", ended.record.reason),
        }
    }
}

#[test]
fn an_emergency_killed_anywhere_is_finished_elsewhere_or_by_the_same_machine() {
    // Whether relman has moved the nodes, or each was moved by itself, so that no record says what is left.
    for (same, known) in [(true, true), (false, true), (true, false), (false, false)] {
        for at in 1.. {
            let case = Case::new(3, &format!("{ONE}{NETWORK}"));
            let names: Vec<String> = case.config.nodes.iter().map(|n| n.name.clone()).collect();
            match known {
                true => drop(case.upgrade(&case.desk()).unwrap()),
                false => names.iter().for_each(|name| {
                    case.hosts.with(name, |n| {
                        n.current = NEW.into();
                        n.retained.push(OLD.into());
                        n.history.push(OLD.into());
                    });
                }),
            }
            let desk = case.desk();
            case.light(&desk, at);
            let environment = case.config.environments[0].clone();
            let died = dies(|| {
                let _ = case.at(&desk, false, |m| {
                    rollback(m, &environment, &names, &Orders::default(), "00000002")
                });
            });
            case.light(&desk, 0);
            if !died {
                assert!(at > 20);
                break;
            }
            let other = case.desk();
            let next = if same { &desk } else { &other };
            let seen = if same {
                case.record_of(&desk, "00000002")
            } else {
                case.record_of(&other, "00000002")
            };
            let Some(record) = seen else {
                // It never left this machine: whoever is elsewhere begins anew.
                let again = case.at(&other, true, |m| {
                    rollback(m, &environment, &names, &Orders::default(), "00000003")
                });
                assert_eq!(again.unwrap().record.state, State::Done, "point {at}");
                case.all_run(OLD);
                continue;
            };
            if !record.is_over() {
                let ended = case.resume(next, &record.id).unwrap();
                assert_eq!(
                    ended.record.state,
                    State::Done,
                    "point {at}: {:?}",
                    ended.record.reason
                );
                case.is_true(&ended.record);
            }
            case.all_run(OLD);
        }
    }
}
