//! `relman root`: shows who may sign what, and changes it by proposals that the root keys sign.

mod rules;

use std::path::Path;

use serde_json::{Value, json};

use super::args::Cli;
use super::args::root::{HowArgs, RootArgs, RootChange};
use super::desk::Desk;
use super::project::{Project, start_dir};
use super::sign;
use crate::attest::dsse::short;
use crate::hash::Sha256;
use crate::io::keyring::{PUBLIC, read_public};
use crate::io::proposals::LocalProposals;
use crate::io::{clock, durable, process};
use crate::keys::PublicKey;
use crate::limits::{MAX_CONFIG_LEN, MAX_WATCH_POLICY_LEN};
use crate::release::ceremony::{
    Base, Change, End, Exchange, Holder, KeyChoice, KeyRole, keyring_name, root_id, voided,
};
use crate::release::cut::Events;
use crate::release::publish::PEOPLE_MEMBER;
use crate::release::text::check_person;
use crate::release::view::View;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::policy::{KeyEntry, PolicyDocument};
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::watch::policy as watch;
use crate::{Error, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &RootArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.change {
        None => show(cli),
        Some(change) => propose(cli, change, progress),
    }
}

fn how(change: &RootChange) -> HowArgs {
    match change {
        RootChange::Add(args) => args.how,
        RootChange::Remove(args) => args.how,
        RootChange::Rotate(args) => args.how,
        RootChange::Threshold(args) => args.how,
        RootChange::Set(args) => args.how,
        RootChange::Witnesses(args) => args.how,
        RootChange::Watch(args) => args.how,
        RootChange::Renew(args) => args.how,
    }
}

fn propose(cli: &Cli, args: &RootChange, progress: &mut Progress) -> Result<Answer> {
    let how = how(args);
    let mut desk = Desk::open(cli, progress)?;
    let base = desk.with_view(Base::of)?;
    let id = root_id(&base);
    let pending = desk.proposals.load(&id)?;
    let policy = base.policy.policy().document();
    let change = read(cli, args, policy)?;
    let exchange = desk.with_view(|view| {
        let before = pending.as_ref().map(|pending| &pending.proposal);
        let proposal = desk.publisher().propose_root(view, before, &[change])?;
        proposal.require_sound(&base, clock::now())?;
        Exchange::new(proposal, desk.store.reader(), view)
    })?;
    let mut review = sign::review(&exchange, &base, Some(desk.store.reader()))?;
    let after = base.after(&exchange.proposal)?;
    let lost = desk.with_view(|view| voided(view, desk.store.reader(), &after.policy))?;
    for (tag, time) in &lost {
        review.push_str(&format!(
            "  release {tag}, cut at {time}, would not verify any more\n"
        ));
    }
    let joined = pending.is_some();
    if how.dry_run {
        let data = json!({ "id": id, "review": review.lines().collect::<Vec<_>>() });
        let said = format!("{review}nothing was changed\n");
        return Ok(Answer::named("planned", data, said));
    }
    if joined {
        progress.note(&format!(
            "{id} was proposed already: this change joins it, and signatures on it are dropped"
        ));
    }
    if how.draft {
        let path = desk.proposals.save(&exchange)?;
        let said = format!(
            "{review}{id} is kept unsigned: {}\nnext: further changes, then relman sign {id}\n",
            path.display()
        );
        let data = json!({ "id": id, "state": "draft", "file": path, "joined": joined,
            "review": review.lines().collect::<Vec<_>>() });
        return Ok(Answer::named("draft", data, said));
    }
    desk.while_asking(cli, &id, || sign::confirm(cli, how.yes, &review))?;
    let mut answer = sign::answer(desk.settle(exchange)?, "");
    answer.text = format!("{review}{}", answer.text);
    Ok(answer)
}

