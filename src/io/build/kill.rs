//! Ends a process and all that it started. I/O room.
//!
//! A build stays in relman's process group, so that Ctrl-C reaches all of it without help; so it
//! has no group of its own to be ended by, and its descendants are found in `/proc`.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

/// Rounds of looking for processes that were started meanwhile.
const ROUNDS: usize = 8;

/// Kills `root` (not yet waited for) and its descendants.
pub(super) fn kill_tree(root: u32) {
    if let Ok(root) = i32::try_from(root) {
        kill_all(&|| descendants(root));
        send(root, Signal::KILL);
    }
}

#[cfg(feature = "maintainer")]
/// From now on, whatever loses its parent below this process becomes its child, so that
/// [`kill_strays`] finds it.
pub(in crate::io) fn adopt_strays() {
    // A kernel that cannot (before Linux 3.4) leaves strays alone, as builds do.
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// Kills all that descends from this process, and gives how many there were. Nothing that matters may run
/// below it.
pub(super) fn kill_strays() -> usize {
    let own = getpid().as_raw_nonzero().get();
    let below = || {
        let mut found = descendants(own);
        found.remove(&own);
        found
    };
    let mut killed: BTreeSet<i32> = BTreeSet::new();
    // What is killed leaves its children to this process.
    for _ in 0..ROUNDS {
        let found = below();
        if found.is_empty() {
            break;
        }
        killed.extend(found.iter().filter(|pid| !is_dead(**pid)));
        kill_all(&below);
        for pid in found.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // Grandchildren cannot be waited for yet.
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
    killed.len()
}

/// Kills whatever `find` finds, again and again until there is nothing new.
fn kill_all(find: &dyn Fn() -> BTreeSet<i32>) {
    let mut stopped = BTreeSet::new();
    // Stopped ones start no others, and while parents live their children stay theirs.
    for _ in 0..ROUNDS {
        let found = find();
        if found.is_subset(&stopped) {
            break;
        }
        found
            .difference(&stopped)
            .for_each(|pid| send(*pid, Signal::STOP));
        stopped.extend(found);
    }
    stopped
        .iter()
        .rev()
        .for_each(|pid| send(*pid, Signal::KILL));
}

/// Whether a process has ended and only waits to be waited for.
fn is_dead(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_none_or(|rest| rest.starts_with('Z'))
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that has ended meanwhile is what was wanted.
        let _ = kill_process(pid, signal);
    }
}

fn descendants(root: i32) -> BTreeSet<i32> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<i32>().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // proc_pid_stat(5): the name in parentheses may hold anything; state and ppid follow it.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        pairs.extend(parent.map(|p| (p, pid)));
    }
    let mut tree = BTreeSet::from([root]);
    loop {
        let before = tree.len();
        let children: Vec<i32> = pairs
            .iter()
            .filter(|(p, _)| tree.contains(p))
            .map(|(_, c)| *c)
            .collect();
        tree.extend(children);
        if tree.len() == before {
            return tree;
        }
    }
}
