//! Policy's gates against signed results: what is missing still. The same for whoever cuts and for every
//! node. Pure.

use jiff::{SignedDuration, Timestamp};

use super::statement::{GateResult, read};
use crate::attest::Envelope;
use crate::attest::dsse::short;
use crate::limits::{MAX_ATTESTATION_SKEW_SECONDS, MAX_GATE_PROBLEM_LEN};
use crate::release::leaf::AttestationKind;
use crate::release::policy::ReleasePolicy;
use crate::release::text::{cut, plain_line};
use crate::trust::policy::{GateRule, Purpose};

/// The results among `envelopes`, each with whether a key that counts for gates signed it, at the time
/// that it gives; one that is dated later than `now` does not count. Whatever is no gate's result is
/// passed over, and so is a result that is malformed.
pub fn verified(
    policy: &ReleasePolicy,
    envelopes: &[Envelope],
    now: Timestamp,
) -> Vec<(GateResult, bool)> {
    let latest = now.checked_add(SignedDuration::from_secs(MAX_ATTESTATION_SKEW_SECONDS));
    let mut out = Vec::new();
    for envelope in envelopes {
        let Ok(claimed) = envelope.unverified_statement() else {
            continue;
        };
        if AttestationKind::of(&claimed) != Some(AttestationKind::Gate) {
            continue;
        }
        let Ok(result) = read(&claimed) else { continue };
        let accepted = policy.accepted(&Purpose::Gate, result.time);
        let signed = envelope.verify(&accepted).is_ok();
        let seen = latest.as_ref().is_ok_and(|latest| result.time <= *latest);
        out.push((result, signed && seen));
    }
    out
}

/// Every rule that is not met by the newest verified result of its gate for this tag and commit, as a
/// sentence. A failure counts before a success of the same second.
pub fn unmet(
    rules: &[GateRule],
    results: &[(GateResult, bool)],
    tag: &str,
    commit: &str,
) -> Vec<String> {
    let mut out = Vec::new();
    for rule in rules {
        let of_gate = |(result, _): &&(GateResult, bool)| result.gate == rule.name;
        let all: Vec<_> = results.iter().filter(of_gate).collect();
        let here = all
            .iter()
            .filter(|(result, _)| result.tag == tag && result.commit == commit);
        let newest = here
            .filter(|(_, verified)| *verified)
            .map(|(result, _)| result)
            .max_by_key(|result| (result.time, !result.has_passed()));
        match newest {
            Some(result) => out.extend(against(rule, result)),
            None => out.push(missing(rule, &all, commit)),
        }
    }
    out
}

/// Why there is no result that counts.
fn missing(rule: &GateRule, all: &[&(GateResult, bool)], commit: &str) -> String {
    let gate = &rule.name;
    let elsewhere = all.iter().find(|(_, verified)| *verified);
    match (elsewhere, all.is_empty()) {
        (Some((other, _)), _) if other.commit != commit => format!(
            "gate {gate} is missing: there is a result for commit {}, wanted {}",
            short(&other.commit),
            short(commit)
        ),
        (Some((other, _)), _) => format!(
            "gate {gate} is missing: there is a result for tag {}",
            plain_line(&other.tag)
        ),
        (None, false) => format!("gate {gate} is missing: its result is not signed by a gate key"),
        (None, true) => format!("gate {gate} is missing"),
    }
}

/// What a rule has against a verified result.
fn against(rule: &GateRule, result: &GateResult) -> Vec<String> {
    let gate = &rule.name;
    let mut out = Vec::new();
    if let Some(problem) = result.problems.first() {
        let problem = cut(&plain_line(problem), MAX_GATE_PROBLEM_LEN);
        out.push(format!("gate {gate} failed at {}: {problem}", result.time));
    }
    if let Some(wanted) = rule.min_tests {
        match result.counts {
            Some(counts) if counts.passed >= wanted => {}
            Some(counts) => out.push(format!(
                "gate {gate} has {} tests that passed, wanted {wanted}",
                counts.passed
            )),
            None => out.push(format!("gate {gate} counted no tests, wanted {wanted}")),
        }
    }
    if let Some(wanted) = rule.min_coverage {
        let reached = |hit: u64, found: u64| {
            // Both are at most 2^53.
            found > 0 && u128::from(hit) * 100 >= u128::from(wanted) * u128::from(found)
        };
        match result.coverage {
            Some(c) if reached(c.lines_hit, c.lines_found) => {}
            Some(c) => out.push(format!(
                "gate {gate} has a coverage of {c}, wanted {wanted} %"
            )),
            None => out.push(format!(
                "gate {gate} measured no coverage, wanted {wanted} %"
            )),
        }
    }
    if !rule.command.is_empty() && rule.command != result.command {
        let said = |words: &[String]| cut(&plain_line(&words.join(" ")), MAX_GATE_PROBLEM_LEN);
        out.push(format!(
            "gate {gate} ran `{}`, wanted `{}`",
            said(&result.command),
            said(&rule.command)
        ));
    }
    out
}
