//! The transparency log, judged by Go's implementation of such logs.

use std::fs;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use ed25519_dalek::SigningKey;
use relman::hash::Sha256;
use relman::io::keyring::Keyring;
use relman::io::store_local::LocalStore;
use relman::keys::Signer;
use relman::log::{
    Checkpoint, Cosigner, Note, NoteSigner, StoreTiles, TileHashes, TreeHead, VerifiedCheckpoint,
    plan_append, prove_consistency,
};

use crate::project::{Copy, Project, TAGS, write};
use crate::tools::{self, Verdict};

fn judge(vkey: &Path, log: &Path, more: &[(&str, PathBuf)]) -> Verdict {
    let more = more.iter().flat_map(|(flag, path)| [Path::new(flag), path]);
    tools::go([vkey, log].into_iter().chain(more))
}

/// All tlog-proofs of a store.
fn proofs(store: &Path) -> Vec<(&'static str, PathBuf)> {
    let in_dir = |dir: &str| fs::read_dir(store.join(dir)).unwrap();
    let files = in_dir("metadata").chain(TAGS.into_iter().flat_map(in_dir));
    let files = files.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "tlog-proof"))
        .map(|path| ("-proof", path))
        .collect()
}

#[test]
#[ignore = "needs Go and golang.org/x/mod: run tests/judges/setup"]
fn go_sumdb_accepts_our_log_its_proofs_and_its_history() {
    let project = Project::founded("judge-log");
    let mut more = Vec::new();
    for (at, tag) in TAGS.iter().enumerate() {
        let older = project.scratch(&format!("checkpoint-{at}"));
        fs::copy(project.store().join("log/checkpoint"), &older).unwrap();
        more.push(("-older", older));
        project.release(tag);
    }
    // Root, targets and two environments; a targets each cut; two releases.
    more.extend(proofs(&project.store()));
    let seen = judge(
        &project.key("log.vkey"),
        &project.store().join("log"),
        &more,
    )
    .accepted();
    let wanted = serde_json::json!({"size": 5, "inclusions": 5, "older": 2, "proofs": 8, "consistencies": 0, "cosigned": []});
    assert_eq!(seen, wanted);
}

#[test]
#[ignore = "needs Go and golang.org/x/mod: run tests/judges/setup"]
fn go_sumdb_refuses_tampered_copies() {
    let project = Project::released("judge-log-tampered");
    let proof = format!("{}/release.tlog-proof", TAGS[0]);
    let key = project.key("log.vkey");
    let judge = |label: &str, tamper: &dyn Fn(&Copy)| {
        let copy = project.copy(label);
        tamper(&copy);
        judge(&key, &copy.file("log"), &[("-proof", copy.file(&proof))])
    };
    judge("same", &|_| {}).accepted();
    for (label, from, to, reason) in [
        ("origin", &b"judge-log"[..], &b"judge-lug"[..], "checkpoint"),
        ("size", b"\n5\n", b"\n4\n", "checkpoint"),
        (
            "signature",
            b"judge-log-tampered/relman-log ",
            b"judge-log-tampered/relman-log A",
            "checkpoint",
        ),
    ] {
        judge(label, &|copy| copy.replace("log/checkpoint", from, to)).refused(reason);
    }
    judge("tile", &|copy| copy.flip("log/tile/0/000.p/5")).refused("tiles");
    judge("entry", &|copy| copy.flip("log/tile/entries/000.p/5")).refused("entries");
    judge("gone", &|copy| write(&copy.file("log/tile/0/000.p/5"), b"")).refused("tiles");

    for (label, from, to) in [
        ("proof-entry", &b"\nextra eyJ"[..], &b"\nextra eyK"[..]),
        ("proof-index", b"\nindex 1\n", b"\nindex 0\n"),
        ("proof-size", b"\n3\n", b"\n4\n"),
    ] {
        judge(label, &|copy| copy.replace(&proof, from, to)).refused("proof");
    }
    judge("proof-hash", &|copy| {
        let text = fs::read_to_string(copy.file(&proof)).unwrap();
        let hash = text.lines().nth(3).unwrap();
        let other = text.lines().nth(4).unwrap();
        copy.replace(&proof, hash.as_bytes(), other.as_bytes());
    })
    .refused("proof");
}

#[test]
#[ignore = "needs Go and golang.org/x/mod: run tests/judges/setup"]
fn go_sumdb_refuses_another_key_a_log_put_back_and_a_fork() {
    let project = Project::founded("judge-log-fork");
    project.release(TAGS[0]);
    let before = project.copy("before");
    project.release(TAGS[1]);
    let after = project.copy("after");
    // A sequencer restored from a backup, which goes on with another release.
    project.restore(&before);
    project.release("phase2-other-1.0.0");

    let key = project.key("log.vkey");
    let older = |copy: &Copy| [("-older", copy.file("log/checkpoint"))];
    let log = |copy: &Copy| copy.file("log");
    judge(&key, &log(&after), &older(&before)).accepted();
    judge(&key, &project.store().join("log"), &older(&before)).accepted();
    judge(&key, &log(&before), &older(&after)).refused("older");
    judge(&key, &project.store().join("log"), &older(&after)).refused("older");

    let other = Project::founded("judge-log-fork-other");
    judge(&other.key("log.vkey"), &log(&after), &[]).refused("checkpoint");
}

