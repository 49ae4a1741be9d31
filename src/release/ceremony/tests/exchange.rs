//! The file that goes around: read strictly, believed about nothing.

use super::*;

fn exchange(world: &World) -> Exchange {
    world.with_view(&Ring::one_each(), |publisher, view| {
        Exchange::new(world.proposal(), publisher.store, view).unwrap()
    })
}

#[test]
fn a_file_that_was_written_is_read_back_the_same_and_verifies_from_the_signers_own_root() {
    let world = World::new(&Ring::one_each());
    let mut sent = exchange(&world);
    sent.proposal.roles[0].sign(&seed("targets")).unwrap();
    let bytes = sent.to_bytes().unwrap();
    let read = Exchange::parse(&bytes).unwrap();
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let base = read.base(&world.root, now()).unwrap();
    assert_eq!(base.root.version, 1);
    assert!(read.proposal.demands(&base).unwrap()[0].is_met());
}

#[test]
fn metadata_of_another_project_or_changed_on_the_way_does_not_verify() {
    let world = World::new(&Ring::one_each());
    let stranger = World::new(&Ring::one_each().with("targets", &[50]));
    let sent = exchange(&world);
    let error = sent.base(&stranger.root, now()).unwrap_err();
    assert!(error.message().contains("does not verify"), "{error}");
    let changed = |name: &str| {
        let mut changed = sent.clone();
        let text = changed.base.get_mut(name).unwrap();
        *text = text
            .replace("2027", "2037")
            .replace("\"alice\"", "\"mallory\"");
        changed.base(&world.root, now()).unwrap_err()
    };
    for name in ["1.targets.json", "1.mainnet.json"] {
        let error = changed(name);
        assert!(error.message().contains("does not verify"), "{error}");
    }
    let pin = world.base().policy.pin().file_name();
    assert!(changed(&pin).to_string().contains("root pins"));
}

#[test]
fn what_is_no_exchange_file_is_refused_and_never_panics() {
    let world = World::new(&Ring::one_each());
    let good = exchange(&world).to_bytes().unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    for (from, to) in [
        ("relman-exchange/1", "relman-exchange/2"),
        ("\"format\": 1,\n    \"id\"", "\"format\": 2,\n    \"id\""),
        ("\"release-some\"", "\"../release-some\""),
        ("\"release-some\"", "\"\""),
        ("\"kind\": \"release\"", "\"kind\": \"surprise\""),
        ("\"summary\"", "\"unknown\": 1, \"summary\""),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        Exchange::parse(changed.as_bytes()).unwrap_err();
    }
    for end in (0..good.len() - 1).step_by(97) {
        assert!(Exchange::parse(&good[..end]).is_err(), "cut at {end}");
    }
    for at in (0..good.len()).step_by(61) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        if let Ok(read) = Exchange::parse(&bytes) {
            let base = read.base(&world.root, now());
            let _ = base.map(|base| read.proposal.check(&base, now()));
        }
    }
}
