//! Somebody else at work on the host: tampering, planted links, two commands at once.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use relman::error::{Kind, Result};
use relman::io::node_fs::NodeFs;
use relman::node::activate::Options;
use relman::node::host::Host;
use relman::node::release::{NodeKnows, Releases, VerifiedRelease};

use super::bench::{Bench, ONE, Shelf, TWO};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_retained_version_that_somebody_changed_is_refused() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    bench.install(TWO).unwrap();
    let file = bench.state().join("versions").join(ONE).join("sleep");
    std::fs::write(&file, bench.daemon("evil")).unwrap();
    for result in [bench.rollback(None), bench.install(ONE)] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.causes().join("").contains("sleep: found sha256"));
        assert!(error.hint_text().unwrap_or("").contains("mv "));
    }
    assert_eq!(bench.running(), bench.released(TWO));
    assert!(bench.status().problems.iter().any(|p| p.contains(ONE)));
}

#[test]
fn a_retained_version_replaced_by_a_link_is_refused() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    bench.install(TWO).unwrap();
    let version = bench.state().join("versions").join(ONE);
    let elsewhere = bench.dir.join("elsewhere");
    std::fs::rename(&version, &elsewhere).unwrap();
    symlink(&elsewhere, &version).unwrap();
    let error = bench.rollback(None).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(bench.running(), bench.released(TWO));
}

/// Unpacks as it should, and then somebody gets at the directory.
struct Spoiled<F: Fn(&Path)>(Shelf, F);

impl<F: Fn(&Path)> Releases for Spoiled<F> {
    fn verify(&self, tag: &str, staging: &Path) -> Result<VerifiedRelease> {
        self.0.verify(tag, staging)
    }
    fn look(&self) -> Result<()> {
        self.0.look()
    }
    fn unpack(&self, release: &VerifiedRelease, staging: &Path, dir: &Path) -> Result<()> {
        self.0.unpack(release, staging, dir)?;
        (self.1)(dir);
        Ok(())
    }
    fn verify_retained(
        &self,
        tag: &str,
        evidence: &[(String, Vec<u8>)],
        now: jiff::Timestamp,
    ) -> Result<VerifiedRelease> {
        self.0.verify_retained(tag, evidence, now)
    }
    fn known(&self, now: jiff::Timestamp) -> Result<Option<NodeKnows>> {
        self.0.known(now)
    }
}

#[test]
fn what_is_planted_in_staging_is_refused_and_never_followed() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    let victim = bench.dir.join("victim");
    std::fs::write(&victim, bench.released(TWO)).unwrap();
    chmod(&victim, 0o600);
    let notes = |dir: &Path| dir.join("docs/NOTES.md");
    type Spoiler<'a> = Box<dyn Fn(&Path) + 'a>;
    let spoilers: [(&str, Spoiler); 6] = [
        (
            "a link to a file with the right bytes",
            Box::new(|dir: &Path| {
                std::fs::remove_file(dir.join("sleep")).unwrap();
                symlink(&victim, dir.join("sleep")).unwrap();
            }),
        ),
        (
            "a second name of a file elsewhere",
            Box::new(|dir: &Path| {
                std::fs::remove_file(dir.join("sleep")).unwrap();
                std::fs::hard_link(&victim, dir.join("sleep")).unwrap();
            }),
        ),
        (
            "a directory that is a link",
            Box::new(|dir: &Path| {
                std::fs::rename(dir.join("docs"), dir.join("../archive/docs")).unwrap();
                symlink("../archive/docs", dir.join("docs")).unwrap();
            }),
        ),
        (
            "a pipe",
            Box::new(|dir: &Path| {
                std::fs::remove_file(notes(dir)).unwrap();
                let made = std::process::Command::new("mkfifo")
                    .arg(notes(dir))
                    .status();
                assert!(made.unwrap().success());
            }),
        ),
        (
            "one file more",
            Box::new(|dir: &Path| std::fs::write(dir.join("libc.so.6"), "evil").unwrap()),
        ),
        (
            "other bytes",
            Box::new(|dir: &Path| std::fs::write(notes(dir), "evil").unwrap()),
        ),
    ];
    for (what, spoil) in spoilers {
        let spoiled = Spoiled(Shelf(bench.dir.join("store")), spoil);
        let error = bench
            .with_releases(&spoiled, |n| n.install(TWO, &Options::default()))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{what}: {error}");
        assert!(!bench.state().join("versions").join(TWO).exists(), "{what}");
        assert_eq!(bench.running(), bench.released(ONE), "{what}");
        assert_eq!(bench.status().problems, Vec::<String>::new(), "{what}");
    }
    let mode = victim.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "the victim's mode was changed");
    assert_eq!(std::fs::read(&victim).unwrap(), bench.released(TWO));
}

