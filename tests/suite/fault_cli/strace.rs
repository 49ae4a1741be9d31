//! The system calls of a run that change something, and a run that goes wrong at one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::relman::{Project, Run};

/// What changes files. Of calls that can do other things as well, those that do not are left out.
const CHANGING: [&str; 30] = [
    "copy_file_range",
    "creat",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "fsync",
    "ftruncate",
    "ioctl",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "chmod",
    "open",
    "openat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "truncate",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];

/// What happens instead of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Kill,
    Enospc,
    Eio,
}

/// One call of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    name: String,
    /// The how-manieth call of this name it is in its thread, from 1; all calls on `below` if 0.
    nth: usize,
    /// A path in the project. Syncs wait in many threads at once, in no order, so they are told
    /// apart by what they sync.
    below: String,
}

impl Call {
    /// Whether it makes something durable.
    pub fn is_sync(&self) -> bool {
        matches!(
            self.name.as_str(),
            "fsync" | "fdatasync" | "sync_file_range"
        )
    }
}

/// `relman` under strace, with more of its arguments.
fn traced(project: &Project, arguments: &[&str], strace: &[String]) -> (Run, String) {
    let relman = project.command(arguments);
    let trace = project.beside("trace");
    let output = Command::new("strace")
        .args(["-f", "-y", "-q", "-o"])
        .arg(&trace)
        .args(strace)
        .arg("--")
        .arg(relman.get_program())
        .args(relman.get_args())
        .current_dir(project.repo())
        .env_clear()
        .envs(relman.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .stdin(std::process::Stdio::null())
        .output()
        .expect("strace runs: apt-get install strace");
    let run = Run::of(output);
    let trace = fs::read_to_string(trace).unwrap_or_else(|e| panic!("{e}: {run:#?}"));
    (run, trace)
}

/// A line of a trace: thread, name of the call, the rest.
fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(char::is_whitespace)?;
    let (name, rest) = rest.trim_start().split_once('(')?;
    Some((thread, name, rest))
}

fn changes(name: &str, rest: &str) -> bool {
    match name {
        "open" | "openat" => ["O_CREAT", "O_TRUNC"]
            .iter()
            .any(|flag| rest.contains(flag)),
        "ioctl" => rest.contains("FICLONE"),
        "fallocate" => true,
        _ => true,
    }
}

/// The calls of an undisturbed run that change something, in their order.
pub fn calls(project: &Project, arguments: &[&str]) -> Vec<Call> {
    let trace = [format!("-etrace=?{}", CHANGING.join(",?"))];
    let (run, trace) = traced(project, arguments, &trace);
    run.exits(0);
    let top = project.beside("").canonicalize().unwrap();
    let top = format!("{}/", top.display());
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut synced = BTreeSet::new();
    let mut out = Vec::new();
    for (thread, name, rest) in trace.lines().filter_map(parse) {
        let nth = counts.entry((thread, name)).or_default();
        *nth += 1;
        let mut call = Call {
            name: name.to_owned(),
            nth: *nth,
            below: String::new(),
        };
        let path = rest.split(['<', '>']).nth(1).unwrap_or_default();
        // Temporary files have another name in each run; whoever writes one syncs it too.
        if call.is_sync() && !path.contains("/.tmp-") {
            call.nth = 0;
            call.below = path.strip_prefix(&top).expect("in the project").to_owned();
            if !synced.insert(call.below.clone()) {
                continue;
            }
        } else if !changes(name, rest) {
            continue;
        }
        out.push(call);
    }
    out
}

/// Runs `relman`, which is disturbed at `call`.
pub fn faulty(project: &Project, arguments: &[&str], call: &Call, fault: Fault) -> Run {
    let what = match fault {
        Fault::Kill => "signal=KILL",
        Fault::Enospc => "error=ENOSPC",
        Fault::Eio => "error=EIO",
    };
    let name = &call.name;
    let when = match call.nth {
        0 => String::new(),
        nth => format!(":when={nth}"),
    };
    let mut strace = vec![
        format!("-etrace={name}"),
        format!("-einject={name}:{what}{when}"),
    ];
    if call.nth == 0 {
        let path: PathBuf = project.beside(&call.below);
        strace.push(format!("-P{}", path.display()));
    }
    let (run, trace) = traced(project, arguments, &strace);
    let happened = trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL");
    assert!(happened, "{call:?} did not come: {run:#?}\n{trace}");
    run
}
