//! What a proposal changes, in words, for whoever is about to sign it: all that a signature
//! covers is there. Pure.

mod rest;

use std::collections::{BTreeMap, BTreeSet};

use super::check::until;
use super::{Base, Proposal, RoleDraft, StatementDraft, demand};
use crate::Result;
use crate::attest::dsse::short;
use crate::hash::Sha256;
use crate::release::publish::PEOPLE_MEMBER;
use crate::release::state::Released;
use crate::trust::policy::{Environment, KeyGroup, PolicyDocument};
use crate::trust::schema::{RoleKeys, TargetFile};
use crate::trust::{Root, Targets};
use rest::plain;

impl Proposal {
    /// The changes that this proposal makes to `base`, a line each.
    ///
    /// # Errors
    /// A proposal so malformed that it cannot be held against anything.
    pub fn review(&self, base: &Base) -> Result<Vec<String>> {
        let after = base.after(self)?;
        let who = |id: &str| demand::person(id, base, &after);
        let mut lines = Vec::new();
        for draft in &self.roles {
            let (name, version) = (draft.name(), draft.version()?);
            let mut changes = match draft {
                RoleDraft::Root(_) => root(&base.root, &after.root),
                RoleDraft::Targets { draft, .. } => {
                    let new = draft.unverified_body()?;
                    match name {
                        "targets" => targets(Some(&**base.targets), &new, &who),
                        other => targets(base.roles.get(other).map(|role| &***role), &new, &who),
                    }
                }
            };
            if changes.is_empty() {
                changes.push("nothing but version and expiry".into());
            }
            lines.push(format!(
                "role {name}: version {} → {version}",
                base.version(name)
            ));
            lines.extend(changes.into_iter().map(|line| format!("  {line}")));
        }
        if self.policy.is_some() {
            let (old, new) = (
                base.policy.policy().document(),
                after.policy.policy().document(),
            );
            lines.push("policy".into());
            lines.extend(policy(old, new, &who).into_iter().map(|l| format!("  {l}")));
        }
        for draft in &self.statements {
            statement(&mut lines, draft);
        }
        for (path, text) in &self.files {
            lines.push(format!("file {}", plain(path)));
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
        if let Some(tag) = &self.draft {
            lines.push(format!("with the files of draft {}", plain(tag)));
        }
        Ok(lines)
    }
}

fn statement(lines: &mut Vec<String>, draft: &StatementDraft) {
    let (by, said) = (&draft.purpose, &draft.statement);
    let kind = plain_type(&said.predicate_type);
    lines.push(format!("statement for the log, by {by}: {kind}"));
    for subject in &said.subject {
        let digests: Vec<String> = subject
            .digest
            .iter()
            .map(|(a, d)| format!("{a} {d}"))
            .collect();
        let mut line = format!("  about {}, {}", plain(&subject.name), digests.join(", "));
        for (name, value) in &subject.annotations {
            line.push_str(&format!(", {}: {value}", plain(name)));
        }
        lines.push(line);
    }
    match said.predicate.as_object() {
        Some(members) => lines.extend(members.iter().map(|(k, v)| match v.as_str() {
            Some(text) => format!("  {}: {text}", plain(k)),
            None => format!("  {}: {v}", plain(k)),
        })),
        None => lines.push(format!("  {}", said.predicate)),
    }
    lines.push(format!("  proved by {}", plain(&draft.proof)));
}

/// A type of statements, which is a URI.
fn plain_type(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_graphic()) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    }
}

/// Who holds a key, if anybody knows.
type Who<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// `field: old → new`, where they differ.
fn changed(lines: &mut Vec<String>, field: &str, old: impl ToString, new: impl ToString) {
    let (old, new) = (old.to_string(), new.to_string());
    if old != new {
        lines.push(format!("{field}: {old} → {new}"));
    }
}

fn root(old: &Root, new: &Root) -> Vec<String> {
    let mut lines = Vec::new();
    changed(&mut lines, "expires", until(old), until(new));
    let none = RoleKeys {
        keyids: Vec::new(),
        threshold: 0,
        extra: BTreeMap::new(),
    };
    let names: BTreeSet<&String> = old.roles.keys().chain(new.roles.keys()).collect();
    for name in names {
        let (before, now) = (
            old.roles.get(name).unwrap_or(&none),
            new.roles.get(name).unwrap_or(&none),
        );
        keys(&mut lines, name, &before.keyids, &now.keyids, |id| {
            person(new, id).or_else(|| person(old, id))
        });
        let field = format!("{name}: threshold");
        changed(&mut lines, &field, before.threshold, now.threshold);
    }
    rest::of_root(&mut lines, old, new);
    lines
}

fn person(root: &Root, id: &str) -> Option<String> {
    let people = root.extra.get(PEOPLE_MEMBER)?;
    people.get(id)?.as_str().map(str::to_owned)
}

