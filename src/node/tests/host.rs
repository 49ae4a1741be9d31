//! What the host is like before a change, and what relman leaves of it: a daemon that somebody had
//! stopped, one that hangs, a boot, the way out.

use super::{DRY, GO, ONE, THREE, TWO, install, timed};
use crate::error::Kind;
use crate::node::activate::{ChangeOutcome, Options};
use crate::node::fake::{Fake, Fault};
use crate::node::recover::BeforeStart;
use crate::release::edges::Edges;

const FORCE: Options = Options { force: true, ..GO };

fn stopped() -> Fake {
    let fake = Fake::new();
    install(&fake, ONE);
    let mut world = fake.0.borrow_mut();
    (world.running, world.stopped) = (None, true);
    drop(world);
    fake
}

#[test]
fn an_upgrade_of_a_daemon_that_does_not_run_wants_force() {
    let fake = stopped();
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.causes()[0].contains("does not run now"), "{error}");
    assert!(error.hint_text().unwrap().contains("--force"));
    assert!(!fake.0.borrow().versions.contains_key(TWO));
    let plan = fake.with(|n| n.install(TWO, &DRY)).unwrap().plan.unwrap();
    assert!(!plan.start);
    let text = plan.lines().join("\n");
    assert!(text.contains("would not be begun now"), "{text}");
    assert!(text.contains("leave /bin/timed stopped"), "{text}");
}

#[test]
fn a_daemon_that_somebody_had_stopped_stays_stopped_unless_told_otherwise() {
    let fake = stopped();
    let report = fake.with(|n| n.install(TWO, &FORCE)).unwrap();
    assert_eq!(report.outcome, ChangeOutcome::Done);
    assert_eq!(fake.0.borrow().current.as_deref(), Some(TWO));
    assert_eq!(fake.0.borrow().running, None);
    let report = fake.with(|n| n.rollback(None, &GO)).unwrap();
    assert_eq!(
        (report.tag.as_str(), fake.0.borrow().running.clone()),
        (ONE, None)
    );
    let start = Options {
        start: true,
        ..FORCE
    };
    fake.with(|n| n.install(THREE, &start)).unwrap();
    assert_eq!(fake.0.borrow().running, Some(timed(THREE)));
}

#[test]
fn a_kill_does_not_make_relman_forget_that_somebody_had_stopped_the_daemon() {
    for point in [
        "install-stop",
        "install-swap-done",
        "install-health",
        "install-commit",
    ] {
        let fake = stopped();
        fake.0.borrow_mut().fault = Some((point.into(), Fault::Kill));
        let _ = fake.with(|n| n.install(TWO, &FORCE));
        fake.reboot();
        fake.with(|n| n.recover())
            .unwrap()
            .change
            .expect("something to recover");
        assert_eq!(fake.0.borrow().running, None, "{point}");
    }
}

#[test]
fn a_daemon_that_crashed_is_started_by_a_rollback() {
    let fake = Fake::new();
    install(&fake, ONE);
    install(&fake, TWO);
    fake.0.borrow_mut().running = None;
    fake.with(|n| n.rollback(None, &GO)).unwrap();
    assert_eq!(fake.0.borrow().running, Some(timed(ONE)));
}

#[test]
fn a_daemon_that_hangs_is_killed_and_the_upgrade_goes_on() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().hung = true;
    install(&fake, TWO);
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
    assert_eq!(fake.0.borrow().stops_at_once, 0);
}

#[test]
fn a_unit_or_permission_that_is_missing_is_told_before_anything_is_changed() {
    let fake = Fake::new();
    {
        let mut world = fake.0.borrow_mut();
        world.no_unit = true;
        world.lacking = vec!["/bin cannot be written".into()];
    }
    for options in [GO, FORCE] {
        let error = fake.with(|n| n.install(ONE, &options)).unwrap_err();
        let all = error.causes().join("\n");
        assert!(
            all.contains("does not exist") && all.contains("/bin"),
            "{all}"
        );
        assert!(fake.0.borrow().versions.is_empty());
    }
    let findings = fake
        .with(|n| n.check("/etc/relman/node.toml".as_ref()))
        .unwrap();
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn a_daemon_that_runs_other_bytes_is_not_upgraded_over() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().running = Some(b"other".to_vec());
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert!(error.causes()[0].contains("runs sha256"), "{error}");
    fake.with(|n| n.install(TWO, &FORCE)).unwrap();
}

#[test]
fn the_next_plan_knows_how_long_the_daemon_was_away() {
    let fake = Fake::new();
    install(&fake, ONE);
    install(&fake, TWO);
    let plan = fake.with(|n| n.install(THREE, &DRY)).unwrap().plan.unwrap();
    assert!(plan.downtime_ms.is_some());
    assert!(
        plan.lines()
            .iter()
            .any(|l| l.contains("the last time it was away for"))
    );
}

