//! The signed result of one gate: in-toto's test-result v0.1 (in-toto/attestation,
//! spec/predicates/test-result.md) with one member more, `relman`. Pure.

use std::collections::BTreeMap;
use std::fmt;

use base64ct::{Base64, Encoding};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decimal::Decimal;
use crate::attest::{Statement, Subject};
use crate::hash::Sha256;
use crate::limits::{
    MAX_GATE_PROBLEM_LEN, MAX_JSON_INTEGER, MAX_RESULT_NAMES_LEN, MAX_RESULT_PROBLEMS_LEN,
    MAX_TOOL_VERSION_LEN,
};
use crate::release::config;
use crate::release::leaf::TEST_RESULT;
use crate::release::lockfile;
use crate::release::source::Toolchain;
use crate::release::tag::Tag;
use crate::release::text::{cut, plain_line};
use crate::trust::policy::is_rule_name;
use crate::trust::time;
use crate::{Error, Result};

const PASSED: &str = "PASSED";
const FAILED: &str = "FAILED";

/// What came of one gate, run once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateResult {
    /// The tag.
    pub tag: String,
    /// Hex id of its commit.
    pub commit: String,
    /// The gate's name.
    pub gate: String,
    /// Program and arguments; empty for a gate that only looks at files.
    pub command: Vec<String>,
    /// How the command exited; none where it did not.
    pub exit_status: Option<i64>,
    /// Why it did not exit; none where it did.
    pub ended: Option<String>,
    /// Tests, where they were counted.
    pub counts: Option<TestCounts>,
    /// Lines of the critical paths, where they were counted.
    pub coverage: Option<LineCoverage>,
    /// The number that was asked for.
    pub number: Option<Decimal>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Digest of the log.
    pub log: Sha256,
    /// The compiler.
    pub toolchain: Toolchain,
    /// What it was run with.
    pub materials: Materials,
    /// Why it has not passed; none where it has.
    pub problems: Vec<String>,
    /// Names of tests that passed; may be fewer than were counted.
    pub passed_tests: Vec<String>,
    /// Names of tests that failed; may be fewer than were counted.
    pub failed_tests: Vec<String>,
    /// When it ended, by the clock of whoever ran it.
    pub time: Timestamp,
}

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub ignored: u64,
}

/// Numbers of source lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LineCoverage {
    /// Lines with code.
    pub lines_found: u64,
    /// Those of them that were run.
    pub lines_hit: u64,
}

/// `91.25 % (365 of 400)`, rounded down.
impl fmt::Display for LineCoverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hit, found) = (self.lines_hit, self.lines_found);
        let hundredths = (u128::from(hit) * 10_000).checked_div(u128::from(found));
        let hundredths = hundredths.unwrap_or(0);
        let (whole, part) = (hundredths / 100, hundredths % 100);
        write!(f, "{whole}.{part:02} % ({hit} of {found})")
    }
}

/// Files of the tag that decided what was run, by digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Materials {
    /// `relman.toml`; none where the tag has none.
    pub config: Option<Sha256>,
    /// `Cargo.lock`; none where the tag has none.
    pub lockfile: Option<Sha256>,
}

/// The predicate. A member that the standard may get later is passed over, as its parsing rules want.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    result: String,
    configuration: Vec<Resource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passed_tests: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_tests: Option<Vec<String>>,
    relman: Relman,
}