fn keys(
    lines: &mut Vec<String>,
    role: &str,
    old: &[String],
    new: &[String],
    person: impl Fn(&str) -> Option<String>,
) {
    // A short id can be made to order: whoever lets a key in compares all of it.
    let whole = |id: &String| match person(id) {
        Some(person) => format!("{person} (key {})", plain(id)),
        None => format!("key {}", plain(id)),
    };
    let named = |id: &String| match person(id) {
        Some(person) => format!("{person} (key {})", short(id)),
        None => format!("key {}", short(id)),
    };
    for id in new.iter().filter(|id| !old.contains(id)) {
        lines.push(format!("{role}: + {}", whole(id)));
    }
    for id in old.iter().filter(|id| !new.contains(id)) {
        lines.push(format!("{role}: - {}", named(id)));
    }
}

fn targets(old: Option<&Targets>, new: &Targets, who: &Who) -> Vec<String> {
    let mut lines = Vec::new();
    changed(
        &mut lines,
        "expires",
        old.map_or("none".into(), until),
        until(new),
    );
    let none = BTreeMap::new();
    let before = old.map_or(&none, |old| &old.targets);
    for (name, target) in &new.targets {
        let old = before.get(name);
        if old == Some(target) {
            continue;
        }
        if let Some(old) = old {
            lines.push(format!("- {}: {}", plain(name), described(name, old)));
        }
        lines.push(format!("+ {}: {}", plain(name), described(name, target)));
        rest::of_target(&mut lines, name, old, target);
    }
    for (name, target) in before {
        if !new.targets.contains_key(name) {
            lines.push(format!("- {}: {}", plain(name), described(name, target)));
        }
    }
    delegations(&mut lines, old, new, who);
    rest::of_targets(&mut lines, old, new);
    lines
}

/// A target as people know it.
fn described(name: &str, target: &TargetFile) -> String {
    let digest = target.sha256().map_or("no sha256".into(), |d| d.hex());
    let mut text = format!("{} bytes, sha256 {digest}", target.length);
    if let Ok(released) = Released::read(name, target) {
        let (commit, repository) = (plain(&released.commit), &released.repository);
        text.push_str(&format!(", commit {commit}"));
        if let Some(tag) = &released.tag_object {
            text.push_str(&format!(", tag object {}", plain(tag)));
        }
        text.push_str(&format!(", repository {}", plain_type(repository)));
        if let Some(yank) = released.yanked {
            text.push_str(&format!(", yanked ({}): {}", yank.level, yank.reason));
        }
    } else if let Some(custom) = &target.custom {
        text.push_str(&format!(", {custom}"));
    }
    text
}

fn delegations(lines: &mut Vec<String>, old: Option<&Targets>, new: &Targets, who: &Who) {
    let before = old.map_or(&[][..], Targets::roles);
    for role in new.roles() {
        let was = before.iter().find(|r| r.name == role.name);
        let none = Vec::new();
        let ids = was.map_or(&none, |was| &was.keyids);
        let name = format!("delegation {}", plain(&role.name));
        keys(lines, &name, ids, &role.keyids, who);
        let field = format!("{name}: threshold");
        let threshold = was.map_or(0, |was| was.threshold);
        changed(lines, &field, threshold, role.threshold);
    }
    for was in before {
        if !new.roles().iter().any(|role| role.name == was.name) {
            lines.push(format!("- delegation {}", plain(&was.name)));
        }
    }
}

/// The lines of a watch policy, each with the table that it belongs to; without comments and empty ones.
fn watch_lines(text: Option<&str>) -> Vec<String> {
    let mut table = String::new();
    let mut told = Vec::new();
    for line in text.unwrap_or_default().lines().map(str::trim) {
        match line {
            "" => continue,
            line if line.starts_with('#') => continue,
            line if line.starts_with("[[") => table = format!("{line} "),
            line if line.starts_with("name") => table.push_str(&format!("{line} ")),
            _ => {}
        }
        told.push(format!("{table}{line}"));
    }
    told
}

/// What a watch policy loses and gains.
fn watch(lines: &mut Vec<String>, old: Option<&str>, new: Option<&str>) {
    if old == new {
        return;
    }
    let digest = |text: Option<&str>| {
        text.map_or("none".to_owned(), |text| Sha256::of(text.as_bytes()).hex())
    };
    changed(lines, "watch policy", digest(old), digest(new));
    let (was, is) = (watch_lines(old), watch_lines(new));
    for (mark, these, others) in [("-", &was, &is), ("+", &is, &was)] {
        // A line counts as often as it is there.
        let mut left: BTreeMap<&String, usize> = BTreeMap::new();
        for line in others {
            *left.entry(line).or_default() += 1;
        }
        for line in these {
            match left.get_mut(line) {
                Some(count) if *count > 0 => *count -= 1,
                _ => lines.push(format!("{mark} watch: {line}")),
            }
        }
    }
}

