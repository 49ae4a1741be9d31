//! Everything stopped at once, everything put back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::fleet::fake::Fault;
use crate::fleet::host::Request;
use crate::fleet::notice::Occasion;

const RULES: &str =
    "name = \"mainnet\"\nmargin_percent = 0\nfirst_watch_seconds = 30\npause_seconds = 10\n";

impl Case {
    fn names(&self) -> Vec<String> {
        self.config.nodes.iter().map(|n| n.name.clone()).collect()
    }

    fn stop(&self, desk: &Desk) -> Ended {
        let environment = &self.config.environments[0];
        self.at(desk, false, |m| {
            stop(m, environment, &self.names(), "0000000a")
        })
        .unwrap()
    }

    fn roll_back(&self, desk: &Desk, orders: &Orders) -> Ended {
        let environment = &self.config.environments[0];
        self.at(desk, false, |m| {
            rollback(m, environment, &self.names(), orders, "0000000b")
        })
        .unwrap()
    }
}

fn upgraded(count: usize) -> Case {
    let case = Case::new(count, &format!("{RULES}{NETWORK}"));
    let ended = case.upgrade(&case.desk()).unwrap();
    assert_eq!(ended.record.state, State::Done);
    case
}

#[test]
fn a_stop_stops_all_and_they_stay_so_until_somebody_starts_them() {
    let case = Case::new(5, &format!("{RULES}{NETWORK}"));
    let desk = case.desk();
    let ended = case.stop(&desk);
    assert_eq!(ended.record.state, State::Paused);
    case.is_true(&ended.record);
    assert!(case.hosts.nodes().iter().all(|n| !n.runs));
    let log = case.hosts.log();
    assert!(
        log.iter().all(|(at, ..)| *at == Duration::ZERO),
        "at once: {log:?}"
    );
    case.hosts.pass(Duration::from_secs(86_400));
    assert!(case.hosts.nodes().iter().all(|n| !n.runs));
    let error = case.upgrade(&case.desk()).unwrap_err();
    assert!(error.to_string().contains("is not over: stop"), "{error}");
    let started = case.resume(&case.desk(), &ended.record.id).unwrap();
    assert_eq!(
        started.record.state,
        State::Done,
        "{:?}",
        started.record.reason
    );
    case.all_run(OLD);
    case.is_true(&started.record);
    let starts: Vec<String> = case.hosts.log()[5..]
        .iter()
        .map(|(_, n, _)| n.clone())
        .collect();
    assert_eq!(starts, case.names(), "one by one, in order");
}

#[test]
fn stopping_fifty_takes_no_longer_than_half_as_long_again_as_one() {
    let time = |count: usize| {
        let case = Case::new(count, RULES);
        let ended = case.stop(&case.desk());
        assert_eq!(ended.record.state, State::Paused);
        case.hosts.uptime()
    };
    let (one, fifty) = (time(1), time(50));
    println!("one node is stopped after {one:?}, fifty after {fifty:?}");
    assert!(fifty * 2 <= one * 3, "{one:?} {fifty:?}");
}

#[test]
fn a_rollback_puts_back_what_ran_before_and_starts_one_by_one() {
    let case = upgraded(4);
    let ended = case.roll_back(&case.desk(), &Orders::default());
    assert_eq!(ended.record.state, State::Done, "{:?}", ended.record.reason);
    case.all_run(OLD);
    case.is_true(&ended.record);
    let log = case.hosts.log();
    let backs: Vec<Duration> = log
        .iter()
        .filter(|(_, _, r)| {
            matches!(
                r,
                Request::Rollback {
                    emergency: true,
                    start: false,
                    ..
                }
            )
        })
        .map(|(at, ..)| *at)
        .collect();
    assert_eq!(backs.len(), 4);
    assert!(backs.iter().all(|at| *at == backs[0]), "all at once");
    let starts: Vec<(Duration, String)> = log
        .iter()
        .filter(|(_, _, r)| *r == Request::Start)
        .map(|(at, name, _)| (*at, name.clone()))
        .collect();
    assert!(
        starts.windows(2).all(|w| w[0].0 < w[1].0),
        "one by one: {starts:?}"
    );
    let told = case.herald.0.lock().unwrap();
    let occasions: Vec<Occasion> = told.iter().skip(2).map(|n| n.occasion).collect();
    assert_eq!(
        occasions,
        [Occasion::EmergencyRollback, Occasion::EmergencyOver]
    );
}

