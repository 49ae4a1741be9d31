//! The node on a real filesystem with real processes; only the verification of releases is a fake.

mod bench;
mod hostile;
mod kill;
mod race;
mod unit;

use bench::{BAD, Bench, ONE, TWO};
use relman::error::Kind;
use relman::node::activate::{ChangeOutcome, Options};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn install_upgrade_and_rollback_with_a_real_daemon() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    assert_eq!(bench.running(), bench.released(ONE));
    let again = bench.install(ONE).unwrap();
    assert_eq!(again.outcome, ChangeOutcome::Already);
    bench.install(TWO).unwrap();
    assert_eq!(bench.running(), bench.released(TWO));
    assert_eq!(bench.at_path(), bench.released(TWO));
    let status = bench.status();
    assert_eq!(status.problems, Vec::<String>::new());
    assert_eq!(status.rollback.as_deref(), Some(ONE));
    let report = bench.rollback(None).unwrap();
    assert_eq!(report.tag, ONE);
    assert_eq!(bench.running(), bench.released(ONE));
    let error = bench.rollback(None).unwrap_err();
    assert!(error.hint_text().unwrap_or("").contains(TWO), "{error}");
    bench.rollback(Some(TWO)).unwrap();
    assert_eq!(bench.running(), bench.released(TWO));
}

#[test]
fn a_release_that_does_not_start_is_rolled_back_with_its_last_words() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    let error = bench.install(BAD).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(
        error.message(),
        format!("{BAD} failed its health check and was rolled back to {ONE}")
    );
    let causes = error.causes().join("\n");
    assert!(causes.contains("log: no genesis block"), "{causes}");
    assert!(causes.contains("exit status: 1"), "{causes}");
    assert_eq!(bench.running(), bench.released(ONE));
    assert_eq!(bench.status().problems, Vec::<String>::new());
    assert!(bench.status().last.is_some_and(|e| e.reason.is_some()));
}

#[test]
fn a_first_release_that_does_not_start_leaves_no_binary_behind() {
    let bench = Bench::new();
    let error = bench.install(BAD).unwrap_err();
    assert!(error.message().contains("no previous version"), "{error}");
    assert!(bench.path().symlink_metadata().is_err());
    assert!(bench.state().join("current").symlink_metadata().is_err());
}

