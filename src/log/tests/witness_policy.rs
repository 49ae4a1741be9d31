//! Witness policies: the specification's example, quorums against a naive definition, hostile text.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::cosignature::{Seed, at, cosigned};
use super::{Lcg, signer};
use crate::Kind;
use crate::keys::Signer;
use crate::limits::{MAX_WITNESS_POLICY_ITEMS, MAX_WITNESS_POLICY_LEN, MAX_WITNESS_SKEW_SECONDS};
use crate::log::{CosignerKey, WitnessEntry, WitnessPolicy};

fn vkey(name: &str, seed: u8) -> String {
    let key = CosignerKey::new(name, Seed(seed).public()).unwrap();
    key.to_string()
}

/// `witness` lines for w1 to w<n>, keys 101 and up.
fn witnesses(count: u8) -> String {
    (1..=count)
        .map(|n| {
            format!(
                "witness w{n} {}\n",
                vkey(&format!("w.example/{n}"), 100 + n)
            )
        })
        .collect()
}

fn all(_: &WitnessEntry, _: Timestamp) -> bool {
    true
}

/// The witnessed second when these witnesses of [`witnesses`] cosigned.
fn decide(policy: &str, by: &[(u8, i64)]) -> Result<Option<i64>, String> {
    let names: Vec<String> = by.iter().map(|(n, _)| format!("w.example/{n}")).collect();
    let by: Vec<(&str, u8, i64)> = names
        .iter()
        .zip(by)
        .map(|(name, (n, second))| (name.as_str(), 100 + n, *second))
        .collect();
    let policy = WitnessPolicy::parse(policy).unwrap();
    match policy.witnessed(&cosigned(&by), &all) {
        Ok(witnessed) => Ok(witnessed.map(|w| w.time().as_second())),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn the_specifications_example_wants_two_of_x_and_one_of_y() {
    let policy = format!(
        "log {}\n\n{}group X-witnesses 2 w1 w2 w3\n\n# the others\ngroup Y-witnesses any w4 w5 w6\n\
         \t group  X-and-Y\tall X-witnesses Y-witnesses \nquorum X-and-Y\n",
        signer("log.example/timed", 1).verifier(),
        witnesses(6)
    );
    let decide = |by: &[(u8, i64)]| decide(&policy, by);
    assert_eq!(decide(&[(1, 10), (3, 30), (5, 20)]), Ok(Some(30)));
    assert_eq!(
        decide(&[(1, 10), (2, 12), (3, 30), (4, 40), (5, 20)]),
        Ok(Some(20))
    );
    for by in [
        &[(1, 10), (2, 10), (3, 10)][..],
        &[(1, 10), (4, 10), (5, 10), (6, 10)],
        &[],
    ] {
        assert!(decide(by).is_err(), "{by:?}");
    }
    let error = decide(&[(1, 10), (5, 10)]).unwrap_err();
    assert!(
        error.contains("X-witnesses")
            && error.contains("has 1 of the 2")
            && error.contains("w2 w3")
            && !error.contains("w6"),
        "{error}"
    );
}

#[test]
fn one_clock_far_ahead_or_behind_does_not_move_the_witnessed_time_of_three() {
    let policy = format!("{}group g 2 w1 w2 w3\nquorum g", witnesses(3));
    let honest = [(1, 1000), (2, 1001)];
    assert_eq!(decide(&policy, &honest), Ok(Some(1001)));
    for liar in [1, 999, 4_000_000_000] {
        let time = decide(&policy, &[honest[0], honest[1], (3, liar)]).unwrap();
        assert!(time.is_some_and(|t| (1000..=1001).contains(&t)), "{time:?}");
    }
}

#[test]
fn who_had_not_cosigned_by_then_is_not_named() {
    let policy = format!("{}group g any w1 w2 w3\nquorum g\n", witnesses(3));
    let policy = WitnessPolicy::parse(&policy).unwrap();
    let note = cosigned(&[("w.example/3", 103, 5), ("w.example/1", 101, 9)]);
    let witnessed = policy.witnessed(&note, &all).unwrap().unwrap();
    assert_eq!(
        (witnessed.time(), witnessed.by()),
        (at(5), &["w3".to_owned()][..])
    );
    let later = |_: &WitnessEntry, at: Timestamp| at.as_second() > 5;
    let witnessed = policy.witnessed(&note, &later).unwrap().unwrap();
    assert_eq!(witnessed.by(), ["w1".to_owned()]);
}

#[test]
fn a_clock_behind_witnessed_time_is_refused_beyond_the_tolerance() {
    let policy = WitnessPolicy::parse(&format!("{}quorum w1\n", witnesses(1))).unwrap();
    let note = cosigned(&[("w.example/1", 101, 10_000)]);
    let witnessed = policy.witnessed(&note, &all).unwrap().unwrap();
    let skew = MAX_WITNESS_SKEW_SECONDS;
    for now in [10_000, 10_000 - skew, 99_999_999] {
        witnessed.check_clock(at(now)).unwrap();
    }
    let error = witnessed.check_clock(at(9_999 - skew)).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("1970-01-01T02:46:40Z") && error.hint_text().is_some());
}

#[test]
fn no_quorum_wants_no_witness() {
    for policy in [
        "none",
        "quorum none",
        &format!("{}quorum none\n", witnesses(2)),
    ] {
        let parsed = WitnessPolicy::parse(policy).unwrap();
        assert!(parsed.is_none());
        assert_eq!(decide(policy, &[]), Ok(None));
    }
    assert!(
        !WitnessPolicy::parse(&format!("{}quorum w2", witnesses(2)))
            .unwrap()
            .is_none()
    );
}

#[test]
fn policies_that_break_a_rule_are_refused() {
    let two = witnesses(2);
    let log = signer("log.example/timed", 101).verifier().to_string();
    let cases = [
        (String::new(), "no quorum line"),
        (two.clone(), "no quorum line"),
        ("None\n".into(), "want log VKEY"),
        ("none\n".into(), "want log VKEY"),
        ("\u{feff}quorum none\n".into(), "want log VKEY"),
        ("quorum none\r\n".into(), "control character"),
        ("quorum none\u{7f}\n".into(), "control character"),
        ("quorum\u{a0}none\n".into(), "want log VKEY"),
        ("quorum none\nquorum none\n".into(), "second quorum line"),
        ("quorum w1\n".into(), "no witness or group"),
        (format!("quorum w1\n{two}"), "no witness or group"),
        (format!("{two}quorum w1 w2\n"), "want log VKEY"),
        (format!("{two}monitor w1\nquorum w1\n"), "want log VKEY"),
        (format!("{two}group g any\nquorum g\n"), "want log VKEY"),
        (format!("{two}group g 0 w1\nquorum g\n"), "wants 0 of 1"),
        (format!("{two}group g 3 w1 w2\nquorum g\n"), "wants 3 of 2"),
        (format!("{two}group g 01 w1 w2\nquorum g\n"), "threshold"),
        (format!("{two}group g +1 w1 w2\nquorum g\n"), "threshold"),
        (format!("{two}group g most w1 w2\nquorum g\n"), "threshold"),
        (format!("{two}group g any w1 w1\nquorum g\n"), "already"),
        (
            format!("{two}group g any w1\ngroup h any w1\nquorum h\n"),
            "already",
        ),
        (
            format!("{two}group g any g\nquorum g\n"),
            "no witness or group",
        ),
        (
            format!("{two}group g any none\nquorum g\n"),
            "no witness or group",
        ),
        (
            format!("{two}group w1 any w2\nquorum w1\n"),
            "defined already",
        ),
        (
            format!("{two}group none any w2\nquorum none\n"),
            "not \"none\"",
        ),
        (
            format!("{two}witness w1 {}\n", vkey("x", 9)),
            "defined already",
        ),
        (
            format!("{two}witness w9 {}\n", vkey("x", 101)),
            "same public key",
        ),
        (format!("{two}log {log}\n"), "same public key"),
        (format!("witness w9 {log}\n"), "a log's key"),
        (format!("log {}\n", vkey("x", 9)), "0x04"),
        (
            format!("witness {} {}\n", "n".repeat(256), vkey("x", 9)),
            "255 bytes",
        ),
        ("#".repeat(MAX_WITNESS_POLICY_LEN + 1), "bytes"),
        ("#".repeat(MAX_WITNESS_POLICY_LEN), "bytes"),
    ];
    for (policy, want) in cases {
        let error = WitnessPolicy::parse(&policy).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{policy}");
        assert!(error.to_string().contains(want), "{policy}: {error}");
    }
}

#[test]
fn the_counts_that_the_specification_recommends_fit_and_more_do_not() {
    let text = |count: usize| {
        let mut text: String = (0..count)
            .map(|n| format!("witness w{n} {} https://w.example/\n", vkey("x", n as u8)))
            .collect();
        for n in 0..count {
            text.push_str(&format!("group g{n} any w{n}\n"));
        }
        text + "quorum g0\n"
    };
    let policy = WitnessPolicy::parse(&text(MAX_WITNESS_POLICY_ITEMS)).unwrap();
    assert_eq!(policy.witnesses().len(), MAX_WITNESS_POLICY_ITEMS);
    assert_eq!(
        policy.witnesses()[0].url.as_deref(),
        Some("https://w.example/")
    );
    let error = WitnessPolicy::parse(&text(MAX_WITNESS_POLICY_ITEMS + 1)).unwrap_err();
    assert!(error.to_string().contains("65 witnesses"), "{error}");
}

/// What the specification says a group is, asked for a set of witnesses.
fn is_quorum(groups: &[(usize, Vec<usize>)], by: &BTreeSet<usize>) -> bool {
    fn holds(member: usize, groups: &[(usize, Vec<usize>)], by: &BTreeSet<usize>) -> bool {
        match member.checked_sub(WITNESSES) {
            None => by.contains(&member),
            Some(group) => {
                let (k, members) = &groups[group];
                members.iter().filter(|m| holds(**m, groups, by)).count() >= *k
            }
        }
    }
    holds(WITNESSES + groups.len() - 1, groups, by)
}

const WITNESSES: usize = 8;

#[test]
fn witnessed_time_is_the_first_at_which_those_who_cosigned_are_a_quorum() {
    let mut random = Lcg(11);
    for _ in 0..40 {
        let mut free: Vec<usize> = (0..WITNESSES).collect();
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        while free.len() > 1 {
            let members: Vec<usize> = (0..=random.below(4))
                .filter_map(|_| {
                    let len = free.len() as u64;
                    (len > 0).then(|| free.remove(random.below(len.max(1)) as usize))
                })
                .collect();
            let k = 1 + random.below(members.len() as u64) as usize;
            groups.push((k, members));
            free.push(WITNESSES + groups.len() - 1);
            if groups.len() > 12 {
                break;
            }
        }
        let name = |member: &usize| match member.checked_sub(WITNESSES) {
            None => format!("w{}", member + 1),
            Some(group) => format!("g{group}"),
        };
        let mut text = witnesses(WITNESSES as u8);
        for (n, (k, members)) in groups.iter().enumerate() {
            let members: Vec<String> = members.iter().map(name).collect();
            text.push_str(&format!("group g{n} {k} {}\n", members.join(" ")));
        }
        text.push_str(&format!("quorum g{}\n", groups.len() - 1));
        let by: Vec<(u8, i64)> = (1..=WITNESSES as u8)
            .map(|n| (n, random.below(9) as i64 - 2))
            .filter(|(_, second)| *second > 0)
            .collect();
        let by_second = |second: i64| -> BTreeSet<usize> {
            let early = by.iter().filter(|(_, at)| *at <= second);
            early.map(|(n, _)| usize::from(*n) - 1).collect()
        };
        let wanted = (1..=6).find(|second| is_quorum(&groups, &by_second(*second)));
        assert_eq!(decide(&text, &by).ok().flatten(), wanted, "{text} {by:?}");
    }
}

#[test]
fn damaged_policies_never_panic() {
    let text = format!("{}group g 2 w1 w2 w3\nquorum g\n", witnesses(3));
    let mut random = Lcg(5);
    for _ in 0..2_000 {
        let bytes = super::mutation::damage(text.as_bytes(), &mut random);
        drop(WitnessPolicy::parse(&String::from_utf8_lossy(&bytes)));
    }
}
