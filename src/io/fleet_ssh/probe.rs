//! Room `io`: which relman a node has, and what its clock says.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::run::{Order, Ran};
use super::{Hands, SshHosts, words};
use crate::fleet::check::Contact;
use crate::fleet::config::NodeEntry;
use crate::fleet::host::Reply;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time first, since relman may be missing.
const SCRIPT: &str = "date -u +%s && exec \"$@\"";

impl SshHosts {
    /// Reaches all of them and asks which relman they have and what time it is; calls `done` with the place in `nodes` as each
    /// answers.
    pub fn meet_all(
        &self,
        nodes: &[&NodeEntry],
        done: &mut dyn FnMut(usize, Result<Contact, Reply>),
    ) {
        let works = nodes
            .iter()
            .map(|node| {
                let (hands, node) = (Arc::clone(&self.hands), (*node).clone());
                async move { hands.meet(&node).await }
            })
            .collect();
        self.each(works, done);
    }
}

impl Hands {
    /// The version that the node's relman says that it has.
    pub(super) async fn version(&self, node: &NodeEntry) -> Option<String> {
        self.meet(node).await.ok().map(|contact| contact.version)
    }

    async fn meet(&self, node: &NodeEntry) -> Result<Contact, Reply> {
        let arguments = ["--version".to_owned()];
        let command = words::script(SCRIPT, words::relman(node, &arguments));
        // What is measured must not have the making of a connection in it.
        let slot = self.slot(&node.ssh);
        slot.connect(self).await.map_err(Reply::Unreachable)?;
        let mut answer = Vec::new();
        let mut take = |bytes: &[u8]| {
            answer.extend_from_slice(bytes);
            Ok(())
        };
        let (asked, begun) = (SystemTime::now(), Instant::now());
        let ran = self
            .run(&node.ssh, &Order::new(command, PATIENCE), &mut take)
            .await;
        let took = begun.elapsed();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let mut lines = answer.lines();
        let time = lines
            .next()
            .and_then(|line| line.trim().parse::<i64>().ok());
        let rest = lines.next().unwrap_or_default();
        match ran {
            Ran::Ended { code: 0, .. } => {}
            Ran::Ended { code, talk } if time.is_some() => {
                return Err(Reply::Foreign(words::missing(node, code, &talk)));
            }
            Ran::Ended { code, talk } => return Err(Reply::Foreign(words::failed(code, &talk))),
            Ran::Unsent(why) => return Err(Reply::Unreachable(why)),
            Ran::Lost(why) => return Err(Reply::Lost(why)),
            Ran::TooLong | Ran::Refused(_) => {
                return Err(Reply::Foreign("it says too much".into()));
            }
        }
        let (Some(time), Some(version)) = (time, rest.strip_prefix("relman ")) else {
            return Err(Reply::Foreign(format!(
                "{} is no relman: to --version it says {}",
                node.relman,
                words::shown(rest)
            )));
        };
        // The node read its clock some time between question and answer, and told whole seconds.
        let middle = asked + took / 2;
        let here = middle.duration_since(UNIX_EPOCH).map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
        Ok(Contact {
            version: version.trim().to_owned(),
            clock_ahead_ms: time
                .saturating_mul(1_000)
                .saturating_add(500)
                .saturating_sub(here),
            uncertain_ms: u64::try_from(took.as_millis() / 2)
                .unwrap_or(u64::MAX)
                .saturating_add(500),
        })
    }
}
