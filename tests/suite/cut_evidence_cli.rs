//! What a cut leaves beside the archive, with the real binary: provenance, bill of materials, bundle.

use std::fs;
use std::path::Path;

use base64ct::{Base64, Encoding};
use relman::attest::provenance::{Descent, source_claims};
use relman::attest::{Envelope, git_tag};
use serde_json::{Value, json};

use crate::common::relman::{Project, SECOND, TAG, flip};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn lock() -> String {
    format!(
        "version = 4\n\
         [[package]]\nname = \"timed\"\nversion = \"0.1.0\"\ndependencies = [\"alpha\", \"forked\"]\n\
         [[package]]\nname = \"alpha\"\nversion = \"1.2.3\"\nsource = \"{CRATES_IO}\"\nchecksum = \"{}\"\n\
         [[package]]\nname = \"forked\"\nversion = \"0.2.0\"\nsource = \"git+https://example.org/forked?branch=x#{}\"\n",
        "a".repeat(64),
        "b".repeat(40)
    )
}

/// A project whose first tag has a lock file.
fn locked(name: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(crate::common::relman::BUILD, "");
    project.write("Cargo.lock", &lock());
    project.git(&["add", "Cargo.lock"]);
    project.git(&["tag", "-d", TAG]);
    project.commit_and_tag("feat: lock", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    project
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn envelope(project: &Project, tag: &str) -> Envelope {
    let line = fs::read(project.store().join(tag).join("provenance.intoto.jsonl")).unwrap();
    Envelope::parse(&line).unwrap()
}

fn predicate(project: &Project, tag: &str) -> Value {
    let statement = envelope(project, tag).unverified_statement().unwrap();
    statement.predicate
}

#[test]
fn the_provenance_names_the_lock_file_and_every_crate_of_it_but_the_projects_own() {
    let project = locked("evidence-crates");
    project.relman(&["cut", TAG]).exits(0);
    project.is_verified(TAG);
    let predicate = predicate(&project, TAG);
    let all = predicate["buildDefinition"]["resolvedDependencies"].clone();
    let all = all.as_array().unwrap();
    let digest = |text: &str| relman::hash::Sha256::of(text.as_bytes()).hex();
    let commit = "b".repeat(40);
    let purl =
        format!("pkg:cargo/forked@0.2.0?vcs_url=git%2Bhttps://example.org/forked%40{commit}");
    let wanted = [
        json!({ "name": "Cargo.lock", "digest": { "sha256": digest(&lock()) } }),
        json!({ "name": "alpha", "uri": "pkg:cargo/alpha@1.2.3", "digest": { "sha256": "a".repeat(64) } }),
        json!({ "name": "forked", "uri": purl, "digest": { "gitCommit": commit } }),
    ];
    assert_eq!(all[all.len() - 3..], wanted);
    let sbom = fs::read_to_string(project.store().join(TAG).join("sbom.cdx.json")).unwrap();
    let byproducts = &predicate["runDetails"]["byproducts"];
    assert_eq!(
        byproducts[1],
        json!({ "name": "sbom.cdx.json", "digest": { "sha256": digest(&sbom) } })
    );
}

#[test]
fn each_way_to_build_has_a_builder_of_its_own() {
    let project = Project::published("evidence-builder");
    project.second();
    project.relman(&["cut", SECOND, "--clean"]).exits(0);
    let id = |tag| predicate(&project, tag)["runDetails"]["builder"]["id"].clone();
    assert_eq!(id(TAG), "urn:relman:builder:workstation:v1");
    assert_eq!(id(SECOND), "urn:relman:builder:workstation-clean:v1");
    project.is_sound();
}

#[test]
fn one_tag_gives_one_bill_of_materials_wherever_and_whenever_it_is_cut() {
    let here = locked("evidence-same");
    let there = here.copy();
    here.relman(&["cut", TAG]).exits(0);
    let later = there
        .command(&["cut", TAG, "--clean"])
        .env("RELMAN_INSECURE_NOW", "2026-02-03T00:00:00Z")
        .output();
    assert!(later.unwrap().status.success());
    let bill =
        |project: &Project| fs::read(project.store().join(TAG).join("sbom.cdx.json")).unwrap();
    assert_eq!(bill(&here), bill(&there));
    let bill = json(&here.store().join(TAG).join("sbom.cdx.json"));
    assert_eq!(bill["metadata"]["timestamp"], "2026-01-05T09:00:00Z");
    let text = bill.to_string();
    let place = here.repo().to_str().unwrap().to_owned();
    assert!(
        !text.contains(&place) && !text.contains("/var/tmp"),
        "{text}"
    );
}

#[test]
fn a_lock_file_that_cannot_be_read_stops_a_cut_before_it_builds() {
    for (n, (lock, why)) in [
        (
            "version = 4\n[[package]]\nname = 1\n",
            "Cargo.lock cannot be read",
        ),
        (
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"gone\"]\n",
            "0 packages that a 1.0.0 can mean by \"gone\"",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let project = locked(&format!("evidence-bad-lock-{n}"));
        project.write("Cargo.lock", lock);
        project.git(&["add", "Cargo.lock"]);
        project.git(&["tag", "-d", TAG]);
        project.commit_and_tag("fix: lock", TAG);
        project.relman(&["cut", TAG]).exits(2).says(&[why]);
        assert!(!project.store().join(TAG).exists());
    }
}

#[test]
fn the_bundle_has_the_provenances_own_signature_and_a_hint_at_its_key() {
    let project = Project::published("evidence-bundle");
    let bundle = json(&project.store().join(TAG).join("provenance.sigstore.json"));
    let media = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(bundle["mediaType"], media);
    let line = project.store().join(TAG).join("provenance.intoto.jsonl");
    let line = json(&line);
    assert_eq!(bundle["dsseEnvelope"]["payload"], line["payload"]);
    let (ours, theirs) = (
        &line["signatures"][0],
        &bundle["dsseEnvelope"]["signatures"],
    );
    assert_eq!(theirs, &json!([{ "keyid": "", "sig": ours["sig"] }]));
    let hint = &bundle["verificationMaterial"]["publicKey"]["hint"];
    assert_eq!(hint, &ours["keyid"]);
}

#[test]
fn a_changed_bill_or_bundle_is_found_and_named() {
    let project = Project::published("evidence-tampered");
    for name in ["sbom.cdx.json", "provenance.sigstore.json"] {
        let copy = project.copy();
        flip(&copy.store().join(TAG).join(name));
        copy.relman(&["verify", TAG])
            .exits(3)
            .says(&[&format!("{TAG}/{name}")]);
        copy.relman(&["audit"]).exits(3).says(&[name]);
    }
}

#[test]
fn the_provenance_has_the_tag_object_and_the_release_before_it() {
    let project = Project::published("evidence-source");
    let raw = project.git(&["cat-file", "tag", TAG]) + "\n";
    let statement = envelope(&project, TAG).unverified_statement().unwrap();
    let claims = source_claims(&statement);
    assert_eq!(claims.tag_object.as_deref(), Some(raw.as_bytes()));
    assert_eq!(claims.descent, Descent::First);
    let id = git_tag::id(raw.as_bytes(), 40);
    assert_eq!(id, Some(project.git(&["rev-parse", TAG])));

    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    let statement = envelope(&project, SECOND).unverified_statement().unwrap();
    let commit = project.git(&["rev-parse", &format!("{TAG}^{{commit}}")]);
    let from = Descent::From {
        tag: TAG.into(),
        commit,
    };
    assert_eq!(source_claims(&statement).descent, from);
}

#[test]
fn a_tag_whose_message_is_not_utf8_is_in_the_provenance_byte_for_byte() {
    let project = Project::new("evidence-latin1");
    fs::write(project.beside("message"), b"Gr\xfc\xdfe.\n").unwrap();
    let message = project.beside("message").to_str().unwrap().to_owned();
    project.git(&[
        "-c",
        "i18n.commitEncoding=latin1",
        "tag",
        "-f",
        "-a",
        "-F",
        &message,
        TAG,
        &format!("{TAG}^{{commit}}"),
    ]);
    project.relman(&["cut", TAG]).exits(0);
    project.is_verified(TAG);
    let predicate = predicate(&project, TAG);
    let annotations = &predicate["buildDefinition"]["resolvedDependencies"][0]["annotations"];
    let raw = Base64::decode_vec(annotations["tagObjectBase64"].as_str().unwrap()).unwrap();
    assert!(raw.ends_with(b"Gr\xfc\xdfe.\n"));
    assert_eq!(
        git_tag::id(&raw, 40),
        Some(project.git(&["rev-parse", TAG]))
    );
}
