//! `relman approve`, and what `import` does with attestations: somebody puts their name to a release.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::args::{ApproveArgs, Cli};
use super::desk::Desk;
use super::project::{self, Project, start_dir, store_and_root};
use super::sign;
use crate::attest::Envelope;
use crate::attest::approval::{Approval, Evidence};
use crate::io::drafts::LocalDrafts;
use crate::io::keyring::Chosen;
use crate::io::{clock, durable, hashing};
use crate::keys::Signer;
use crate::release::attestations::{About, Drawer, Offered, Standing, rows};
use crate::release::ceremony::{Base, RoleDraft};
use crate::release::cut::Events;
use crate::release::draft::Drafts;
use crate::release::leaf::AttestationLeaf;
use crate::release::policy::ReleasePolicy;
use crate::release::publish::{self, Keys, Planned};
use crate::release::state::{self, Released};
use crate::release::tag_rule::Author;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// The release that is to be approved.
struct Target {
    released: Released,
    policy: ReleasePolicy,
    /// Where it is: `published`, `draft` or `proposed`.
    state: &'static str,
}

/// `relman approve`.
pub fn approve(cli: &Cli, args: &ApproveArgs, progress: &mut Progress) -> Result<Answer> {
    let start = start_dir(cli)?;
    let target = target(cli, args)?;
    let evidence = args.evidence.iter().map(|what| evidence(&start, what));
    let approval = Approval {
        tag: target.released.tag.clone(),
        archive: target.released.sha256,
        commit: target.released.commit.clone(),
        role: args.role.clone(),
        comment: args.comment.clone(),
        evidence: evidence.collect::<Result<_>>()?,
        time: clock::now(),
    };
    let statement = approval.statement()?;
    let project = &target.policy.policy().document().project;
    let key = key(cli, args, &target.policy, project)?;
    let person = target.policy.people(&BTreeSet::from([key.public()]));
    let review = review(&approval, &person, &target);
    if args.out.is_none() && target.state == "proposed" {
        return Err(Error::usage("an approval of a file goes to a file")
            .hint("name it: --out approval.jsonl; the project takes it in: relman import FILE"));
    }
    if let Some(note) = unasked(&target.policy, &approval.role) {
        progress.note(&note);
    }
    sign::confirm(cli, args.yes, &review)?;
    let envelope = Envelope::sign(&statement, key.as_ref())?;
    let words = text::line(&format!(
        "{person} approves {} as {}",
        target.released.tag, approval.role
    ));
    let mut data = json!({ "release": target.released.tag, "role": approval.role,
        "person": person, "sha256": target.released.sha256, "commit": target.released.commit,
        "state": "written" });
    if let Some(out) = &args.out {
        let path = start.join(out);
        let mut line = envelope.to_line()?;
        line.push(b'\n');
        durable::write_atomic(&path, &line, durable::MODE_FILE)?;
        data["file"] = json!(path);
        let said = format!(
            "{words}: {}\nnext: send it to the project, where it is read by: relman import {}\n",
            path.display(),
            out.display()
        );
        return Ok(Answer::done(data, said));
    }
    let desk = Desk::open(cli, progress)?;
    let (said, state) = take_in(&desk, std::slice::from_ref(&envelope))?;
    data["state"] = state.into();
    Ok(Answer::done(data, format!("{words}\n{said}")))
}

/// Takes attestations in: into the log where their release is published, into the drawer where it is
/// not yet. All of one call are about one release.
///
/// # Errors
/// One that does not count, and why; no such release or draft here.
pub fn take_in(desk: &Desk, envelopes: &[Envelope]) -> Result<(String, &'static str)> {
    let tag = tag_of(envelopes)?;
    desk.parse(&tag)?;
    let released = desk.released()?.into_iter().find(|r| r.tag == tag);
    let Some(released) = released else {
        return into_drawer(desk, &tag, envelopes);
    };
    let planned = desk.with_view(|view| desk.publisher().attest(view, &released, envelopes))?;
    match planned {
        None => Ok(("all of it is in the log already\n".into(), "unchanged")),
        Some(Planned::Ready(transaction)) => {
            desk.write(&transaction)?;
            let next = format!("it is in the log\nnext: relman show {tag}\n");
            Ok((next, "published"))
        }
        Some(Planned::Waiting(waiting)) => Err(Error::failed(format!(
            "role {} lacks signatures by {}",
            waiting.role,
            waiting.missing.join(", ")
        ))
        .hint("write it to a file, and import it where that key is: --out FILE")),
    }
}

