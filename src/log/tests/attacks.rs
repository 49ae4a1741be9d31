//! The attacks on a log by name, as far as its pure core can be asked: what a node that remembers a
//! checkpoint refuses, who may not count as a witness, and bundles that are too much.

use jiff::Timestamp;

use super::cosignature::{Seed, at, checkpoint, cosigned, verified};
use super::{Lcg, MemoryStore, NaiveTree, ORIGIN, entries, signer};
use crate::Kind;
use crate::keys::Signer;
use crate::limits::MAX_WITNESS_SKEW_SECONDS;
use crate::log::entries::{decode, encode};
use crate::log::{
    Bundle, Checkpoint, CosignerKey, Growth, HashSource, Memory, Note, StoreTiles, TileHashes,
    TileSource, TreeHead, VerifiedCheckpoint, WitnessEntry, WitnessPolicy, leaf_hash, plan_append,
    prove_consistency,
};

/// A signed checkpoint over these leaves.
fn signed(tree: &NaiveTree) -> VerifiedCheckpoint {
    let head = tree.head(tree.0.len() as u64);
    let checkpoint = Checkpoint::new(ORIGIN, head).unwrap();
    verified(&checkpoint.sign(&[&signer(ORIGIN, 1)]).unwrap())
}

/// Ways in which whoever has the log's key can rewrite a history of `size` entries that was seen.
fn rewritten(size: u64) -> Vec<(&'static str, NaiveTree)> {
    let seen = (size - 4) as usize;
    let change = |what: &dyn Fn(&mut Vec<crate::hash::Sha256>)| {
        let mut tree = NaiveTree::new(size);
        what(&mut tree.0);
        tree
    };
    vec![
        ("rewritten", change(&|leaves| leaves[2] = leaf_hash(b"two"))),
        (
            "dropped",
            change(&|leaves| leaves.retain(|leaf| *leaf != leaf_hash(b"2"))),
        ),
        ("reordered", change(&|leaves| leaves.swap(2, 3))),
        (
            "inserted",
            change(&|leaves| leaves.insert(2, leaf_hash(b"new"))),
        ),
        (
            "last seen",
            change(&|leaves| leaves[seen - 1] = leaf_hash(b"last")),
        ),
        ("truncated", change(&|leaves| leaves.truncate(seen - 1))),
    ]
}

#[test]
fn a_rewritten_dropped_reordered_or_truncated_log_does_not_extend_what_a_node_has_seen() {
    for size in [12, 40, 300] {
        let seen = signed(&NaiveTree::new(size - 4));
        let honest = NaiveTree::new(size);
        let proof = prove_consistency(size - 4, size, &honest).unwrap();
        signed(&honest).check_extends(&seen, &proof).unwrap();
        for (attack, tree) in rewritten(size) {
            let new = tree.0.len() as u64;
            let made = prove_consistency(seen.head().size.min(new), new, &tree).unwrap();
            // The best proof that the attacker can make, the honest one, and none.
            for proof in [&made, &proof, &Vec::new()] {
                let error = signed(&tree).check_extends(&seen, proof).unwrap_err();
                assert_eq!(error.kind(), Kind::Refused, "{attack}");
                let told = error.to_string();
                assert!(told.contains("does not extend"), "{attack}: {told}");
                assert!(told.contains(&seen.note().to_string()), "{attack}: {told}");
            }
        }
    }
}

#[test]
fn an_old_checkpoint_replayed_to_a_node_that_has_seen_a_newer_one_is_refused() {
    let (old, seen) = (checkpoint(5), checkpoint(9));
    let tree = NaiveTree::new(9);
    let proof = prove_consistency(5, 9, &tree).unwrap();
    for proof in [&proof[..], &[]] {
        let error = old.check_extends(&seen, proof).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("log shrank"), "{error}");
    }
    // The same one again is nothing new.
    seen.check_extends(&seen, &[]).unwrap();
}

