//! `relman key generate`, `list`, `show` and `export` through the real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64ct::{Base64, Encoding};
use serde_json::Value;

use crate::common::relman::{BUILD, Project, Run, TAG, files, flip, snapshot};

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

/// A key without a passphrase in the directory of secret keys.
fn generate(project: &Project, name: &str) -> String {
    project
        .relman(&["key", "generate", name, "--no-passphrase"])
        .exits(0);
    let path = project.secrets().join(format!("{name}.pub"));
    path.to_str().unwrap().to_owned()
}

/// The lines of `key list --json`, by name.
fn listed(project: &Project, name: &str) -> Value {
    let document = project.relman(&["key", "list", "--json"]).exits(0).json();
    let keys = document["data"]["keys"].as_array().unwrap().clone();
    let found = keys.into_iter().find(|key| key["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {document:#}"))
}

#[test]
fn a_key_is_made_private_and_says_what_to_do_next() {
    let project = Project::new("key-made");
    let run = project
        .relman(&["key", "generate", "mainnet.bob", "--no-passphrase"])
        .exits(0);
    let path = project.secrets().join("mainnet.bob");
    let half = format!("{}.pub", path.display());
    run.says(&[
        "without a passphrase",
        &format!("next: relman root add mainnet {half} --person NAME"),
    ]);
    assert_eq!((mode(&path), mode(Path::new(&half))), (0o600, 0o644));
    assert_eq!(mode(&project.secrets()), 0o700);
    let line = fs::read_to_string(&half).unwrap();
    assert!(
        line.starts_with("ssh-ed25519 ") && line.contains(" mainnet.bob@"),
        "{line}"
    );
    project
        .relman(&["root", "add", "mainnet", &half, "--person", "bob", "--yes"])
        .exits(0);
    assert_eq!(listed(&project, "mainnet.bob")["state"], "counts");
    project.is_sound();
}

#[test]
fn what_is_there_is_never_overwritten() {
    let project = Project::new("key-there");
    generate(&project, "node.one");
    let before = snapshot(&project.secrets());
    for name in ["node.one", "root"] {
        let run = project
            .relman(&["key", "generate", name, "--no-passphrase"])
            .exits(2);
        run.says(&["is there already", "never overwritten"]);
    }
    fs::write(project.beside("half.pub"), "somebody's").unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", project.beside("link")).unwrap();
    for name in ["half", "link"] {
        let out = project.beside(name);
        let out = out.to_str().unwrap();
        let run = project.relman(&["key", "generate", "node", "--no-passphrase", "--out", out]);
        run.exits(2).says(&["is there already"]);
    }
    assert_eq!(snapshot(&project.secrets()), before);
    assert_eq!(fs::read(project.beside("half.pub")).unwrap(), b"somebody's");
}

#[test]
fn a_name_that_is_no_purpose_makes_no_key() {
    let project = Project::new("key-name");
    let before = snapshot(&project.secrets());
    for name in [
        "bulider",
        "stagenet",
        "halt-stagenet",
        "timestamps",
        "Root",
        "agent",
    ] {
        let run = project
            .relman(&["key", "generate", name, "--no-passphrase"])
            .exits(2);
        run.says(&["wanted"]);
    }
    let long = "x".repeat(300);
    for name in [
        "", ".", "..", "../root", "root.", "root.pub", "a/b", ".root", "root.a b", "r\x1b[2J",
        &long,
    ] {
        let run = project
            .relman(&["key", "generate", "--no-passphrase", "--", name])
            .exits(2);
        assert!(!run.stderr.contains('\x1b'), "{run:?}");
    }
    assert_eq!(snapshot(&project.secrets()), before);
    for comment in ["two\nlines", &"x".repeat(257)] {
        let options = ["--no-passphrase", "--comment", comment];
        project
            .relman(&[["key", "generate", "node"].as_slice(), &options].concat())
            .exits(2);
    }
}

#[test]
fn no_private_key_is_written_into_the_repository_unless_the_place_was_named() {
    let project = Project::new("key-inside");
    let mut command = project.command(&["key", "generate", "node", "--no-passphrase"]);
    command.env("XDG_CONFIG_HOME", project.path("config"));
    let run = Run::of(command.output().unwrap()).exits(2);
    run.says(&["inside the repository", "--secret-keys"]);
    assert!(!project.path("config").exists());
    let named = [
        "key",
        "generate",
        "node",
        "--no-passphrase",
        "--out",
        "here",
    ];
    project.relman(&named).exits(0);
    assert_eq!(mode(&project.path("here")), 0o600);
}

