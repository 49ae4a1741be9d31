//! Proposals that nobody should sign, and that nothing publishes.

use super::*;
use crate::trust::policy::ApprovalRule;

#[test]
fn a_proposal_that_the_store_has_overtaken_is_stale() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    for version in [0, 1] {
        let mut targets = Targets::clone(&base.targets);
        targets.version = version;
        let mut proposal = world.proposal();
        let Ok(draft) = RoleDraft::targets("targets", &targets) else {
            continue;
        };
        proposal.roles = vec![draft];
        assert!(problem(&proposal, &base).contains("the store has 1 already"));
        let error = proposal.require_sound(&base, now()).unwrap_err();
        assert!(
            error.hint_text().unwrap().contains("relman withdraw"),
            "{error:?}"
        );
    }
}

#[test]
fn a_version_that_leaves_no_room_for_others_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut targets = Targets::clone(&world.base().targets);
    targets.version = 1 << 50;
    let mut proposal = world.proposal();
    proposal.roles = vec![RoleDraft::targets("targets", &targets).unwrap()];
    assert!(problem(&proposal, &world.base()).contains("too far"));
}

#[test]
fn a_root_that_skips_a_version_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.changed(&[Change::Renew { until: None }]).unwrap();
    let mut root = (*world.base().root).clone();
    root.version += 2;
    proposal.roles = vec![RoleDraft::root(&root).unwrap()];
    assert!(problem(&proposal, &world.base()).contains("root would have version 3"));
}

#[test]
fn another_projects_proposal_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    proposal.project = "other".into();
    assert!(problem(&proposal, &world.base()).contains("\"other\""));
}

#[test]
fn a_role_that_is_in_it_twice_or_that_nobody_knows_is_refused() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut twice = world.proposal();
    twice.roles.push(twice.roles[0].clone());
    assert!(problem(&twice, &base).contains("twice"));
    for name in ["other", "snapshot", "../../evil"] {
        let mut strange = world.proposal();
        let role = Targets::new(1, "2027-01-01T00:00:00Z".parse().unwrap());
        strange.roles.push(RoleDraft::targets(name, &role).unwrap());
        assert!(problem(&strange, &base).contains("is not one that policy knows"));
        strange.demands(&base).unwrap_err();
    }
}

#[test]
fn an_expired_role_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut targets = Targets::clone(&world.base().targets);
    targets.version += 1;
    targets.expires = now();
    let mut proposal = world.proposal();
    proposal.roles = vec![RoleDraft::targets("targets", &targets).unwrap()];
    assert!(problem(&proposal, &world.base()).contains("would expire"));
}

#[test]
fn a_file_that_no_role_of_it_lists_is_refused() {
    let world = World::new(&Ring::one_each());
    let digest = Sha256::of(b"{}");
    for path in [
        "targets/other.json".to_owned(),
        format!("targets/{digest}.other.json"),
        format!("metadata/{digest}.some.tar.gz"),
        "log/checkpoint".to_owned(),
        "../outside".to_owned(),
    ] {
        let mut proposal = world.proposal();
        proposal.files.insert(path, "{}".into());
        assert!(problem(&proposal, &world.base()).contains("is listed by no role"));
    }
    let mut proposal = world.proposal();
    let path = format!("targets/{digest}.some.tar.gz");
    proposal.files.insert(path, "{}".into());
    assert_eq!(proposal.check(&world.base(), now()).unwrap(), [""; 0]);
}

#[test]
fn a_proof_that_would_lie_on_something_else_is_refused() {
    let world = World::new(&Ring::one_each());
    for path in [
        "metadata/9.targets.tlog-proof",
        "log/checkpoint",
        "targets/x.tlog-proof",
        "../x.tlog-proof",
        "/x/y.tlog-proof",
        "x.tlog-proof",
        "a/b/c.tlog-proof",
        "a/timed",
    ] {
        let mut proposal = world.proposal();
        proposal.statements.push(statement(Purpose::Approver));
        proposal.statements[0].proof = path.into();
        assert!(
            problem(&proposal, &world.base()).contains("where no proof belongs"),
            "{path}"
        );
    }
}

#[test]
fn a_root_under_another_heading_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.changed(&[Change::Renew { until: None }]).unwrap();
    proposal.kind = Kind::Release;
    assert!(problem(&proposal, &world.base()).contains("changes root"));
    let mut proposal = world.proposal();
    proposal.kind = Kind::Root;
    assert!(problem(&proposal, &world.base()).contains("leaves root"));
}

