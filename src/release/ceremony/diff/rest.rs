//! What no line of a review has said yet: every member that differs, whether anybody knows it or not. Pure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::release::publish::PEOPLE_MEMBER;
use crate::release::state::Released;
use crate::trust::schema::TargetFile;
use crate::trust::{Root, Targets};

/// What differs between two roots besides version, expiry, and the keys and thresholds of roles.
pub fn of_root(lines: &mut Vec<String>, old: &Root, new: &Root) {
    let listed = |root: &Root| -> BTreeSet<String> {
        let roles = root.roles.values();
        roles.flat_map(|role| role.keyids.clone()).collect()
    };
    let (was, is) = (listed(old), listed(new));
    let value = |root: &Root, listed: &BTreeSet<String>| {
        let mut value = json(root);
        without(&mut value, &["version", "expires"]);
        for role in members(&mut value, "roles")
            .into_iter()
            .flat_map(|m| m.values_mut())
        {
            without(role, &["keyids", "threshold"]);
        }
        if let Some(keys) = members(&mut value, "keys") {
            keys.retain(|id, _| {
                let own = root.keys.get(id).and_then(|key| key.id().ok());
                !listed.contains(id) || own.as_ref() != Some(id)
            });
        }
        // Holders of keys that come or go are named with these.
        if let Some(people) = members(&mut value, PEOPLE_MEMBER) {
            people.retain(|id, _| was.contains(id) == is.contains(id));
        }
        value
    };
    differences(lines, "", Some(&value(old, &was)), Some(&value(new, &is)));
}

/// Likewise of targets, where all but a target's size and SHA-256 is said of each target by itself.
pub fn of_targets(lines: &mut Vec<String>, old: Option<&Targets>, new: &Targets) {
    let value = |targets: &Targets| {
        let mut value = json(targets);
        without(&mut value, &["version", "expires", "targets"]);
        let Some(delegations) = members(&mut value, "delegations") else {
            return value;
        };
        let listed: BTreeSet<&String> = targets.roles().iter().flat_map(|r| &r.keyids).collect();
        if let Some(keys) = delegations.get_mut("keys").and_then(Value::as_object_mut) {
            let known = targets.delegations.as_ref().map(|d| &d.keys);
            keys.retain(|id, _| {
                let own = known.and_then(|keys| keys.get(id)?.id().ok());
                !listed.contains(id) || own.as_ref() != Some(id)
            });
        }
        let roles = targets.roles().iter().map(|role| {
            let mut value = json(role);
            without(&mut value, &["name", "keyids", "threshold"]);
            (role.name.clone(), value)
        });
        let roles = Value::Object(roles.collect());
        delegations.insert("roles".into(), roles);
        value
    };
    let none = Targets::new(1, new.expires);
    let (old, new) = (value(old.unwrap_or(&none)), value(new));
    differences(lines, "", Some(&old), Some(&new));
}

/// Likewise of one target.
pub fn of_target(lines: &mut Vec<String>, name: &str, old: Option<&TargetFile>, new: &TargetFile) {
    let value = |target: &TargetFile| {
        let mut value = json(target);
        without(&mut value, &["length"]);
        if let Some(hashes) = members(&mut value, "hashes") {
            hashes.remove("sha256");
        }
        match Released::read(name, target) {
            Ok(_) => {
                let relman = value.pointer_mut("/custom/relman");
                let said = ["tag", "commit", "repository", "tagObject", "yank"];
                relman.into_iter().for_each(|relman| without(relman, &said));
            }
            Err(_) => without(&mut value, &["custom"]),
        }
        value
    };
    let nothing = serde_json::json!({"hashes": {}, "custom": {"relman": {}}});
    let old = old.map_or(nothing, value);
    let mut found = Vec::new();
    differences(&mut found, "", Some(&old), Some(&value(new)));
    lines.extend(found.into_iter().map(|line| format!("    {line}")));
}

/// A name as it is, or in quotes where it could be taken for something else.
pub fn plain(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+/*".contains(c);
    match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    }
}

fn differences(lines: &mut Vec<String>, at: &str, old: Option<&Value>, new: Option<&Value>) {
    if let (Some(Value::Object(was)), Some(Value::Object(is))) = (old, new) {
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for name in names {
            let at = match at {
                "" => plain(name),
                at => format!("{at}.{}", plain(name)),
            };
            differences(lines, &at, was.get(name), is.get(name));
        }
    } else if old != new {
        let shown = |value: Option<&Value>| value.map_or("none".into(), Value::to_string);
        lines.push(format!("{at}: {} → {}", shown(old), shown(new)));
    }
}

fn json(role: &impl Serialize) -> Value {
    // What was parsed has a JSON form.
    serde_json::to_value(role).unwrap_or_default()
}

fn members<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(name)?.as_object_mut()
}

fn without(value: &mut Value, names: &[&str]) {
    if let Some(members) = value.as_object_mut() {
        for name in names {
            members.remove(*name);
        }
    }
}
