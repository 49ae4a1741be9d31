//! What a plan wants done next. Pure.

use crate::fleet::config::Strategy;
use crate::fleet::plan::Plan;
use crate::fleet::record::{Record, Step};

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Stop these, all at once.
    Stop(Vec<String>),
    /// Move these, at the same time.
    Move(Vec<String>),
    /// Look at the network after these were moved.
    Gate(Vec<String>),
    /// Watch the wave with this number.
    Watch(usize),
    /// Nothing is left.
    Done,
}

pub(super) fn next(record: &Record, plan: &Plan) -> Next {
    let step = |name: &String| record.step(name);
    let begun = |name: &String| record.node(name).is_some_and(|n| n.attempts > 0);
    let Some(wave) = plan.waves.get(record.waves_done) else {
        return Next::Done;
    };
    let in_step = |wanted: Step| -> Vec<String> {
        let found = wave.nodes.iter().filter(|n| step(n) == Some(wanted));
        found.cloned().collect()
    };
    let watching = in_step(Step::Watching);
    if !watching.is_empty() {
        return Next::Gate(watching);
    }
    if plan.environment.strategy == Strategy::Together {
        let rest = plan.waves.iter().skip(record.waves_done);
        let up: Vec<String> = rest
            .flat_map(|wave| &wave.nodes)
            .filter(|n| step(n) == Some(Step::Waiting) && !begun(n))
            .cloned()
            .collect();
        if !up.is_empty() {
            return Next::Stop(up);
        }
    }
    let open: Vec<String> = wave
        .nodes
        .iter()
        .filter(|n| step(n) != Some(Step::Done))
        .take(plan.environment.serial.max(1))
        .cloned()
        .collect();
    match open.is_empty() {
        true => Next::Watch(record.waves_done),
        false => Next::Move(open),
    }
}
