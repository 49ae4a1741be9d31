//! The build's own cargo home: the user's downloads, none of the user's settings. I/O room.
//!
//! Unpacked sources are not shared, since cargo never looks at them again once they are there and
//! an edit in them would go into a release unseen. Downloaded archives are copied where they have
//! the digest that `Cargo.lock` wants; cargo itself checks only what it downloads.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::Result;
use crate::error::Context;
use crate::hash::Sha256;
use crate::io::workshop::remove;
use crate::limits::MAX_CRATE_LEN;
use crate::release::build_plan::BuildPlan;
use crate::release::lockfile::Package;

/// Writes the configuration and brings in what can be reused.
///
/// # Errors
/// I/O.
pub(super) fn prepare(plan: &BuildPlan, packages: &[Package]) -> Result<()> {
    let home = &plan.places.cargo_home;
    for dir in ["registry/src", "git/checkouts"] {
        remove(&home.join(dir))?;
    }
    for file in ["config", "config.toml", "credentials", "credentials.toml"] {
        remove_file(&home.join(file))?;
    }
    for dir in ["registry/cache", "git"] {
        fs::create_dir_all(home.join(dir))
            .or_failed(|| format!("{}/{dir} cannot be made", home.display()))?;
    }
    fs::write(home.join("config.toml"), &plan.cargo_config)
        .or_failed(|| format!("{}/config.toml cannot be written", home.display()))?;
    let Some(user) = &plan.shared_cargo_home else {
        return Ok(());
    };
    // The locks are shared like what they guard.
    for name in [
        "registry/index",
        "git/db",
        ".package-cache",
        ".package-cache-mutate",
    ] {
        if user.join(name).exists() {
            share(&user.join(name), &home.join(name))?;
        }
    }
    for registry in fs::read_dir(user.join("registry/cache"))
        .into_iter()
        .flatten()
        .flatten()
    {
        copy_crates(
            &registry.path(),
            &home.join("registry/cache").join(registry.file_name()),
            packages,
        )?;
    }
    Ok(())
}

fn share(from: &Path, to: &Path) -> Result<()> {
    if fs::read_link(to).is_ok_and(|t| t == from) {
        return Ok(());
    }
    if fs::symlink_metadata(to).is_ok_and(|m| m.is_dir()) {
        remove(to)?;
    } else {
        remove_file(to)?;
    }
    symlink(from, to).or_failed(|| format!("{} cannot be linked", to.display()))
}

fn copy_crates(from: &Path, to: &Path, packages: &[Package]) -> Result<()> {
    let wanted = packages
        .iter()
        .filter_map(|p| Some((p.cache_file()?, p.checksum?)));
    for (name, checksum) in wanted {
        let mine = to.join(&name);
        if read(&mine).is_some_and(|b| Sha256::of(&b) == checksum) {
            continue;
        }
        remove_file(&mine)?;
        if let Some(bytes) = read(&from.join(&name)).filter(|b| Sha256::of(b) == checksum) {
            fs::create_dir_all(to)
                .and_then(|()| fs::write(&mine, bytes))
                .or_failed(|| format!("{} cannot be written", mine.display()))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_CRATE_LEN + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() as u64 <= MAX_CRATE_LEN).then_some(bytes)
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).or_failed(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
