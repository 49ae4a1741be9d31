//! What the release driver needs from git and from a builder: traits and the values they speak in.
//! No I/O here: `io::git` and `io::build` implement these.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::hash::Sha256;
use crate::release::build_plan::BuildPlan;
use crate::release::tag::{Pattern, Tag};

/// What a tag must be to be cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Whether a tag without a tag object will do.
    pub allow_lightweight: bool,
}

/// What a tag stands for at one moment. A tag that moved since shows as another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagInfo {
    /// The tag.
    pub tag: Tag,
    /// Id of the tag object, hex; `None` for a lightweight tag.
    pub object: Option<String>,
    /// Id of the commit, hex.
    pub commit: String,
    /// Id of the commit's tree, hex.
    pub tree: String,
    /// The tag's message without its signature; empty for a lightweight tag.
    pub annotation: String,
    /// `Name <email>` of who made the tag object.
    pub tagger: Option<String>,
    /// When the tag object was made, seconds since 1970.
    pub tag_time: Option<i64>,
    /// The commit's committer time, seconds since 1970.
    pub commit_time: i64,
    /// Whether the tag object carries a signature. It was not verified.
    pub is_signed: bool,
}

impl TagInfo {
    /// When the release was tagged: the tag object's time, else the commit's.
    pub fn time(&self) -> i64 {
        self.tag_time.unwrap_or(self.commit_time)
    }
}

/// One commit, for release notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Id, hex.
    pub id: String,
    /// The message's first line.
    pub summary: String,
    /// The rest of the message, at most [`crate::limits::MAX_MESSAGE_LEN`] bytes.
    pub body: String,
    /// How many parents it has; two and more for a merge.
    pub parents: usize,
}

/// The release that a new one follows in git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its tag.
    pub tag: Tag,
    /// Its commit, hex.
    pub commit: String,
}

/// A file that one release has and the one before it had not, or not like this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// Lines that were added to it, by their number; only of files that were asked about. Bytes that
    /// are no UTF-8 are replaced.
    pub added: Vec<(u32, String)>,
}

/// The repository that releases are cut from.
pub trait Source {
    /// Looks the tag up.
    ///
    /// # Errors
    /// No such tag, a branch of that name, a lightweight tag unless the rules allow it, a tag that
    /// is not of a commit or whose object names another tag, a repository whose history is cut.
    fn resolve(&self, tag: &Tag, rules: Rules) -> Result<TagInfo>;

    /// Makes a clean clone at `dir`, which must not exist: HEAD detached at the commit, its whole
    /// history, the tags that belong to it, and every file with the bytes that were committed.
    ///
    /// # Errors
    /// Submodules, missing objects, paths that leave the clone, I/O.
    fn clone_at(&self, info: &TagInfo, dir: &Path) -> Result<()>;

    /// The nearest release tag among the commit's ancestors (not the commit itself) that was
    /// tagged no later than this release, so that tags made afterwards change nothing.
    ///
    /// # Errors
    /// Unreadable history.
    fn previous_release(&self, info: &TagInfo, pattern: Pattern) -> Result<Option<Previous>>;

    /// The commits reachable from `commit` but not from `previous`, newest first, at most
    /// [`crate::limits::MAX_NOTES_COMMITS`].
    ///
    /// # Errors
    /// Unreadable history.
    fn commits_between(&self, previous: Option<&str>, commit: &str) -> Result<Vec<CommitInfo>>;

