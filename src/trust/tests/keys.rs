//! Keys, their ids, and what counts towards a threshold.

use serde_json::json;

use super::*;
use crate::hash::from_hex;
use crate::trust::envelope::Signature;
use crate::trust::verify::{Signers, verify_threshold};

const MESSAGE: &[u8] = b"a message";
const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvEknB9/wTnFRkU9a2pmdsFeP0FlW\nGpTUcvt2qje9ckO0Lw/JN9HsdMs2w9QJk53/aBm3pCgv8PFfFJgAkRLFJQ==\n-----END PUBLIC KEY-----\n";
const EC_SIG: &str = "304502201017a7ff9ce6a51cb17a15aa594cc88b0b25654d251c90617d215cbdc9d2cc8e022100804475a922fe869bdc8b12d239538eee046fdf5bd4478c2a2783edd26c4958ef";
const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0M6mZXkWhqMXohJgiZll\nc1Onfu923tvCouKt8mwfCRBFykJSRMhR93fTHrykYDQpfzlOA/GHibVU3yuhRH2n\nnYQqUhk7N8sncabA/sgZHqJvNhkBHsVpakkGMK5pBYsy8HxY1k6B4ir2K/AMRvzM\nz4wcBzKuv7+BoSqGl036u9HTwoBB3ZLNF+h+Hpb2N+rHLXLHbOca4kr+36NYxmNh\nlk/4aahCkGaCngyLR0W8H45g3ELmnL34bj/WJgwjNsVWmxX1b8hbyxCxoFnUQK7p\nPOIIphcS+GZc3IUWwsLbAwkjgZlGbyzeGBAqrNdvjvlN+VB2N42npHnkKqkxVrTB\nmwIDAQAB\n-----END PUBLIC KEY-----\n";
const RSA_SIG: &str = "446dcee56d2c52ad1a090055edc1ee67ecb0148c4206b5177cb2dabb3011032d198b0562aaf89ff523093953dcdb4921e1a76174a9abaed893f1ecd6425bc8648cabc3dacdc9b0498adf5c711780cb487947aa8bc51e2098dba234c95d43eb96126425427e59568a5a1cf9981931523900e08fd4ed92a9bab944e434b962d3b688a10fd892574e5ba2a46bb8a01251b8dcfdfba598e25e01557be3efd4dc70b9ea08654aa6dd5a454e5662a13570d0efd7c2e038960129233a7e674abc5f8607950c908ecfde0086c04000bb763dbebbc5fb95689bc9b4c8b511ee837ea1d8702b61c13482738f283670ce26abfa5090413f4ac140763d14b3300f6021add5f4";

fn pem_key(keytype: &str, scheme: &str, public: &str) -> PublicKey {
    let key = json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}});
    serde_json::from_value(key).unwrap()
}

fn signature(id: &str, seed: u8) -> Signature {
    Signature {
        keyid: id.into(),
        sig: hex(&key(seed).sign(MESSAGE).unwrap()),
    }
}

fn check(
    keys: &[(String, PublicKey)],
    threshold: u64,
    signatures: &[Signature],
) -> std::result::Result<Vec<String>, String> {
    let keyids: Vec<String> = keys.iter().map(|(id, _)| id.clone()).collect();
    let keys = keys.iter().cloned().collect();
    let signers = Signers {
        keys: &keys,
        keyids: &keyids,
        threshold,
    };
    verify_threshold("role", "test", signers, MESSAGE, signatures)
        .map(|count| count.valid_keyids)
        .map_err(|e| e.to_string())
}

fn own(seed: u8) -> (String, PublicKey) {
    (id(seed), public(seed))
}

#[test]
fn a_key_id_is_the_hash_of_the_canonical_key_with_all_its_members() {
    let public = "00".repeat(32);
    let key = pem_key("ed25519", "ed25519", &public);
    let text =
        format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#);
    assert_eq!(
        key.id().unwrap(),
        crate::hash::Sha256::of(text.as_bytes()).hex()
    );
    let mut more = key.clone();
    more.extra.insert("x-owner".into(), json!("alice"));
    assert_ne!(more.id().unwrap(), key.id().unwrap());
}

#[test]
fn two_of_two_keys_reach_the_threshold_and_one_does_not() {
    let keys = [own(1), own(2)];
    let both = [signature(&id(1), 1), signature(&id(2), 2)];
    assert_eq!(check(&keys, 2, &both).unwrap().len(), 2);
    let error = check(&keys, 2, &both[..1]).unwrap_err();
    assert!(error.contains("has 1 valid signatures"), "{error}");
    assert!(error.contains("wanted 2"), "{error}");
}

#[test]
fn a_threshold_of_zero_is_never_reached() {
    assert!(check(&[own(1)], 0, &[]).is_err());
    assert!(check(&[own(1)], 0, &[signature(&id(1), 1)]).is_err());
}

#[test]
fn one_key_listed_under_two_ids_counts_once() {
    let mut twin = public(1);
    twin.extra.insert("x-label".into(), json!("other"));
    let twin_id = twin.id().unwrap();
    let keys = [own(1), (twin_id.clone(), twin)];
    let signatures = [signature(&id(1), 1), signature(&twin_id, 1)];
    let error = check(&keys, 2, &signatures).unwrap_err();
    assert!(error.contains("under another id"), "{error}");
    assert!(check(&keys, 1, &signatures).is_ok());
}

