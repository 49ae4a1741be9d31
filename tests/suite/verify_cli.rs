//! `relman verify` through the real binary: every damaged byte is found and named, and so is everything foreign.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::relman::{Project, Run, SECOND, TAG, copy_tree, files, flip, replace, truncate};

fn history(name: &str) -> Project {
    let project = Project::published(name);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project
}

/// Why `verify` of the older of two releases need not read a file; none if it must.
fn unread(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let superseded = "an older version, which only an audit replays";
    Some(match path {
        _ if path.contains(SECOND) => "another release",
        _ if path.starts_with("log/tile/entries/") => {
            "every proof carries its entry; an audit reads them all"
        }
        "log/tile/0/000.p/1" | "log/tile/0/000.p/3" => "a smaller tile of the same hashes",
        "metadata/1.root.json" => "the trusted root is the one that the user has, not the store's",
        _ if name.contains(".testnet.") || name.contains(".mainnet.") => {
            "asked for no environment; a node of that environment reads it"
        }
        _ if name.starts_with("1.targets.") || name.starts_with("2.targets.") => superseded,
        "metadata/1.snapshot.json" | "metadata/2.snapshot.json" => superseded,
        ".relman-lock" => "not a part of the store",
        _ => return None,
    })
}

/// How a report names a file.
fn named(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match path {
        _ if path.starts_with("log/tile/") => "tile".into(),
        _ if path.starts_with("targets/") => format!("{TAG}.tar.gz"),
        _ if path.ends_with(".json") && !path.ends_with("policy.json") => name
            .split_once('.')
            .map_or(name, |(version, role)| match version.parse::<u64>() {
                Ok(_) => role,
                Err(_) => name,
            })
            .into(),
        _ => path.into(),
    }
}

type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 7] = [
    ("its middle flipped", flip),
    ("its first byte flipped", |path| flip_at(path, |_| 0)),
    ("its last byte but one flipped", |path| {
        flip_at(path, |len| len.saturating_sub(2))
    }),
    ("cut by a byte", truncate),
    ("emptied", |path| replace(path, b"")),
    ("grown", |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.extend_from_slice(b"x\n");
        replace(path, &bytes);
    }),
    ("removed", |path| fs::remove_file(path).unwrap()),
];

fn flip_at(path: &Path, at: fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    replace(path, &bytes);
}

#[test]
fn a_damaged_byte_in_any_file_of_a_release_is_found_and_the_file_is_named() {
    let project = history("verify-damage");
    let mut checked = 0;
    for path in files(&project.store()) {
        let file = project.store().join(&path);
        let good = fs::read(&file).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions();
        for (damage, make) in DAMAGES {
            // No other file lists these two, and their last newline is outside of what is signed.
            let white = ["timestamp.json", "SHA256SUMS.sig"]
                .iter()
                .any(|end| path.ends_with(end));
            let white = white && damage == "cut by a byte";
            if good.is_empty() || white {
                continue;
            }
            make(&file);
            let run = project.relman(&["verify", TAG]);
            match unread(&path) {
                Some(why) => assert_eq!(run.code, Some(0), "{path} {damage}, {why}: {run:#?}"),
                None => {
                    assert_eq!(run.code, Some(3), "{path} {damage}: {run:#?}");
                    let name = named(&path);
                    assert!(run.stdout.contains(&name), "{path} {damage}: {run:#?}");
                    assert!(
                        run.stdout.contains("is NOT verified"),
                        "{path} {damage}: {run:#?}"
                    );
                    checked += 1;
                }
            }
            fs::write(&file, &good).unwrap();
            fs::set_permissions(&file, mode.clone()).unwrap();
        }
    }
    assert!(checked > 100, "only {checked} damages were looked for");
    project.is_verified(TAG);
}

