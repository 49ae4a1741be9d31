//! Room `io`: one publication in an object store. Its number is won by creating its plan; then the
//! winner, or whoever comes after it, carries out exactly those bytes. No step trusts a lease.

use std::collections::BTreeSet;
use std::path::Path;

use super::cosigned::Cosigned;
use super::objects::{Objects, Written};
use crate::error::Context;
use crate::hash::Sha256;
use crate::io::{durable, fault};
use crate::limits::{
    MAX_CHECKPOINT_LEN, MAX_INLINE_LEN, MAX_INLINE_TOTAL, MAX_PLAN_LEN, MAX_TIMESTAMP_LEN,
};
use crate::store::lease::Holder;
use crate::store::plan::{
    Before, Found, Plan, STAGED, Step, parse, plan_path, staged_dir, staged_path,
};
use crate::store::stage::{Content, Put, Transaction};
use crate::trust::json;
use crate::{Error, Result};

const TIMESTAMP: &str = "metadata/timestamp.json";

/// The number of the newest publication that is complete; 0 in a new store.
///
/// Nobody has verified it: it says which plan to look for, and no more.
fn unverified_sequence(objects: &Objects) -> Result<u64> {
    let Some(found) = objects.read(TIMESTAMP, MAX_TIMESTAMP_LEN)? else {
        return Ok(0);
    };
    let wrong = || format!("{}/{TIMESTAMP} has no version", objects.location());
    let document = json::parse(&found.bytes).or_refused(wrong)?;
    document
        .pointer("/signed/version")
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| Error::refused(wrong()))
}

/// Stages a transaction, wins its number and carries it out.
pub fn publish(objects: &Objects, holder: &Holder, transaction: &Transaction) -> Result<()> {
    let sequence = transaction.sequence;
    if unverified_sequence(objects)?.checked_add(1) != Some(sequence) {
        return Err(lost(objects, sequence));
    }
    let steps = stage(objects, transaction)?;
    let mut plan = Plan::new(
        sequence,
        &holder.who,
        &crate::io::identity::random()?,
        steps,
    );
    plan.submission.clone_from(&transaction.submission);
    let bytes = plan.to_bytes()?;
    if bytes.len() as u64 > MAX_PLAN_LEN {
        return Err(Error::failed(format!(
            "the plan has {} bytes, at most {MAX_PLAN_LEN} are read back",
            bytes.len()
        )));
    }
    if objects.create(&plan_path(sequence), &bytes)? == Written::Differs {
        let there = objects.read(&plan_path(sequence), MAX_PLAN_LEN)?;
        let finished = plan.finished()?;
        return match there.map(|found| parse(&found.bytes, sequence)) {
            // The answer to the creation got lost, and somebody else was quick.
            Some(Ok(Found::Finished(there))) if there == finished => Ok(()),
            _ => Err(lost(objects, sequence)),
        };
    }
    fault::point("stage.written");
    carry_out(objects, &plan)
}

/// Somebody else has the number that this publication was planned for.
fn lost(objects: &Objects, sequence: u64) -> Error {
    let plan = objects.read(&plan_path(sequence), MAX_PLAN_LEN);
    let by = match plan.map(|p| p.map(|p| parse(&p.bytes, sequence))) {
        Ok(Some(Ok(found))) => format!(": {}", found.by()),
        _ => String::new(),
    };
    Error::failed(format!(
        "somebody else published number {sequence} while this was prepared{by}"
    ))
    .hint("nothing is lost: run the same command again")
}

/// Carries out the plan that an earlier holder left, if there is one.
pub fn finish_earlier(objects: &Objects) -> Result<bool> {
    let mut any = false;
    loop {
        let sequence = unverified_sequence(objects)?.saturating_add(1);
        let path = plan_path(sequence);
        let Some(found) = objects.read(&path, MAX_PLAN_LEN)? else {
            return Ok(any);
        };
        match parse(&found.bytes, sequence)? {
            Found::Begun(plan) => carry_out(objects, &plan)?,
            Found::Finished(finished) => {
                let now = unverified_sequence(objects)?;
                // Otherwise it was finished between the two looks.
                if now < sequence {
                    return Err(Error::refused(format!(
                        "{TIMESTAMP} is version {now}, but number {sequence} was published by {}",
                        finished.by
                    ))
                    .hint("the store was put back to an older state: compare it with a mirror"));
                }
            }
        }
        any = true;
    }
}

/// Removes what was staged for numbers that are complete: nobody can win those again.
pub fn clean(objects: &Objects) {
    let Ok(done) = unverified_sequence(objects) else {
        return;
    };
    for name in objects.list(STAGED).unwrap_or_default() {
        if let Ok(sequence) = name.parse::<u64>()
            && sequence <= done
        {
            clean_one(objects, sequence);
        }
    }
}

fn clean_one(objects: &Objects, sequence: u64) {
    let dir = staged_dir(sequence);
    for name in objects.list(&dir).unwrap_or_default() {
        // What is left is removed by the next command.
        let _ = objects.remove(&format!("{dir}/{name}"));
    }
}

fn stage(objects: &Objects, transaction: &Transaction) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut staged = BTreeSet::new();
    let mut room = MAX_INLINE_TOTAL;
    for (i, put) in transaction.puts.iter().enumerate() {
        fault::point(&format!("stage.{i}"));
        let length = match &put.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { path, .. } => durable::file_len(path)?,
        };
        if put.head || (length <= MAX_INLINE_LEN && length <= room) {
            room = room.saturating_sub(length);
            steps.push(inline(objects, put, length)?);
            continue;
        }
        let sha256 = match &put.content {
            Content::Bytes(bytes) => Sha256::of(bytes),
            Content::File { sha256, .. } => *sha256,
        };
        if staged.insert(sha256) {
            let at = staged_path(transaction.sequence, &sha256);
            stage_one(objects, &at, &put.content, (sha256, length))?;
        }
        steps.push(Step::staged(&put.path, sha256, length));
    }
    Ok(steps)
}