fn policy(old: &PolicyDocument, new: &PolicyDocument, who: &Who) -> Vec<String> {
    let mut lines = Vec::new();
    watch(&mut lines, old.watch.as_deref(), new.watch.as_deref());
    changed(&mut lines, "project", &old.project, &new.project);
    changed(&mut lines, "log origin", &old.log.origin, &new.log.origin);
    let (was, is) = (&old.log.vkeys, &new.log.vkeys);
    changed(&mut lines, "log keys", was.join(", "), is.join(", "));
    let (was, is) = (&old.log.witnesses, &new.log.witnesses);
    changed(&mut lines, "witnesses", was, is);
    let age = |document: &PolicyDocument| match document.log.max_cosignature_age_hours {
        Some(hours) => format!("{hours} hours"),
        None => "any".into(),
    };
    changed(
        &mut lines,
        "greatest age of cosignatures",
        age(old),
        age(new),
    );
    for key in &new.keys {
        let name = format!("{} {} (key {})", key.purpose, key.person, short(&key.id));
        match old.keys.iter().find(|k| k.id == key.id) {
            None => lines.push(format!(
                "+ {} {} (key {}), valid from {} until {}",
                key.purpose, key.person, key.id, key.not_before, key.not_after
            )),
            Some(was) if was != key => lines.push(format!(
                "{name}: valid from {} until {} → from {} until {}, {} of {} → {} of {}",
                was.not_before,
                was.not_after,
                key.not_before,
                key.not_after,
                was.purpose,
                was.person,
                key.purpose,
                key.person
            )),
            Some(_) => {}
        }
    }
    for key in &old.keys {
        if !new.keys.iter().any(|k| k.id == key.id) {
            let id = short(&key.id);
            lines.push(format!("- {} {} (key {id})", key.purpose, key.person));
        }
    }
    for environment in &new.environments {
        let name = &environment.name;
        let was = old.environments.iter().find(|e| e.name == *name);
        if was.is_none() {
            lines.push(format!("+ environment {name}"));
        }
        let none = Environment {
            name: name.clone(),
            keys: Vec::new(),
            threshold: 0,
            approvals: Vec::new(),
            rebuilders: 0,
            soak_hours: 0,
            notice_hours: 0,
            minimum: None,
            halt: None,
            overriders: None,
        };
        self::environment(&mut lines, was.unwrap_or(&none), environment, who);
    }
    for environment in &old.environments {
        if !new.environments.iter().any(|e| e.name == environment.name) {
            lines.push(format!("- environment {}", environment.name));
        }
    }
    let order = |policy: &PolicyDocument| {
        let names = policy.environments.iter().map(|e| e.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let field = "order of environments";
    changed(&mut lines, field, order(old), order(new));
    let (was, is) = (&old.cut, &new.cut);
    let field = "approvals before a cut";
    changed(
        &mut lines,
        field,
        words(&was.approvals),
        words(&is.approvals),
    );
    let field = "gates before a cut";
    changed(&mut lines, field, words(&was.gates), words(&is.gates));
    let field = "rebuilders before a cut";
    changed(&mut lines, field, was.rebuilders, is.rebuilders);
    let field = "asked of a tag";
    changed(&mut lines, field, was.tag.to_string(), is.tag.to_string());
    lines
}

fn words(rules: &[impl ToString]) -> String {
    let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
    match rules.is_empty() {
        true => "none".to_owned(),
        false => rules.join(", "),
    }
}

fn environment(lines: &mut Vec<String>, old: &Environment, new: &Environment, who: &Who) {
    let name = &new.name;
    let field = |what: &str| format!("{name}: {what}");
    keys(lines, name, &old.keys, &new.keys, who);
    changed(lines, &field("threshold"), old.threshold, new.threshold);
    changed(lines, &field("soak hours"), old.soak_hours, new.soak_hours);
    let (was, is) = (old.notice_hours, new.notice_hours);
    changed(lines, &field("notice hours"), was, is);
    let oldest = |e: &Environment| e.minimum.clone().unwrap_or_else(|| "none".into());
    changed(lines, &field("security floor"), oldest(old), oldest(new));
    let (was, is) = (words(&old.approvals), words(&new.approvals));
    changed(lines, &field("approvals"), was, is);
    let (was, is) = (old.rebuilders, new.rebuilders);
    changed(lines, &field("rebuilders"), was, is);
    for (what, was, is) in [
        ("halt", &old.halt, &new.halt),
        ("override", &old.overriders, &new.overriders),
    ] {
        group(lines, &field(what), was.as_ref(), is.as_ref(), who);
    }
}

fn group(
    lines: &mut Vec<String>,
    field: &str,
    old: Option<&KeyGroup>,
    new: Option<&KeyGroup>,
    who: &Who,
) {
    let none = KeyGroup {
        keys: Vec::new(),
        threshold: 0,
    };
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    keys(lines, field, &old.keys, &new.keys, who);
    let field = format!("{field}: threshold");
    changed(lines, &field, old.threshold, new.threshold);
}
