//! Sources that are silent, odd or lying, clocks that are wrong: none of it rolls a network back, none of it passes for
//! health.

use super::film::{decide, film, first, last, most, names, some, stall};
use crate::limits::MAX_WATCH_POINTS;
use crate::watch::decision::{State, Verdict};
use crate::watch::engine::Engine;
use crate::watch::policy::Action::{Observe, Page, Prepare, RollBack};
use crate::watch::policy::{Policy, template};
use crate::watch::recording::{Header, Line, line};
use crate::watch::sample::{Alert, Look, NodeSample};

#[test]
fn silence_is_neither_health_nor_a_reason_to_go_back() {
    let looks = film(6, 3_600, |second, look| {
        if second >= 300 {
            look.nodes.clear();
            look.silent
                .insert("prometheus".into(), "connection refused".into());
        }
    });
    let decisions = decide(6, &looks);
    assert_eq!(most(&decisions), None);
    let end = decisions.last().unwrap();
    assert_eq!(end.verdict(), Verdict::Unknown);
    let unknown = end.unknowns().join("\n");
    assert!(unknown.contains("prometheus does not answer"), "{unknown}");
    assert!(unknown.contains("No blocks 10+ min"), "{unknown}");
}

#[test]
fn silence_does_not_let_a_rows_time_pass() {
    // A partition is seen for a minute, then nobody answers for an hour.
    let looks = film(6, 4_000, |second, look| {
        if (300..=360).contains(&second) {
            some(look, 1, |n| n.chain.peers = Some(0));
        } else if second > 360 {
            look.nodes.clear();
        }
    });
    let decisions = decide(6, &looks);
    assert_eq!(first(&decisions, "partition", Observe), Some(315));
    assert_eq!(first(&decisions, "partition", Page), None);
    assert_eq!(last(&decisions, "partition"), State::Unknown);
}

#[test]
fn a_few_stuck_nodes_cannot_say_that_no_blocks_come() {
    let looks = film(6, 3_600, |second, look| {
        stall(look, second, 600);
        for name in ["n1", "n2", "n3"] {
            look.nodes.remove(name);
        }
    });
    let decisions = decide(6, &looks);
    assert_eq!(first(&decisions, "no-blocks", Observe), None);
    assert_eq!(last(&decisions, "no-blocks"), State::Unknown);
}

#[test]
fn one_odd_look_neither_begins_nor_ends_a_row() {
    let odd = film(6, 900, |second, look| {
        if second % 30 == 0 {
            some(look, 4, |n| n.chain.is_final = Some(false));
        }
    });
    assert_eq!(most(&decide(6, &odd)), None);
    // Lost for good, with one look in ten that says otherwise.
    let flapping = film(6, 900, |second, look| {
        if second >= 150 && second % 150 != 15 {
            some(look, 4, |n| n.chain.is_final = Some(false));
        }
    });
    let at = first(&decide(6, &flapping), "finality", RollBack);
    assert!(at <= Some(510), "{at:?}");
}

#[test]
fn a_counter_that_was_reset_has_not_grown_by_what_it_lost() {
    let looks = film(6, 1_500, |second, look| {
        let count = match second {
            0..600 => 100.0,
            600..900 => 0.0,
            _ => 2.0,
        };
        some(look, 6, |n| n.set("consensus-timeouts", Ok(count)));
    });
    assert_eq!(
        first(&decide(6, &looks), "consensus-timeouts", Observe),
        None
    );
    // What it has after the start came since.
    let worse = film(6, 1_500, |second, look| {
        let count = if second < 600 { 100.0 } else { 4.0 };
        some(look, 1, |n| n.set("consensus-timeouts", Ok(count)));
    });
    assert_eq!(
        first(&decide(6, &worse), "consensus-timeouts", Prepare),
        Some(615)
    );
}

#[test]
fn another_networks_height_hides_no_stall_and_is_told() {
    let looks = film(6, 3_000, |second, look| {
        stall(look, second, 600);
        some(look, 1, |n| {
            n.chain.network = Some("testnet".into());
            n.chain.height = Some(1_000_000 + second.unsigned_abs());
            n.chain.hash = None;
        });
    });
    let decisions = decide(6, &looks);
    assert_eq!(first(&decisions, "foreign-network", Page), Some(15));
    assert_eq!(first(&decisions, "no-blocks", RollBack), Some(1_830));
    assert_eq!(first(&decisions, "partition", Observe), None);
}

