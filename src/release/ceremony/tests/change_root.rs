//! Changes to root: what must follow from them, and what they must not do.

use super::*;

fn add(role: &str, seed: u8, person: &str, threshold: Option<u64>) -> Change {
    Change::Add {
        role: role_of(role),
        key: Seed(seed).public(),
        person: person.into(),
        not_after: None,
        threshold,
    }
}

fn role_of(name: &str) -> KeyRole {
    let world = World::new(&Ring::one_each());
    KeyRole::parse(name, world.base().policy.policy().document()).unwrap()
}

fn rotate(role: &str, new: u8, end: End) -> Change {
    Change::Rotate {
        role: role_of(role),
        old: KeyChoice::Named("alice".into()),
        new: Seed(new).public(),
        person: None,
        end,
    }
}

fn names(proposal: &Proposal) -> Vec<&str> {
    proposal.roles.iter().map(RoleDraft::name).collect()
}

#[test]
fn only_what_must_follow_is_signed_anew() {
    let world = World::new(&Ring::one_each());
    let cases: [(Change, &[&str], bool); 7] = [
        (Change::Renew { until: None }, &["root"], false),
        (rotate("root", 30, End::Now), &["root"], false),
        (rotate("timestamp", 30, End::Now), &["root"], false),
        (rotate("targets", 30, End::Now), &["root", "targets"], false),
        (rotate("builder", 30, End::Now), &["root"], true),
        (
            rotate("mainnet", 30, End::Now),
            &["root", "targets", "mainnet"],
            true,
        ),
        // One of one has signed, and two of two must.
        (
            add("mainnet", 30, "bob", None),
            &["root", "targets", "mainnet"],
            true,
        ),
    ];
    for (change, wanted, policy) in cases {
        let proposal = world.changed(std::slice::from_ref(&change)).unwrap();
        assert_eq!(names(&proposal), wanted, "{change}");
        assert_eq!(proposal.policy.is_some(), policy, "{change}");
        assert_eq!(
            proposal.check(&world.base(), now()).unwrap(),
            [""; 0],
            "{change}"
        );
    }
}

#[test]
fn a_role_that_its_remaining_signers_vouch_for_is_left_alone() {
    let world = World::new(&Ring::one_each());
    let change = Change::Add {
        role: role_of("halt-mainnet"),
        key: Seed(40).public(),
        person: "dora".into(),
        not_after: None,
        threshold: None,
    };
    let proposal = world.changed(&[change]).unwrap();
    assert_eq!(names(&proposal), ["root", "targets", "halt-mainnet"]);
    let Some(RoleDraft::Targets { draft, .. }) = proposal.role("halt-mainnet") else {
        panic!("no halt role");
    };
    let halt = draft.unverified_body().unwrap();
    assert_eq!((halt.version, halt.targets.len()), (1, 0));
}

#[test]
fn a_new_root_is_asked_for_by_the_old_keys_and_the_new_ones() {
    let world = World::new(&Ring::one_each());
    let base = world.base();
    let mut proposal = world.changed(&[rotate("root", 30, End::Now)]).unwrap();
    let demands = proposal.demands(&base).unwrap();
    let by: Vec<&str> = demands.iter().map(|d| d.by.as_str()).collect();
    assert_eq!(by, ["root version 2", "root version 1"]);
    proposal.sign(&base, &Ring::only("root", &[30])).unwrap();
    let met = |p: &Proposal| p.demands(&base).unwrap().iter().all(Demand::is_met);
    assert!(!met(&proposal));
    proposal.sign(&base, &Ring::only("root", &[1])).unwrap();
    assert!(met(&proposal));
}

#[test]
fn a_root_that_leaves_a_role_behind_is_refused() {
    let world = World::new(&Ring::one_each());
    for (change, lost) in [
        (rotate("targets", 30, End::Now), "targets"),
        (rotate("mainnet", 30, End::Now), "mainnet"),
        (add("halt-mainnet", 30, "dora", None), "halt-mainnet"),
    ] {
        let mut proposal = world.changed(&[change]).unwrap();
        proposal.roles.retain(|role| role.name() != lost);
        let problems = proposal.check(&world.base(), now()).unwrap().join("\n");
        let told = problems.contains(&format!("role {lost} would have to be signed anew"))
            || problems.contains(&format!("role {lost} is new and not part of it"));
        assert!(told, "{problems}");
    }
}

#[test]
fn several_changes_lean_on_each_other_and_a_second_call_goes_on_from_the_first() {
    let world = World::new(&Ring::one_each());
    let first = world.changed(&[add("root", 30, "bob", None)]).unwrap();
    let change = Change::Threshold {
        role: KeyRole::Tuf("root".into()),
        threshold: 2,
    };
    let both = world.with_view(&Ring::one_each(), |publisher, view| {
        publisher.propose_root(view, Some(&first), std::slice::from_ref(&change))
    });
    let both = both.unwrap();
    assert_eq!(both.summary, "add a root key of bob; root threshold 2");
    let after = world.base().after(&both).unwrap();
    assert_eq!(
        (after.root.version, after.root.roles["root"].threshold),
        (2, 2)
    );
    assert!(world.changed(&[change]).is_err(), "two of one key");
}