#[test]
fn a_release_that_was_left_is_not_what_latest_means() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().crashing.insert(timed(TWO));
    fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    let error = fake.with(|n| n.refuse_return(TWO)).unwrap_err();
    assert!(error.message().contains("rolled back from it"), "{error}");
    assert!(error.hint_text().unwrap().contains(TWO));
    fake.with(|n| n.refuse_return(THREE)).unwrap();
    // Named, it is installed, and then it is as good as any.
    fake.0.borrow_mut().crashing.clear();
    install(&fake, TWO);
    fake.with(|n| n.refuse_return(TWO)).unwrap();
}

#[test]
fn before_its_turn_in_the_boot_the_daemon_is_only_asked_for() {
    for point in [
        "install-stop-done",
        "install-swap-done",
        "install-health",
        "rollback-health",
    ] {
        let fake = Fake::new();
        install(&fake, ONE);
        install(&fake, TWO);
        fake.0.borrow_mut().fault = Some((point.into(), Fault::Kill));
        let _ = match point.starts_with("install") {
            true => fake.with(|n| n.install(THREE, &GO)).map(|_| ()),
            false => fake.with(|n| n.rollback(None, &GO)).map(|_| ()),
        };
        fake.reboot();
        fake.0.borrow_mut().running = None;
        let starts = fake.0.borrow().starts;
        let found = fake.booting(|n| n.recover_before_start()).unwrap();
        assert!(
            matches!(&found, BeforeStart::Recovered(r) if r.change.is_some()),
            "{point}: {found:?}"
        );
        let world = fake.0.borrow();
        assert_eq!((world.starts, world.queued), (starts, true), "{point}");
        assert!(world.journal.is_none(), "{point}");
        let wanted = if point.starts_with("rollback") {
            ONE
        } else {
            TWO
        };
        assert_eq!(world.current.as_deref(), Some(wanted), "{point}");
    }
}

#[test]
fn a_start_during_an_install_does_not_wait_for_it() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().fault = Some(("install-start".into(), Fault::Kill));
    let _ = fake.with(|n| n.install(TWO, &GO));
    fake.reboot();
    fake.0.borrow_mut().locked = true;
    let found = fake.booting(|n| n.recover_before_start()).unwrap();
    assert!(matches!(found, BeforeStart::UnderWay(_)), "{found:?}");
    assert!(fake.0.borrow().journal.is_some());
}

#[test]
fn letting_go_leaves_plain_files_and_nothing_current_whenever_it_is_killed() {
    let begin = || {
        let fake = Fake::new();
        install(&fake, ONE);
        fake.0.borrow_mut().points.clear();
        fake
    };
    let fake = begin();
    let plan = fake.with(|n| n.unadopt(true)).unwrap();
    assert_eq!((plan.version.as_str(), plan.paths.len()), (ONE, 2));
    assert_eq!(fake.0.borrow().paths["timed"], None);
    let from = fake.0.borrow().mutations;
    fake.with(|n| n.unadopt(false)).unwrap();
    let changes = fake.0.borrow().mutations - from;
    for at in 0..changes {
        let fake = begin();
        let first = fake.0.borrow().mutations;
        fake.0.borrow_mut().fault_at = Some((first + at, Fault::Kill));
        let _ = fake.with(|n| n.unadopt(false));
        assert_eq!(fake.at_path("timed"), Some(timed(ONE)), "killed at {at}");
        fake.reboot();
        if fake.0.borrow().current.is_some() {
            fake.with(|n| n.unadopt(false)).unwrap();
        }
        let world = fake.0.borrow();
        assert_eq!(world.paths["timed"], Some(timed(ONE)), "killed at {at}");
        assert_eq!(
            (world.current.as_ref(), world.running.clone()),
            (None, Some(timed(ONE)))
        );
    }
    // And back again: what is there is adopted.
    fake.with(|n| n.install(TWO, &GO)).unwrap();
    assert!(
        fake.0
            .borrow()
            .versions
            .keys()
            .any(|v| v.starts_with("adopted-"))
    );
    assert!(fake.with(|n| n.unadopt(false)).is_ok());
    assert!(fake.with(|n| n.unadopt(false)).is_err());
}

fn declares(fake: &Fake, tag: &str, to: Option<&str>, schema: Option<u32>) {
    let edges = Edges {
        rollback_to: to.map(str::to_owned),
        data_schema: schema,
        data_readable_from: None,
    };
    fake.0.borrow_mut().edges.insert(tag.into(), edges);
}

#[test]
fn a_rollback_past_what_the_release_declares_is_refused_with_the_reason() {
    let fake = Fake::new();
    declares(&fake, THREE, Some(TWO), None);
    for tag in [ONE, TWO, THREE] {
        install(&fake, tag);
    }
    let error = fake.with(|n| n.rollback(Some(ONE), &GO)).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.causes()[0].contains("as far as"), "{error}");
    let error = fake.with(|n| n.install(ONE, &GO)).unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::Refused,
        "installing it is going back, too"
    );
    assert_eq!(fake.0.borrow().running, Some(timed(THREE)));
    fake.with(|n| n.rollback(Some(TWO), &GO)).unwrap();
}

