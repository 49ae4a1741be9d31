//! `Cargo.lock`, as far as to know which packages are the project's own and what the downloaded
//! ones must hash to. Pure.

use serde::Deserialize;

use crate::hash::Sha256;
use crate::limits::MAX_LOCKFILE_LEN;
use crate::{Error, Result};

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
}

impl Package {
    /// The name of its file in cargo's cache; `None` if it has none or the name is no file name.
    pub fn cache_file(&self) -> Option<String> {
        let name = format!("{}-{}.crate", self.name, self.version);
        (self.checksum.is_some() && !name.contains(['/', '\\', '\0'])).then_some(name)
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
/// Usage: not a lock file, or more than [`MAX_LOCKFILE_LEN`] bytes.
pub fn packages(text: &str) -> Result<Vec<Package>> {
    if text.len() as u64 > MAX_LOCKFILE_LEN {
        return Err(Error::usage(format!(
            "Cargo.lock has {} bytes, at most {MAX_LOCKFILE_LEN} are allowed",
            text.len()
        )));
    }
    toml::from_str::<Lockfile>(text)
        .map(|l| l.package)
        .map_err(|e| {
            Error::usage("Cargo.lock cannot be read").caused_by(e.message().replace('\n', "; "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_packages_have_no_source_and_downloads_a_digest() {
        let text = format!(
            "version = 4\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\"cc\"]\n\
             [[package]]\nname = \"cc\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"{}\"\n",
            Sha256::of(b"").hex()
        );
        let packages = packages(&text).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(
            (packages[0].source.as_ref(), packages[0].cache_file()),
            (None, None)
        );
        assert_eq!(packages[1].cache_file().as_deref(), Some("cc-1.0.0.crate"));
    }

    #[test]
    fn a_name_with_a_slash_is_no_file() {
        let text = format!(
            "[[package]]\nname = \"../x\"\nversion = \"1\"\nchecksum = \"{}\"",
            Sha256::of(b"").hex()
        );
        assert_eq!(packages(&text).unwrap()[0].cache_file(), None);
        assert!(packages("package = 1").is_err());
    }
}
