//! Operators who are killed at every write of a rollout's record, on real machines.

use crate::common::fleet_machines::{Fleet, Setup, two_releases};
use crate::common::fleet_steps::rolling;
use crate::common::relman::{Run, SECOND, TAG};

/// A rollout of three has fewer writes than this, resumed as often as it is.
const MOST: usize = 200;

fn killed_at(fleet: &Fleet, point: &str, arguments: &[&str]) -> Run {
    let mut command = fleet.command(arguments);
    command.env("RELMAN_INSECURE_KILL_AT", point);
    Run::of(command.output().expect("relman runs"))
}

/// Whether any operator can know of a rollout that is not over.
fn is_known(fleet: &Fleet) -> bool {
    let document = fleet.relman(&["fleet", "status", "--json"]).exits(0).json();
    let state = &document["data"]["record"]["state"];
    !state.is_null() && state != "done"
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip and ssh"]
fn an_upgrade_whose_drivers_are_all_killed_each_one_write_later_comes_through() {
    let setup = Setup {
        count: 3,
        ..rolling("")
    };
    let fleet = Fleet::new(two_releases("story-kills"), &setup);
    fleet.install_everywhere(TAG);
    let mut killed = Vec::new();
    for number in 1..MOST {
        // Before a write and after it, in turn.
        let point = match number % 2 {
            1 => format!("rollout-write.{}", number.div_ceil(2)),
            _ => format!("rollout-written.{}", number / 2),
        };
        let arguments: &[&str] = match is_known(&fleet) {
            true => &["fleet", "resume"],
            false => &["fleet", "upgrade", SECOND, "--env", "local", "--yes"],
        };
        let run = killed_at(&fleet, &point, arguments);
        if !run.was_killed() {
            run.exits(0);
            break;
        }
        killed.push(point);
    }
    println!("killed {} times, last at {:?}", killed.len(), killed.last());
    assert!(killed.len() > 10, "{killed:?}");
    fleet.tells_the_truth(Some(SECOND));
    assert_eq!(fleet.state(), "done");

    // Every point of a whole rollout, each in a rollout of its own, when somebody asks for it.
    if std::env::var_os("RELMAN_TEST_ALL_FAULTS").is_none() {
        return;
    }
    let (mut from, mut to) = (SECOND, TAG);
    for number in 1..MOST {
        let point = format!("rollout-written.{number}");
        let upgrade = ["fleet", "upgrade", to, "--env", "local", "--yes"];
        let run = killed_at(&fleet, &point, &upgrade);
        let came_through = !run.was_killed();
        match came_through {
            true => drop(run.exits(0)),
            false => drop(fleet.relman(&["fleet", "resume"]).exits(0)),
        }
        fleet.tells_the_truth(Some(to));
        std::mem::swap(&mut from, &mut to);
        if came_through {
            break;
        }
    }
}