fn into_drawer(desk: &Desk, tag: &str, envelopes: &[Envelope]) -> Result<(String, &'static str)> {
    let record = desk.drafts.load(tag)?;
    let known = |about: &About, policy: &ReleasePolicy| -> Result<()> {
        for envelope in envelopes {
            let found = rows(policy, about, &[Offered::unlogged(envelope.clone())]);
            let fine = |s: Standing| matches!(s, Standing::Ok | Standing::Failed);
            if found.is_empty() || !found.iter().all(|row| fine(row.standing)) {
                return Err(publish::refused(&found));
            }
        }
        Ok(())
    };
    let record = record.ok_or_else(|| {
        Error::failed(format!("{tag} is neither published nor a draft here"))
            .hint(format!("relman cut {tag}"))
    })?;
    desk.with_view(|view| {
        let about = About {
            tag,
            commit: &record.commit,
            archive: Some(record.archive),
            author: Author::Unknown("not asked".into()),
            builders: Vec::new(),
            now: clock::now(),
        };
        known(&about, &view.policy)
    })?;
    let mut new = 0;
    for envelope in envelopes {
        new += usize::from(desk.drawer.add(tag, envelope)?);
    }
    let said = format!("{new} new, kept until {tag} is published\nnext: relman publish {tag}\n");
    Ok((said, if new > 0 { "kept" } else { "unchanged" }))
}

/// The one release that attestations are about, as they claim.
fn tag_of(envelopes: &[Envelope]) -> Result<String> {
    let mut tags = Vec::new();
    for envelope in envelopes {
        tags.push(AttestationLeaf::read(&envelope.unverified_statement()?)?.tag);
    }
    tags.dedup();
    match tags.as_slice() {
        [tag] => Ok(tag.clone()),
        [] => Err(Error::refused("there is no attestation in it")),
        many => Err(
            Error::refused(format!("it is about several releases: {}", many.join(", ")))
                .hint("one file a release"),
        ),
    }
}

/// The attestations in a file, if it is one of those: DSSE envelopes, one a line.
///
/// # Errors
/// A line that is none, after one that was.
pub fn envelopes(bytes: &[u8]) -> Result<Option<Vec<Envelope>>> {
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let mut all = Vec::new();
    for line in lines {
        match Envelope::parse(line) {
            Ok(envelope) => all.push(envelope),
            Err(_) if all.is_empty() => return Ok(None),
            Err(e) => return Err(e.under(format!("line {}", all.len() + 1))),
        }
    }
    Ok((!all.is_empty()).then_some(all))
}

fn target(cli: &Cli, args: &ApproveArgs) -> Result<Target> {
    let path = start_dir(cli)?.join(&args.what);
    if durable::is_file(&path) {
        return proposed(cli, args, &path);
    }
    let (store, root) = store_and_root(cli, &args.store)?;
    let (fetch, cache) = (StoreMetadata(store.as_ref()), Memory::new());
    let view = View::open(store.as_ref(), &fetch, &cache, &root, clock::now())?;
    let policy = view.policy.clone();
    let found = state::find(view.refreshed.targets(), &args.what);
    if let Ok(released) = found {
        let state = "published";
        return Ok(Target {
            released,
            policy,
            state,
        });
    }
    let draft = match Project::find(cli) {
        Ok(project) => LocalDrafts::new(project.work_dir().join("drafts")).load(&args.what)?,
        Err(_) => None,
    };
    match (draft, found) {
        (Some(record), _) => Ok(Target {
            released: record.released(),
            policy,
            state: "draft",
        }),
        (None, Err(e)) => Err(e.hint(
            "approve a release or a draft; one that waits elsewhere comes as a file: relman export",
        )),
        (None, Ok(_)) => Err(Error::bug("a release that is there and is not")),
    }
}