#[test]
fn data_that_an_older_release_cannot_read_keep_it_from_being_put_back_alone() {
    let fake = Fake::new();
    declares(&fake, ONE, None, Some(1));
    declares(&fake, TWO, None, Some(2));
    install(&fake, ONE);
    // Without a backup of the data a failure would have no way back, and that wants force.
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert!(error.causes()[0].contains("no way back"), "{error}");
    fake.with(|n| n.install(TWO, &FORCE)).unwrap();
    let error = fake.with(|n| n.rollback(None, &GO)).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.causes()[0].contains("schema 2"), "{error}");
    assert!(error.hint_text().unwrap().contains("--with-data"));
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
}

#[test]
fn a_release_that_changed_the_data_and_failed_is_not_left_for_one_that_cannot_read_them() {
    let begin = || {
        let fake = Fake::new();
        declares(&fake, ONE, None, Some(1));
        declares(&fake, TWO, None, Some(2));
        install(&fake, ONE);
        fake
    };
    let fake = begin();
    fake.0.borrow_mut().crashing.insert(timed(TWO));
    let error = fake.with(|n| n.install(TWO, &FORCE)).unwrap_err();
    assert!(error.message().contains("still in place"), "{error}");
    assert!(
        error.causes().iter().any(|c| c.contains("schema 2")),
        "{error}"
    );
    assert_eq!(fake.0.borrow().current.as_deref(), Some(TWO));
    // Killed before it has run, it has touched no data.
    for (point, wanted) in [("install-swap-done", ONE), ("install-start-done", TWO)] {
        let fake = begin();
        fake.0.borrow_mut().fault = Some((point.into(), Fault::Kill));
        let _ = fake.with(|n| n.install(TWO, &FORCE));
        fake.reboot();
        fake.with(|n| n.recover()).unwrap();
        assert_eq!(fake.0.borrow().current.as_deref(), Some(wanted), "{point}");
    }
}

#[test]
fn the_security_floor_holds_for_installs_and_rollbacks_and_never_drops() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().minimum = Some(TWO.into());
    install(&fake, TWO);
    for minimum in [None, Some(ONE.to_owned())] {
        fake.0.borrow_mut().minimum = minimum;
        install(&fake, THREE);
        fake.with(|n| n.rollback(None, &GO)).unwrap();
        let error = fake.with(|n| n.rollback(Some(ONE), &GO)).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.message().contains(TWO), "{error}");
        let error = fake.with(|n| n.install(ONE, &GO)).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
    }
    fake.0.borrow_mut().floor = Some(b"{}".to_vec());
    let error = fake.with(|n| n.rollback(Some(ONE), &GO)).unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::Refused,
        "an unreadable floor is no floor of zero"
    );
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
}

#[test]
fn a_dry_run_does_not_raise_the_floor() {
    let fake = Fake::new();
    fake.0.borrow_mut().minimum = Some(ONE.into());
    fake.with(|n| n.install(TWO, &DRY)).unwrap();
    assert_eq!(fake.0.borrow().floor, None);
    fake.0.borrow_mut().minimum = Some("phase9-z-1.0.0".into());
    let error = fake.with(|n| n.install(TWO, &DRY)).unwrap_err();
    assert!(
        error.message().contains("below the security floor"),
        "{error}"
    );
}

#[test]
fn hooks_are_told_what_happens_and_only_the_first_can_stop_it() {
    let fake = Fake::new();
    install(&fake, ONE);
    let mut config = Fake::config();
    let hook = |word: &str| Some(vec![word.to_owned()]);
    config.hooks.before = hook("true");
    config.hooks.after = hook("false");
    config.hooks.failed = hook("false");
    fake.with_config(&config, |n| n.install(TWO, &GO)).unwrap();
    let told = fake.0.borrow().hooks.clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("RELMAN_HOOK=before RELMAN_NODE=timed"),
        "{told:?}"
    );
    assert!(told[1].contains("RELMAN_OPERATION=install RELMAN_RELEASE=phase2-b-1.0.0"));
    assert!(
        told[1].ends_with("RELMAN_PREVIOUS=phase1-a-1.0.0"),
        "{told:?}"
    );
    // A change that fails has its hook, with the reason.
    fake.0.borrow_mut().crashing.insert(timed(THREE));
    fake.with_config(&config, |n| n.install(THREE, &GO))
        .unwrap_err();
    let told = fake.0.borrow().hooks.clone();
    assert!(told[3].starts_with("RELMAN_HOOK=failed") && told[3].contains("RELMAN_REASON="));
    // One that says no keeps the change from being begun.
    config.hooks.before = hook("false");
    let starts = fake.0.borrow().starts;
    let error = fake
        .with_config(&config, |n| n.rollback(None, &GO))
        .unwrap_err();
    assert!(error.message().contains("did not let it begin"), "{error}");
    assert_eq!(fake.0.borrow().starts, starts);
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
    assert!(fake.0.borrow().journal.is_none());
}
