//! Recipes that are followed, and those that are not.

use serde_json::json;

use super::*;
use crate::attest::Subject;
use crate::attest::provenance::{Builder, Cut, Resource, SourceClaims};
use crate::hash::Sha256;

fn cut(command: &[&str]) -> Cut {
    Cut {
        repository: "https://example.org/timed".into(),
        tag: "phase1-a-1.0.0".into(),
        tag_object: Some("3".repeat(40)),
        commit: "1".repeat(40),
        tree: "2".repeat(40),
        build: BTreeMap::from([
            ("command".into(), json!(command)),
            ("profile".into(), json!("dist")),
            ("features".into(), json!(["metrics"])),
            ("target".into(), json!(null)),
            ("packages".into(), json!(["timed"])),
            ("environment".into(), json!({ "COLOUR": "red" })),
        ]),
        source: SourceClaims::default(),
        derived: {
            let mut derived = crate::release::assemble::packing();
            derived.insert("host".into(), "x".into());
            derived
        },
        resources: vec![Resource {
            name: "rustc".into(),
            uri: Some("pkg:generic/rustc@1.95.0".into()),
            annotations: BTreeMap::from([("version", "rustc 1.95.0".into())]),
            ..Resource::default()
        }],
        builder: Builder::Workstation,
        builder_version: env!("CARGO_PKG_VERSION").into(),
        started: "2026-02-01T00:00:00Z".parse().unwrap(),
        finished: "2026-02-01T00:01:00Z".parse().unwrap(),
        byproducts: BTreeMap::from([("build.log", Sha256::of(b"log"))]),
    }
}

fn statement(command: &[&str]) -> Statement {
    cut(command).statement(vec![Subject::new(
        "phase1-a-1.0.0.tar.gz",
        Sha256::of(b"a"),
    )])
}

const CARGO_COMMAND: [&str; 8] = [
    "cargo",
    "build",
    "--locked",
    "--profile",
    "dist",
    "--bin",
    "timed",
    CARGO_LAST,
];

fn tagged(build: &str) -> Config {
    Config::parse(&format!("project = \"other\"\n[build]\n{build}")).unwrap()
}

#[test]
fn everything_that_was_recorded_is_read() {
    let recipe = Recipe::read(&statement(&CARGO_COMMAND)).unwrap();
    assert_eq!(recipe.claims.commit, "1".repeat(40));
    assert_eq!(
        (recipe.tree, recipe.tag_object),
        ("2".repeat(40), Some("3".repeat(40)))
    );
    assert_eq!(recipe.toolchain.rustc, "rustc 1.95.0");
    assert_eq!(recipe.toolchain.cargo, "");
    assert_eq!(recipe.parameters.environment["COLOUR"], "red");
    assert_eq!(recipe.packing["level"], 7);
}

#[test]
fn a_crate_called_like_a_tool_is_not_the_tool() {
    let mut statement = statement(&CARGO_COMMAND);
    let list = statement
        .predicate
        .pointer_mut("/buildDefinition/resolvedDependencies")
        .unwrap();
    let crate_ = json!({ "name": "rustc", "uri": "pkg:cargo/rustc@1", "digest": { "sha256": "0" }, "annotations": { "version": "1" } });
    list.as_array_mut().unwrap().insert(1, crate_);
    assert_eq!(
        Recipe::read(&statement).unwrap().toolchain.rustc,
        "rustc 1.95.0"
    );
}

#[test]
fn what_was_recorded_counts_and_not_what_the_tag_configures() {
    let recipe = Recipe::read(&statement(&CARGO_COMMAND)).unwrap();
    let tagged = tagged(
        "profile = \"release\"\nbinaries = [\"other\"]\nextra_files = [{ from = \"timed.toml\" }]\n",
    );
    let (config, notes) = recipe.config("timed", Some(&tagged)).unwrap();
    assert_eq!(config.project, "timed");
    assert_eq!(
        (config.build.profile.as_str(), config.build.binaries),
        ("dist", vec!["timed".to_owned()])
    );
    assert_eq!(config.build.features, ["metrics"]);
    assert_eq!(config.build.extra_files.len(), 1);
    assert!(config.build.command.is_empty());
    assert!(
        notes[0].contains("what its provenance records counts"),
        "{notes:?}"
    );
}

#[test]
fn a_tag_that_says_the_same_is_no_news() {
    let recipe = Recipe::read(&statement(&CARGO_COMMAND)).unwrap();
    let same = "profile = \"dist\"\nfeatures = [\"metrics\"]\npackages = [\"timed\"]\nbinaries = [\"timed\"]\nenv = { COLOUR = \"red\" }\n";
    assert_eq!(
        recipe.config("timed", Some(&tagged(same))).unwrap().1,
        [""; 0]
    );
    assert_eq!(recipe.config("timed", None).unwrap().1, [""; 0]);
}

#[test]
fn a_command_of_the_projects_own_needs_the_tags_names() {
    let recipe = Recipe::read(&statement(&["make", "all"])).unwrap();
    let tagged = tagged("command = [\"make\"]\nbinaries = [\"out/timed\"]\n");
    let (config, _) = recipe.config("timed", Some(&tagged)).unwrap();
    assert_eq!(config.build.command, ["make", "all"]);
    let e = recipe.config("timed", None).unwrap_err();
    assert!(e.to_string().contains("no relman.toml"), "{e}");
}

#[test]
fn recorded_values_that_no_configuration_may_have_are_refused() {
    for (name, value) in [
        ("environment", json!({ "HOME": "/" })),
        ("environment", json!({ "RUSTFLAGS": "-C x" })),
        ("profile", json!("../x")),
        ("features", json!(["--config"])),
        ("target", json!("-x")),
    ] {
        let mut cut = cut(&CARGO_COMMAND);
        cut.build.insert(name.into(), value);
        let statement = cut.statement(vec![Subject::new("a", Sha256::of(b"a"))]);
        let e = Recipe::read(&statement)
            .unwrap()
            .config("timed", None)
            .unwrap_err();
        assert!(
            e.to_string().contains("cannot be built again"),
            "{name}: {e}"
        );
    }
    assert!(
        Recipe::read(&statement(&CARGO_COMMAND))
            .unwrap()
            .config("../x", None)
            .is_err()
    );
}

#[test]
fn a_parameter_that_this_version_would_not_follow_is_refused() {
    for (name, value) in [
        ("sandbox", json!(true)),
        ("command", json!("make")),
        ("profile", json!(null)),
    ] {
        let mut cut = cut(&CARGO_COMMAND);
        cut.build.insert(name.into(), value);
        let statement = cut.statement(vec![Subject::new("a", Sha256::of(b"a"))]);
        let e = Recipe::read(&statement).unwrap_err();
        assert!(e.to_string().contains("its parameters"), "{name}: {e}");
    }
}

#[test]
fn other_tools_are_named_with_both_versions() {
    let recipe = Recipe::read(&statement(&CARGO_COMMAND)).unwrap();
    let same = recipe.toolchain.clone();
    assert_eq!(recipe.other_tools(&same), []);
    let here = Toolchain {
        rustc: "rustc 1.96.0".into(),
        host: String::new(),
        ..same
    };
    let told: Vec<String> = recipe
        .other_tools(&here)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        told[0].contains("rustc 1.95.0 then, rustc 1.96.0 here"),
        "{told:?}"
    );
    assert!(told[1].contains("x then, none here"), "{told:?}");
}
