//! `relman rebuild` of real crates: one that is clean, one whose build script asks the clock, one that prints a path.

use std::fs;
use std::path::Path;

use crate::common::relman::{Project, Run, TAG};
use crate::rebuild_cli::{add_rebuilder, attested};

const CLEAN: &str = "fn main() {}\n";
const CLOCK: &str = r#"
use std::time::{SystemTime, UNIX_EPOCH};
fn main() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    println!("cargo::rustc-env=BUILT=built at {}", now.as_nanos());
}
"#;
const PATH: &str = r#"
fn main() {
    println!("cargo::rustc-env=BUILT={}/src/main.rs", std::env::var("CARGO_MANIFEST_DIR").unwrap());
}
"#;
const MAIN: &str = "fn main() { println!(\"timed {:?}\", option_env!(\"BUILT\")); }\n";

/// `relman` where cargo is found.
#[track_caller]
fn relman(project: &Project, arguments: &[&str]) -> Run {
    let tools = Path::new(env!("CARGO"))
        .parent()
        .expect("cargo is in a directory");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", tools.display());
    let output = project.command(arguments).env("PATH", path).output();
    Run::of(output.expect("relman runs"))
}

/// A published release of a crate without dependencies.
fn published(name: &str, build_script: &str) -> Project {
    let project = Project::empty(name);
    fs::create_dir(project.path("src")).expect("a directory can be made");
    let package = "[package]\nname = \"timed\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    project.write("Cargo.toml", package);
    let lock = "version = 3\n\n[[package]]\nname = \"timed\"\nversion = \"1.0.0\"\n";
    project.write("Cargo.lock", lock);
    project.write("build.rs", build_script);
    project.write("src/main.rs", MAIN);
    project.write("relman.toml", &format!("project = \"{}\"\n", project.name));
    project.git(&["init", "-q", "-b", "main", "."]);
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", "feat: begin"]);
    project.git(&["tag", "-a", TAG, "-m", "What it brings."]);
    project.relman(&["init", "--yes"]).exits(0);
    relman(&project, &["cut", TAG]).exits(0);
    project
}

#[test]
fn a_clean_crate_comes_out_the_same_whatever_the_working_tree_asks_for_by_now() {
    let project = published("rebuild-clean", CLEAN);
    add_rebuilder(&project);
    let other = format!(
        "project = \"{}\"\n[build]\nprofile = \"dev\"\n",
        project.name
    );
    project.write("relman.toml", &other);
    relman(&project, &["rebuild", TAG, "--out", "mine.jsonl"])
        .exits(0)
        .says(&["came out the same"]);
    let rebuild = attested(&project, &project.path("mine.jsonl"));
    assert!(
        rebuild.command.contains(&"release".to_owned()),
        "{rebuild:?}"
    );
    assert!(
        rebuild.toolchain["rustc"].starts_with("rustc "),
        "{rebuild:?}"
    );
    let size = fs::metadata(project.path("mine.jsonl")).unwrap().len();
    assert!(size < 4_096, "{size} bytes");
}

#[test]
fn a_build_script_that_asks_the_clock_is_caught_and_explained() {
    let project = published("rebuild-clock", CLOCK);
    add_rebuilder(&project);
    let run = relman(&project, &["rebuild", TAG]).exits(1);
    run.says(&[
        "came out different: 1 of 3 files",
        "timed: ELF, ",
        "build id: ",
        "section .rodata: ",
        "a clock in .rodata: a time: ",
        "built at ",
        "what to do",
        "SOURCE_DATE_EPOCH",
    ]);
    assert!(
        !project.path(".relman/attestations").exists(),
        "it was attested"
    );

    let run = relman(&project, &["rebuild", TAG, "--json"])
        .exits(1)
        .json();
    let (report, attested) = (&run["data"]["report"], &run["data"]["attested"]);
    assert_eq!(
        (run["outcome"].as_str(), attested.is_null()),
        (Some("failed"), true)
    );
    assert_eq!(report["same"], false);
    let difference = &report["differences"][0];
    assert_eq!(
        (difference["member"].as_str(), difference["sort"].as_str()),
        (Some("timed"), Some("elf"))
    );
    assert_eq!(difference["findings"][0]["cause"], "clock");
    assert_ne!(
        difference["findings"][0]["published"],
        difference["findings"][0]["rebuilt"]
    );
    let causes = report["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["cause"].as_str().unwrap());
    assert_eq!(causes.collect::<Vec<_>>(), ["clock"]);
}

#[test]
fn a_path_that_a_build_script_prints_is_caught_although_every_cut_has_the_same() {
    let project = published("rebuild-path", PATH);
    let run = relman(&project, &["rebuild", TAG]).exits(1);
    run.says(&[
        "a path in .rodata",
        "this rebuild's clone",
        "+rebuild/src",
        "CARGO_MANIFEST_DIR",
    ]);
}

#[test]
fn other_tools_are_told_before_the_build_and_first_among_the_advice() {
    let project = published("rebuild-tools", CLOCK);
    // A rustc that calls itself another one, as the toolchain of another day does.
    let bin = project.beside("bin");
    fs::create_dir(&bin).unwrap();
    let real = Path::new(env!("CARGO")).parent().unwrap();
    for tool in ["cargo", "rustc"] {
        let script = format!(
            "#!/bin/sh\nif test \"$1\" = -vV; then \"{0}/{tool}\" -vV | sed '1s/rustc [^ ]*/rustc 1.0.0/'\nelse exec \"{0}/{tool}\" \"$@\"; fi\n",
            real.display()
        );
        fs::write(bin.join(tool), script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(bin.join(tool), mode).unwrap();
    }
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
    let output = project
        .command(&["rebuild", TAG])
        .env("PATH", path)
        .output();
    let run = Run::of(output.unwrap()).exits(1);
    let told = run
        .stderr
        .find("rustc is not the one")
        .unwrap_or_else(|| panic!("{run:?}"));
    assert!(told < run.stderr.find("\n  build").unwrap(), "{run:?}");
    let advice = run.stdout.split("what to do").nth(1).unwrap();
    assert!(advice.trim_start().starts_with("other tools"), "{advice}");
    run.says(&["rustc 1.0.0"]);
}