#[test]
fn a_policy_that_the_proposed_root_does_not_pin_is_refused() {
    let world = World::new(&Ring::one_each());
    let change = Change::Environment {
        minimum: None,
        name: "mainnet".into(),
        soak_hours: None,
        notice_hours: None,
        wants: Wants {
            approvals: Some(vec![ApprovalRule::new("qa")]),
            ..Wants::default()
        },
    };
    let good = world.changed(&[change]).unwrap();
    assert_eq!(good.check(&world.base(), now()).unwrap(), [""; 0]);
    let mut without = good.clone();
    without.policy = None;
    let error = without.check(&world.base(), now()).unwrap_err();
    assert!(error.message().contains("does not bring along"), "{error}");
    let mut other = good.clone();
    other.policy = good.policy.map(|text| text.replace("\"qa\"", "\"pr\""));
    let error = other.check(&world.base(), now()).unwrap_err();
    assert!(error.message().contains("root pins"), "{error}");
}

#[test]
fn release_signers_who_propose_another_quorum_are_refused_before_anybody_signs() {
    let world = World::new(&Ring::one_each());
    let mut targets = Targets::clone(&world.base().targets);
    targets.version += 1;
    let own = crate::trust::PublicKey::from(Seed(66).public());
    let patterns = ["mainnet.*".to_owned()];
    targets
        .delegate("mainnet", &[own], 1, true, &patterns)
        .unwrap();
    let mut proposal = world.proposal();
    proposal.roles = vec![RoleDraft::targets("targets", &targets).unwrap()];
    let problems = proposal.check(&world.base(), now()).unwrap().join("\n");
    assert!(
        problems.contains("which policy does not give it"),
        "{problems}"
    );
    assert!(
        problems.contains("would have to be signed anew"),
        "{problems}"
    );
}

#[test]
fn a_proposal_that_nobody_has_to_sign_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    proposal.roles.clear();
    assert!(problem(&proposal, &world.base()).contains("nothing in it is to be signed"));
    let policy = world.base();
    let policy = policy.policy.policy().document().to_bytes().unwrap();
    proposal.kind = Kind::Root;
    proposal.policy = Some(String::from_utf8(policy).unwrap());
    assert!(problem(&proposal, &world.base()).contains("nothing in it is to be signed"));
}

#[test]
fn two_statements_with_one_proof_are_refused() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    proposal.statements.push(statement(Purpose::Approver));
    proposal.statements.push(statement(Purpose::Builder));
    assert!(problem(&proposal, &world.base()).contains("is in it twice"));
}

#[test]
fn a_proposal_cannot_log_a_release_or_metadata_that_nobody_publishes() {
    let world = World::new(&Ring::one_each());
    for kind in ["urn:relman:leaf:release:v1", "urn:relman:leaf:metadata:v1"] {
        let mut proposal = world.proposal();
        let mut draft = statement(Purpose::Publisher);
        draft.statement.predicate_type = kind.into();
        proposal.statements.push(draft);
        assert!(
            problem(&proposal, &world.base()).contains("comes into the log by itself"),
            "{kind}"
        );
    }
}

#[test]
fn a_proposal_from_the_future_is_refused() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    proposal.time = "2026-03-01T00:05:00Z".parse().unwrap();
    assert_eq!(proposal.check(&world.base(), now()).unwrap(), [""; 0]);
    proposal.time = "2026-03-01T00:05:01Z".parse().unwrap();
    assert!(problem(&proposal, &world.base()).contains("it is now 2026-03-01T00:00:00Z"));
}

#[test]
fn an_expired_key_does_not_count_again_in_a_proposal_that_is_dated_back() {
    let world = World::new(&Ring::one_each());
    let mut base = world.base();
    let mut document = base.policy.policy().document().clone();
    for key in &mut document.keys {
        if key.purpose == Purpose::Approver {
            key.not_after = "2026-02-20T00:00:00Z".parse().unwrap();
        }
    }
    let bytes = document.to_bytes().unwrap();
    let pin = crate::trust::policy::Pin::of(&bytes);
    let mut root = (*base.root).clone();
    pin.set(&mut root);
    let root = crate::trust::Unsigned::new(&root).unwrap();
    let root = root.sign(&seed("root")).unwrap().draft_bytes().unwrap();
    let root = crate::trust::Unverified::parse(&root).unwrap();
    base.root = root.verify_self().unwrap();
    base.policy = crate::release::policy::ReleasePolicy::parse(&bytes, pin).unwrap();

    let mut proposal = world.proposal();
    proposal.time = "2026-02-10T00:00:00Z".parse().unwrap();
    proposal.statements.push(statement(Purpose::Approver));
    assert!(problem(&proposal, &base).contains("no approver key of policy counts both"));
    let at_that_time = "2026-02-19T00:00:00Z".parse().unwrap();
    assert_eq!(proposal.check(&base, at_that_time).unwrap(), [""; 0]);
}