    /// The files that were added or changed between two commits (all, where there is no `previous`),
    /// sorted by path, with the lines added to those that are wanted. Files that only moved are among
    /// them, without lines.
    ///
    /// # Errors
    /// Unreadable objects, more than [`crate::limits::MAX_CHANGED_FILES`] files or
    /// [`crate::limits::MAX_ADDED_LINES`] lines.
    fn changes(
        &self,
        previous: Option<&str>,
        commit: &str,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<ChangedFile>>;

    /// A file of the tagged tree, as committed; `None` where the tree has none of this name.
    ///
    /// # Errors
    /// Unreadable objects, something that is not a file, more than `limit` bytes.
    fn committed_file(&self, info: &TagInfo, path: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// The raw tag object, as git stores it; `None` for a lightweight tag.
    ///
    /// # Errors
    /// Unreadable objects, more than [`crate::limits::MAX_TAG_OBJECT_LEN`] bytes.
    fn tag_object(&self, info: &TagInfo) -> Result<Option<Vec<u8>>>;

    /// Whether `ancestor` is `commit`, or among the commits before it; not so where the repository
    /// does not have it.
    ///
    /// # Errors
    /// Unreadable history.
    fn has_ancestor(&self, commit: &str, ancestor: &str) -> Result<bool>;

    /// The names of all branches, of this repository and as `origin` last had them, that are wanted
    /// and have `commit`: sorted, without `origin/`.
    ///
    /// # Errors
    /// Unreadable references or history, more than [`crate::limits::MAX_BRANCHES`] of them.
    fn branches_with(&self, commit: &str, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>>;

    /// All well-formed release tags of the repository, sorted.
    ///
    /// # Errors
    /// Unreadable references.
    fn release_tags(&self, pattern: Pattern) -> Result<Vec<Tag>>;

    /// The URL of the remote `origin`, as configured in the repository.
    fn origin_url(&self) -> Option<String>;
}

/// The compiler that a build used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toolchain {
    /// First line of `cargo -V`; empty where there is no cargo.
    pub cargo: String,
    /// `release` line of `rustc -vV` with its date, such as `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub rustc: String,
    /// The host triple.
    pub host: String,
}

/// Facts about a clone and the machine, gathered before the plan is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The compiler that the clone asks for.
    pub toolchain: Toolchain,
    /// `rustc --print sysroot`; `None` where there is no rustc.
    pub sysroot: Option<PathBuf>,
    /// Rustc's own commit, hex, from `rustc -vV`.
    pub rustc_commit: Option<String>,
    /// `rustc --print cfg` of the target.
    pub cfg: Vec<String>,
    /// Text of the clone's `.cargo/config.toml` (or `.cargo/config`).
    pub project_cargo_config: Option<String>,
    /// Text of the user's `$CARGO_HOME/config.toml`.
    pub user_cargo_config: Option<String>,
    /// The user's cargo home, whose downloads are shared.
    pub user_cargo_home: Option<PathBuf>,
    /// `PATH`, `RUSTUP_HOME` and the network variables that builds may see.
    pub environment: Vec<(String, String)>,
}

/// One binary that a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltBinary {
    /// Its file name in the release.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The binaries, sorted by name.
    pub binaries: Vec<BuiltBinary>,
    /// The log.
    pub log_path: PathBuf,
    /// The log's digest.
    pub log_sha256: Sha256,
}

/// Runs builds.
pub trait Build {
    /// Looks at a clone and the machine, for [`BuildPlan::new`].
    ///
    /// # Errors
    /// A clone that cannot be built cleanly: no committed `Cargo.lock`, configuration in a
    /// directory above it, no cargo.
    fn inspect(&self, clone: &Path, config: &crate::release::config::Build) -> Result<Facts>;

    /// Builds, giving each line of output to `on_line` without control characters.
    ///
    /// # Errors
    /// The build failed, ran too long, or did not make the binaries that the plan wants. The last
    /// lines are the causes, the log's path is the hint.
    fn build(&self, plan: &BuildPlan, on_line: &mut dyn FnMut(&str)) -> Result<Built>;
}

/// Up to three of `names` that look like `wanted`, nearest first: for hints.
pub fn near_names<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (wanted.len() / 3).max(2);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|n| {
            n.len().abs_diff(wanted.len()) <= limit && n.len() <= crate::limits::MAX_TAG_LEN
        })
        .map(|n| (distance(wanted.as_bytes(), n.as_bytes()), n))
        .filter(|(d, _)| *d <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, n)| n).collect()
}

// Levenshtein distance, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut last = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(last);
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let (diagonal, above) = (pair.first().copied(), pair.last().copied());
            let change = diagonal.unwrap_or(0) + usize::from(x != y);
            last = change.min(above.unwrap_or(0) + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_tag_finds_its_neighbours() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        let names = [
            "phase1-sig-verify-1.0.0",
            "phase1-sig-verify-1.0.1",
            "other",
            "v1.0.0",
        ];
        assert_eq!(
            near_names("phase1-sig-verfy-1.0.0", names),
            [names[0], names[1]]
        );
        assert!(near_names("x", names).is_empty());
    }
}
