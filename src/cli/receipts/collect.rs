//! Receipts where they are collected: taken in, kept, and their digests entered in the log.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::cli::args::Cli;
use crate::cli::desk::Desk;
use crate::hash::Sha256;
use crate::io::batches::LocalBatches;
use crate::node::receipt::batch::Batch;
use crate::node::receipt::chain;
use crate::release::chronicle::tell;
use crate::release::cut::Events;
use crate::release::leaf::{Leaf, ReceiptsLeaf};
use crate::release::publish::Planned;
use crate::release::view::View;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// Whether a file that was given to `import` holds receipts.
pub fn are_receipts(bytes: &[u8]) -> bool {
    chain::are_receipts(bytes)
}

fn batches(desk: &Desk) -> LocalBatches {
    LocalBatches::new(desk.project.work_dir().join("receipts"))
}

/// Takes a batch in: verified under the policy, held against all that are here already.
pub fn import(desk: &Desk, bytes: &[u8]) -> Result<(String, Value)> {
    let batch = desk.with_view(|view| Batch::verify(bytes, &view.policy))?;
    let kept = batches(desk);
    for name in kept.names()? {
        let earlier = kept.read(&name)?;
        // What policy knows no key of any more counts for nothing, and contradicts nothing.
        let Ok(earlier) = desk.with_view(|view| Batch::verify_kept(&earlier, &view.policy)) else {
            continue;
        };
        batch.agrees(&earlier).map_err(|e| {
            e.caused_by(format!(
                "the earlier one is in {}",
                kept.path(&name).display()
            ))
        })?;
    }
    let new = kept.keep(&batch.sha256, bytes)?;
    let mut out = String::new();
    for part in batch.parts() {
        let nodes: Vec<&str> = part.nodes.iter().map(String::as_str).collect();
        let said = format!(
            "{} receipts of {} ({}), {} to {}",
            part.receipts,
            part.environment,
            nodes.join(", "),
            part.first,
            part.last
        );
        out.push_str(&format!("{}\n", text::line(&said)));
    }
    out.push_str(match new {
        true => "next: enter their digest in the log: relman receipts push\n",
        false => "these very receipts were imported before\n",
    });
    let data = json!({ "id": format!("receipts {}", batch.sha256), "state": "kept", "new": new,
        "batch": batch.sha256, "parts": batch.parts() });
    Ok((out, data))
}

/// `relman receipts push`.
pub fn push(cli: &Cli, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    let kept = batches(&desk);
    let names = kept.names()?;
    progress.stage("compare with the log");
    let mut passed_over = Vec::new();
    let planned = desk.with_view(|view| {
        let known = logged(view)?;
        let publisher = desk.publisher();
        let mut leaves: Vec<ReceiptsLeaf> = Vec::new();
        for name in &names {
            let batch = match Batch::verify_kept(&kept.read(name)?, &view.policy) {
                Ok(batch) => batch,
                Err(e) => {
                    passed_over.push(format!("{name} was passed over: {e}"));
                    continue;
                }
            };
            let new = batch.leaves(publisher.now);
            let new = new.into_iter();
            leaves.extend(
                new.filter(|leaf| !known.contains(&(leaf.batch, leaf.environment.clone()))),
            );
        }
        if leaves.is_empty() {
            return Ok(None);
        }
        let planned = publisher.log_receipts(view, &leaves)?;
        Ok(Some((leaves, planned)))
    })?;
    for note in &passed_over {
        progress.note(&text::line(note));
    }
    let Some((leaves, planned)) = planned else {
        let data = json!({ "batches": names.len(), "logged": [], "passed_over": passed_over });
        let said = match names.is_empty() {
            true => "there are no receipts here; take some in: relman import FILE\n",
            false => "the log has all batches of receipts that are here\n",
        };
        return Ok(Answer::named("unchanged", data, said));
    };
    match planned {
        Planned::Ready(transaction) => desk.write(&transaction)?,
        Planned::Waiting(waiting) => {
            return Err(waiting.error("push where the key is: --secret-keys DIR"));
        }
    }
    let line = |leaf: &ReceiptsLeaf| text::line(&format!("logged {}", leaf.line())) + "\n";
    let out: String = leaves.iter().map(line).collect();
    let logged: Vec<Value> = leaves
        .iter()
        .map(|leaf| json!({ "batch": leaf.batch, "environment": leaf.environment, "receipts": leaf.receipts }))
        .collect();
    Ok(Answer::done(
        json!({ "batches": names.len(), "logged": logged, "passed_over": passed_over }),
        out,
    ))
}

/// The batches that the log has, by environment.
fn logged(view: &View) -> Result<BTreeSet<(Sha256, String)>> {
    let mut known = BTreeSet::new();
    tell(view, &mut |told| {
        if let (Some(Leaf::Receipts(leaf)), None) = (&told.leaf, &told.problem) {
            known.insert((leaf.batch, leaf.environment.clone()));
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(known)
}
