//! A fault at every named point and at every single call that changes something, then recovery.
//!
//! What must hold: each path leads to a version that is wholly old or wholly new; recovery brings
//! back a node without a journal; doing it twice is doing it once.

use super::{GO, ONE, THREE, TWO, install, timed};
use crate::node::fake::{Fake, Fault, World};

struct Story {
    name: &'static str,
    begin: fn() -> Fake,
    act: fn(&Fake) -> bool,
    /// What may run afterwards.
    allowed: fn() -> Vec<Vec<u8>>,
}

fn by_hand() -> Vec<u8> {
    b"timed by hand".to_vec()
}

fn adopted() -> Fake {
    let fake = Fake::new();
    fake.0
        .borrow_mut()
        .paths
        .insert("timed".into(), Some(by_hand()));
    fake.0.borrow_mut().running = Some(by_hand());
    fake
}

fn one() -> Fake {
    let fake = Fake::new();
    install(&fake, ONE);
    fake
}

fn two() -> Fake {
    let fake = one();
    install(&fake, TWO);
    fake
}

fn two_is_bad() -> Fake {
    let fake = one();
    fake.0.borrow_mut().crashing.insert(timed(TWO));
    fake
}

fn upgrade(fake: &Fake) -> bool {
    fake.with(|n| n.install(TWO, &GO)).is_ok()
}

const STORIES: &[Story] = &[
    Story {
        name: "first install",
        begin: Fake::new,
        act: |f| f.with(|n| n.install(ONE, &GO)).is_ok(),
        allowed: || vec![timed(ONE)],
    },
    Story {
        name: "first install over a file put there by hand",
        begin: adopted,
        act: |f| f.with(|n| n.install(ONE, &GO)).is_ok(),
        allowed: || vec![by_hand(), timed(ONE)],
    },
    Story {
        name: "upgrade",
        begin: one,
        act: upgrade,
        allowed: || vec![timed(ONE), timed(TWO)],
    },
    Story {
        name: "upgrade that fails and goes back",
        begin: two_is_bad,
        act: upgrade,
        allowed: || vec![timed(ONE)],
    },
    Story {
        name: "rollback",
        begin: two,
        act: |f| f.with(|n| n.rollback(None, &GO)).is_ok(),
        allowed: || vec![timed(ONE), timed(TWO)],
    },
];

/// Every path leads to a whole version, and all of them to the same.
fn assert_whole(fake: &Fake, context: &str) {
    let world = fake.0.borrow();
    if let Some(current) = &world.current {
        let files = world.versions.get(current);
        let files = files.unwrap_or_else(|| panic!("{context}: current points to nothing"));
        if let Some(released) = world.store.get(current) {
            assert_eq!(files, released, "{context}: {current} is a mixture");
        }
    }
    for (tag, files) in &world.versions {
        if let Some(released) = world.store.get(tag) {
            assert_eq!(files, released, "{context}: {tag} is a mixture");
        }
        assert!(
            world.evidence.contains_key(tag),
            "{context}: {tag} has no evidence"
        );
    }
}

fn assert_recovered(fake: &Fake, story: &Story, context: &str) {
    assert_whole(fake, context);
    fake.reboot();
    assert_whole(fake, context);
    fake.with(|n| n.recover())
        .unwrap_or_else(|e| panic!("{context}: recovery failed: {e}"));
    assert_whole(fake, context);
    {
        let world = fake.0.borrow();
        assert!(world.journal.is_none(), "{context}: the journal stayed");
        assert!(world.staging.is_empty(), "{context}: staging is not empty");
        if let Some(running) = &world.running {
            assert!(
                (story.allowed)().contains(running),
                "{context}: {} runs",
                String::from_utf8_lossy(running)
            );
        }
        let had = (story.begin)().0.borrow().running.is_some();
        assert!(
            !had || world.running.is_some(),
            "{context}: the daemon was not started again"
        );
    }
    // What runs is what the path leads to.
    if let Some(running) = fake.0.borrow().running.clone() {
        assert_eq!(Some(running), fake.at_path("timed"), "{context}");
    }
    let before = snapshot(fake);
    let again = fake.with(|n| n.recover()).unwrap();
    assert!(
        again.is_none(),
        "{context}: the second recovery did something"
    );
    assert!(before == snapshot(fake), "{context}: it changed something");
    // The node is not stuck.
    install(fake, THREE);
}

