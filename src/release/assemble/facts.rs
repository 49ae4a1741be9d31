//! What the provenance of a cut says: what the user chose, what followed from it, and all that the
//! release was built from. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Parts, SBOM, Sources};
use crate::attest::provenance::{Cut, Resource};
use crate::hash::Sha256;
use crate::limits::GZIP_MEMBER_TAR_LEN;
use crate::release::archive;
use crate::release::lockfile::{self, Package};

/// All that the provenance says.
pub(super) fn provenance(parts: &Parts, sources: &Sources, sbom: Sha256) -> Cut {
    Cut {
        repository: parts.repository.to_owned(),
        tag: parts.tag.to_string(),
        tag_object: parts.info.object.clone(),
        commit: parts.info.commit.clone(),
        tree: parts.info.tree.clone(),
        source: sources.source.clone(),
        build: chosen(parts),
        derived: derived(parts),
        resources: resources(parts, sources),
        builder: sources.builder,
        builder_version: env!("CARGO_PKG_VERSION").into(),
        started: parts.started,
        finished: parts.finished,
        byproducts: BTreeMap::from([("build.log", parts.built.log_sha256), (SBOM, sbom)]),
    }
}

/// What the user could choose, and what was run for it.
fn chosen(parts: &Parts) -> BTreeMap<String, Value> {
    let build = &parts.config.build;
    BTreeMap::from([
        ("command".into(), parts.plan.argv.clone().into()),
        ("profile".into(), build.profile.clone().into()),
        ("features".into(), build.features.clone().into()),
        ("target".into(), build.target.clone().into()),
        ("packages".into(), build.packages.clone().into()),
        ("environment".into(), serde_json::json!(build.env)),
    ])
}

/// How this version packs: compressor, level, member size.
pub fn packing() -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("compressor".into(), archive::COMPRESSOR.into()),
        ("level".into(), archive::LEVEL.into()),
        ("memberTarBytes".into(), GZIP_MEMBER_TAR_LEN.into()),
    ])
}

fn derived(parts: &Parts) -> BTreeMap<String, Value> {
    let mut out = packing();
    let host = &parts.facts.toolchain.host;
    if !host.is_empty() {
        out.insert("host".into(), host.clone().into());
    }
    out
}

/// The tools, the lock file, and every crate that it names, whether or not this build compiled it.
fn resources(parts: &Parts, sources: &Sources) -> Vec<Resource> {
    let toolchain = &parts.facts.toolchain;
    let mut out: Vec<Resource> = [
        tool("cargo", &toolchain.cargo, None),
        tool(
            "rustc",
            &toolchain.rustc,
            parts.facts.rustc_commit.as_deref(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    out.extend(sources.locked.sha256.map(|sha256| Resource {
        name: lockfile::FILE_NAME.into(),
        digest: BTreeMap::from([("sha256", sha256.hex())]),
        ..Resource::default()
    }));
    let downloaded = sources.locked.packages.iter();
    let mut crates: Vec<Resource> = downloaded.filter_map(of_crate).collect();
    crates.sort_by(|a, b| (&a.name, &a.uri, &a.digest).cmp(&(&b.name, &b.uri, &b.digest)));
    out.extend(crates);
    out
}

/// A tool by the version line that it prints, such as `rustc 1.95.0 (…)`.
fn tool(name: &str, version: &str, commit: Option<&str>) -> Option<Resource> {
    let number = version.split(' ').nth(1)?;
    Some(Resource {
        name: name.into(),
        uri: Some(format!("pkg:generic/{name}@{number}")),
        digest: commit
            .into_iter()
            .map(|id| ("gitCommit", id.into()))
            .collect(),
        annotations: BTreeMap::from([("version", version.into())]),
    })
}

/// A crate that was downloaded; none for the project's own.
fn of_crate(package: &Package) -> Option<Resource> {
    package.source.as_ref()?;
    let sha256 = package.checksum.map(|sum| ("sha256", sum.hex()));
    let commit = package.git_commit().map(|id| ("gitCommit", id.to_owned()));
    Some(Resource {
        name: package.name.clone(),
        uri: package.purl(),
        digest: sha256.into_iter().chain(commit).collect(),
        annotations: match package.purl() {
            Some(_) => BTreeMap::new(),
            None => BTreeMap::from([("version", package.version.clone())]),
        },
    })
}
