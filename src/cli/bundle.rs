//! `relman bundle`: everything that a node needs to install a release, in one file.

use serde_json::json;

use super::args::{BundleArgs, Cli};
use super::project::{start_dir, store_and_root};
use crate::Result;
use crate::hash::Sha256;
use crate::io::scratch::PrivateFiles;
use crate::io::{clock, hashing, process, store_bundle};
use crate::release::bundle::Collector;
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::trust::state::{Clock, Expiry};
use crate::ui::{Answer, Progress, text};

/// Runs the command.
pub fn run(cli: &Cli, args: &BundleArgs, progress: &mut Progress) -> Result<Answer> {
    let tag = Tag::parse_any(&args.tag)?;
    let (store, root) = store_and_root(cli, &args.store)?;
    let path = start_dir(cli)?.join(&args.out);
    progress.stage(&format!("verify {tag}"));
    let collected = Collector {
        store: store.as_ref(),
        root: &root,
        scratch: &PrivateFiles::default(),
        clock: Clock {
            now: clock::now(),
            expiry: Expiry::Enforce,
        },
        threads: process::threads(),
    }
    .collect(tag.as_str(), &args.environment)?;
    progress.stage(&format!("write {}", path.display()));
    let length = store_bundle::write(&path, &collected, store.as_ref())?;
    let sha256: Sha256 = hashing::file(&path)?;
    let members = collected.index.members.len() + 1;
    let mut out = format!(
        "wrote {}: {} for {} nodes, {members} members, {length} bytes\n",
        path.display(),
        tag,
        args.environment
    );
    for warning in &collected.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    out.push_str("next: copy it to the node, then: relman install --bundle FILE\n");
    let data = json!({
        "release": tag.as_str(),
        "environment": args.environment,
        "file": path,
        "sha256": sha256,
        "length": length,
        "members": members,
        "warnings": collected.warnings,
    });
    Ok(Answer::done(data, out))
}
