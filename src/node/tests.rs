//! Stories of installs and rollbacks, in memory.

mod data;
mod doctor;
mod faults;
pub(super) mod health;
mod host;
mod pure;

use super::activate::{ChangeOutcome, Options};
use super::fake::Fake;
use crate::error::Kind;

pub(super) const ONE: &str = "phase1-a-1.0.0";
pub(super) const TWO: &str = "phase2-b-1.0.0";
pub(super) const THREE: &str = "phase3-c-1.0.0";

pub(crate) const GO: Options = Options {
    dry_run: false,
    force: false,
    start: false,
    with_data: false,
};
pub(crate) const DRY: Options = Options {
    dry_run: true,
    ..GO
};

pub(super) fn install(fake: &Fake, tag: &str) {
    let report = fake.with(|n| n.install(tag, &GO)).expect("a good install");
    assert_eq!(report.outcome, ChangeOutcome::Done);
}

pub(super) fn timed(tag: &str) -> Vec<u8> {
    format!("timed {tag}").into_bytes()
}

#[test]
fn a_first_install_runs_and_a_second_one_of_the_same_tag_changes_nothing() {
    let fake = Fake::new();
    install(&fake, ONE);
    assert_eq!(fake.at_path("timed"), Some(timed(ONE)));
    assert_eq!(fake.0.borrow().running, Some(timed(ONE)));
    let before = fake.0.borrow().starts;
    let report = fake.with(|n| n.install(ONE, &GO)).unwrap();
    assert_eq!(report.outcome, ChangeOutcome::Already);
    assert_eq!(fake.0.borrow().starts, before);
}

#[test]
fn a_dry_run_plans_and_changes_nothing() {
    let fake = Fake::new();
    fake.0
        .borrow_mut()
        .paths
        .insert("timed".into(), Some(b"by hand".to_vec()));
    let report = fake.with(|n| n.install(ONE, &DRY)).unwrap();
    assert_eq!(report.outcome, ChangeOutcome::Planned);
    let plan = report.plan.unwrap();
    assert!(plan.lines().iter().any(|l| l.contains("adopted-")));
    assert_eq!(fake.0.borrow().mutations, 0);
}

#[test]
fn an_upgrade_that_fails_is_rolled_back_and_says_why() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().crashing.insert(timed(TWO));
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(
        error.message(),
        format!("{TWO} failed its health check and was rolled back to {ONE}")
    );
    assert!(error.causes().contains(&"log: cannot go on".to_string()));
    assert_eq!(fake.0.borrow().current.as_deref(), Some(ONE));
    assert_eq!(fake.0.borrow().running, Some(timed(ONE)));
    assert!(fake.0.borrow().journal.is_none());
    // It can be tried again, and the report remembers.
    fake.0.borrow_mut().crashing.clear();
    let report = fake.with(|n| n.install(TWO, &GO)).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("rolled back")));
}

#[test]
fn a_daemon_that_is_started_over_and_over_is_not_healthy() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0.borrow_mut().flapping = true;
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert!(error.message().contains("not healthy either"), "{error}");
    assert_eq!(fake.0.borrow().current.as_deref(), Some(ONE));
}

#[test]
fn a_first_install_that_fails_leaves_nothing_behind() {
    let fake = Fake::new();
    fake.0.borrow_mut().crashing.insert(timed(ONE));
    let error = fake.with(|n| n.install(ONE, &GO)).unwrap_err();
    assert!(error.message().contains("no previous version"), "{error}");
    let world = fake.0.borrow();
    assert!(world.current.is_none() && world.paths.is_empty() && world.running.is_none());
}

#[test]
fn what_was_there_before_is_adopted_and_can_be_gone_back_to() {
    let fake = Fake::new();
    let old = b"timed by hand".to_vec();
    fake.0
        .borrow_mut()
        .paths
        .insert("timed".into(), Some(old.clone()));
    install(&fake, ONE);
    let report = fake.with(|n| n.rollback(None, &GO)).unwrap();
    assert!(report.tag.starts_with("adopted-"));
    assert!(report.warnings.iter().any(|w| w.contains("no signature")));
    assert_eq!(fake.at_path("timed"), Some(old.clone()));
    assert_eq!(fake.0.borrow().running, Some(old));
}

