//! What a provenance statement says, what it leaves out, and what is read back from it.

use super::*;

fn cut(repository: &str, resources: Vec<Resource>, source: SourceClaims) -> Statement {
    let cut = Cut {
        repository: repository.into(),
        tag: "phase1-a-1.0.0".into(),
        tag_object: None,
        commit: "1".repeat(40),
        tree: "2".repeat(40),
        source,
        build: BTreeMap::new(),
        derived: BTreeMap::new(),
        resources,
        builder: Builder::WorkstationClean,
        builder_version: "1".into(),
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
        byproducts: BTreeMap::from([("build.log", Sha256::of(b"log"))]),
    };
    let statement = cut.statement(vec![Subject::new("a", Sha256::of(b"a"))]);
    assert_eq!(claims(&statement).unwrap().commit, cut.commit);
    statement
}

fn dependencies(statement: &Statement) -> &Value {
    &statement.predicate["buildDefinition"]["resolvedDependencies"]
}

#[test]
fn the_source_has_a_uri_only_where_the_repository_has_a_url() {
    let source = |repository| {
        let statement = cut(repository, Vec::new(), SourceClaims::default());
        dependencies(&statement)[0].clone()
    };
    let uri = "git+https://example.org/timed@refs/tags/phase1-a-1.0.0";
    assert_eq!(source("https://example.org/timed")["uri"], uri);
    assert_eq!(source("local").get("uri"), None);
}

#[test]
fn what_a_build_used_comes_after_its_source_and_has_no_empty_members() {
    let crate_ = Resource {
        name: "a".into(),
        uri: Some("pkg:cargo/a@1.0.0".into()),
        ..Resource::default()
    };
    let statement = cut("local", vec![crate_], SourceClaims::default());
    let wanted = json!({ "name": "a", "uri": "pkg:cargo/a@1.0.0" });
    assert_eq!(dependencies(&statement)[1], wanted);
    let details = &statement.predicate["runDetails"];
    assert_eq!(
        details["builder"]["id"],
        "urn:relman:builder:workstation-clean:v1"
    );
    assert_eq!(details["byproducts"][0]["name"], "build.log");
}

#[test]
fn what_is_said_of_the_source_is_read_back() {
    let from = Descent::From {
        tag: "phase1-a-0.9.0".into(),
        commit: "3".repeat(40),
    };
    let not = Descent::Not {
        tag: "phase1-a-0.9.0".into(),
    };
    for descent in [Descent::First, from, not] {
        for tag_object in [None, Some(b"text\n".to_vec()), Some(vec![0xff, 0])] {
            let claims = SourceClaims {
                tag_object,
                descent: descent.clone(),
                branches: vec!["release/1".into()],
            };
            let statement = cut("local", Vec::new(), claims.clone());
            let statement = Statement::parse(&statement.to_bytes().unwrap()).unwrap();
            assert_eq!(source_claims(&statement), claims);
        }
    }
}

#[test]
fn a_provenance_that_says_nothing_of_its_source_claims_nothing() {
    let mut statement = cut("local", Vec::new(), SourceClaims::default());
    let build = &mut statement.predicate["buildDefinition"];
    build["internalParameters"]["source"] = json!({ "descendsFrom": {}, "branches": "main" });
    build["resolvedDependencies"][0]["annotations"] = json!({ "tagObject": 1 });
    assert_eq!(source_claims(&statement), SourceClaims::default());
    build_of(&mut statement).remove("internalParameters");
    assert_eq!(source_claims(&statement), SourceClaims::default());
}

fn build_of(statement: &mut Statement) -> &mut serde_json::Map<String, Value> {
    let build = statement.predicate.get_mut("buildDefinition");
    build.and_then(Value::as_object_mut).unwrap()
}
