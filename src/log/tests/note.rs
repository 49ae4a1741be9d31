//! Notes and verifier keys: the specification's example, forgeries, malformed text.

use super::signer;
use crate::Kind;
use crate::log::{Note, VerifierKey};

const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETERS_NOTE: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";
const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLES_NOTE: &str = "\
This is an example message.

\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
";

#[test]
fn published_examples_verify_and_print_as_they_were() {
    for (key, note) in [(PETER, PETERS_NOTE), (EXAMPLE, EXAMPLES_NOTE)] {
        let key = VerifierKey::parse(key).unwrap();
        let parsed = Note::parse(note.as_bytes()).unwrap();
        assert_eq!(parsed.to_string(), note);
        let verified = parsed.verify(std::slice::from_ref(&key)).unwrap();
        assert_eq!(verified.signers(), [key]);
        assert!(note.starts_with(verified.text()));
    }
}

#[test]
fn verifier_keys_print_as_they_were_read() {
    let key = VerifierKey::parse(PETER).unwrap();
    assert_eq!((key.name(), key.id()), ("PeterNeumann", 0xc74f_20a3));
    assert_eq!(key.to_string(), PETER);
    let ours = signer("log.example/timed", 1);
    let text = ours.verifier().to_string();
    assert_eq!(&VerifierKey::parse(&text).unwrap(), ours.verifier());
}

#[test]
fn malformed_verifier_keys_are_usage_errors() {
    let identity = format!("weak+00000000+AQEA{}", "A".repeat(40));
    let cases = [
        ("", "three parts"),
        ("PeterNeumann", "three parts"),
        ("PeterNeumann+c74f20a3", "three parts"),
        (
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "key ID",
        ),
        (
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "key ID",
        ),
        (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T=",
            "base64",
        ),
        (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
            "base64",
        ),
        (
            "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "0x04",
        ),
        (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10Q=",
            "31 bytes",
        ),
        ("PeterNeumann+c74f20a3+", "no public key"),
        (
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "key name",
        ),
        (
            "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "key name",
        ),
        (&identity, "small order"),
        (&"x".repeat(2_000), "2000 bytes"),
    ];
    for (vkey, want) in cases {
        let error = VerifierKey::parse(vkey).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{vkey}");
        assert!(error.to_string().contains(want), "{vkey}: {error}");
    }
}

#[test]
fn malformed_notes_are_refused() {
    let signature = "\u{2014} a Uw2QOkn8sg==\n";
    let good = |text: &str| format!("{text}\n{signature}").into_bytes();
    Note::parse(&good("text\n")).unwrap();
    Note::parse(&good("text\n\nmore\n\n")).unwrap();
    Note::parse(&good("\n")).unwrap();
    let sixteen = format!("text\n\n{}", signature.repeat(16));
    Note::parse(sixteen.as_bytes()).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("one newline", b"\n".to_vec()),
        ("newlines only", b"\n\n\n\n".to_vec()),
        ("no text", format!("\n{signature}").into_bytes()),
        ("no empty line", format!("text\n{signature}").into_bytes()),
        ("no signature", b"text\n\n".to_vec()),
        (
            "no final newline",
            good("text\n").split_last().unwrap().1.to_vec(),
        ),
        (
            "empty line at the end",
            [good("text\n"), b"\n".to_vec()].concat(),
        ),
        (
            "text after the signatures",
            [good("text\n"), b"more\n".to_vec()].concat(),
        ),
        (
            "not UTF-8",
            good("text\n").into_iter().chain([0xff]).collect(),
        ),
        ("carriage return", good("text\r\n")),
        ("tab", good("te\txt\n")),
        ("NUL", good("te\0xt\n")),
        ("hyphen for em dash", b"text\n\n- a Uw2QOkn8sg==\n".to_vec()),
        ("no name", "text\n\n\u{2014}  Uw2QOkn8sg==\n".into()),
        ("plus in name", "text\n\n\u{2014} a+b Uw2QOkn8sg==\n".into()),
        (
            "unicode space in name",
            "text\n\n\u{2014} a\u{2003}b Uw2QOkn8sg==\n".into(),
        ),
        ("no base64", "text\n\n\u{2014} a\n".into()),
        ("second space", "text\n\n\u{2014} a  Uw2QOkn8sg==\n".into()),
        ("unpadded", "text\n\n\u{2014} a Uw2QOkn8sg\n".into()),
        ("stray bits", "text\n\n\u{2014} a Uw2QOkn8sh==\n".into()),
        ("url alphabet", "text\n\n\u{2014} a Uw2QOkn8s-_=\n".into()),
        ("key ID only", "text\n\n\u{2014} a Uw2QOg==\n".into()),
        (
            "101 signatures",
            format!("text\n\n{}", signature.repeat(101)).into_bytes(),
        ),
        ("too long", good(&format!("{}\n", "x".repeat(131_072)))),
    ];
    for (name, note) in cases {
        let error = Note::parse(&note)
            .err()
            .unwrap_or_else(|| panic!("{name} was accepted"));
        assert_eq!(error.kind(), Kind::Refused, "{name}");
    }
}

