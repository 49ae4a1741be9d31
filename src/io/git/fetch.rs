//! Gets a source that is not on this machine, with the program git: libgit2 is built without a network. I/O room.
//!
//! Nothing that comes is trusted: whoever builds from it compares commit and tree with what was signed.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::release::text::{plain_line, shown};
use crate::{Error, Result};

/// What git may speak. The helper `ext::` would run whatever a URL says.
const PROTOCOLS: &str = "file:git:http:https:ssh";
/// Characters of a URL that a message shows.
const MAX_SHOWN_URL: usize = 200;
/// Lines of what git says that an error carries.
const MAX_LINES: usize = 4;

/// Clones all branches and tags of `url` to `dir`, which must not exist, without a working tree.
///
/// # Errors
/// Usage: a URL with a password in it, which everybody on this machine could read. Failed: there is no
/// git, or it cannot clone.
pub fn fetch(url: &str, dir: &Path) -> Result<()> {
    let authority = url
        .split_once("://")
        .map(|(_, rest)| rest.split('/').next());
    let user = authority
        .flatten()
        .and_then(|a| a.rsplit_once('@'))
        .map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err(Error::usage("the source's URL has a password in it")
            .hint("leave it to git: git credential approve, or use ssh"));
    }
    let name = shown(url, MAX_SHOWN_URL);
    let output = Command::new("git")
        .args(["clone", "--quiet", "--bare", "--no-local", "--"])
        .arg(url)
        .arg(dir)
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| {
            Error::failed(format!("source {name} cannot be fetched: git does not run"))
                .caused_by(e)
                .hint("install git, or name a clone on this machine: --source PATH")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = Error::failed(format!("source {name} cannot be fetched"));
    let lines = said.lines().map(plain_line).filter(|line| !line.is_empty());
    Err(lines.take(MAX_LINES).fold(error, Error::caused_by))
}
