//! Receipts in memory: exactly one for every operation that ended, an unbroken chain after any fault,
//! and what was changed is told.

use jiff::Timestamp;

use super::batch::Batch;
use super::chain::{self, Chain};
use super::predicate::{REFUSED, SUMMARY};
use super::{Ledger, Tail};
use crate::Result;
use crate::attest::Envelope;
use crate::hash::Sha256;
use crate::keys::seed::Seed;
use crate::keys::{PublicKey, Signer};
use crate::node::fake::{Fake, Fault};
use crate::node::history::History;
use crate::node::tests::{DRY, GO};

const ONE: &str = "phase1-a-1.0.0";
const TWO: &str = "phase2-b-1.0.0";
const NODE: Seed = Seed(7);

impl Ledger for Fake {
    fn tail(&self) -> Result<Tail> {
        self.read(|w| Tail {
            bytes: w.receipts.clone(),
            whole: true,
        })
    }

    fn append(&self, torn: u64, lines: &[u8]) -> Result<()> {
        self.mutate(|w| {
            let keep = w.receipts.len() - usize::try_from(torn).expect("a length");
            w.receipts.truncate(keep);
            w.receipts.extend(lines);
            Ok(())
        })
    }

    fn signer(&self) -> Result<(Box<dyn Signer>, bool)> {
        self.read(|w| (Box::new(NODE) as Box<dyn Signer>, w.receipts.is_empty()))
    }

    fn public(&self) -> Result<Vec<PublicKey>> {
        Ok(vec![NODE.public()])
    }

    fn seen(&self) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(Vec::new())
    }
}

fn accepted(_: Timestamp) -> Vec<PublicKey> {
    vec![NODE.public()]
}

fn chain(fake: &Fake) -> Chain {
    let bytes = fake.0.borrow().receipts.clone();
    chain::check(&bytes, true, &accepted)
}

fn told(fake: &Fake) -> Vec<(String, String, String)> {
    let chain = chain(fake);
    assert_eq!(chain.problems, Vec::<String>::new());
    let receipts = chain.receipts.into_iter().map(|r| r.deployment);
    receipts
        .map(|d| (d.operation, d.release, d.outcome))
        .collect()
}

fn story(lines: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned = |(a, b, c): &(&str, &str, &str)| (a.to_string(), b.to_string(), c.to_string());
    lines.iter().map(owned).collect()
}

#[test]
fn every_install_rollback_and_refusal_has_a_receipt_in_one_chain() {
    let fake = Fake::new();
    let report = fake.with(|n| n.install(ONE, &GO)).expect("it installs");
    assert!(report.warnings.iter().any(|w| w.contains("receipts key")));
    fake.0
        .borrow_mut()
        .crashing
        .insert(format!("timed {TWO}").into_bytes());
    assert!(fake.with(|n| n.install(TWO, &GO)).is_err());
    assert!(fake.with(|n| n.install("phase9-z-1.0.0", &GO)).is_err());
    fake.0.borrow_mut().crashing.clear();
    fake.with(|n| n.install(TWO, &GO)).expect("it installs");
    fake.with(|n| n.rollback(None, &GO)).expect("it goes back");
    fake.0.borrow_mut().evidence.get_mut(TWO).expect("evidence")[0]
        .1
        .push(b'x');
    assert!(fake.with(|n| n.rollback(Some(TWO), &GO)).is_err());
    fake.with(|n| n.install(ONE, &DRY)).expect("a dry run");
    assert_eq!(
        told(&fake),
        story(&[
            ("install", ONE, "committed"),
            ("install", TWO, "reverted"),
            ("install", "phase9-z-1.0.0", REFUSED),
            ("install", TWO, "committed"),
            ("rollback", ONE, "committed"),
            ("rollback", TWO, REFUSED),
        ])
    );
    let chain = chain(&fake);
    let first = &chain.receipts[0].deployment;
    assert_eq!(
        first.running,
        Some(Sha256::of(format!("timed {ONE}").as_bytes()))
    );
    assert!(!first.late);
    let refused = &chain.receipts[2].deployment;
    assert!(
        refused
            .reason
            .as_deref()
            .is_some_and(|r| r.contains("not in the store"))
    );
}

