//! What the values of `relman.toml` must be beyond their types. Pure.

use std::collections::BTreeSet;

use super::{Build, Config, Expiry, Store, bad};
use crate::Result;

mod gates;

/// Variables that relman sets itself.
const OWN_VARIABLES: [&str; 13] = [
    "PATH",
    "HOME",
    "TZ",
    "LC_ALL",
    "SOURCE_DATE_EPOCH",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "CARGO_TERM_COLOR",
    "RUSTUP_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "CARGO_BUILD_TARGET_DIR",
];
/// Variables that would undo path remapping; a gate may have them, since its bytes are in no release.
const FLAGS: [&str; 3] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
];

fn is_own_variable(name: &str) -> bool {
    OWN_VARIABLES.contains(&name)
}

fn is_flags(name: &str) -> bool {
    FLAGS.contains(&name) || (name.starts_with("CARGO_TARGET_") && name.ends_with("_RUSTFLAGS"))
}

/// Whether `path` stays below where it starts: relative, `/`-separated, no empty, `.` or `..`
/// parts, no backslash or control characters.
pub fn safe_relative(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= crate::limits::MAX_MEMBER_PATH_LEN
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && path.split('/').all(|p| !matches!(p, "" | "." | ".."))
}

/// A server's address: credentials have no place in a file that is committed.
fn is_endpoint(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#');
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(odd))
}

fn check_store(store: &Store) -> Result<()> {
    if let Some(url) = &store.url {
        let bucket = url.strip_prefix("s3://").map(|rest| rest.split('/'));
        let sound = bucket.is_some_and(|mut parts| {
            parts.next().is_some_and(is_name)
                && parts
                    .all(|part| !matches!(part, "." | "..") && (part.is_empty() || is_name(part)))
        });
        if !sound {
            return Err(bad(
                "store.url",
                url,
                "s3://bucket or s3://bucket/prefix, of letters, digits, `.`, `_` and `-`",
            ));
        }
        if store.path != Store::default().path {
            return Err(bad(
                "store.path",
                &store.path,
                "either store.path or store.url",
            ));
        }
    }
    if let Some(endpoint) = &store.endpoint
        && !is_endpoint(endpoint)
    {
        return Err(bad(
            "store.endpoint",
            endpoint,
            "a URL without credentials, such as https://s3.example.org",
        ));
    }
    Ok(())
}

pub(super) fn check(config: &Config) -> Result<()> {
    let project = &config.project;
    if !is_name(project) || project.len() > 64 || project.starts_with(['.', '-']) {
        return Err(bad(
            "project",
            project,
            "letters, digits, `.`, `_` and `-`, at most 64",
        ));
    }
    check_build(&config.build)?;
    for (key, value) in [
        ("store.path", &config.store.path),
        ("trust.keys", &config.trust.keys),
    ] {
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(bad(key, value, "the path of a directory"));
        }
    }
    check_store(&config.store)?;
    check_expiry(&config.expiry)?;
    gates::check(&config.gate)?;
    if let Some(origin) = &config.log.origin
        && (origin.is_empty()
            || origin.len() > 255
            || origin
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || c == '+'))
    {
        return Err(bad(
            "log.origin",
            origin,
            "a name without spaces and `+`, such as example.org/log",
        ));
    }
    if let Some(url) = &config.release.repository
        && super::public_url(url).as_ref() != Some(url)
    {
        return Err(bad(
            "release.repository",
            url,
            "a URL without credentials, such as https://example.org/project",
        ));
    }
    config
        .release
        .edges()
        .check()
        .map_err(|e| e.under("what [release] declares for nodes that go back"))
}

fn check_build(build: &Build) -> Result<()> {
    if !is_name(&build.profile) || build.profile.starts_with('-') {
        return Err(bad(
            "build.profile",
            &build.profile,
            "the name of a cargo profile, such as release",
        ));
    }
    let plain = |s: &&String| {
        s.is_empty() || s.starts_with('-') || s.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    for (key, values) in [
        ("build.features", &build.features),
        ("build.packages", &build.packages),
    ] {
        if let Some(v) = values.iter().find(plain) {
            return Err(bad(key, v, "names as cargo knows them"));
        }
    }
    if let Some(target) = &build.target
        && (!is_name(target) || target.starts_with('-'))
    {
        return Err(bad(
            "build.target",
            target,
            "a target triple, such as x86_64-unknown-linux-gnu",
        ));
    }
    if let Some(v) = build.command.iter().find(|v| v.contains('\0')) {
        return Err(bad("build.command", v, "words without NUL"));
    }
    if build.command.first().is_some_and(String::is_empty) {
        return Err(bad("build.command", "", "a program as its first word"));
    }
    check_binaries(build)?;
    for (name, value) in &build.env {
        if !is_variable(name) || value.contains('\0') {
            return Err(bad(
                "build.env",
                name,
                "variable names of letters, digits and `_`",
            ));
        }
        if is_own_variable(name) || is_flags(name) {
            let wanted = "a variable that relman does not set itself; compiler flags belong into .cargo/config.toml of the project";
            return Err(bad("build.env", name, wanted));
        }
    }
    if !(1..=1440).contains(&build.timeout_minutes) {
        return Err(bad(
            "build.timeout_minutes",
            &build.timeout_minutes.to_string(),
            "1 to 1440",
        ));
    }
    Ok(())
}

fn check_binaries(build: &Build) -> Result<()> {
    let own = !build.command.is_empty();
    if own && build.binaries.is_empty() {
        return Err(bad(
            "build.binaries",
            "",
            "the paths in the clone of what build.command makes",
        ));
    }
    let mut names = BTreeSet::new();
    for binary in &build.binaries {
        let good = if own {
            safe_relative(binary)
        } else {
            is_name(binary) && !binary.starts_with(['-', '.'])
        };
        if !good {
            let wanted = if own {
                "a relative path in the clone"
            } else {
                "the name of a binary target"
            };
            return Err(bad("build.binaries", binary, wanted));
        }
        if !names.insert(binary.rsplit('/').next().unwrap_or(binary)) {
            return Err(bad("build.binaries", binary, "each file name once"));
        }
    }
    for file in &build.extra_files {
        if !safe_relative(&file.from) {
            return Err(bad(
                "build.extra_files.from",
                &file.from,
                "a relative path in the clone",
            ));
        }
        if !safe_relative(file.member()) {
            return Err(bad(
                "build.extra_files.to",
                file.member(),
                "a relative path in the archive",
            ));
        }
        if !names.insert(file.member())
            || matches!(file.member(), "RELEASE_NOTES.md" | "INSTALLATION.md")
        {
            return Err(bad(
                "build.extra_files.to",
                file.member(),
                "a path that nothing else in the archive has",
            ));
        }
    }
    Ok(())
}

fn check_expiry(expiry: &Expiry) -> Result<()> {
    for (key, days) in [
        ("expiry.root", expiry.root),
        ("expiry.targets", expiry.targets),
        ("expiry.environment", expiry.environment),
        ("expiry.snapshot", expiry.snapshot),
        ("expiry.timestamp", expiry.timestamp),
    ] {
        if !(1..=3650).contains(&days) {
            return Err(bad(key, &days.to_string(), "1 to 3650 days"));
        }
    }
    if let Some(fixed) = &expiry.fixed
        && !(fixed.len() == 20 && fixed.ends_with('Z') && fixed.parse::<jiff::Timestamp>().is_ok())
    {
        return Err(bad(
            "expiry.fixed",
            fixed,
            "a time such as 2030-01-01T00:00:00Z",
        ));
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
