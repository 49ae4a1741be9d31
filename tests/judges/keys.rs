//! Keys that OpenSSH, openssl and minisign read, make, and sign with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use base64ct::{Base64, Encoding};
use relman::io::keyring::{FileKey, KeyFile, PURPOSES};
use relman::keys::{Signer, spell};

use crate::project::{Project, TAGS};
use crate::tools;

const PASSPHRASE: &str = "correct horse battery staple";

/// OpenSSH's agent, which ends with the test.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path) -> Agent {
        let socket = dir.join("ssh.sock");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent starts");
        let agent = Agent { child, socket };
        // It answers once its socket is there; ssh-add exits 1 where it has no keys, 2 before.
        for _ in 0..1000 {
            if agent.add(&["-l"]).0 == Some(1) {
                return agent;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("ssh-agent does not answer");
    }

    /// ssh-add, which is given no terminal and asks `askpass` instead.
    fn add(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let askpass = self.socket.with_file_name("askpass");
        fs::write(&askpass, format!("#!/bin/sh\necho '{PASSPHRASE}'\n")).unwrap();
        fs::set_permissions(&askpass, fs::Permissions::from_mode(0o700)).unwrap();
        let out = Command::new("ssh-add")
            .args(arguments)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null())
            .output()
            .expect("ssh-add runs");
        let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        (out.status.code(), said.into_owned())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(arguments: &[&str], path: &Path) {
    let made = Command::new("ssh-keygen")
        .arg("-q")
        .args(arguments)
        .arg("-f")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("ssh-keygen runs");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "ssh-keygen {arguments:?}: {said}");
}