#[test]
fn what_does_not_fit_is_refused_after_the_checks_and_has_a_receipt() {
    let fake = Fake::new();
    fake.0.borrow_mut().free = 1;
    assert!(fake.with(|n| n.install(ONE, &GO)).is_err());
    assert_eq!(told(&fake), story(&[("install", ONE, REFUSED)]));
}

#[test]
fn after_a_fault_at_any_call_each_line_of_the_history_has_exactly_one_receipt() {
    for fault in [Fault::Error, Fault::Kill] {
        let mut at = 0;
        loop {
            let fake = Fake::new();
            fake.with(|n| n.install(ONE, &GO)).expect("it installs");
            let begin = fake.0.borrow().mutations;
            fake.0.borrow_mut().fault_at = Some((begin + at, fault));
            let _ = fake.with(|n| n.install(TWO, &GO));
            let struck = fake.0.borrow().fault_at.is_none();
            fake.reboot();
            fake.with(|n| n.recover()).expect("it recovers");
            let context = format!("{fault:?} at change {at}");
            let chain = chain(&fake);
            assert_eq!(chain.problems, Vec::<String>::new(), "{context}");
            assert_eq!(chain.torn, 0, "{context}");
            let history = History::parse(&fake.0.borrow().history);
            let lines = history.entries.iter();
            let lines: Vec<_> = lines.map(|e| (e.tag.clone(), e.started.clone())).collect();
            let done = chain.receipts.iter().map(|r| &r.deployment);
            let done: Vec<_> = done
                .filter(|d| !d.is_refusal())
                .map(|d| (d.release.clone(), d.started.clone()))
                .collect();
            assert_eq!(done, lines, "{context}");
            if !struck {
                break;
            }
            at += 1;
        }
        assert!(at > 10, "{at} changes");
    }
}

#[test]
fn a_refusal_right_after_a_recovery_has_a_receipt_of_its_own() {
    let fake = Fake::new();
    fake.with(|n| n.install(ONE, &GO)).expect("it installs");
    fake.0.borrow_mut().fault = Some(("install-start-done".into(), Fault::Kill));
    assert!(fake.with(|n| n.install(TWO, &GO)).is_err());
    fake.reboot();
    assert!(fake.with(|n| n.install("phase9-z-1.0.0", &GO)).is_err());
    assert_eq!(
        told(&fake),
        story(&[
            ("install", ONE, "committed"),
            ("install", TWO, "reverted"),
            ("install", "phase9-z-1.0.0", REFUSED),
        ])
    );
}

#[test]
fn lines_that_are_no_receipts_stay_where_they_are_and_are_told_for_ever() {
    let fake = Fake::new();
    fake.with(|n| n.install(ONE, &GO)).expect("it installs");
    fake.0.borrow_mut().receipts.extend(b"{}\n");
    fake.with(|n| n.install(TWO, &GO)).expect("it installs");
    let chain = chain(&fake);
    assert_eq!((chain.receipts.len(), chain.problems.len()), (2, 1));
    let bytes = fake.0.borrow().receipts.clone();
    assert!(bytes.windows(3).any(|part| part == b"{}\n"));
}

#[test]
fn a_torn_end_is_replaced_by_the_next_receipt() {
    let fake = Fake::new();
    fake.with(|n| n.install(ONE, &GO)).expect("it installs");
    let whole = fake.0.borrow().receipts.clone();
    fake.with(|n| n.install(TWO, &GO)).expect("it installs");
    let both = fake.0.borrow().receipts.clone();
    for cut in [whole.len() + 1, both.len() - 1] {
        fake.0.borrow_mut().receipts = both[..cut].to_vec();
        let torn = chain(&fake);
        assert_eq!((torn.receipts.len(), torn.problems.len()), (1, 0));
        assert_eq!(torn.torn, (cut - whole.len()) as u64);
        fake.with(|n| n.recover()).expect("it recovers");
        let mended = chain(&fake);
        assert_eq!((mended.torn, mended.problems.len()), (0, 0));
        assert_eq!(mended.receipts.len(), 2);
        assert!(mended.receipts[1].deployment.late);
    }
}