#[test]
fn a_fork_shown_to_one_node_alone_shows_when_it_meets_the_other_history() {
    let common = NaiveTree::new(8);
    let mut fork = NaiveTree::new(10);
    fork.0[9] = leaf_hash(b"for your eyes only");
    let (mine, yours) = (signed(&NaiveTree::new(10)), signed(&fork));
    for checkpoint in [&mine, &yours] {
        let source: &dyn HashSource = match checkpoint == &mine {
            true => &NaiveTree::new(10),
            false => &fork,
        };
        let proof = prove_consistency(8, 10, source).unwrap();
        checkpoint.check_extends(&signed(&common), &proof).unwrap();
    }
    for (a, b) in [(&mine, &yours), (&yours, &mine)] {
        let told = a.check_extends(b, &[]).unwrap_err().to_string();
        assert!(told.contains(&a.note().to_string()) && told.contains(&b.note().to_string()));
    }
    // A witness of the one never cosigns what goes on from the other.
    let longer = NaiveTree::new(12);
    let growth = Growth {
        old: longer.head(10),
        new: &signed(&longer),
        prove: &|from| prove_consistency(from, 12, &longer),
    };
    let seen = Memory {
        published: *yours.head(),
        answered: *yours.head(),
    };
    assert!(Memory::extended(Some(seen), &growth).is_err());
}

fn everybody(_: &WitnessEntry, _: Timestamp) -> bool {
    true
}

/// A witness line for key `seed`, whose own name is `key`.
fn witness(name: &str, key: &str, seed: u8) -> String {
    let key = CosignerKey::new(key, Seed(seed).public()).unwrap();
    format!("witness {name} {key}\n")
}

#[test]
fn the_logs_key_is_no_witness_under_its_own_or_any_other_name() {
    let log = signer(ORIGIN, 1).verifier().to_string();
    for name in [ORIGIN, "w.example/1"] {
        // Key 1 is the log's; as a witness it has another ID, and is the same key.
        let both = format!("log {log}\n{}quorum w1\n", witness("w1", name, 1));
        let turned = format!("{}log {log}\nquorum w1\n", witness("w1", name, 1));
        for policy in [both, turned] {
            let error = WitnessPolicy::parse(&policy).unwrap_err();
            assert!(error.to_string().contains("same public key"), "{error}");
        }
    }
    let as_witness = format!("witness w1 {log}\nquorum w1\n");
    let error = WitnessPolicy::parse(&as_witness).unwrap_err();
    assert!(error.to_string().contains("a log's key"), "{error}");
    // The log's own signature is no cosignature, whatever line it is put on.
    let policy = format!("{}quorum w1\n", witness("w1", ORIGIN, 1));
    let policy = WitnessPolicy::parse(&policy).unwrap();
    assert!(policy.witnessed(&checkpoint(7), &everybody).is_err());
}

#[test]
fn one_witness_counts_once_in_a_quorum_however_often_and_whenever_it_signed() {
    let policy = [
        witness("w1", "w.example/1", 101),
        witness("w2", "w.example/2", 102),
        "group g 2 w1 w2\nquorum g\n".to_owned(),
    ]
    .concat();
    let policy = WitnessPolicy::parse(&policy).unwrap();
    let lacks = |by: &[(&str, u8, i64)]| {
        let error = policy.witnessed(&cosigned(by), &everybody).unwrap_err();
        assert!(error.to_string().contains("has 1 of the 2"), "{error}");
    };
    lacks(&[("w.example/1", 101, 10), ("w.example/1", 101, 10)]);
    lacks(&[("w.example/1", 101, 10), ("w.example/1", 101, 11)]);
    // Its key under the other's name: a name that is not the key's.
    lacks(&[("w.example/1", 101, 10), ("w.example/2", 101, 10)]);
    let both = cosigned(&[("w.example/1", 101, 10), ("w.example/2", 102, 20)]);
    let witnessed = policy.witnessed(&both, &everybody).unwrap().unwrap();
    assert_eq!(witnessed.time(), at(20));

    // The same line twice in one note is one cosignature, too.
    let once = cosigned(&[("w.example/1", 101, 10)]);
    let text = once.note().to_string();
    let line = text.lines().last().unwrap();
    let twice = Note::parse(format!("{text}{line}\n").as_bytes()).unwrap();
    assert!(policy.witnessed(&verified(&twice), &everybody).is_err());

    // A policy in which one key has two names is none.
    for name in ["w.example/1", "w.example/9"] {
        let policy = [
            witness("w1", "w.example/1", 101),
            witness("w9", name, 101),
            "group g 2 w1 w9\nquorum g\n".to_owned(),
        ]
        .concat();
        let error = WitnessPolicy::parse(&policy).unwrap_err();
        assert!(error.to_string().contains("same public key"), "{error}");
    }
}

