//! Stories about `relman.toml`.

use super::*;
use crate::Kind;

fn refused(text: &str) -> String {
    let e = Config::parse(text).expect_err(text);
    assert_eq!(e.kind(), Kind::Usage, "{text}");
    e.to_string()
}

#[test]
fn the_template_parses_to_the_defaults_and_names_every_key() {
    let text = template("timed");
    let config = Config::parse(&text).unwrap();
    assert_eq!(config, Config::parse("project = \"timed\"").unwrap());
    assert_eq!(config.log_origin(), "timed/relman-log");

    let is_key = |l: &str| {
        l.split_once(" = ")
            .is_some_and(|(k, _)| !k.contains(|c: char| c != '_' && !c.is_ascii_alphabetic()))
    };
    let full: String = text
        .lines()
        .map(|l| match l.strip_prefix("# ") {
            Some(bare) if is_key(bare) || bare.starts_with('[') => format!("{bare}\n"),
            _ => format!("{l}\n"),
        })
        .collect();
    let full = Config::parse(&full).unwrap();
    assert_eq!(full.build.extra_files.len(), 1);
    assert_eq!(full.build.env.len(), 1);
    assert_eq!(full.expiry.timestamp, 7);
    let json = serde_json::to_value(&full).unwrap();
    let mut keys = Vec::new();
    fn collect(value: &serde_json::Value, keys: &mut Vec<String>) {
        for inner in value.as_array().into_iter().flatten() {
            collect(inner, keys);
        }
        for (key, inner) in value.as_object().into_iter().flatten() {
            keys.push(key.clone());
            collect(inner, keys);
        }
    }
    collect(&json, &mut keys);
    assert!(full.gate[0].number.is_some() && full.gate[0].forbid_new.is_some());
    for key in keys {
        assert!(text.contains(&key), "{key} is not in the template");
    }
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_what_is_allowed() {
    let message = refused("project = \"a\"\n[build]\nfeature = []\n");
    assert!(
        message.contains("line 3")
            && message.contains("`feature`")
            && message.contains("`features`"),
        "{message}"
    );
    assert!(refused("project = \"a\"\n[tags]\npattern = \"x\"").contains("`phase`"));
    assert!(refused("project = 1").contains("line 1"));
    assert!(refused("[build]").contains("project"));
    assert!(refused(&" ".repeat(2_000_000)).contains("2000000 bytes"));
}

#[test]
fn values_that_would_break_a_cut_are_refused() {
    for (text, why) in [
        ("build.binaries = [\"../x\"]", "build.binaries"),
        ("build.binaries = [\"x\", \"x\"]", "once"),
        ("build.command = [\"make\"]", "build.binaries"),
        (
            "build.command = [\"make\"]\nbuild.binaries = [\"/bin/sh\"]",
            "relative path",
        ),
        (
            "build.extra_files = [{from = \"/etc/passwd\"}]",
            "build.extra_files.from",
        ),
        (
            "build.extra_files = [{from = \"a\", to = \"../a\"}]",
            "build.extra_files.to",
        ),
        (
            "build.extra_files = [{from = \"x/INSTALLATION.md\"}]",
            "nothing else",
        ),
        ("build.features = [\"--config=x\"]", "build.features"),
        ("build.env = {RUSTFLAGS = \"-C x\"}", ".cargo/config.toml"),
        ("build.env = {\"A=B\" = \"x\"}", "build.env"),
        ("build.timeout_minutes = 0", "1 to 1440"),
        ("expiry.timestamp = 0", "expiry.timestamp"),
        ("expiry.fixed = \"2030-01-01\"", "expiry.fixed"),
        ("log.origin = \"a b\"", "log.origin"),
        (
            "release.repository = \"https://me:secret@example.org/x\"",
            "without credentials",
        ),
    ] {
        let message = refused(&format!("project = \"a\"\n{text}"));
        assert!(message.contains(why), "{text}: {message}");
    }
    assert!(refused("project = \"a b\"").contains("project"));
}

#[test]
fn a_remote_with_a_password_never_reaches_provenance() {
    for (url, public) in [
        (
            "https://me:secret@example.org/a/b.git",
            Some("https://example.org/a/b.git"),
        ),
        (
            "https://example.org/a?token=x#y",
            Some("https://example.org/a"),
        ),
        ("git@example.org:a/b.git", Some("ssh://example.org/a/b.git")),
        ("ssh://git@example.org:22/a", Some("ssh://example.org:22/a")),
        ("/home/me/project", None),
        ("../project", None),
        ("./a:b", None),
        ("file:///home/me/project", None),
        ("https://", None),
        ("ext::sh -c evil", None),
    ] {
        assert_eq!(public_url(url).as_deref(), public, "{url}");
    }
    let config = Config::parse("project = \"a\"").unwrap();
    assert_eq!(config.repository(Some("/home/me/project")), "local");
    assert_eq!(config.repository(None), "local");
    assert_eq!(config.repository(Some("git@h:p")), "ssh://h/p");
}

#[test]
fn a_gate_that_cannot_be_meant_is_refused_with_what_is_wanted() {
    let gate = |text: &str| format!("project = \"a\"\n[[gate]]\nname = \"unit\"\n{text}\n");
    for (text, wanted) in [
        ("", "a command, or nothing but"),
        ("command = [\"\"]", "a program as its first word"),
        ("command = [\"x\"]\ntimeout_minutes = 0", "1 to 10080"),
        ("command = [\"x\"]\ntimeout_minutes = 10081", "1 to 10080"),
        ("command = [\"x\"]\ncounts = \"junit\"", "gate.report"),
        ("command = [\"x\"]\nreport = \"a.xml\"", "counts beside it"),
        (
            "command = [\"x\"]\ncounts = \"junit\"\nreport = \"../a.xml\"",
            "a relative path",
        ),
        (
            "command = [\"x\"]\ncounts = \"cargo-test\"\nreport = \"a\"",
            "no file",
        ),
        ("command = [\"x\"]\nmin_tests = 5", "gate.counts"),
        (
            "command = [\"x\"]\ncounts = \"cargo-test\"\nmin_tests = 0",
            "1 or more",
        ),
        (
            "command = [\"x\"]\ncounts = \"cargo-test\"\nmin_tests = -1",
            "line 6",
        ),
        ("command = [\"x\"]\nmin_test = 5", "`min_tests`"),
        ("required_files = [\"/etc/passwd\"]", "relative paths"),
        (
            "command = [\"x\"]\n[gate.env]\nHOME = \"/\"",
            "does not set itself",
        ),
        (
            "command = [\"x\"]\n[gate.number]\npattern = \"([0-9]+\"\nat_least = 1",
            "regular expression",
        ),
        (
            "command = [\"x\"]\n[gate.number]\npattern = \"[0-9]+\"\nat_least = 1",
            "one group",
        ),
        (
            "command = [\"x\"]\n[gate.number]\npattern = \"([0-9]+)\"",
            "at_least, at_most",
        ),
        (
            "command = [\"x\"]\n[gate.number]\npattern = \"(x)\"\nat_least = 99.5",
            "written as text",
        ),
        (
            "command = [\"x\"]\n[gate.number]\npattern = \"(x)\"\nat_least = \"nan\"",
            "whole number",
        ),
        (
            "command = [\"x\"]\n[gate.coverage]\nfile = \"a\"\nformat = \"lcov\"\npaths = []\nmin_percent = 90",
            "critical paths",
        ),
        (
            "command = [\"x\"]\n[gate.coverage]\nfile = \"a\"\nformat = \"lcov\"\npaths = [\"s\"]\nmin_percent = 101",
            "at most 100",
        ),
        (
            "[gate.forbid_new]\npattern = \"a{1000}{1000}{1000}\"",
            "regular expression",
        ),
    ] {
        let message = refused(&gate(text));
        assert!(message.contains(wanted), "{text}: {message}");
    }
    let named = |name: &str| format!("[[gate]]\nname = \"{name}\"\ncommand = [\"x\"]\n");
    let message = refused(&format!("project = \"a\"\n{}", named("Unit Tests")));
    assert!(message.contains("lower-case words"), "{message}");
    let message = refused(&format!(
        "project = \"a\"\n{}{}",
        named("unit"),
        named("unit")
    ));
    assert!(message.contains("each name once"), "{message}");
    assert!(Config::parse(&gate("[gate.forbid_new]")).is_ok());
    assert!(
        Config::parse(&gate(
            "command = [\"x\"]\nenv = { RUSTFLAGS = \"-Dwarnings\" }"
        ))
        .is_ok()
    );
}