#[test]
fn a_release_cannot_be_listed_without_its_files() {
    let world = World::new(&Ring::one_each());
    let released = |commit: &str| crate::release::state::Released {
        tag: "v9.0.0".into(),
        commit: commit.into(),
        tag_object: None,
        repository: "https://example.org/timed".into(),
        sha256: Sha256::of(b"{}"),
        length: 2,
        edges: Default::default(),
        yanked: None,
    };
    let mut targets = Targets::clone(&world.base().targets);
    targets.version += 1;
    let file = released("abc").target().unwrap();
    targets.targets.insert("v9.0.0.tar.gz".into(), file);
    let mut proposal = world.proposal();
    proposal.roles = vec![RoleDraft::targets("targets", &targets).unwrap()];
    assert!(problem(&proposal, &world.base()).contains("release v9.0.0 is new"));
    proposal.draft = Some("v9.0.0".into());
    assert_eq!(proposal.check(&world.base(), now()).unwrap(), [""; 0]);
    proposal.draft = Some("../v9.0.0".into());
    assert!(problem(&proposal, &world.base()).contains("release v9.0.0 is new"));
}

#[test]
fn a_signer_signs_the_statement_that_was_shown_and_no_other_that_lies_below_it() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let shown = statement(Purpose::Approver);
    let mut other = shown.statement.clone();
    other.predicate = serde_json::json!({ "time": now().to_string(), "approves": "everything" });
    let hidden = crate::attest::Envelope::sign(&other, &Seed(66)).unwrap();
    let mut proposal = world.proposal();
    proposal.statements.push(shown.clone());
    proposal.statements[0].envelope = Some(hidden);
    proposal.sign(&base, &Ring::only("approver", &[8])).unwrap();
    let envelope = proposal.statements[0].envelope.as_ref().unwrap();
    assert!(envelope.is_over(&shown.statement), "another was signed");
    let approver = base.policy.accepted(&Purpose::Approver, now());
    assert_eq!(proposal.statements[0].signers(&approver).len(), 1);
}

#[test]
fn a_role_with_members_that_no_review_would_show_is_refused() {
    let world = World::new(&Ring::one_each());
    let proposal = serde_json::to_value(world.proposal()).unwrap();
    let with = |path: &str, value: serde_json::Value| {
        let mut changed = proposal.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(&format!("/roles/0/metadata/signed{parent}"));
        parent.unwrap()[name] = value;
        serde_json::from_value::<Proposal>(changed).unwrap()
    };
    let base = world.base();
    let null = with("/targets/some.tar.gz/custom", serde_json::Value::Null);
    assert!(problem(&null, &base).contains("in a form that is not shown"));
    let fraction = with("/expires", "2027-01-01T00:00:00.5Z".into());
    assert!(problem(&fraction, &base).contains("in a form that is not shown"));
    let same = with("/x-other", 1.into());
    assert_eq!(same.check(&base, now()).unwrap(), [""; 0]);
}

#[test]
fn a_signature_under_another_keys_id_is_asked_for_again() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut proposal = world.proposal();
    proposal.statements.push(statement(Purpose::Approver));
    let ring = Ring::only("approver", &[8]);
    proposal.sign(&base, &ring).unwrap();
    let text = serde_json::to_string(&proposal).unwrap();
    let text = text.replace(&seed("approver").public().keyid(), &"ab".repeat(32));
    let mut proposal: Proposal = serde_json::from_str(&text).unwrap();
    let unsigned = |p: &Proposal| p.demands(&base).unwrap()[1].have.is_empty();
    assert!(unsigned(&proposal));
    assert_eq!(proposal.sign(&base, &ring).unwrap().signed.len(), 1);
    proposal.keep_what_counts(&base).unwrap();
    assert!(!unsigned(&proposal));
}
