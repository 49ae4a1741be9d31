//! Provenance and log leaves, judged by securesystemslib and in-toto-attestation.

use std::fs;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use serde_json::Value;

use crate::project::{Project, TAGS, write};
use crate::tools::{self, Verdict};

const LINES: &str = "provenance.intoto.jsonl";
/// A crate of crates.io, one of git, one of a path that no other machine has.
const LOCK: &str = "version = 4\n\
    [[package]]\nname = \"a\"\nversion = \"1.0.0+x\"\n\
    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
    checksum = \"1111111111111111111111111111111111111111111111111111111111111111\"\n\
    [[package]]\nname = \"b\"\nversion = \"1.0.0\"\n\
    source = \"git+https://example.org/b?rev=1#2222222222222222222222222222222222222222\"\n\
    [[package]]\nname = \"c\"\nversion = \"1.0.0\"\n\
    source = \"git+file:///srv/c#3333333333333333333333333333333333333333\"\n";

fn judge(file: &Path, archive: Option<&Path>, keys: &[PathBuf]) -> Verdict {
    let archive = archive
        .into_iter()
        .flat_map(|path| [Path::new("--archive"), path]);
    let keys = keys.iter().map(PathBuf::as_path);
    tools::python("attestations.py", archive.chain([file]).chain(keys))
}

/// Changes the bytes of a member in base64 of the one envelope in a file.
fn change(file: &Path, member: &str, how: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let mut envelope: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let value = envelope.pointer_mut(member).unwrap();
    let bytes = how(Base64::decode_vec(value.as_str().unwrap()).unwrap());
    *value = Base64::encode_string(&bytes).into();
    write(file, format!("{envelope}\n").as_bytes());
}

#[test]
#[ignore = "needs securesystemslib and in-toto-attestation: run tests/judges/setup"]
fn securesystemslib_and_in_toto_accept_our_provenance() {
    let project = Project::founded("judge-provenance");
    let uris = [
        None,
        Some("git+ssh://example.org/a/timed.git@refs/tags/phase2-beta-1.0.0"),
    ];
    for (tag, uri) in TAGS.into_iter().zip(uris) {
        project.release(tag);
        let dir = project.store().join(tag);
        let archive = dir.join(format!("{tag}.tar.gz"));
        let keys = [project.key("builder.pub")];
        let statements = judge(&dir.join(LINES), Some(&archive), &keys).accepted();
        let [statement] = statements.as_array().unwrap().as_slice() else {
            panic!("wanted one statement: {statements}");
        };
        assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
        let external = statement.pointer("/predicate/buildDefinition/externalParameters");
        assert_eq!(external.unwrap()["tag"], tag);
        let found = "/predicate/buildDefinition/resolvedDependencies/0/uri";
        assert_eq!(statement.pointer(found).and_then(Value::as_str), uri);
        let crates = "/predicate/buildDefinition/resolvedDependencies/1/name";
        let lock = statement.pointer(crates).and_then(Value::as_str);
        assert_eq!(lock, uri.map(|_| "Cargo.lock"));
        // The next release comes from a project that has a remote by then, and dependencies.
        if uri.is_none() {
            project.set_origin("git@example.org:a/timed.git");
            project.commit_file("Cargo.lock", LOCK);
        }
    }
}

#[test]
#[ignore = "needs securesystemslib and in-toto-attestation: run tests/judges/setup"]
fn securesystemslib_and_in_toto_accept_every_leaf_of_our_log() {
    let project = Project::released("judge-leaves");
    let keys = [project.key("builder.pub"), project.key("publisher.pub")];
    let bundle = project.store().join("log/tile/entries/000.p/5");
    let statements = judge(&bundle, None, &keys).accepted();
    let types: Vec<_> = statements
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| statement["predicateType"].as_str().unwrap())
        .collect();
    let (metadata, release) = ("urn:relman:leaf:metadata:v1", "urn:relman:leaf:release:v1");
    assert_eq!(types, [metadata, release, metadata, release, metadata]);
    // The publisher may not speak for the builder.
    judge(&bundle, None, &keys[1..]).refused("signature");
}

#[test]
#[ignore = "needs securesystemslib and in-toto-attestation: run tests/judges/setup"]
fn securesystemslib_and_in_toto_refuse_tampered_copies() {
    let project = Project::founded("judge-attestations-tampered");
    project.release(TAGS[0]);
    let tag = TAGS[0];
    let file = format!("{tag}/{LINES}");
    let archive = format!("{tag}/{tag}.tar.gz");
    let builder = [project.key("builder.pub")];

    let copy = project.copy("payload");
    change(&copy.file(&file), "/payload", |payload| {
        let text = String::from_utf8(payload).unwrap();
        text.replace("1.0.0", "1.0.1").into_bytes()
    });
    judge(&copy.file(&file), None, &builder).refused("signature");

    let copy = project.copy("signature");
    change(&copy.file(&file), "/signatures/0/sig", |mut sig| {
        sig[40] ^= 1;
        sig
    });
    judge(&copy.file(&file), None, &builder).refused("signature");

    let copy = project.copy("type");
    copy.replace(&file, b"vnd.in-toto+json", b"vnd.in-toto+jsom");
    judge(&copy.file(&file), None, &builder).refused("payload type");

    let copy = project.copy("archive");
    copy.flip(&archive);
    let tampered = copy.file(&archive);
    judge(&copy.file(&file), Some(&tampered), &builder).refused("subjects");

    judge(&copy.file(&file), None, &[project.key("approver.pub")]).refused("signature");
}