#[test]
fn a_node_that_was_not_moved_yet_is_not_put_back_one_too_many() {
    let case = Case::new(4, &format!("{RULES}{NETWORK}"));
    case.hosts.with("n003", |n| n.faults.push(Fault::Unhealthy));
    let held = case.upgrade(&case.desk()).unwrap();
    assert_eq!(held.record.state, State::Held);
    // On another machine, which knows of the upgrade from the store.
    let desk = case.desk();
    let ended = case.roll_back(&desk, &Orders::default());
    assert_eq!(ended.record.state, State::Done, "{:?}", ended.record.reason);
    case.all_run(OLD);
    case.is_true(&ended.record);
    let all = case.store.all();
    let upgrade = all.iter().find(|r| r.id == held.record.id).unwrap();
    assert_eq!(upgrade.state, State::Aborted, "{:?}", upgrade.reason);
}

#[test]
fn without_knowledge_of_what_is_left_nothing_is_guessed() {
    let case = Case::new(4, &format!("{RULES}{NETWORK}"));
    case.hosts.with("n003", |n| n.faults.push(Fault::Unhealthy));
    case.upgrade(&case.desk()).unwrap();
    case.store.cut_off.store(true, Ordering::SeqCst);
    let desk = case.desk();
    let ended = case.roll_back(&desk, &Orders::default());
    assert_eq!(ended.record.state, State::Held);
    let words = ended.record.node("n001").unwrap().words.clone().unwrap();
    assert!(words.contains("--to"), "{words}");
    assert!(
        case.hosts
            .nodes()
            .iter()
            .all(|n| [OLD, NEW].contains(&n.current.as_str()))
    );
    let orders = Orders {
        to: Some(OLD.into()),
        with_data: false,
    };
    let environment = &case.config.environments[0];
    case.hosts.pass(Duration::from_secs(1));
    let named = case.at(&desk, false, |m| {
        rollback(m, environment, &case.names(), &orders, "0000000c")
    });
    assert_eq!(named.unwrap().record.state, State::Done);
    case.all_run(OLD);
}

#[test]
fn it_works_while_the_store_is_gone_and_nodes_are_silent_and_is_finished_later() {
    let case = upgraded(5);
    let gone = case.hosts.uptime() + Duration::from_secs(40_000);
    case.hosts
        .with("n002", |n| n.faults.push(Fault::SilentUntil(gone)));
    case.store.cut_off.store(true, Ordering::SeqCst);
    let desk = case.desk();
    let orders = Orders {
        to: Some(OLD.into()),
        with_data: true,
    };
    let ended = case.roll_back(&desk, &orders);
    assert_eq!(ended.record.state, State::Held);
    assert!(ended.record.reason.as_deref().unwrap().contains("n002"));
    case.is_true(&ended.record);
    for node in case.hosts.nodes().iter().filter(|n| n.name != "n002") {
        assert!(node.current == OLD && node.is_up(), "{node:?}");
    }
    assert!(!ended.warnings.is_empty(), "the store was named");
    case.store.cut_off.store(false, Ordering::SeqCst);
    case.hosts.pass(Duration::from_secs(41_000));
    let done = case.resume(&desk, &ended.record.id).unwrap();
    assert_eq!(done.record.state, State::Done, "{:?}", done.record.reason);
    case.all_run(OLD);
    case.is_true(&done.record);
    let there = case.store.all();
    assert!(
        there
            .iter()
            .any(|r| r.id == done.record.id && r.state == State::Done)
    );
}

#[test]
fn a_node_that_is_silent_for_a_while_is_told_again() {
    let case = upgraded(4);
    let soon = case.hosts.uptime() + Duration::from_secs(60);
    case.hosts
        .with("n003", |n| n.faults.push(Fault::SilentUntil(soon)));
    let ended = case.roll_back(&case.desk(), &Orders::default());
    assert_eq!(ended.record.state, State::Done, "{:?}", ended.record.reason);
    case.all_run(OLD);
    let stop = Case::new(4, RULES);
    stop.hosts.with("n003", |n| {
        n.faults.push(Fault::SilentUntil(Duration::from_secs(30)))
    });
    let ended = stop.stop(&stop.desk());
    assert_eq!(ended.record.state, State::Paused);
    stop.is_true(&ended.record);
}