#[test]
fn the_second_of_two_commands_is_told_who_holds_the_lock() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    let host = NodeFs::new(&bench.config);
    let guard = host.lock("install something").unwrap();
    let error = bench.install(TWO).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    let text = error.to_string();
    let pid = format!("process {} ", std::process::id());
    assert!(
        text.contains(&pid) && text.contains("install something"),
        "{text}"
    );
    assert!(error.hint_text().is_some());
    drop(guard);
    bench.install(TWO).unwrap();
}

#[test]
fn a_state_directory_that_others_may_write_to_is_refused() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    chmod(&bench.state(), 0o777);
    let error = bench.install(TWO).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    chmod(&bench.state(), 0o755);
    chmod(&bench.dir, 0o777);
    let error = bench.install(TWO).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    chmod(&bench.dir, 0o755);
    bench.install(TWO).unwrap();
}

#[test]
fn a_state_directory_that_cannot_be_written_is_a_clear_error() {
    let mut bench = Bench::new();
    // Not even root may create a directory there.
    bench.config.state = "/proc/relman/state".into();
    let error = bench.install(ONE).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.message().contains("/proc/relman"), "{error}");
    assert!(error.hint_text().is_some());
    bench.config.state = bench.dir.join("node.toml/state");
    assert_eq!(bench.install(ONE).unwrap_err().kind(), Kind::Failed);
    bench.config.state = bench.dir.join("state");
}

#[test]
fn a_path_that_is_no_place_for_a_binary_is_refused() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path()).unwrap();
    assert_eq!(bench.install(ONE).unwrap_err().kind(), Kind::Refused);
    std::fs::remove_dir(bench.path()).unwrap();
    symlink("/bin/sleep", bench.path()).unwrap();
    assert_eq!(bench.install(ONE).unwrap_err().kind(), Kind::Refused);
    std::fs::remove_file(bench.path()).unwrap();
    chmod(&bench.dir.join("bin"), 0o777);
    let error = bench.install(ONE).unwrap_err();
    assert!(error.message().contains("anybody"), "{error}");
    chmod(&bench.dir.join("bin"), 0o755);
    bench.install(ONE).unwrap();
}

#[test]
fn a_current_that_points_out_of_the_state_is_not_followed() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    let current = bench.state().join("current");
    std::fs::remove_file(&current).unwrap();
    symlink("/etc", &current).unwrap();
    assert_eq!(bench.install(TWO).unwrap_err().kind(), Kind::Refused);
    assert!(!bench.status().problems.is_empty());
}

#[test]
fn a_stale_pid_file_does_not_get_a_stranger_killed() {
    let bench = Bench::new();
    bench.install(ONE).unwrap();
    bench.service().stop(false).unwrap();
    let mut stranger = std::process::Command::new("/bin/sleep")
        .arg("600")
        .spawn()
        .unwrap();
    std::fs::write(bench.state().join("service.pid"), stranger.id().to_string()).unwrap();
    assert_eq!(bench.service().state().unwrap().pid, None);
    bench.install_by_force(TWO).unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "it was killed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