#[test]
fn without_a_terminal_a_key_gets_no_passphrase_by_silence() {
    let project = Project::new("key-silent");
    let run = project.relman(&["key", "generate", "node"]).exits(1);
    run.says(&["there is no terminal", "--passphrase-fd", "--no-passphrase"]);
    project
        .relman(&["key", "generate", "node", "--json"])
        .exits(1)
        .json();
    let both = [
        "key",
        "generate",
        "node",
        "--no-passphrase",
        "--passphrase-fd",
        "0",
    ];
    project.relman(&both).exits(2);
    assert!(!files(&project.secrets()).contains(&"node".to_owned()));
}

#[test]
fn outside_of_a_project_a_key_goes_where_it_is_told_to() {
    let project = Project::empty("key-outside");
    let run = project
        .relman(&["key", "generate", "mainnet", "--no-passphrase"])
        .exits(2);
    run.says(&["--out FILE", "--secret-keys DIR"]);
    let named = [
        "key",
        "generate",
        "mainnet",
        "--no-passphrase",
        "--out",
        "mine/mainnet",
    ];
    project
        .relman(&named)
        .exits(0)
        .says(&["send", "relman root add mainnet KEY.pub"]);
    project
        .relman(&["key", "show", "mine/mainnet.pub"])
        .exits(0)
        .says(&["SHA256:", "not here"]);
    project.relman(&["key", "list"]).exits(0).says(&["no keys"]);
    let dir = ["--secret-keys", "mine", "key", "list", "--json"];
    let document = project.relman(&dir).exits(0).json();
    assert_eq!(document["data"]["keys"][0]["state"], "?", "{document:#}");
}

