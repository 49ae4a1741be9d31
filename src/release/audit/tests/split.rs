//! Evidence of a split view: what it shows, and what is none.

use ed25519_dalek::SigningKey;

use super::{log, plain};
use crate::hash::Sha256;
use crate::log::{
    Checkpoint, NoteSigner, StoreTiles, TileHashes, TreeHead, VerifiedCheckpoint, VerifierKey,
    hashes, prove_consistency,
};
use crate::release::audit::split_view::SplitView;

const ORIGIN: &str = "example.org/log";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn key() -> VerifierKey {
    signer(7).verifier().clone()
}

fn signed(head: TreeHead, by: &NoteSigner) -> VerifiedCheckpoint {
    let note = Checkpoint::new(ORIGIN, head).unwrap().sign(&[by]).unwrap();
    VerifiedCheckpoint::verify(&note, &[by.verifier().clone()], ORIGIN).unwrap()
}

/// Two histories that part at entry 4, of `small` and `large` entries.
fn fork(small: u64, large: u64) -> SplitView {
    let other = |n: u64| match n < 4 {
        true => plain(n),
        false => format!("another {n}"),
    };
    let (_, smaller) = log(&[small], other);
    let (store, larger) = log(&[large], plain);
    let tiles = StoreTiles::new(&store, "log", large);
    let source = TileHashes::open(&tiles, &larger[1]).unwrap();
    let then = hashes::root(small, &source).unwrap();
    let proof = prove_consistency(small, large, &source).unwrap();
    let (small, large) = (
        signed(smaller[1], &signer(7)),
        signed(larger[1], &signer(7)),
    );
    SplitView::new((&small, "here"), (&large, "there\n"), &proof, then).unwrap()
}

const SIZES: [(u64, u64); 6] = [(5, 5), (5, 9), (8, 9), (64, 300), (256, 300), (300, 70_000)];

#[test]
fn two_histories_of_any_sizes_are_shown_with_nothing_but_the_logs_key() {
    for (small, large) in SIZES {
        let text = fork(small, large).to_string();
        let read = SplitView::parse(text.as_bytes()).unwrap();
        read.check(&[key()], ORIGIN).unwrap();
        assert_eq!(read.to_string(), text);
        let sizes = read.heads().map(|head| head.size);
        assert_eq!(sizes, [small, large]);
    }
}

#[test]
fn a_text_with_any_member_changed_is_no_evidence() {
    let text = fork(5, 9).to_string();
    for (number, line) in text.lines().enumerate() {
        // Where it was seen is nobody's signed word.
        if line.contains("-from ") {
            continue;
        }
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = line.chars().next_back().unwrap_or('x');
        let other = if last == '2' { '3' } else { '2' };
        lines[number] = format!("{}{other}", line.strip_suffix(last).unwrap_or(line));
        let changed = lines.join("\n") + "\n";
        let judged =
            SplitView::parse(changed.as_bytes()).and_then(|split| split.check(&[key()], ORIGIN));
        assert!(judged.is_err(), "{changed}");
    }
    for end in 0..text.len() {
        let cut = SplitView::parse(&text.as_bytes()[..end]);
        assert!(cut.and_then(|s| s.check(&[key()], ORIGIN)).is_err() || end + 1 == text.len());
    }
}

#[test]
fn what_another_key_signed_or_one_history_is_no_evidence() {
    let split = fork(5, 9);
    let stranger = signer(8).verifier().clone();
    assert!(split.check(&[stranger], ORIGIN).is_err());
    assert!(split.check(&[key()], "example.org/other").is_err());

    let (store, heads) = log(&[5, 9], plain);
    let tiles = StoreTiles::new(&store, "log", 9);
    let source = TileHashes::open(&tiles, &heads[2]).unwrap();
    let proof = prove_consistency(5, 9, &source).unwrap();
    let (small, large) = (signed(heads[1], &signer(7)), signed(heads[2], &signer(7)));
    let honest = SplitView::new((&small, "a"), (&large, "b"), &proof, heads[1].root);
    let message = honest.unwrap_err().to_string();
    assert!(message.contains("one history"), "{message}");
    // Another root at the smaller size cannot be made up.
    let made_up = SplitView::new((&small, "a"), (&large, "b"), &proof, Sha256::of(b"x"));
    assert!(made_up.is_err());
    let same = SplitView::new((&small, "a"), (&small, "b"), &[], heads[1].root);
    assert!(same.is_err());
}
