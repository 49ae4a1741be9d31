//! The sample project stays in step with the daemon it is made from.

use super::*;

fn contents(phase: u32, path: &str) -> String {
    let found = files(phase).into_iter().find(|f| f.path == path);
    found.map(|f| f.contents).unwrap_or_default()
}

#[test]
fn the_last_phase_is_the_daemon_as_it_stands() {
    assert_eq!(
        contents(3, PHASE_FILE),
        include_str!("../../../tests/fixtures/timed/src/phase.rs")
    );
    assert_eq!(contents(3, CHANGES), CHANGELOG);
}

#[test]
fn every_commit_changes_something() {
    let mut before = Vec::new();
    for phase in 1..=3 {
        for commit in 0..PHASES[phase as usize - 1].2.len() {
            let now = files_after(phase, commit);
            assert_ne!(now, before, "phase {phase} commit {commit}");
            before = now;
        }
        assert_eq!(before, files(phase));
    }
}

#[test]
fn tag_package_lock_and_change_log_name_one_version() {
    for (phase, (tag, _, _)) in (1..).zip(PHASES) {
        let (_, version) = tag.rsplit_once('-').unwrap_or_default();
        let line = format!("\nversion = \"{version}\"\n");
        assert!(contents(phase, "Cargo.toml").contains(&line), "{tag}");
        assert!(contents(phase, "Cargo.lock").contains(&line), "{tag}");
        let newest = contents(phase, CHANGES);
        assert_eq!(
            newest.split("\n## ").nth(1).map(|s| s.starts_with(tag)),
            Some(true)
        );
        assert_eq!(newest.matches("\n## ").count(), phase as usize);
    }
}

#[test]
fn there_is_no_fourth_phase_and_no_phase_zero() {
    for phase in [0, 4, u32::MAX] {
        assert!(files(phase).is_empty());
    }
    assert!(files_after(1, 3).is_empty());
}

#[test]
fn paths_are_sorted_once_each_and_scripts_are_executable() {
    let files = files(3);
    assert!(files.windows(2).all(|pair| pair[0].path < pair[1].path));
    let executable: Vec<_> = files
        .iter()
        .filter(|f| f.executable)
        .map(|f| f.path)
        .collect();
    assert_eq!(executable, ["contrib/timed-height.sh"]);
}
