//! Bench `release`: the SHA-256 backends, to back the choice in `src/hash.rs` with a figure.

use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::Digest;

use crate::children::HASH;
use crate::harness::{CHILD, Outcome};
use crate::pairs::{Run, Table, interleaved};

const LEN: usize = 256 << 20;
/// Clears the SHA bit of CPUID leaf 7 (EBX, bit 29) for aws-lc, which then takes its AVX2 or
/// SSSE3 code, as on a processor without it.
const WITHOUT_SHA_NI: &str = ":~0x20000000";

/// Measures. `sha2` reads CPUID itself and cannot be told; docs/benchmarks.md says how to build it
/// without.
pub fn run(table: &mut Table) -> Outcome<()> {
    table.push(interleaved(
        "sha256 of 256 MiB: A relman, B sha2",
        || aws_lc(None),
        || Ok(sha2()),
    )?);
    table.push(interleaved(
        "the same, A without SHA-NI, B with",
        || aws_lc(Some(WITHOUT_SHA_NI)),
        || aws_lc(None),
    )?);
    Ok(())
}

fn aws_lc(cpu: Option<&str>) -> Outcome<Run> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args([CHILD, HASH]).arg(LEN.to_string());
    match cpu {
        Some(mask) => child.env("OPENSSL_ia32cap", mask),
        None => child.env_remove("OPENSSL_ia32cap"),
    };
    let output = child.stderr(Stdio::inherit()).output()?;
    Ok(Run {
        ms: String::from_utf8(output.stdout)?.trim().parse()?,
        ..Run::default()
    })
}

fn sha2() -> Run {
    let piece = vec![0x5a; 256 * 1024];
    let began = Instant::now();
    let mut hasher = sha2::Sha256::new();
    for _ in 0..LEN / piece.len() {
        hasher.update(&piece);
    }
    std::hint::black_box(hasher.finalize());
    Run {
        ms: began.elapsed().as_secs_f64() * 1000.0,
        ..Run::default()
    }
}
