//! The sample project: a small real daemon, embedded, with a history of three phase releases.
//! Pure: files and messages go out, nothing is read or written here.

/// One file of the sample project's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFile {
    /// Path below the project's root, with `/`.
    pub path: &'static str,
    /// The whole file.
    pub contents: String,
    /// True for mode 0755, false for 0644.
    pub executable: bool,
}

/// The phase releases, oldest first: tag, message of its annotation, messages of its commits.
pub const PHASES: [(&str, &str, &[&str]); 3] = [
    (
        "phase1-sig-verify-1.0.0",
        "Phase 1: signature verification\n\n\
         Every input of a transaction must carry a signature that matches.\n",
        &[
            "feat: serve a chain, its peers and metrics over HTTP\n",
            "feat: verify the signature of every input\n\n\
             validatetransaction accepted whatever it was given.\n",
            "docs: add the systemd unit, a configuration and the changes\n",
        ],
    ),
    (
        "phase2-finality-fork-1.0.0",
        "Phase 2: finality and fork resolution\n\n\
         A finalized block cannot be reorganised away. Build on phase 1.\n",
        &[
            "feat(rpc): refuse to reorganise finalized blocks\n",
            "fix(peers): give slow peers two seconds to answer\n\n\
             One second made peers on other continents come and go.\n",
            "docs: list what phase 2 changes\n",
        ],
    ),
    (
        "phase3-validation-1.0.0",
        "Phase 3: validation\n\n\
         Transactions are checked for what they spend.\n",
        &[
            "feat: refuse transactions that spend more than they have\n",
            "fix!: bound the outputs of a transaction\n\n\
             BREAKING CHANGE: a transaction with more than 256 outputs is not valid any more.\n",
            "docs: list what phase 3 changes\n",
        ],
    ),
];

const PHASE_FILE: &str = "src/phase.rs";
const CHANGELOG: &str = include_str!("../../tests/fixtures/timed/CHANGELOG.md");
const CHANGES: &str = "CHANGELOG.md";

macro_rules! fixture {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../tests/fixtures/timed/", $path)))),+]
    };
}

/// Everything but the files that differ from phase to phase.
const SOURCES: [(&str, &str); 28] = fixture![
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "build.rs",
    "contrib/timed-height.sh",
    "contrib/timed.conf",
    "contrib/timed@.service",
    "src/auth.rs",
    "src/chain.rs",
    "src/config.rs",
    "src/daemon.rs",
    "src/disk.rs",
    "src/hash.rs",
    "src/http.rs",
    "src/info.rs",
    "src/json.rs",
    "src/json/parse.rs",
    "src/log.rs",
    "src/main.rs",
    "src/metrics.rs",
    "src/node.rs",
    "src/notify.rs",
    "src/peers.rs",
    "src/rpc.rs",
    "src/server.rs",
    "src/time.rs",
    "src/tx.rs",
];

/// Number, feature, peer timeout in milliseconds and outputs a transaction may have.
type Switches = (u32, &'static str, u32, &'static str);

/// What `src/phase.rs` says after each commit of each phase.
const HISTORY: [[Switches; 3]; 3] = [
    [
        (0, "genesis", 1000, "10_000"),
        (1, "sig-verify", 1000, "10_000"),
        (1, "sig-verify", 1000, "10_000"),
    ],
    [
        (2, "finality-fork", 1000, "10_000"),
        (2, "finality-fork", 2000, "10_000"),
        (2, "finality-fork", 2000, "10_000"),
    ],
    [
        (3, "validation", 2000, "10_000"),
        (3, "validation", 2000, "256"),
        (3, "validation", 2000, "256"),
    ],
];

/// The tree that the tag of `phase` (1, 2 or 3) names; empty for any other number.
pub fn files(phase: u32) -> Vec<SampleFile> {
    files_after(phase, 2)
}

/// The tree after commit number `commit` (from 0, see [`PHASES`]) of `phase`; empty if there is none.
pub fn files_after(phase: u32, commit: usize) -> Vec<SampleFile> {
    let switches = (phase as usize)
        .checked_sub(1)
        .and_then(|i| HISTORY.get(i))
        .and_then(|commits| commits.get(commit));
    let Some(switches) = switches else {
        return Vec::new();
    };
    // The last commit of a phase is its documentation; phase 1 has none before.
    let documented = if commit == 2 { phase } else { phase - 1 };
    let mut files: Vec<SampleFile> = SOURCES
        .iter()
        .filter(|(path, _)| documented > 0 || !path.starts_with("contrib/"))
        .map(|(path, contents)| file(path, (*contents).to_owned()))
        .collect();
    files.push(file(PHASE_FILE, phase_source(switches)));
    if documented > 0 {
        files.push(file(CHANGES, changelog(documented)));
    }
    files.sort_by_key(|file| file.path);
    files
}

fn file(path: &'static str, contents: String) -> SampleFile {
    SampleFile {
        path,
        contents,
        executable: path.ends_with(".sh"),
    }
}

fn phase_source((phase, feature, timeout, outputs): &Switches) -> String {
    format!(
        "//! What this phase release switches on.\n\n\
         /// Number of the phase; later phases keep what earlier ones brought.\n\
         pub const PHASE: u32 = {phase};\n\
         /// Name of the phase's feature.\n\
         pub const FEATURE: &str = \"{feature}\";\n\
         /// How long a peer may take to answer, in milliseconds.\n\
         pub const PEER_TIMEOUT_MS: u64 = {timeout};\n\
         /// Outputs that one transaction may have.\n\
         pub const MAX_TX_OUTPUTS: usize = {outputs};\n"
    )
}

/// The change log without the sections of phases after `phase`; the newest comes first.
fn changelog(phase: u32) -> String {
    let mut sections = CHANGELOG.split("\n## ");
    let title = sections.next().unwrap_or_default();
    let newer = PHASES.len().saturating_sub(phase as usize);
    sections
        .skip(newer)
        .fold(title.to_owned(), |text, section| text + "\n## " + section)
}

#[cfg(test)]
mod tests;
