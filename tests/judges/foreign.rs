//! Repositories that python-tuf and tuftool wrote, read by our client.

use std::path::Path;

use relman::hash::Sha256;
use serde_json::Value;
use tempfile::TempDir;

use crate::clients::{Client, Why, versions};
use crate::project::Copy;
use crate::tools;

/// A repository below a directory of its own: `root.json`, `metadata`, `targets`.
struct Foreign(TempDir);

impl Foreign {
    /// By the script of that name, with these options.
    fn by_python_tuf(options: &[&str]) -> Foreign {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().to_str().unwrap();
        tools::python("tuf_repository.py", [&[out], options].concat()).accepted();
        Foreign(dir)
    }

    fn by_tuftool() -> Foreign {
        let dir = tempfile::tempdir().unwrap();
        tools::tuftool_repository(dir.path());
        Foreign(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether a client that knows the root alone gets these targets, each with its name as its bytes.
    #[track_caller]
    fn gives(&self, client: Client, targets: &[&str]) {
        let state = self.0.path().join(format!("{client:?}"));
        let root = self.path().join("root.json");
        let seen = client.visit(self.path(), &root, &state, targets).accepted();
        let digest = |name: &&str| (name.to_string(), Sha256::of(name.as_bytes()).hex().into());
        assert_eq!(seen, Value::Object(targets.iter().map(digest).collect()));
    }

    /// That our client, which knows the root alone, refuses to download `target`.
    #[track_caller]
    fn refuses(&self, target: &str, why: Why, what: &str) {
        self.refuses_copy(self.path(), target, why, what);
    }

    #[track_caller]
    fn refuses_copy(&self, copy: &Path, target: &str, why: Why, what: &str) {
        let state = tempfile::tempdir().unwrap();
        let root = self.path().join("root.json");
        let verdict = Client::Relman.visit(copy, &root, state.path(), &[target]);
        Client::Relman.refuses(verdict, why, what);
    }

    /// A copy in which something was changed, that our client refuses to download `target` from.
    #[track_caller]
    fn refuses_changed(&self, target: &str, why: Why, what: &str, how: impl Fn(&Copy)) {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::of(self.path(), dir.path().join("copy"));
        how(&copy);
        self.refuses_copy(&copy.0, target, why, what);
    }
}

/// What python-tuf lists, by each kind of delegation.
const BY_PYTHON_TUF: [&str; 6] = [
    "plain.txt",
    "nested/dir/file.txt",
    "one/a.txt",
    "one/deep.txt",
    "two/b.bin",
    "by-hash.txt",
];

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn we_read_what_python_tuf_wrote_with_and_without_consistent_snapshots() {
    for options in [&[][..], &["--plain-names"]] {
        let theirs = Foreign::by_python_tuf(options);
        theirs.gives(Client::PythonTuf, &BY_PYTHON_TUF);
        theirs.gives(Client::Relman, &BY_PYTHON_TUF);
        let kept = versions(&theirs.path().join("Relman"));
        assert_eq!(kept["root"], 3);
        // Names that a URL cannot have as they are.
        theirs.gives(
            Client::Relman,
            &["a b+c%20é.txt", "what?#.txt", "one/c.txt"],
        );
    }
}

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn we_refuse_what_a_stranger_or_too_few_signed_with_python_tuf() {
    let quoted = "1.two & more/ü";
    let forged = [
        ("2.root", "plain.txt"),
        ("1.timestamp", "plain.txt"),
        ("1.snapshot", "plain.txt"),
        ("1.targets", "plain.txt"),
        ("1.one", "one/a.txt"),
        ("1.deep", "one/deep.txt"),
        (quoted, "two/b.bin"),
        ("1.hashed", "by-hash.txt"),
    ];
    let short = [
        ("2.root", "plain.txt"),
        ("1.targets", "plain.txt"),
        (quoted, "two/b.bin"),
    ];
    let forged = forged.map(|(file, target)| ("--forge", file, target));
    let short = short.map(|(file, target)| ("--short", file, target));
    for (option, file, target) in forged.into_iter().chain(short) {
        let theirs = Foreign::by_python_tuf(&[option, file]);
        theirs.refuses(target, Why::Signatures, &format!("{option} {file}"));
    }
}

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn we_refuse_tampered_copies_of_what_python_tuf_wrote() {
    let theirs = Foreign::by_python_tuf(&[]);
    let later = |path: &'static str| {
        move |copy: &Copy| copy.replace(path, b"\"expires\": \"2", b"\"expires\": \"3")
    };
    let changed = |what: &str, target: &str, why, how: &dyn Fn(&Copy)| {
        theirs.refuses_changed(target, why, what, how);
    };
    let timestamp = later("metadata/timestamp.json");
    changed("timestamp", "plain.txt", Why::Signatures, &timestamp);
    let snapshot = later("metadata/1.snapshot.json");
    changed("snapshot", "plain.txt", Why::Digest, &snapshot);
    changed(
        "targets",
        "plain.txt",
        Why::Digest,
        &later("metadata/1.targets.json"),
    );
    changed(
        "one",
        "one/a.txt",
        Why::Digest,
        &later("metadata/1.one.json"),
    );
    // Listed without a digest.
    changed(
        "deep",
        "one/deep.txt",
        Why::Signatures,
        &later("metadata/1.deep.json"),
    );
    changed("a target", "plain.txt", Why::Digest, &|copy| {
        copy.flip(&copy.find("targets", ".plain.txt"));
    });
    // Outside of the names that the role was given.
    theirs.refuses("two/not-its-own.bin", Why::Foreign, "a foreign name");
}

#[test]
#[ignore = "needs tuftool: run tests/judges/setup"]
fn we_read_what_tuftool_wrote_and_refuse_tampered_copies_of_it() {
    let theirs = Foreign::by_tuftool();
    let plain = ["plain.txt", "team-a.txt"];
    theirs.gives(Client::Tuftool, &plain);
    theirs.gives(Client::Relman, &plain);
    // tuftool writes this name and asks for another.
    theirs.gives(Client::Relman, &["a b+c%20é.txt"]);
    assert_eq!(versions(&theirs.path().join("Relman"))["root"], 2);

    let changed = |path: &str, why, from: &str, to: &str| {
        theirs.refuses_changed("team-a.txt", why, path, |copy| {
            copy.replace(path, from.as_bytes(), to.as_bytes());
        });
    };
    let (from, to) = ("\"expires\": \"2", "\"expires\": \"3");
    changed("metadata/2.root.json", Why::Signatures, from, to);
    changed("metadata/timestamp.json", Why::Signatures, from, to);
    changed("metadata/3.snapshot.json", Why::Digest, from, to);
    changed("metadata/3.targets.json", Why::Digest, from, to);
    changed("metadata/2.team.json", Why::Digest, from, to);
    theirs.refuses_changed("team-a.txt", Why::Digest, "a target", |copy| {
        copy.flip(&copy.find("targets", ".team-a.txt"));
    });
}
