//! Runs builds in an environment that is made from nothing. I/O room.
//!
//! What is run is worked out in `release::build_plan`; this gathers the facts for it and carries
//! it out. Line ends, LFS and submodules are `io::git`'s business.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Context;
use crate::hash::Sha256;
use crate::io::parallel;
use crate::io::workshop::remove;
use crate::limits::{MAX_CONFIG_LEN, MAX_LOCKFILE_LEN};
use crate::release::build_plan::{BuildPlan, Wanted};
use crate::release::cargo_message::{Line, read_line};
use crate::release::source::{Build, Built, BuiltBinary, Facts, Toolchain};
use crate::release::text::plain_line;
use crate::release::{cargo_message, config, lockfile};
use crate::{Error, Result};

mod cargo_home;
mod kill;
pub(in crate::io) mod run;

#[cfg(feature = "maintainer")]
pub(in crate::io) use kill::adopt_strays;

/// Runs builds as child processes.
pub struct ProcessBuilder {
    variables: Vec<(String, String)>,
}

/// Variables of the user that a build may see: how to reach the network, and where the tools are.
const PASSED: [&str; 16] = [
    "PATH",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "RUSTUP_DIST_SERVER",
    "RUSTUP_UPDATE_ROOT",
    "RUSTUP_AUTO_INSTALL",
];
const PASSED_PREFIXES: [&str; 4] = [
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
];
const SECRET_SUFFIXES: [&str; 4] = [
    "_TOKEN",
    "_SECRET_KEY",
    "_CREDENTIAL_PROVIDER",
    "_CREDENTIAL_PROCESS",
];
/// Files by which a project names its toolchain.
const TOOLCHAIN_FILES: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];
/// Files above a clone that would change its build.
const INTRUDERS: [&str; 5] = [
    ".cargo/config.toml",
    ".cargo/config",
    "Cargo.toml",
    "rust-toolchain.toml",
    "rust-toolchain",
];

impl ProcessBuilder {
    /// A builder for this process's environment.
    pub fn from_env() -> Self {
        Self::with_env(std::env::vars_os())
    }

    /// A builder for the given environment. What is not UTF-8 is left out.
    pub fn with_env(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text =
            |(n, v): (OsString, OsString)| Some((n.into_string().ok()?, v.into_string().ok()?));
        ProcessBuilder {
            variables: variables.into_iter().filter_map(text).collect(),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .variables
            .iter()
            .find(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, v)| v.as_str())
    }

    // A variable's directory, or one below the home directory; only if it is there.
    fn dir(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let dir = match self.get(variable) {
            Some(dir) => PathBuf::from(dir),
            None => Path::new(self.get("HOME")?).join(below_home),
        };
        fs::canonicalize(dir).ok().filter(|d| d.is_dir())
    }

    fn passed(&self) -> Vec<(String, String)> {
        let passes = |n: &str| {
            PASSED.contains(&n)
                || (PASSED_PREFIXES.iter().any(|p| n.starts_with(p))
                    && !SECRET_SUFFIXES.iter().any(|s| n.ends_with(s)))
        };
        let mut out: Vec<(String, String)> = self
            .variables
            .iter()
            .filter(|(n, _)| passes(n))
            .cloned()
            .collect();
        if let Some(home) = self.dir("RUSTUP_HOME", ".rustup")
            && let Some(text) = home.to_str()
        {
            out.push(("RUSTUP_HOME".into(), text.into()));
        }
        out.sort();
        out
    }
}

