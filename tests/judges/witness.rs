//! What `relman witness` answers over HTTP, judged by Go's implementation of signed notes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ed25519_dalek::SigningKey;
use relman::io::keyring::Keyring;
use relman::io::store_local::LocalStore;
use relman::io::witness_client::WitnessClient;
use relman::log::{
    Asked, Checkpoint, CosignerKey, NoteSigner, StoreTiles, TreeHead, VerifiedCheckpoint,
    plan_append, submit,
};
use relman::store::http::{HttpOptions, Proxy};

use crate::tools::{self, Verdict};

const ORIGIN: &str = "example.org/log";

/// A witness that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A witness of the log `vkey`, and how it is asked.
fn witness(dir: &Path, vkey: &str) -> (Running, Asked) {
    let keyring = Keyring::new(dir.join("keys"));
    keyring.load_or_generate("witness", "a witness").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_relman"))
        .args(["witness", "--listen", "127.0.0.1:0", "--state", "state"])
        .args(["--key", "keys/witness", "--name", "example.org/witness"])
        .args(["--log", vkey])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(child.unwrap());
    let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let policy = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("  policy  witness ").map(str::to_owned));
    let policy = policy.expect("it says how to ask it");
    let [_, key, url] = policy.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{policy}");
    };
    let key = CosignerKey::parse(key).unwrap();
    let url = url.to_owned();
    (running, Asked { key, url })
}

#[test]
#[ignore = "needs Go and golang.org/x/mod: run tests/judges/setup"]
fn go_accepts_what_a_running_witness_cosigned_and_refuses_it_tampered_with() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let signer = NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[7; 32])).unwrap();
    let vkey = dir.path().join("log.vkey");
    fs::write(&vkey, format!("{}\n", signer.verifier())).unwrap();
    let tiles = LocalStore::new(&log);
    let tiles = StoreTiles::new(&tiles, "", 0);
    let plan = plan_append(&TreeHead::empty(), &tiles, &["one", "two"]).unwrap();
    for (path, bytes) in &plan.files {
        let path = log.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let note = Checkpoint::new(ORIGIN, plan.new).unwrap();
    let mut note = note.sign(&[&signer]).unwrap();
    let keys = [signer.verifier().clone()];
    let signed = VerifiedCheckpoint::verify(&note, &keys, ORIGIN).unwrap();

    let (_running, asked) = witness(dir.path(), &signer.verifier().to_string());
    let options = HttpOptions {
        proxy: Proxy::Direct,
        ..HttpOptions::default()
    };
    let client = WitnessClient::new(&options).unwrap();
    let key = asked.key.clone();
    let prove = |_| Ok(Vec::new());
    let outcome = submit(&[asked], &signed, 0, &prove, &client).remove(0);
    let cosigned = outcome.unwrap();
    note.add_cosignature(&key, cosigned.line()).unwrap();
    let file = dir.path().join("witness.vkey");
    fs::write(&file, format!("{key}\n")).unwrap();
    let checkpoint = log.join("checkpoint");
    let judge = |text: &str| -> Verdict {
        fs::write(&checkpoint, text).unwrap();
        tools::go([vkey.as_path(), &log, Path::new("-witness"), &file])
    };
    let text = note.to_string();
    let seen = judge(&text).accepted();
    let time = cosigned.time().as_second();
    assert_eq!(seen["cosigned"], serde_json::json!([time]));

    let line = text.lines().last().unwrap();
    let (start, signature) = line.rsplit_once(' ').unwrap();
    let damaged = format!("{start} {}A{}", &signature[..12], &signature[13..]);
    judge(&text.replace(line, &damaged)).refused("witness");
    judge(&text.replace(&format!("{line}\n"), "")).refused("witness");
}
