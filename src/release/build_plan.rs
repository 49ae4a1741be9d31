//! What exactly a build will run, worked out before anything runs. Pure.
//!
//! The same tag gives the same bytes whoever cuts it, so a plan's environment is built up from
//! nothing, and every path of this machine gets a fixed name in what the compilers write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hash::{Hasher, Sha256};
use crate::release::cargo_config;
use crate::release::config::Config;
use crate::release::source::{Facts, TagInfo, Toolchain};
use crate::{Error, Result};

/// The directories that a build uses: absolute, canonical, UTF-8, none inside another project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The clean clone.
    pub clone: PathBuf,
    /// Cargo's target directory; may be kept between cuts.
    pub target: PathBuf,
    /// The build's own cargo home; may be kept between cuts.
    pub cargo_home: PathBuf,
    /// The build's own, empty home directory.
    pub home: PathBuf,
    /// The log file.
    pub log: PathBuf,
}

/// Where a build's binaries are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Binary targets reported by cargo, of these names; all if empty.
    Reported(Vec<String>),
    /// Files at these paths in the clone.
    Paths(Vec<String>),
}

/// All that a build runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildPlan {
    /// The directories.
    pub places: Places,
    /// Program and arguments; no paths of this machine in them.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Text of `config.toml` in the build's cargo home.
    pub cargo_config: String,
    /// The user's cargo home, whose downloads are reused where their digests match.
    pub shared_cargo_home: Option<PathBuf>,
    /// Where the binaries are found.
    pub wanted: Wanted,
    /// When a build is stopped.
    pub timeout: Duration,
    /// The compiler that the clone asks for.
    pub toolchain: Toolchain,
    /// Path prefixes and the fixed names that replace them, most specific last.
    pub remaps: Vec<(String, String)>,
}

impl BuildPlan {
    /// Plans the build of a tag.
    ///
    /// # Errors
    /// Usage: a path that compilers cannot be told (not absolute, not UTF-8, control characters),
    /// a cargo configuration that is not TOML.
    pub fn new(config: &Config, info: &TagInfo, facts: &Facts, places: Places) -> Result<Self> {
        let remaps = remaps(&places, facts)?;
        Self::with_remaps(config, info, facts, places, remaps)
    }

    /// Plans what the gates of a tag have in common: the same environment, but with paths as they are,
    /// since coverage reports name sources by them, and always with cargo's own target directory.
    ///
    /// # Errors
    /// As [`BuildPlan::new`].
    pub fn for_gates(
        config: &Config,
        info: &TagInfo,
        facts: &Facts,
        places: Places,
    ) -> Result<Self> {
        let mut plan = Self::with_remaps(config, info, facts, places, Vec::new())?;
        let target = text(&plan.places.target)?.to_owned();
        plan.env.insert("CARGO_TARGET_DIR".into(), target);
        text(&plan.places.clone)?;
        Ok(plan)
    }

