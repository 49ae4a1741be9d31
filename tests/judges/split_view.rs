//! Evidence of a split view, judged by a program that has nothing of ours: the log's key and the file.

use std::fs;
use std::path::Path;

use ed25519_dalek::SigningKey;
use relman::io::store_local::LocalStore;
use relman::log::{
    Checkpoint, NoteSigner, StoreTiles, TileHashes, TreeHead, VerifiedCheckpoint, hashes,
    plan_append, prove_consistency,
};
use relman::release::audit::split_view::SplitView;

use crate::tools::{self, Verdict};

const ORIGIN: &str = "example.org/log";
/// Sizes of two histories that part at entry 3: equal ones, powers of two, ends of tiles.
const SIZES: [(u64, u64); 6] = [
    (5, 5),
    (4, 9),
    (5, 9),
    (255, 256),
    (256, 257),
    (300, 70_000),
];

fn log(dir: &Path, size: u64, word: &str) -> TreeHead {
    let entries = (0..size).map(|n| match n < 3 {
        true => format!("entry {n}"),
        false => format!("{word} {n}"),
    });
    let entries: Vec<String> = entries.collect();
    let store = LocalStore::new(dir);
    let tiles = StoreTiles::new(&store, "", 0);
    let plan = plan_append(&TreeHead::empty(), &tiles, &entries).unwrap();
    for (path, bytes) in &plan.files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    plan.new
}

fn signed(head: TreeHead, signer: &NoteSigner) -> VerifiedCheckpoint {
    let note = Checkpoint::new(ORIGIN, head).unwrap().sign(&[signer]);
    VerifiedCheckpoint::verify(&note.unwrap(), &[signer.verifier().clone()], ORIGIN).unwrap()
}

#[test]
#[ignore = "needs Python's cryptography: run tests/judges/setup"]
fn a_stranger_in_python_believes_our_evidence_and_refuses_tampered_copies() {
    let dir = tempfile::tempdir().unwrap();
    let signer = NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[7; 32])).unwrap();
    let vkey = signer.verifier().to_string();
    let file = dir.path().join("evidence.txt");
    let judge = |vkey: &str, text: &str| -> Verdict {
        fs::write(&file, text).unwrap();
        tools::python("split_view.py", [vkey, file.to_str().unwrap()])
    };
    for (number, (small, large)) in SIZES.into_iter().enumerate() {
        let place = |word: &str| dir.path().join(format!("{word}-{number}"));
        let smaller = log(&place("one"), small, "one");
        let larger = log(&place("two"), large, "two");
        let store = LocalStore::new(place("two"));
        let tiles = StoreTiles::new(&store, "", large);
        let source = TileHashes::open(&tiles, &larger).unwrap();
        let then = hashes::root(small, &source).unwrap();
        let proof = prove_consistency(small, large, &source).unwrap();
        let heads = (signed(smaller, &signer), signed(larger, &signer));
        let split = SplitView::new((&heads.0, "here"), (&heads.1, "there"), &proof, then);
        let text = split.unwrap().to_string();
        let seen = judge(&vkey, &text).accepted();
        assert_eq!(seen, serde_json::json!({"smaller": small, "larger": large}));

        let other = NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[8; 32])).unwrap();
        judge(&other.verifier().to_string(), &text).refused("note");
        let sizes = text.replace("smaller-size ", "smaller-size 1");
        judge(&vkey, &sizes).refused("head");
        let lines: Vec<&str> = text.lines().collect();
        let swapped = text.replace(
            lines[8 - 1],
            &lines[2].replace("smaller-root", "larger-root-at-smaller-size"),
        );
        // As if the smaller were a beginning of the larger.
        judge(&vkey, &swapped).refused("proof");
        if !proof.is_empty() {
            let damaged = text.replace(lines[9], &lines[2].replace("smaller-root", "hash"));
            judge(&vkey, &damaged).refused("proof");
        }
    }
}
