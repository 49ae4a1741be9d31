//! People are counted, never keys or signatures.

use super::*;

#[test]
fn two_people_meet_a_rule_that_wants_two() {
    assert_eq!(
        lacks("code-review:2", &by(&[BOB, CAROL], "code-review")),
        None
    );
    let one = lacks("code-review:2", &by(&[BOB], "code-review")).unwrap();
    assert_eq!((one.have, one.wanted), (1, 2));
    assert_eq!(one.missing, ["carol"]);
}

#[test]
fn a_person_with_two_keys_counts_once() {
    let unmet = lacks("code-review:2", &by(&[BOB, BOBS_OTHER], "code-review")).unwrap();
    assert!(unmet.message.contains("1 of 2 people (bob)"), "{unmet:?}");
}

#[test]
fn an_approval_in_one_role_is_none_in_another() {
    assert!(lacks("security", &by(&[BOB], "code-review")).is_some());
}

#[test]
fn a_builder_key_approves_nothing() {
    let offered = by(&[BUILDER], "qa");
    standings(&offered, &[Standing::OtherPurpose]);
    let unmet = lacks("qa", &offered).unwrap();
    assert!(
        unmet.message.contains("alice: key of another purpose"),
        "{unmet:?}"
    );
}

#[test]
fn without_a_verified_author_nobody_can_be_somebody_else_and_it_is_said() {
    let offered = by(&[BOB, CAROL], "code-review");
    let unmet = lacks("code-review:not-author", &offered).unwrap();
    assert!(
        unmet.message.contains("cannot be told: it is unsigned"),
        "{unmet:?}"
    );
    assert_eq!(lacks("code-review", &offered), None);
}

#[test]
fn those_who_may_not_give_it_do_not_count() {
    let offered = by(&[BOB], "security");
    let unmet = lacks("security:from=carol", &offered).unwrap();
    assert!(unmet.message.contains("bob is none of those"), "{unmet:?}");
    assert_eq!(unmet.missing, ["carol"]);
    assert_eq!(lacks("security:from=carol+bob", &offered), None);
}

#[test]
fn where_evidence_is_wanted_an_approval_without_any_does_not_count() {
    let bare = by(&[BOB], "external-audit");
    let unmet = lacks("external-audit:evidence", &bare).unwrap();
    assert!(unmet.message.contains("bob names no evidence"), "{unmet:?}");
    let mut audit = approval("external-audit");
    audit.evidence = vec![Evidence::file("report.pdf", Sha256::of(b"report"))];
    let offered = [logged(signed(&audit, BOB))];
    assert_eq!(lacks("external-audit:evidence", &offered), None);
}

#[test]
fn rules_are_read_as_they_are_written() {
    for text in [
        "qa",
        "code-review:2",
        "code-review:2:not-author",
        "external-audit:evidence",
        "security:2:not-author:evidence:from=bob+carol",
    ] {
        let rule = ApprovalRule::parse(text).unwrap();
        assert_eq!(rule.to_string(), text);
        let written = serde_json::to_value(&rule).unwrap();
        assert_eq!(written.is_string(), text == "qa");
        let read: ApprovalRule = serde_json::from_value(written).unwrap();
        assert_eq!(read, rule);
    }
    for bad in ["", "QA", "qa:0", "qa:maybe", "a--b", "qa:3:from=bob+carol"] {
        assert!(ApprovalRule::parse(bad).is_err(), "{bad:?}");
    }
    let unknown = serde_json::json!({ "role": "qa", "nobody": true });
    assert!(serde_json::from_value::<ApprovalRule>(unknown).is_err());
}
