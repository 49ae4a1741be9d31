//! Ceremonies by hand: several people, several machines, one small file that goes around.

use std::fs;

use crate::common::relman::{BUILD, Project, TAG, snapshot};

/// A project whose targets role wants two keys, the second of which is on another machine.
fn with_two_signers(name: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(BUILD, "");
    project.add_key("targets.bob");
    project.relman(&["init", "--yes"]).exits(0);
    fs::rename(project.secrets().join("targets.bob"), project.beside("bob")).unwrap();
    project
}

#[test]
fn a_release_waits_for_the_second_signature_and_is_published_with_it() {
    let project = with_two_signers("ceremony-two");
    let before = snapshot(&project.store());
    let run = project.relman(&["cut", TAG]).exits(0);
    run.says(&["1 of 2 signatures", "missing"]);
    assert_eq!(snapshot(&project.store()), before, "half-signed is visible");
    project
        .relman(&["sign"])
        .exits(0)
        .says(&["release-", "1 of 2 signatures"]);

    let id = format!("release-{TAG}");
    let file = project.beside("exchange.json");
    let file = file.to_str().unwrap();
    project.relman(&["export", &id, "--out", file]).exits(0);

    // Bob has the file, the trust root and his key, and nothing else.
    let root = project.path("keys/root.json");
    let bob = project.beside("bob");
    let bob = [
        "--root",
        root.to_str().unwrap(),
        "--key",
        bob.to_str().unwrap(),
    ];
    let elsewhere = Project::empty("ceremony-bob");
    let look = [&["sign", file, "--dry-run"][..], &bob].concat();
    elsewhere
        .relman(&look)
        .exits(0)
        .says(&[TAG, "version 1 → 2", "nothing was signed"]);
    let unasked = [&["sign", file][..], &bob].concat();
    elsewhere.relman(&unasked).exits(2).says(&["--yes"]);
    let sign = [&["sign", file, "--yes"][..], &bob].concat();
    elsewhere
        .relman(&sign)
        .exits(0)
        .says(&["signed targets version 2", "2 of 2 signatures"]);

    project
        .relman(&["import", file])
        .exits(0)
        .says(&["1 new signatures", "published"]);
    project.is_verified(TAG);
}

#[test]
fn the_store_is_free_for_others_while_somebody_looks_at_a_change() {
    let project = with_two_signers("ceremony-free");
    project.relman(&["cut", TAG]).exits(0);
    fs::copy(project.beside("bob"), project.secrets().join("targets.bob")).unwrap();
    let terminal = |answer: &str, meanwhile: &str| {
        // `script` gives a terminal; its input waits until the question was asked.
        let relman = env!("CARGO_BIN_EXE_relman");
        let ask = format!("{relman} sign release-{TAG}");
        let said = project.beside("said");
        let shell = format!(
            "rm -f {said}; mkfifo {said}.in; (script -qec '{ask}' {said} < {said}.in > {said}.out; echo $? > {said}.code) & \
             exec 3> {said}.in; until grep -q 'type yes' {said}.out 2>/dev/null; do :; done; \
             {meanwhile}; echo {answer} >&3; exec 3>&-; wait; rm {said}.in; cat {said}.out",
            said = said.display(),
        );
        let mut command = project.command(&[]);
        let output = std::process::Command::new("sh")
            .args(["-c", &shell])
            .current_dir(project.repo())
            .env_clear()
            .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .output()
            .unwrap();
        let _ = &mut command;
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let relman = env!("CARGO_BIN_EXE_relman");
    // The timer's signature does no harm; a change of the store is told.
    let said = terminal("yes", &format!("{relman} -q timestamp >&2 || exit 9"));
    assert!(said.contains("published release-"), "{said}");
    project.is_verified(TAG);
}
