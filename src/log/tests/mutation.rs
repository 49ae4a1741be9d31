//! Fixed-seed damage to every format that is parsed: no panic, and what still parses has one
//! spelling.

use super::{Lcg, ORIGIN, entries, sample_proof, signer};
use crate::log::entries::{decode, encode};
use crate::log::{Checkpoint, Note, TlogProof, VerifierKey};

const ROUNDS: u64 = 4_000;

/// One to four edits: a bit flipped, bytes removed, doubled, or replaced by something delicate.
pub fn damage(input: &[u8], random: &mut Lcg) -> Vec<u8> {
    const DELICATE: [&[u8]; 8] = [
        b"\n",
        b"\n\n",
        b" ",
        b"=",
        b"+",
        b"\xff",
        b"0",
        "\u{2014} ".as_bytes(),
    ];
    let mut out = input.to_vec();
    for _ in 0..=random.below(4) {
        if out.is_empty() {
            break;
        }
        let at = random.below(out.len() as u64) as usize;
        let end = (at + 1 + random.below(12) as usize).min(out.len());
        match random.below(5) {
            0 => out[at] ^= 1 << random.below(8),
            1 => drop(out.drain(at..end)),
            2 => out.truncate(at),
            3 => {
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            _ => drop(out.splice(at..at, DELICATE[random.below(8) as usize].iter().copied())),
        }
    }
    out
}

#[test]
fn damaged_notes_checkpoints_and_proofs_never_panic_and_have_one_spelling() {
    let mut random = Lcg(1);
    let proof = sample_proof();
    let note = proof.unverified_checkpoint().to_string();
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    for _ in 0..ROUNDS {
        let bytes = damage(note.as_bytes(), &mut random);
        if let Ok(parsed) = Note::parse(&bytes) {
            assert_eq!(parsed.to_string().as_bytes(), bytes);
            if let Ok(verified) = parsed.verify(&keys) {
                assert!(note.starts_with(verified.text()), "a forged text verified");
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(parsed) = Checkpoint::parse(&text) {
            assert_eq!(parsed.to_string(), text);
        }
        let bytes = damage(proof.to_string().as_bytes(), &mut random);
        if let Ok(parsed) = TlogProof::parse(&bytes) {
            assert_eq!(parsed.to_string().as_bytes(), bytes);
            drop(parsed.verify(&super::entry(5), &keys, ORIGIN));
        }
    }
}

#[test]
fn damaged_checkpoint_texts_never_panic_and_have_one_spelling() {
    let mut random = Lcg(2);
    let text = sample_proof()
        .unverified_checkpoint()
        .unverified_text()
        .to_owned();
    for _ in 0..ROUNDS {
        let bytes = damage(text.as_bytes(), &mut random);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(parsed) = Checkpoint::parse(&text) {
            assert_eq!(parsed.to_string(), text);
        }
    }
}

#[test]
fn damaged_verifier_keys_never_panic_and_have_one_spelling() {
    let mut random = Lcg(3);
    let vkey = signer(ORIGIN, 1).verifier().to_string();
    for _ in 0..ROUNDS {
        let bytes = damage(vkey.as_bytes(), &mut random);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(parsed) = VerifierKey::parse(&text) {
            assert_eq!(parsed.to_string(), text);
        }
    }
}

#[test]
fn damaged_entry_bundles_never_panic_and_have_one_spelling() {
    let mut random = Lcg(4);
    let bundle = encode(&entries(0..9)).unwrap();
    for _ in 0..ROUNDS {
        let bytes = damage(&bundle, &mut random);
        for width in 1..=10 {
            if let Ok(parsed) = decode(&bytes, width) {
                assert_eq!(encode(&parsed).unwrap(), bytes);
            }
        }
    }
}