#[test]
fn the_binary_found_at_the_first_install_can_be_gone_back_to() {
    let bench = Bench::new();
    let old = bench.daemon("built by hand");
    std::fs::write(bench.path(), &old).unwrap();
    std::fs::set_permissions(bench.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
    bench.service().start().unwrap_err(); // there is no state directory yet
    bench.install(ONE).unwrap();
    assert!(bench.path().symlink_metadata().unwrap().is_symlink());
    assert_eq!(bench.running(), bench.released(ONE));
    let report = bench.rollback(None).unwrap();
    assert!(report.tag.starts_with("adopted-"), "{}", report.tag);
    assert_eq!(bench.running(), old);
    let mode = bench.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    assert!(report.warnings.iter().any(|w| w.contains("no signature")));
}

#[test]
fn an_adopted_daemon_that_runs_is_stopped_although_its_file_was_replaced() {
    let bench = Bench::new();
    std::fs::write(bench.path(), bench.daemon("built by hand")).unwrap();
    std::fs::set_permissions(bench.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(bench.state()).unwrap();
    std::fs::set_permissions(bench.state(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let before = bench.service();
    before.start().unwrap();
    let pid = before.state().unwrap().pid.expect("it runs");
    bench.install(ONE).unwrap();
    assert_ne!(bench.pid(), pid);
    assert_eq!(bench.running(), bench.released(ONE));
}

#[test]
fn a_dry_run_creates_nothing() {
    let bench = Bench::new();
    let report = bench
        .with(|n| {
            let options = Options {
                dry_run: true,
                ..Options::default()
            };
            n.install(ONE, &options)
        })
        .unwrap();
    assert_eq!(report.outcome, ChangeOutcome::Planned);
    assert!(!bench.state().exists());
    assert!(bench.path().symlink_metadata().is_err());
}

#[test]
fn a_node_without_a_service_only_swaps_files() {
    let mut bench = Bench::new();
    bench.config.service = None;
    let report = bench.install(ONE).unwrap();
    assert!(report.health.unwrap().checked.contains("no service"));
    bench.install(BAD).unwrap();
    assert_eq!(bench.at_path(), bench.released(BAD));
    assert_eq!(bench.status().problems, Vec::<String>::new());
}

#[test]
fn a_version_that_does_not_answer_as_wanted_is_rolled_back() {
    let mut bench = Bench::new();
    bench.config.health.version = Some(vec!["--version".into()]);
    bench.config.health.version_contains = "sleep".into();
    bench.install(ONE).unwrap();
    bench.config.health.version_contains = "{version} of {tag}".into();
    let error = bench.install(TWO).unwrap_err();
    assert!(error.causes().join("\n").contains("2.0.0 of"), "{error}");
    assert_eq!(bench.running(), bench.released(ONE));
}

#[test]
fn a_daemon_that_ignores_sigterm_is_killed_after_the_deadline() {
    let mut bench = Bench::new();
    let path = bench.path().display().to_string();
    bench.set_start(vec![
        "/bin/sh".into(),
        "-c".into(),
        format!("trap '' TERM; exec {path} 600"),
    ]);
    bench.install(ONE).unwrap();
    let first = bench.pid();
    bench.install(TWO).unwrap();
    assert_ne!(bench.pid(), first);
    assert_eq!(bench.running(), bench.released(TWO));
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let bench = Bench::new();
    let status = bench.child("install", ONE, &[("NODE_TEST_UMASK", "077")]);
    assert!(status.success());
    for (path, mode) in [
        ("", 0o755),
        ("staging", 0o700),
        ("versions/phase1-a-1.0.0", 0o755),
        ("versions/phase1-a-1.0.0/sleep", 0o755),
        ("versions/phase1-a-1.0.0/docs/NOTES.md", 0o644),
        ("journal.json", 0),
    ] {
        match bench.state().join(path).metadata() {
            Ok(found) => assert_eq!(found.permissions().mode() & 0o7777, mode, "{path}"),
            Err(_) => assert_eq!(mode, 0, "{path}"),
        }
    }
}

/// A program of the host's own, of mode 0750.
fn by_hand(bench: &Bench) {
    std::fs::write(bench.path(), bench.daemon("by hand")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o750);
    std::fs::set_permissions(bench.path(), mode).unwrap();
}

fn mode(bench: &Bench) -> u32 {
    std::fs::metadata(bench.path())
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn a_binary_keeps_the_mode_of_the_file_before_unless_the_configuration_says_another() {
    let mut bench = Bench::new();
    by_hand(&bench);
    bench.install(ONE).unwrap();
    assert_eq!(mode(&bench), 0o750);
    bench.install(TWO).unwrap();
    assert_eq!(mode(&bench), 0o750, "from release to release");
    bench.rollback(None).unwrap();
    bench.config.binaries[0].attributes.mode = Some(0o500);
    bench.install(BAD).unwrap_err();
    assert_eq!(mode(&bench), 0o750);
    assert_eq!(bench.status().problems, Vec::<String>::new());
}

#[test]
#[ignore = "needs root: gives a file away, with capabilities"]
fn a_binary_keeps_owner_and_capabilities_of_the_file_before() {
    use rustix::fs::{Gid, Uid, XattrFlags, chown, getxattr, setxattr};
    // capabilities(7), vfs_cap_data of revision 2: cap_net_bind_service=ep.
    let mut capability = [0u8; 20];
    capability[..8].copy_from_slice(&[1, 0, 0, 2, 0, 4, 0, 0]);
    let bench = Bench::new();
    by_hand(&bench);
    let (uid, gid) = (Uid::from_raw(12345), Gid::from_raw(54321));
    chown(bench.path(), Some(uid), Some(gid)).unwrap();
    let name = "security.capability";
    setxattr(bench.path(), name, &capability, XattrFlags::empty()).unwrap();
    for tag in [ONE, TWO] {
        bench.install(tag).unwrap();
        let found = std::fs::metadata(bench.path()).unwrap();
        assert_eq!((found.uid(), found.gid()), (12345, 54321), "{tag}");
        let mut value = [0u8; 64];
        let len = getxattr(bench.path(), name, &mut value[..]).unwrap();
        assert_eq!(value[..len], capability, "{tag}");
        assert_eq!(mode(&bench), 0o750, "{tag}");
    }
}
