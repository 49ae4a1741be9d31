//! The operator's own commands around a change. They are told what happens by their environment, and
//! decide nothing but whether it begins.

use super::Node;
use super::history::Outcome;
use super::journal::Journal;
use crate::error::Result;

impl Node<'_> {
    /// The hook before anything is stopped.
    ///
    /// # Errors
    /// Kind failed: it did not end well, so the change is not to begin.
    pub(super) fn hook_before(&self, journal: &Journal) -> Result<()> {
        let Some(argv) = &self.config.hooks.before else {
            return Ok(());
        };
        (self.say)("running the hook before the change");
        self.host
            .run_hook(
                argv,
                &told(self, journal, "before"),
                self.config.hooks.timeout,
            )
            .map_err(|e| e.under("the hook before the change did not let it begin"))
    }

    /// The hook after a change that ended with `outcome`. What it says changes nothing any more.
    pub(super) fn hook_after(&self, journal: &Journal, outcome: Outcome) {
        let hooks = &self.config.hooks;
        let (name, argv) = match outcome {
            Outcome::Committed => ("after", &hooks.after),
            Outcome::Reverted | Outcome::Unhealthy => ("failed", &hooks.failed),
        };
        let Some(argv) = argv else {
            return;
        };
        if self.booting {
            (self.say)(&format!("the hook {name} is not run while the host starts"));
            return;
        }
        (self.say)(&format!("running the hook {name}"));
        let ran = self
            .host
            .run_hook(argv, &told(self, journal, name), hooks.timeout);
        if let Err(error) = ran {
            (self.say)(&format!("the hook {name} failed: {error}"));
        }
    }
}

fn told(node: &Node, journal: &Journal, hook: &str) -> Vec<(&'static str, String)> {
    let mut out = vec![
        ("RELMAN_HOOK", hook.to_owned()),
        ("RELMAN_NODE", node.config.name.clone()),
        ("RELMAN_ENVIRONMENT", node.config.environment.clone()),
        ("RELMAN_OPERATION", journal.operation.name().to_owned()),
        ("RELMAN_RELEASE", journal.tag.clone()),
    ];
    out.extend(journal.previous.clone().map(|p| ("RELMAN_PREVIOUS", p)));
    out.extend(journal.reason.clone().map(|r| ("RELMAN_REASON", r)));
    out
}