#[test]
fn one_key_in_upper_and_lower_case_hex_counts_once() {
    let mut twin = public(1);
    let shout = twin.keyval["public"].as_str().unwrap().to_uppercase();
    twin.keyval.insert("public".into(), json!(shout));
    let twin_id = twin.id().unwrap();
    let keys = [own(1), (twin_id.clone(), twin)];
    let signatures = [signature(&id(1), 1), signature(&twin_id, 1)];
    assert!(check(&keys, 2, &signatures).is_err());
}

#[test]
fn a_key_under_an_id_that_is_not_its_hash_does_not_count() {
    let keys = [(id(2), public(1))];
    let error = check(&keys, 1, &[signature(&id(2), 1)]).unwrap_err();
    assert!(error.contains("by its content"), "{error}");
}

#[test]
fn a_signature_by_a_stranger_and_an_invalid_one_merely_do_not_count() {
    let keys = [own(1), own(2)];
    let good = signature(&id(1), 1);
    let bad = signature(&id(2), 1);
    let stranger = signature(&id(7), 7);
    for sig in ["", "zz", "0", "é"] {
        let broken = Signature {
            keyid: id(2),
            sig: sig.into(),
        };
        assert!(check(&keys, 1, &[good.clone(), broken.clone()]).is_ok());
        assert!(check(&keys, 2, &[good.clone(), broken]).is_err());
    }
    let all = [stranger, bad, good];
    assert_eq!(check(&keys, 1, &all).unwrap(), [id(1)]);
    assert!(check(&keys, 2, &all).is_err());
}

#[test]
fn unknown_types_and_schemes_parse_and_do_not_count() {
    for (keytype, scheme) in [
        ("ml-dsa", "ml-dsa-44"),
        ("ed25519", "ed25519ph"),
        ("rsa", "rsa-pkcs1v15-sha256"),
        ("ecdsa", "ecdsa-sha2-nistp384"),
    ] {
        let strange = pem_key(keytype, scheme, "00");
        let id = strange.id().unwrap();
        let keys = [own(1), (id.clone(), strange)];
        let signatures = [signature(&super::id(1), 1), signature(&id, 1)];
        assert!(check(&keys, 1, &signatures).is_ok());
        let error = check(&keys, 2, &signatures).unwrap_err();
        assert!(error.contains("cannot count"), "{error}");
    }
    let bare: PublicKey =
        serde_json::from_value(json!({"keytype": "x", "scheme": "y", "keyval": {}})).unwrap();
    assert!(bare.verifier().is_none());
}

#[test]
fn a_small_order_key_that_everything_verifies_under_is_no_key() {
    for point in [
        "01".to_owned() + &"00".repeat(31),
        "00".repeat(32),
        "ec".to_owned() + &"ff".repeat(30) + "7f",
    ] {
        assert!(pem_key("ed25519", "ed25519", &point).verifier().is_none());
    }
}

#[test]
fn ecdsa_p256_and_rsa_pss_signatures_made_by_openssl_verify() {
    for (keytype, scheme, pem, sig) in [
        ("ecdsa", "ecdsa-sha2-nistp256", EC_PEM, EC_SIG),
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", EC_PEM, EC_SIG),
        ("rsa", "rsassa-pss-sha256", RSA_PEM, RSA_SIG),
    ] {
        let verifier = pem_key(keytype, scheme, pem).verifier().unwrap();
        let sig = from_hex(sig).unwrap();
        assert!(verifier.verify(MESSAGE, &sig), "{keytype}");
        assert!(!verifier.verify(b"another message", &sig), "{keytype}");
        assert!(!verifier.verify(MESSAGE, &[]), "{keytype}");
    }
    assert!(
        pem_key("rsa", "rsassa-pss-sha256", EC_PEM)
            .verifier()
            .is_none()
    );
    assert!(
        pem_key("ecdsa", "ecdsa-sha2-nistp256", RSA_PEM)
            .verifier()
            .is_none()
    );
}

#[test]
fn a_p256_key_is_an_uncompressed_point_and_nothing_else() {
    let point = |text: &str| pem_key("ecdsa", "ecdsa-sha2-nistp256", text);
    let whole = "04".to_owned() + &"11".repeat(64);
    assert!(point(&whole).verifier().is_some());
    for text in [
        &whole[2..],
        &("06".to_owned() + &whole[2..]),
        &whole[..128],
        "",
    ] {
        assert!(point(text).verifier().is_none(), "{text}");
    }
}

#[test]
fn one_pem_key_with_other_line_breaks_is_the_same_key() {
    for (keytype, scheme, pem) in [
        ("ecdsa", "ecdsa-sha2-nistp256", EC_PEM),
        ("rsa", "rsassa-pss-sha256", RSA_PEM),
    ] {
        let plain = pem_key(keytype, scheme, pem).verifier().unwrap();
        let wide = pem_key(keytype, scheme, &pem.replace('\n', "\r\n\r\n"));
        assert!(plain.identity() == wide.verifier().unwrap().identity());
    }
}

#[test]
fn openssh_lines_go_there_and_back_and_other_types_are_refused() {
    let line = public(1).to_openssh().unwrap();
    assert!(line.starts_with("ssh-ed25519 AAAA"), "{line}");
    assert_eq!(PublicKey::from_openssh(&line).unwrap(), public(1));
    let commented = format!("{line} alice@desk\n");
    assert_eq!(PublicKey::from_openssh(&commented).unwrap(), public(1));
    for line in ["", "ssh-ed25519", "ssh-ed25519 !!!!", "nonsense AAAA"] {
        assert!(PublicKey::from_openssh(line).is_err(), "{line:?}");
    }
}
