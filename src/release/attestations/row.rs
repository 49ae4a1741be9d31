//! What each signature under an attestation is worth, and why. Nothing is decided here: a row that is
//! not [`Standing::Ok`] counts for nothing. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::offered::Offered;
use crate::attest::approval::Approval;
use crate::attest::rebuild::Rebuild;
use crate::attest::{Statement, dsse};
use crate::hash::Sha256;
use crate::keys::PublicKey;
use crate::limits::MAX_ATTESTATION_SKEW_SECONDS;
use crate::release::gate::{self, GateResult};
use crate::release::leaf::{AttestationKind, AttestationLeaf};
use crate::release::policy::ReleasePolicy;
use crate::release::tag_rule::Author;
use crate::trust::policy::PolicyKey;

/// The release that attestations must be about.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// The tag.
    pub tag: &'a str,
    /// Hex id of the commit.
    pub commit: &'a str,
    /// Digest of the archive; none before there is one.
    pub archive: Option<Sha256>,
    /// Who signed the tag.
    pub author: Author,
    /// The people who built the archive.
    pub builders: Vec<String>,
    /// Now.
    pub now: Timestamp,
}

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It counts.
    Ok,
    /// The gate was run and did not pass.
    Failed,
    /// Nobody has given it.
    Missing,
    /// It is about other bytes, another commit or another tag.
    WrongDigest,
    /// It does not verify under the key that it names.
    BadSignature,
    /// No key of the policy verifies it.
    UnknownKey,
    /// The key is for something else.
    OtherPurpose,
    /// The key was taken out of use before.
    Revoked,
    /// The key's validity had ended.
    Expired,
    /// The key's validity had not begun.
    NotYetValid,
    /// It is dated later than anybody can have seen it.
    FromTheFuture,
    /// The statement is not what its type says.
    Malformed,
}

impl Standing {
    /// In words, for tables.
    pub fn words(self) -> &'static str {
        match self {
            Standing::Ok => "ok",
            Standing::Failed => "failed",
            Standing::Missing => "missing",
            Standing::WrongDigest => "wrong digest",
            Standing::BadSignature => "bad signature",
            Standing::UnknownKey => "unknown key",
            Standing::OtherPurpose => "key of another purpose",
            Standing::Revoked => "revoked",
            Standing::Expired => "expired",
            Standing::NotYetValid => "not yet valid",
            Standing::FromTheFuture => "from the future",
            Standing::Malformed => "malformed",
        }
    }
}

/// What an attestation says, once it was verified and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing that is believed.
    Nothing,
    /// An approval.
    Approval(Approval),
    /// What a gate gave.
    Gate(Box<GateResult>),
    /// The same bytes once more.
    Rebuild(Box<Rebuild>),
}

/// One signature of one attestation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind.
    pub kind: AttestationKind,
    /// The role, the gate, or the builder's id; as claimed where nothing was verified.
    pub what: String,
    /// Whose key it is; none where policy does not know it.
    pub person: Option<String>,
    /// The key's id, or what the envelope gives for it.
    pub keyid: String,
    /// What it is worth.
    pub standing: Standing,
    /// Why, where it is not plain.
    pub detail: String,
    /// When it was signed, by the signer's clock.
    pub time: Option<Timestamp>,
    /// Its place in the log.
    pub log_index: Option<u64>,
    /// What it says, where [`Standing::Ok`] or [`Standing::Failed`].
    pub said: Said,
}

/// Every signature of every attestation, in the order in which they came.
pub fn rows(policy: &ReleasePolicy, about: &About, offered: &[Offered]) -> Vec<Row> {
    let keys = policy.policy().document().keys.iter();
    let keys: Vec<PublicKey> = keys
        .filter_map(|key| policy.policy().unchecked_key(&key.id))
        .filter_map(|key| PublicKey::from_bytes(key.bytes).ok())
        .collect();
    let mut out = Vec::new();
    for one in offered {
        let Ok(statement) = one.envelope.unverified_statement() else {
            continue;
        };
        let Some(kind) = AttestationKind::of(&statement) else {
            continue;
        };
        let claimed = AttestationLeaf::read(&statement).ok();
        let blank = Row {
            kind,
            what: claimed.as_ref().map_or("?".into(), |c| c.what.clone()),
            person: None,
            keyid: String::new(),
            standing: Standing::Malformed,
            detail: String::new(),
            time: claimed.as_ref().map(|c| c.time),
            log_index: one.logged.map(|logged| logged.index),
            said: Said::Nothing,
        };
        match one.envelope.checked(&keys) {
            Ok(signatures) => out.extend(
                signatures
                    .iter()
                    .map(|s| judged(policy, about, one, &statement, s, blank.clone())),
            ),
            Err(e) => out.push(Row {
                detail: e.to_string(),
                ..blank
            }),
        }
    }
    out
}

