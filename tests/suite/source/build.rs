//! Stories about builds: the same bytes for everybody, and clear words when one fails.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use relman::Result;
use relman::hash::Sha256;
use relman::io::build::ProcessBuilder;
use relman::io::git::GitSource;
use relman::io::workshop::Workshop;
use relman::release::build_plan::BuildPlan;
use relman::release::config::Config;
use relman::release::source::{Build, Built, Rules, Source};

use super::project::{EPOCH, Project, TAG, config, git, tag};

/// Cuts as far as the binaries, in a build directory below `base`.
fn build(project: &Path, base: &Path, config: &Config, lines: &mut Vec<String>) -> Result<Built> {
    build_with(&ProcessBuilder::from_env(), project, base, config, lines)
}

fn build_with(
    builder: &ProcessBuilder,
    project: &Path,
    base: &Path,
    config: &Config,
    lines: &mut Vec<String>,
) -> Result<Built> {
    fs::create_dir_all(base).unwrap();
    let workshop = Workshop::open(Some(base), &config.project, false)?;
    let places = workshop.places();
    let source = GitSource::open(project)?;
    let info = source.resolve(&tag(TAG), Rules::default())?;
    source.clone_at(&info, &places.clone)?;
    // As if the clock had been set back since the last cut: file times tell cargo nothing.
    for file in ["build.rs", "src/main.rs", "Cargo.toml", ".git/HEAD"] {
        if let Ok(file) = fs::File::open(places.clone.join(file)) {
            let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            file.set_modified(old).unwrap();
        }
    }
    let facts = builder.inspect(&places.clone, &config.build)?;
    let plan = BuildPlan::new(config, &info, &facts, places)?;
    builder.build(&plan, &mut |l| lines.push(l.to_owned()))
}

fn bytes(built: &Built) -> Vec<u8> {
    fs::read(&built.binaries[0].path).unwrap()
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|w| w == needle.as_bytes())
}