#[test]
fn a_cosignature_from_the_future_is_refused_where_the_quorum_needs_it_and_moves_nothing_else() {
    let now = at(1_000);
    let future = 1_001 + MAX_WITNESS_SKEW_SECONDS;
    let lines = [
        witness("w1", "w.example/1", 101),
        witness("w2", "w.example/2", 102),
    ]
    .concat();
    let by = cosigned(&[("w.example/1", 101, 990), ("w.example/2", 102, future)]);
    let time = |quorum: &str| {
        let policy = WitnessPolicy::parse(&format!("{lines}{quorum}")).unwrap();
        policy.witnessed(&by, &everybody).unwrap().unwrap()
    };
    let any = time("group g any w1 w2\nquorum g\n");
    assert_eq!(any.time(), at(990));
    any.check_clock(now).unwrap();
    let all = time("group g all w1 w2\nquorum g\n");
    assert_eq!(all.time(), at(future));
    let error = all.check_clock(now).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("a clock is wrong"), "{error}");
    // Beyond any calendar it is no time at all.
    let never = |seconds: u64| {
        let key = CosignerKey::new("w.example/1", Seed(101).public()).unwrap();
        let text = by.note().unverified_text();
        let message = format!("cosignature/v1\ntime {seconds}\n{text}");
        let signature = Seed(101).sign(message.as_bytes()).unwrap();
        let bytes = [seconds.to_be_bytes().as_slice(), &signature].concat();
        key.check(
            text,
            &crate::log::Signature::new("w.example/1", key.id(), bytes),
        )
    };
    assert!(never(u64::MAX).is_err() && never(1 << 63).is_err());
}

#[test]
fn an_entry_bundle_that_is_too_long_or_overruns_is_refused() {
    let whole = encode(&entries(0..256)).unwrap();
    assert_eq!(decode(&whole, 256).unwrap().len(), 256);
    // 257 entries, in a full place and where the width says so.
    let more = [whole.as_slice(), &[0, 1, b'x']].concat();
    let error = decode(&more, 256).unwrap_err();
    assert!(
        error.to_string().contains("3 bytes after its 256 entries"),
        "{error}"
    );
    assert!(encode(&entries(0..257)).is_err());
    // A length that goes beyond the end, anywhere in the bundle.
    let mut random = Lcg(8);
    for _ in 0..200 {
        let at = random.below(256) as usize;
        let start: usize = whole_entries(&whole)[..at]
            .iter()
            .map(|e| 2 + e.len())
            .sum();
        let mut bad = whole.clone();
        bad[start..start + 2].copy_from_slice(&u16::MAX.to_be_bytes());
        let error = decode(&bad, 256).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("cut short"), "{error}");
    }
}

fn whole_entries(bundle: &[u8]) -> Vec<&[u8]> {
    decode(bundle, 256).unwrap()
}

#[test]
fn an_oversize_entry_bundle_in_a_store_is_not_read_to_its_end() {
    let mut store = MemoryStore::default();
    let tiles = StoreTiles::new(&store, "log", 0);
    let plan = plan_append(&TreeHead::empty(), &tiles, &entries(0..256)).unwrap();
    store.write(&plan.files);
    let limit = crate::limits::MAX_ENTRY_BUNDLE_LEN as usize;
    for length in [limit, limit + 1] {
        store.file("log/tile/entries/000").resize(length, 0);
        let tiles = StoreTiles::new(&store, "log", 256);
        let bundle = Bundle {
            index: 0,
            width: 256,
        };
        let told = tiles.entries(&bundle).unwrap_err().to_string();
        let wanted = match length > limit {
            true => "too long",
            false => "bytes after its 256 entries",
        };
        assert!(told.contains(wanted), "{length}: {told}");
    }
    store.file("log/tile/0/000").resize(8_193, 0);
    let tiles = StoreTiles::new(&store, "log", 256);
    assert!(TileHashes::open(&tiles, &plan.new).is_ok_and(|hashes| hashes.entries(0).is_err()));
}
