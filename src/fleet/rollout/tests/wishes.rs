//! What people wish while somebody drives, and two who would both drive.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use super::*;
use crate::fleet::record::Wanted;

const RULES: &str =
    "name = \"mainnet\"\nmargin_percent = 0\nfirst_watch_seconds = 30\npause_seconds = 10\n";

/// Drives an upgrade; `meanwhile` is called with the record after each write.
fn with(case: &Case, meanwhile: &dyn Fn(&Record)) -> Result<Ended> {
    let desk = case.desk();
    case.at(&desk, false, |m| {
        let m = Machine {
            say: meanwhile,
            ledger: m.ledger,
            holder: m.holder.clone(),
            ..*m
        };
        upgrade(&m, case.plan(), "00000001")
    })
}

/// Wishes once, when a node is in that step.
fn once<'a>(case: &'a Case, node: &'a str, step: Step, wanted: Wanted) -> impl Fn(&Record) + 'a {
    let said = RefCell::new(false);
    let other = case.desk();
    move |record: &Record| {
        if record.step(node) == Some(step) && !said.replace(true) {
            case.at(&other, false, |m| {
                m.ledger
                    .wish(&record.id, &m.holder.who, wanted, m.hosts.now())
            })
            .unwrap();
        }
    }
}

#[test]
fn a_pause_is_honoured_before_the_next_step() {
    for step in [Step::Installing, Step::Watching, Step::Done] {
        let case = Case::new(4, &format!("{RULES}{NETWORK}"));
        let ended = with(&case, &once(&case, "n002", step, Wanted::Pause)).unwrap();
        assert_eq!(ended.record.state, State::Paused);
        assert_eq!(case.hosts.installed(), ["n001", "n002"], "{step:?}");
        case.is_true(&ended.record);
        let done = case.resume(&case.desk(), &ended.record.id).unwrap();
        assert_eq!(done.record.state, State::Done);
        assert_eq!(
            case.hosts.with("n002", |n| n.orders),
            1,
            "it is not moved twice"
        );
        case.all_run(NEW);
        case.is_true(&done.record);
    }
}

#[test]
fn an_abort_leaves_what_was_moved_or_puts_it_back() {
    for (wanted, state, tag) in [
        (Wanted::Abort, State::Aborted, NEW),
        (Wanted::AbortAndRollBack, State::RolledBack, OLD),
    ] {
        let case = Case::new(4, &format!("{RULES}{NETWORK}"));
        let ended = with(&case, &once(&case, "n002", Step::Done, wanted)).unwrap();
        assert_eq!(ended.record.state, state);
        let nodes = case.hosts.nodes();
        assert_eq!([&nodes[0].current, &nodes[1].current], [tag, tag]);
        assert_eq!([&nodes[2].current, &nodes[3].current], [OLD, OLD]);
        assert!(nodes.iter().all(|n| n.is_up()));
        case.is_true(&ended.record);
        let error = case.resume(&case.desk(), &ended.record.id).unwrap_err();
        assert!(error.to_string().contains("is over"), "{error}");
    }
}

#[test]
fn an_abort_starts_what_was_stopped_together_for_it() {
    let case = Case::new(4, "name = \"testnet\"\nlast_watch_seconds = 0\n");
    let ended = with(&case, &once(&case, "n002", Step::Done, Wanted::Abort)).unwrap();
    assert_eq!(ended.record.state, State::Aborted);
    assert!(case.hosts.nodes().iter().all(|n| n.is_up()));
    case.is_true(&ended.record);
}

#[test]
fn two_operators_at_once_are_one_who_drives() {
    let case = Case::new(4, RULES);
    let other = case.desk();
    let refused = RefCell::new(Vec::new());
    let ended = with(&case, &|record| {
        let resumed = case.at(&other, false, |m| resume(m, &record.id, false));
        refused.borrow_mut().push(resumed.unwrap_err().to_string());
        let begun = case.at(&other, false, |m| upgrade(m, case.plan(), "00000002"));
        if !record.is_over() {
            refused.borrow_mut().push(begun.unwrap_err().to_string());
        }
    });
    // The last write gives the lease back, so somebody may ask then, and finds it over.
    let ended = ended.unwrap();
    assert_eq!(ended.record.state, State::Done);
    let refused = refused.into_inner();
    assert!(refused.len() > 10);
    let fine = |e: &String| {
        e.contains("driven by somebody else") || e.contains("is not over") || e.contains("is over")
    };
    assert!(refused.iter().all(fine), "{refused:#?}");
    assert!(case.hosts.nodes().iter().all(|n| n.orders == 1));
}

#[test]
fn whoever_lost_the_lease_stops_before_the_next_step() {
    let case = Case::new(4, RULES);
    let other = case.desk();
    let taken = RefCell::new(None);
    let error = with(&case, &|record| {
        if record.step("n002") == Some(Step::Installing) && taken.borrow().is_none() {
            let ended = case.at(&other, false, |m| resume(m, &record.id, true));
            *taken.borrow_mut() = Some(ended.unwrap());
        }
    })
    .unwrap_err();
    assert!(
        error.to_string().contains("driven by somebody else now"),
        "{error}"
    );
    let ended = taken.into_inner().unwrap();
    assert_eq!(ended.record.state, State::Done);
    assert_eq!(case.hosts.broken_rules(), Vec::<String>::new());
    // The other one had done it all; the first one gave the one order that it had written down.
    let orders: Vec<u32> = case.hosts.nodes().iter().map(|n| n.orders).collect();
    assert_eq!(orders[2..], [1, 1]);
    assert_eq!(case.store.all()[0].lease.epoch, ended.record.lease.epoch);
}

#[test]
fn a_stale_holder_cannot_write() {
    let case = Case::new(2, RULES);
    let (first, second) = (case.desk(), case.desk());
    let ended = case.upgrade(&first).unwrap();
    let id = ended.record.id.clone();
    let now = case.hosts.now();
    let mut old = case
        .at(&first, true, |m| m.ledger.take(&id, &m.holder, now, m.gone))
        .unwrap();
    case.at(&second, true, |m| {
        m.ledger.take(&id, &m.holder, now, m.gone)
    })
    .unwrap();
    let before = case.store.all();
    let why = case
        .at(&first, true, |m| {
            m.ledger.write(&mut old, crate::fleet::ledger::Reach::Both)
        })
        .unwrap_err();
    assert!(why.into_error().to_string().contains("operator 1"));
    assert_eq!(case.store.all(), before);
}

#[test]
fn a_wish_reaches_a_rollout_that_nobody_drives() {
    let case = Case::new(3, &format!("{RULES}{NETWORK}"));
    let paused = with(&case, &once(&case, "n001", Step::Done, Wanted::Pause)).unwrap();
    let asked = case.at(&case.desk(), false, |m| {
        abort(m, &paused.record.id, true, false)
    });
    let Ok(Asked::Ended(ended)) = asked else {
        panic!("nobody drives it");
    };
    assert_eq!(ended.record.state, State::RolledBack);
    case.all_run(OLD);
    case.is_true(&ended.record);
}

#[test]
fn while_the_store_is_gone_nobody_else_goes_on_with_an_upgrade() {
    let case = Case::new(3, &format!("{RULES}{NETWORK}"));
    let paused = with(&case, &once(&case, "n001", Step::Done, Wanted::Pause)).unwrap();
    case.store.cut_off.store(true, Ordering::SeqCst);
    let error = case.resume(&case.desk(), &paused.record.id).unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");
    assert_eq!(case.hosts.installed(), ["n001"]);
}
