//! "Do not roll back if": each of the guide's exceptions, and that it ends.

use super::film::{decide, film, first, hash, most, some};
use crate::watch::policy::Action::{Observe, Patch, Prepare, Restart, RollBack};

#[test]
fn one_of_three_nodes_down_is_a_third_and_still_a_single_node() {
    let down = |count: usize| {
        film(3, 600, move |second, look| {
            if second >= 150 {
                some(look, count, |n| n.set("up", Ok(0.0)));
            }
        })
    };
    let decisions = decide(3, &down(1));
    assert_eq!(most(&decisions), Some(Restart));
    let row = decisions
        .last()
        .unwrap()
        .rows
        .iter()
        .find(|r| r.row == "crashed-nodes");
    let row = row.unwrap();
    assert_eq!(row.without_exception, Some(RollBack));
    assert!(
        row.held_back_by[0].starts_with("Single node crashed"),
        "{row:#?}"
    );
    assert_eq!(
        first(&decide(3, &down(2)), "crashed-nodes", RollBack),
        Some(165)
    );
    // Where there is but one, it is the network.
    let lone = film(1, 600, |_, look| some(look, 1, |n| n.set("up", Ok(0.0))));
    assert_eq!(
        first(&decide(1, &lone), "crashed-nodes", RollBack),
        Some(15)
    );
}

#[test]
fn a_partition_under_five_minutes_holds_back_what_comes_of_it() {
    let parted = |until: i64| {
        film(6, 1_200, move |second, look| {
            if (300..until).contains(&second) {
                some(look, 3, |n| {
                    n.chain.hash = n.chain.hash.as_ref().map(|(at, _)| (*at, hash(*at, 1)));
                });
                some(look, 4, |n| n.chain.is_final = Some(false));
                some(look, 6, |n| n.set("consensus-timeouts", Ok(12.0)));
            } else if second >= until {
                some(look, 6, |n| n.set("consensus-timeouts", Ok(12.0)));
            }
        })
    };
    // Healed after four minutes: rounds that timed out are counted for ten, and by then it is over.
    let short = decide(6, &parted(540));
    assert_eq!(first(&short, "finality", Prepare), None);
    assert_eq!(first(&short, "finality", Observe), Some(315));
    // It lasts: from the fifth minute on nothing is held back.
    let long = decide(6, &parted(5_000));
    assert_eq!(first(&long, "finality", Prepare), Some(600));
    assert_eq!(first(&long, "finality", RollBack), Some(600));
}

#[test]
fn a_bug_that_a_person_calls_ordinary_is_patched() {
    let with = |declared: bool| {
        film(6, 600, move |second, look| {
            if declared {
                look.declared
                    .insert("ordinary-bug".into(), "a message is wrong, see #12".into());
            }
            if second >= 150 {
                some(look, 2, |n| n.set("critical-errors", Ok(2.0)));
            }
        })
    };
    assert_eq!(most(&decide(6, &with(true))), Some(Patch));
    assert_eq!(most(&decide(6, &with(false))), Some(Prepare));
    // It does not cover what is worse.
    let looks = film(6, 600, |second, look| {
        look.declared
            .insert("ordinary-bug".into(), "a message is wrong".into());
        if second >= 150 {
            some(look, 1, |n| n.set("log-corruption", Ok(1.0)));
        }
    });
    assert_eq!(
        first(&decide(6, &looks), "data-corruption", RollBack),
        Some(150)
    );
}