/// The release that an exported proposal lists, checked from the approver's own trust root.
fn proposed(cli: &Cli, args: &ApproveArgs, path: &Path) -> Result<Target> {
    let root = match &args.store.root {
        Some(root) => project::read_root(&start_dir(cli)?.join(root))?,
        None => Project::find(cli)
            .map_err(|e| e.hint("outside a project, name the trust root: --root FILE"))?
            .root()?,
    };
    let exchange = sign::read(path)?;
    let base: Base = exchange.base(&root, clock::now())?;
    exchange.require_sound(&base, clock::now(), None)?;
    let none = || {
        Error::refused(format!("{} proposes no release", exchange.proposal.id)).hint(
            "the file of a release that waits is wanted: relman export release-TAG --out FILE",
        )
    };
    let tag = exchange.proposal.draft.as_deref().ok_or_else(none)?;
    let Some(RoleDraft::Targets { draft, .. }) = exchange.proposal.role("targets") else {
        return Err(none());
    };
    let released = state::find(&draft.unverified_body()?, tag)?;
    Ok(Target {
        released,
        policy: base.policy.clone(),
        state: "proposed",
    })
}

pub(super) fn evidence(start: &Path, what: &str) -> Result<Evidence> {
    if what.contains("://") {
        return Evidence::link(what);
    }
    let path = start.join(what);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Evidence::file(&name, hashing::file(&path)?))
}

/// The approver's key; what another key signs, nobody counts.
fn key(
    cli: &Cli,
    args: &ApproveArgs,
    policy: &ReleasePolicy,
    project: &str,
) -> Result<Box<dyn Signer>> {
    let keys: Box<dyn Keys> = match &args.key {
        Some(word) => Box::new(Chosen::read(word, &start_dir(cli)?, &cli.passphrases)?),
        None => Box::new(project::keyring(
            cli.secret_keys.as_deref(),
            project,
            &cli.passphrases,
        )?),
    };
    let now = clock::now();
    let accepted = policy.accepted(&Purpose::Approver, now);
    let key = keys.one_of("approver", &accepted)?;
    policy.check_signer(&Purpose::Approver, &key.public(), now)?;
    Ok(key)
}

fn review(approval: &Approval, person: &str, target: &Target) -> String {
    let released = &target.released;
    let mut rows = vec![
        ("release", format!("{} ({})", released.tag, target.state)),
        ("commit", released.commit.clone()),
        ("sha256", released.sha256.hex()),
        ("role", approval.role.clone()),
        ("person", person.to_owned()),
    ];
    rows.extend(approval.comment.iter().map(|c| ("comment", c.clone())));
    let evidence = approval.evidence.iter();
    rows.extend(evidence.map(|evidence| ("evidence", evidence.words())));
    rows.iter()
        .map(|(name, value)| format!("  {name:9} {}\n", text::line(value)))
        .collect()
}

/// That no rule asks for an approval in this role.
fn unasked(policy: &ReleasePolicy, role: &str) -> Option<String> {
    let document = policy.policy().document();
    let cut = document.cut.approvals.iter();
    let environments = document.environments.iter().flat_map(|e| &e.approvals);
    let asked: BTreeSet<&str> = cut.chain(environments).map(|r| r.role.as_str()).collect();
    if asked.contains(role) {
        return None;
    }
    let names: Vec<&str> = asked.into_iter().collect();
    let asked = match names.is_empty() {
        true => "no approvals".to_owned(),
        false => names.join(", "),
    };
    Some(format!(
        "policy asks for {asked}; an approval as {role} is recorded and counts for no rule"
    ))
}

/// What `import` says of a file of attestations.
pub fn imported(desk: &Desk, envelopes: &[Envelope]) -> Result<(String, Value)> {
    let tag = tag_of(envelopes)?;
    let (said, state) = take_in(desk, envelopes)?;
    let data = json!({ "id": tag, "state": state, "attestations": envelopes.len() });
    Ok((format!("{}: {said}", text::line(&tag)), data))
}
