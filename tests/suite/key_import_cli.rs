//! `relman key import` through the real binary, and what key files it and every other command refuse.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base64ct::{Base64, Encoding};
use relman::io::keyring::{FileKey, KeyFile};
use relman::io::passphrase::Passphrases;
use relman::keys::Signer;

use crate::common::relman::{Project, Run, snapshot};
use crate::common::terminal::Terminal;

const PASSPHRASE: &str = "correct horse battery staple";

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode can be set");
}

/// A key file beside the project.
fn key(project: &Project, name: &str, passphrase: Option<&str>) -> (FileKey, PathBuf) {
    let key = FileKey::random().unwrap();
    let path = project.beside(name);
    write(
        &path,
        &key.to_text("mine", passphrase.map(str::as_bytes)).unwrap(),
    );
    (key, path)
}

fn import(file: &Path, name: &str) -> [String; 5] {
    let file = file.to_str().unwrap();
    ["key", "import", file, "--as", name].map(str::to_owned)
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// PKCS#8 of an Ed25519 key whose bytes are all 7, as openssl writes it.
fn pkcs8() -> String {
    let prefix = "302e020100300506032b657004220420";
    let mut der = relman::hash::from_hex(prefix).unwrap();
    der.extend([7; 32]);
    let body = Base64::encode_string(&der);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

#[test]
fn an_existing_key_is_taken_over_as_it_is() {
    let project = Project::new("import-as-is");
    for (name, passphrase) in [("plain", None), ("locked", Some(PASSPHRASE))] {
        let (key, path) = key(&project, name, passphrase);
        let target = format!("node.{name}");
        let run = project.relman(&words(&import(&path, &target))).exits(0);
        run.says(&["took over", &key.public().keyid(), "relman root add node"]);
        let taken = project.secrets().join(&target);
        assert_eq!(fs::read(&taken).unwrap(), fs::read(&path).unwrap());
        assert_eq!(
            fs::metadata(&taken).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let half = fs::read_to_string(project.secrets().join(format!("{target}.pub"))).unwrap();
        assert!(
            half.starts_with(key.public().to_openssh("").unwrap().trim()),
            "{half}"
        );
    }
}

#[test]
fn a_key_of_openssl_becomes_one_of_openssh() {
    let project = Project::new("import-pkcs8");
    let path = project.beside("key.pem");
    write(&path, &pkcs8());
    project.relman(&words(&import(&path, "node"))).exits(0);
    let key = KeyFile::read(&project.secrets().join("node"), &Rc::default())
        .unwrap()
        .unwrap();
    let want = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
    assert_eq!(key.public().bytes(), want.as_bytes());
    let cut = pkcs8().replace("BwcH", "");
    for text in [
        cut,
        pkcs8().replace("MC4C", "MC4D"),
        pkcs8().replace("-----END", "----END"),
    ] {
        write(&path, &text);
        let run = project
            .relman(&words(&import(&path, "node.other")))
            .exits(2);
        run.says(&["key.pem"]);
    }
    write(&path, &pkcs8());
    project.relman(&["root", "renew", "--draft"]).exits(0);
    let sign = ["sign", "root-2", "--yes", "--key", path.to_str().unwrap()];
    let run = project.relman(&sign).exits(1);
    run.says(&[
        "no OpenSSH private key",
        "hint: take it over: relman key import",
    ]);
}

#[test]
fn a_new_passphrase_is_asked_for_after_the_old_one() {
    let project = Project::new("import-new");
    let (_, path) = key(&project, "locked", Some(PASSPHRASE));
    let arguments = import(&path, "node");
    let arguments = [words(&arguments).as_slice(), &["--new-passphrase"]].concat();
    let mut terminal = Terminal::run(project.command(&arguments));
    terminal
        .shows("passphrase of")
        .types(PASSPHRASE)
        .types("\r");
    terminal
        .shows("new passphrase for")
        .types("another one entirely\r");
    terminal
        .shows("the same again: ")
        .types("another one entirely\r");
    terminal.ends().exits(0);
    let text = fs::read_to_string(project.secrets().join("node")).unwrap();
    let key = ssh_key::PrivateKey::from_openssh(&text).unwrap();
    assert!(key.decrypt("another one entirely").is_ok() && key.decrypt(PASSPHRASE).is_err());

    let (_, path) = self::key(&project, "third", Some(PASSPHRASE));
    let arguments = import(&path, "node.third");
    let more = ["--new-passphrase", "--passphrase-fd", "0"];
    let mut command = project.command(&[words(&arguments).as_slice(), &more].concat());
    write(&project.beside("pass"), PASSPHRASE);
    command.stdin(fs::File::open(project.beside("pass")).unwrap());
    let run = Run::of(command.output().unwrap()).exits(2);
    run.says(&["one descriptor gives one passphrase"]);
}

#[test]
fn a_key_that_is_here_already_or_that_others_may_read_is_not_taken_over() {
    let project = Project::new("import-twice");
    let before = snapshot(&project.secrets());
    let builder = project.secrets().join("builder");
    let run = project
        .relman(&words(&import(&builder, "approver.x")))
        .exits(2);
    run.says(&["is here already", "one purpose"]);
    let (_, path) = key(&project, "loose", None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    project
        .relman(&words(&import(&path, "node")))
        .exits(3)
        .says(&["mode 0644", "chmod 600"]);
    let none = project.beside("none");
    project
        .relman(&words(&import(&none, "node")))
        .exits(1)
        .says(&["there is no file"]);
    let (_, path) = key(&project, "fine", None);
    project
        .relman(&words(&import(&path, "root")))
        .exits(2)
        .says(&["never overwritten"]);
    assert_eq!(snapshot(&project.secrets()), before);
}

#[test]
fn keys_of_other_types_are_refused() {
    let project = Project::new("import-type");
    for kind in ["ecdsa", "rsa"] {
        for passphrase in ["", PASSPHRASE] {
            let path = project.beside(&format!("{kind}{}", passphrase.len()));
            let made = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", passphrase, "-f"])
                .arg(&path)
                .status();
            assert!(made.expect("ssh-keygen runs").success());
            let run = project.relman(&words(&import(&path, "node")));
            run.exits(2)
                .says(&["wanted ssh-ed25519", "relman key generate"]);
        }
    }
}

/// A key file with something done to its bytes.
fn patched(path: &Path, patch: impl FnOnce(&mut Vec<u8>)) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut bytes = Base64::decode_vec(&lines[1..lines.len() - 1].concat()).unwrap();
    patch(&mut bytes);
    let body = Base64::encode_string(&bytes);
    let body: Vec<&str> = body
        .as_bytes()
        .chunks(70)
        .map(|c| std::str::from_utf8(c).unwrap())
        .collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    write(path, &format!("{first}\n{}\n{last}\n", body.join("\n")));
}

#[test]
fn a_passphrase_that_would_take_for_ever_to_check_is_refused_at_once() {
    let project = Project::new("import-rounds");
    let (_, path) = key(&project, "slow", Some(PASSPHRASE));
    patched(&path, |bytes| {
        let rounds = [0, 0, 0, 24, 0, 0, 0, 1];
        let at = bytes
            .windows(8)
            .position(|w| w == rounds)
            .expect("rounds and the number of keys");
        bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
    });
    let run = project.relman(&words(&import(&path, "node"))).exits(3);
    run.says(&["4294967295 rounds", "ssh-keygen -p"]);
}

#[test]
fn whatever_bit_is_flipped_in_a_key_file_it_opens_to_the_same_key_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let pass = dir.path().join("pass");
    write(&pass, PASSPHRASE);
    let plain = FileKey::random().unwrap();
    for passphrase in [None, Some(PASSPHRASE.as_bytes())] {
        let text = plain.to_text("a comment", passphrase).unwrap();
        write(&path, &text);
        let mut len = 0;
        patched(&path, |bytes| len = bytes.len());
        // Each try of a passphrase takes a while.
        let step = if passphrase.is_some() { 19 } else { 1 };
        for at in (0..len).step_by(step) {
            write(&path, &text);
            patched(&path, |bytes| bytes[at] ^= 1 << (at % 8));
            let given = fs::File::open(&pass).unwrap();
            let number = given.as_raw_fd().try_into().unwrap();
            let passphrases = Rc::new(Passphrases::from_descriptor(number).unwrap());
            let Ok(Some(key)) = KeyFile::read(&path, &passphrases) else {
                continue;
            };
            if let Ok(open) = key.open() {
                assert_eq!(open.public(), key.public(), "byte {at}");
                assert!(
                    key.public()
                        .verify(b"message", &key.sign(b"message").unwrap())
                );
            }
        }
    }
}
