//! Stories about what a build is given, and what it is not.

use super::*;
use crate::release::source::Toolchain;
use crate::release::tag::{Pattern, Tag};

fn info() -> TagInfo {
    TagInfo {
        tag: Tag::parse("phase1-a-1.0.0", Pattern::Phase).unwrap(),
        object: None,
        commit: "1".repeat(40),
        tree: "2".repeat(40),
        annotation: String::new(),
        tagger: None,
        tag_time: None,
        commit_time: 1_700_000_000,
        is_signed: false,
    }
}

fn places() -> Places {
    Places {
        clone: "/w/src".into(),
        target: "/w/src-target".into(),
        cargo_home: "/w/cargo".into(),
        home: "/w/home".into(),
        log: "/w/log".into(),
    }
}

fn facts() -> Facts {
    Facts {
        toolchain: Toolchain {
            cargo: "cargo 1.95.0".into(),
            rustc: "rustc 1.95.0".into(),
            host: "x86_64-unknown-linux-gnu".into(),
        },
        sysroot: Some("/rustup/toolchains/stable".into()),
        rustc_commit: Some("abc".into()),
        environment: vec![("PATH".into(), "/bin".into())],
        ..Facts::default()
    }
}

fn plan(config: &str) -> BuildPlan {
    let config = Config::parse(&format!("project = \"timed\"\n{config}")).unwrap();
    BuildPlan::new(&config, &info(), &facts(), places()).unwrap()
}

#[test]
fn the_default_is_a_locked_cargo_build_in_a_fixed_environment() {
    let plan = plan("");
    assert_eq!(
        plan.argv.join(" "),
        "cargo build --locked --profile release --bins --message-format=json-render-diagnostics"
    );
    assert_eq!(plan.env["SOURCE_DATE_EPOCH"], "1700000000");
    assert_eq!(plan.env["TZ"], "UTC");
    assert_eq!(plan.env["HOME"], "/w/home");
    assert_eq!(plan.env["PATH"], "/bin");
    assert_eq!(plan.timeout, Duration::from_secs(3600));
    assert_eq!(plan.wanted, Wanted::Reported(vec![]));
}

#[test]
fn options_reach_cargo_as_separate_words() {
    let plan = plan(
        "[build]\nprofile = \"dist\"\nfeatures = [\"a\", \"b/c\"]\ntarget = \"x86_64-unknown-linux-musl\"\n\
         packages = [\"p\"]\nbinaries = [\"timed\", \"time-cli\"]\n[build.env]\nNETWORK = \"mainnet\"",
    );
    assert_eq!(
        plan.argv.join(" "),
        "cargo build --locked --profile dist --features a,b/c --target x86_64-unknown-linux-musl \
         --package p --bin timed --bin time-cli --message-format=json-render-diagnostics"
    );
    assert_eq!(plan.env["NETWORK"], "mainnet");
}

#[test]
fn a_command_of_the_projects_own_keeps_its_target_directory() {
    let plan = plan("[build]\ncommand = [\"make\", \"all\"]\nbinaries = [\"out/timed\"]");
    assert_eq!(plan.argv, ["make", "all"]);
    assert_eq!(plan.wanted, Wanted::Paths(vec!["out/timed".into()]));
    assert!(!plan.env.contains_key("CARGO_TARGET_DIR"));
    assert!(
        plan.cargo_config
            .contains("--remap-path-prefix=/w/src=/src")
    );
}

#[test]
fn the_longest_path_is_told_last_because_the_last_match_wins() {
    let from: Vec<String> = plan("").remaps.into_iter().map(|(f, _)| f).collect();
    assert_eq!(
        from,
        [
            "/w/src",
            "/w/cargo",
            "/w/src-target",
            "/rustup/toolchains/stable/lib/rustlib/src/rust"
        ]
    );
}

#[test]
fn c_flags_of_the_project_stay_in_front() {
    let config = Config::parse("project = \"a\"").unwrap();
    let mut facts = facts();
    facts.project_cargo_config = Some("[env]\nCFLAGS = \"-O1\"".into());
    let plan = BuildPlan::new(&config, &info(), &facts, places()).unwrap();
    assert!(plan.env["CFLAGS"].starts_with("-O1 -ffile-prefix-map=/w/src=/src "));
    assert!(plan.env["CXXFLAGS"].starts_with("-ffile-prefix-map="));
}

#[test]
fn a_kept_target_directory_serves_other_tags_but_not_other_flags() {
    let base = plan("");
    let mut later = base.clone();
    later.env.insert("SOURCE_DATE_EPOCH".into(), "1".into());
    assert_eq!(base.cache_key(), later.cache_key());
    let other = plan("build.features = [\"x\"]");
    assert_ne!(base.cache_key(), other.cache_key());
    let mut newer = base.clone();
    newer.toolchain.rustc = "rustc 1.96.0".into();
    assert_ne!(base.cache_key(), newer.cache_key());
}

#[test]
fn a_relative_build_directory_is_refused() {
    let config = Config::parse("project = \"a\"").unwrap();
    let places = Places {
        clone: "src".into(),
        ..places()
    };
    assert!(BuildPlan::new(&config, &info(), &facts(), places).is_err());
}
