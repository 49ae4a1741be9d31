//! `relman init` through the real binary: what it makes, what it refuses, and what a kill leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::common::relman::{BUILD, Project, Run, TAG, files, snapshot};

const PURPOSES: [&str; 11] = [
    "approver",
    "builder",
    "gate",
    "log",
    "mainnet",
    "publisher",
    "root",
    "snapshot",
    "targets",
    "testnet",
    "timestamp",
];

fn mode(path: impl AsRef<std::path::Path>) -> u32 {
    let path = path.as_ref();
    let meta = fs::metadata(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    meta.permissions().mode() & 0o7777
}

/// Git's own files change with every look at the index.
fn tree(project: &Project) -> Vec<(std::path::PathBuf, u32, Vec<u8>)> {
    let git = project.path(".git");
    let mut all = snapshot(&project.repo());
    all.retain(|(path, ..)| !path.starts_with(&git));
    all
}

#[test]
fn yes_makes_configuration_keys_and_a_valid_empty_store() {
    let project = Project::uninitialised("init-yes");
    let run = project.relman(&["init", "--yes", "--project", &project.name]);
    run.exits(0)
        .says(&["is set up", "relman.toml", "keys/root.json"]);
    assert_eq!(files(&project.secrets()), PURPOSES);
    assert_eq!(project.listed(), [""; 0]);
    project.is_sound();
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let project = Project::new("init-twice");
    let before = tree(&project);
    let secrets = snapshot(&project.secrets());
    let run = project.relman(&["init", "--yes"]).exits(0);
    run.says(&["nothing was changed"]);
    assert_eq!(tree(&project), before);
    assert_eq!(snapshot(&project.secrets()), secrets);
    let document = project.relman(&["init", "--yes", "--json"]).exits(0).json();
    assert_eq!(document["outcome"], "unchanged");
}

#[test]
fn without_a_terminal_and_without_yes_nobody_can_be_asked() {
    let project = Project::uninitialised("init-ask");
    let before = tree(&project);
    for arguments in [
        &["init"][..],
        &["init", "--project", "timed"],
        &["init", "--json"],
    ] {
        let run = project.relman(arguments).exits(2);
        run.says(&["--yes", "there is no terminal"]);
    }
    assert_eq!(tree(&project), before, "a refused init leaves nothing");
}

#[test]
fn a_directory_that_is_no_git_repository_is_refused() {
    let project = Project::empty("init-nogit");
    let run = project.relman(&["init", "--yes"]).exits(2);
    run.says(&["is not a git repository", "git init"]);
    assert_eq!(files(&project.repo()), [""; 0]);
}

#[test]
fn a_name_that_no_project_may_have_leaves_no_broken_configuration() {
    let project = Project::uninitialised("init-name");
    let before = tree(&project);
    for name in [
        "../evil",
        "",
        "a b",
        "a\x1b[2Jb",
        ".hidden",
        &"x".repeat(4096),
    ] {
        let run = project
            .relman(&["init", "--yes", "--project", name])
            .exits(2);
        assert!(!run.stderr.trim_end().contains('\x1b'), "{run:?}");
    }
    assert_eq!(tree(&project), before);
}

#[test]
fn a_person_whose_name_drives_the_terminal_is_refused_before_anything_is_made() {
    let project = Project::uninitialised("init-person");
    let before = tree(&project);
    let person = "eve\x1b[2J";
    let run = project.relman(&[
        "init",
        "--yes",
        "--project",
        &project.name,
        "--person",
        person,
    ]);
    let run = run.exits(2);
    assert!(!run.stderr.contains('\x1b'), "{run:?}");
    assert_eq!(tree(&project), before);
}

#[test]
fn secret_keys_are_private_and_outside_of_the_repository() {
    let project = Project::new("init-modes");
    assert_eq!(mode(project.secrets()), 0o700);
    for name in files(&project.secrets()) {
        assert_eq!(mode(project.secrets().join(&name)), 0o600, "{name}");
    }
    for name in files(&project.repo()) {
        let bytes = fs::read(project.path(&name)).unwrap();
        let secret = bytes.windows(11).any(|w| w == b"PRIVATE KEY");
        assert!(!secret, "{name} holds a secret key");
    }
}

#[test]
fn secret_keys_below_the_repository_are_refused_unless_that_path_is_named() {
    let project = Project::uninitialised("init-inside");
    let before = tree(&project);
    let name = project.name.clone();
    let inside = project.path("config");
    let init = |dir: &str, more: &[&str]| {
        let mut command = project.command(&["-C", dir, "init", "--yes", "--project", &name]);
        command.args(more).env("XDG_CONFIG_HOME", &inside);
        Run::of(command.output().unwrap())
    };
    init(".", &[])
        .exits(2)
        .says(&["inside the repository", "--secret-keys DIR"]);
    // Nor when the project is a part of the repository, and the keys are in another part.
    fs::create_dir(project.path("daemon")).unwrap();
    init("daemon", &[])
        .exits(2)
        .says(&["inside the repository"]);
    fs::remove_dir(project.path("daemon")).unwrap();
    assert_eq!(tree(&project), before, "a refused init leaves nothing");

    init(".", &["--secret-keys", inside.to_str().unwrap()]).exits(0);
    assert_eq!(files(&inside), PURPOSES);
}

#[test]
fn a_secret_key_that_others_can_read_is_refused() {
    let project = Project::new("init-loose");
    let key = project.secrets().join("builder");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let run = project.relman(&["cut", TAG]).exits(3);
    run.says(&["has mode 0644, wanted 0600", "chmod 600"]);
}

#[test]
fn lines_for_git_are_added_once_and_keep_what_was_there() {
    let project = Project::uninitialised("init-lines");
    project.configure(BUILD, "store.path = \"dist/releases\"");
    project.write(".gitignore", "/target\n/.relman/");
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["init", "--yes"]).exits(0);
    let read = |name: &str| fs::read_to_string(project.path(name)).unwrap();
    assert_eq!(
        read(".gitignore"),
        "/target\n/.relman/\n/dist/releases/.relman-*\n"
    );
    assert_eq!(
        read(".gitattributes"),
        "/dist/releases/** -text\n/keys/** -text\n"
    );
}