#[test]
#[ignore = "needs securesystemslib and in-toto-attestation: run tests/judges/setup"]
fn securesystemslib_and_in_toto_accept_a_nodes_receipts_and_refuse_tampered_ones() {
    let project = Project::released("judge-receipts");
    let config = project.scratch("node.toml");
    let text = format!(
        "name = \"n1\"\nstore = {:?}\nroot = {:?}\nstate = \"state\"\n\
         [[binary]]\nname = \"timed\"\npath = \"timed\"\n",
        project.store(),
        project.key("root.json")
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    for tag in TAGS {
        project.relman(&["install", tag, "--config", config]);
    }
    project.relman(&["rollback", "--config", config]);
    let (code, _) = project.relman_with(&["install", "phase9-none-1.0.0", "--config", config], &[]);
    assert_eq!(code, Some(3));
    let receipts = project.scratch("state/receipts/receipts.jsonl");
    let key = [project.scratch("state/receipts/node.pub")];
    let statements = judge(&receipts, None, &key).accepted();
    let kinds: Vec<_> = statements
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| statement["predicateType"].as_str().unwrap())
        .collect();
    let (summary, receipt) = (
        "https://slsa.dev/verification_summary/v1",
        "urn:relman:deployment:v1",
    );
    assert_eq!(
        kinds,
        [
            summary, receipt, summary, receipt, summary, receipt, receipt
        ]
    );
    let bytes = fs::read(&receipts).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let changed = project.scratch("changed.jsonl");
    write(&changed, &[&lines[..2], &lines[4..]].concat().concat());
    judge(&changed, None, &key).refused("chain");
    write(&changed, lines[1]);
    judge(&changed, None, &key).refused("chain");
    change(&changed, "/signatures/0/sig", |mut sig| {
        sig[40] ^= 1;
        sig
    });
    judge(&changed, None, &key).refused("signature");
    judge(&receipts, None, &[project.key("builder.pub")]).refused("signature");
}

#[test]
#[ignore = "needs securesystemslib and in-toto-attestation: run tests/judges/setup"]
fn securesystemslib_and_in_toto_accept_gates_approvals_and_rebuilds_and_refuse_tampered_ones() {
    let project = Project::founded("judge-approvals");
    let tag = TAGS[0];
    let config = project.store().parent().unwrap().join("relman.toml");
    let gate = "[[gate]]\nname = \"looks\"\ncommand = [\"test\", \"-f\", \"timed.sh\"]\n";
    let text = fs::read_to_string(&config).unwrap() + gate;
    project.commit_file("relman.toml", &text);
    project.tag(tag);
    let rebuilder = project.new_key("rebuilder");
    let add = ["root", "add", "rebuilder", &rebuilder, "--person", "frank"];
    project.relman(&[&add[..], &["--yes"]].concat());
    let set = [
        "root",
        "set",
        "cut",
        "--approvals",
        "qa",
        "--gates",
        "looks",
    ];
    project.relman(&[&set[..], &["--yes"]].concat());
    project.relman(&["cut", tag, "--gate"]);
    let link = ["--evidence", "https://example.org/7", "--yes"];
    project.relman(&[&["approve", tag, "--role", "qa"][..], &link].concat());
    project.relman(&["publish", tag]);
    let rebuilt = project.scratch("rebuilt.jsonl");
    project.relman(&["rebuild", tag, "--out", rebuilt.to_str().unwrap()]);

    let keys = [project.key("gate.pub"), project.key("approver.pub")];
    let collected = project.store().join(tag).join("approvals.intoto.jsonl");
    let statements = judge(&collected, None, &keys).accepted();
    let types = statements.as_array().unwrap().iter();
    let types: Vec<_> = types
        .map(|s| s["predicateType"].as_str().unwrap())
        .collect();
    let result = "https://in-toto.io/attestation/test-result/v0.1";
    assert_eq!(types, [result, "urn:relman:approval:v1"]);
    judge(&collected, None, &keys[..1]).refused("signature");
    let again = judge(&rebuilt, None, &[project.key("rebuilder.pub")]).accepted();
    assert_eq!(again[0]["predicateType"], "https://slsa.dev/provenance/v1");

    for member in ["/payload", "/signatures/0/sig"] {
        let copy = project.scratch("tampered.jsonl");
        fs::copy(&rebuilt, &copy).unwrap();
        change(&copy, member, |mut bytes| {
            bytes[40] ^= 1;
            bytes
        });
        judge(&copy, None, &[project.key("rebuilder.pub")]).refused("signature");
    }
}
