//! Every parser, fed with bytes that nobody wrote: random ones, and words of its own format in
//! random order. Nothing panics, and what is accepted prints as it was.

use super::Lcg;
use crate::log::entries::{decode, encode};
use crate::log::{Checkpoint, CosignerKey, Note, Signature, TlogProof, VerifierKey, WitnessPolicy};

const ROUNDS: usize = 20_000;

/// Pieces that the formats are made of.
const WORDS: [&str; 40] = [
    "\n",
    "\n\n",
    " ",
    "\t",
    "+",
    "=",
    "==",
    "#",
    "\u{2014} ",
    "\u{a0}",
    "\u{0}",
    "\r\n",
    "0",
    "1",
    "63",
    "256",
    "9007199254740991",
    "18446744073709551616",
    "-1",
    "old ",
    "extra ",
    "index ",
    "log ",
    "witness ",
    "group ",
    "quorum ",
    "none",
    "all",
    "any",
    "w1",
    "example.com/a",
    "c2sp.org/tlog-proof@v1\n",
    "cosignature/v1",
    "AAAA",
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "033de0ae",
    "Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
];

/// Random bytes, or random words with a few random bytes among them.
fn input(random: &mut Lcg) -> Vec<u8> {
    let mut out = Vec::new();
    let words = random.below(2) == 0;
    for _ in 0..random.below(24) {
        match words && random.below(12) > 0 {
            true => out.extend(WORDS[random.below(40) as usize].as_bytes()),
            false => out.extend((0..random.below(9)).map(|_| random.below(256) as u8)),
        }
    }
    out
}

#[test]
fn no_parser_panics_and_none_accepts_a_second_spelling() {
    let mut random = Lcg(621);
    for _ in 0..ROUNDS {
        let bytes = input(&mut random);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let printed = [
            Note::parse(&bytes).map(|parsed| parsed.to_string()),
            TlogProof::parse(&bytes).map(|parsed| parsed.to_string()),
        ];
        for printed in printed.into_iter().flatten() {
            assert_eq!(printed.as_bytes(), bytes);
        }
        let printed = [
            Checkpoint::parse(&text).map(|parsed| parsed.to_string()),
            VerifierKey::parse(&text).map(|parsed| parsed.to_string()),
            CosignerKey::parse(&text).map(|parsed| parsed.to_string()),
            Signature::parse(&text).map(|parsed| parsed.to_string()),
        ];
        for printed in printed.into_iter().flatten() {
            assert_eq!(printed, text);
        }
        drop(WitnessPolicy::parse(&text));
        for width in [0, 1, 2, 255, 256, u16::MAX] {
            if let Ok(parsed) = decode(&bytes, width) {
                assert_eq!(parsed.len(), usize::from(width));
                assert!(width == 0 || encode(&parsed).map_or(width > 256, |again| again == bytes));
            }
        }
    }
}

#[test]
fn refusals_of_random_bytes_quote_little_of_them() {
    let mut random = Lcg(622);
    for _ in 0..ROUNDS / 10 {
        let bytes: Vec<u8> = (0..10).flat_map(|_| input(&mut random)).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let errors = [
            Note::parse(&bytes).err(),
            TlogProof::parse(&bytes).err(),
            Checkpoint::parse(&text).err(),
            VerifierKey::parse(&text).err(),
            CosignerKey::parse(&text).err(),
            Signature::parse(&text).err(),
            WitnessPolicy::parse(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            let told = error.to_string();
            assert!(told.len() < 1_500, "{} bytes: {told}", told.len());
            assert!(!told.contains(['\u{0}', '\u{1b}', '\r']), "{told:?}");
        }
    }
}