    fn with_remaps(
        config: &Config,
        info: &TagInfo,
        facts: &Facts,
        places: Places,
        remaps: Vec<(String, String)>,
    ) -> Result<Self> {
        let build = &config.build;
        let own = !build.command.is_empty();

        let mut env: BTreeMap<String, String> = facts.environment.iter().cloned().collect();
        env.extend(build.env.clone());
        for (name, value) in [
            ("CARGO_HOME", text(&places.cargo_home)?),
            ("CARGO_INCREMENTAL", "0"),
            ("CARGO_TERM_COLOR", "never"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("HOME", text(&places.home)?),
            ("LC_ALL", "C"),
            ("SOURCE_DATE_EPOCH", &info.commit_time.to_string()),
            ("TZ", "UTC"),
        ] {
            env.insert(name.into(), value.into());
        }
        if !own {
            // A command of the project's own finds what it makes where it expects it: in the clone.
            env.insert("CARGO_TARGET_DIR".into(), text(&places.target)?.into());
        }
        let project = facts.project_cargo_config.as_deref();
        for name in ["CFLAGS", "CXXFLAGS"] {
            let before = match build.env.get(name) {
                Some(value) => Some(value.clone()),
                None => cargo_config::project_env(project, name)?,
            };
            env.insert(name.into(), c_flags(before, &remaps));
        }

        let triple = build.target.as_deref().unwrap_or(&facts.toolchain.host);
        let place = cargo_config::rustflags_place(project, triple, &facts.cfg)?;
        let flags = rust_flags(&remaps);
        let user_base = facts.user_cargo_home.as_deref().and_then(Path::parent);
        let cargo_config = cargo_config::private_config(
            facts.user_cargo_config.as_deref(),
            user_base,
            &flags,
            place,
        )?;
        Ok(BuildPlan {
            argv: if own {
                build.command.clone()
            } else {
                cargo_argv(config)
            },
            env,
            cargo_config,
            shared_cargo_home: facts.user_cargo_home.clone(),
            wanted: if own {
                Wanted::Paths(build.binaries.clone())
            } else {
                Wanted::Reported(build.binaries.clone())
            },
            timeout: Duration::from_secs(build.timeout_minutes.saturating_mul(60)),
            toolchain: facts.toolchain.clone(),
            remaps,
            places,
        })
    }

    /// What a kept target directory must have been made with to be used again: everything but
    /// the commit's time.
    pub fn cache_key(&self) -> Sha256 {
        let mut h = Hasher::new();
        let mut add = |s: &str| {
            h.update(&(s.len() as u64).to_le_bytes());
            h.update(s.as_bytes());
        };
        add(&self.toolchain.cargo);
        add(&self.toolchain.rustc);
        add(&self.cargo_config);
        self.argv.iter().for_each(|a| add(a));
        for (name, value) in self.env.iter().filter(|(n, _)| *n != "SOURCE_DATE_EPOCH") {
            add(name);
            add(value);
        }
        h.finish()
    }
}

fn cargo_argv(config: &Config) -> Vec<String> {
    let mut argv = cargo_build(config);
    argv.push("--message-format=json-render-diagnostics".into());
    argv
}

/// The `cargo build` that makes a project's binaries.
pub(crate) fn cargo_build(config: &Config) -> Vec<String> {
    let build = &config.build;
    let mut argv: Vec<String> = ["cargo", "build", "--locked", "--profile"]
        .map(String::from)
        .into();
    argv.push(build.profile.clone());
    if !build.features.is_empty() {
        argv.extend(["--features".into(), build.features.join(",")]);
    }
    if let Some(target) = &build.target {
        argv.extend(["--target".into(), target.clone()]);
    }
    for package in &build.packages {
        argv.extend(["--package".into(), package.clone()]);
    }
    if build.binaries.is_empty() {
        argv.push("--bins".into());
    }
    for binary in &build.binaries {
        argv.extend(["--bin".into(), binary.clone()]);
    }
    argv
}

fn remaps(places: &Places, facts: &Facts) -> Result<Vec<(String, String)>> {
    let mut remaps = vec![
        (text(&places.clone)?.to_owned(), "/src".to_owned()),
        (text(&places.target)?.to_owned(), "/target".to_owned()),
        (text(&places.cargo_home)?.to_owned(), "/cargo".to_owned()),
    ];
    if let Some(home) = &facts.user_cargo_home {
        remaps.push((text(home)?.to_owned(), "/cargo".to_owned()));
    }
    // With the rust-src component installed, rustc knows where std's sources are and names them;
    // without it they are called this already.
    if let (Some(sysroot), Some(commit)) = (&facts.sysroot, &facts.rustc_commit) {
        let sources = sysroot.join("lib/rustlib/src/rust");
        remaps.push((text(&sources)?.to_owned(), format!("/rustc/{commit}")));
    }
    remaps.sort_by(|a, b| (a.0.len(), &a.0).cmp(&(b.0.len(), &b.0)));
    remaps.dedup_by(|a, b| a.0 == b.0);
    Ok(remaps)
}

fn rust_flags(remaps: &[(String, String)]) -> Vec<String> {
    remaps
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"))
        .collect()
}

fn c_flags(before: Option<String>, remaps: &[(String, String)]) -> String {
    let mut flags: Vec<String> = before.into_iter().filter(|f| !f.is_empty()).collect();
    // Build scripts split these at spaces, and compilers the map at its first `=`.
    let usable = remaps
        .iter()
        .filter(|(from, _)| !from.contains([' ', '=', '\'', '"']));
    flags.extend(usable.map(|(from, to)| format!("-ffile-prefix-map={from}={to}")));
    flags.join(" ")
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .filter(|t| t.starts_with('/') && !t.chars().any(char::is_control))
        .ok_or_else(|| {
            Error::usage(format!(
                "build directory {path:?} is not an absolute UTF-8 path without control characters"
            ))
            .hint("choose another directory with TMPDIR")
        })
}

#[cfg(test)]
mod tests;
