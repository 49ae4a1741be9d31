//! Stories about gates: what runners really print (`recorded/`, made with cargo 1.95, cargo-nextest 0.9.143,
//! pytest 9 and coverage.py 7.17), and what somebody might make them print.

mod cargo_test;
mod coverage;
mod judge;
mod junit;
mod libtest_json;
mod statement;
mod unmet;

use jiff::Timestamp;

use super::statement::{GateResult, LineCoverage, Materials, TestCounts};
use super::tally::Tally;
use crate::hash::Sha256;
use crate::release::source::Toolchain;

const TAG: &str = "phase1-x-1.0.0";

/// Passed, failed, ignored.
fn numbers(tally: &Tally) -> [u64; 3] {
    let counts = tally.counts;
    [counts.passed, counts.failed, counts.ignored]
}

fn commit() -> String {
    "ab".repeat(20)
}

fn time(second: u64) -> Timestamp {
    format!("2026-02-03T04:05:{second:02}Z").parse().unwrap()
}

/// A gate that has passed.
fn passed() -> GateResult {
    GateResult {
        tag: TAG.into(),
        commit: commit(),
        gate: "test".into(),
        command: vec!["cargo".into(), "test".into()],
        exit_status: Some(0),
        ended: None,
        counts: Some(TestCounts {
            passed: 60,
            failed: 0,
            ignored: 1,
        }),
        coverage: Some(LineCoverage {
            lines_found: 400,
            lines_hit: 365,
        }),
        number: super::Decimal::parse("1200.5"),
        duration_ms: 61_234,
        log: Sha256::of(b"log"),
        toolchain: Toolchain {
            cargo: "cargo 1.95.0".into(),
            rustc: "rustc 1.95.0".into(),
            host: "x86_64-unknown-linux-gnu".into(),
        },
        materials: Materials {
            config: Some(Sha256::of(b"relman.toml")),
            lockfile: Some(Sha256::of(b"Cargo.lock")),
        },
        problems: Vec::new(),
        passed_tests: vec!["tests::adds".into()],
        failed_tests: Vec::new(),
        time: time(6),
    }
}

/// The same gate, failed.
fn failed() -> GateResult {
    GateResult {
        exit_status: Some(101),
        problems: vec!["exited with 101, wanted 0".into()],
        ..passed()
    }
}