#[test]
fn the_umask_changes_no_mode() {
    let project = Project::uninitialised("init-umask");
    project.configure(BUILD, "");
    let modes = ["0077", "0000", "0027"].map(|umask| {
        let project = project.copy();
        for command in [&["init", "--yes"][..], &["cut", TAG]] {
            let relman = project.command(command);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
            shell.arg(relman.get_program()).args(relman.get_args());
            shell.current_dir(project.repo()).env_clear();
            let env = relman.get_envs().filter_map(|(k, v)| Some((k, v?)));
            Run::of(shell.envs(env).output().unwrap()).exits(0);
        }
        let strip = |(path, mode, _): (std::path::PathBuf, u32, Vec<u8>)| {
            (path.strip_prefix(project.repo()).unwrap().to_owned(), mode)
        };
        let mut modes: Vec<_> = tree(&project).into_iter().map(strip).collect();
        // Names with a digest of something that new keys change.
        modes.retain(|(path, _)| !path.to_string_lossy().contains(".policy.json"));
        modes.push(("secrets".into(), mode(project.secrets())));
        modes.push(("key".into(), mode(project.secrets().join("root"))));
        modes
    });
    assert_eq!(modes[0], modes[1]);
    assert_eq!(modes[0], modes[2]);
    for (path, mode) in &modes[0] {
        let wanted: &[u32] = match path.to_str().unwrap() {
            "secrets" => &[0o700],
            "key" => &[0o600],
            // Whoever could open it could hold it.
            "releases/.relman-lock" => &[0o600],
            _ => &[0o644, 0o755],
        };
        assert!(wanted.contains(mode), "{path:?} has mode {mode:o}");
    }
}

#[test]
fn killed_at_any_point_a_second_run_gives_a_valid_store() {
    let fresh = Project::uninitialised("init-kill");
    fresh.configure(BUILD, "");
    let mut killed = 0;
    for group in ["stage", "publish"] {
        for i in 0.. {
            if !dies_and_recovers(&fresh, &format!("{group}.{i}")) {
                break;
            }
            killed += 1;
        }
    }
    for point in ["stage.written", "publish.done"] {
        assert!(dies_and_recovers(&fresh, point), "{point} does not exist");
        killed += 1;
    }
    assert!(killed > 20, "only {killed} points killed");
}

fn dies_and_recovers(fresh: &Project, point: &str) -> bool {
    let project = fresh.copy();
    if !project.killed_at(point, &["init", "--yes"]).was_killed() {
        return false;
    }
    project.relman(&["init", "--yes"]).exits(0);
    let run = project.relman(&["init", "--yes"]).exits(0);
    run.says(&["nothing was changed"]);
    assert_eq!(project.listed(), [""; 0], "{point}");
    project.is_sound();
    let left: Vec<_> = files(&project.store());
    let left: Vec<_> = left
        .iter()
        .filter(|n| n.starts_with(".relman-stage"))
        .collect();
    assert!(left.is_empty(), "{point} left {left:?}");
    project.relman(&["cut", TAG]).exits(0);
    project.is_verified(TAG);
    true
}

#[test]
fn a_store_whose_trust_root_was_lost_is_not_made_anew() {
    let project = Project::new("init-lost");
    fs::remove_file(project.path("keys/root.json")).unwrap();
    let before = tree(&project);
    let run = project.relman(&["init", "--yes"]).exits(1);
    run.says(&["there is no", "root.json", "get root.json back"]);
    assert_eq!(tree(&project), before);
}

#[test]
fn freshness_needs_the_timestamp_key_alone() {
    let project = Project::published("init-fresh");
    for key in fs::read_dir(project.secrets()).unwrap() {
        let key = key.unwrap().path();
        if !key.ends_with("timestamp") {
            fs::remove_file(key).unwrap();
        }
    }
    project
        .relman(&["timestamp"])
        .exits(0)
        .says(&["timestamp 3"]);
    project.is_verified(TAG);
    project.relman(&["audit"]).exits(0);
}