#[test]
fn a_file_put_over_the_link_by_hand_is_kept_before_it_is_replaced() {
    let fake = Fake::new();
    install(&fake, ONE);
    fake.0
        .borrow_mut()
        .paths
        .insert("timed".into(), Some(b"hot fix".to_vec()));
    let status = fake.with(|n| n.status()).unwrap();
    assert!(status.problems.iter().any(|p| p.contains("/bin/timed")));
    install(&fake, TWO);
    let report = fake.with(|n| n.rollback(None, &GO)).unwrap();
    assert!(report.tag.starts_with("adopted-"));
    assert_eq!(fake.at_path("timed"), Some(b"hot fix".to_vec()));
    assert_eq!(
        fake.at_path("timectl"),
        Some(format!("timectl {ONE}").into_bytes())
    );
}

#[test]
fn rollback_goes_to_the_version_before_and_never_to_one_that_was_left() {
    let fake = Fake::new();
    for tag in [ONE, TWO, THREE] {
        install(&fake, tag);
    }
    assert_eq!(fake.with(|n| n.rollback(None, &GO)).unwrap().tag, TWO);
    assert_eq!(fake.with(|n| n.rollback(None, &GO)).unwrap().tag, ONE);
    let error = fake.with(|n| n.rollback(None, &GO)).unwrap_err();
    assert!(error.hint_text().unwrap_or("").contains(THREE), "{error}");
    let report = fake.with(|n| n.rollback(Some(THREE), &GO)).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("rolled back")));
    assert_eq!(fake.0.borrow().running, Some(timed(THREE)));
}

#[test]
fn a_sick_version_that_was_rolled_back_to_stays_and_is_said_to_be_sick() {
    let fake = Fake::new();
    install(&fake, ONE);
    install(&fake, TWO);
    fake.0.borrow_mut().crashing.insert(timed(ONE));
    let error = fake.with(|n| n.rollback(None, &GO)).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.message().contains("left in place"), "{error}");
    assert_eq!(fake.0.borrow().current.as_deref(), Some(ONE));
    assert!(fake.0.borrow().journal.is_none());
}

fn tamper(fake: &Fake, tag: &str) {
    let mut world = fake.0.borrow_mut();
    let files = world.versions.get_mut(tag).unwrap();
    files.insert("timed".into(), b"evil".to_vec());
}

#[test]
fn a_tampered_retained_version_is_neither_installed_nor_rolled_back_to() {
    let fake = Fake::new();
    install(&fake, ONE);
    install(&fake, TWO);
    tamper(&fake, ONE);
    for result in [
        fake.with(|n| n.rollback(None, &GO)),
        fake.with(|n| n.install(ONE, &GO)),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.message().contains("somebody changed"), "{error}");
    }
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
    let status = fake.with(|n| n.status()).unwrap();
    assert!(status.problems.iter().any(|p| p.contains(ONE)));
}

#[test]
fn tampered_evidence_is_refused() {
    let fake = Fake::new();
    install(&fake, ONE);
    install(&fake, TWO);
    for (name, bytes) in fake.0.borrow_mut().evidence.get_mut(ONE).unwrap() {
        if name == "proof" {
            bytes.push(b' ');
        }
    }
    let error = fake.with(|n| n.rollback(None, &GO)).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
}

#[test]
fn a_failed_upgrade_never_goes_back_to_bytes_that_no_longer_verify() {
    let fake = Fake::new();
    install(&fake, ONE);
    tamper(&fake, ONE);
    fake.0.borrow_mut().crashing.insert(timed(TWO));
    // What runs is not what is retained, so nothing is begun unless somebody insists.
    let force = Options { force: true, ..GO };
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert!(error.message().contains("was not begun"), "{error}");
    let error = fake.with(|n| n.install(TWO, &force)).unwrap_err();
    assert!(error.message().contains("still in place"), "{error}");
    assert_eq!(fake.0.borrow().current.as_deref(), Some(TWO));
    assert!(fake.0.borrow().journal.is_none());
    // Nothing is stuck: the next release can be installed.
    fake.with(|n| n.install(THREE, &force)).unwrap();
}

