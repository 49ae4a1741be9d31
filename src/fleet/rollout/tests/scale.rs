//! Two hundred hosts with seeded faults: whatever goes wrong, the rules hold and going on comes to an end.

use std::time::Duration;

use super::*;
use crate::fleet::fake::{Chance, Fault};
use crate::fleet::host::Request;

const RULES: &str = "name = \"mainnet\"\nmargin_percent = 5\nserial = 8\nmax_unavailable = 10\nfirst_watch_seconds = 60\n\
                     pause_seconds = 20\nwave_pause_seconds = 60\nlast_watch_seconds = 120\nwaves = [1, 5, 15, 40, 60, 90, 100]\n";

fn break_some(case: &Case, chance: &mut Chance) -> usize {
    let mut permanent = 0;
    for node in &case.config.nodes {
        if chance.below(100) >= 12 {
            continue;
        }
        let fault = match chance.below(8) {
            0 => Fault::LostAfter,
            1 => Fault::LostBefore,
            2 => Fault::Unhealthy,
            3 => Fault::Reboot,
            4 => Fault::Slow,
            5 => Fault::SilentUntil(Duration::from_secs(chance.below(20_000))),
            6 if permanent < 3 => {
                permanent += 1;
                Fault::PowerOff
            }
            _ => Fault::LostAfter,
        };
        case.hosts.with(&node.name, |n| n.faults.push(fault));
    }
    permanent
}

/// Somebody repairs what is off, and the rollout goes on, until it is done.
fn to_the_end(case: &Case, mut record: Record) {
    for turn in 0.. {
        case.is_true(&record);
        assert!(
            turn < 100,
            "it does not come to an end: {:?}",
            record.reason
        );
        if record.state == State::Done {
            return;
        }
        assert_eq!(record.state, State::Held, "{:?}", record.reason);
        case.hosts.pass(Duration::from_secs(3_600));
        for name in record.in_step(&[Step::Silent]) {
            case.hosts.with(&name, |n| {
                n.faults.retain(|f| *f != Fault::SilentUntil(Duration::MAX));
                n.runs = true;
            });
        }
        record = case.resume(&case.desk(), &record.id).unwrap().record;
    }
}

fn in_order(case: &Case) {
    let plan = case.plan();
    let waves: Vec<usize> = case
        .hosts
        .installed()
        .iter()
        .map(|name| {
            let place = plan.waves.iter().position(|w| w.nodes.contains(name));
            place.expect("a wave")
        })
        .collect();
    assert!(waves.is_sorted(), "waves in order");
    let names = case.hosts.installed();
    let told = |name: &String| case.hosts.with(name, |n| n.orders);
    assert!(names.iter().all(|n| told(n) < 20));
}

#[test]
fn two_hundred_hosts_with_faults_keep_every_rule_and_come_to_an_end() {
    with_faults(0..1);
}

#[test]
#[ignore = "takes minutes"]
fn two_hundred_hosts_with_faults_keep_every_rule_with_many_seeds() {
    with_faults(1..20);
}

fn with_faults(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let case = Case::new(200, RULES);
        let mut chance = Chance::new(seed);
        break_some(&case, &mut chance);
        let ended = case.upgrade(&case.desk()).unwrap();
        to_the_end(&case, ended.record);
        case.all_run(NEW);
        in_order(&case);
    }
}

#[test]
fn two_hundred_hosts_whose_driver_is_killed_again_and_again() {
    with_kills(100..101);
}

#[test]
#[ignore = "takes minutes"]
fn two_hundred_hosts_whose_driver_is_killed_with_many_seeds() {
    with_kills(101..120);
}

fn with_kills(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let case = Case::new(200, RULES);
        let mut chance = Chance::new(seed);
        break_some(&case, &mut chance);
        let desk = case.desk();
        case.light(&desk, 1 + chance.below(120) as usize);
        let mut record = None;
        dies(|| record = case.upgrade(&desk).ok().map(|e| e.record));
        for _ in 0..6 {
            let other = case.desk();
            let Some(found) = case.record(&other).filter(|r| !r.is_over()) else {
                break;
            };
            case.light(&other, 1 + chance.below(150) as usize);
            dies(|| record = case.resume(&other, &found.id).ok().map(|e| e.record));
        }
        let last = case.desk();
        case.light(&last, 0);
        match case.record(&last) {
            Some(found) if found.is_over() => {}
            Some(found) => record = Some(case.resume(&last, &found.id).unwrap().record),
            // Killed before anybody else could know of it.
            None => record = Some(case.upgrade(&last).unwrap().record),
        }
        to_the_end(&case, record.expect("an end"));
        case.all_run(NEW);
    }
}

#[test]
fn two_hundred_hosts_are_stopped_and_put_back_while_some_are_gone() {
    for seed in 200..201 {
        let case = Case::new(200, RULES);
        let ended = case.upgrade(&case.desk()).unwrap();
        assert_eq!(ended.record.state, State::Done);
        let mut chance = Chance::new(seed);
        for node in &case.config.nodes {
            if chance.below(20) == 0 {
                let fault = match chance.below(3) {
                    0 => Fault::LostAfter,
                    1 => Fault::LostBefore,
                    _ => {
                        let until = case.hosts.uptime().as_secs() + chance.below(40_000);
                        Fault::SilentUntil(Duration::from_secs(until))
                    }
                };
                case.hosts.with(&node.name, |n| n.faults.push(fault));
            }
        }
        let names: Vec<String> = case.config.nodes.iter().map(|n| n.name.clone()).collect();
        let environment = case.config.environments[0].clone();
        let begun = case.hosts.uptime();
        let desk = case.desk();
        let ended = case.at(&desk, false, |m| {
            rollback(m, &environment, &names, &Orders::default(), "0000000b")
        });
        let first: Vec<Duration> = case
            .hosts
            .log()
            .iter()
            .filter(|(at, _, r)| *at == begun && *r == Request::Stop { at_once: true })
            .map(|(at, ..)| *at)
            .collect();
        assert_eq!(first.len(), 200, "all were told at once");
        let mut record = ended.unwrap().record;
        for _ in 0..20 {
            if record.state == State::Done {
                break;
            }
            case.hosts.pass(Duration::from_secs(10_000));
            record = case.resume(&desk, &record.id).unwrap().record;
        }
        assert_eq!(record.state, State::Done, "{:?}", record.reason);
        case.is_true(&record);
        case.all_run(OLD);
    }
}
