//! How the receipts stand, for `status`: the newest, what has none yet, what is wrong. Changes nothing.

use serde::Serialize;

use super::chain;
use super::predicate::Deployment;
use crate::Result;
use crate::hash::Sha256;
use crate::node::Node;

/// Receipts that are shown.
const SHOWN: usize = 3;
/// Problems that are named one by one.
const NAMED: usize = 5;

/// The newest receipts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReceiptStatus {
    /// The newest, oldest first.
    pub last: Vec<Deployment>,
    /// Operations in the history that have no receipt yet.
    pub unrecorded: usize,
}

impl Node<'_> {
    /// Looks at the end of the receipts; what is wrong goes to `problems`.
    pub(crate) fn receipt_status(&self, problems: &mut Vec<String>) -> ReceiptStatus {
        match self.look_at_receipts(problems) {
            Ok(status) => status,
            Err(error) => {
                problems.push(format!("the receipts cannot be read: {error}"));
                ReceiptStatus::default()
            }
        }
    }

    fn look_at_receipts(&self, problems: &mut Vec<String>) -> Result<ReceiptStatus> {
        let tail = self.receipts.ledger.tail()?;
        let keys = self.receipts.ledger.public()?;
        let accepted = |_| keys.clone();
        let chain = chain::check(&tail.bytes, tail.whole, &accepted);
        let more = chain.problems.len().saturating_sub(NAMED);
        let named = chain.problems.iter().take(NAMED);
        problems.extend(named.map(|p| format!("receipts: {p} (relman receipts verify)")));
        if more > 0 {
            problems.push(format!("receipts: and {more} more problems"));
        }
        let history = self.host.read_history()?;
        let lines: Vec<&[u8]> = history
            .split_inclusive(|b| *b == b'\n')
            .filter_map(|line| line.strip_suffix(b"\n"))
            .filter(|line| !line.is_empty())
            .collect();
        let last = chain.receipts.last();
        let recorded = match last.and_then(|receipt| receipt.deployment.history) {
            None => 0,
            Some(digest) => match lines.iter().rposition(|line| Sha256::of(line) == digest) {
                Some(at) => at + 1,
                None => {
                    problems.push(format!(
                        "the history has no line {digest}, which the newest receipt names: it was cut or changed"
                    ));
                    lines.len()
                }
            },
        };
        let skip = chain.receipts.len().saturating_sub(SHOWN);
        let shown = chain.receipts.into_iter().skip(skip);
        Ok(ReceiptStatus {
            last: shown.map(|receipt| receipt.deployment).collect(),
            unrecorded: lines.len() - recorded,
        })
    }
}

impl ReceiptStatus {
    /// Lines for people.
    pub fn lines(&self) -> Vec<String> {
        let line = |d: &Deployment| {
            format!(
                "receipt   {}: {} {} {} at {}",
                d.sequence, d.operation, d.release, d.outcome, d.ended
            )
        };
        let mut lines: Vec<String> = self.last.iter().map(line).collect();
        if self.unrecorded > 0 {
            lines.push(format!(
                "receipt   {} operation(s) have none yet; the next relman install or rollback writes them",
                self.unrecorded
            ));
        }
        lines
    }
}
