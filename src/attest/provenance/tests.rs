//! What provenance says of a cut, and what it leaves out. Values only.

use super::*;

fn cut(repository: &str, rustc: &str) -> Value {
    let cut = Cut {
        repository: repository.into(),
        tag: "phase1-a-1.0.0".into(),
        tag_object: None,
        commit: "1".repeat(40),
        tree: "2".repeat(40),
        build: BTreeMap::new(),
        packing: BTreeMap::new(),
        toolchain: BTreeMap::from([("rustc".into(), rustc.into())]),
        builder_version: "1".into(),
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
        log: Sha256::of(b"log"),
    };
    let statement = cut.statement(vec![Subject::new("a", Sha256::of(b"a"))]);
    assert_eq!(claims(&statement).unwrap().commit, cut.commit);
    statement.predicate["buildDefinition"]["resolvedDependencies"].clone()
}

#[test]
fn the_source_has_a_uri_only_where_the_repository_has_a_url() {
    let with = cut("https://example.org/timed", "rustc 1.95.0");
    let uri = "git+https://example.org/timed@refs/tags/phase1-a-1.0.0";
    assert_eq!(with[0]["uri"], uri);
    assert_eq!(cut("local", "rustc 1.95.0")[0].get("uri"), None);
}

#[test]
fn a_tool_that_was_not_there_is_no_dependency() {
    assert_eq!(cut("local", "rustc 1.95.0")[1]["name"], "rustc");
    assert_eq!(cut("local", "").as_array().map(Vec::len), Some(1));
}
