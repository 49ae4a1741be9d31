//! Phases follow one another.

use super::{Case, FIRST, SECOND, THIRD, known, released, yanked};
use crate::release::environment::{Current, Rule};

#[test]
fn an_environment_moves_up_one_phase_at_a_time() {
    Case::testnet().from(Some(FIRST)).to(SECOND).passes();
    let case = Case::testnet().from(Some(FIRST)).to(THIRD);
    case.breaks(&[Rule::Order], &["phase 3", "phase 1", "wanted phase 2"]);
    case.overriding(&[Rule::Order]).passes();
}

#[test]
fn another_release_of_the_same_phase_may_follow() {
    let mut case = Case::testnet().from(Some(SECOND));
    let fix = "phase2-finality-fork-1.0.1";
    case.list(&released(fix));
    case.to(fix).passes();
}

#[test]
fn a_lower_phase_that_never_ran_here_is_no_way_back() {
    let case = Case::mainnet().from(Some(SECOND)).to(FIRST);
    case.breaks(&[Rule::Order], &["never ran in mainnet", "phase 2"]);
}

#[test]
fn going_back_two_phases_to_what_ran_here_is_allowed() {
    let case = Case::mainnet().from(Some(THIRD)).returning(FIRST);
    case.passes();
}

#[test]
fn an_environment_begins_with_the_lowest_phase_that_is_not_yanked() {
    Case::testnet().from(None).to(FIRST).passes();
    let mut case = Case::testnet().from(None).to(SECOND);
    case.breaks(&[Rule::Order], &["has run nothing yet", "phase 1"]);
    case.list(&yanked(FIRST, "withdrawn"));
    case.passes();
}

#[test]
fn tags_without_phases_have_no_order() {
    let mut case = Case::testnet();
    case.list(&released("v2.0.0"));
    case.list(&released("v9.0.0"));
    case.previous = Some(known("testnet", 2, "v2.0.0", None));
    case.current = Current::new("testnet", 3, &released("v9.0.0"));
    case.passes();
}
