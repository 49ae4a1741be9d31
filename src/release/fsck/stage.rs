//! Publications and copies that somebody began and did not end. Pure.

use super::finding::{Finding, State};
use crate::limits::{MAX_PLAN_LEN, MAX_TIMESTAMP_LEN};
use crate::store::Reader;
use crate::store::plan::{Found, STAGE, parse, plan_path};
use crate::trust::{Timestamp, Unverified};

const CHECK: &str = "stage";
/// What the next command that finishes it is told as.
const FINISH: &str = "a publication was staged and not ended, or is under way; the next command that \
                      writes to the store finishes it: relman timestamp";

/// Looks for what was left over.
pub fn check(store: &dyn Reader, findings: &mut Vec<Finding>) {
    let mut left = |path: String, message: &str| {
        findings.push(Finding::new(CHECK, path, State::LeftOver, message));
    };
    let Ok(Some(names)) = store.list("") else {
        return;
    };
    let staged = format!("{STAGE}/plan.json");
    if matches!(store.open(&staged), Ok(Some(_))) {
        left(STAGE.into(), FINISH);
    }
    if let Some(path) = begun(store) {
        left(path, FINISH);
    }
    for name in [
        format!("{STAGE}.tmp"),
        format!("{STAGE}.old"),
        ".relman-incoming".into(),
    ] {
        if names.contains(&name) {
            left(
                name,
                "was left by a run that was killed, or one is under way; it is harmless, and the next \
                 one clears it",
            );
        }
    }
}

/// The plan that follows the newest publication, in a store without locks.
fn begun(store: &dyn Reader) -> Option<String> {
    let bytes = store
        .read("metadata/timestamp.json", MAX_TIMESTAMP_LEN)
        .ok()??;
    let timestamp = Unverified::<Timestamp>::parse(&bytes).ok()?;
    let next = timestamp.unverified_signed().version.checked_add(1)?;
    let path = plan_path(next);
    let plan = store.read(&path, MAX_PLAN_LEN).ok()??;
    matches!(parse(&plan, next), Ok(Found::Begun(_))).then_some(path)
}