#[test]
fn what_verify_need_not_read_an_audit_does() {
    let project = history("verify-audit");
    project.is_sound();
    for path in files(&project.store()) {
        // Neither is a part of the history: a lock, and tiles that larger ones have replaced.
        let is_replaced = path.contains("000.p/1") || path.contains("000.p/3");
        if unread(&path).is_none() || path == ".relman-lock" || is_replaced {
            continue;
        }
        let file = project.store().join(&path);
        let good = fs::read(&file).unwrap();
        flip(&file);
        let run = project.relman(&["audit"]);
        assert_eq!(run.code, Some(3), "{path}: {run:#?}");
        replace(&file, &good);
    }
    project.is_sound();
}

#[test]
fn a_damaged_trust_root_is_named() {
    let project = Project::published("verify-root");
    for (_, make) in DAMAGES {
        let copy = project.copy();
        make(&copy.path("keys/root.json"));
        let run = copy.relman(&["verify", TAG]);
        assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
        run.says(&["root"]);
    }
}

/// The subjects of all problems in a report.
fn subjects(run: &Run) -> Vec<String> {
    let document = run.json();
    let checks = document["data"]["report"]["checks"]
        .as_array()
        .unwrap()
        .clone();
    let problems = checks
        .iter()
        .flat_map(|c| c["problems"].as_array().unwrap().clone());
    problems
        .map(|p: Value| p["subject"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn all_damaged_files_are_named_and_not_the_first_alone() {
    let project = Project::published("verify-all");
    let archive = files(&project.store().join("targets")).remove(0);
    let in_release = |name: &str| format!("{TAG}/{name}");
    let pairs: [[String; 2]; 6] = [
        [in_release("timed"), in_release("RELEASE_NOTES.md")],
        [format!("targets/{archive}"), in_release("timed")],
        [in_release("provenance.intoto.jsonl"), in_release("timed")],
        [in_release("SHA256SUMS"), in_release("timed")],
        [
            in_release("release.tlog-proof"),
            in_release("INSTALLATION.md"),
        ],
        ["log/checkpoint".into(), in_release("SHA256SUMS.sig")],
    ];
    for pair in pairs {
        let copy = project.copy();
        pair.iter().for_each(|path| flip(&copy.store().join(path)));
        let run = copy.relman(&["verify", TAG, "--json"]).exits(3);
        let found = subjects(&run);
        for path in &pair {
            let wanted = named(path);
            assert!(
                found.contains(&wanted),
                "{wanted} of {pair:?} is not in {found:?}"
            );
        }
    }
}

#[test]
fn a_stray_file_in_a_release_directory_is_a_finding() {
    let project = Project::published("verify-stray");
    let dir = project.store().join(TAG);
    fs::write(dir.join("timed.new"), "echo evil\n").unwrap();
    symlink("/etc/passwd", dir.join("link")).unwrap();
    fs::create_dir(dir.join("dir")).unwrap();
    let run = project.relman(&["verify", TAG, "--json"]).exits(3);
    for name in ["timed.new", "link", "dir"] {
        let wanted = format!("{TAG}/{name}");
        assert!(subjects(&run).contains(&wanted), "{wanted}: {run:?}");
    }
}

#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let project = Project::published("verify-special");
    let archive = format!(
        "targets/{}",
        files(&project.store().join("targets")).remove(0)
    );
    let binary = format!("{TAG}/timed");
    for path in [
        "metadata/timestamp.json",
        "log/checkpoint",
        &archive,
        &binary,
    ] {
        let makes: [fn(&Path); 4] = [
            |p| assert!(Command::new("mkfifo").arg(p).status().unwrap().success()),
            |p| symlink("/dev/zero", p).unwrap(),
            |p| symlink(p.file_name().unwrap(), p).unwrap(),
            |p| fs::create_dir(p).unwrap(),
        ];
        for make in makes {
            let copy = project.copy();
            let file = copy.store().join(path);
            fs::remove_file(&file).unwrap();
            make(&file);
            copy.relman(&["verify", TAG]).exits(3).says(&[&named(path)]);
        }
    }
}

#[test]
fn another_projects_store_under_our_root_is_refused() {
    let (mine, theirs) = (
        Project::published("verify-mine"),
        Project::published("verify-theirs"),
    );
    let root = mine.path("keys/root.json");
    let (root, store) = (root.to_str().unwrap(), theirs.store());
    let store = store.to_str().unwrap();
    let run = mine.relman(&["verify", TAG, "--store", store]).exits(3);
    run.says(&["valid signatures", "root version 1"]);
    mine.relman(&["list", "--store", store, "--root", root])
        .exits(3);
    // The whole of it, root included, is theirs; no harm, for they are not trusted by anybody here.
    let root = theirs.path("keys/root.json");
    mine.relman(&[
        "verify",
        TAG,
        "--store",
        store,
        "--root",
        root.to_str().unwrap(),
    ])
    .exits(0);
}

#[test]
fn another_projects_release_in_our_store_is_refused() {
    let (mine, theirs) = (
        Project::published("verify-swap"),
        Project::published("verify-other"),
    );
    for part in [TAG, "log", "metadata/timestamp.json"] {
        let copy = mine.copy();
        let place = copy.store().join(part);
        match place.is_dir() {
            true => fs::remove_dir_all(&place).unwrap(),
            false => fs::remove_file(&place).unwrap(),
        }
        copy_tree(&theirs.store().join(part), &place);
        copy.relman(&["verify", TAG]).exits(3);
    }
}

#[test]
fn an_older_release_under_a_newer_ones_name_is_refused() {
    let project = history("verify-older");
    let (old, new) = (project.store().join(TAG), project.store().join(SECOND));
    for name in [
        "timed",
        "provenance.intoto.jsonl",
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "release.tlog-proof",
    ] {
        replace(&new.join(name), &fs::read(old.join(name)).unwrap());
    }
    let run = project.relman(&["verify", SECOND, "--json"]).exits(3);
    let found = subjects(&run);
    for name in [
        "provenance.intoto.jsonl",
        "SHA256SUMS",
        "release.tlog-proof",
    ] {
        let wanted = format!("{SECOND}/{name}");
        assert!(found.contains(&wanted), "{wanted} is not in {found:?}");
    }
}

#[test]
fn an_archive_and_a_release_directory_are_verified_wherever_they_are() {
    let project = Project::published("verify-paths");
    let elsewhere = project.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    copy_tree(&project.store().join(TAG), &elsewhere);
    let archive = elsewhere.join(TAG).join(format!("{TAG}.tar.gz"));
    let digest = files(&project.store().join("targets")).remove(0);
    let by_digest = project.store().join("targets").join(digest);
    let directory = elsewhere.join(TAG);
    for path in [&archive, &by_digest, &directory] {
        let path = path.to_str().unwrap();
        project
            .relman(&["verify", path])
            .exits(0)
            .says(&["is verified"]);
    }
    let relative = format!("../elsewhere/{TAG}/{TAG}.tar.gz");
    project.relman(&["verify", &relative]).exits(0);

    flip(&archive);
    let run = project
        .relman(&["verify", archive.to_str().unwrap()])
        .exits(3);
    run.says(&["hashes to", "is NOT verified"]);
    let run = project
        .relman(&["verify", directory.to_str().unwrap()])
        .exits(3);
    run.says(&[&format!("{TAG}/{TAG}.tar.gz")]);
    // The store itself is as good as before.
    project.is_verified(TAG);

    flip(&directory.join("timed"));
    let run = project
        .relman(&["verify", directory.to_str().unwrap()])
        .exits(3);
    run.says(&[&format!("{TAG}/timed")]);
}

#[test]
fn paths_that_lead_nowhere_are_errors_that_say_so() {
    let project = Project::published("verify-nowhere");
    for (what, code) in [
        ("./nothing.tar.gz", 1),
        ("/no/such/place/phase1-sig-verify-1.0.0", 1),
        ("releases", 2),
        ("../", 2),
        ("phase1-sig-verify-9.9.9", 3),
        ("\x1b[2J", 2),
        ("/\x1b[2J/x", 1),
        ("", 2),
    ] {
        let run = project.relman(&["verify", "--", what]).exits(code);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(
            !said.contains('\x1b') && !said.is_empty(),
            "{what:?}: {run:?}"
        );
    }
    for (more, code) in [
        (["--store", "/no/such/place"], 1),
        (["--store", "file:///etc"], 2),
        (["--store", "ftp://example.org/"], 2),
        (["--store", "http://user:secret@127.0.0.1/"], 2),
        (["--root", "/no/such/place"], 1),
        (["--root", "relman.toml"], 3),
        (["--root", "/dev/zero"], 3),
    ] {
        let run = project
            .relman(&["verify", TAG, more[0], more[1]])
            .exits(code);
        assert!(!run.stderr.contains("secret"), "{run:?}");
    }
}

#[test]
fn an_expired_timestamp_is_told_with_its_time_and_what_to_do() {
    let project = Project::published("verify-expired");
    let later = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("RELMAN_INSECURE_NOW", "2026-03-01T00:00:00Z");
        Run::of(command.output().unwrap())
    };
    let run = later(&["verify", TAG]).exits(3);
    let run = run.says(&[
        "timestamp.json: version 2 expired at 2026-02-08T00:00:00Z",
        "relman timestamp",
    ]);
    // Everything else is checked all the same.
    run.says(&["ok      files"]);
    later(&["list"])
        .exits(0)
        .says(&["warning: timestamp.json version 2 expired"]);
    later(&["timestamp"]).exits(0);
    later(&["verify", TAG]).exits(0);
}

#[test]
fn a_directory_that_is_missing_or_a_file_is_named() {
    let project = Project::published("verify-dirs");
    for dir in ["metadata", "log", "log/tile", "targets", TAG] {
        let copy = project.copy();
        let place = copy.store().join(dir);
        fs::remove_dir_all(&place).unwrap();
        copy.relman(&["verify", TAG]).exits(3);
        fs::write(&place, "a file").unwrap();
        copy.relman(&["verify", TAG]).exits(3);
    }
    let copy = project.copy();
    fs::remove_dir_all(copy.store()).unwrap();
    copy.relman(&["verify", TAG])
        .exits(1)
        .says(&["there is no store at"]);
    copy.relman(&["list"]).exits(1);
}

/// Runs as a user who is not root, for whom permissions count.
fn as_nobody(project: &Project, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    if rustix::process::geteuid().is_root() {
        // Git would not look at a repository that is somebody else's.
        let config = project.beside("home/.gitconfig");
        fs::write(config, "[safe]\n\tdirectory = *\n").unwrap();
        command.uid(65_534).gid(65_534);
    }
    Run::of(command.output().expect("relman runs"))
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_store_can_be_read_and_not_written() {
    let project = Project::published("verify-read-only");
    project.second();
    set_mode(&project.beside(""), 0o755);
    let dirs: Vec<PathBuf> = [".", "metadata", "log", "targets", TAG]
        .map(|d| project.store().join(d))
        .into();
    dirs.iter().for_each(|dir| set_mode(dir, 0o555));
    as_nobody(&project, &["list"]).exits(0).says(&[TAG]);
    as_nobody(&project, &["verify", TAG]).exits(0);
    let run = as_nobody(&project, &["cut", SECOND]).exits(1);
    run.says(&["ermission denied", "hint: "]);
    dirs.iter().for_each(|dir| set_mode(dir, 0o755));
    project.relman(&["cut", SECOND]).exits(0);
}

#[test]
fn what_may_not_be_read_is_named() {
    let project = Project::published("verify-unreadable");
    set_mode(&project.beside(""), 0o755);
    let binary = format!("{TAG}/timed");
    for path in [
        "metadata",
        "metadata/timestamp.json",
        "log",
        TAG,
        &binary,
        "targets",
    ] {
        let place = project.store().join(path);
        let before = fs::metadata(&place).unwrap().permissions();
        set_mode(&place, 0o000);
        let run = as_nobody(&project, &["verify", TAG]).exits(3);
        run.says(&[path, "ermission denied"]);
        fs::set_permissions(&place, before).unwrap();
    }
    as_nobody(&project, &["verify", TAG]).exits(0);
}
