//! `relman mirror`: copies a store to any number of others, without keys.

use serde_json::json;

use super::args::{Cli, MirrorArgs, StoreArgs};
use super::project::{open_mirror, start_dir, store_and_root};
use crate::io::clock;
use crate::release::cut::Events;
use crate::release::mirror::{Mirror, Mirrored};
use crate::ui::{Answer, Progress, text};
use crate::{Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &MirrorArgs, progress: &mut Progress) -> Result<Answer> {
    let store = StoreArgs {
        store: Some(args.from.clone()),
        root: args.root.clone(),
        http: args.http.clone(),
    };
    let (from, root) = store_and_root(cli, &store)?;
    let mirror = Mirror {
        from: from.as_ref(),
        root: &root,
        now: clock::now(),
    };
    let start = start_dir(cli)?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for place in &args.to {
        let named = place.to_string_lossy();
        let to = match named.contains("://") {
            true => open_mirror(&named)?,
            false => open_mirror(&start.join(place).to_string_lossy())?,
        };
        match mirror.to(to.as_ref(), &mut |stage| progress.stage(stage)) {
            Ok(mirrored) => done.push(mirrored),
            Err(error) => failed.push((place, error)),
        }
    }
    progress.end();
    if let Some((place, error)) = failed.into_iter().next() {
        // One mirror that cannot be written is no reason to leave the others behind.
        return Err(match done.is_empty() {
            true => error,
            false => error
                .under(format!(
                    "{} of {} mirrors are up to date, {} is not",
                    done.len(),
                    args.to.len(),
                    place.display()
                ))
                .with_kind(Kind::Partial),
        });
    }
    let out: String = done.iter().map(lines).collect();
    let unchanged = done.iter().all(|m| m.added == 0 && m.heads == 0);
    let data = json!({ "from": from.location(), "mirrors": done });
    Ok(match unchanged {
        true => Answer::named("unchanged", data, out),
        false => Answer::done(data, out),
    })
}

fn lines(mirrored: &Mirrored) -> String {
    let mut out = String::new();
    for note in &mirrored.notes {
        out.push_str(&format!("warning: {}\n", text::line(note)));
    }
    out.push_str(&format!(
        "{}: {} objects added, {} kept, log {} entries, timestamp {}\n",
        text::line(&mirrored.to),
        mirrored.added,
        mirrored.kept,
        mirrored.log_size,
        mirrored.timestamp
    ));
    out
}
