//! Bench `release`: what a reader must know of the machine to compare figures.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::Outcome;

/// Prints processor, memory, filesystem, load and the tools that are compared with.
pub fn print(work: &Path) -> Outcome<()> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|l| l.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flags = field("flags").unwrap_or_default();
    let has = |flag: &str| flags.split(' ').any(|f| f == flag);
    let threads = relman::io::process::threads();
    println!(
        "machine     {}, {threads} threads, sha-ni {}, avx2 {}",
        field("model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
        has("sha_ni"),
        has("avx2"),
    );
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let filesystem = said("stat", &["-f", "-c", "%T", &work.to_string_lossy()]);
    println!("filesystem  {filesystem}");
    println!("load        {}, before the bench", load.trim());
    println!(
        "compared    {}; {}; {}; {}",
        said("git", &["--version"]),
        said("gzip", &["--version"]),
        said("tar", &["--version"]),
        said("sha256sum", &["--version"]),
    );
    Ok(())
}

/// The first line that a program prints.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let text = text.unwrap_or_else(|e| format!("{program}: {e}"));
    text.lines().next().unwrap_or_default().to_owned()
}
