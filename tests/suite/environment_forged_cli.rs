//! Promotions that no honest tool makes, with the keys of everybody: signed, listed and logged as they
//! should be, and refused by every node that looks at the rules by itself.

use std::collections::BTreeMap;
use std::fs;

use relman::hash::Sha256;
use relman::release::environment::{Current, Origin, Rule, Step, target_name};
use relman::release::leaf::{Leaf, MetadataLeaf, OverrideLeaf};
use relman::release::state;
use relman::trust::{Targets, Unsigned};

use super::environment_cli::promote;
use super::environment_node_cli::{node_of, refuses, running};
use super::environment_waits_cli::WHY;
use super::root_attack_cli::Thief;
use super::root_cli::later;
use crate::common::publication::publish;
use crate::common::relman::{NOW, Project, SECOND, TAG};

/// What a publisher does that knows no rules, with the keys of everybody: `environment` runs `tag`, signed,
/// listed and logged.
fn forge(project: &Project, environment: &str, tag: &str, change: impl FnOnce(&mut Current)) {
    let thief = Thief::at(project, project.store());
    let mut snapshot = thief.snapshot();
    let version = snapshot.meta["targets.json"].version;
    let targets: Targets = thief.body(&format!("{version}.targets.json"));
    let released = state::find(&targets, tag).unwrap();
    let was = snapshot.meta[&format!("{environment}.json")].version;
    let mut role: Targets = thief.body(&format!("{was}.{environment}.json"));
    role.version = was + 1;
    let mut current = Current::new(environment, role.version, &released);
    change(&mut current);
    let bytes = current.to_bytes().unwrap();
    let path = project.store().join(current.path().unwrap());
    fs::write(path, bytes).unwrap();
    let target = current.target().unwrap();
    role.targets.insert(target_name(environment), target);

    let name = format!("{}.{environment}.json", role.version);
    let key = thief.key(environment);
    let signed = Unsigned::new(&role).unwrap().sign(&key).unwrap();
    log(project, &thief, &name, &signed.draft_bytes().unwrap());
    // Logging is a publication of its own.
    let meta = thief.sign(environment, &role, &name);
    snapshot.meta.insert(format!("{environment}.json"), meta);
    snapshot.version += 1;
    thief.publish(&snapshot, thief.timestamp().version + 1);
}

/// Has the log have a metadata file.
pub fn log(project: &Project, thief: &Thief, name: &str, bytes: &[u8]) {
    let leaf = Leaf::Metadata(MetadataLeaf {
        files: BTreeMap::from([(name.to_owned(), Sha256::of(bytes))]),
        time: NOW.parse().unwrap(),
    });
    let proof = name.replace(".json", ".tlog-proof");
    enter(project, thief, &leaf, &format!("metadata/{proof}"));
}

/// Has the log have a leaf, signed by the publisher.
fn enter(project: &Project, thief: &Thief, leaf: &Leaf, proof: &str) {
    publish(project, &thief.keys, |publisher, view| {
        publisher.log(view, leaf, proof)
    });
}

fn origin(environment: &str, version: u64) -> Option<Origin> {
    Some(Origin {
        environment: environment.into(),
        version,
        ended: None,
    })
}

#[test]
fn a_promotion_that_skipped_testnet_is_refused_by_every_node() {
    let project = running("envnode-skipped");
    forge(&project, "mainnet", TAG, |_| ());
    let node = node_of(project, "mainnet");
    refuses(&node, &["skipped", "never ran in testnet"]);
    let project = &node.project;
    project.relman(&["audit"]).exits(3).says(&["skipped"]);
}

#[test]
fn an_origin_that_was_made_up_is_refused_by_every_node() {
    let project = running("envnode-origin");
    promote(&project, TAG, "testnet").exits(0);
    let good = project.copy();
    forge(&good, "mainnet", TAG, |c| c.origin = origin("testnet", 2));
    let node = node_of(good, "mainnet");
    node.run("install").exits(0);
    type Change = fn(&mut Current);
    let cases: [(&str, Change, &str); 5] = [
        (TAG, |c| c.origin = origin("testnet", 1), "lists no"),
        (TAG, |c| c.origin = origin("testnet", 7), "is missing"),
        (TAG, |c| c.origin = origin("mainnet", 1), "lists no"),
        (TAG, |c| c.origin = origin("local", 2), "local"),
        (
            SECOND,
            |c| c.origin = origin("testnet", 2),
            "testnet version 2 was",
        ),
    ];
    for (tag, change, want) in cases {
        let bad = project.copy();
        forge(&bad, "mainnet", tag, change);
        refuses(&node_of(bad, "mainnet"), &["environment", want]);
    }
}

#[test]
fn phases_out_of_order_are_refused_by_every_node() {
    let project = running("envnode-order");
    forge(&project, "testnet", SECOND, |_| ());
    refuses(&node_of(project, "testnet"), &["order", "phase 2"]);
}

#[test]
fn a_past_that_was_made_up_is_refused_by_every_node() {
    let project = running("envnode-past");
    promote(&project, TAG, "testnet").exits(0);
    for (previous, want) in [
        ((SECOND, 2), "as its successor says"),
        ((TAG, 1), "lists no"),
        ((TAG, 9), "is missing"),
    ] {
        let bad = project.copy();
        forge(&bad, "testnet", SECOND, |c| {
            let (tag, version) = previous;
            c.previous = Some(Step {
                tag: tag.into(),
                version,
            });
        });
        refuses(&node_of(bad, "testnet"), &["agreement", want]);
    }
}