/// Sizes at which a log of many tiles is signed: around the edges of tiles of every level, the
/// last beyond the thousandth tile, whose name has two parts.
const SIZES: [u64; 9] = [1, 255, 256, 257, 512, 65_535, 65_536, 65_537, 257_000];

#[test]
#[ignore = "needs Go and golang.org/x/mod: run tests/judges/setup"]
fn go_sumdb_accepts_a_log_of_many_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let store = LocalStore::new(&log);
    let signer = NoteSigner::new("example.org/log", SigningKey::from_bytes(&[7; 32])).unwrap();
    let vkey = dir.path().join("log.vkey");
    fs::write(&vkey, format!("{}\n", signer.verifier())).unwrap();

    let mut head = TreeHead::empty();
    let mut more = Vec::new();
    for size in SIZES {
        let entries: Vec<_> = (head.size..size).map(|n| format!("entry {n}")).collect();
        let plan = plan_append(&head, &StoreTiles::new(&store, "", head.size), &entries).unwrap();
        for (path, bytes) in &plan.files {
            let path = log.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        head = plan.new;
        let checkpoint = Checkpoint::new("example.org/log", head).unwrap();
        let checkpoint = checkpoint.sign(&[&signer]).unwrap().to_string();
        fs::write(log.join("checkpoint"), &checkpoint).unwrap();
        let older = dir.path().join(format!("checkpoint-{size}"));
        fs::write(&older, &checkpoint).unwrap();
        more.push(("-older", older));
    }
    // Our own proofs from each of these sizes to the last.
    let tiles = StoreTiles::new(&store, "", head.size);
    let hashes = TileHashes::open(&tiles, &head).unwrap();
    let checkpoint = fs::read_to_string(log.join("checkpoint")).unwrap();
    let request = |old: u64, damage: &dyn Fn(&mut Vec<String>)| {
        let proof = prove_consistency(old, head.size, &hashes).unwrap();
        let encode = |hash: &Sha256| Base64::encode_string(&hash.0);
        let mut lines: Vec<String> = proof.iter().map(encode).collect();
        damage(&mut lines);
        lines.insert(0, format!("old {old}"));
        let file = dir.path().join(format!("request-{old}"));
        fs::write(&file, format!("{}\n\n{checkpoint}", lines.join("\n"))).unwrap();
        file
    };
    let with = |requests: Vec<PathBuf>| {
        let requests = requests.into_iter().map(|file| ("-consistency", file));
        let more = more.iter().cloned().chain(requests);
        judge(&vkey, &log, &more.collect::<Vec<_>>())
    };
    let seen = with(SIZES.map(|old| request(old, &|_| {})).into()).accepted();
    let wanted = serde_json::json!({
        "size": 257_000, "inclusions": 251, "older": SIZES.len(), "proofs": 0,
        "consistencies": SIZES.len(), "cosigned": [],
    });
    assert_eq!(seen, wanted);
    type Damage<'a> = &'a dyn Fn(&mut Vec<String>);
    let damages: [Damage; 5] = [
        &|lines| drop(lines.pop()),
        &|lines| lines.swap(0, 1),
        &|lines| lines.insert(0, lines[0].clone()),
        &|lines| lines[0] = Base64::encode_string(&[7; 32]),
        &|lines| *lines.last_mut().unwrap() = Base64::encode_string(&[7; 32]),
    ];
    for damage in damages {
        with(vec![request(257, damage)]).refused("consistency");
    }

    // A bit in a tile of each level: whatever reads it refuses.
    let tampered = [
        ("tile/0/x001/003.p/232", "tiles"),
        ("tile/0/000", "tiles"),
        ("tile/0/x001/000", "tiles"),
        ("tile/1/000", "tiles"),
        ("tile/1/003.p/235", "tiles"),
        ("tile/2/000.p/3", "tiles"),
        ("tile/entries/000", "entries"),
        ("tile/entries/x001/003.p/232", "entries"),
    ];
    for (path, reason) in tampered {
        let tile = log.join(path);
        let whole = fs::read(&tile).unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        fs::write(&tile, bytes).unwrap();
        judge(&vkey, &log, &[]).refused(reason);
        fs::write(&tile, whole).unwrap();
    }
}