/// The change that the command line describes.
fn read(cli: &Cli, args: &RootChange, policy: &PolicyDocument) -> Result<Change> {
    let role = |name: &str| KeyRole::parse(name, policy);
    let end = |since, erase| match (since, erase) {
        (_, true) => End::Erase,
        (Some(time), _) => End::Since(time),
        (None, _) => End::Now,
    };
    Ok(match args {
        RootChange::Add(args) => {
            let person = args.person.clone().unwrap_or_else(process::login_name);
            check_person(&person)?;
            Change::Add {
                role: role(&args.role)?,
                key: public_key(&start_dir(cli)?.join(&args.key))?,
                person,
                not_after: args.not_after,
                threshold: args.threshold,
            }
        }
        RootChange::Remove(args) => Change::Remove {
            role: role(&args.role)?,
            key: choice(cli, &args.key)?,
            end: end(args.since, args.erase),
            threshold: args.threshold,
        },
        RootChange::Rotate(args) => {
            if let Some(person) = &args.person {
                check_person(person)?;
            }
            Change::Rotate {
                role: role(&args.role)?,
                old: choice(cli, &args.old)?,
                new: public_key(&start_dir(cli)?.join(&args.new))?,
                person: args.person.clone(),
                end: end(args.since, args.erase),
            }
        }
        RootChange::Threshold(args) => Change::Threshold {
            role: role(&args.role)?,
            threshold: args.threshold,
        },
        RootChange::Set(args) => rules::change(args)?,
        RootChange::Witnesses(args) => Change::Witnesses {
            policy: match args.policy.as_deref() {
                None => None,
                Some("none") => Some("none".into()),
                Some(file) => Some(text_of(&start_dir(cli)?.join(file), MAX_CONFIG_LEN)?),
            },
            max_age_hours: args.max_age_hours,
        },
        RootChange::Watch(args) => Change::Watch {
            policy: match args.policy.as_str() {
                "none" => None,
                file => {
                    let path = start_dir(cli)?.join(file);
                    let text = text_of(&path, MAX_WATCH_POLICY_LEN)?;
                    watch::Policy::parse(&text).map_err(|e| e.under(path.display().to_string()))?;
                    Some(text)
                }
            },
        },
        RootChange::Renew(args) => Change::Renew { until: args.until },
    })
}

fn listed(rules: &[impl ToString]) -> String {
    let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
    match rules.is_empty() {
        true => "none".to_owned(),
        false => text::line(&rules.join(", ")),
    }
}

fn choice(cli: &Cli, words: &str) -> Result<KeyChoice> {
    let path = start_dir(cli)?.join(words);
    Ok(match words.ends_with(PUBLIC) {
        true => KeyChoice::Key(public_key(&path)?),
        false => KeyChoice::Named(words.to_owned()),
    })
}

fn public_key(path: &Path) -> Result<PublicKey> {
    read_public(path).map(|(key, _)| key)
}

fn text_of(path: &Path, limit: u64) -> Result<String> {
    let none = || Error::failed(format!("there is no file {}", path.display()));
    let bytes = durable::read_bounded(path, limit)?.ok_or_else(none)?;
    String::from_utf8(bytes)
        .map_err(|e| Error::usage(format!("{} is not UTF-8", path.display())).caused_by(e))
}