fn snapshot(fake: &Fake) -> impl PartialEq + use<> {
    let World {
        history,
        versions,
        evidence,
        current,
        paths,
        running,
        starts,
        ..
    } = fake.0.borrow().clone();
    (history, versions, evidence, current, paths, running, starts)
}

#[test]
fn a_fault_at_every_named_point_leaves_the_old_or_the_new_version() {
    let mut points = 0;
    for story in STORIES {
        let trial = (story.begin)();
        trial.0.borrow_mut().points.clear();
        (story.act)(&trial);
        let names = trial.0.borrow().points.clone();
        for name in names {
            for fault in [Fault::Error, Fault::Kill] {
                let fake = (story.begin)();
                fake.0.borrow_mut().fault = Some((name.clone(), fault));
                (story.act)(&fake);
                assert_recovered(
                    &fake,
                    story,
                    &format!("{}, {fault:?} at {name}", story.name),
                );
                points += 1;
            }
        }
    }
    assert!(points > 80, "only {points} points");
}

#[test]
fn a_fault_at_every_change_leaves_the_old_or_the_new_version() {
    for story in STORIES {
        let trial = (story.begin)();
        let from = trial.0.borrow().mutations;
        (story.act)(&trial);
        let to = trial.0.borrow().mutations;
        assert!(to > from + 8, "{}: only {} changes", story.name, to - from);
        for at in from..to {
            for fault in [Fault::Error, Fault::Kill] {
                let fake = (story.begin)();
                fake.0.borrow_mut().fault_at = Some((at, fault));
                (story.act)(&fake);
                let context = format!("{}, {fault:?} at change {}", story.name, at - from);
                assert_recovered(&fake, story, &context);
            }
        }
    }
}

#[test]
fn a_recovery_that_is_itself_killed_is_finished_by_the_next() {
    for story in STORIES {
        for point in ["install-health", "rollback-health"] {
            let begin = || {
                let fake = (story.begin)();
                fake.0.borrow_mut().fault = Some((point.into(), Fault::Kill));
                (story.act)(&fake);
                fake.reboot();
                fake
            };
            let trial = begin();
            let from = trial.0.borrow().mutations;
            trial.with(|n| n.recover()).unwrap();
            let to = trial.0.borrow().mutations;
            for at in from..to {
                let fake = begin();
                fake.0.borrow_mut().fault_at = Some((at, Fault::Kill));
                let _ = fake.with(|n| n.recover());
                let context = format!("{}, recovery killed at {}", story.name, at - from);
                assert_recovered(&fake, story, &context);
            }
        }
    }
}

#[test]
fn a_dead_process_leaves_no_lock_and_a_living_one_keeps_it() {
    let fake = one();
    fake.0.borrow_mut().locked = true;
    assert!(!upgrade(&fake));
    assert_eq!(fake.0.borrow().current.as_deref(), Some(ONE));
    fake.reboot();
    assert!(upgrade(&fake));
}

#[test]
fn a_killed_rollback_that_is_run_again_goes_back_one_version_and_not_two() {
    let begin = || {
        let fake = two();
        install(&fake, THREE);
        fake.0.borrow_mut().points.clear();
        fake
    };
    let trial = begin();
    trial.with(|n| n.rollback(None, &GO)).unwrap();
    let names = trial.0.borrow().points.clone();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let fake = begin();
        fake.0.borrow_mut().fault = Some((name.clone(), Fault::Kill));
        let _ = fake.with(|n| n.rollback(None, &GO));
        fake.reboot();
        // A kill after the last step leaves nothing to recover: then it is a new rollback.
        let wanted = match fake.0.borrow().journal.is_some() {
            true => TWO,
            false => ONE,
        };
        let report = fake.with(|n| n.rollback(None, &GO)).unwrap();
        assert_eq!(report.tag, wanted, "killed at {name}");
        assert_eq!(
            fake.0.borrow().running,
            Some(timed(wanted)),
            "killed at {name}"
        );
    }
}

#[test]
fn rolling_back_a_killed_install_stops_at_the_version_before_it() {
    let fake = two();
    fake.0.borrow_mut().fault = Some(("install-health".into(), Fault::Kill));
    let _ = fake.with(|n| n.install(THREE, &GO));
    fake.reboot();
    let report = fake.with(|n| n.rollback(None, &GO)).unwrap();
    assert_eq!(report.tag, TWO);
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
}
