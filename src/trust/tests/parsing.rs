//! Hostile bytes: JSON and the schema.

use serde_json::{Value, json};

use super::*;
use crate::limits::{MAX_JSON_DEPTH, MAX_SIGNATURES};
use crate::trust::envelope::Unverified;
use crate::trust::json::{canonical, parse};

#[track_caller]
fn parse_refused(text: &str, words: &str) {
    let error = parse(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[track_caller]
fn schema_refused<T: Role>(signed: &Value, words: &str) {
    let bytes = envelope(signed, &[]);
    let error = Unverified::<T>::parse(&bytes).err().unwrap().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_repeated_member_is_refused_at_any_depth() {
    parse_refused(r#"{"a":1,"a":1}"#, "\"a\" is there twice");
    parse_refused(r#"{"b":[{"a":1,"\u0061":2}]}"#, "\"a\" is there twice");
}

#[test]
fn deep_nesting_is_refused_before_the_stack_is_used_up() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(nested(MAX_JSON_DEPTH).as_bytes()).is_ok());
    parse_refused(&nested(MAX_JSON_DEPTH + 1), "nested deeper than 64");
    parse_refused(&nested(200_000), "nested deeper than 64");
}

#[test]
fn the_canonical_form_goes_as_deep_as_the_reader_and_no_deeper() {
    let wrap: [fn(Value) -> Value; 2] = [|v| json!([v]), |v| json!({"a": v})];
    for wrap in wrap {
        let deepest = (0..MAX_JSON_DEPTH).fold(json!(1), |v, _| wrap(v));
        let bytes = canonical(&deepest).unwrap();
        assert_eq!(parse(&bytes).unwrap(), deepest);
        let error = canonical(&wrap(deepest)).unwrap_err().to_string();
        assert!(error.contains("nested deeper than 64"), "{error}");
    }
}

#[test]
fn bytes_after_the_document_and_broken_unicode_are_refused() {
    parse_refused("{} {}", "trailing");
    parse_refused("", "EOF");
    parse_refused(r#""\ud800""#, "hex escape");
    parse_refused(r#""\udc00""#, "surrogate");
    assert!(parse(b"\"\xff\"").is_err());
    assert!(parse(b"\xef\xbb\xbf{}").is_err());
}

#[test]
fn integers_that_readers_disagree_about_are_refused() {
    assert!(parse(b"9007199254740991").is_ok());
    assert!(parse(b"-9007199254740991").is_ok());
    parse_refused("9007199254740992", "outside");
    parse_refused("-9007199254740992", "outside");
}

#[test]
fn floats_have_no_canonical_form() {
    for text in [
        "1.0",
        "1e3",
        "-0",
        "[1.5]",
        "123456789012345678901234567890",
    ] {
        let value = parse(text.as_bytes()).unwrap();
        let error = canonical(&value).unwrap_err().to_string();
        assert!(error.contains("no canonical form"), "{error}");
    }
}

#[test]
fn canonical_form_sorts_members_and_escapes_two_characters_only() {
    let value = parse(r#"{"b" : [1, true, null, -2], "a":"q\" b\\ n\n é", "B":{}}"#.as_bytes());
    let text = String::from_utf8(canonical(&value.unwrap()).unwrap()).unwrap();
    assert_eq!(
        text,
        "{\"B\":{},\"a\":\"q\\\" b\\\\ n\n é\",\"b\":[1,true,null,-2]}"
    );
}

#[test]
fn members_that_are_not_known_are_kept_and_signed() {
    let mut root = value(&Repo::new().root);
    root["x-new"] = json!({"deep": [1, {"more": true}]});
    root["roles"]["root"]["x-role"] = json!("kept");
    let parsed = Unverified::<Root>::parse(&envelope(&root, &[ROOT])).unwrap();
    assert_eq!(value(parsed.unverified_signed()), root);
}

#[test]
fn another_kind_under_the_same_name_is_refused() {
    let snapshot = value(&Snapshot::new(1, later()));
    schema_refused::<Timestamp>(&snapshot, "_type is \"snapshot\", wanted \"timestamp\"");
}

#[test]
fn versions_specification_and_expiry_are_strict() {
    let with = |member: &str, new: Value| {
        let mut signed = value(&Snapshot::new(1, later()));
        signed[member] = new;
        signed
    };
    schema_refused::<Snapshot>(&with("version", json!(0)), "version is 0");
    schema_refused::<Snapshot>(&with("version", json!(-1)), "invalid value");
    schema_refused::<Snapshot>(&with("version", json!("1")), "invalid type");
    for spec in ["2.0.0", "1", "10.0", "1.0.0.0", "1.x", "", "1..0"] {
        schema_refused::<Snapshot>(&with("spec_version", json!(spec)), "spec_version");
    }
    for expires in [
        "2027-01-01T00:00:00",
        "2027-01-01T00:00:00.Z",
        "2027-01-01T00:00:00.5",
        "2027-01-01T00:00:00.5+00:00",
        "2027-01-01T00:00:00.0123456789Z",
        "2027-01-01T00:00.5Z",
        "2027-01-01T00:00:00,5Z",
        "2027-01-01T00:00:00.-5Z",
        "2027-01-01T00:00:00+00:00",
        "2027-01-01t00:00:00z",
        "2027-02-30T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2027-01-01 00:00:00Z",
    ] {
        schema_refused::<Snapshot>(&with("expires", json!(expires)), "wanted YYYY");
    }
    for spec in ["1.0", "1.0.31", "1.99.0"] {
        let bytes = envelope(&with("spec_version", json!(spec)), &[]);
        assert!(Unverified::<Snapshot>::parse(&bytes).is_ok());
    }
}

#[test]
fn a_fraction_of_a_second_as_tuftool_writes_it_is_cut_off_the_expiry() {
    for fraction in ["5", "999999999", "0"] {
        let mut signed = value(&Snapshot::new(1, later()));
        signed["expires"] = json!(format!("2027-01-01T00:00:00.{fraction}Z"));
        let parsed = Unverified::<Snapshot>::parse(&envelope(&signed, &[])).unwrap();
        let body = parsed.unverified_signed();
        assert_eq!(body.expires, later());
    }
}

#[test]
fn a_threshold_of_zero_and_a_key_listed_twice_are_refused() {
    let mut root = value(&Repo::new().root);
    root["roles"]["targets"]["threshold"] = json!(0);
    schema_refused::<Root>(&root, "threshold 0");
    root["roles"]["targets"]["threshold"] = json!(2);
    root["roles"]["targets"]["keyids"] = json!([id(TARGETS), id(TARGETS)]);
    schema_refused::<Root>(&root, "twice");
}

#[test]
fn a_delegated_role_cannot_take_a_top_level_name_nor_be_there_twice() {
    for name in ["root", "timestamp", "snapshot", "targets", ""] {
        let mut repo = Repo::new();
        repo.delegate(name, 9, false, "*");
        schema_refused::<Targets>(&value(&repo.targets), "cannot be named");
    }
    let mut repo = Repo::new();
    repo.delegate("a", 9, false, "*");
    let mut twice = value(&repo.targets);
    let role = twice["delegations"]["roles"][0].clone();
    twice["delegations"]["roles"] = json!([role, role]);
    schema_refused::<Targets>(&twice, "delegated twice");
}

#[test]
fn a_target_without_a_hash_is_refused() {
    let mut targets = Repo::new().targets;
    for target in targets.targets.values_mut() {
        target.hashes.clear();
    }
    schema_refused::<Targets>(&value(&targets), "lists no hash");
}

#[test]
fn one_key_signing_twice_and_endless_signatures_are_refused() {
    let root = value(&Repo::new().root);
    let bytes = envelope(&root, &[ROOT, ROOT]);
    let error = Unverified::<Root>::parse(&bytes).unwrap_err().to_string();
    assert!(error.contains("has signed twice"), "{error}");

    let mut many: Vec<Value> = (0..=MAX_SIGNATURES)
        .map(|n| json!({"keyid": n.to_string(), "sig": ""}))
        .collect();
    let bytes = serde_json::to_vec(&json!({"signed": root, "signatures": many})).unwrap();
    let error = Unverified::<Root>::parse(&bytes).unwrap_err().to_string();
    assert!(error.contains("4097 signatures"), "{error}");
    many.pop();
    let bytes = serde_json::to_vec(&json!({"signed": root, "signatures": many})).unwrap();
    assert!(Unverified::<Root>::parse(&bytes).is_ok());
}

#[test]
fn no_truncation_and_no_flipped_byte_of_a_root_panics_or_verifies_as_something_else() {
    let repo = Repo::new();
    for cut in (0..repo.first_root.len()).step_by(7) {
        assert!(Unverified::<Root>::parse(&repo.first_root[..cut]).is_err());
    }
    for place in (0..repo.first_root.len()).step_by(5) {
        let mut bytes = repo.first_root.clone();
        bytes[place] ^= 0x01;
        if let Ok(root) = crate::trust::state::RootStage::new(&bytes) {
            assert_eq!(**root.root(), repo.root, "byte {place}");
        }
    }
}
