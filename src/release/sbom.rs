//! The bill of materials, `sbom.cdx.json` (CycloneDX 1.5): every crate of the tag's `Cargo.lock` and
//! which needs which. The same tag gives the same bytes. Pure.
//!
//! Nothing of the build goes in: no digest of a binary, which also depends on the compiler, no clock,
//! no serial number, no version of relman. The signed sums say which archive it belongs to.

use cyclonedx_bom::external_models::date_time::DateTime;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::{Bom, SpecVersion};
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::validation::Validate;
use jiff::Timestamp;

use super::lockfile::{self, Package};
use super::text::shown;
use crate::limits::MAX_SHOWN_NAME;
use crate::{Error, Result};

/// The version of CycloneDX that is written.
const VERSION: SpecVersion = SpecVersion::V1_5;

/// What a bill of materials is of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// Hex id of the commit.
    pub commit: &'a str,
    /// The commit's time, seconds since 1970.
    pub commit_time: i64,
    /// The packages of the lock file; empty where the tag has none.
    pub packages: &'a [Package],
}

impl Contents<'_> {
    /// The file, with a newline at its end.
    ///
    /// # Errors
    /// Usage: a lock file that contradicts itself; a name or version that CycloneDX has no form for.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bom = self.bom()?;
        let checked = bom.validate_version(VERSION);
        if checked.has_errors() {
            let problems = checked
                .errors()
                .map(|(place, error)| format!("{place}: {error:?}"));
            let mut error = Error::usage(format!("{} makes no valid SBOM", lockfile::FILE_NAME));
            for problem in problems {
                error = error.caused_by(problem);
            }
            return Err(error);
        }
        let mut out = Vec::new();
        bom.output_as_json(&mut out, VERSION)
            .map_err(|e| Error::bug("an SBOM has no JSON").caused_by(e))?;
        out.push(b'\n');
        Ok(out)
    }

    fn bom(&self) -> Result<Bom> {
        let refs: Vec<String> = self.packages.iter().map(reference).collect();
        let mut order: Vec<usize> = (0..refs.len()).collect();
        order.sort_by_key(|at| refs.get(*at));
        let same = order.windows(2).find(|pair| match pair {
            [a, b] => refs.get(*a) == refs.get(*b),
            _ => false,
        });
        if let Some(twice) = same.and_then(|pair| refs.get(*pair.first()?)) {
            return Err(Error::usage(format!(
                "{} has {} twice, wanted every package once",
                lockfile::FILE_NAME,
                shown(twice, MAX_SHOWN_NAME)
            )));
        }
        let needs = lockfile::needs(self.packages)?;
        let named = |at: usize| refs.get(at).cloned().unwrap_or_default();

        let release = format!("release/{}", self.tag);
        let own = order.iter().copied().filter(|at| self.is_own(*at));
        let mut dependencies = vec![dependency(release.clone(), own.map(named))];
        let mut components = Vec::new();
        for at in order {
            let (Some(package), Some(needed)) = (self.packages.get(at), needs.get(at)) else {
                continue;
            };
            components.push(component(package, named(at)));
            dependencies.push(dependency(named(at), needed.iter().copied().map(named)));
        }

        let time = Timestamp::from_second(self.commit_time)
            .map_err(|e| Error::failed("the commit's time is beyond the calendar").caused_by(e))?;
        let time = DateTime::try_from(time.to_string())
            .map_err(|e| Error::bug("a time has no ISO form").caused_by(e))?;
        let mut subject = Component::new(
            Classification::Application,
            self.project,
            self.tag,
            Some(release),
        );
        subject.properties = Some(Properties(vec![Property::new(
            "relman:commit",
            self.commit,
        )]));
        Ok(Bom {
            version: 1,
            serial_number: None,
            spec_version: VERSION,
            metadata: Some(Metadata {
                timestamp: Some(time),
                component: Some(subject),
                ..Metadata::default()
            }),
            components: Some(Components(components)),
            dependencies: Some(Dependencies(dependencies)),
            services: None,
            external_references: None,
            compositions: None,
            properties: None,
            vulnerabilities: None,
            signature: None,
            annotations: None,
            formulation: None,
        })
    }

    fn is_own(&self, at: usize) -> bool {
        self.packages.get(at).is_some_and(|p| p.source.is_none())
    }
}

/// How the graph calls a package: its Package URL, or one that claims no public place.
fn reference(package: &Package) -> String {
    let Package {
        name,
        version,
        source,
        ..
    } = package;
    match (package.purl(), source, package.git_commit()) {
        (Some(purl), ..) => purl,
        (None, None, _) => format!("own/{name}@{version}"),
        (None, Some(_), Some(commit)) => format!("private/{name}@{version}/{commit}"),
        (None, Some(_), None) => format!("private/{name}@{version}"),
    }
}

fn component(package: &Package, reference: String) -> Component {
    let kind = Classification::Library;
    let mut out = Component::new(kind, &package.name, &package.version, Some(reference));
    out.purl = package.purl().and_then(|purl| purl.parse::<Purl>().ok());
    out.hashes = package.checksum.map(|sha256| {
        Hashes(vec![Hash {
            alg: HashAlgorithm::SHA_256,
            content: HashValue(sha256.hex()),
        }])
    });
    out
}

fn dependency(of: String, on: impl Iterator<Item = String>) -> Dependency {
    let mut dependencies: Vec<String> = on.collect();
    dependencies.sort();
    Dependency {
        dependency_ref: of,
        dependencies,
    }
}

#[cfg(test)]
mod tests;