/// A ResourceDescriptor, as far as it is used here.
#[derive(Serialize, Deserialize)]
struct Resource {
    #[serde(default)]
    name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<String, String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// What relman says besides; nothing in it is passed over.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Relman {
    tag: String,
    gate: String,
    command: Vec<String>,
    exit_status: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    counts: Option<TestCounts>,
    coverage: Option<LineCoverage>,
    number: Option<String>,
    duration_ms: u64,
    log: Sha256,
    toolchain: Tools,
    problems: Vec<String>,
    #[serde(with = "crate::trust::time")]
    time: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tools {
    cargo: String,
    rustc: String,
    host: String,
}

impl GateResult {
    /// Whether the gate has passed.
    pub fn has_passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is wrong with it in itself.
    fn contradictions(&self) -> Vec<String> {
        let mut out = Vec::new();
        if Tag::parse_any(&self.tag).is_err() {
            out.push(format!(
                "tag {:?} is none",
                cut(&self.tag, MAX_GATE_PROBLEM_LEN)
            ));
        }
        if Subject::of_commit("", &self.commit).git_commit().is_none() {
            out.push("the commit is no git object id".into());
        }
        if !is_rule_name(&self.gate) {
            out.push(format!(
                "gate {:?} is no name",
                cut(&self.gate, MAX_GATE_PROBLEM_LEN)
            ));
        }
        if self.exit_status.is_some() == self.ended.is_some() {
            out.push("wanted either `exitStatus` or `ended`".into());
        }
        let counts = self.counts.unwrap_or_default();
        let coverage = self.coverage.unwrap_or_default();
        let numbers = [
            counts.passed,
            counts.failed,
            counts.ignored,
            coverage.lines_found,
            self.duration_ms,
        ];
        if numbers.iter().any(|n| *n > MAX_JSON_INTEGER) {
            out.push("a number is greater than 2^53 - 1".into());
        }
        if coverage.lines_hit > coverage.lines_found {
            out.push("more lines were run than there are".into());
        }
        if !self.has_passed() {
            return out;
        }
        match self.exit_status {
            Some(0) => {}
            None if self.command.is_empty() => {}
            Some(status) => out.push(format!("{PASSED} with exit status {status}")),
            None => out.push(format!("{PASSED} and never exited")),
        }
        if counts.failed > 0 || !self.failed_tests.is_empty() {
            out.push(format!("{PASSED} with tests that failed"));
        }
        out
    }
}

/// The statement about a result. Problems and names that do not fit into a log entry are left out.
///
/// # Errors
/// A bug: a result that contradicts itself.
pub fn statement(result: &GateResult) -> Result<Statement> {
    if let Some(problem) = result.contradictions().into_iter().next() {
        return Err(Error::bug(format!("a gate's result: {problem}")));
    }
    let mut room = MAX_RESULT_NAMES_LEN;
    let failed = fitting(&result.failed_tests, &mut room);
    let passed = fitting(&result.passed_tests, &mut room);
    let tool = |version: &str| cut(&plain_line(version), MAX_TOOL_VERSION_LEN);
    let toolchain = Tools {
        cargo: tool(&result.toolchain.cargo),
        rustc: tool(&result.toolchain.rustc),
        host: tool(&result.toolchain.host),
    };
    let word = if result.has_passed() { PASSED } else { FAILED };
    let predicate = Predicate {
        result: word.into(),
        configuration: configuration(&result.materials, &toolchain),
        passed_tests: passed,
        failed_tests: failed,
        relman: Relman {
            tag: result.tag.clone(),
            gate: result.gate.clone(),
            command: result.command.clone(),
            exit_status: result.exit_status,
            ended: result.ended.clone(),
            counts: result.counts,
            coverage: result.coverage,
            number: result.number.map(|number| number.to_string()),
            duration_ms: result.duration_ms,
            log: result.log,
            toolchain,
            problems: shortened(&result.problems),
            time: result.time,
        },
    };
    let predicate = serde_json::to_value(predicate)
        .map_err(|e| Error::bug("a gate's result has no JSON").caused_by(e))?;
    let subject = Subject::of_commit(&result.tag, &result.commit);
    Ok(Statement::new(vec![subject], TEST_RESULT, predicate))
}

fn configuration(materials: &Materials, tools: &Tools) -> Vec<Resource> {
    let files = [
        (config::FILE_NAME, materials.config),
        (lockfile::FILE_NAME, materials.lockfile),
    ];
    let files = files.into_iter().filter_map(|(name, digest)| {
        Some(Resource {
            name: name.into(),
            digest: BTreeMap::from([("sha256".into(), digest?.hex())]),
            content: None,
        })
    });
    // A descriptor needs an address, a digest or contents; of a compiler we know what it says it is.
    let tools = [
        ("cargo", &tools.cargo),
        ("rustc", &tools.rustc),
        ("host", &tools.host),
    ];
    let tools = tools.into_iter().filter(|(_, version)| !version.is_empty());
    let tools = tools.map(|(name, version)| Resource {
        name: name.into(),
        digest: BTreeMap::new(),
        content: Some(Base64::encode_string(version.as_bytes())),
    });
    files.chain(tools).collect()
}

/// The names, if all of them fit.
fn fitting(names: &[String], room: &mut usize) -> Option<Vec<String>> {
    let size: usize = names.iter().map(|name| json_len(name)).sum();
    if size > *room {
        return None;
    }
    *room -= size;
    Some(names.to_vec())
}

/// As many problems as fit, and how many there are besides.
fn shortened(problems: &[String]) -> Vec<String> {
    let mut room = MAX_RESULT_PROBLEMS_LEN;
    let mut out = Vec::new();
    for (at, problem) in problems.iter().enumerate() {
        let problem = cut(&plain_line(problem), MAX_GATE_PROBLEM_LEN);
        let size = json_len(&problem);
        if size > room {
            out.push(format!("{} more problems", problems.len() - at));
            break;
        }
        room -= size;
        out.push(problem);
    }
    out
}

/// Bytes of a string in a list of JSON.
fn json_len(text: &str) -> usize {
    Value::from(text).to_string().len() + 1
}

/// Reads a statement whose signature was verified.
///
/// # Errors
/// Refused, with every problem as a cause: another predicate type, a malformed one, unknown members in
/// `relman`, another subject than the tag's one commit, a result that contradicts itself.
pub fn read(statement: &Statement) -> Result<GateResult> {
    if statement.predicate_type != TEST_RESULT {
        return Err(Error::refused(format!(
            "predicate type {:?}, wanted {TEST_RESULT:?}",
            statement.predicate_type
        )));
    }
    let predicate: Predicate = serde_json::from_value(Value::clone(&statement.predicate))
        .map_err(|e| Error::refused("a gate's result is malformed").caused_by(e))?;
    let mut problems = Vec::new();
    let said = predicate.relman;
    let commit = match statement.subject.as_slice() {
        [subject] if subject.name == said.tag => subject.git_commit().unwrap_or_default(),
        _ => {
            problems.push(format!(
                "wanted one subject, the commit of {:?}",
                cut(&said.tag, MAX_GATE_PROBLEM_LEN)
            ));
            ""
        }
    };
    let wanted = if said.problems.is_empty() {
        PASSED
    } else {
        FAILED
    };
    if predicate.result != wanted {
        problems.push(format!(
            "result {:?} with {} problems",
            cut(&predicate.result, MAX_GATE_PROBLEM_LEN),
            said.problems.len()
        ));
    }
    let number = said.number.as_deref().map(Decimal::parse);
    if number == Some(None) {
        problems.push("`number` is none".into());
    }
    let digest_of = |name: &str| {
        let found = predicate.configuration.iter().find(|r| r.name == name)?;
        Sha256::from_hex(found.digest.get("sha256")?)
    };
    let result = GateResult {
        commit: commit.to_owned(),
        tag: said.tag,
        gate: said.gate,
        command: said.command,
        exit_status: said.exit_status,
        ended: said.ended,
        counts: said.counts,
        coverage: said.coverage,
        number: number.flatten(),
        duration_ms: said.duration_ms,
        log: said.log,
        toolchain: Toolchain {
            cargo: said.toolchain.cargo,
            rustc: said.toolchain.rustc,
            host: said.toolchain.host,
        },
        materials: Materials {
            config: digest_of(config::FILE_NAME),
            lockfile: digest_of(lockfile::FILE_NAME),
        },
        problems: said.problems,
        passed_tests: predicate.passed_tests.unwrap_or_default(),
        failed_tests: predicate.failed_tests.unwrap_or_default(),
        time: said.time,
    };
    problems.extend(result.contradictions());
    if problems.is_empty() {
        return Ok(result);
    }
    let refused = Error::refused(format!(
        "a gate's result of {} contradicts itself",
        time::format(result.time)
    ));
    Err(problems.into_iter().fold(refused, Error::caused_by))
}
