//! What a promotion means, in words, for the operator who is asked to agree to it. Pure.

use jiff::Timestamp;

use super::current::Current;
use super::evidence::{Evidence, Known};
use super::sound::touched;
use crate::Result;
use crate::release::ceremony::{Base, FilesInMemory, Proposal};
use crate::release::halt;
use crate::release::leaf::{Leaf, OverrideLeaf};
use crate::release::state;
use crate::store::Reader;

/// From what to what, from which source, after which wait, and why. What cannot be verified is said
/// to be missing: whether that is allowed, the rules say.
///
/// # Errors
/// A proposal that is malformed.
pub fn meaning(proposal: &Proposal, base: &Base, files: &dyn Reader) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let after = base.after(proposal)?;
    let brought = proposal.files.iter();
    let brought = brought.map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let store = FilesInMemory::over(brought, files);
    for (name, role) in touched(proposal, base)? {
        let evidence = Evidence::new(&store, &after.policy, &after.targets, None);
        let target = role.targets.get(&super::target_name(&name));
        match target.map(|target| evidence.document(&name, target)) {
            Some(Ok(current)) => lines.extend(one(&evidence, proposal, &current)),
            Some(Err(e)) => lines.push(format!("{name}: {e}")),
            None => lines.push(format!("{name} would run nothing")),
        }
    }
    lines.extend(halt::meaning(proposal, base)?);
    Ok(lines)
}

fn one(evidence: &Evidence, proposal: &Proposal, current: &Current) -> Vec<String> {
    let name = &current.environment;
    let from = current.previous.as_ref();
    let from_words = from.map_or("nothing", |p| p.tag.as_str());
    let mut lines = vec![format!("{name}: {from_words} → {}", current.tag)];
    let mut add = |what: &str, text: String| lines.push(format!("  {what:10}  {text}"));
    let archive = &current.archive;
    add(
        "archive",
        format!(
            "{}.tar.gz, {} bytes, sha256 {}",
            current.tag, archive.length, archive.sha256
        ),
    );
    if let Ok(released) = state::find(evidence.targets(), &current.tag) {
        add(
            "commit",
            format!("{} of {}", released.commit, released.repository),
        );
    }
    add(
        "previous",
        match from {
            Some(previous) => format!("{}, needs no new agreement to go back to", previous.tag),
            None => "none: there is nothing to go back to".into(),
        },
    );
    let environment = evidence.policy().environment(name);
    if let Some(origin) = &current.origin {
        let ran = evidence.signed(&origin.environment, origin.version).ok();
        let ended = origin
            .ended
            .map(|version| evidence.signed(&origin.environment, version).ok());
        add(
            "ran in",
            format!(
                "{} {}{}, wanted {} hours",
                origin.environment,
                since(ran.as_ref(), origin.version),
                match ended {
                    None => String::new(),
                    Some(ended) => format!(
                        ", until {}",
                        ended
                            .and_then(|e| e.since)
                            .map_or("another took its place".into(), |t| t.to_string())
                    ),
                },
                environment.map_or(0, |e| e.soak_hours)
            ),
        );
    }
    let hours = environment.map_or(0, |e| e.notice_hours);
    let announced = current
        .announcement
        .as_ref()
        .map(|path| evidence.leaf(path));
    add(
        "notice",
        match announced {
            Some(Ok((Leaf::Announcement(leaf), _, at))) => format!(
                "announced {}, window {} for {} minutes, {} minutes down, wanted {hours} hours",
                at.unwrap_or(leaf.time),
                leaf.at,
                leaf.window_minutes,
                leaf.downtime_minutes
            ),
            _ => format!("not announced, wanted {hours} hours"),
        },
    );
    let not_before = current.not_before;
    add(
        "not before",
        not_before.map_or("at once".into(), |t: Timestamp| t.to_string()),
    );
    if let Some(path) = &current.overridden {
        let statement = proposal.statements.iter().find(|s| s.proof == *path);
        let leaf = statement.and_then(|s| OverrideLeaf::read(&s.statement).ok());
        let rules = leaf.map_or("nothing that can be read".into(), |leaf| {
            let words: Vec<&str> = leaf.sets_aside.iter().map(|rule| rule.word()).collect();
            words.join(", ")
        });
        add("override", format!("sets aside {rules}"));
    }
    if let Some(reason) = &current.reason {
        add("reason", reason.clone());
    }
    lines
}

fn since(known: Option<&Known>, version: u64) -> String {
    match known.and_then(|known| known.since) {
        Some(at) => format!("since {at} (version {version})"),
        None => format!("since version {version}"),
    }
}
