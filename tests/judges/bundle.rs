//! Provenance as Sigstore bundle, judged by Sigstore's own libraries; and envelopes as readers in Go
//! see them, which look at key ids first.

use std::fs;
use std::path::{Path, PathBuf};

use relman::keys::PublicKey;

use crate::openssl::pem;
use crate::project::{Copy, Project, TAGS};
use crate::tools::{self, Verdict};

struct Bench {
    project: Project,
    bundle: String,
    line: String,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let project = Project::founded(name);
        project.release(TAGS[0]);
        Bench {
            project,
            bundle: format!("{}/provenance.sigstore.json", TAGS[0]),
            line: format!("{}/provenance.intoto.jsonl", TAGS[0]),
        }
    }

    /// A public key of the project as PEM file, and its TUF key id.
    fn key(&self, name: &str) -> (PathBuf, String) {
        let public = self.project.key(name);
        let path = self.project.scratch(&format!("{name}.pem"));
        fs::write(&path, pem(&public)).unwrap();
        let line = fs::read_to_string(public).unwrap();
        (path, PublicKey::from_openssh(&line).unwrap().keyid())
    }

    fn copy(&self, name: &str) -> Copy {
        self.project.copy(name)
    }
}

fn sigstore(bundle: &Path, key: &Path, hint: Option<&str>) -> Verdict {
    let hint = hint.map(Path::new);
    tools::node("bundle.js", [bundle, key].into_iter().chain(hint))
}

fn go(envelope: &Path, key: &Path, id: Option<&str>) -> Verdict {
    tools::go_dsse([envelope, key].into_iter().chain(id.map(Path::new)))
}

#[test]
#[ignore = "needs @sigstore/verify: run tests/judges/setup"]
fn sigstore_accepts_our_bundle_and_refuses_tampered_copies() {
    let bench = Bench::new("judge-bundle");
    let (builder, id) = bench.key("builder.pub");
    let copy = bench.copy("same");
    let file = copy.file(&bench.bundle);
    let seen = sigstore(&file, &builder, Some(&id)).accepted();
    assert_eq!(seen["predicateType"], "https://slsa.dev/provenance/v1");
    sigstore(&file, &builder, Some("another")).refused("PUBLIC_KEY_ERROR");
    sigstore(&file, &bench.key("publisher.pub").0, None).refused("SIGNATURE_ERROR");

    for (label, from, to, reason) in [
        (
            "payload",
            &b"\"payload\":\"eyJ"[..],
            &b"\"payload\":\"eyK"[..],
            "SIGNATURE_ERROR",
        ),
        (
            "type",
            b"vnd.in-toto+json",
            b"vnd.in-toto+jsom",
            "SIGNATURE_ERROR",
        ),
        (
            "media",
            b"vnd.dev.sigstore",
            b"vnd.dev.sigstorf",
            "ValidationError",
        ),
        (
            "hint",
            b"\"publicKey\"",
            b"\"publicKez\"",
            "ValidationError",
        ),
        ("json", b"\"mediaType\"", b"\"mediaType", "SyntaxError"),
    ] {
        let copy = bench.copy(label);
        copy.replace(&bench.bundle, from, to);
        sigstore(&copy.file(&bench.bundle), &builder, None).refused(reason);
    }
}

#[test]
#[ignore = "needs Go: run tests/judges/setup"]
fn readers_in_go_want_the_key_under_its_tuf_id_or_the_bundle_which_has_none() {
    let bench = Bench::new("judge-keyid");
    let (builder, id) = bench.key("builder.pub");
    let copy = bench.copy("same");
    let (line, bundle) = (copy.file(&bench.line), copy.file(&bench.bundle));
    go(&line, &builder, Some(&id)).accepted();
    // Such a reader does not try a signature under an id that is not the one it knows the key by.
    go(&line, &builder, None).refused("signature: none of 1 accepted, 1 skipped");
    for known_as in [Some(id.as_str()), Some("mine"), None] {
        let seen = go(&bundle, &builder, known_as).accepted();
        assert_eq!(seen["_type"], "https://in-toto.io/Statement/v1");
    }
}

#[test]
#[ignore = "needs Go: run tests/judges/setup"]
fn readers_in_go_refuse_tampered_copies() {
    let bench = Bench::new("judge-keyid-tampered");
    let (builder, id) = bench.key("builder.pub");
    let none = "signature: none of 1 accepted, 0 skipped";
    for (label, from, to) in [
        (
            "payload",
            &b"\"payload\":\"eyJ"[..],
            &b"\"payload\":\"eyK"[..],
        ),
        ("type", b"vnd.in-toto+json", b"vnd.in-toto+jsom"),
    ] {
        for file in [&bench.line, &bench.bundle] {
            let copy = bench.copy(&format!("{label}-{}", file.len()));
            copy.replace(file, from, to);
            go(&copy.file(file), &builder, Some(&id)).refused(none);
        }
    }
    let copy = bench.copy("key");
    let (publisher, _) = bench.key("publisher.pub");
    go(&copy.file(&bench.line), &publisher, Some(&id)).refused(none);
    go(&copy.file(&bench.bundle), &publisher, None).refused(none);
}
