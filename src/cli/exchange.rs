//! `relman export`, `import` and `withdraw`: proposals on their way between machines.

use std::path::Path;

use serde_json::{Value, json};

use super::approve;
use super::args::{Cli, ExportArgs, ImportArgs, WithdrawArgs};
use super::desk::Desk;
use super::project::{Project, start_dir};
use super::receipts;
use super::sign::{answer, read, review};
use crate::io::proposals::{self, LocalProposals};
use crate::io::{clock, durable};
use crate::limits::MAX_RECEIPTS_FILE_LEN;
use crate::release::ceremony::{Base, Exchange, Signing};
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// `relman export`.
pub fn export(cli: &Cli, args: &ExportArgs) -> Result<Answer> {
    let project = Project::find(cli)?;
    let waiting = LocalProposals::new(project.work_dir().join("proposals"));
    let exchange = waiting.load(&args.id)?.ok_or_else(|| {
        Error::failed(format!("there is no proposal {} here", args.id))
            .hint("see which there are: relman sign")
    })?;
    // The store as it is now: what its signers compare with is as fresh as can be.
    let store = project.authoritative()?;
    let (fetch, cache) = (StoreMetadata(store.reader()), Memory::new());
    let root = project.root()?;
    let mut view = View::open(store.reader(), &fetch, &cache, &root, clock::now())?;
    let base = Base::of(&mut view)?;
    exchange.require_sound(&base, clock::now(), Some(store.reader()))?;
    let exchange = Exchange::new(exchange.proposal, store.reader(), &mut view)?;
    let path = start_dir(cli)?.join(&args.out);
    proposals::write(&path, &exchange)?;
    let out = format!(
        "wrote {}\nits signers run: relman sign {} --root root.json --key KEYFILE\n",
        path.display(),
        path.file_name().unwrap_or_default().to_string_lossy()
    );
    Ok(Answer::done(json!({ "id": args.id, "file": path }), out))
}

/// `relman import`.
pub fn import(cli: &Cli, args: &ImportArgs, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    let (mut out, mut all) = (String::new(), Vec::new());
    for file in &args.files {
        match import_one(&desk, &start_dir(cli)?.join(file)) {
            Ok((said, data)) => {
                out.push_str(&said);
                all.push(data);
            }
            Err(e) if all.is_empty() => {
                return Err(e.under(format!("{} was not imported", file.display())));
            }
            Err(e) => {
                let done: Vec<&str> = all
                    .iter()
                    .filter_map(|one: &Value| one.get("id")?.as_str())
                    .collect();
                let (many, done) = (args.files.len(), done.join(", "));
                return Err(e
                    .under(format!("{} was not imported", file.display()))
                    .under(format!(
                        "{} of {many} files were imported: {done}",
                        all.len()
                    ))
                    .with_kind(Kind::Partial));
            }
        }
    }
    Ok(Answer::done(json!({ "proposals": all }), out))
}

fn import_one(desk: &Desk, file: &Path) -> Result<(String, Value)> {
    let bytes = durable::read_bounded(file, MAX_RECEIPTS_FILE_LEN)?.unwrap_or_default();
    if receipts::are_receipts(&bytes) {
        return receipts::import(desk, &bytes);
    }
    if let Some(envelopes) = approve::envelopes(&bytes)? {
        return approve::imported(desk, &envelopes);
    }
    let theirs = read(file)?;
    if theirs.proposal.is_published(desk.store.reader())? {
        let id = theirs.proposal.id;
        let said = format!("{}: published already\n", text::line(&id));
        return Ok((
            said,
            json!({ "id": id, "state": "published", "signing": Signing::default() }),
        ));
    }
    let base = desk.with_view(Base::of)?;
    theirs.require_sound(&base, clock::now(), Some(desk.store.reader()))?;
    let id = theirs.proposal.id.clone();
    let (news, exchange) = match desk.proposals.load(&id)? {
        Some(mut mine) => {
            let new = mine.proposal.merge(&theirs.proposal, &base)?;
            (format!("{id}: {new} new signatures\n"), mine)
        }
        None => {
            let mut clean = theirs;
            clean.proposal.keep_what_counts(&base)?;
            // Nobody here has seen it.
            (review(&clean, &base, Some(desk.store.reader()))?, clean)
        }
    };
    let answer = answer(desk.keep(exchange, Signing::default())?, "");
    Ok((news + &answer.text, answer.data))
}

/// `relman withdraw`.
pub fn withdraw(cli: &Cli, args: &WithdrawArgs, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    match desk.proposals.remove(&args.id)? {
        true => Ok(Answer::done(
            json!({ "id": args.id }),
            format!(
                "{} is withdrawn; signatures on copies of it count for nothing once another \
                     takes its place\n",
                args.id
            ),
        )),
        false => Err(
            Error::failed(format!("there is no proposal {} here", args.id))
                .hint("see which there are: relman sign"),
        ),
    }
}
