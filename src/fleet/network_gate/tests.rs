//! The gate of the network: each thing that can be wrong, and everything that can be unknown.

use super::*;

fn gate() -> NetworkGate {
    NetworkGate {
        height_within: 1,
        min_peers: None,
        new_block: true,
        finality: true,
        timeout_seconds: 60,
        interval_seconds: 5,
    }
}

fn look(height: u64) -> ChainLook {
    ChainLook {
        network: Some("toy".into()),
        height: Some(height),
        hash_at: Some("aa".into()),
        finality: Some(true),
        peers: Some(2),
        newest_unix: None,
        problems: Vec::new(),
    }
}

fn three() -> Vec<Seen> {
    [10, 11, 11]
        .iter()
        .enumerate()
        .map(|(i, height)| Seen {
            name: format!("n{i}"),
            look: Ok(look(*height)),
        })
        .collect()
}

fn with(change: impl FnOnce(&mut ChainLook)) -> Verdict {
    let mut seen = three();
    change(seen[0].look.as_mut().unwrap());
    judge(&gate(), &seen, Some(10), Some(10))
}

#[track_caller]
fn says(verdict: &Verdict, text: &str) {
    let problems = verdict.problems().join("\n");
    assert!(problems.contains(text), "{text}: {verdict:?}");
}

#[test]
fn a_network_whose_nodes_agree_and_go_on_is_healthy() {
    assert_eq!(
        judge(&gate(), &three(), Some(10), Some(10)),
        Verdict::Healthy
    );
}

#[test]
fn each_fault_is_told_with_its_node() {
    says(&with(|l| l.height = Some(9)), "n0 is at height 9");
    says(
        &with(|l| l.hash_at = Some("bb".into())),
        "a fork at height 10: n1, n2 have aa; n0 have bb",
    );
    says(
        &with(|l| l.finality = Some(false)),
        "n0: the block before the newest is not final",
    );
    says(&with(|l| l.peers = Some(1)), "n0 has 1 peers, wanted 2");
    says(
        &judge(&gate(), &three(), Some(10), Some(11)),
        "no new block: 11",
    );
}

#[test]
fn what_is_unknown_is_not_healthy() {
    for verdict in [
        with(|l| l.height = None),
        with(|l| l.hash_at = None),
        with(|l| l.finality = None),
        with(|l| l.peers = None),
        judge(&gate(), &three(), None, Some(10)),
        judge(&gate(), &three(), Some(10), None),
    ] {
        assert!(matches!(verdict, Verdict::NotYet(_)), "{verdict:?}");
    }
    let mut seen = three();
    seen[2].look = Err("not reached".into());
    says(
        &judge(&gate(), &seen, Some(10), Some(10)),
        "n2: nothing is known of its chain",
    );
}

#[test]
fn a_node_of_another_network_is_told_at_once() {
    let verdict = with(|l| l.network = Some("other".into()));
    assert!(matches!(verdict, Verdict::Never(_)), "{verdict:?}");
    says(&verdict, "n0 is of network other, most are of another");
}

#[test]
fn what_nobody_asks_for_is_not_missed() {
    let lax = NetworkGate {
        new_block: false,
        finality: false,
        min_peers: Some(0),
        ..gate()
    };
    let mut seen = three();
    for node in &mut seen {
        let look = node.look.as_mut().unwrap();
        (look.finality, look.peers) = (None, None);
    }
    assert_eq!(judge(&lax, &seen, Some(10), None), Verdict::Healthy);
    let alone = &seen[..1];
    assert_eq!(judge(&lax, alone, None, None), Verdict::Healthy);
}
