//! Each row of the matrix, at the look at which it has to fire.

use super::film::{decide, film, first, hash, last, most, some, stall};
use crate::watch::decision::{State, Verdict};
use crate::watch::policy::Action::{Observe, Page, Patch, Prepare, Restart, RollBack};

#[test]
fn a_network_that_is_well_calls_for_nothing_and_is_known_to_be_well() {
    // Long enough for every window, the longest of six hours.
    let decisions = decide(6, &film(6, 8 * 3_600, |_, _| {}));
    assert_eq!(most(&decisions), None);
    assert_eq!(
        decisions.last().unwrap().verdict(),
        Verdict::Healthy,
        "{:#?}",
        decisions.last().unwrap().unknowns()
    );
}

#[test]
fn no_blocks_for_ten_minutes_beyond_the_interval_goes_back() {
    let looks = film(6, 4_000, |second, look| stall(look, second, 600));
    let decisions = decide(6, &looks);
    // The last block is seen at 600. An age of 1,200 is not more than the interval and ten minutes; the look after it is
    // the first of two.
    assert_eq!(
        first(&decisions, "no-blocks", RollBack),
        Some(600 + 1_215 + 15)
    );
    // One that comes at the last moment is in time.
    let looks = film(6, 4_000, |second, look| {
        if second < 600 + 1_215 {
            stall(look, second, 600);
        }
    });
    assert_eq!(most(&decide(6, &looks)), None);
}

#[test]
fn a_watch_that_begins_in_a_stall_believes_the_newest_blocks_own_time() {
    let looks = film(6, 2_000, |second, look| {
        stall(look, second + 1, 0);
        look.nodes
            .values_mut()
            .for_each(|n| n.chain.tip_unix = n.chain.tip_unix.map(|tip| tip - 900));
    });
    // 900 s old when it begins: 300 s later it is too old, and two looks say so.
    assert_eq!(
        first(&decide(6, &looks), "no-blocks", RollBack),
        Some(315 + 15)
    );
    // Without any time of its own it is watched for the whole of it.
    let blind = film(6, 2_000, |second, look| {
        stall(look, second + 1, 0);
        look.nodes
            .values_mut()
            .for_each(|n| n.chain.tip_unix = None);
    });
    assert_eq!(
        first(&decide(6, &blind), "no-blocks", RollBack),
        Some(1_215 + 15)
    );
}

#[test]
fn more_than_three_consensus_timeouts_prepare_and_after_five_minutes_go_back() {
    let timeouts = |count: f64| {
        film(6, 1_500, move |second, look| {
            if second >= 300 {
                some(look, 1, |n| n.set("consensus-timeouts", Ok(7.0 + count)));
            }
        })
    };
    let decisions = decide(6, &timeouts(4.0));
    assert_eq!(first(&decisions, "consensus-timeouts", Prepare), Some(315));
    assert_eq!(first(&decisions, "consensus-timeouts", RollBack), Some(600));
    // Ten minutes after the last of them it is over.
    assert_eq!(last(&decisions, "consensus-timeouts"), State::Quiet);
    assert_eq!(most(&decide(6, &timeouts(3.0))), None);
}

#[test]
fn corruption_critical_errors_and_panics_need_one_look() {
    for (signal, row, action) in [
        ("log-corruption", "data-corruption", RollBack),
        ("critical-errors", "critical-errors", Prepare),
        ("panics", "panics", Page),
    ] {
        let looks = film(6, 600, |second, look| {
            if second >= 150 {
                some(look, 1, |n| n.set(signal, Ok(1.0)));
            }
        });
        assert_eq!(first(&decide(6, &looks), row, action), Some(150), "{row}");
    }
}

#[test]
fn signatures_that_fail_go_back_once_two_looks_have_seen_it() {
    let looks = film(6, 600, |second, look| {
        if second >= 150 {
            some(look, 1, |n| n.set("log-signatures", Ok(3.0)));
        }
    });
    assert_eq!(
        first(&decide(6, &looks), "signature-failures", RollBack),
        Some(165)
    );
}

#[test]
fn a_vulnerability_goes_back_when_a_person_declares_it() {
    let looks = film(6, 600, |second, look| {
        if second >= 150 {
            look.declared
                .insert("vulnerability".into(), "forged signatures pass".into());
        }
    });
    let decisions = decide(6, &looks);
    assert_eq!(first(&decisions, "vulnerability", RollBack), Some(150));
    let strongest = decisions.last().unwrap().strongest().unwrap();
    assert_eq!(
        strongest.evidence[0].found,
        "declared: forged signatures pass"
    );
}

#[test]
fn more_than_a_fifth_of_the_nodes_crashed_goes_back() {
    let down = |nodes: usize, count: usize| {
        film(nodes, 600, move |second, look| {
            if second >= 150 {
                some(look, count, |n| n.set("up", Ok(0.0)));
            }
        })
    };
    assert_eq!(
        first(&decide(6, &down(6, 2)), "crashed-nodes", RollBack),
        Some(165)
    );
    // A fifth is not more than a fifth.
    assert_eq!(
        first(&decide(10, &down(10, 2)), "crashed-nodes", Observe),
        None
    );
    assert_eq!(
        first(&decide(10, &down(10, 3)), "crashed-nodes", RollBack),
        Some(165)
    );
}