#[test]
fn a_block_from_the_future_is_not_believed() {
    let looks = film(6, 3_000, |second, look| {
        stall(look, second + 1, 0);
        some(look, 6, |n| n.chain.tip_unix = Some(4_000_000_000));
    });
    // What is left is what was watched.
    assert_eq!(
        first(&decide(6, &looks), "no-blocks", RollBack),
        Some(1_230)
    );
}

#[test]
fn a_watchers_clock_that_is_set_back_makes_nothing_younger_and_nothing_panics() {
    let mut looks = film(6, 3_000, |second, look| stall(look, second, 600));
    for look in looks.iter_mut().skip(40).step_by(3) {
        look.at_ms -= 86_400_000;
    }
    for look in looks.iter_mut().take(2) {
        look.at_ms = i64::MIN;
    }
    let decisions = decide(6, &looks);
    assert!(
        decisions
            .windows(2)
            .all(|pair| pair[0].at_ms <= pair[1].at_ms)
    );
    assert_eq!(decisions.last().unwrap().action(), Some(RollBack));
}

#[test]
fn numbers_that_are_none_are_unknown() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut node = NodeSample::default();
        node.set("memory", Ok(1.0));
        node.set("memory", Ok(value));
        assert!(node.values.is_empty() && node.unknown["memory"].contains("finite"));
    }
}

#[test]
fn an_alert_counts_where_relman_has_no_answer_and_not_against_what_it_sees() {
    let alert = |action| Alert {
        row: "no-blocks".into(),
        action,
        node: None,
    };
    let blind = film(6, 60, |_, look| {
        look.nodes.clear();
        look.alerts.push(alert(RollBack));
    });
    let decisions = decide(6, &blind);
    assert_eq!(first(&decisions, "no-blocks", RollBack), Some(0));
    let seeing = film(6, 60, |_, look| look.alerts.push(alert(RollBack)));
    let decisions = decide(6, &seeing);
    assert_eq!(most(&decisions), None);
    let row = &decisions.last().unwrap().rows[0];
    assert!(
        row.unknown[0].found.contains("does not bear it out"),
        "{row:#?}"
    );
    // It cannot call for more than its row does, and one of no row calls for nothing.
    let more = film(6, 60, |_, look| {
        look.nodes.clear();
        for row in ["warnings", "no-such-row"] {
            look.alerts.push(Alert {
                row: row.into(),
                ..alert(RollBack)
            });
        }
    });
    assert_eq!(most(&decide(6, &more)), Some(Observe));
}

#[test]
fn memory_is_bounded_however_long_it_is_watched() {
    let mut engine = Engine::new(Policy::parse(template()).unwrap(), names(1));
    let mut look = film(1, 0, |_, _| {}).remove(0);
    for _ in 0..5_000 {
        look.at_ms += 1_000;
        engine.look(&look);
    }
    let kept = engine.recent(Some("n1"), "memory").len();
    assert!(kept <= MAX_WATCH_POINTS, "{kept}");
}

#[test]
fn a_look_is_the_same_after_it_was_written_and_read() {
    let looks = film(3, 60, |second, look| {
        look.declared
            .insert("vulnerability".into(), format!("seen at {second}"));
        some(look, 1, |n| n.set("memory", Err("no answer".into())));
    });
    for look in looks {
        let bytes = line(&Line::Look(look.clone())).unwrap();
        assert_eq!(Line::parse(&bytes, 2).unwrap(), Line::Look(look));
    }
    let header = Header::new("mainnet", &names(3));
    assert_eq!(Header::parse(&line(&header).unwrap()).unwrap(), header);
    for bad in [
        "",
        "{}",
        "{\"format\":2,\"environment\":\"x\",\"nodes\":[\"a\"]}",
        "[1]",
    ] {
        assert!(Header::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(Line::parse(b"{\"look\":{\"at_ms\":1,\"more\":2}}", 2).is_err());
    let _ = Look::default();
}

#[test]
fn a_node_that_a_rollout_has_stopped_is_neither_crashed_nor_missed() {
    let looks = film(3, 600, |second, look| {
        if second >= 150 {
            some(look, 2, |n| n.set("up", Ok(0.0)));
            look.nodes
                .values_mut()
                .for_each(|n| n.chain.peers = Some(0));
            look.away = names(3).into_iter().take(2).collect();
        }
    });
    let decisions = decide(3, &looks);
    assert_eq!(first(&decisions, "crashed-nodes", Observe), None);
    assert_eq!(first(&decisions, "peers", Observe), None);
}
