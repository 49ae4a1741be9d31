//! Whose signatures count, and whose do not.

use super::*;
use crate::attest::Envelope;
use crate::release::attestations::Drawer;
use crate::release::draft::{DraftDir, Drafts, Record};
use crate::release::publish::Planned;

/// Nobody's drafts.
struct NoDrafts;

impl Drafts for NoDrafts {
    fn tags(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn begin(&self, tag: &str) -> Result<Box<dyn DraftDir + '_>> {
        Err(Error::failed(format!("no draft of {tag} can be made")))
    }

    fn remove(&self, _tag: &str) -> Result<()> {
        Ok(())
    }

    fn load(&self, _tag: &str) -> Result<Option<Record>> {
        Ok(None)
    }

    fn file(&self, tag: &str, name: &str) -> std::path::PathBuf {
        [tag, name].iter().collect()
    }

    fn read(&self, tag: &str, name: &str, _limit: u64) -> Result<Vec<u8>> {
        Err(Error::failed(format!("there is no {tag}/{name}")))
    }
}

impl Drawer for NoDrafts {
    fn load(&self, _tag: &str) -> Result<Vec<Envelope>> {
        Ok(Vec::new())
    }

    fn add(&self, tag: &str, _envelope: &Envelope) -> Result<bool> {
        Err(Error::failed(format!("nothing is kept of {tag}")))
    }

    fn remove(&self, _tag: &str) -> Result<()> {
        Ok(())
    }
}

#[test]
fn on_import_strangers_signatures_are_dropped_and_those_that_count_are_taken_over() {
    let world = World::new(&Ring::one_each().with("targets", &[2, 20]));
    let base = world.base();
    let mut mine = world.proposal();
    let mut theirs = mine.clone();
    theirs.roles[0].sign(&Seed(20)).unwrap();
    theirs.roles[0].sign(&Seed(99)).unwrap();
    theirs.roles[0].sign(&seed("builder")).unwrap();
    assert_eq!(mine.merge(&theirs, &base).unwrap(), 1);
    assert_eq!(mine.roles[0].signatures(), 1);
    // The same file once more brings nothing.
    assert_eq!(mine.merge(&theirs, &base).unwrap(), 0);
}

#[test]
fn a_signature_over_other_contents_under_a_known_key_is_dropped() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut mine = world.proposal();
    let mut other = mine.clone();
    other.roles[0].sign(&seed("targets")).unwrap();
    let text = String::from_utf8(other.roles[0].bytes().unwrap()).unwrap();
    let at = text.find("\"sig\": \"").unwrap() + 8;
    let flipped = if &text[at..=at] == "0" { "1" } else { "0" };
    let text = format!("{}{flipped}{}", &text[..at], &text[at + 1..]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let written = serde_json::json!({ "role": "targets", "metadata": value });
    let mut theirs = mine.clone();
    theirs.roles[0] = serde_json::from_value(written).unwrap();
    assert_eq!(theirs.roles[0].signatures(), 1);
    assert_eq!(mine.merge(&theirs, &base).unwrap(), 0);
    assert_eq!(mine.roles[0].signatures(), 0);
}

#[test]
fn a_copy_that_differs_in_anything_but_signatures_is_refused() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut mine = world.proposal();
    let mut other_time = mine.clone();
    other_time.time = "2026-03-01T00:00:01Z".parse().unwrap();
    let mut other_file = mine.clone();
    other_file.files.insert("targets/x".into(), "{}".into());
    let mut other_role = world.proposal();
    let mut targets = Targets::clone(&base.targets);
    targets.version += 1;
    other_role.roles[0] = RoleDraft::targets("targets", &targets).unwrap();
    for other in [other_time, other_file, other_role] {
        let error = mine.merge(&other, &base).unwrap_err();
        assert!(
            error.message().contains("another proposal release-some"),
            "{error}"
        );
    }
}

#[test]
fn two_of_three_must_sign_and_the_missing_are_named() {
    let world = World::new(&Ring::one_each().with("targets", &[2, 20, 21]));
    let base = world.base();
    let mut proposal = world.proposal();
    let demand = |proposal: &Proposal| proposal.demands(&base).unwrap().remove(0);
    assert_eq!(demand(&proposal).threshold, 3);
    proposal.sign(&base, &Ring::only("targets", &[20])).unwrap();
    // Signing again with the same key adds nothing.
    let again = proposal.sign(&base, &Ring::only("targets", &[20])).unwrap();
    assert!(again.signed.is_empty());
    let demand = demand(&proposal);
    assert_eq!((demand.have.len(), demand.missing.len()), (1, 2));
    assert!(!demand.is_met());
    assert!(
        demand.line().contains("1 of 3 signatures"),
        "{}",
        demand.line()
    );
}

#[test]
fn what_lacks_signatures_is_never_planned_for_publication() {
    let ring = Ring::one_each().with("targets", &[2, 20]);
    let world = World::new(&ring);
    let base = world.base();
    let mut proposal = world.proposal();
    let planned = |proposal: &Proposal| {
        world.with_view(&ring, |publisher, view| {
            publisher
                .publish(view, &base, proposal, (&NoDrafts, &NoDrafts))
                .unwrap()
        })
    };
    assert!(matches!(planned(&proposal), Planned::Waiting(_)));
    proposal.sign(&base, &Ring::only("targets", &[2])).unwrap();
    let Planned::Waiting(waiting) = planned(&proposal) else {
        panic!("published with one of two signatures");
    };
    assert_eq!((waiting.have, waiting.threshold), (1, 2));
    proposal.sign(&base, &Ring::only("targets", &[20])).unwrap();
    assert!(matches!(planned(&proposal), Planned::Ready(_)));
}

#[test]
fn foreign_keys_are_told_and_a_replaced_key_beside_its_successor_is_not() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut proposal = world.proposal();
    let foreign = proposal
        .clone()
        .sign(&base, &Ring::only("targets", &[77]))
        .unwrap();
    assert!(foreign.signed.is_empty());
    assert_eq!(foreign.strange.len(), 1);
    let beside = proposal
        .sign(&base, &Ring::only("targets", &[77, 2]))
        .unwrap();
    assert_eq!((beside.signed.len(), beside.strange.len()), (1, 0));
}

#[test]
fn a_builder_key_that_signs_an_approval_counts_for_nothing() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut proposal = world.proposal();
    proposal.statements.push(statement(Purpose::Approver));
    proposal.statements[0].sign(&seed("builder")).unwrap();
    let demand = proposal.demands(&base).unwrap().remove(1);
    assert_eq!(
        (demand.purpose.as_str(), demand.have.len()),
        ("approver", 0)
    );
    proposal.statements[0].sign(&seed("approver")).unwrap();
    let demand = proposal.demands(&base).unwrap().remove(1);
    assert_eq!(demand.have.len(), 1);
    // On import the builder's goes and the approver's stays.
    let theirs = proposal.clone();
    let mut mine = world.proposal();
    mine.statements.push(statement(Purpose::Approver));
    assert_eq!(mine.merge(&theirs, &base).unwrap(), 1);
}

#[test]
fn an_override_wants_those_whom_policy_names_for_it_and_nobody_else() {
    let world = World::new(&Ring::one_each());
    let mut proposal = world.proposal();
    let purpose = Purpose::Override("mainnet".into());
    proposal.statements.push(statement(purpose));
    let error = proposal.demands(&world.base()).unwrap_err();
    assert!(
        error
            .message()
            .contains("names nobody for override/mainnet"),
        "{error}"
    );
}
