//! `Cargo.lock`: which packages are the project's own, what the downloaded ones must hash to, what
//! each is called elsewhere (Package URL), and which needs which. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::public_url;
use super::text::shown;
use crate::hash::Sha256;
use crate::limits::{MAX_LOCKED_PACKAGES, MAX_LOCKFILE_LEN, MAX_SHOWN_NAME};
use crate::{Error, Result};

/// The file's name.
pub const FILE_NAME: &str = "Cargo.lock";
/// How lock files call crates.io, through git and through its sparse index.
const CRATES_IO: [&str; 2] = [
    "registry+https://github.com/rust-lang/crates.io-index",
    "sparse+https://index.crates.io/",
];

/// One locked package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from; `None` for the project's own.
    pub source: Option<String>,
    /// Sha256 of its `.crate` file.
    pub checksum: Option<Sha256>,
    /// What it needs: `name`, `name version` or `name version (source)`, as short as is unambiguous.
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Package {
    /// The name of its file in cargo's cache; `None` if it has none or the name is no file name.
    pub fn cache_file(&self) -> Option<String> {
        let name = format!("{}-{}.crate", self.name, self.version);
        (self.checksum.is_some() && !name.contains(['/', '\\', '\0'])).then_some(name)
    }

    /// The commit that a package from git is locked to, hex.
    pub fn git_commit(&self) -> Option<&str> {
        let (_, commit) = self.git()?;
        let is_id =
            matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit());
        is_id.then_some(commit)
    }

    /// Its Package URL (package-url/purl-spec, type `cargo`). None for the project's own, and for
    /// what comes from a place without a public address, such as a path of this machine.
    pub fn purl(&self) -> Option<String> {
        let source = self.source.as_deref()?;
        let mut purl = format!(
            "pkg:cargo/{}@{}",
            quoted(&self.name, ""),
            quoted(&self.version, "")
        );
        if CRATES_IO.contains(&source) {
            return Some(purl);
        }
        let (key, value) = match self.git() {
            Some((url, commit)) => ("vcs_url", format!("git+{}@{commit}", public_url(url)?)),
            None => {
                let (_, url) = source.split_once('+')?;
                ("repository_url", public_url(url)?)
            }
        };
        purl.push_str(&format!("?{key}={}", quoted(&value, "/:")));
        Some(purl)
    }

    /// URL and commit of a package from git: `git+URL?branch=NAME#COMMIT`.
    fn git(&self) -> Option<(&str, &str)> {
        let (url, commit) = self
            .source
            .as_deref()?
            .strip_prefix("git+")?
            .rsplit_once('#')?;
        Some((url.split('?').next()?, commit))
    }

    fn is_meant_by(&self, dependency: &str) -> bool {
        let mut parts = dependency.splitn(3, ' ');
        let same = |part: Option<&str>, own: &str| part.is_none_or(|p| p == own);
        parts.next() == Some(&self.name) && same(parts.next(), &self.version) && {
            let source = parts.next().map(|s| s.trim_matches(['(', ')']));
            // A lock file leaves the commit out of a git source here.
            source.is_none_or(|s| {
                let own = self.source.as_deref().unwrap_or_default();
                s == own || own.split('#').next() == Some(s)
            })
        }
    }
}

#[derive(Deserialize)]
struct Lockfile {
    #[serde(default)]
    package: Vec<Package>,
}

/// Reads the packages of a `Cargo.lock`.
///
/// # Errors
/// Usage: not a lock file, more than [`MAX_LOCKFILE_LEN`] bytes or [`MAX_LOCKED_PACKAGES`] packages.
pub fn packages(text: &str) -> Result<Vec<Package>> {
    if text.len() as u64 > MAX_LOCKFILE_LEN {
        return Err(Error::usage(format!(
            "Cargo.lock has {} bytes, at most {MAX_LOCKFILE_LEN} are allowed",
            text.len()
        )));
    }
    let packages = toml::from_str::<Lockfile>(text)
        .map(|l| l.package)
        .map_err(|e| {
            Error::usage("Cargo.lock cannot be read").caused_by(e.message().replace('\n', "; "))
        })?;
    match packages.len() {
        n if n > MAX_LOCKED_PACKAGES => Err(Error::usage(format!(
            "Cargo.lock has {n} packages, at most {MAX_LOCKED_PACKAGES} are allowed"
        ))),
        _ => Ok(packages),
    }
}

/// For each package, the places in the list of those that it needs, sorted.
///
/// # Errors
/// Usage: a dependency that the list does not have, or has more than once.
pub fn needs(packages: &[Package]) -> Result<Vec<Vec<usize>>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, package) in packages.iter().enumerate() {
        by_name.entry(&package.name).or_default().push(at);
    }
    let find = |package: &Package, dependency: &String| {
        let name = dependency.split(' ').next().unwrap_or_default();
        let named = by_name.get(name).into_iter().flatten();
        let meant = |at: &&usize| {
            packages
                .get(**at)
                .is_some_and(|p| p.is_meant_by(dependency))
        };
        match named.filter(meant).collect::<Vec<_>>().as_slice() {
            [one] => Ok(**one),
            found => Err(Error::usage(format!(
                "Cargo.lock has {} packages that {} {} can mean by {}, wanted one",
                found.len(),
                package.name,
                package.version,
                shown(dependency, MAX_SHOWN_NAME)
            ))
            .hint("cargo generate-lockfile --offline, then commit it")),
        }
    };
    let of = |package: &Package| {
        let mut needed = package
            .dependencies
            .iter()
            .map(|d| find(package, d))
            .collect::<Result<Vec<usize>>>()?;
        needed.sort_unstable();
        needed.dedup();
        Ok(needed)
    };
    packages.iter().map(of).collect()
}

/// Percent-encoded but for what a Package URL has plain, and for `plain`.
fn quoted(text: &str, plain: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        match c.is_ascii_alphanumeric() || "-._~".contains(c) || plain.contains(c) {
            true => out.push(c),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests;