#[test]
fn a_receipt_that_is_changed_taken_out_moved_or_signed_by_another_is_told() {
    let fake = Fake::new();
    for tag in [ONE, TWO, "phase3-c-1.0.0"] {
        fake.with(|n| n.install(tag, &GO)).expect("it installs");
    }
    let bytes = fake.0.borrow().receipts.clone();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let check = |lines: &[&[u8]]| chain::check(&lines.concat(), true, &accepted).problems;
    assert!(check(&lines).is_empty());
    for at in 0..lines.len() - 1 {
        let mut without = lines.clone();
        without.remove(at);
        assert!(!check(&without).is_empty(), "without line {at}");
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        assert!(!check(&swapped).is_empty(), "lines {at} and the next");
    }
    for at in (0..bytes.len()).step_by(13) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let chain = chain::check(&flipped, true, &accepted);
        let key_id_alone = chain.problems.is_empty() && chain.torn == 0;
        // The key id is a hint, but the next receipt has the digest of the whole line.
        assert!(
            !key_id_alone || at > bytes.len() - lines[lines.len() - 1].len(),
            "byte {at}"
        );
    }
    let strangers = |_: Timestamp| vec![Seed(8).public()];
    let chain = chain::check(&bytes, true, &strangers);
    assert_eq!((chain.receipts.len(), chain.problems.len()), (0, 3));
}

#[test]
fn two_batches_of_one_node_that_part_are_an_alarm_with_both_receipts() {
    let fake = Fake::new();
    fake.with(|n| n.install(ONE, &GO)).expect("it installs");
    let begun = fake.0.borrow().clone();
    let batch = |fake: &Fake| {
        let bytes = fake.0.borrow().receipts.clone();
        Batch::check(&bytes, &accepted).expect("a batch")
    };
    fake.with(|n| n.install(TWO, &GO)).expect("it installs");
    let longer = batch(&fake);
    *fake.0.borrow_mut() = begun;
    let shorter = batch(&fake);
    fake.with(|n| n.install("phase3-c-1.0.0", &GO))
        .expect("it installs");
    let other = batch(&fake);
    assert!(longer.agrees(&shorter).is_ok() && shorter.agrees(&longer).is_ok());
    let error = other.agrees(&longer).expect_err("a fork");
    assert!(error.message().contains("part at receipt 2"), "{error}");
    assert_eq!(error.causes().len(), 2);
    let parts = longer.parts();
    assert_eq!((parts.len(), parts[0].receipts), (1, 2));
    let both = [longer.clone(), other].map(|b| b.sha256);
    assert_ne!(both[0], both[1]);
}

#[test]
fn a_batch_with_a_gap_or_a_strangers_receipt_is_refused_with_every_problem() {
    let fake = Fake::new();
    for tag in [ONE, TWO, "phase3-c-1.0.0"] {
        fake.with(|n| n.install(tag, &GO)).expect("it installs");
    }
    let bytes = fake.0.borrow().receipts.clone();
    let deployments: Vec<&[u8]> = bytes
        .split_inclusive(|b| *b == b'\n')
        .filter(|line| {
            let envelope = Envelope::parse(line).expect("an envelope");
            envelope.unverified_statement().expect("one").predicate_type != SUMMARY
        })
        .collect();
    let [first, second, third] = deployments[..] else {
        panic!("{} receipts", deployments.len());
    };
    assert!(Batch::check(&[second, third].concat(), &accepted).is_ok());
    assert!(Batch::check(&[third, second, second].concat(), &accepted).is_ok());
    let gap = Batch::check(&[first, third].concat(), &accepted).expect_err("a gap");
    assert!(gap.to_string().contains("the chain is broken"), "{gap}");
    let strangers = |_: Timestamp| vec![Seed(8).public()];
    let error = Batch::check(&[first, second].concat(), &strangers).expect_err("strangers");
    assert_eq!(error.causes().len(), 2, "{error}");
    assert!(Batch::check(b"", &accepted).is_err());
    let torn = [first, &second[..20]].concat();
    assert!(Batch::check(&torn, &accepted).is_err());
}
