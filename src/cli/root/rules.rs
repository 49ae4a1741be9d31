//! The rules of `root set`, as they are typed.

use super::super::args::root::SetArgs;
use crate::release::ceremony::{Change, Wants};
use crate::release::tag::Tag;
use crate::trust::policy::{ApprovalRule, GateRule, TagRule};
use crate::{Error, Result};

/// What stands for the rules that every release needs.
const CUT: &str = "cut";
/// What stands for the guide's list of what people vouch for before mainnet.
const CHECKLIST: &str = "checklist";
/// The deployment guide's pre-mainnet checklist, as far as no gate or soak shows it: each is attested
/// by a person, with a link or a file.
const GUIDE: [&str; 8] = [
    "external-audit:evidence",
    "audit-findings-fixed:evidence",
    "penetration-test:evidence",
    "no-critical-issues",
    "runbook-tested",
    "monitoring-configured",
    "backups-tested",
    "on-call-assigned",
];

/// The change that the arguments ask for.
///
/// # Errors
/// Usage: a rule that is none; rules of a cut for an environment.
pub fn change(args: &SetArgs) -> Result<Change> {
    let wants = Wants {
        approvals: args.approvals.as_deref().map(approvals).transpose()?,
        rebuilders: args.rebuilders,
        gates: args
            .gates
            .as_deref()
            .map(|list| parts(list).map(GateRule::parse).collect::<Result<_>>())
            .transpose()?,
        tag: args.tag.as_deref().map(tag).transpose()?,
    };
    if args.environment != CUT {
        return Ok(Change::Environment {
            name: args.environment.clone(),
            soak_hours: args.soak_hours,
            notice_hours: args.notice_hours,
            minimum: args.minimum.as_deref().map(minimum).transpose()?,
            wants,
        });
    }
    let only_there = args.soak_hours.or(args.notice_hours).is_some() || args.minimum.is_some();
    match only_there {
        true => Err(Error::usage(
            "soak, notice and minimum belong to an environment, not to a cut",
        )
        .hint("relman root set ENVIRONMENT --soak-hours H")),
        false => Ok(Change::Cut(wants)),
    }
}

/// A tag, or nothing for `none`.
fn minimum(text: &str) -> Result<String> {
    match text {
        "none" => Ok(String::new()),
        tag => Tag::parse_any(tag).map(|tag| tag.to_string()),
    }
}

/// Parts between commas; `none` for none.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let parts = list.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty() && *part != "none")
}

fn approvals(list: &str) -> Result<Vec<ApprovalRule>> {
    let mut rules = Vec::new();
    for part in parts(list) {
        match part {
            CHECKLIST => {
                let guide = GUIDE.into_iter().map(ApprovalRule::parse);
                rules.extend(guide.collect::<Result<Vec<_>>>()?);
            }
            part => rules.push(ApprovalRule::parse(part)?),
        }
    }
    Ok(rules)
}

fn tag(list: &str) -> Result<TagRule> {
    let mut rule = TagRule::default();
    for part in parts(list) {
        match (part, part.split_once('=')) {
            ("signed", _) => rule.signed = true,
            ("descends", _) => rule.descends = true,
            (_, Some(("branch", pattern))) if !pattern.is_empty() => {
                rule.branches.push(pattern.to_owned());
            }
            _ => {
                return Err(Error::usage(format!("tag rule {part:?}"))
                    .hint("signed, descends, branch=PATTERN, such as signed,branch=release/*"));
            }
        }
    }
    Ok(rule)
}
