//! Raw tag objects, good ones and such as git would never write.

use super::*;
use crate::keys::Signer;
use crate::keys::seed::Seed;

fn text(name: &str) -> String {
    format!(
        "object {}\ntype commit\ntag {name}\ntagger Ann <ann@example.org> 1700000000 +0000\n\nWhat it brings.\n",
        "1".repeat(40)
    )
}

fn signed(name: &str, namespace: &str) -> Vec<u8> {
    let text = text(name);
    let armored = sshsig::sign_in(namespace, &Seed(1), text.as_bytes()).unwrap();
    (text + &armored).into_bytes()
}

fn refusal(raw: &[u8]) -> String {
    GitTag::parse(raw).unwrap_err().to_string()
}

#[test]
fn a_signed_tag_verifies_under_its_key_and_no_other() {
    let raw = signed("v1.0.0", "git");
    let tag = GitTag::parse(&raw).unwrap();
    assert_eq!((tag.name, tag.kind), ("v1.0.0", "commit"));
    assert_eq!(tag.object, "1".repeat(40));
    assert_eq!(tag.unverified_signer().unwrap(), Seed(1).public());
    let verified = tag.verify(&[Seed(2).public(), Seed(1).public()]);
    assert_eq!(verified.unwrap(), Seed(1).public());
    let other = tag.verify(&[Seed(2).public()]).unwrap_err().to_string();
    assert!(other.contains("no policy names"), "{other}");
}

#[test]
fn every_byte_of_a_signed_tag_counts() {
    let raw = signed("v1.0.0", "git");
    for at in 0..raw.len() {
        let mut damaged = raw.clone();
        damaged[at] ^= 1;
        let verified = GitTag::parse(&damaged).and_then(|tag| tag.verify(&[Seed(1).public()]));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn a_signature_for_something_else_than_git_is_none() {
    let raw = signed("v1.0.0", "relman");
    let e = GitTag::parse(&raw).unwrap().verify(&[Seed(1).public()]);
    assert!(
        e.unwrap_err()
            .to_string()
            .contains("\"relman\", wanted \"git\"")
    );
}

#[test]
fn only_the_last_armour_is_the_signature_and_all_before_it_is_signed() {
    let inner = format!(
        "{}Look:\n{SSH}\nU1NI\n{}\nEnd.\n",
        text("v1.0.0"),
        "-----END SSH SIGNATURE-----"
    );
    let armored = sshsig::sign_in("git", &Seed(1), inner.as_bytes()).unwrap();
    let raw = format!("{inner}{armored}");
    assert!(
        GitTag::parse(raw.as_bytes())
            .unwrap()
            .verify(&[Seed(1).public()])
            .is_ok()
    );
}

#[test]
fn how_a_tag_is_signed_is_told_by_its_armour() {
    let with = |armour: &str| format!("{}{armour}\nabc\n", text("v1.0.0"));
    let kind = |raw: &str| {
        let tag = GitTag::parse(raw.as_bytes()).unwrap();
        assert!(tag.unverified_signer().is_err());
        format!("{:?}", tag.signature)
    };
    assert_eq!(kind(&text("v1.0.0")), "None");
    assert_eq!(kind(&with(PGP[0])), "Pgp");
    assert_eq!(kind(&with(PGP[1])), "Pgp");
    assert_eq!(kind(&with(X509)), "X509");
    assert!(kind(&with(SSH)).starts_with("Ssh"));
    // Not at the start of a line.
    assert_eq!(kind(&with(" -----BEGIN SSH SIGNATURE-----")), "None");
}

#[test]
fn what_git_would_never_write_is_refused() {
    let good = text("v1.0.0");
    for (raw, why) in [
        (String::new(), "wanted object, found its end"),
        (
            good.replace("type commit\n", ""),
            "wanted type, found tag v1.0.0",
        ),
        (good.replace("object ", "object  "), "wanted an id"),
        (good.replace(&"1".repeat(40), "HEAD"), "wanted an id"),
        (
            good.replace("tagger", "tag v2.0.0\ntagger"),
            "\"tag v2.0.0\" comes twice",
        ),
        (
            good.replace("type commit", "type commit\u{1b}[2J\nx"),
            "wanted tag, found x",
        ),
        ("x".repeat(MAX_TAG_OBJECT_LEN + 1), "the limit is 131072"),
    ] {
        let found = refusal(raw.as_bytes());
        assert!(found.contains(why), "{found}, wanted {why}");
    }
    let mut not_utf8 = good.clone().into_bytes();
    let at = good.find("v1").unwrap();
    not_utf8[at] = 0xff;
    assert!(refusal(&not_utf8).contains("malformed"));
    // In the message it is fine: signed bytes are bytes.
    let mut message = good.clone().into_bytes();
    message.push(0xff);
    assert!(GitTag::parse(&message).is_ok());
}

#[test]
fn a_tag_object_has_the_id_that_git_gives_it() {
    // printf 'object …\ntype …' | git hash-object -t tag --stdin
    let raw = text("v1.0.0");
    let found = id(raw.as_bytes(), 40).unwrap();
    assert_eq!(found, "947839adf30b11c5144fbcf0dd01d4af3a109752");
    assert_eq!(
        id(raw.as_bytes(), 64).unwrap(),
        "17ded2f681d86594446324cdba7ff9ba32eac6d00f1433023e6a5ba4780292ef"
    );
    assert_eq!(id(raw.as_bytes(), 7), None);
}