#[test]
fn a_key_is_found_by_holder_id_or_file_and_never_guessed() {
    let world = World::new(&Ring::one_each().with("targets", &[2, 20]));
    let id = Seed(20).public().keyid();
    let remove = |key: KeyChoice| Change::Remove {
        role: role_of("targets"),
        key,
        end: End::Now,
        threshold: Some(1),
    };
    for choice in [
        KeyChoice::Named(id[..8].to_owned()),
        KeyChoice::Named(id.clone()),
        KeyChoice::Key(Seed(20).public()),
    ] {
        let proposal = world.changed(&[remove(choice)]).unwrap();
        let after = world.base().after(&proposal).unwrap();
        assert!(!after.root.roles["targets"].keyids.contains(&id));
        assert!(!after.root.keys.contains_key(&id));
    }
    for (choice, said) in [
        (KeyChoice::Named("alice".into()), "may be any of"),
        (KeyChoice::Named(id[..7].to_owned()), "is no key of targets"),
        (KeyChoice::Named("mallory".into()), "is no key of targets"),
        (
            KeyChoice::Key(seed("builder").public()),
            "is no key of targets",
        ),
    ] {
        let error = world.changed(&[remove(choice)]).unwrap_err();
        assert!(error.message().contains(said), "{error}");
    }
}

#[test]
fn a_key_that_ends_keeps_what_it_signed_and_an_erased_one_does_not() {
    let world = World::new(&Ring::one_each());
    let end_of = |end: End| {
        let proposal = world.changed(&[rotate("builder", 30, end)])?;
        let after = world.base().after(&proposal)?;
        let key = after
            .policy
            .policy()
            .unchecked_key(&seed("builder").public().keyid());
        Ok::<_, Error>(key.map(|key| key.entry.not_after.to_string()))
    };
    // The second in which it ends is its own.
    assert_eq!(end_of(End::Now).unwrap().unwrap(), "2026-03-01T00:00:01Z");
    let theft = "2026-02-10T00:00:00Z".parse().unwrap();
    assert_eq!(
        end_of(End::Since(theft)).unwrap().unwrap(),
        "2026-02-10T00:00:00Z"
    );
    assert_eq!(end_of(End::Erase).unwrap(), None);
    let before = "2026-01-10T00:00:00Z".parse().unwrap();
    let error = end_of(End::Since(before)).unwrap_err();
    assert!(error.hint_text().unwrap().contains("--erase"), "{error}");
}

#[test]
fn roles_that_a_stolen_publisher_key_logged_are_logged_anew() {
    let world = World::new(&Ring::one_each());
    let theft = "2026-02-10T00:00:00Z".parse().unwrap();
    // Everything was logged before the theft.
    let proposal = world
        .changed(&[rotate("publisher", 30, End::Since(theft))])
        .unwrap();
    assert_eq!(names(&proposal), ["root"]);
    let proposal = world
        .changed(&[rotate("publisher", 30, End::Erase)])
        .unwrap();
    assert_eq!(names(&proposal), ["root", "targets", "testnet", "mainnet"]);
}

#[test]
fn the_holders_names_go_with_their_keys() {
    let world = World::new(&Ring::one_each());
    let review = |change: Change| {
        let proposal = world.changed(&[change]).unwrap();
        proposal.review(&world.base()).unwrap().join("\n")
    };
    let lines = review(add("root", 30, "bob", Some(2)));
    assert!(lines.contains("root: + bob"), "{lines}");
    assert!(lines.contains("root: threshold: 1 → 2"), "{lines}");
    let lines = review(rotate("mainnet", 30, End::Now));
    let id = Seed(30).public().keyid();
    let whole = format!("+ environment/mainnet alice (key {id})");
    assert!(lines.contains(&whole), "{lines}");
    assert!(
        lines.contains("delegation mainnet: + alice (key"),
        "{lines}"
    );
}

#[test]
fn a_key_of_an_environment_has_no_end_that_tuf_clients_would_not_see() {
    let world = World::new(&Ring::one_each());
    let ends = |purpose: Purpose| {
        world.changed(&[Change::Add {
            role: KeyRole::Purpose(purpose),
            key: Seed(30).public(),
            person: "bob".into(),
            not_after: Some("2026-06-01T00:00:00Z".parse().unwrap()),
            threshold: None,
        }])
    };
    for purpose in [
        Purpose::Environment("mainnet".into()),
        Purpose::Halt("mainnet".into()),
    ] {
        let error = ends(purpose).unwrap_err();
        let message = error.message();
        assert!(message.contains("counts until it is removed"), "{message}");
    }
    ends(Purpose::Override("mainnet".into())).unwrap();
    ends(Purpose::Approver).unwrap();
}

#[test]
fn the_last_key_of_a_role_is_replaced_and_not_removed() {
    let world = World::new(&Ring::one_each());
    let refused = |change: Change| {
        let error = world.changed(&[change]).unwrap_err();
        format!("{error} {}", error.hint_text().unwrap())
    };
    let said = refused(Change::Remove {
        role: role_of("targets"),
        key: KeyChoice::Key(seed("targets").public()),
        end: End::Now,
        threshold: None,
    });
    assert!(said.contains("no key left"), "{said}");
    assert!(said.contains("relman root rotate targets"), "{said}");
    let said = refused(Change::Threshold {
        role: role_of("targets"),
        threshold: 2,
    });
    assert!(said.contains("threshold 2 of 1 keys"), "{said}");
    assert!(said.contains("relman root add targets"), "{said}");
}
