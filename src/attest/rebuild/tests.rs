//! What a rebuild's statement says, and every way in which it is none.

use super::*;

fn rebuild() -> Rebuild {
    Rebuild {
        tag: "phase1-a-1.0.0".into(),
        archive: Sha256::of(b"archive"),
        repository: "https://example.org/timed".into(),
        commit: "1".repeat(40),
        tree: "2".repeat(40),
        tag_object: Some("3".repeat(40)),
        command: vec!["cargo".into(), "build".into()],
        toolchain: BTreeMap::from([("rustc".into(), "rustc 1.95.0".into())]),
        builder_version: "1".into(),
        started: "2026-02-01T00:00:00Z".parse().unwrap(),
        finished: "2026-02-01T00:01:00Z".parse().unwrap(),
    }
}

/// What [`Rebuild::read`] says of the statement after `change`.
fn refusal(change: impl FnOnce(&mut Statement)) -> String {
    let mut statement = rebuild().statement();
    change(&mut statement);
    let bytes = statement.to_bytes().unwrap();
    match Statement::parse(&bytes).and_then(|s| Rebuild::read(&s)) {
        Ok(read) => panic!("{read:?} was read"),
        Err(e) => e.to_string(),
    }
}

fn set(pointer: &'static str, value: Value) -> impl FnOnce(&mut Statement) {
    move |s| *s.predicate.pointer_mut(pointer).unwrap() = value
}

#[test]
fn what_is_written_is_read_back() {
    let full = rebuild();
    let bytes = full.statement().to_bytes().unwrap();
    let statement = Statement::parse(&bytes).unwrap();
    assert!(Rebuild::is_one(&statement));
    assert_eq!(Rebuild::read(&statement).unwrap(), full);

    let bare = Rebuild {
        repository: "local".into(),
        tag_object: None,
        command: Vec::new(),
        toolchain: BTreeMap::new(),
        ..full
    };
    let statement = bare.statement();
    assert_eq!(
        statement
            .predicate
            .pointer("/buildDefinition/resolvedDependencies/0/uri"),
        None
    );
    assert_eq!(Rebuild::read(&statement).unwrap(), bare);
}

#[test]
fn a_command_too_long_for_the_log_is_left_out() {
    let long = Rebuild {
        command: vec!["x".repeat(MAX_REBUILD_COMMAND_LEN)],
        ..rebuild()
    };
    let statement = long.statement();
    assert!(statement.to_bytes().unwrap().len() < 4096);
    assert_eq!(Rebuild::read(&statement).unwrap().command, [""; 0]);
}

#[test]
fn a_provenance_of_the_cut_is_no_rebuild() {
    let workstation = super::super::provenance::Builder::Workstation.id();
    let mut statement = rebuild().statement();
    set("/runDetails/builder/id", workstation.into())(&mut statement);
    assert!(!Rebuild::is_one(&statement));
    assert!(refusal(set("/runDetails/builder/id", workstation.into())).contains("builder"));
}

#[test]
fn another_predicate_or_build_type_is_refused() {
    assert!(refusal(|s| s.predicate_type = "https://slsa.dev/provenance/v2".into()).contains("v2"));
    let other = set("/buildDefinition/buildType", "urn:other".into());
    assert!(refusal(other).contains("build type"));
}

#[test]
fn it_is_about_the_tags_archive_and_nothing_else() {
    let more = Subject::new("timed", Sha256::of(b"timed"));
    assert!(refusal(|s| s.subject.push(more)).contains("alone"));
    assert!(refusal(|s| s.subject[0].name = "phase1-b-1.0.0.tar.gz".into()).contains("phase1-b"));
    assert!(
        refusal(set(
            "/buildDefinition/externalParameters/tag",
            "phase1-b-1.0.0".into()
        ))
        .contains("phase1-b")
    );
    let commit = Subject::of_commit("phase1-a-1.0.0.tar.gz", &"1".repeat(40));
    assert!(refusal(|s| s.subject = vec![commit]).contains("sha256"));
}

#[test]
fn a_parameter_that_nobody_knows_is_refused() {
    let added =
        refusal(|s| s.predicate["buildDefinition"]["externalParameters"]["patch"] = 1.into());
    assert!(added.contains("\"patch\""), "{added}");
}

#[test]
fn ids_tools_and_times_have_one_form() {
    let source = "/buildDefinition/resolvedDependencies/0/digest/gitCommit";
    for id in ["", "HEAD", &"A".repeat(40), &"1".repeat(41)] {
        assert!(
            refusal(set(source, id.into())).contains("gitCommit"),
            "{id}"
        );
    }
    let tag = "/buildDefinition/resolvedDependencies/0/digest/gitTag";
    assert!(refusal(set(tag, Value::Null)).contains("gitTag"));
    assert!(
        refusal(set(
            "/buildDefinition/resolvedDependencies/1",
            json!({ "name": "rustc" })
        ))
        .contains("tool")
    );
    assert!(
        refusal(set("/buildDefinition/resolvedDependencies", json!([])))
            .contains("resolvedDependencies")
    );
    for time in [
        "2026-02-01",
        "2026-02-01T00:00:00.5Z",
        "2026-02-01T00:00:00+00:00",
        "",
    ] {
        assert!(
            refusal(set("/runDetails/metadata/startedOn", time.into())).contains("startedOn"),
            "{time}"
        );
    }
    let early = set(
        "/runDetails/metadata/finishedOn",
        "2026-01-31T23:59:59Z".into(),
    );
    assert!(refusal(early).contains("before"));
}

#[test]
fn a_predicate_of_any_shape_never_panics() {
    for predicate in [
        Value::Null,
        json!([]),
        json!({ "buildDefinition": [] }),
        json!(1),
    ] {
        refusal(|s| s.predicate = predicate);
    }
}
