//! Secrets of probes, from files that nobody else can read. They go into a header and nowhere else.

use std::io::Read;
use std::path::Path;

use base64ct::{Base64, Encoding};

use crate::io::durable;
use crate::io::node_dir::Dir;
use crate::limits::MAX_SECRET_LEN;
use crate::node::config::probe::Auth;

/// What stands in the header that says who asks.
///
/// # Errors
/// In words, without the secret: the file is not there, is a link, or others can read it.
pub(super) fn header(auth: &Auth) -> Result<String, String> {
    let basic = |pair: String| format!("Basic {}", Base64::encode_string(pair.as_bytes()));
    match auth {
        Auth::Cookie(file) => {
            let line = first_line(file)?;
            match line.contains(':') {
                true => Ok(basic(line)),
                false => Err(format!(
                    "{} has no user:password in its first line",
                    file.display()
                )),
            }
        }
        Auth::Password { user, file } => Ok(basic(format!("{user}:{}", first_line(file)?))),
        Auth::Token(file) => Ok(format!("Bearer {}", first_line(file)?)),
    }
}

/// The first line of a file that nobody else can read.
///
/// # Errors
/// In words, without the secret: the file is not there, is a link, or others can read it.
pub(in crate::io) fn first_line(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(format!("{shown} is no file"));
    };
    let missing = || format!("{shown} does not exist");
    // A link is not followed: the daemon's user could make it lead to a file of somebody else.
    let dir = Dir::open(&durable::resolve(parent)).map_err(|e| e.to_string())?;
    let opened = dir.ok_or_else(missing)?.open_file(name);
    let (file, stat) = opened.map_err(|e| e.to_string())?.ok_or_else(missing)?;
    if stat.st_mode & 0o007 != 0 {
        return Err(format!(
            "{shown} has mode {:04o}, so others can read or change it: chmod o= {shown}",
            stat.st_mode & 0o7777
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_LEN)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot read {shown}: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is no UTF-8"))?;
    match text.lines().next().map(str::trim_end) {
        Some(line) if !line.is_empty() && !line.chars().any(char::is_control) => {
            Ok(line.to_owned())
        }
        _ => Err(format!("{shown} has no secret in its first line")),
    }
}
