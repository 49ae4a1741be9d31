//! Rollouts in which nothing goes wrong.

use std::time::Duration;

use super::*;
use crate::fleet::host::Request;
use crate::fleet::notice::Occasion;

fn done(case: &Case) -> Ended {
    let ended = case.upgrade(&case.desk()).unwrap();
    assert_eq!(ended.record.state, State::Done, "{:?}", ended.record.reason);
    case.is_true(&ended.record);
    case.all_run(NEW);
    ended
}

#[test]
fn a_rolling_upgrade_moves_node_after_node_in_order() {
    let case = Case::new(5, &format!("{ROLLING}serial = 1\n{NETWORK}"));
    let ended = done(&case);
    assert_eq!(
        case.hosts.installed(),
        ["n001", "n002", "n003", "n004", "n005"]
    );
    let told = case.herald.0.lock().unwrap();
    let occasions: Vec<Occasion> = told.iter().map(|n| n.occasion).collect();
    assert_eq!(occasions, [Occasion::Begun, Occasion::Completed]);
    assert_eq!(ended.warnings, Vec::<String>::new());
    // 30 s an install, and the pauses between.
    let times: Vec<Duration> = case.hosts.log().iter().map(|(at, ..)| *at).collect();
    let apart = times
        .windows(2)
        .all(|w| w[1] - w[0] >= Duration::from_secs(60));
    assert!(apart, "{times:?}");
}

#[test]
fn several_are_moved_at_the_same_time_where_the_rules_let() {
    let case = Case::new(
        9,
        &format!("{ROLLING}serial = 3\nwaves = [40, 100]\n{NETWORK}"),
    );
    done(&case);
    let log = case.hosts.log();
    let together = log.iter().filter(|(at, ..)| *at == log[1].0).count();
    assert_eq!(together, 3, "{log:?}");
}

#[test]
fn together_stops_all_then_moves_the_first_and_watches_it() {
    let rules = "name = \"testnet\"\nlast_watch_seconds = 3600\n";
    let case = Case::new(3, &format!("{rules}{NETWORK}"));
    done(&case);
    let log = case.hosts.log();
    assert!(
        log[..3]
            .iter()
            .all(|(at, _, r)| *at == log[0].0 && *r == Request::Stop { at_once: false })
    );
    let rest: Vec<&str> = log[3..].iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(rest, ["n001", "n002", "n003"]);
    assert!(
        case.hosts.uptime() > Duration::from_secs(3600),
        "an hour's watch"
    );
}

#[test]
fn nodes_that_run_the_release_already_are_looked_at_and_left() {
    let case = Case::new(3, ROLLING);
    case.hosts.with("n002", |n| {
        n.current = NEW.into();
        n.retained.push(OLD.into());
    });
    done(&case);
    assert_eq!(case.hosts.installed(), ["n001", "n003"]);
}

#[test]
fn a_plan_with_reasons_against_it_is_not_begun() {
    let case = Case::new(3, ROLLING);
    let mut plan = case.plan();
    plan.refusals.push(crate::fleet::plan::Refusal {
        node: Some("n002".into()),
        why: "its backups are damaged".into(),
        hint: None,
    });
    let error = case
        .at(&case.desk(), false, |m| upgrade(m, plan, "00000001"))
        .unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Refused);
    assert!(
        error.to_string().contains("n002: its backups are damaged"),
        "{error}"
    );
    assert!(case.store.all().is_empty() && case.hosts.log().is_empty());
}

#[test]
fn nothing_is_begun_while_the_window_is_closed_and_it_pauses_when_it_closes() {
    let shut = Case::new(3, &format!("{ROLLING}window = \"01:00-02:00\"\n"));
    let error = shut.upgrade(&shut.desk()).unwrap_err();
    assert!(error.to_string().contains("it is 00:00 UTC"), "{error}");
    // Midnight it is when the tests begin.
    let short = Case::new(9, &format!("{ROLLING}window = \"23:00-00:05\"\n"));
    let ended = short.upgrade(&short.desk()).unwrap();
    assert_eq!(ended.record.state, State::Paused);
    assert!(
        ended
            .record
            .reason
            .as_deref()
            .unwrap()
            .contains("from 23:00 to 00:05")
    );
    let done = short.hosts.installed().len();
    assert!((1..9).contains(&done), "{done}");
    short.is_true(&ended.record);
}