fn inline(objects: &Objects, put: &Put, length: u64) -> Result<Step> {
    let bytes = match &put.content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::File { path, sha256 } => {
            let bytes = durable::read_required(path, length)?;
            super::upload::is_the_same(&put.path, Sha256::of(&bytes), sha256)?;
            bytes
        }
    };
    let replaces = match put.head {
        false => None,
        true => Some(match objects.read(&put.path, MAX_CHECKPOINT_LEN)? {
            Some(found) => Before::Object(Sha256::of(&found.bytes)),
            None => Before::Nothing,
        }),
    };
    Ok(Step::inline(&put.path, &bytes, replaces))
}

fn stage_one(objects: &Objects, at: &str, content: &Content, is: (Sha256, u64)) -> Result<()> {
    // A run before this one may have got so far.
    if objects.digest(at)? == Some(is) {
        return Ok(());
    }
    let sent = match content {
        Content::Bytes(bytes) => objects.overwrite(at, bytes),
        Content::File { path, sha256 } => objects.upload(at, Path::new(path), sha256),
    };
    match sent {
        // The answer may have got lost on its way.
        Err(e) if objects.digest(at)? != Some(is) => Err(e),
        _ => Ok(()),
    }
}

/// Carries out a plan whose number is won. Many may do so at once, and any of them may be late.
fn carry_out(objects: &Objects, plan: &Plan) -> Result<()> {
    let cosigned = match Cosigned::load(objects, plan) {
        Ok(cosigned) => cosigned,
        Err(_) if is_over(objects, plan.sequence)? => return Ok(()),
        Err(e) => return Err(e),
    };
    for (i, step) in plan.steps.iter().enumerate() {
        fault::point(&format!("publish.{i}"));
        let done = cosigned.bytes(objects, plan.sequence, step);
        let done = done.and_then(|bytes| carry_out_step(objects, plan.sequence, step, bytes));
        if let Err(e) = done {
            if is_over(objects, plan.sequence)? {
                return Ok(());
            }
            let hint = match e.hint_text() {
                Some(first) => first.to_owned(),
                None => "run the same command again".into(),
            };
            return Err(e
                .under(format!("publishing stopped at {}", step.path))
                .hint(format!("readers still see the old release; {hint}")));
        }
    }
    fault::point("publish.done");
    // Readers see it all; what follows is order, and the next command makes it too.
    let path = plan_path(plan.sequence);
    if let Ok(Some(found)) = objects.read(&path, MAX_PLAN_LEN)
        && found.bytes == plan.to_bytes()?
    {
        let _ = objects.swap(&path, &plan.finished()?.to_bytes()?, found.etag);
    }
    clean_one(objects, plan.sequence);
    super::collect::superseded(objects, plan.steps.iter().map(|step| step.path.as_str()));
    Ok(())
}

/// Whether somebody else has carried out the plan with this number to its end: its timestamp is
/// there, or a plan that was made from it.
fn is_over(objects: &Objects, sequence: u64) -> Result<bool> {
    Ok(unverified_sequence(objects)? >= sequence
        || objects
            .look(&plan_path(sequence.saturating_add(1)))?
            .is_some())
}

fn carry_out_step(
    objects: &Objects,
    sequence: u64,
    step: &Step,
    cosigned: Option<Vec<u8>>,
) -> Result<()> {
    let bytes = match cosigned {
        Some(bytes) => Some(bytes),
        None => step.inline_bytes()?,
    };
    let written = match (bytes, step.replaces) {
        (Some(bytes), Some(before)) => {
            let written = objects.replace(&step.path, &bytes, before, MAX_CHECKPOINT_LEN)?;
            if written == Written::Differs {
                return Err(Error::refused(format!(
                    "{}/{} is neither what it was when this was planned nor what it is to be",
                    objects.location(),
                    step.path
                ))
                .hint("find out who wrote it: relman audit"));
            }
            written
        }
        (Some(bytes), None) => objects.create(&step.path, &bytes)?,
        (None, _) => place(objects, sequence, step)?,
    };
    match written {
        Written::Done => Ok(()),
        Written::Differs => Err(Error::refused(format!(
            "{}/{} exists with other contents and is never overwritten",
            objects.location(),
            step.path
        ))
        .hint("find out who wrote it: relman audit")),
    }
}

/// Copies a staged object to its name. The number is won, so nobody means other bytes by this name,
/// and a copy that arrives late puts the same ones there again.
fn place(objects: &Objects, sequence: u64, step: &Step) -> Result<Written> {
    let wanted = Some((step.sha256, step.length));
    if objects.look(&step.path)?.is_some() {
        return Ok(match objects.digest(&step.path)? == wanted {
            true => Written::Done,
            false => Written::Differs,
        });
    }
    let copied = objects.copy(&staged_path(sequence, &step.sha256), &step.path);
    match (copied, objects.look(&step.path)?) {
        (Ok(()), Some(meta)) if meta.length == step.length => Ok(Written::Done),
        (Err(e), None) => Err(e),
        _ if objects.digest(&step.path)? == wanted => Ok(Written::Done),
        (Err(e), _) => Err(e),
        (Ok(()), _) => Ok(Written::Differs),
    }
}