#[test]
fn old_versions_go_but_never_the_one_to_go_back_to() {
    let fake = Fake::new();
    let mut config = Fake::config();
    config.keep = 2;
    let node = super::Node {
        receipts: super::receipt::Receipts::new(&fake),
        config: &config,
        host: &fake,
        service: Some(&fake),
        backups: &super::backup::fake::NoBackups,
        releases: &fake,
        say: &|_| {},
        at_once: false,
        booting: false,
    };
    for tag in [ONE, TWO, THREE] {
        node.install(tag, &GO).unwrap();
    }
    let kept: Vec<String> = fake.0.borrow().versions.keys().cloned().collect();
    assert_eq!(kept, [TWO, THREE]);
    assert_eq!(node.rollback(None, &GO).unwrap().tag, TWO);
}

#[test]
fn a_release_without_a_wanted_binary_or_without_room_is_not_begun() {
    let fake = Fake::new();
    fake.0.borrow_mut().free = 3;
    let error = fake.with(|n| n.install(ONE, &GO)).unwrap_err();
    assert!(error.message().contains("3 are free"), "{error}");
    fake.0
        .borrow_mut()
        .store
        .get_mut(TWO)
        .unwrap()
        .remove("timectl");
    let error = fake.with(|n| n.install(TWO, &GO)).unwrap_err();
    assert!(error.causes().iter().any(|c| c.contains("timectl")));
    assert!(fake.0.borrow().versions.is_empty() && fake.0.borrow().journal.is_none());
}

#[test]
fn status_of_a_healthy_node_has_no_problems_and_names_the_way_back() {
    let fake = Fake::new();
    let empty = fake.with(|n| n.status()).unwrap();
    assert!(empty.current.is_none() && empty.problems.is_empty());
    install(&fake, ONE);
    install(&fake, TWO);
    let status = fake.with(|n| n.status()).unwrap();
    assert_eq!(status.problems, Vec::<String>::new());
    assert_eq!(status.rollback.as_deref(), Some(ONE));
    let text = status.lines().join("\n");
    assert!(text.contains("runs the verified bytes"), "{text}");
    assert!(serde_json::to_string(&status).unwrap().contains(TWO));
    fake.0.borrow_mut().running = Some(b"other bytes".to_vec());
    let status = fake.with(|n| n.status()).unwrap();
    assert!(status.problems.iter().any(|p| p.contains("process")));
}

#[test]
fn metrics_say_what_the_status_says_and_nothing_that_is_not_known() {
    let fake = Fake::new();
    install(&fake, ONE);
    let now = jiff::Timestamp::UNIX_EPOCH;
    let status = fake.with(|n| n.status()).unwrap();
    let page = status.prometheus(now);
    for line in [
        "relman_node_info{node=\"timed\",environment=\"local\",release=\"phase1-a-1.0.0\",agreed=\"\"} 1",
        "relman_node_problems{node=\"timed\"} 0",
        "relman_node_daemon_verified{node=\"timed\"} 1",
        "relman_node_rollback_ready{node=\"timed\"} 0",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in:\n{page}");
    }
    assert!(
        !page.contains("relman_node_drift"),
        "nobody agrees on a local node"
    );
    fake.0.borrow_mut().running = Some(b"other".to_vec());
    let page = fake.with(|n| n.status()).unwrap().prometheus(now);
    assert!(page.contains("relman_node_daemon_verified{node=\"timed\"} 0"));
    fake.0.borrow_mut().running = None;
    let page = fake.with(|n| n.status()).unwrap().prometheus(now);
    assert!(!page.contains("relman_node_daemon_verified"), "{page}");
    assert!(page.contains("relman_node_daemon_up{node=\"timed\"} 0"));
}
