//! The bill of materials, judged by the CycloneDX project's own validator.

use std::fs;
use std::path::Path;

use relman::release::lockfile;
use relman::release::sbom::Contents;

use crate::project::{Copy, Project};
use crate::tools::{self, Verdict};

/// What relman itself is made of, as a bill.
fn ours(lock: &Path) -> Vec<u8> {
    let text = fs::read_to_string(lock).unwrap();
    let packages = lockfile::packages(&text).unwrap();
    let contents = Contents {
        project: "relman",
        tag: "v0.1.0",
        commit: &"1".repeat(40),
        commit_time: 1_700_000_000,
        packages: &packages,
    };
    contents.to_bytes().unwrap()
}

fn judge(sbom: &Path, lock: &Path) -> Verdict {
    tools::python("cyclonedx.py", [sbom, lock])
}

#[test]
#[ignore = "needs cyclonedx-python-lib: run tests/judges/setup"]
fn cyclonedx_accepts_our_bill_of_hundreds_of_crates_and_refuses_tampered_copies() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    fs::create_dir(&good).unwrap();
    fs::write(good.join("sbom"), ours(&lock)).unwrap();
    let seen = judge(&good.join("sbom"), &lock).accepted();
    assert!(seen["components"].as_u64().unwrap() > 200, "{seen}");

    for (label, from, to, reason) in [
        (
            "type",
            "\"type\": \"library\"",
            "\"type\": \"librarz\"",
            "schema",
        ),
        ("format", "CycloneDX", "CycloneDY", "schema"),
        ("digest", "\"content\": \"", "\"content\": \"x", "schema"),
        ("member", "\"alg\"", "\"algorithm\"", "schema"),
        (
            "edge",
            "\"dependsOn\": [\n        \"",
            "\"dependsOn\": [\n        \"x",
            "references",
        ),
        (
            "name",
            "\"name\": \"aho-corasick\"",
            "\"name\": \"aho-korasick\"",
            "components",
        ),
        (
            "purl",
            "\"purl\": \"pkg:cargo/a",
            "\"purl\": \"pkg:cargo/b",
            "purl",
        ),
        ("path", "\"own/relman@", "\"/own/relman@", "paths"),
    ] {
        let copy = Copy::of(&good, dir.path().join(label));
        let text = fs::read_to_string(copy.file("sbom")).unwrap();
        assert!(text.contains(from), "{label}");
        // Every reference alike, so that only one thing is wrong.
        let changed = match label {
            "path" => text.replace(from, to),
            _ => text.replacen(from, to, 1),
        };
        fs::write(copy.file("sbom"), changed).unwrap();
        judge(&copy.file("sbom"), &lock).refused(reason);
    }
    // A digest that is one, of something else.
    let copy = Copy::of(&good, dir.path().join("other"));
    let text = fs::read_to_string(copy.file("sbom")).unwrap();
    let at = text.find("\"content\": \"").unwrap() + 12;
    let changed = format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]);
    fs::write(copy.file("sbom"), changed).unwrap();
    judge(&copy.file("sbom"), &lock).refused("digest");
}

#[test]
#[ignore = "needs cyclonedx-python-lib: run tests/judges/setup"]
fn cyclonedx_accepts_the_bill_that_a_cut_leaves() {
    let project = Project::founded("judge-sbom");
    let lock = project.commit_file(
        "Cargo.lock",
        &format!(
            "version = 4\n[[package]]\nname = \"timed\"\nversion = \"0.1.0\"\ndependencies = [\"a\", \"b\"]\n\
             [[package]]\nname = \"a\"\nversion = \"1.0.0+x\"\nsource = \"git+https://example.org/a?rev=1#{}\"\n\
             [[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"sparse+https://crates.example.org/i/\"\n\
             checksum = \"{}\"\n",
            "1".repeat(40),
            "2".repeat(64)
        ),
    );
    let tag = crate::project::TAGS[0];
    project.release(tag);
    let seen = judge(&project.store().join(tag).join("sbom.cdx.json"), &lock).accepted();
    assert_eq!(seen, serde_json::json!({ "components": 3, "edges": 3 }));
}
