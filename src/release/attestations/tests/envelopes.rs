//! The table of what is wrong with an envelope, one case each.

use super::*;
use crate::attest::Statement;
use crate::limits::MAX_ATTESTATION_LEN;

#[test]
fn a_statement_about_another_archive_commit_or_tag_counts_for_nothing() {
    let changes: [fn(&mut Approval); 3] = [
        |a| a.archive = Sha256::of(b"another archive"),
        |a| a.commit = "d1".repeat(20),
        |a| a.tag = "phase2-other-1.0.0".into(),
    ];
    for change in changes {
        let mut other = approval("qa");
        change(&mut other);
        let offered = [logged(signed(&other, BOB))];
        standings(&offered, &[Standing::WrongDigest]);
        assert!(lacks("qa", &offered).is_some());
    }
}

#[test]
fn another_predicate_type_is_no_approval() {
    let mut statement = approval("qa").statement().unwrap();
    statement.predicate_type = "urn:relman:approval:v2".into();
    let offered = [logged(Envelope::sign(&statement, &BOB).unwrap())];
    standings(&offered, &[]);
    // A cut's provenance is signed by a builder and says nothing of who approves.
    statement.predicate_type = "https://slsa.dev/provenance/v1".into();
    standings(&[logged(Envelope::sign(&statement, &BOB).unwrap())], &[]);
}

#[test]
fn unknown_members_and_strange_subjects_are_malformed() {
    let changes: [fn(&mut Statement); 3] = [
        |s| s.predicate["approved"] = true.into(),
        |s| s.predicate["role"] = "Quality".into(),
        |s| {
            s.subject.pop();
        },
    ];
    for change in changes {
        let mut statement = approval("qa").statement().unwrap();
        change(&mut statement);
        let offered = [logged(Envelope::sign(&statement, &BOB).unwrap())];
        standings(&offered, &[Standing::Malformed]);
    }
}

#[test]
fn an_extra_signature_by_an_unknown_key_changes_nothing() {
    let mut envelope = signed(&approval("qa"), BOB);
    envelope.add_signature(&STRANGER).unwrap();
    let offered = [logged(envelope)];
    standings(&offered, &[Standing::Ok, Standing::UnknownKey]);
    assert_eq!(lacks("qa", &offered), None);
    assert!(lacks("qa:2", &offered).is_some());
}

#[test]
fn two_signatures_of_one_key_are_one_person() {
    let once = signed(&approval("qa"), BOB);
    let twice = changed(&once, |value| {
        let mut more = value["signatures"][0].clone();
        more["keyid"] = "another-id".into();
        value["signatures"].as_array_mut().unwrap().push(more);
    });
    let offered = [logged(twice.unwrap()), logged(once)];
    standings(&offered, &[Standing::Ok; 3]);
    assert_eq!(lacks("qa:2", &offered).unwrap().have, 1);
}

#[test]
fn a_signature_that_does_not_verify_is_told_by_whose_key_it_should_be() {
    let good = signed(&approval("qa"), BOB);
    let theirs = serde_json::to_value(signed(&approval("qa"), CAROL)).unwrap();
    let forged = changed(&good, |value| {
        value["signatures"][0]["sig"] = theirs["signatures"][0]["sig"].clone();
        value["signatures"][0]["keyid"] = BOB.public().keyid().into();
        value["payload"] =
            serde_json::to_value(signed(&approval("security"), BOB)).unwrap()["payload"].clone();
    });
    let rows = judged(&[logged(forged.unwrap())]);
    assert_eq!(rows[0].standing, Standing::BadSignature);
    assert_eq!(rows[0].person.as_deref(), Some("bob"));
    standings(&by(&[STRANGER], "qa"), &[Standing::UnknownKey]);
}

#[test]
fn a_key_id_is_a_hint_and_chooses_nothing() {
    let good = signed(&approval("qa"), BOB);
    let renamed = changed(&good, |value| {
        value["signatures"][0]["keyid"] = CAROL.public().keyid().into();
    });
    let rows = judged(&[logged(renamed.unwrap())]);
    assert_eq!(
        (rows[0].standing, rows[0].person.as_deref()),
        (Standing::Ok, Some("bob"))
    );
}

#[test]
fn an_envelope_without_signatures_is_none() {
    let good = signed(&approval("qa"), BOB);
    let empty = changed(&good, |value| value["signatures"] = serde_json::json!([]));
    assert!(
        empty
            .unwrap_err()
            .to_string()
            .contains("without signatures")
    );
}

#[test]
fn base64_of_another_alphabet_or_spelling_is_refused() {
    let good = signed(&approval("qa"), BOB);
    let spelled = |change: fn(&str) -> String| {
        changed(&good, |value| {
            let sig = value["signatures"][0]["sig"].as_str().unwrap().to_owned();
            value["signatures"][0]["sig"] = change(&sig).into();
        })
    };
    let spellings: [fn(&str) -> String; 4] = [
        // URL-safe; without padding; with a line break; with bits set that stand for nothing.
        |sig| sig.replace(['+', '/'], "-") + "-_",
        |sig| sig.trim_end_matches('=').to_owned(),
        |sig| format!("{}\n{}", &sig[..4], &sig[4..]),
        |sig| {
            let (body, last) = sig.trim_end_matches('=').split_at(85);
            let next = char::from(last.as_bytes()[0] + 1);
            format!("{body}{next}==")
        },
    ];
    for change in spellings {
        let envelope = spelled(change).unwrap();
        standings(&[logged(envelope)], &[Standing::Malformed]);
    }
}

#[test]
fn a_payload_of_64_mib_is_refused_by_its_size() {
    let huge = vec![b'A'; 64 * 1024 * 1024];
    let error = Envelope::parse(&huge).unwrap_err().to_string();
    assert!(
        error.contains(&format!("the limit is {MAX_ATTESTATION_LEN}")),
        "{error}"
    );
}

#[test]
fn deep_json_duplicate_members_and_other_payload_types_are_refused() {
    let line = String::from_utf8(signed(&approval("qa"), BOB).to_line().unwrap()).unwrap();
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Envelope::parse(deep.as_bytes()).is_err());
    let twice = line.replacen("{\"payload\"", "{\"payloadType\":\"a\",\"payload\"", 1);
    assert!(Envelope::parse(twice.as_bytes()).is_err(), "{twice}");
    for other in ["application/vnd.in-toto+json; v=2", "text/plain", ""] {
        let confused = line.replace("application/vnd.in-toto+json", other);
        let error = Envelope::parse(confused.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("payload type"), "{error}");
    }
    // The type is part of what is signed: a signature over other bytes is none over these.
    let statement = approval("qa").statement().unwrap();
    let bare = BOB.sign(&statement.to_bytes().unwrap()).unwrap();
    let unpacked = changed(&signed(&approval("qa"), BOB), |value| {
        use base64ct::Encoding;
        value["signatures"][0]["sig"] = base64ct::Base64::encode_string(&bare).into();
    });
    standings(&[logged(unpacked.unwrap())], &[Standing::BadSignature]);
}
