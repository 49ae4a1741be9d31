//! Transparent signatures: round trip, tampering, malformed text.

use super::{ORIGIN, entry, sample_proof, signer};
use crate::Kind;
use crate::hash::Sha256;
use crate::log::TlogProof;

#[test]
fn a_proof_prints_as_it_was_read_and_verifies() {
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    let proof = sample_proof();
    let text = proof.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra dGhlIGxlYWY=\nindex 5\n"));
    assert_eq!(TlogProof::parse(text.as_bytes()).unwrap(), proof);
    assert_eq!(proof.unverified_extra(), b"the leaf");
    let inclusion = proof.verify(&entry(5), &keys, ORIGIN).unwrap();
    assert_eq!(
        (inclusion.index(), inclusion.checkpoint().head().size),
        (5, 13)
    );

    let plain = text.replace("extra dGhlIGxlYWY=\n", "");
    let parsed = TlogProof::parse(plain.as_bytes()).unwrap();
    assert_eq!(parsed.to_string(), plain);
    parsed.verify(&entry(5), &keys, ORIGIN).unwrap();
}

#[test]
fn a_proof_without_hashes_belongs_to_a_log_of_one() {
    let tree = super::NaiveTree::new(1);
    let log = signer(ORIGIN, 1);
    let checkpoint = crate::log::Checkpoint::new(ORIGIN, tree.head(1)).unwrap();
    let proof = TlogProof::new(b"", 0, &[], checkpoint.sign(&[&log]).unwrap()).unwrap();
    let text = proof.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example"));
    let proof = TlogProof::parse(text.as_bytes()).unwrap();
    proof
        .verify(&entry(0), &[log.verifier().clone()], ORIGIN)
        .unwrap();
}

#[test]
fn another_entry_index_hash_key_or_log_is_refused() {
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    let proof = sample_proof();
    let refused = |proof: &TlogProof, leaf: u64, keys: &[_], origin: &str| {
        let error = proof.verify(&entry(leaf), keys, origin).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
    };
    refused(&proof, 4, &keys, ORIGIN);
    refused(&proof, 5, &keys, "log.example/other");
    refused(&proof, 5, &[signer(ORIGIN, 2).verifier().clone()], ORIGIN);
    refused(&proof, 5, &[], ORIGIN);
    for index in ["4", "6", "12", "13", "9007199254740991"] {
        let text = proof
            .to_string()
            .replace("index 5", &format!("index {index}"));
        refused(
            &TlogProof::parse(text.as_bytes()).unwrap(),
            5,
            &keys,
            ORIGIN,
        );
    }
    let lines: Vec<String> = proof.to_string().lines().map(str::to_owned).collect();
    for at in 3..7 {
        let mut flipped = lines.clone();
        flipped[at] = crate::log::text::to_base64(&Sha256::of(b"flip").0);
        let mut dropped = lines.clone();
        dropped.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at].clone());
        for bad in [flipped, dropped, doubled] {
            let text = bad.join("\n") + "\n";
            refused(
                &TlogProof::parse(text.as_bytes()).unwrap(),
                5,
                &keys,
                ORIGIN,
            );
        }
    }
}

#[test]
fn malformed_proofs_are_refused() {
    let good = sample_proof().to_string();
    let hash = good.lines().nth(3).unwrap().to_owned();
    let many = format!("{hash}\n").repeat(64);
    let swap = |from: &str, to: &str| good.replacen(from, to, 1);
    let cases = [
        String::new(),
        "\n\n".to_owned(),
        "c2sp.org/tlog-proof@v1\n".to_owned(),
        swap("@v1", "@v2"),
        swap("c2sp", " c2sp"),
        swap("@v1\n", "@v1\r\n"),
        swap("@v1\n", "@v1\n\n"),
        swap("extra dGhlIGxlYWY=", "extra "),
        swap("extra dGhlIGxlYWY=", "extra dGhlIGxlYWY"),
        swap(
            "extra dGhlIGxlYWY=\n",
            "extra dGhlIGxlYWY=\nextra dGhlIGxlYWY=\n",
        ),
        swap("extra ", "Extra "),
        swap("index 5", "index 05"),
        swap("index 5", "index -5"),
        swap("index 5", "index"),
        swap("index 5\n", ""),
        swap("index 5", "index 9007199254740992"),
        swap(&hash, "AAAA"),
        swap(&hash, hash.trim_end_matches('=')),
        swap(&hash, &format!(" {hash}")),
        swap(&format!("{hash}\n"), &many),
        swap("\n\nlog.example", "\nlog.example"),
        swap("\n\nlog.example", "\n\n\nlog.example"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{}{good}", "x".repeat(262_144)),
    ];
    for text in cases {
        match TlogProof::parse(text.as_bytes()) {
            Err(error) => assert_eq!(error.kind(), Kind::Refused),
            Ok(proof) => {
                let keys = [signer(ORIGIN, 1).verifier().clone()];
                assert_eq!(proof.to_string(), text, "a second spelling was accepted");
                assert!(proof.verify(&entry(5), &keys, ORIGIN).is_err(), "{text}");
            }
        }
    }
    assert!(TlogProof::parse(b"\xff").is_err());
}

#[test]
fn a_proof_that_cannot_be_read_back_is_not_made() {
    let note = sample_proof().unverified_checkpoint().clone();
    let hash = Sha256::of(b"");
    assert!(TlogProof::new(b"", 0, &[hash; 64], note.clone()).is_err());
    assert!(TlogProof::new(b"", 1 << 53, &[], note.clone()).is_err());
    assert!(TlogProof::new(&[0; 65_536], 0, &[], note.clone()).is_err());
    let longest = TlogProof::new(&[0; 65_535], (1 << 53) - 1, &[hash; 63], note).unwrap();
    assert_eq!(
        TlogProof::parse(longest.to_string().as_bytes()).unwrap(),
        longest
    );
}