#[test]
#[ignore = "needs ssh-agent and ssh-add: apt-get install openssh-client"]
fn ssh_agent_signs_a_whole_release_and_no_private_file_is_left() {
    let project = Project::unfounded("judge-agent");
    let agent = Agent::start(&project.scratch(""));
    let keys = project.secrets();
    fs::create_dir_all(&keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).unwrap();
    let bob = project.scratch("bob");
    keygen(&["-t", "ed25519", "-N", PASSPHRASE, "-C", "bob"], &bob);
    for path in PURPOSES.map(|name| keys.join(name)).iter().chain([&bob]) {
        if path != &bob {
            keygen(&["-t", "ed25519", "-N", PASSPHRASE], path);
        }
        let (code, said) = agent.add(&["-q", path.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{said}");
        fs::remove_file(path).unwrap();
    }
    let run =
        |arguments: &[&str]| project.relman_with(arguments, &[("SSH_AUTH_SOCK", &agent.socket)]);
    let well = |arguments: &[&str]| {
        let (code, said) = run(arguments);
        assert_eq!(code, Some(0), "relman {arguments:?}: {said}");
    };
    well(&["init", "--yes"]);
    project.tag(TAGS[0]);
    well(&["cut", TAGS[0]]);
    well(&["timestamp"]);
    let half = project.scratch("bob.pub");
    let half = half.to_str().unwrap();
    well(&[
        "root",
        "add",
        "targets",
        half,
        "--person",
        "bob",
        "--threshold",
        "2",
        "--yes",
    ]);
    well(&["sign", "root-2", "--key", "agent", "--yes"]);
    project.tag(TAGS[1]);
    well(&["cut", TAGS[1]]);
    well(&[
        "sign",
        &format!("release-{}", TAGS[1]),
        "--key",
        half,
        "--yes",
    ]);
    well(&["promote", TAGS[0], "--to", "testnet"]);
    well(&["audit"]);
    well(&["verify", TAGS[1]]);
    let names = fs::read_dir(&keys).unwrap().map(|e| e.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.ends_with(".pub")), "{names:?}");
    assert_eq!(names.len(), PURPOSES.len());

    assert_eq!(agent.add(&["-x"]).0, Some(0), "it can be locked");
    let (code, said) = run(&["timestamp"]);
    assert!(code == Some(1) && said.contains("ssh-add -X"), "{said}");
    assert_eq!(agent.add(&["-X"]).0, Some(0), "it can be unlocked");
    well(&["timestamp"]);
    agent.add(&["-D"]);
    let (code, said) = run(&["timestamp"]);
    assert!(code == Some(1) && said.contains("has no keys"), "{said}");
}

#[test]
#[ignore = "needs ssh-keygen: apt-get install openssh-client"]
fn ssh_keygen_and_relman_open_the_keys_that_the_other_encrypted() {
    let project = Project::founded("judge-keygen");
    let pass = project.scratch("pass");
    fs::write(&pass, PASSPHRASE).unwrap();
    let ciphers = [
        "aes256-ctr",
        "aes128-ctr",
        "aes192-ctr",
        "aes128-cbc",
        "aes256-cbc",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ];
    let timestamp = project.secrets().join("timestamp");
    let mut old = "";
    for cipher in ciphers {
        let change = ["-p", "-P", old, "-N", PASSPHRASE, "-Z", cipher, "-a", "3"];
        keygen(&change, &timestamp);
        old = PASSPHRASE;
        for (passphrase, code) in [(PASSPHRASE, 0), ("another one", 1)] {
            fs::write(&pass, passphrase).unwrap();
            let (found, said) = project.fed(&["timestamp", "--passphrase-fd", "0"], &pass);
            assert_eq!(found, Some(code), "{cipher}: {said}");
            assert_eq!(
                said.contains("does not open"),
                code == 1,
                "{cipher}: {said}"
            );
        }
    }
    keygen(
        &["-p", "-P", old, "-N", PASSPHRASE, "-Z", "3des-cbc"],
        &timestamp,
    );
    let (code, said) = project.fed(&["timestamp", "--passphrase-fd", "0"], &pass);
    assert!(code == Some(1) && said.contains("ssh-keygen -p"), "{said}");

    let key = FileKey::random().unwrap();
    let path = project.scratch("ours");
    let text = key
        .to_text("a comment", Some(PASSPHRASE.as_bytes()))
        .unwrap();
    fs::write(&path, text.as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let read = |passphrase: &str| {
        let out = Command::new("ssh-keygen")
            .args(["-y", "-P", passphrase, "-f"])
            .arg(&path)
            .output();
        let out = out.expect("ssh-keygen runs");
        out.status
            .success()
            .then(|| String::from_utf8(out.stdout).unwrap())
    };
    let line = read(PASSPHRASE).expect("ssh-keygen reads it");
    assert_eq!(line.trim(), key.public().to_openssh("a comment").unwrap());
    assert_eq!(read("another one"), None);
    assert_eq!(read(""), None);
}

#[test]
#[ignore = "needs openssl 3: run tests/judges/setup"]
fn openssl_reads_our_public_keys_and_we_read_its_private_ones() {
    let project = Project::founded("judge-pem");
    let dir = project.scratch("pem");
    fs::create_dir(&dir).unwrap();
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let openssl = |line: &str| {
        let words = words(line);
        tools::openssl(&dir, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(openssl("genpkey -algorithm ed25519 -out key.pem"));
    fs::set_permissions(dir.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let file = dir.join("key.pem");
    project.relman(&["key", "import", file.to_str().unwrap(), "--as", "node"]);
    let out = dir.join("ours.pem");
    let export = [
        "key",
        "export",
        "node",
        "--format",
        "pem",
        "--out",
        out.to_str().unwrap(),
    ];
    project.relman(&export);
    assert!(openssl("pkey -pubin -in ours.pem -noout"));
    assert!(openssl("pkey -in key.pem -pubout -out theirs.pem"));
    assert_eq!(
        fs::read(&out).unwrap(),
        fs::read(dir.join("theirs.pem")).unwrap()
    );

    let key = KeyFile::read(&project.secrets().join("node"), &Rc::default())
        .unwrap()
        .unwrap();
    fs::write(dir.join("message"), "a message").unwrap();
    fs::write(dir.join("sig"), key.sign(b"a message").unwrap()).unwrap();
    let verify = "pkeyutl -verify -rawin -pubin -inkey ours.pem -in message -sigfile sig";
    assert!(openssl(verify));
    fs::write(dir.join("message"), "a massage").unwrap();
    assert!(!openssl(verify));

    assert!(openssl("genpkey -algorithm x25519 -out other.pem"));
    assert!(openssl(
        "genpkey -algorithm ed25519 -aes256 -pass pass:secret -out locked.pem"
    ));
    for name in ["other.pem", "locked.pem"] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        let file = dir.join(name);
        let (code, said) = project.relman_with(
            &["key", "import", file.to_str().unwrap(), "--as", "node.x"],
            &[],
        );
        assert!(code == Some(1) || code == Some(2), "{name}: {said}");
        assert!(said.contains(name), "{said}");
    }
}

#[test]
#[ignore = "needs minisign: apt-get install minisign"]
fn minisign_verifies_with_an_exported_key_and_refuses_tampered_files() {
    let project = Project::founded("judge-minisign");
    let dir = project.scratch("minisign");
    fs::create_dir(&dir).unwrap();
    let out = dir.join("key.pub");
    let export = [
        "key",
        "export",
        "builder",
        "--format",
        "minisign",
        "--out",
        out.to_str().unwrap(),
    ];
    project.relman(&export);
    let key = project.keyring().require("builder").unwrap();
    let other = project.keyring().require("gate").unwrap();
    let (message, comment) = (b"a file".as_slice(), "timestamp:0");
    // minisign's legacy form: the signature is over the file itself.
    let signed_by = |key: &FileKey| {
        let sig = key.sign(message).unwrap();
        let global = key.sign(&[&sig, comment.as_bytes()].concat()).unwrap();
        let id = spell::minisign_id(&project.keyring().require("builder").unwrap().public());
        let line = Base64::encode_string(&[b"Ed".as_slice(), &id, &sig].concat());
        let global = Base64::encode_string(&global);
        format!("untrusted comment: x\n{line}\ntrusted comment: {comment}\n{global}\n")
    };
    let verifies = |message: &[u8], signature: &str| {
        fs::write(dir.join("file"), message).unwrap();
        fs::write(dir.join("file.minisig"), signature).unwrap();
        let out = Command::new("minisign")
            .args(["-V", "-p", "key.pub", "-m", "file"])
            .current_dir(&dir)
            .output();
        out.expect("minisign runs").status.success()
    };
    assert!(verifies(message, &signed_by(&key)));
    assert!(!verifies(b"a fyle", &signed_by(&key)));
    assert!(!verifies(message, &signed_by(&other)));
}
