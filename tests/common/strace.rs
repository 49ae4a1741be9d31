//! The system calls of a run that change something, and a run that goes wrong at one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::relman::{Project, Run};

/// What changes files. Of calls that can do other things as well, those that do not are left out.
const CHANGING: [&str; 34] = [
    "copy_file_range",
    "creat",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fsetxattr",
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
    "syncfs",
    "sync_file_range",
    "truncate",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

/// How often a call is waited for that did not come.
const TRIES: usize = 8;

/// What happens instead of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Kill,
    Enospc,
    Eio,
}

/// One call of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    name: String,
    /// What it is about, in the project; empty for a name that is another one in each run.
    path: String,
    /// The how-manieth call of this name about this path it is in its thread, from 1; of this name
    /// where there is no path.
    nth: usize,
    /// It writes to stdout or stderr: what cannot be told there is not told.
    is_talk: bool,
}

impl Call {
    /// Whether it tells somebody something, and changes nothing.
    pub fn is_talk(&self) -> bool {
        self.is_talk
    }

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
        // What it starts is not looked at.
        .args(["-f", "-y", "-q", "-b", "execve", "-o"])
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
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some((thread, name, rest))
}

fn changes(name: &str, rest: &str) -> bool {
    match name {
        "open" | "openat" => ["O_CREAT", "O_TRUNC"]
            .iter()
            .any(|flag| rest.contains(flag)),
        "ioctl" => rest.contains("FICLONE"),
        _ => true,
    }
}

/// The first path in the project whose name is the same in each run. None of calls with two paths:
/// strace tells those apart by the first alone.
fn path_in<'a>(name: &str, rest: &'a str, top: &str) -> &'a str {
    if ["rename", "link", "symlink"]
        .iter()
        .any(|two| name.starts_with(two))
    {
        return "";
    }
    let paths = rest
        .split(['<', '>', '"'])
        .filter_map(|part| part.strip_prefix(top));
    let random = [".tmp-", "/staging/", "#"];
    let mut stable =
        paths.filter(|path| !random.iter().any(|r| path.contains(r)) && *path != "repo");
    stable.next().unwrap_or_default()
}

/// The calls of an undisturbed run, which exits with `code`, that change something, in their order.
pub fn calls(project: &Project, arguments: &[&str], code: i32) -> Vec<Call> {
    let trace = [format!("-etrace=?{}", CHANGING.join(",?"))];
    let (run, trace) = traced(project, arguments, &trace);
    run.exits(code);
    let top = project.beside("").canonicalize().unwrap();
    let top = format!("{}/", top.display());
    let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for (thread, name, rest) in trace.lines().filter_map(parse) {
        let path = path_in(name, rest, &top);
        let of_name = {
            let all = counts.entry((thread, name, "")).or_default();
            *all += 1;
            *all
        };
        let nth = match path {
            "" => of_name,
            path => {
                let of_path = counts.entry((thread, name, path)).or_default();
                *of_path += 1;
                *of_path
            }
        };
        let call = Call {
            name: name.to_owned(),
            path: path.to_owned(),
            nth,
            is_talk: rest.starts_with("1<") || rest.starts_with("2<"),
        };
        // Syncs wait in many threads at once.
        if changes(name, rest) && seen.insert(call.clone()) {
            out.push(call);
        }
    }
    out
}

/// Runs `relman`, which is disturbed at `call`; `None` where it did not come to that.
pub fn faulty(project: &Project, arguments: &[&str], call: &Call, fault: Fault) -> Option<Run> {
    let what = match fault {
        Fault::Kill => "signal=KILL",
        Fault::Enospc => "error=ENOSPC",
        Fault::Eio => "error=EIO",
    };
    let (name, nth) = (&call.name, call.nth);
    let mut strace = vec![
        format!("-etrace={name}"),
        format!("-einject={name}:{what}:when={nth}"),
    ];
    if !call.path.is_empty() {
        strace.push(format!("-P{}", project.beside(&call.path).display()));
    }
    let (run, trace) = traced(project, arguments, &strace);
    let happened = trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL");
    happened.then_some(run)
}

/// Tries `run` on fresh copies until it comes to `call`: threads share work, so a call may be missed.
pub fn until_it_comes<T>(call: &Call, run: impl Fn() -> Option<T>) -> T {
    (0..TRIES)
        .find_map(|_| run())
        .unwrap_or_else(|| panic!("{call:?} did not come"))
}

/// Does `round` for a sample of the calls, one in `sample` (another one for each kind of fault), or for all
/// with RELMAN_TEST_ALL_FAULTS, on every core.
pub fn everywhere(all: &[Call], fault: Fault, sample: usize, round: &(dyn Fn(&Call) + Sync)) {
    let step = match std::env::var_os("RELMAN_TEST_ALL_FAULTS") {
        Some(_) => 1,
        None => sample,
    };
    let chosen = all.iter().skip(fault as usize % step).step_by(step);
    let chosen: Vec<&Call> = chosen.collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let workers = thread::available_parallelism().map_or(2, |n| n.get());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(call) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Its message is on stderr; one bad call is no reason not to look at the others.
                    if catch_unwind(AssertUnwindSafe(|| round(call))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (failed, all) = (failed.into_inner(), all.len());
    assert_eq!(
        failed,
        0,
        "of {} calls, of {all} that there are",
        chosen.len()
    );
}
