//! The gates of a project that names none, with the real cargo.

use std::path::Path;
use std::process::Command;

use crate::common::relman::{Project, Run, SECOND, TAG};
use crate::gate_cli::results;

const GOOD: &str = "fn main() {\n    println!(\"{}\", add(1, 2));\n}\n\nfn add(a: u64, b: u64) -> u64 {\n    a + b\n}\n\n\
    #[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {\n        assert_eq!(super::add(2, 2), 4);\n    }\n}\n";

/// As [`Project::command`], where the Rust that runs these tests is found.
fn with_rust(project: &Project, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    let home = |name: &str, below: &str| {
        let named = std::env::var(name).ok();
        named.unwrap_or_else(|| format!("{}/{below}", std::env::var("HOME").unwrap_or_default()))
    };
    let bin = Path::new(env!("CARGO"))
        .parent()
        .expect("cargo is in a directory");
    command
        .env("RUSTUP_HOME", home("RUSTUP_HOME", ".rustup"))
        .env("CARGO_HOME", home("CARGO_HOME", ".cargo"))
        .env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()),
        );
    command
}

fn gate(project: &Project, tag: &str) -> Run {
    Run::of(
        with_rust(project, &["gate", tag])
            .output()
            .expect("relman runs"),
    )
}

fn commit(project: &Project, main: &str, tag: &str) {
    project.write("src/main.rs", main);
    project.git(&["add", "."]);
    project.commit_and_tag("feat: more", tag);
}

#[test]
fn format_lint_build_and_tests_of_a_crate_pass_and_each_can_fail() {
    let project = Project::empty("gate-cargo");
    project.git(&["init", "-q", "-b", "main", "."]);
    std::fs::create_dir(project.path("src")).unwrap();
    let name = &project.name;
    project.write("relman.toml", &format!("project = \"{name}\"\n"));
    project.write(".gitignore", "/target\n/.relman/\n");
    project.write("prog.sh", "");
    let crate_name = "timed";
    project.write(
        "Cargo.toml",
        &format!("[package]\nname = \"{crate_name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    );
    project.write(
        "Cargo.lock",
        &format!("version = 4\n\n[[package]]\nname = \"{crate_name}\"\nversion = \"0.1.0\"\n"),
    );
    commit(&project, GOOD, TAG);
    project.relman(&["init", "--yes"]).exits(0);
    gate(&project, TAG)
        .exits(0)
        .says(&["fmt ok", "clippy ok", "build ok", "test ok", "1 passed"]);
    let found = results(&project, TAG);
    let names: Vec<&str> = found.iter().map(|result| result.gate.as_str()).collect();
    assert_eq!(names, ["fmt", "clippy", "build", "test"]);
    assert!(found[3].toolchain.cargo.starts_with("cargo "));
    assert_eq!(found[3].passed_tests, ["tests::adds"]);
    assert!(found[3].materials.lockfile.is_some());

    let bad = GOOD
        .replace("    println!", "  let unused = 1; println!")
        .replace("4);", "5);");
    commit(&project, &bad, SECOND);
    let run = gate(&project, SECOND).exits(1);
    run.says(&[
        "fmt FAILED: exited with 1",
        "clippy FAILED: exited with 101",
        "build FAILED: \"warning: unused variable",
        "test FAILED: exited with 101",
        "1 tests failed: tests::adds",
        "4 of 4 gates failed",
    ]);
}