#[test]
fn the_list_says_which_keys_count_and_why_others_do_not() {
    let project = Project::new("key-list");
    generate(&project, "node.unknown");
    let late = generate(&project, "approver.late");
    let add = [
        "root",
        "add",
        "approver",
        &late,
        "--person",
        "ann",
        "--not-after",
        "2026-03-01T00:00:00Z",
    ];
    project
        .relman(&[add.as_slice(), &["--yes"]].concat())
        .exits(0);
    fs::copy(
        project.secrets().join("builder"),
        project.secrets().join("approver.twin"),
    )
    .unwrap();
    fs::write(project.secrets().join("gate.broken"), "no key").unwrap();
    fs::set_permissions(
        project.secrets().join("gate.broken"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    generate(&project, "node.loose");
    fs::set_permissions(
        project.secrets().join("node.loose"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    generate(&project, "node.away");
    fs::remove_file(project.secrets().join("node.away")).unwrap();
    for (name, kind, state, why) in [
        ("root", "file", "counts", ""),
        ("log", "file", "counts", ""),
        ("approver.late", "file", "counts", ""),
        ("node.unknown", "file", "unknown", "neither root nor policy"),
        (
            "approver.twin",
            "file",
            "misplaced",
            "it is a key for builder",
        ),
        ("node.away", "agent", "absent", "SSH_AUTH_SOCK"),
        ("node.loose", "", "unusable", "mode 0640"),
        ("gate.broken", "", "unusable", "no OpenSSH private key"),
    ] {
        let key = listed(&project, name);
        assert_eq!(key["kind"].as_str().unwrap_or_default(), kind, "{key:#}");
        assert_eq!(key["state"], state, "{key:#}");
        assert!(key["why"].as_str().unwrap().contains(why), "{key:#}");
    }
    let mut later = project.command(&["key", "list"]);
    later.env("RELMAN_INSECURE_NOW", "2026-04-01T00:00:00Z");
    let run = Run::of(later.output().unwrap()).exits(0);
    run.says(&["ended: at 2026-03-01T00:00:00Z", "approver.late"]);
}

#[test]
fn a_store_that_does_not_verify_leaves_the_list_and_says_so() {
    let project = Project::new("key-damaged");
    flip(&project.store().join("metadata/timestamp.json"));
    project
        .relman(&["key", "list"])
        .exits(0)
        .says(&["what they count for is not known", "builder"]);
    assert_eq!(listed(&project, "builder")["state"], "?");
}

#[test]
fn one_key_is_found_by_file_name_purpose_holder_and_id() {
    let project = Project::new("key-found");
    let half = generate(&project, "mainnet.bob");
    project
        .relman(&["root", "add", "mainnet", &half, "--person", "bob", "--yes"])
        .exits(0);
    let data = |word: &str| {
        project
            .relman(&["key", "show", word, "--json"])
            .exits(0)
            .json()["data"]
            .clone()
    };
    let id = data("mainnet.bob")["keyid"].as_str().unwrap().to_owned();
    for word in [
        half.as_str(),
        half.trim_end_matches(".pub"),
        "bob",
        &id,
        &id[..8],
    ] {
        assert_eq!(data(word)["keyid"], id.as_str(), "{word}");
    }
    let known = &data("bob")["known"][0];
    assert_eq!(
        (known["purpose"].as_str(), known["person"].as_str()),
        (Some("mainnet"), Some("bob"))
    );
    fs::remove_file(project.secrets().join("builder")).unwrap();
    let away = data("builder");
    assert_eq!(
        (away["kind"].as_str(), away["known"][0]["purpose"].as_str()),
        (None, Some("builder"))
    );
    project
        .relman(&["key", "show", "nobody"])
        .exits(2)
        .says(&["relman key list"]);
    project.relman(&["key", "show", &id[..7]]).exits(2);
    let person = known_person(&project);
    project
        .relman(&["key", "show", &person])
        .exits(2)
        .says(&["may be any of", "key of"]);
}

fn known_person(project: &Project) -> String {
    listed(project, "root")["person"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_public_key_is_exported_in_every_format() {
    let project = Project::new("key-export");
    let export = |key: &str, format: &str| {
        let run = project.relman(&["key", "export", key, "--format", format]);
        run.exits(0).stdout
    };
    let public =
        |name: &str| fs::read_to_string(project.path(&format!("keys/{name}.pub"))).unwrap();
    let field = |line: &str| line.split(' ').nth(1).unwrap().trim().to_owned();
    assert_eq!(field(&export("builder", "ssh")), field(&public("builder")));
    let blob = Base64::decode_vec(&field(&public("builder"))).unwrap();
    let key = &blob[blob.len() - 32..];
    let pem = export("builder", "pem");
    let der = Base64::decode_vec(pem.lines().nth(1).unwrap()).unwrap();
    assert!(
        der.ends_with(key) && pem.starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{pem}"
    );
    let minisign = export("builder", "minisign");
    let bytes = Base64::decode_vec(minisign.lines().nth(1).unwrap()).unwrap();
    assert!(bytes.starts_with(b"Ed") && bytes.ends_with(key) && bytes.len() == 42);
    assert_eq!(
        export("builder", "tuf-id").trim(),
        listed(&project, "builder")["keyid"]
    );
    let vkey = fs::read_to_string(project.path("keys/log.vkey")).unwrap();
    assert_eq!(export("log", "vkey"), vkey);
    let out = project.beside("key.pem");
    let out = out.to_str().unwrap();
    let to = ["key", "export", "builder", "--format", "pem", "--out", out];
    project.relman(&to).exits(0).says(&["wrote"]);
    project.relman(&to).exits(0);
    assert_eq!(fs::read_to_string(out).unwrap(), pem);
    let other = ["key", "export", "root", "--format", "pem", "--out", out];
    project.relman(&other).exits(3).says(&["never overwritten"]);
    for arguments in [
        &["builder", "--format", "vkey"][..],
        &["builder", "--format", "pem", "--name", "x"],
        &["builder", "--format", "private"],
        &["builder"],
    ] {
        project
            .relman(&[&["key", "export"], arguments].concat())
            .exits(2);
    }
}

#[test]
fn a_witness_key_has_the_vkey_of_a_witness_under_the_name_that_policy_has() {
    let project = Project::new("key-witness");
    let half = generate(&project, "witness");
    let export = ["key", "export", &half, "--format", "vkey"];
    project.relman(&export).exits(2).says(&["--name NAME"]);
    let named = [export.as_slice(), &["--name", "w.example/1"]].concat();
    let vkey = project.relman(&named).exits(0).stdout;
    let key = Base64::decode_vec(vkey.trim().splitn(3, '+').nth(2).unwrap()).unwrap();
    assert_eq!((key[0], key.len()), (4, 33), "{vkey}");
    fs::write(
        project.beside("witnesses"),
        format!("witness w {vkey}quorum w\n"),
    )
    .unwrap();
    let file = project.beside("witnesses");
    project
        .relman(&["root", "witnesses", file.to_str().unwrap(), "--yes"])
        .exits(0);
    assert_eq!(project.relman(&export).exits(0).stdout, vkey);
    assert_eq!(listed(&project, "witness")["state"], "counts");
    let bad = [export.as_slice(), &["--name", "a name"]].concat();
    project.relman(&bad).exits(2);
}

#[test]
fn keys_that_were_generated_before_init_are_what_it_takes() {
    let project = Project::uninitialised("key-before");
    project.configure(BUILD, "");
    let made = project
        .relman(&["key", "generate", "root", "--no-passphrase"])
        .exits(0);
    made.says(&["next: relman init"]);
    let before = fs::read(project.secrets().join("root")).unwrap();
    project.relman(&["init", "--yes"]).exits(0);
    assert_eq!(fs::read(project.secrets().join("root")).unwrap(), before);
    project.relman(&["cut", TAG]).exits(0);
    project.is_verified(TAG);
}
