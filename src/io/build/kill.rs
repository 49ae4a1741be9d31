//! Ends a process and all that it started. I/O room.
//!
//! A build stays in relman's process group, so that Ctrl-C reaches all of it without help; so it
//! has no group of its own to be ended by, and its descendants are found in `/proc`.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Rounds of looking for processes that were started meanwhile.
const ROUNDS: usize = 8;

/// Kills `root` (not yet waited for) and its descendants.
pub(super) fn kill_tree(root: u32) {
    let Ok(root) = i32::try_from(root) else {
        return;
    };
    let mut stopped = BTreeSet::new();
    // Stopped ones start no others, and while parents live their children stay theirs.
    for _ in 0..ROUNDS {
        let found = descendants(root);
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
    send(root, Signal::KILL);
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
