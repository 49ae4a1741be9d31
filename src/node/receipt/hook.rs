//! What the node's drivers call: note what happens, write the receipt of what has ended, and of what was
//! refused; and make up for receipts that a kill or a full disk has prevented.

use serde_json::Value;

use super::chain::{self, Sorted};
use super::predicate::{
    self, DEPLOYMENT, Deployment, NodeName, REFUSED, Seen, Stored, short, summary,
};
use super::{Facts, Tail};
use crate::attest::Envelope;
use crate::error::{Error, Kind, Result};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::node::Node;
use crate::node::history::{Entry, Outcome};
use crate::node::journal::Operation;
use crate::node::record::{Origin, RECORD_NAME, ReleaseRecord, rfc3339};

/// The last receipt of a ledger.
struct Last {
    sequence: u64,
    digest: Option<Sha256>,
    history: Option<Sha256>,
    torn: u64,
}

impl Node<'_> {
    /// The operation has its line in the history: now its receipt, and any that is missing before it.
    pub(crate) fn record_concluded(&self) {
        self.receipts.facts.borrow_mut().concluded = true;
        self.record_missing();
    }

    /// Writes the receipts that lines of the history lack. A failure is a warning: going on, or back,
    /// matters more, and the next command tries again.
    pub(crate) fn record_missing(&self) {
        let result = self.write_missing();
        self.told("not all operations have a receipt yet", result);
    }

    /// Writes the receipt of something that was refused before anything was changed. Of what failed
    /// after it was begun, the history tells.
    pub(crate) fn record_refusal(&self, operation: Operation, tag: Option<&str>, error: &Error) {
        let concluded = {
            let facts = self.receipts.facts.borrow();
            let before = facts.verified.is_none();
            facts.concluded || (before && error.kind() != Kind::Refused)
        };
        // While a journal is there, the operation is not over.
        if concluded || !matches!(self.host.read_journal(), Ok(None)) {
            return;
        }
        let default = || {
            let (current, versions) = (self.host.current().ok()??, self.host.versions().ok()?);
            self.history().ok()?.rollback_target(&current, &versions)
        };
        let tag = tag.map(str::to_owned).or_else(default);
        let tag = tag.as_deref().unwrap_or("unknown");
        let result = self.write_refusal(operation, tag, error);
        self.told("the refusal has no receipt", result);
    }

    fn told(&self, what: &str, result: Result<()>) {
        if let Err(error) = result {
            let warning = format!("{what}: {error} (the next command tries again)");
            self.receipts.facts.borrow_mut().warnings.push(warning);
        }
    }

    fn last(&self, tail: &Tail) -> Result<Last> {
        let Sorted { receipts, torn, .. } = chain::sort(&tail.bytes, tail.whole);
        let Some(lines) = receipts.last() else {
            if !tail.bytes.is_empty() && !tail.whole {
                return Err(Error::refused("the end of the receipts has none"));
            }
            return Ok(Last {
                sequence: 0,
                digest: None,
                history: None,
                torn,
            });
        };
        let last = chain::unverified(lines.receipt)?;
        Ok(Last {
            sequence: last.sequence,
            digest: Some(Sha256::of(lines.receipt)),
            history: last.history,
            torn,
        })
    }

    fn write_missing(&self) -> Result<()> {
        let history = self.host.read_history()?;
        let lines: Vec<&[u8]> = whole_lines(&history);
        let Some(newest) = lines.last() else {
            return Ok(());
        };
        let tail = self.receipts.ledger.tail()?;
        let mut last = self.last(&tail)?;
        let facts = self.receipts.facts.borrow().clone();
        let missing: &[&[u8]] = match last.history {
            None => &lines,
            Some(digest) => match lines.iter().rposition(|line| Sha256::of(line) == digest) {
                Some(at) => lines.get(at + 1..).unwrap_or_default(),
                // The history was cut: nobody can tell what is missing but the newest.
                None if facts.concluded => std::slice::from_ref(newest),
                None => &[],
            },
        };
        if missing.is_empty() {
            return Ok(());
        }
        let signer = self.signer()?;
        let mut out = Vec::new();
        for line in missing {
            // A line that cannot be read is told by status; it gets no receipt.
            let Ok(entry) = serde_json::from_slice::<Entry>(line) else {
                continue;
            };
            let now = facts.concluded && line == newest;
            let deployment = self.of_entry(&entry, line, now.then_some(&facts));
            self.add(&mut out, &mut last, deployment, signer.as_ref())?;
        }
        self.receipts.ledger.append(last.torn, &out)?;
        self.host.fault_point("receipt-written")
    }

    fn write_refusal(&self, operation: Operation, tag: &str, error: &Error) -> Result<()> {
        let tail = self.receipts.ledger.tail()?;
        let mut last = self.last(&tail)?;
        let seen = self.receipts.ledger.seen()?;
        let verified = self.receipts.facts.borrow().verified.clone();
        let passed = verified.as_ref().is_some_and(|(known, _)| known == tag);
        let archive = match &verified {
            Some((known, archive)) if known == tag => Some(*archive),
            _ => Stored(&seen).archive(tag),
        };
        let now = rfc3339(self.host.now());
        let mut deployment = self.blank(operation, REFUSED, tag, &now);
        deployment.archive = archive;
        deployment.before = self.host.current().ok().flatten();
        deployment.reason = Some(short(&error.to_string()));
        deployment.seen = Stored(&seen).seen();
        deployment.history = last.history;
        let signer = self.signer()?;
        let mut out = Vec::new();
        let evidence = Evidence {
            files: seen,
            passed,
            archive,
        };
        self.add(&mut out, &mut last, (deployment, evidence), signer.as_ref())?;
        self.receipts.ledger.append(last.torn, &out)?;
        self.host.fault_point("receipt-written")
    }

    fn signer(&self) -> Result<Box<dyn Signer>> {
        let (signer, made) = self.receipts.ledger.signer()?;
        if made {
            let warning = format!(
                "this node has a key of its own now, {}; so that its receipts count, send the public \
                 half (relman receipts key) to the project's team",
                signer.public().keyid()
            );
            self.receipts.facts.borrow_mut().warnings.push(warning);
        }
        Ok(signer)
    }

    fn blank(&self, operation: Operation, outcome: &str, tag: &str, now: &str) -> Deployment {
        Deployment {
            node: NodeName {
                name: self.config.name.clone(),
                environment: self.config.environment.clone(),
            },
            sequence: 0,
            previous: None,
            operation: operation.name().into(),
            outcome: outcome.into(),
            release: tag.into(),
            archive: None,
            before: None,
            reason: None,
            started: now.into(),
            ended: now.into(),
            running: None,
            health: Value::Null,
            verification: None,
            seen: Seen::default(),
            history: None,
            late: false,
            relman: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The receipt of a line of the history; what was seen besides, where it has only just happened.
    fn of_entry(
        &self,
        entry: &Entry,
        line: &[u8],
        facts: Option<&Facts>,
    ) -> (Deployment, Evidence) {
        let outcome = match entry.outcome {
            Outcome::Committed => "committed",
            Outcome::Reverted => "reverted",
            Outcome::Unhealthy => "unhealthy",
        };
        let mut deployment = self.blank(entry.operation, outcome, &entry.tag, &entry.at);
        // A receipt is written by commands of which each has its reason to fail; it takes what it finds.
        let files = self.host.evidence(&entry.tag).unwrap_or_default();
        let record = ReleaseRecord::read(&entry.tag, &files).ok();
        let record = record.filter(|record| record.origin == Origin::Verified);
        let evidence = Evidence {
            archive: record.and_then(|record| record.archive_sha256),
            files: files
                .into_iter()
                .filter(|(name, _)| name != RECORD_NAME)
                .collect(),
            passed: true,
        };
        deployment.archive = evidence.archive;
        deployment.before = entry.previous.clone();
        deployment.reason = entry.reason.as_deref().map(short);
        deployment.started = entry.started.clone();
        let health = facts.and_then(|facts| facts.health.as_ref());
        deployment.running = health.and_then(|h| h.pid.and(h.exe_sha256));
        deployment.health = predicate::health(health);
        deployment.late = facts.is_none();
        let seen = self.receipts.ledger.seen().unwrap_or_default();
        deployment.seen = Stored(&seen).seen();
        deployment.history = Some(Sha256::of(line));
        (deployment, evidence)
    }

    /// Signs a receipt and puts its lines behind `out`.
    fn add(
        &self,
        out: &mut Vec<u8>,
        last: &mut Last,
        (mut deployment, evidence): (Deployment, Evidence),
        signer: &dyn Signer,
    ) -> Result<()> {
        let key = signer.public();
        let stored = Stored(&evidence.files);
        let summary = evidence.archive.and_then(|archive| {
            let about = (deployment.release.as_str(), archive);
            summary(about, evidence.passed, &deployment.ended, &stored, &key)
        });
        if let Some(summary) = summary {
            let line = Envelope::sign(&summary, signer)?.to_line()?;
            deployment.verification = Some(Sha256::of(&line));
            out.extend(line);
            out.push(b'\n');
        }
        deployment.sequence = last.sequence.saturating_add(1);
        deployment.previous = last.digest;
        let line = Envelope::sign(&deployment.statement(&key), signer)?.to_line()?;
        if chain::unverified(&line).is_err() {
            return Err(Error::bug(format!(
                "a {DEPLOYMENT} that cannot be read back"
            )));
        }
        last.sequence = deployment.sequence;
        last.digest = Some(Sha256::of(&line));
        out.extend(line);
        out.push(b'\n');
        Ok(())
    }
}

/// What a verification was held against, and what came of it.
struct Evidence {
    files: Vec<(String, Vec<u8>)>,
    passed: bool,
    archive: Option<Sha256>,
}

fn whole_lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .split_inclusive(|b| *b == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
        .filter(|line| !line.is_empty())
        .collect()
}
