//! What a witness cosigns, and what it never does.

use super::cosignature::verified;
use super::{NaiveTree, ORIGIN, signer};
use crate::hash::Sha256;
use crate::log::{Checkpoint, Growth, Memory, TreeHead, VerifiedCheckpoint, prove_consistency};
use crate::{Kind, Result};

fn signed(head: TreeHead) -> VerifiedCheckpoint {
    let checkpoint = Checkpoint::new(ORIGIN, head).unwrap();
    verified(&checkpoint.sign(&[&signer(ORIGIN, 1)]).unwrap())
}

/// Asks for the growth from `old` to size `new` of one honest tree.
fn grow(before: Option<Memory>, old: u64, new: u64) -> Result<Memory> {
    let tree = NaiveTree::new(new.max(old));
    let growth = Growth {
        old: tree.head(old),
        new: &signed(tree.head(new)),
        prove: &|from| prove_consistency(from, new, &tree),
    };
    Memory::extended(before, &growth)
}

fn confirmed(memory: Memory) -> Option<Memory> {
    Some(Memory {
        published: memory.answered,
        ..memory
    })
}

#[test]
fn a_growing_log_is_followed_also_where_some_growth_was_missed() {
    let memory = confirmed(grow(None, 0, 5).unwrap());
    let memory = confirmed(grow(memory, 5, 8).unwrap());
    let memory = grow(memory, 11, 12).unwrap();
    assert_eq!((memory.published.size, memory.answered.size), (11, 12));
    assert!(grow(confirmed(memory), 12, 12).is_ok());
}

#[test]
fn an_answer_that_never_came_out_may_be_given_anew_but_not_one_that_did() {
    let first = grow(None, 0, 5).unwrap();
    let lost = grow(confirmed(first), 5, 9).unwrap();
    assert!(grow(Some(lost), 5, 7).is_ok());
    let error = grow(confirmed(lost), 5, 7).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("has seen 9"), "{error}");
}

#[test]
fn a_log_that_shrank_or_forked_is_never_cosigned() {
    let memory = confirmed(grow(None, 0, 9).unwrap());
    assert!(grow(memory, 9, 8).is_err());
    assert!(grow(memory, 0, 12).is_err());
    let tree = NaiveTree::new(12);
    let fork = |size| TreeHead {
        size,
        root: Sha256::of(b"fork"),
    };
    let honest = |from| prove_consistency(from, 12, &tree);
    for (old, new) in [
        (fork(9), tree.head(12)),
        (tree.head(9), fork(12)),
        (fork(10), tree.head(12)),
    ] {
        let growth = Growth {
            old,
            new: &signed(new),
            prove: &honest,
        };
        let error = Memory::extended(memory, &growth).unwrap_err();
        assert!(error.to_string().contains("does not extend"), "{error}");
        assert!(error.hint_text().is_some());
    }
    // A witness that has seen size 9 with another root, while the store tells a consistent story.
    let seen = Memory {
        published: fork(9),
        answered: fork(9),
    };
    assert!(grow(Some(seen), 10, 12).is_err());
}
