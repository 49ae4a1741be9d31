//! Room `io`: this process itself, its surroundings, and other programs that it runs.

use std::io::IsTerminal;
use std::path::PathBuf;

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
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .filter(|name| !name.is_empty() && name.len() <= 64 && !name.chars().any(char::is_control))
        .unwrap_or_else(|| "maintainer".into())
}