fn said(built: &Built) -> String {
    let output = Command::new(&built.binaries[0].path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_directories_give_one_binary_and_it_names_neither() {
    let project = Project::timed();
    let mut lines = Vec::new();
    let one = build(
        &project.path(),
        &project.scratch("one"),
        &config(""),
        &mut lines,
    )
    .unwrap();
    let two = build(
        &project.path(),
        &project.scratch("two/longer"),
        &config(""),
        &mut Vec::new(),
    )
    .unwrap();
    assert_eq!(one.binaries[0].name, "timed");
    assert!(bytes(&one) == bytes(&two), "the binaries differ");
    for path in [
        project.dir.path().to_str().unwrap(),
        &std::env::var("HOME").unwrap_or("/nowhere".into()),
    ] {
        assert!(
            path.len() < 2 || !contains(&bytes(&one), path),
            "the binary contains {path}"
        );
    }

    let head = git(&project.path(), &["rev-parse", "HEAD"]);
    let text = said(&one);
    let made = text.lines().nth(1).unwrap_or_default();
    assert_eq!(
        text.lines().next(),
        Some(format!("{head} 2 {TAG} {} 42", EPOCH + 120).as_str())
    );
    assert!(
        made.starts_with("/target/release/build/timed-")
            && made.ends_with("/made.rs rules/src/lib.rs false"),
        "{made}"
    );

    assert!(
        lines.iter().any(|l| l.contains("Compiling timed")),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|l| l.contains("compiler-artifact")),
        "{lines:?}"
    );
    let log = fs::read(&one.log_path).unwrap();
    assert_eq!(Sha256::of(&log), one.log_sha256);
    assert!(contains(&log, "$ cargo build --locked"));
}

#[test]
fn a_kept_build_directory_never_gives_yesterdays_binary() {
    let mut project = Project::timed();
    let base = project.scratch("kept");
    let first = build(&project.path(), &base, &config(""), &mut Vec::new()).unwrap();
    let before = said(&first);
    // The build script says that it depends on nothing that changed.
    let commit = project.commit("chore: same files");
    project.tag(TAG, commit);
    let kept = build(&project.path(), &base, &config(""), &mut Vec::new()).unwrap();
    let after = said(&kept);
    assert_ne!(before, after);
    assert!(after.starts_with(&format!("{commit} 3 {TAG}")), "{after}");
    let clean = build(
        &project.path(),
        &project.scratch("clean"),
        &config(""),
        &mut Vec::new(),
    )
    .unwrap();
    assert!(
        bytes(&kept) == bytes(&clean),
        "a kept build directory changed the binary"
    );
}

#[test]
fn the_users_environment_changes_nothing() {
    let project = Project::timed();
    let plain = build(
        &project.path(),
        &project.scratch("plain"),
        &config(""),
        &mut Vec::new(),
    )
    .unwrap();

    let home = project.scratch("hostile-home");
    fs::create_dir_all(home.join(".cargo")).unwrap();
    fs::write(
        home.join(".gitconfig"),
        "[core]\n\tautocrlf = true\n\tabbrev = 30\n",
    )
    .unwrap();
    let flags =
        "[build]\nrustflags = [\"--cfg\", \"project_flag\"]\nrustc-wrapper = \"/bin/false\"\n";
    fs::write(home.join(".cargo/config.toml"), flags).unwrap();
    let rustup = std::env::var("RUSTUP_HOME")
        .unwrap_or_else(|_| format!("{}/.rustup", std::env::var("HOME").unwrap_or_default()));
    // A process of its own: umask and libgit2's view of the home directory belong to a process.
    let status = Command::new("/bin/sh")
        .args([
            "-c",
            "umask 077; exec \"$0\" --exact --ignored source::build::hostile_child",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("HOME", &home)
        .env("RUSTUP_HOME", rustup)
        .env_remove("CARGO_HOME")
        .env("RUSTFLAGS", "--cfg project_flag")
        .env("CARGO_TARGET_DIR", project.scratch("elsewhere"))
        .env("CARGO_BUILD_RUSTC_WRAPPER", "/bin/false")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("SOURCE_DATE_EPOCH", "1")
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_DIR", "/nonexistent")
        .env("HOSTILE_PROJECT", project.path())
        .env("HOSTILE_BASE", project.scratch("hostile"))
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stdout)
    );
    let hostile = fs::read_to_string(project.scratch("hostile").join("sha256")).unwrap();
    assert_eq!(hostile, Sha256::of(&bytes(&plain)).hex());
}

/// Not a story: the hostile process of the one above.
#[test]
#[ignore = "run by the_users_environment_changes_nothing"]
fn hostile_child() {
    let (Ok(project), Ok(base)) = (
        std::env::var("HOSTILE_PROJECT"),
        std::env::var("HOSTILE_BASE"),
    ) else {
        return;
    };
    let base = PathBuf::from(base);
    let built = build(Path::new(&project), &base, &config(""), &mut Vec::new()).unwrap();
    fs::write(base.join("sha256"), Sha256::of(&bytes(&built)).hex()).unwrap();
    let clone = built.log_path.with_file_name("src");
    assert_eq!(
        fs::metadata(clone.join("src/main.rs")).unwrap().mode() & 0o7777,
        0o644
    );
    assert_eq!(fs::read(clone.join("notes.txt")).unwrap(), b"one\r\ntwo\n");
}

#[test]
fn the_projects_own_compiler_flags_are_kept() {
    for table in ["[build]", "[target.'cfg(unix)']"] {
        let mut project = Project::timed();
        let text = format!("{table}\nrustflags = [\"--cfg\", \"project_flag\"]\n");
        project.write(&[(".cargo/config.toml", &text)]);
        let commit = project.commit("build: flags");
        project.tag(TAG, commit);
        let built = build(
            &project.path(),
            &project.scratch("w"),
            &config(""),
            &mut Vec::new(),
        )
        .unwrap();
        assert!(said(&built).ends_with(" true\n"), "{table}");
        assert!(
            !contains(&bytes(&built), project.dir.path().to_str().unwrap()),
            "{table}"
        );
    }
}

#[test]
fn a_failed_build_tells_its_last_lines_and_where_the_log_is() {
    let mut project = Project::timed();
    project.write(&[("src/main.rs", "fn main() { no_such_function(); }\n")]);
    let commit = project.commit("fix: break it");
    project.tag(TAG, commit);
    let mut lines = Vec::new();
    let e = build(
        &project.path(),
        &project.scratch("w"),
        &config(""),
        &mut lines,
    )
    .unwrap_err();
    assert!(e.message().contains("exit status: 101"), "{e}");
    let cause = &e.causes()[0];
    assert!(
        cause.contains("no_such_function") && cause.lines().count() <= 21,
        "{cause}"
    );
    let log = e
        .hint_text()
        .unwrap()
        .strip_prefix("less ")
        .unwrap()
        .to_owned();
    assert!(
        fs::read_to_string(log)
            .unwrap()
            .contains("no_such_function")
    );
    assert!(lines.iter().any(|l| l.contains("no_such_function")));
}

const OWN: &str = "[build]\ncommand = [\"/bin/sh\", \"make.sh\"]\nbinaries = [\"out/timed\"]\n";

fn own_command(script: &str) -> (Project, Result<Built>, Vec<String>) {
    let mut project = Project::empty();
    project.write(&[("make.sh", script)]);
    let commit = project.commit("feat: begin");
    project.tag(TAG, commit);
    let mut lines = Vec::new();
    let built = build(
        &project.path(),
        &project.scratch("w"),
        &config(OWN),
        &mut lines,
    );
    (project, built, lines)
}

#[test]
fn a_command_of_the_projects_own_is_run_in_the_clone() {
    let (project, built, lines) = own_command(
        "mkdir out; umask > out/timed; env | sort; printf '\\033[31mred\\033[0m\\n' >&2",
    );
    let built = built.unwrap();
    assert_eq!(built.binaries[0].name, "timed");
    assert_eq!(
        fs::read_to_string(&built.binaries[0].path).unwrap(),
        "0022\n"
    );
    assert!(
        lines.contains(&"red".to_owned()) && lines.contains(&"TZ=UTC".to_owned()),
        "{lines:?}"
    );
    let allowed = [
        "CARGO_",
        "CFLAGS",
        "CXXFLAGS",
        "GIT_",
        "HOME",
        "LC_ALL",
        "OLDPWD",
        "PATH",
        "PWD",
        "RUSTUP_",
        "SHLVL",
        "SOURCE_DATE_EPOCH",
        "SSL_",
        "CURL_CA",
        "TZ",
        "_",
    ];
    for line in lines.iter().filter(|l| l.contains('=')) {
        let proxy = line
            .to_lowercase()
            .split('=')
            .next()
            .unwrap()
            .ends_with("_proxy");
        assert!(
            proxy || allowed.iter().any(|a| line.starts_with(a)),
            "{line}"
        );
    }
    drop(project);
}

#[test]
fn a_command_that_makes_nothing_or_something_outside_is_refused() {
    let (_project, built, _) = own_command("exit 0");
    assert!(built.unwrap_err().to_string().contains("made no out/timed"));
    let (_project, built, _) = own_command("mkdir out; ln -s /bin/sh out/timed");
    assert!(
        built
            .unwrap_err()
            .to_string()
            .contains("leads out of the clone")
    );
    let (_project, built, _) = own_command("mkdir out; : > out/timed");
    assert!(
        built
            .unwrap_err()
            .to_string()
            .contains("not a file with contents")
    );
}

#[test]
fn a_daemon_left_behind_does_not_hold_the_cut_up() {
    let (_project, built, lines) =
        own_command("mkdir out; echo x > out/timed; echo done; sleep 20 &\necho $! > out/pid");
    let built = built.unwrap();
    assert!(lines.contains(&"done".to_owned()));
    let pid = fs::read_to_string(built.binaries[0].path.with_file_name("pid")).unwrap();
    Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn a_build_that_hangs_is_ended_with_all_it_started() {
    let mut project = Project::empty();
    project.write(&[(
        "make.sh",
        "echo begun; sh -c 'sleep 600 & echo $! > pid; wait' & wait\n",
    )]);
    let commit = project.commit("feat: begin");
    project.tag(TAG, commit);
    let config = config(OWN);
    let workshop = Workshop::open(Some(&project.scratch("")), "timed", false).unwrap();
    let info = project.resolve(TAG).unwrap();
    project
        .source()
        .clone_at(&info, &workshop.places().clone)
        .unwrap();
    let builder = ProcessBuilder::from_env();
    let facts = builder
        .inspect(&workshop.places().clone, &config.build)
        .unwrap();
    let mut plan = BuildPlan::new(&config, &info, &facts, workshop.places()).unwrap();
    plan.timeout = std::time::Duration::from_secs(6);
    let e = builder.build(&plan, &mut |_| {}).unwrap_err();
    assert!(
        e.message().contains("stopped after") && e.causes()[0].contains("begun"),
        "{e}"
    );
    let pid = fs::read_to_string(workshop.places().clone.join("pid")).unwrap();
    crate::common::wait_for_end(pid.trim());
}

#[test]
fn files_above_the_clone_that_cargo_would_read_are_refused() {
    let project = Project::timed();
    let base = project.scratch("w");
    fs::create_dir_all(base.join(".cargo")).unwrap();
    fs::write(base.join(".cargo/config.toml"), "").unwrap();
    let e = build(&project.path(), &base, &config(""), &mut Vec::new()).unwrap_err();
    assert!(
        e.message()
            .contains("/w/.cargo/config.toml would change the build"),
        "{e}"
    );
}

#[test]
fn a_tag_without_a_lock_file_and_a_machine_without_cargo_are_told() {
    let mut project = Project::timed();
    let builder = ProcessBuilder::with_env([("PATH".into(), "/nonexistent".into())]);
    let e = build_with(
        &builder,
        &project.path(),
        &project.scratch("a"),
        &config(""),
        &mut Vec::new(),
    )
    .unwrap_err();
    assert!(e.message().contains("no cargo found in PATH"), "{e}");
    fs::remove_file(project.path().join("Cargo.lock")).unwrap();
    let mut index = project.repo.index().unwrap();
    index.remove_path(Path::new("Cargo.lock")).unwrap();
    index.write().unwrap();
    let commit = project.commit("chore: forget the lock");
    project.tag(TAG, commit);
    let e = build(
        &project.path(),
        &project.scratch("b"),
        &config(""),
        &mut Vec::new(),
    )
    .unwrap_err();
    assert!(e.message().contains("Cargo.lock is not committed"), "{e}");
}

#[test]
fn a_second_cut_at_once_is_told_who_holds_the_build_directory() {
    let base = tempfile::tempdir().unwrap();
    let held = Workshop::open(Some(base.path()), "timed", false).unwrap();
    let e = Workshop::open(Some(base.path()), "timed", false)
        .err()
        .unwrap();
    assert!(
        e.message()
            .contains(&format!("process {}", std::process::id())),
        "{e}"
    );
    drop(held);
    Workshop::open(Some(base.path()), "timed", true).unwrap();
}

#[test]
fn a_build_directory_that_others_may_enter_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let base = tempfile::tempdir().unwrap();
    let own = Workshop::open(Some(base.path()), "timed", false).unwrap();
    let dir = own.places().clone.parent().unwrap().to_path_buf();
    drop(own);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let e = Workshop::open(Some(base.path()), "timed", false)
        .err()
        .unwrap();
    assert!(e.message().contains("nobody else may enter"), "{e}");
    fs::remove_dir_all(&dir).unwrap();
    std::os::unix::fs::symlink("/tmp", &dir).unwrap();
    assert!(Workshop::open(Some(base.path()), "timed", false).is_err());
}
