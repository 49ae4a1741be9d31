//! Room `io`: two archives side by side, for people who want to compare them with other tools.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::durable;
use crate::error::Context;
use crate::{Error, Result};

/// Copies files into `dir`, which replaces one of an earlier time and appears when it is whole. A name
/// may have directories in it.
///
/// # Errors
/// I/O.
pub fn keep(dir: &Path, files: &mut [(String, &mut dyn Read)]) -> Result<()> {
    let name = dir
        .file_name()
        .ok_or_else(|| Error::bug("a directory without a name"))?;
    let temp = dir.with_file_name(format!(".unfinished-{}", name.to_string_lossy()));
    durable::remove_all(&temp)?;
    for (name, contents) in files {
        let path = temp.join(name.as_str());
        let what = || format!("{} cannot be written", path.display());
        fs::create_dir_all(durable::parent(&path)).or_failed(what)?;
        let mut file = File::create_new(&path).or_failed(what)?;
        std::io::copy(contents, &mut file).or_failed(what)?;
    }
    durable::remove_all(dir)?;
    durable::rename(&temp, dir)
}