/// Root and policy as they are, and what waits.
fn show(cli: &Cli) -> Result<Answer> {
    let project = Project::find(cli)?;
    let store = project.authoritative()?;
    let (fetch, cache) = (StoreMetadata(store.reader()), Memory::new());
    let trusted = project.root()?;
    let mut view = View::open(store.reader(), &fetch, &cache, &trusted, clock::now())?;
    let base = Base::of(&mut view)?;
    let (root, document) = (&base.root, base.policy.policy().document());
    let mut out = format!("root version {}, expires {}\n", root.version, root.expires);
    let mut roles = Vec::new();
    for (name, role) in &root.roles {
        let holders = role.keyids.iter().map(|id| Holder {
            keyid: id.clone(),
            person: root
                .extra
                .get(PEOPLE_MEMBER)
                .and_then(|people| people.get(id)?.as_str())
                .map(str::to_owned),
        });
        let holders: Vec<Holder> = holders.collect();
        out.push_str(&line(name, role.threshold, &holders));
        roles.push(json!({ "role": name, "threshold": role.threshold, "keys": holders }));
    }
    out.push_str(&format!(
        "policy {}, log {}, witnesses: {}\n",
        short(&base.policy.pin().sha256.hex()),
        text::line(&document.log.origin),
        text::line(&document.log.witnesses)
    ));
    if let Some(hours) = document.log.max_cosignature_age_hours {
        out.push_str(&format!("  cosignatures at most {hours} hours old\n"));
    }
    for vkey in &document.log.vkeys {
        out.push_str(&format!("  log: {}\n", text::line(vkey)));
    }
    for key in &document.keys {
        out.push_str(&format!("  {}\n", text::line(&entry(key))));
    }
    let cut = &document.cut;
    out.push_str(&format!(
        "every release: gates {}; approvals {}; rebuilders {}; of its tag {}\n",
        listed(&cut.gates),
        listed(&cut.approvals),
        cut.rebuilders,
        text::line(&cut.tag.to_string())
    ));
    if let Some(policy) = &document.watch {
        out.push_str(&format!(
            "watch policy {}: relman watch check\n",
            short(&Sha256::of(policy.as_bytes()).hex())
        ));
    }
    for environment in &document.environments {
        let holders = |ids: &[String]| -> Vec<Holder> {
            let known = ids.iter().map(|id| Holder {
                keyid: id.clone(),
                person: base
                    .policy
                    .policy()
                    .unchecked_key(id)
                    .map(|k| k.entry.person.clone()),
            });
            known.collect()
        };
        let name = &environment.name;
        out.push_str(&format!(
            "environment {name}: soak {} hours, notice {} hours, security floor {}, approvals: {}; rebuilders {}\n",
            environment.soak_hours,
            environment.notice_hours,
            environment.minimum.as_deref().unwrap_or("none"),
            listed(&environment.approvals),
            environment.rebuilders
        ));
        out.push_str(&line(
            name,
            environment.threshold,
            &holders(&environment.keys),
        ));
        for (group, prefix) in [
            (&environment.halt, "halt"),
            (&environment.overriders, "override"),
        ] {
            if let Some(group) = group {
                let name = format!("{prefix}-{name}");
                out.push_str(&line(&name, group.threshold, &holders(&group.keys)));
            }
        }
    }
    let (said, pending) = waiting(&project, store.reader(), &base)?;
    out.push_str(&said);
    let data = json!({ "version": root.version, "expires": root.expires.to_string(), "roles": roles,
        "policy": document, "pending": pending });
    Ok(Answer::done(data, out))
}

fn line(name: &str, threshold: u64, holders: &[Holder]) -> String {
    let names: Vec<String> = holders.iter().map(Holder::to_string).collect();
    let names = text::line(&names.join(", "));
    format!("  {name}: {threshold} of {}: {names}\n", holders.len())
}

fn entry(key: &KeyEntry) -> String {
    format!(
        "{}: {} (key {}), valid from {} until {}",
        keyring_name(&key.purpose),
        key.person,
        short(&key.id),
        key.not_before,
        key.not_after
    )
}

/// The proposal that would follow, with what it changes and whom it waits for.
fn waiting(project: &Project, store: &dyn Reader, base: &Base) -> Result<(String, Value)> {
    let proposals = LocalProposals::new(project.work_dir().join("proposals"));
    let Some(exchange) = proposals.load(&root_id(base))? else {
        return Ok((String::new(), Value::Null));
    };
    let (said, mut data) = sign::described(&exchange, base, store)?;
    let review = exchange.proposal.review(base)?;
    let mut out = format!("waiting\n{said}");
    for line in &review {
        out.push_str(&format!("    {}\n", text::line(line)));
    }
    if let Some(data) = data.as_object_mut() {
        data.insert("review".into(), json!(review));
    }
    Ok((out, data))
}