#[test]
fn going_back_without_a_reason_is_refused_by_every_node() {
    let project = running("envnode-reason");
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, SECOND, "testnet").exits(0);
    let previous = || {
        Some(Step {
            tag: SECOND.into(),
            version: 3,
        })
    };
    let good = project.copy();
    forge(&good, "testnet", TAG, |c| {
        c.previous = previous();
        c.origin = origin("testnet", 2);
        c.reason = Some(WHY.into());
    });
    node_of(good, "testnet").run("install").exits(0);
    forge(&project, "testnet", TAG, |c| {
        c.previous = previous();
        c.origin = origin("testnet", 2);
    });
    refuses(&node_of(project, "testnet"), &["reason", "goes back to"]);
}

#[test]
fn overrides_and_announcements_that_are_not_there_are_refused_by_every_node() {
    let project = running("envnode-missing");
    promote(&project, TAG, "testnet").exits(0);
    let [one, two, three] = [project.copy(), project.copy(), project.copy()];
    forge(&one, "mainnet", TAG, |c| {
        c.origin = origin("testnet", 2);
        c.overridden = Some(format!("{TAG}/override-mainnet-2.tlog-proof"));
    });
    refuses(
        &node_of(one, "mainnet"),
        &["override-mainnet-2", "is missing"],
    );
    forge(&two, "mainnet", TAG, |c| {
        c.origin = origin("testnet", 2);
        c.announcement = Some(format!("{TAG}/announcement-mainnet-1.tlog-proof"));
    });
    refuses(&node_of(two, "mainnet"), &["announcement", "is missing"]);
    // The proof of something else in its place.
    let dir = three.store().join(TAG);
    fs::copy(
        dir.join("release.tlog-proof"),
        dir.join("override-mainnet-2.tlog-proof"),
    )
    .unwrap();
    forge(&three, "mainnet", TAG, |c| {
        c.origin = origin("testnet", 2);
        c.overridden = Some(format!("{TAG}/override-mainnet-2.tlog-proof"));
    });
    refuses(&node_of(three, "mainnet"), &["is no override"]);
}

#[test]
fn a_network_cannot_be_made_to_forget_what_it_ran() {
    let project = running("envnode-forget");
    for network in ["testnet", "mainnet"] {
        promote(&project, TAG, network).exits(0);
    }
    promote(&project, SECOND, "testnet").exits(0);
    promote(&project, SECOND, "mainnet").exits(0);
    // As if mainnet had run nothing yet: no order, no way back, no reason.
    let one = project.copy();
    forge(&one, "mainnet", TAG, |c| {
        c.origin = Some(Origin {
            environment: "testnet".into(),
            version: 2,
            ended: Some(3),
        });
    });
    refuses(&node_of(one, "mainnet"), &["ran phase2", "says nothing"]);
    // As if what it ran last had never been.
    forge(&project, "testnet", SECOND, |c| {
        c.previous = Some(Step {
            tag: TAG.into(),
            version: 2,
        });
    });
    refuses(&node_of(project, "testnet"), &["ran phase2", "says phase1"]);
}

#[test]
fn a_document_that_takes_the_number_of_an_earlier_one_is_refused() {
    let project = running("envnode-number");
    promote(&project, TAG, "testnet").exits(0);
    forge(&project, "testnet", SECOND, |c| c.version = 2);
    refuses(
        &node_of(project, "testnet"),
        &["agreed with version 2", TAG],
    );
    let project = running("envnode-number-ahead");
    forge(&project, "testnet", TAG, |c| c.version = 3);
    refuses(
        &node_of(project, "testnet"),
        &["agreed with version 3, and version 2"],
    );
}

#[test]
fn an_override_that_the_publisher_alone_signed_sets_nothing_aside() {
    let project = running("envnode-lone");
    promote(&project, TAG, "testnet").exits(0);
    let thief = Thief::at(&project, project.store());
    let version = thief.snapshot().meta["targets.json"].version;
    let targets: Targets = thief.body(&format!("{version}.targets.json"));
    let leaf = OverrideLeaf {
        tag: TAG.into(),
        archive: state::find(&targets, TAG).unwrap().sha256,
        environment: "mainnet".into(),
        version: 2,
        sets_aside: vec![Rule::Soak],
        reason: WHY.into(),
        time: NOW.parse().unwrap(),
    };
    let proof = format!("{TAG}/override-mainnet-2.tlog-proof");
    enter(&project, &thief, &Leaf::Override(leaf), &proof);
    forge(&project, "mainnet", TAG, |c| {
        c.origin = origin("testnet", 2);
        c.overridden = Some(proof);
    });
    refuses(&node_of(project, "mainnet"), &["override-mainnet-2"]);
}

#[test]
fn a_masternode_key_counts_for_nothing_before_policy_gives_it_the_network() {
    let project = running("envnode-early-key");
    let new = project.add_key("testnet.new").with_extension("new.pub");
    let old = project.path("keys/testnet.pub");
    let [old, new] = [old, new].map(|path| path.to_str().unwrap().to_owned());
    let rotate = ["root", "rotate", "testnet", &old, &new, "--yes"];
    later(&project, &rotate).exits(0);
    let keys = project.secrets();
    fs::rename(keys.join("testnet.new"), keys.join("testnet")).unwrap();
    // The publisher dates the leaf back, to a day on which the key had no say.
    forge(&project, "testnet", TAG, |_| ());
    later(&project, &["audit"])
        .exits(3)
        .says(&["0 signatures by keys that were valid at", "wanted 1"]);
}
