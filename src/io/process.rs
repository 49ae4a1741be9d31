//! Room `io`: this process itself, its surroundings, and other programs that it runs.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::Mode;

use crate::Result;
use crate::error::Context;

/// Makes the process independent of what it inherited: files are created with the modes that the
/// code names, whatever the caller's umask.
pub fn prepare() {
    super::clock::elapsed();
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
}

/// The current directory.
pub fn current_dir() -> Result<PathBuf> {
    std::env::current_dir().or_failed(|| "the current directory is gone".into())
}

/// The program that runs now.
pub fn current_exe() -> Result<PathBuf> {
    std::env::current_exe().or_failed(|| "cannot find the running relman".into())
}

/// Whether stderr is a terminal.
pub fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether questions can be asked: stdin and stderr are a terminal.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Threads worth using.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The user's login name, as far as the environment tells; a default for questions.
pub fn login_name() -> String {
    user_name().unwrap_or_else(|| "maintainer".into())
}

/// The user's login name, if the environment tells it.
pub fn user_name() -> Option<String> {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .filter(|name| !name.is_empty() && name.len() <= 64 && !name.chars().any(char::is_control))
}

/// The user's home directory, if the environment tells it.
pub fn home_dir() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
}

/// What this machine calls itself.
pub fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// A new directory that only this user may enter, in the system's temporary one; it stays.
pub fn new_temp_dir(prefix: &str) -> Result<PathBuf> {
    let dir = tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .or_failed(|| "cannot make a temporary directory".into())?;
    Ok(dir.keep())
}

/// Another program, run to its end with this process's terminal.
pub struct Child<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [&'a str],
    /// Where it runs.
    pub dir: &'a Path,
    /// Variables besides the inherited ones.
    pub env: &'a [(&'a str, &'a Path)],
    /// Whether its output is thrown away.
    pub silent: bool,
}

impl Child<'_> {
    /// Runs it and gives its exit code; none where a signal ended it.
    pub fn run(&self) -> Result<Option<i32>> {
        let out = || {
            if self.silent {
                Stdio::null()
            } else {
                Stdio::inherit()
            }
        };
        let status = Command::new(self.program)
            .args(self.args)
            .current_dir(self.dir)
            .envs(
                self.env
                    .iter()
                    .map(|(name, value)| (name, value.as_os_str())),
            )
            .stdin(Stdio::null())
            .stdout(out())
            .stderr(out())
            .status()
            .or_failed(|| format!("cannot run {}", self.program.display()))?;
        Ok(status.code())
    }
}
