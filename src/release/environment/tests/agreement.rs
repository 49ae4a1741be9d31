//! A move that does not agree with itself, a yanked release, approvals, and what no override sets aside.

use super::{Case, FIRST, SECOND, yanked};
use crate::hash::Sha256;
use crate::release::environment::{Rule, check_reason};

const ALL: [Rule; 4] = [Rule::Soak, Rule::Notice, Rule::Order, Rule::Approvals];

#[test]
fn a_move_that_keeps_every_rule_passes() {
    Case::mainnet().passes();
    Case::testnet().passes();
    Case::mainnet().returning(FIRST).passes();
}

#[test]
fn a_release_that_targets_does_not_list_is_refused() {
    let mut case = Case::mainnet();
    case.targets.targets.clear();
    case.breaks(&[Rule::Agreement], &["targets does not list", SECOND]);
}

#[test]
fn other_bytes_under_the_tag_that_was_released_are_refused() {
    let mut case = Case::mainnet();
    case.current.archive.sha256 = Sha256::of(b"another archive");
    // The testnet that ran the honest bytes did not run these either.
    case.breaks(&[Rule::Agreement, Rule::Skipped], &["targets lists"]);
    let mut case = Case::mainnet();
    case.current.archive.length += 1;
    case.breaks(&[Rule::Agreement, Rule::Skipped], &["1001 bytes"]);
}

#[test]
fn a_release_that_never_ran_in_the_environment_before_is_refused() {
    let mut case = Case::mainnet();
    case.origin = None;
    case.breaks(&[Rule::Skipped], &["never ran in testnet"]);
    let case = case.overriding(&ALL);
    case.breaks(&[Rule::Skipped], &["never ran in testnet"]);
}

#[test]
fn another_release_or_environment_as_the_origin_is_refused() {
    let mut case = Case::mainnet();
    case.origin = Some(super::known("testnet", 4, FIRST, None));
    case.breaks(&[Rule::Skipped], &["testnet version 4 was", FIRST]);
    let mut case = Case::mainnet();
    case.origin = Some(super::known("devnet", 4, SECOND, None));
    case.breaks(&[Rule::Skipped], &["comes from devnet, wanted testnet"]);
    let mut case = Case::testnet();
    case.origin = Some(super::known("mainnet", 4, SECOND, None));
    case.breaks(&[Rule::Agreement], &["testnet is the first environment"]);
    // What ran here before is no proof for a release that did not.
    let mut case = Case::mainnet().returning(FIRST);
    case.origin = Some(super::known("mainnet", 1, SECOND, None));
    case.breaks(&[Rule::Skipped], &["mainnet version 1 was", SECOND]);
}

#[test]
fn a_yanked_release_is_refused_whoever_sets_whatever_aside() {
    for level in ["withdrawn", "dangerous"] {
        for case in [Case::mainnet(), Case::mainnet().returning(SECOND)] {
            let mut case = case.overriding(&ALL);
            case.list(&yanked(SECOND, level));
            case.breaks(&[Rule::Yanked], &[level, "loses coins"]);
        }
    }
}

#[test]
fn rules_that_nobody_can_set_aside_stay_even_where_a_leaf_names_them() {
    let mut case = Case::mainnet().overriding(&[Rule::Yanked, Rule::Skipped, Rule::Agreement]);
    case.origin = None;
    case.list(&yanked(SECOND, "dangerous"));
    case.targets.version += 1;
    case.breaks(&[Rule::Skipped, Rule::Yanked], &[]);
}

#[test]
fn approvals_that_nobody_gave_are_missing_by_name_until_they_are_set_aside() {
    let case = Case::mainnet().lacking(&["qa", "security"]);
    case.breaks(&[Rule::Approvals, Rule::Approvals], &["approval qa", "bob"]);
    case.overriding(&[Rule::Approvals]).passes();
}

#[test]
fn an_environment_that_goes_back_says_why() {
    for reason in [
        None,
        Some(""),
        Some("bug"),
        Some("line one of it\nline two"),
    ] {
        let mut case = Case::mainnet().returning(FIRST);
        case.current.reason = reason.map(str::to_owned);
        case.breaks(&[Rule::Reason], &["mainnet goes back to", FIRST]);
    }
}

#[test]
fn a_reason_is_a_few_words_on_one_line() {
    check_reason("it loses blocks").unwrap();
    for (bad, want) in [
        ("", "0 letters"),
        ("because", "7 letters"),
        ("- - - - - - - - - - -", "0 letters"),
        ("it loses\nblocks now", "control characters"),
        ("it loses \u{1b}[2Jblocks", "control characters"),
    ] {
        let error = check_reason(bad).unwrap_err().to_string();
        assert!(error.contains(want), "{bad:?}: {error}");
    }
    let error = check_reason(&"long ".repeat(500)).unwrap_err();
    assert!(error.to_string().contains("more than 2000 bytes"));
}

#[test]
fn an_override_for_another_move_sets_nothing_aside_unnoticed() {
    let good = || {
        let case = Case::mainnet().lacking(&["qa"]);
        case.overriding(&[Rule::Approvals])
    };
    good().passes();
    let mut cases = [good(), good(), good(), good()];
    let leaves = cases.each_mut();
    let leaves = leaves.map(|case| &mut case.overridden.as_mut().unwrap().leaf);
    let [tag, archive, environment, version] = leaves;
    tag.tag = FIRST.into();
    archive.archive = Sha256::of(b"another archive");
    environment.environment = "testnet".into();
    version.version += 1;
    for case in cases {
        case.breaks(&[Rule::Agreement], &["the override is for"]);
    }
}