#[test]
fn finality_that_most_nodes_have_lost_prepares_and_after_five_minutes_goes_back() {
    let lost = |count: usize, until: i64| {
        film(6, 1_200, move |second, look| {
            if (150..until).contains(&second) {
                some(look, count, |n| n.chain.is_final = Some(false));
            }
        })
    };
    let decisions = decide(6, &lost(4, 2_000));
    assert_eq!(first(&decisions, "finality", Prepare), Some(165));
    assert_eq!(first(&decisions, "finality", RollBack), Some(450));
    assert_eq!(first(&decide(6, &lost(4, 450)), "finality", RollBack), None);
    assert_eq!(
        first(&decide(6, &lost(3, 2_000)), "finality", Observe),
        None
    );
}

#[test]
fn a_partition_is_observed_then_pages_and_after_half_an_hour_goes_back() {
    let parted = |until: i64| {
        film(6, 3_000, move |second, look| {
            if (300..until).contains(&second) {
                some(look, 3, |n| {
                    n.chain.hash = n.chain.hash.as_ref().map(|(at, _)| (*at, hash(*at, 1)));
                });
            }
        })
    };
    let decisions = decide(6, &parted(5_000));
    assert_eq!(first(&decisions, "partition", Observe), Some(315));
    assert_eq!(first(&decisions, "partition", Page), Some(600));
    assert_eq!(first(&decisions, "partition", RollBack), Some(2_100));
    let strongest = decisions.last().unwrap().strongest().unwrap();
    assert!(
        strongest.evidence[1].found.starts_with("a fork at height"),
        "{strongest:#?}"
    );
    // Healed one look before that.
    let healed = decide(6, &parted(2_100));
    assert_eq!(first(&healed, "partition", RollBack), None);
    assert_eq!(last(&healed, "partition"), State::Quiet);
}

#[test]
fn memory_that_goes_on_growing_calls_for_a_patch_and_no_more() {
    let leak = |percent: f64| {
        film(3, 7 * 3_600, move |second, look| {
            some(look, 1, |n| {
                let grown = 200e6 * (1.0 + percent / 100.0 * second as f64 / 21_600.0);
                n.set("memory", Ok(grown));
            });
        })
    };
    let decisions = decide(3, &leak(40.0));
    let at = first(&decisions, "memory-leak", Patch);
    assert_eq!(
        at,
        Some(21_600 + 15),
        "the window, and the second of two looks"
    );
    assert_eq!(most(&decisions), Some(Patch));
    assert_eq!(first(&decide(3, &leak(20.0)), "memory-leak", Patch), None);
}

#[test]
fn the_guides_thresholds_are_observed() {
    for (signal, row, good, bad, at) in [
        ("finality-latency", "finality-latency", 30.0, 30.5, 15),
        ("memory", "memory", 500e6, 501e6, 615),
        ("cpu", "cpu", 50.0, 50.5, 615),
        ("network-latency", "network-latency", 0.1, 0.11, 615),
    ] {
        let with = |value: f64| {
            film(3, 900, move |_, look| {
                some(look, 1, |n| n.set(signal, Ok(value)));
            })
        };
        assert_eq!(
            first(&decide(3, &with(bad)), row, Observe),
            Some(at),
            "{row}"
        );
        assert_eq!(first(&decide(3, &with(good)), row, Observe), None, "{row}");
    }
    let fewer = film(3, 300, |_, look| some(look, 1, |n| n.chain.peers = Some(1)));
    assert_eq!(first(&decide(3, &fewer), "peers", Observe), Some(15));
    for (signal, row, action) in [
        ("warnings", "warnings", Observe),
        ("errors", "errors", Patch),
    ] {
        let looks = film(3, 300, |second, look| {
            if second >= 60 {
                some(look, 1, |n| n.set(signal, Ok(1.0)));
            }
        });
        assert_eq!(first(&decide(3, &looks), row, action), Some(75), "{row}");
    }
}

#[test]
fn a_single_crash_and_a_restart_are_told_and_no_more() {
    let looks = film(6, 600, |second, look| {
        if (150..210).contains(&second) {
            some(look, 1, |n| n.set("up", Ok(0.0)));
        }
        if second >= 210 {
            some(look, 1, |n| n.set("restarts", Ok(1.0)));
        }
    });
    let decisions = decide(6, &looks);
    assert_eq!(first(&decisions, "single-node-crash", Restart), Some(165));
    assert_eq!(first(&decisions, "restarts", Observe), Some(225));
    assert_eq!(most(&decisions), Some(Restart));
}

#[test]
fn blocks_at_less_than_half_their_rate_are_told() {
    // One in twenty minutes is exactly half: 0.05 a minute. One in 25 is less.
    let every = |seconds: i64| {
        film(3, 3 * 3_600, move |second, look| {
            let height = 1_000 + (second / seconds).unsigned_abs();
            look.nodes
                .values_mut()
                .for_each(|n| n.chain.height = Some(height));
        })
    };
    assert_eq!(first(&decide(3, &every(600)), "block-rate", Observe), None);
    assert!(first(&decide(3, &every(1_500)), "block-rate", Observe) >= Some(3_600));
}