impl Build for ProcessBuilder {
    fn inspect(&self, clone: &Path, build: &config::Build) -> Result<Facts> {
        check_above(clone)?;
        let own = !build.command.is_empty();
        if !own && !clone.join("Cargo.lock").is_file() {
            return Err(Error::failed(
                "Cargo.lock is not committed at this tag, wanted one for a locked build",
            )
            .hint("git add -f Cargo.lock, commit, and tag again"));
        }
        let environment = self.passed();
        let ask = |argv: &[&str]| ask(argv, clone, &environment);
        let mut print = vec!["rustc", "--print", "sysroot", "--print", "cfg"];
        if let Some(target) = &build.target {
            print.extend(["--target", target]);
        }
        let questions = [vec!["cargo", "-V"], vec!["rustc", "-vV"], print];
        // Where the project names a toolchain, rustup may install it for whoever asks first.
        let named = TOOLCHAIN_FILES.iter().any(|f| clone.join(f).exists());
        let at_once = if named { 1 } else { questions.len() };
        let answers = parallel::map(&questions, at_once, |argv| ask(argv));
        let [cargo, rustc, printed] = <[Result<String>; 3]>::try_from(answers)
            .map_err(|_| Error::bug("not as many answers as questions"))?;
        if !own && let Err(e) = cargo.as_ref().and(rustc.as_ref()) {
            return Err(e.clone());
        }
        let rustc = rustc.unwrap_or_default();
        let field = |name: &str| {
            let found = rustc.lines().find_map(|l| l.strip_prefix(name));
            found.map(|v| v.trim().to_owned())
        };
        // A target that rustc does not know has no cfg, but there is a sysroot.
        let printed = printed
            .or_else(|_| ask(&["rustc", "--print", "sysroot"]))
            .unwrap_or_default();
        let (sysroot, cfg) = printed.split_once('\n').unwrap_or((&printed, ""));
        let user_cargo_home = self.dir("CARGO_HOME", ".cargo");
        Ok(Facts {
            toolchain: Toolchain {
                cargo: first_line(&cargo.unwrap_or_default()),
                rustc: first_line(&rustc),
                host: field("host:").unwrap_or_default(),
            },
            sysroot: (!sysroot.is_empty()).then(|| PathBuf::from(sysroot.trim())),
            rustc_commit: field("commit-hash:").filter(|c| c != "unknown"),
            cfg: cfg.lines().map(str::to_owned).collect(),
            project_cargo_config: cargo_config(&clone.join(".cargo"))?,
            user_cargo_config: match &user_cargo_home {
                Some(home) => cargo_config(home)?,
                None => None,
            },
            user_cargo_home,
            environment,
        })
    }

    fn build(&self, plan: &BuildPlan, on_line: &mut dyn FnMut(&str)) -> Result<Built> {
        let places = &plan.places;
        furnish(plan)?;
        let (log_sha256, reported) = run_build(plan, on_line)?;
        let binaries = match &plan.wanted {
            Wanted::Reported(names) => cargo_message::select(reported, names)?,
            Wanted::Paths(paths) => at_paths(&places.clone, paths)?,
        };
        for binary in &binaries {
            let is_file = fs::metadata(&binary.path).is_ok_and(|m| m.is_file() && m.len() > 0);
            if !is_file {
                return Err(Error::failed(format!(
                    "binary {} is not a file with contents",
                    binary.path.display()
                )));
            }
        }
        Ok(Built {
            binaries,
            log_path: places.log.clone(),
            log_sha256,
        })
    }
}

/// Prepares what a plan's commands find: an empty home, a cargo home with the plan's settings and the
/// downloads that can be reused, a target directory without anything that must be built anew.
pub(in crate::io) fn furnish(plan: &BuildPlan) -> Result<()> {
    let places = &plan.places;
    remove(&places.home)?;
    for dir in [&places.home, &places.target, &places.cargo_home] {
        fs::create_dir_all(dir)
            .or_failed(|| format!("directory {} cannot be made", dir.display()))?;
    }
    let packages = match read_text(&places.clone.join("Cargo.lock"), MAX_LOCKFILE_LEN)? {
        Some(text) => lockfile::packages(&text)?,
        None => Vec::new(),
    };
    cargo_home::prepare(plan, &packages)?;
    forget_stale(plan, &packages)
}