#[test]
fn an_upgrade_under_way_yields_to_an_emergency_before_its_next_step() {
    let case = Case::new(5, &format!("{RULES}{NETWORK}"));
    let (driver, on_call) = (case.desk(), case.desk());
    let stopped = std::cell::RefCell::new(None);
    let ended = case.at(&driver, false, |m| {
        let m = Machine {
            guard: None,
            say: &|record| {
                if record.step("n002") == Some(Step::Watching) && stopped.borrow().is_none() {
                    *stopped.borrow_mut() = Some(case.stop(&on_call));
                }
            },
            ledger: m.ledger,
            holder: m.holder.clone(),
            ..*m
        };
        upgrade(&m, case.plan(), "00000001")
    });
    let ended = ended.unwrap();
    assert_eq!(
        ended.record.state,
        State::Aborted,
        "{:?}",
        ended.record.reason
    );
    assert!(
        ended
            .record
            .reason
            .unwrap()
            .contains("an emergency took over")
    );
    assert!(
        case.hosts.nodes().iter().all(|n| !n.runs),
        "nobody was started again"
    );
    assert_eq!(stopped.into_inner().unwrap().record.state, State::Paused);
    assert_eq!(case.hosts.installed(), ["n001", "n002"]);
}

#[test]
fn a_newer_stop_ends_a_rollback_that_starts_nodes() {
    let case = upgraded(4);
    let (driver, on_call) = (case.desk(), case.desk());
    let environment = case.config.environments[0].clone();
    let stopped = std::cell::RefCell::new(None);
    let ended = case.at(&driver, false, |m| {
        let m = Machine {
            guard: None,
            say: &|record| {
                if record.step("n001") == Some(Step::RolledBack) && stopped.borrow().is_none() {
                    *stopped.borrow_mut() = Some(case.stop(&on_call));
                }
            },
            ledger: m.ledger,
            holder: m.holder.clone(),
            ..*m
        };
        rollback(
            &m,
            &environment,
            &case.names(),
            &Orders::default(),
            "0000000b",
        )
    });
    assert_eq!(ended.unwrap().record.state, State::Aborted);
    assert!(case.hosts.nodes().iter().all(|n| !n.runs));
    let started = case
        .resume(&on_call, &stopped.into_inner().unwrap().record.id)
        .unwrap();
    assert_eq!(started.record.state, State::Done);
    case.all_run(OLD);
}

#[test]
fn of_two_operators_who_begin_the_same_emergency_at_once_exactly_one_goes_on() {
    let case = upgraded(4);
    let environment = &case.config.environments[0];
    // Each is in the store before either looks who else is.
    let meeting = std::sync::Barrier::new(2);
    let begin = |chance: &str| {
        let writes = std::cell::Cell::new(0);
        let desk = case.desk();
        case.at(&desk, false, |m| {
            let m = Machine {
                say: &|record| {
                    writes.set(writes.get() + 1);
                    if writes.get() == 2 {
                        assert_eq!(record.in_step(&[Step::Stopped]).len(), 4);
                        meeting.wait();
                    }
                },
                ledger: m.ledger,
                holder: m.holder.clone(),
                ..*m
            };
            rollback(&m, environment, &case.names(), &Orders::default(), chance)
        })
        .unwrap()
    };
    let both = std::thread::scope(|threads| {
        let one = threads.spawn(|| begin("0000000b"));
        let other = threads.spawn(|| begin("0000000c"));
        [one.join().unwrap().record, other.join().unwrap().record]
    });
    // Mostly the one with the later name; the other one where that was done before the later one looked.
    let [done, ended] = match both[0].state {
        State::Done => [&both[0], &both[1]],
        _ => [&both[1], &both[0]],
    };
    assert_eq!(done.state, State::Done, "{:?}", done.reason);
    assert_eq!(ended.state, State::Aborted, "{:?}", ended.reason);
    let reason = ended.reason.clone().unwrap();
    assert!(reason.contains(done.id.as_str()), "{reason}");
    case.all_run(OLD);
    case.is_true(done);
}

#[test]
fn nobody_waits_longer_for_a_silent_node_than_was_asked_for() {
    let case = upgraded(4);
    let gone = case.hosts.uptime() + Duration::from_secs(40_000);
    case.hosts
        .with("n002", |n| n.faults.push(Fault::SilentUntil(gone)));
    let time = |patience: u64| {
        let desk = case.desk();
        let begun = case.hosts.uptime();
        let environment = &case.config.environments[0];
        let ended = case.at(&desk, false, |m| {
            let m = Machine {
                patience: Duration::from_secs(patience),
                ledger: m.ledger,
                holder: m.holder.clone(),
                ..*m
            };
            stop(&m, environment, &case.names(), "0000000d")
        });
        assert_eq!(ended.unwrap().record.state, State::Held);
        case.hosts.pass(Duration::from_secs(1));
        case.hosts.uptime() - begun
    };
    let (short, long) = (time(6), time(300));
    assert!(long > Duration::from_secs(120), "{long:?}");
    assert!(short * 2 < long, "{short:?} {long:?}");
}
