//! Checkpoints: malformed ones, foreign ones, forks.

use super::{NaiveTree, ORIGIN, signer};
use crate::Kind;
use crate::hash::Sha256;
use crate::log::{Checkpoint, Note, TreeHead, VerifiedCheckpoint, prove_consistency};

const EXAMPLE: &str = "\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
";

#[test]
fn the_specifications_example_prints_as_it_was_read() {
    let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.head().size, 20_852_163);
    assert_eq!(checkpoint.to_string(), EXAMPLE);
    let extended = format!("{EXAMPLE}first\nsecond\n");
    let checkpoint = Checkpoint::parse(&extended).unwrap();
    assert_eq!(checkpoint.extensions(), ["first", "second"]);
    assert_eq!(checkpoint.to_string(), extended);
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    Checkpoint::parse(&format!("o\n0\n{empty}\n")).unwrap();
    Checkpoint::parse(&format!("o with space\n9007199254740991\n{root}\n")).unwrap();
    let cases = [
        String::new(),
        "\n".to_owned(),
        "o\n1\n".to_owned(),
        format!("o\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n00\n{empty}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n 1\n{root}\n"),
        format!("o\n1 \n{root}\n"),
        format!("o\n0x1\n{root}\n"),
        format!("o\n\u{661}\n{root}\n"),
        format!("o\n9007199254740992\n{root}\n"),
        format!("o\n99999999999999999999999\n{root}\n"),
        format!("o\n0\n{root}\n"),
        format!("o\n1\n{}\n", root.trim_end_matches('=')),
        format!("o\n1\n{}\n", root.replace("2I=", "2J=")),
        format!("o\n1\n{}\n", root.replace('/', "_")),
        "o\n1\nAAAA\n".to_owned(),
        format!("o\n1\n{root}AAAA\n"),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\n\nextension\n"),
        format!("o\r\n1\n{root}\n"),
        format!("o\n1\n{root}\next\tension\n"),
    ];
    for text in cases {
        let error = Checkpoint::parse(&text)
            .err()
            .unwrap_or_else(|| panic!("accepted {text:?}"));
        assert_eq!(error.kind(), Kind::Refused, "{text:?}");
    }
    let head = NaiveTree::new(1).head(1);
    assert!(Checkpoint::new("", head).is_err());
    assert!(Checkpoint::new("a\nb", head).is_err());
    let huge = TreeHead {
        size: 1 << 53,
        ..head
    };
    assert!(Checkpoint::new("a", huge).is_err());
}

fn signed(origin: &str, seed: u8, head: TreeHead) -> Note {
    let checkpoint = Checkpoint::new(origin, head).unwrap();
    checkpoint.sign(&[&signer(ORIGIN, seed)]).unwrap()
}

#[test]
fn only_the_expected_log_with_its_own_key_is_believed() {
    let head = NaiveTree::new(7).head(7);
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    let good = VerifiedCheckpoint::verify(&signed(ORIGIN, 1, head), &keys, ORIGIN).unwrap();
    assert_eq!((good.head(), good.origin()), (&head, ORIGIN));
    assert_eq!(good.signers(), keys);

    let foreign_key = VerifiedCheckpoint::verify(&signed(ORIGIN, 2, head), &keys, ORIGIN);
    assert_eq!(foreign_key.unwrap_err().kind(), Kind::Refused);
    let other_log = VerifiedCheckpoint::verify(&signed("log.example/b", 1, head), &keys, ORIGIN);
    assert!(other_log.unwrap_err().message().contains("log.example/b"));
    let no_checkpoint = Note::sign("hello\n", &[&signer(ORIGIN, 1)]).unwrap();
    assert!(VerifiedCheckpoint::verify(&no_checkpoint, &keys, ORIGIN).is_err());
}

#[test]
fn a_fork_is_reported_with_both_signed_checkpoints() {
    let tree = NaiveTree::new(12);
    let keys = [signer(ORIGIN, 1).verifier().clone()];
    let verified =
        |head| VerifiedCheckpoint::verify(&signed(ORIGIN, 1, head), &keys, ORIGIN).unwrap();
    let old = verified(tree.head(5));
    let new = verified(tree.head(12));
    let proof = prove_consistency(5, 12, &tree).unwrap();
    new.check_extends(&old, &proof).unwrap();

    let fork = verified(TreeHead {
        size: 12,
        root: Sha256::of(b"fork"),
    });
    let error = fork.check_extends(&old, &proof).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    let told = error.to_string();
    assert!(told.contains(&old.note().to_string()) && told.contains(&fork.note().to_string()));
    assert!(
        old.check_extends(&new, &proof).is_err(),
        "a log that shrank"
    );
}