#[test]
#[ignore = "needs Go and golang.org/x/mod: run tests/judges/setup"]
fn go_accepts_our_cosignatures_and_refuses_tampered_ones() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let store = LocalStore::new(&log);
    let origin = "example.org/log";
    let signer = NoteSigner::new(origin, SigningKey::from_bytes(&[7; 32])).unwrap();
    let vkey = dir.path().join("log.vkey");
    fs::write(&vkey, format!("{}\n", signer.verifier())).unwrap();
    let head = TreeHead::empty();
    let plan = plan_append(&head, &StoreTiles::new(&store, "", 0), &["one", "two"]).unwrap();
    for (path, bytes) in &plan.files {
        let path = log.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let note = Checkpoint::new(origin, plan.new).unwrap();
    let mut note = note.sign(&[&signer]).unwrap();
    let keys = [signer.verifier().clone()];
    let signed = VerifiedCheckpoint::verify(&note, &keys, origin).unwrap();

    let keyring = Keyring::new(dir.path().join("secret"));
    let mut more = Vec::new();
    for (name, time) in [("witness", 1_700_000_000), ("witness.b", 1_700_000_123)] {
        let (key, _) = keyring.load_or_generate(name, "a witness").unwrap();
        let cosigner = Cosigner::new(&format!("example.org/{name}"), &key as &dyn Signer).unwrap();
        let time = jiff::Timestamp::from_second(time).unwrap();
        let line = cosigner.cosign(&signed, time).unwrap();
        note.add_cosignature(cosigner.key(), &line).unwrap();
        let file = dir.path().join(format!("{name}.vkey"));
        fs::write(&file, format!("{}\n", cosigner.key())).unwrap();
        more.push(("-witness", file));
    }
    let checkpoint = log.join("checkpoint");
    fs::write(&checkpoint, note.to_string()).unwrap();
    let seen = judge(&vkey, &log, &more).accepted();
    let times = serde_json::json!([1_700_000_000, 1_700_000_123]);
    assert_eq!(seen["cosigned"], times);

    // Another time under the same signature; then none at all.
    let text = note.to_string();
    let line = text.lines().last().unwrap();
    let (start, signature) = line.rsplit_once(' ').unwrap();
    let damaged = format!("{start} {}A{}", &signature[..12], &signature[13..]);
    fs::write(&checkpoint, text.replace(line, &damaged)).unwrap();
    judge(&vkey, &log, &more).refused("witness");
    fs::write(&checkpoint, text.replace(&format!("{line}\n"), "")).unwrap();
    judge(&vkey, &log, &more).refused("witness");
}

#[test]
#[ignore = "needs Python's sigstore: run tests/judges/setup"]
fn sigstore_parses_and_verifies_our_checkpoint_and_refuses_tampered_ones() {
    let project = Project::released("judge-log-sigstore");
    let key = project.key("log.vkey");
    let stranger = Project::founded("judge-log-sigstore-other");
    let other = stranger.key("log.vkey");
    let judge = |key: &Path, label: &str, tamper: &dyn Fn(&str) -> String| {
        let checkpoint = fs::read_to_string(project.store().join("log/checkpoint")).unwrap();
        let file = project.scratch(label);
        fs::write(&file, tamper(&checkpoint)).unwrap();
        tools::python("checkpoint.py", [file.as_path(), key])
    };
    let seen = judge(&key, "same", &str::to_owned).accepted();
    let checkpoint = fs::read(project.store().join("log/checkpoint")).unwrap();
    let note = Note::parse(&checkpoint).unwrap();
    let ours = Checkpoint::parse(note.unverified_text()).unwrap();
    let wanted = serde_json::json!({
        "origin": ours.origin(),
        "size": ours.head().size,
        "root": ours.head().root.hex(),
        "other": [],
        "signatures": [ours.origin()],
    });
    assert_eq!(seen, wanted);

    let line = |text: &str, n: usize| text.lines().nth(n).unwrap().to_owned();
    type Tamper<'a> = &'a dyn Fn(&str) -> String;
    let tampered: [(&str, &str, Tamper); 8] = [
        ("origin", "sigstore: checkpoint: invalid signature", &|t| {
            t.replacen("judge-log", "judge-lug", 1)
        }),
        ("size", "sigstore: checkpoint: invalid signature", &|t| {
            t.replacen("\n5\n", "\n4\n", 1)
        }),
        ("root", "sigstore: checkpoint: invalid signature", &|t| {
            t.replacen(
                &line(t, 2),
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                1,
            )
        }),
        (
            "no-number",
            "sigstore: malformed LogCheckpoint: invalid log size",
            &|t| t.replacen("\n5\n", "\nfive\n", 1),
        ),
        (
            "cut",
            "sigstore: malformed LogCheckpoint: too few items",
            &|t| t.replacen(&format!("{}\n", line(t, 2)), "", 1),
        ),
        ("unsigned", "sigstore: malformed Note: must contain", &|t| {
            t.replacen(&format!("{}\n", line(t, 4)), "", 1)
        }),
        (
            "joined",
            "sigstore: note must contain one blank line",
            &|t| t.replacen("\n\n", "\n", 1),
        ),
        (
            "signature",
            "sigstore: checkpoint: invalid signature",
            &|t| {
                let signature = line(t, 4);
                let (start, end) = signature.split_at(signature.len() - 20);
                let end = match end.strip_prefix('A') {
                    Some(rest) => format!("B{rest}"),
                    None => format!("A{}", &end[1..]),
                };
                t.replacen(&signature, &format!("{start}{end}"), 1)
            },
        ),
    ];
    for (label, reason, tamper) in tampered {
        judge(&key, label, tamper).refused(reason);
    }
    judge(&other, "other-key", &str::to_owned).refused("sigstore: checkpoint: Signature not found");
}
