//! `relman log prove`: a proof under the newest checkpoint, and fresher proofs beside a release's.

use serde_json::json;

use crate::cli::args::{Cli, LogProveArgs};
use crate::cli::project::{start_dir, store_and_root};
use crate::io::{clock, durable};
use crate::release::prove;
use crate::release::tag::Tag;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, text};
use crate::{Error, Result};

/// What was named on the command line.
enum What {
    Index(u64),
    Tag(String),
}

fn what(name: &str) -> Result<What> {
    if name.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() {
        let index = name
            .parse()
            .map_err(|e| Error::usage(format!("{name} is no number of an entry")).caused_by(e))?;
        return Ok(What::Index(index));
    }
    Tag::parse_any(name).map(|tag| What::Tag(tag.to_string()))
}

/// Runs the command.
pub fn run(cli: &Cli, args: &LogProveArgs) -> Result<Answer> {
    let what = what(&args.what)?;
    let (store, root) = store_and_root(cli, &args.store)?;
    let fetch = StoreMetadata(store.as_ref());
    let cache = Memory::new();
    let view = View::open(store.as_ref(), &fetch, &cache, &root, clock::now())?;
    let proof = match &what {
        What::Index(index) => prove::entry(&view, *index)?,
        What::Tag(tag) => prove::release(&view, store.as_ref(), tag)?,
    };
    let size = view.history.checkpoint.head().size;
    let index = proof.unverified_index();
    let proof = proof.to_string();
    let mut data = json!({
        "store": store.location(),
        "index": index,
        "size": size,
        "proof": proof,
        "file": null,
    });
    let Some(out) = &args.out else {
        return Ok(Answer::done(data, proof));
    };
    let path = start_dir(cli)?.join(out);
    durable::write_atomic(&path, proof.as_bytes(), durable::MODE_FILE)?;
    data["file"] = path.display().to_string().into();
    let said = format!(
        "wrote {}: entry {index} is in the log of {size}\n",
        text::line(&path.display().to_string())
    );
    Ok(Answer::done(data, said))
}

/// Runs `--refresh`.
#[cfg(feature = "maintainer")]
pub fn refresh(
    cli: &Cli,
    args: &LogProveArgs,
    progress: &mut crate::ui::Progress,
) -> Result<Answer> {
    use crate::cli::desk::Desk;
    use crate::release::publish::Planned;
    use crate::release::state;

    let What::Tag(tag) = what(&args.what)? else {
        return Err(Error::usage(
            "fresher proofs are made for a release and all evidence about it",
        )
        .hint("name the release: relman log prove TAG --refresh"));
    };
    let desk = Desk::open(cli, progress)?;
    let made = desk.with_view(|view| {
        state::find(view.refreshed.targets(), &tag)?;
        let fresh = prove::refreshed(view, desk.store.reader(), &tag)?;
        let size = view.history.checkpoint.head().size;
        let paths: Vec<String> = fresh.iter().map(|f| f.path.clone()).collect();
        let objects = fresh
            .into_iter()
            .map(|fresh| (fresh.path, fresh.proof.to_string().into_bytes()))
            .collect();
        let planned = match paths.is_empty() {
            true => None,
            false => Some(desk.publisher().add_late(view, objects)?),
        };
        Ok((size, paths, planned))
    });
    let (size, paths, planned) = made?;
    let data = json!({ "release": tag, "size": size, "proofs": paths });
    match planned {
        None => Ok(Answer::named(
            "unchanged",
            data,
            format!("every proof of {tag} has one under the checkpoint of {size} entries\n"),
        )),
        Some(Planned::Waiting(waiting)) => {
            Err(waiting.error("run it where the timestamp key is: --secret-keys DIR"))
        }
        Some(Planned::Ready(transaction)) => {
            desk.write(&transaction)?;
            let lines = paths
                .iter()
                .map(|path| format!("published {}\n", text::line(path)));
            Ok(Answer::done(data, lines.collect::<String>()))
        }
    }
}