/// Runs the build; gives the log's digest and the binaries that cargo tells of.
fn run_build(
    plan: &BuildPlan,
    on_line: &mut dyn FnMut(&str),
) -> Result<(Sha256, Vec<BuiltBinary>)> {
    let spec = run::Spec {
        argv: &plan.argv,
        dir: &plan.places.clone,
        env: &plan.env,
        log: &plan.places.log,
        timeout: plan.timeout,
        sweep: false,
    };
    let reports = matches!(plan.wanted, Wanted::Reported(_));
    let mut binaries = Vec::new();
    let output = run::run(&spec, &mut |line, stdout| {
        let text = String::from_utf8_lossy(line);
        if stdout && reports {
            // Cargo's messages are for us; people read what they are about on stderr.
            match read_line(text.trim_end()) {
                Line::Binary(binary) => binaries.push(binary),
                Line::Other => {}
                Line::Text => {
                    on_line(&plain_line(text.trim_end()));
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        on_line(&plain_line(text.trim_end()));
        Ok(true)
    })?;
    let message = match output.end {
        run::End::Status(status) if status.success() => return Ok((output.log_sha256, binaries)),
        run::End::Status(status) => format!("the build failed: {status}"),
        run::End::TooLong => format!(
            "the build was stopped after {} minutes",
            plan.timeout.as_secs().div_ceil(60)
        ),
    };
    Err(Error::failed(message)
        .caused_by(output.last)
        .hint(format!("less {}", plan.places.log.display())))
}

// Cargo and rustup read configuration from every directory above the one that they run in.
fn check_above(clone: &Path) -> Result<()> {
    let clone = fs::canonicalize(clone)
        .or_failed(|| format!("clone {} cannot be read", clone.display()))?;
    for dir in clone.ancestors().skip(1) {
        if let Some(found) = INTRUDERS.iter().map(|i| dir.join(i)).find(|p| p.exists()) {
            return Err(Error::failed(format!(
                "{} would change the build in {}",
                found.display(),
                clone.display()
            ))
            .hint("choose a build directory that has no cargo or rustup files above it"));
        }
    }
    Ok(())
}

fn ask(argv: &[&str], dir: &Path, environment: &[(String, String)]) -> Result<String> {
    let what = || format!("`{}` did not run", argv.join(" "));
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| Error::bug("an empty command"))?;
    let path = environment
        .iter()
        .find(|(n, _)| n == "PATH")
        .map_or("", |(_, v)| v);
    let program = which(program, path).ok_or_else(|| {
        Error::failed(format!("no {program} found in PATH")).hint("install Rust: https://rustup.rs")
    })?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .envs(environment.iter().cloned())
        .envs([
            // Nothing can be made below it: rustup, asked by root, makes any other.
            ("HOME", "/dev/null"),
            ("CARGO_HOME", "/dev/null"),
            ("LC_ALL", "C"),
        ])
        .stdin(Stdio::null())
        .output()
        .or_failed(what)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::failed(what())
            .caused_by(crate::release::text::plain_line(first_line(&said).as_str())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn which(program: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|d| d.join(program))
        .find(|p| p.is_absolute() && p.is_file())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn cargo_config(dir: &Path) -> Result<Option<String>> {
    // Where both are there cargo takes the one without an ending.
    for name in ["config", "config.toml"] {
        if let Some(text) = read_text(&dir.join(name), MAX_CONFIG_LEN)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let what = || format!("{} cannot be read", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(_) if !path.is_file() => return Ok(None),
        Err(e) => return Err(Error::failed(what()).caused_by(e)),
    };
    let mut text = String::new();
    file.take(limit + 1)
        .read_to_string(&mut text)
        .or_failed(what)?;
    if text.len() as u64 > limit {
        return Err(Error::failed(what()).caused_by(format!("it has more than {limit} bytes")));
    }
    Ok(Some(text))
}

// A kept target directory must not decide what is in a release: one made with other flags goes,
// and the project's own packages are always built anew, build scripts included (cargo would trust
// file times and what a build script claims to depend on).
fn forget_stale(plan: &BuildPlan, packages: &[lockfile::Package]) -> Result<()> {
    let target = &plan.places.target;
    let key_file = target.join("relman-key");
    let key = plan.cache_key().hex();
    let own: BTreeSet<&str> = packages
        .iter()
        .filter(|p| p.source.is_none())
        .map(|p| p.name.as_str())
        .collect();
    let same = fs::read_to_string(&key_file).is_ok_and(|k| k == key);
    if !(same && forget_packages(target, &own)?) {
        remove(target)?;
    }
    fs::create_dir_all(target)
        .and_then(|()| fs::write(&key_file, key))
        .or_failed(|| format!("target directory {} cannot be written", target.display()))
}

// Whether cargo's fingerprints were found, so that forgetting them meant something.
fn forget_packages(target: &Path, own: &BTreeSet<&str>) -> Result<bool> {
    let mut found = false;
    let profiles = dirs(target)
        .into_iter()
        .flat_map(|d| [dirs(&d), vec![d]].concat());
    for prints in profiles
        .map(|d| d.join(".fingerprint"))
        .filter(|d| d.is_dir())
    {
        found = true;
        for print in dirs(&prints) {
            let name = print
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            if name
                .rsplit_once('-')
                .is_none_or(|(package, _)| own.contains(package))
            {
                remove(&print)?;
            }
        }
    }
    Ok(found)
}

fn dirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| e.path())
        .collect()
}

fn at_paths(clone: &Path, paths: &[String]) -> Result<Vec<BuiltBinary>> {
    let clone = fs::canonicalize(clone)
        .or_failed(|| format!("clone {} cannot be read", clone.display()))?;
    let mut out = Vec::new();
    for wanted in paths {
        let path = fs::canonicalize(clone.join(wanted)).map_err(|e| {
            Error::failed(format!("the build made no {wanted}"))
                .caused_by(e)
                .hint("correct command or binaries below [build] in relman.toml")
        })?;
        if !path.starts_with(&clone) {
            return Err(Error::refused(format!(
                "{wanted} leads out of the clone, to {}",
                path.display()
            )));
        }
        let name = wanted.rsplit('/').next().unwrap_or(wanted).to_owned();
        out.push(BuiltBinary { name, path });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}
