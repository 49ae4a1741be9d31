//! `<environment>.current.json` from somebody else: everything in it is looked at before it is used.

use serde_json::{Value, json};

use super::{FIRST, SECOND, at, released};
use crate::hash::Sha256;
use crate::limits::MAX_CURRENT_LEN;
use crate::release::environment::{Current, MEMBER, Origin, Step};
use crate::trust::schema::TargetFile;

fn whole() -> Current {
    let mut current = Current::new("mainnet", 7, &released(SECOND));
    current.previous = Some(Step {
        tag: FIRST.into(),
        version: 3,
    });
    current.not_before = Some(at("2026-02-03T06:00:00Z"));
    current.origin = Some(Origin {
        environment: "testnet".into(),
        version: 4,
        ended: Some(5),
    });
    current.announcement = Some(format!("{SECOND}/announcement-mainnet-2.tlog-proof"));
    current.overridden = Some(format!("{SECOND}/override-mainnet-7.tlog-proof"));
    current.reason = Some("coins are lost every minute".into());
    current
}

/// Reads `bytes` as what a role lists with the members of `custom`.
fn read(bytes: &[u8], custom: Value) -> crate::Result<Current> {
    let mut target = TargetFile::of(bytes);
    target.custom = Some(json!({ MEMBER: custom }));
    Current::read("mainnet", &target, bytes)
}

/// The document after a change to its JSON is refused, with `want`.
#[track_caller]
fn refused(change: impl FnOnce(&mut Value), want: &str) {
    let mut value = serde_json::to_value(whole()).unwrap();
    change(&mut value);
    let custom = json!({ "tag": value["tag"], "version": value["version"] });
    let bytes = serde_json::to_vec(&value).unwrap();
    let error = read(&bytes, custom).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Refused, "{error}");
    let said = format!("{error:?}");
    assert!(said.contains(want), "{want:?} in {said}");
}

#[test]
fn what_was_written_is_read_again_byte_for_byte() {
    let current = whole();
    let bytes = current.to_bytes().unwrap();
    let target = current.target().unwrap();
    assert_eq!(Current::read("mainnet", &target, &bytes).unwrap(), current);
    let digest = Sha256::of(&bytes);
    let path = format!("targets/{digest}.mainnet.current.json");
    assert_eq!(current.path().unwrap(), path);
    assert_eq!(Current::path_of("mainnet", &target).unwrap(), path);
}

#[test]
fn other_bytes_than_were_signed_are_refused_before_they_are_parsed() {
    let current = whole();
    let target = current.target().unwrap();
    let good = current.to_bytes().unwrap();
    for at in [0, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let error = Current::read("mainnet", &target, &bytes).unwrap_err();
        assert!(error.to_string().contains("has sha256"), "{error}");
    }
    for bytes in [&good[1..], &[&good[..], b"\n"].concat()] {
        Current::read("mainnet", &target, bytes).unwrap_err();
    }
}

#[test]
fn members_that_nobody_knows_are_refused() {
    refused(|v| v["also"] = json!("mainnet"), "also");
    refused(|v| v["archive"]["also"] = json!(1), "also");
    refused(|v| v["previous"]["also"] = json!(1), "also");
    refused(|v| v["origin"]["also"] = json!(1), "also");
}

#[test]
fn another_type_format_or_environment_is_refused() {
    refused(
        |v| v["_type"] = json!("targets"),
        "wanted \\\"relman-current\\\"",
    );
    refused(|v| v["format"] = json!(2), "format 2");
    refused(
        |v| v["environment"] = json!("testnet"),
        "is about environment",
    );
    refused(
        |v| v["environment"] = json!("mainnet/../testnet"),
        "is about",
    );
}

#[test]
fn version_zero_and_numbers_that_are_none_are_refused() {
    refused(|v| v["version"] = json!(0), "has version 0");
    refused(|v| v["version"] = json!(-1), "malformed");
    refused(|v| v["version"] = json!("7"), "malformed");
    refused(|v| v["archive"]["length"] = json!(-5), "malformed");
    refused(|v| v["archive"]["sha256"] = json!("00"), "malformed");
}

#[test]
fn times_in_another_form_than_metadata_has_are_refused() {
    for time in ["2026-02-03", "2026-02-03T06:00:00+01:00", "now", ""] {
        refused(
            |v| v["not_before"] = json!(time),
            "wanted YYYY-MM-DDTHH:MM:SSZ",
        );
    }
}

#[test]
fn tags_that_are_none_are_refused() {
    let long = format!("phase2-{}-1.0.0", "x".repeat(400));
    for tag in ["", "../../etc/passwd", "v1.0.0/../x", "latest", &long] {
        refused(|v| v["tag"] = json!(tag), "no release's tag");
        refused(|v| v["previous"]["tag"] = json!(tag), "no release's tag");
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for path in [
        "../secret",
        "/etc/passwd",
        "",
        &format!("{FIRST}/announcement-mainnet-1.tlog-proof"),
        &format!("{SECOND}/announcement-testnet-1.tlog-proof"),
        &format!("{SECOND}/announcement-mainnet-1/../2.tlog-proof"),
        &format!("{SECOND}/announcement-mainnet--1.tlog-proof"),
        &format!("{SECOND}/announcement-mainnet-+1.tlog-proof"),
        &format!("{SECOND}/announcement-mainnet-01.tlog-proof"),
        &format!("{SECOND}/announcement-mainnet-0.tlog-proof"),
        &format!("{SECOND}/release.tlog-proof"),
    ] {
        refused(|v| v["announcement"] = json!(path), "no announcement of");
    }
    for path in [
        "../secret",
        &format!("{SECOND}/override-mainnet-6.tlog-proof"),
        &format!("{SECOND}/override-testnet-7.tlog-proof"),
        &format!("{FIRST}/override-mainnet-7.tlog-proof"),
    ] {
        refused(
            |v| v["override"] = json!(path),
            "override-mainnet-7.tlog-proof",
        );
    }
}

#[test]
fn a_role_that_says_another_tag_or_version_than_the_document_is_refused() {
    let bytes = whole().to_bytes().unwrap();
    read(&bytes, json!({ "tag": SECOND, "version": 7 })).unwrap();
    read(&bytes, json!({ "tag": SECOND })).unwrap();
    for custom in [
        json!({ "tag": FIRST, "version": 7 }),
        json!({ "tag": SECOND, "version": 8 }),
        json!({ "tag": SECOND, "version": "7" }),
        json!({ "version": 7 }),
        json!({}),
        json!(null),
    ] {
        let error = read(&bytes, custom).unwrap_err().to_string();
        assert!(error.contains("the role that lists it says"), "{error}");
    }
    let bare = TargetFile::of(&bytes);
    let error = Current::read("mainnet", &bare, &bytes).unwrap_err();
    assert!(error.to_string().contains("says nothing"), "{error}");
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let text = String::from_utf8(whole().to_bytes().unwrap()).unwrap();
    let twice = text.replacen('{', &format!("{{ \"tag\": \"{FIRST}\", "), 1);
    read(twice.as_bytes(), json!({ "tag": SECOND, "version": 7 })).unwrap_err();
}

#[test]
fn a_document_longer_than_anybody_reads_is_not_written() {
    let mut current = whole();
    current.reason = Some("long ".repeat(MAX_CURRENT_LEN as usize));
    let error = current.to_bytes().unwrap_err().to_string();
    assert!(error.contains("are accepted"), "{error}");
}
