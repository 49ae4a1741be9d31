//! The rules of a policy over what attestations are worth: who is missing still. Counts distinct people
//! whose signature verified, never signatures or keys. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::row::{About, Row, Said, Standing};
use crate::release::gate::{self, GateResult};
use crate::release::leaf::AttestationKind;
use crate::release::policy::ReleasePolicy;
use crate::release::tag_rule::Author;
use crate::trust::policy::{ApprovalRule, Environment, GateRule, Purpose};

/// What a policy wants in one place: before a cut, or in an environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Gates that must have passed.
    pub gates: &'a [GateRule],
    /// Approvals.
    pub approvals: &'a [ApprovalRule],
    /// How many independent rebuilders must agree.
    pub rebuilders: u64,
}

/// A rule that is not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The rule: `approval code-review`, `gate test`, `rebuilders`.
    pub rule: String,
    /// How many people have met it.
    pub have: usize,
    /// How many must.
    pub wanted: u64,
    /// What is missing, in words.
    pub message: String,
    /// Who could give one more.
    pub missing: Vec<String>,
}

impl<'a> Wanted<'a> {
    /// What an environment wants besides.
    pub fn of_environment(environment: &'a Environment) -> Self {
        Wanted {
            gates: &[],
            approvals: &environment.approvals,
            rebuilders: environment.rebuilders,
        }
    }

    /// Whether nothing is wanted.
    pub fn is_nothing(&self) -> bool {
        self.gates.is_empty() && self.approvals.is_empty() && self.rebuilders == 0
    }
}

/// Every rule that `rows` do not meet.
pub fn unmet(wanted: &Wanted, policy: &ReleasePolicy, about: &About, rows: &[Row]) -> Vec<Unmet> {
    let mut out = Vec::new();
    for rule in wanted.gates {
        out.extend(gate_rule(rule, policy, about, rows));
    }
    for rule in wanted.approvals {
        out.extend(approval(rule, policy, about, rows));
    }
    out.extend(rebuilders(wanted.rebuilders, policy, about, rows));
    out
}

/// The newest verified result of a gate has passed, and has the numbers that policy wants.
fn gate_rule(
    rule: &GateRule,
    policy: &ReleasePolicy,
    about: &About,
    rows: &[Row],
) -> Option<Unmet> {
    let verified = rows.iter().filter_map(|row| match &row.said {
        Said::Gate(result) => Some((GateResult::clone(result), true)),
        _ => None,
    });
    let results: Vec<_> = verified.collect();
    let rules = std::slice::from_ref(rule);
    let problems = gate::unmet(rules, &results, about.tag, about.commit);
    (!problems.is_empty()).then(|| Unmet {
        rule: format!("gate {}", rule.name),
        have: 0,
        wanted: 1,
        message: problems.join("; "),
        missing: holders(policy, &Purpose::Gate, about),
    })
}

/// People who built the same archive again, and did not build the first one.
fn rebuilders(wanted: u64, policy: &ReleasePolicy, about: &About, rows: &[Row]) -> Option<Unmet> {
    let independent = |person: &&str| !about.builders.iter().any(|builder| builder == person);
    let people: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.kind == AttestationKind::Rebuild && row.standing == Standing::Ok)
        .filter_map(|row| row.person.as_deref())
        .filter(independent)
        .collect();
    if people.len() as u64 >= wanted {
        return None;
    }
    let holders = holders(policy, &Purpose::Rebuilder, about);
    let missing = holders
        .into_iter()
        .filter(|person| independent(&person.as_str()) && !people.contains(person.as_str()));
    Some(Unmet {
        rule: "rebuilders".into(),
        have: people.len(),
        wanted,
        message: format!(
            "{} of {wanted} independent rebuilders got the same bytes{}",
            people.len(),
            match people.is_empty() {
                true => String::new(),
                false => format!(
                    " ({})",
                    people.iter().copied().collect::<Vec<_>>().join(", ")
                ),
            }
        ),
        missing: missing.collect(),
    })
}

/// The people who approved in the role of `rule`, and why others do not count.
fn approval(
    rule: &ApprovalRule,
    policy: &ReleasePolicy,
    about: &About,
    rows: &[Row],
) -> Option<Unmet> {
    let mut people: BTreeSet<&str> = BTreeSet::new();
    let mut why: BTreeSet<String> = BTreeSet::new();
    for row in rows
        .iter()
        .filter(|row| row.kind == AttestationKind::Approval && row.what == rule.role)
    {
        let who = row.person.as_deref().unwrap_or("somebody unknown");
        match (row.standing, not_counted(rule, about, who, row)) {
            (Standing::Ok, None) => {
                people.insert(who);
            }
            (Standing::Ok, Some(reason)) => {
                why.insert(reason);
            }
            (standing, _) => {
                why.insert(format!("{who}: {}", standing.words()));
            }
        }
    }
    if people.len() as u64 >= rule.people {
        return None;
    }
    if let (true, Author::Unknown(reason)) = (rule.not_author, &about.author) {
        why.insert(format!(
            "nobody counts who may be the tag's author, and who that is cannot be told: {reason}"
        ));
    }
    let names: Vec<&str> = people.iter().copied().collect();
    let mut message = format!(
        "approval {} has {} of {} people{}",
        rule.role,
        names.len(),
        rule.people,
        match names.is_empty() {
            true => String::new(),
            false => format!(" ({})", names.join(", ")),
        }
    );
    if !why.is_empty() {
        let why: Vec<String> = why.into_iter().collect();
        message.push_str(&format!("; {}", why.join("; ")));
    }
    let may = |person: &str| rule.from.is_empty() || rule.from.iter().any(|name| name == person);
    let author = about.author.person().filter(|_| rule.not_author);
    let holders = holders(policy, &Purpose::Approver, about);
    let missing = holders.into_iter().filter(|person| {
        may(person) && !people.contains(person.as_str()) && author != Some(person.as_str())
    });
    Some(Unmet {
        rule: format!("approval {}", rule.role),
        have: names.len(),
        wanted: rule.people,
        message,
        missing: missing.collect(),
    })
}

/// Why an approval that verified does not count for a rule.
fn not_counted(rule: &ApprovalRule, about: &About, who: &str, row: &Row) -> Option<String> {
    if !rule.from.is_empty() && !rule.from.iter().any(|name| name == who) {
        return Some(format!("{who} is none of those who may give it"));
    }
    if rule.not_author {
        match about.author.person() {
            Some(author) if author == who => return Some(format!("{who} is the tag's author")),
            Some(_) => {}
            None => return Some(format!("{who} may be the tag's author")),
        }
    }
    match &row.said {
        Said::Approval(approval) if rule.evidence && approval.evidence.is_empty() => {
            Some(format!("{who} names no evidence"))
        }
        _ => None,
    }
}

/// Everybody whose key counts for `purpose` now.
fn holders(policy: &ReleasePolicy, purpose: &Purpose, about: &About) -> Vec<String> {
    let keys = policy.policy().keys_for(purpose, about.now);
    let people: BTreeSet<&str> = keys.map(|key| key.entry.person.as_str()).collect();
    people.into_iter().map(str::to_owned).collect()
}
