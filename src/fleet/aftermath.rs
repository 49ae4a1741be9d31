//! What comes after a rollout: from when on what its nodes' daemons wrote is of interest. Pure.

use jiff::{SignedDuration, Timestamp};

use super::record::{Record, Work};

/// How far before an emergency the upgrade may have begun that it leaves, for the journals to go back to it.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// From when on the journals of a rollout are of interest: from its beginning, and of an emergency from the beginning of
/// the upgrade that it leaves. `all`: every record, oldest first.
pub fn since(all: &[Record], record: &Record) -> Timestamp {
    if matches!(record.work, Work::Upgrade { .. }) {
        return record.began;
    }
    let earliest = record.began.saturating_sub(WEEK).unwrap_or(record.began);
    let left = all.iter().rev().find(|other| {
        other.plan().is_some()
            && other.environment().name == record.environment().name
            && (earliest..=record.began).contains(&other.began)
            && other.nodes.iter().any(|n| n.attempts > 0)
    });
    left.map_or(record.began, |upgrade| upgrade.began)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::config::Environment;
    use crate::fleet::fake;
    use crate::fleet::record::RolloutId;
    use crate::store::lease::Holder;

    fn record(at: &str, work: Work) -> Record {
        let at: Timestamp = at.parse().unwrap();
        let holder = Holder {
            who: "ann".into(),
            machine: "m".into(),
            process: 1,
            attempt: "a".into(),
        };
        let id = RolloutId::new(at, "testnet", "1f0c93ab").unwrap();
        let mut record = Record::new(id, work, &["n1".into()], holder, at);
        record.nodes[0].attempts = 1;
        record
    }

    #[test]
    fn journals_of_an_emergency_go_back_to_the_upgrade_that_it_leaves() {
        let config = fake::config(3, "name = \"testnet\"");
        let environment: Environment = config.environments[0].clone();
        let upgrade = |at: &str| {
            let plan = Box::new(fake::plan(&config));
            record(at, Work::Upgrade { plan })
        };
        let stop = |at: &str| {
            let environment = Box::new(environment.clone());
            record(at, Work::Stop { environment })
        };
        let day = |day: u32| format!("2026-02-{day:02}T00:00:00Z");
        let began = |record: &Record| record.began.to_string();
        let mut untouched = upgrade(&day(4));
        untouched.nodes[0].attempts = 0;
        let all = [upgrade(&day(1)), upgrade(&day(3)), untouched, stop(&day(5))];
        assert_eq!(since(&all, &all[1]).to_string(), began(&all[1]));
        assert_eq!(since(&all, &all[3]).to_string(), day(3));
        // What was installed weeks ago is not what is looked into.
        let late = stop(&day(20));
        assert_eq!(since(&all, &late).to_string(), began(&late));
    }
}
