//! The repository metadata, judged by python-tuf's client.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::project::{Copy, Project, TAGS, write};
use crate::tools::{self, Verdict};

/// A refresh and downloads by a client whose state is in `state`.
fn client(store: &Path, root: &Path, state: &Path, targets: &[&str]) -> Verdict {
    let targets = targets.iter().map(Path::new);
    tools::python(
        "tuf_client.py",
        [store, root, state].into_iter().chain(targets),
    )
}

fn archive(tag: &str) -> String {
    format!("{tag}.tar.gz")
}

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn python_tuf_refreshes_from_our_root_and_downloads_what_we_published() {
    let project = Project::released("judge-tuf");
    let names = TAGS.map(archive);
    let wanted = [&names[0], &names[1], "mainnet.current.json"];
    let seen = client(
        &project.store(),
        &project.key("root.json"),
        &project.scratch("client"),
        &wanted,
    )
    .accepted();
    for (tag, name) in TAGS.iter().zip(&names) {
        let ours = fs::read(project.store().join(tag).join(name)).unwrap();
        let got = project.scratch("client/targets").join(name);
        assert!(fs::read(got).unwrap() == ours, "{name}");
    }
    let targets = seen["targets"].as_object().unwrap();
    assert_eq!(targets["mainnet.current.json"], Value::Null);
    let versions = json!({"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3, "mainnet": 1});
    for (role, version) in versions.as_object().unwrap() {
        assert_eq!(seen["versions"][role], *version, "{role}");
    }
}

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn python_tuf_refuses_tampered_copies() {
    let project = Project::released("judge-tuf-tampered");
    let name = archive(TAGS[1]);
    let digest = |copy: &Copy| {
        let path = copy.find("targets", &name);
        let file = path.strip_prefix("targets/").unwrap();
        file.split('.').next().unwrap().to_owned()
    };
    let judge = |label: &str, tamper: &dyn Fn(&Copy)| {
        let copy = project.copy(label);
        tamper(&copy);
        let state = project.scratch(&format!("client-{label}"));
        client(
            &copy.0,
            &project.key("root.json"),
            &state,
            &[&name, "mainnet.x"],
        )
    };

    judge("same", &|_| {}).accepted();
    judge("archive", &|copy| copy.flip(&copy.find("targets", &name)))
        .refused("LengthOrHashMismatchError");
    judge("other-archive", &|copy| {
        let (old, new) = (
            copy.find("targets", &archive(TAGS[0])),
            copy.find("targets", &name),
        );
        write(&copy.file(&new), &fs::read(copy.file(&old)).unwrap());
    })
    .refused("LengthOrHashMismatchError");
    for (role, file) in [
        ("timestamp", "timestamp.json"),
        ("snapshot", "3.snapshot.json"),
        ("targets", "3.targets.json"),
        ("mainnet", "1.mainnet.json"),
    ] {
        judge(role, &|copy| {
            copy.replace(
                &format!("metadata/{file}"),
                b"\"expires\": \"20",
                b"\"expires\": \"30",
            );
        })
        .refused(if role == "timestamp" {
            "UnsignedMetadataError"
        } else {
            "LengthOrHashMismatchError"
        });
    }
    judge("digest", &|copy| {
        let digest = digest(copy);
        let other = format!("{}{}", &digest[1..], &digest[..1]);
        copy.replace(
            "metadata/3.targets.json",
            digest.as_bytes(),
            other.as_bytes(),
        );
    })
    .refused("LengthOrHashMismatchError");
}

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn python_tuf_refuses_another_root_and_another_root_refuses_us() {
    let ours = Project::released("judge-tuf-ours");
    let theirs = Project::founded("judge-tuf-theirs");
    let judge = |store: &Path, root: &Path, label: &str| {
        client(store, root, &ours.scratch(label), &[&archive(TAGS[1])])
    };
    judge(&ours.store(), &theirs.key("root.json"), "foreign-root").refused("UnsignedMetadataError");
    judge(&theirs.store(), &ours.key("root.json"), "foreign-store")
        .refused("UnsignedMetadataError");

    // A next root that its own keys signed, but not ours.
    let copy = ours.copy("next-root");
    let next = fs::read(theirs.key("root.json")).unwrap();
    write(&copy.file("metadata/2.root.json"), &next);
    judge(&copy.0, &ours.key("root.json"), "next-root").refused("UnsignedMetadataError");
}

#[test]
#[ignore = "needs python-tuf: run tests/judges/setup"]
fn python_tuf_refuses_a_store_put_back_and_one_that_went_stale() {
    let project = Project::founded("judge-tuf-old");
    project.release(TAGS[0]);
    let before = project.copy("before");
    project.release(TAGS[1]);
    let state = project.scratch("client");
    let root = project.key("root.json");
    client(&before.0, &root, &state, &[]).accepted();
    client(&project.store(), &root, &state, &[]).accepted();
    client(&before.0, &root, &state, &[]).refused("BadVersionNumberError");

    let stale = Project::founded_at("judge-tuf-stale", Some("2020-01-01T00:00:00Z"));
    client(
        &stale.store(),
        &stale.key("root.json"),
        &stale.scratch("client"),
        &[],
    )
    .refused("ExpiredMetadataError");
}