#[test]
fn changed_text_or_signature_is_refused_even_beside_a_good_signature() {
    let (log, witness) = (signer("log", 1), signer("witness", 2));
    let note = Note::sign("text\n", &[&log, &witness]).unwrap().to_string();
    let keys = [log.verifier().clone(), witness.verifier().clone()];
    assert_eq!(
        Note::parse(note.as_bytes())
            .unwrap()
            .verify(&keys)
            .unwrap()
            .signers(),
        keys
    );

    let changed = note.replacen("text", "tent", 1);
    assert!(
        Note::parse(changed.as_bytes())
            .unwrap()
            .verify(&keys)
            .is_err()
    );

    let foreign = Note::sign("other\n", &[&witness]).unwrap().to_string();
    let forged = foreign.lines().last().unwrap();
    let forged = format!("{note}{forged}\n");
    let error = Note::parse(forged.as_bytes())
        .unwrap()
        .verify(&keys)
        .unwrap_err();
    assert!(error.message().contains("witness"), "{error}");
    Note::parse(forged.as_bytes())
        .unwrap()
        .verify(&keys[..1])
        .expect("a signature by an unknown key is ignored, good or bad");
}

#[test]
fn a_known_name_with_an_unknown_id_is_ignored_and_alone_not_enough() {
    let (log, impostor) = (signer("log", 1), signer("log", 9));
    let note = Note::sign("text\n", &[&impostor]).unwrap();
    let keys = [log.verifier().clone()];
    let error = note.verify(&keys).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    let both = Note::sign("text\n", &[&impostor, &log]).unwrap();
    assert_eq!(both.verify(&keys).unwrap().signers(), keys);
    assert!(both.verify(&[]).is_err());
}

#[test]
fn a_key_that_signs_twice_counts_once() {
    let log = signer("log", 1);
    let note = Note::sign("text\n", &[&log, &log, &log]).unwrap();
    assert_eq!(note.unverified_signatures().len(), 3);
    let keys = [log.verifier().clone(), log.verifier().clone()];
    assert_eq!(note.verify(&keys).unwrap().signers().len(), 1);
}

#[test]
fn a_signature_of_the_wrong_length_by_a_known_key_refuses_the_note() {
    let log = signer("log", 1);
    let bytes = [&log.verifier().id().to_be_bytes()[..], &[7; 63]].concat();
    let note = format!(
        "text\n\n\u{2014} log {}\n",
        crate::log::text::to_base64(&bytes)
    );
    let note = Note::parse(note.as_bytes()).unwrap();
    let error = note.verify(&[log.verifier().clone()]).unwrap_err();
    assert!(error.message().contains("63 bytes, want 64"), "{error}");
}

#[test]
fn an_outside_signature_is_checked_before_it_is_added() {
    let (log, other) = (signer("log", 1), signer("other", 2));
    let good = log.sign("text\n");
    let made = Note::with_signature("text\n", log.verifier(), &good).unwrap();
    assert_eq!(made, Note::sign("text\n", &[&log]).unwrap());
    let wrong = Note::with_signature("text\n", other.verifier(), &good).unwrap_err();
    assert_eq!(wrong.kind(), Kind::Refused);
    for text in ["text", "", "te\txt\n", "te\rxt\n"] {
        assert_eq!(Note::sign(text, &[&log]).unwrap_err().kind(), Kind::Failed);
    }
    assert!(Note::sign("text\n", &[]).is_err());
}
