//! `kill -9` at every point of an install and a rollback, then recovery, with real files and
//! processes.

use super::bench::{BAD, Bench, ONE, TWO};

/// Not a test: what the killed processes run.
#[test]
#[ignore = "started by the other tests in a process of its own"]
fn child() {
    let Ok(dir) = std::env::var("NODE_TEST_DIR") else {
        return;
    };
    if let Ok(umask) = std::env::var("NODE_TEST_UMASK") {
        let bits = u32::from_str_radix(&umask, 8).unwrap();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(bits));
    }
    let bench = Bench::open(dir.as_ref());
    let tag = std::env::var("NODE_TEST_TAG").unwrap();
    let result = match std::env::var("NODE_TEST_ACTION").unwrap().as_str() {
        "install" => bench.install(&tag),
        "rollback" => bench.rollback(None),
        other => panic!("no action {other}"),
    };
    if let Err(error) = result {
        std::fs::write(bench.dir.join("error"), error.to_string()).unwrap();
        panic!("{error}");
    }
}

/// The points of an upgrade; `install-…` is `rollback-…` in a rollback.
const STEPS: &[&str] = &[
    "stop",
    "stop-done",
    "swap",
    "swap-done",
    "start",
    "start-done",
    "health",
    "health-done",
    "commit",
    "commit-done",
];
const UNPACK: &[&str] = &[
    "install-unpack",
    "unpacked",
    "evidence-kept",
    "staged-checked",
    "version-renamed",
    "install-unpack-done",
    "temporary-link-made",
    "committed",
];

#[cfg(debug_assertions)]
fn killed(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(debug_assertions)]
fn assert_recovered(bench: &Bench, allowed: &[Vec<u8>], context: &str) {
    if bench.path().exists() {
        let tried = bench.released(BAD);
        let at_path = bench.at_path();
        assert!(
            allowed.contains(&at_path) || at_path == tried,
            "{context}: at the path"
        );
    }
    bench
        .with(|n| n.recover())
        .unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(allowed.contains(&bench.running()), "{context}: what runs");
    assert_eq!(bench.running(), bench.at_path(), "{context}");
    assert_eq!(bench.status().problems, Vec::<String>::new(), "{context}");
    assert!(bench.with(|n| n.recover()).unwrap().is_none(), "{context}");
    let staged = std::fs::read_dir(bench.state().join("staging")).unwrap();
    assert_eq!(staged.count(), 0, "{context}: staging");
}

#[test]
#[cfg(debug_assertions)]
fn an_upgrade_killed_at_any_point_leaves_the_old_or_the_new_daemon() {
    let points = STEPS.iter().map(|s| format!("install-{s}"));
    for point in points.chain(UNPACK.iter().map(|p| p.to_string())) {
        let bench = Bench::new();
        bench.install(ONE).unwrap();
        let status = bench.child_killed_at("install", TWO, &point);
        assert!(killed(status), "{point} was not reached");
        let allowed = [bench.released(ONE), bench.released(TWO)];
        assert_recovered(&bench, &allowed, &point);
        bench.install(TWO).unwrap();
        assert_eq!(bench.running(), bench.released(TWO), "{point}");
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_first_install_killed_at_any_point_keeps_what_was_there() {
    for point in [
        "install-adopt",
        "install-adopt-done",
        "install-link",
        "link-one-done",
        "temporary-link-made",
        "install-swap-done",
        "install-stop-done",
        "install-start-done",
    ] {
        let bench = Bench::new();
        let old = bench.daemon("by hand");
        std::fs::write(bench.path(), &old).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bench.path(), mode).unwrap();
        let status = bench.child_killed_at("install", ONE, point);
        assert!(killed(status), "{point} was not reached");
        assert_eq!(
            bench
                .with(|n| n.recover())
                .unwrap()
                .change
                .map(|r| r.problem),
            Some(None),
            "{point}"
        );
        assert_eq!(bench.at_path(), old, "{point}");
        bench.install(ONE).unwrap();
        assert_eq!(bench.rollback(None).unwrap().tag[..8], *"adopted-");
        assert_eq!(bench.running(), old, "{point}");
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_rollback_killed_at_any_point_is_undone_or_finished() {
    for point in STEPS.iter().map(|s| format!("rollback-{s}")) {
        let bench = Bench::new();
        bench.install(ONE).unwrap();
        bench.install(TWO).unwrap();
        let status = bench.child_killed_at("rollback", ONE, &point);
        assert!(killed(status), "{point} was not reached");
        let allowed = [bench.released(ONE), bench.released(TWO)];
        assert_recovered(&bench, &allowed, &point);
    }
}

#[test]
#[cfg(debug_assertions)]
fn an_automatic_rollback_that_is_killed_is_finished() {
    for point in ["install-revert", "revert-swap-done", "revert-health-done"] {
        let bench = Bench::new();
        bench.install(ONE).unwrap();
        let status = bench.child_killed_at("install", BAD, point);
        assert!(killed(status), "{point} was not reached");
        assert_recovered(&bench, &[bench.released(ONE)], point);
        assert!(bench.status().last.unwrap().reason.is_some());
    }
}