fn judged(
    policy: &ReleasePolicy,
    about: &About,
    offered: &Offered,
    statement: &Statement,
    signature: &dsse::Checked,
    mut row: Row,
) -> Row {
    let known = |id: &str| policy.policy().unchecked_key(id);
    let Some(key) = signature.key else {
        row.keyid.clone_from(&signature.keyid);
        let holder = known(&signature.keyid);
        row.person = holder.map(|key| key.entry.person.clone());
        (row.standing, row.detail) = match holder {
            Some(_) => (
                Standing::BadSignature,
                format!("does not verify under key {}", dsse::short(&row.keyid)),
            ),
            None => (
                Standing::UnknownKey,
                format!("policy has no key {}", dsse::short(&row.keyid)),
            ),
        };
        return row;
    };
    row.keyid = key.keyid();
    let Some(holder) = known(&row.keyid) else {
        row.standing = Standing::UnknownKey;
        return row;
    };
    row.person = Some(holder.entry.person.clone());
    if let Err((standing, detail)) = counts(holder, &row, about, offered) {
        (row.standing, row.detail) = (standing, detail);
        return row;
    }
    match read(row.kind, statement, about) {
        Ok((said, standing, detail)) => {
            (row.said, row.standing, row.detail) = (said, standing, detail);
        }
        Err((standing, detail)) => (row.standing, row.detail) = (standing, detail),
    }
    row
}

/// Whether the key counts for this kind at every time that is known of the signature: when it says it
/// was made, and when others saw it.
fn counts(
    holder: &PolicyKey,
    row: &Row,
    about: &About,
    offered: &Offered,
) -> Result<(), (Standing, String)> {
    let entry = &holder.entry;
    let purpose = row.kind.purpose();
    if entry.purpose != purpose {
        let detail = format!("the key is for {}, wanted {purpose}", entry.purpose);
        return Err((Standing::OtherPurpose, detail));
    }
    let Some(time) = row.time else {
        return Err((Standing::Malformed, "it does not say when".into()));
    };
    // What is not logged yet would be logged now.
    let seen = match offered.logged {
        None => Some(about.now),
        Some(logged) => logged.since,
    };
    let skew = SignedDuration::from_secs(MAX_ATTESTATION_SKEW_SECONDS);
    if let Some(seen) = seen
        && seen.checked_add(skew).is_ok_and(|latest| time > latest)
    {
        let detail = format!("dated {time}, and it was seen at {seen}");
        return Err((Standing::FromTheFuture, detail));
    }
    for at in [Some(time), seen].into_iter().flatten() {
        if at < entry.not_before {
            // A signer's clock may be a little ahead of whoever made the key known.
            let detail = format!("the key counts from {} on, it was {at}", entry.not_before);
            return Err((Standing::NotYetValid, detail));
        }
        if at >= entry.not_after {
            let (standing, word) = match entry.revoked {
                true => (Standing::Revoked, "was taken out of use"),
                false => (Standing::Expired, "ended"),
            };
            let detail = format!("the key {word} at {}, it was {at}", entry.not_after);
            return Err((standing, detail));
        }
    }
    Ok(())
}

type Read = (Said, Standing, String);

fn read(
    kind: AttestationKind,
    statement: &Statement,
    about: &About,
) -> Result<Read, (Standing, String)> {
    let malformed = |e: crate::Error| (Standing::Malformed, e.to_string());
    match kind {
        AttestationKind::Approval => {
            let approval = Approval::read(statement).map_err(malformed)?;
            same(
                about,
                &approval.tag,
                &approval.commit,
                Some(approval.archive),
            )?;
            let detail = words(&approval);
            Ok((Said::Approval(approval), Standing::Ok, detail))
        }
        AttestationKind::Gate => {
            let result = gate::read(statement).map_err(malformed)?;
            same(about, &result.tag, &result.commit, None)?;
            let (standing, detail) = match result.problems.first() {
                Some(problem) => (Standing::Failed, problem.clone()),
                None => (Standing::Ok, figures(&result)),
            };
            Ok((Said::Gate(Box::new(result)), standing, detail))
        }
        AttestationKind::Rebuild => {
            let rebuild = Rebuild::read(statement).map_err(malformed)?;
            same(about, &rebuild.tag, &rebuild.commit, Some(rebuild.archive))?;
            let detail = rebuild.toolchain.get("rustc").cloned().unwrap_or_default();
            Ok((Said::Rebuild(Box::new(rebuild)), Standing::Ok, detail))
        }
    }
}

/// What was counted, in one line.
fn figures(result: &GateResult) -> String {
    let tests = result.counts.map(|c| match c.passed {
        1 => "1 test passed".to_owned(),
        n => format!("{n} tests passed"),
    });
    let coverage = result.coverage.map(|c| format!("coverage {c}"));
    let number = result.number.as_ref().map(ToString::to_string);
    let all = [tests, coverage, number].into_iter().flatten();
    all.collect::<Vec<_>>().join(", ")
}

/// Comment and evidence in one line.
fn words(approval: &Approval) -> String {
    let evidence = approval.evidence.iter().map(|e| e.words());
    let comment = approval.comment.iter().map(|c| c.replace('\n', " "));
    comment.chain(evidence).collect::<Vec<_>>().join("; ")
}

fn same(
    about: &About,
    tag: &str,
    commit: &str,
    archive: Option<Sha256>,
) -> Result<(), (Standing, String)> {
    let wrong = |what: &str, found: &str, wanted: &str| {
        let detail = format!("is about {what} {found}, wanted {wanted}");
        Err((Standing::WrongDigest, detail))
    };
    if tag != about.tag {
        return wrong("tag", tag, about.tag);
    }
    if commit != about.commit {
        return wrong("commit", commit, about.commit);
    }
    match (archive, about.archive) {
        (Some(found), Some(wanted)) if found != wanted => {
            wrong("archive", &found.hex(), &wanted.hex())
        }
        _ => Ok(()),
    }
}
