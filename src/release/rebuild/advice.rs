//! The rebuild room: what to do about a difference, in plain words. Pure.

use serde::Serialize;

use super::findings::Cause;

/// What to do about one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The cause.
    pub cause: Cause,
    /// What it is called.
    pub title: &'static str,
    /// What to do.
    pub text: &'static str,
}

/// The advice for a cause.
pub fn of(cause: Cause) -> Advice {
    let (title, text) = match cause {
        Cause::Toolchain => (
            "other tools",
            "rebuild with the tools that the provenance names before looking at anything else; pin them in the \
             source with rust-toolchain.toml (channel = \"1.95.0\"), and a linker with the build image",
        ),
        Cause::Relman => (
            "another relman",
            "rebuild with the version of relman that made the release: it writes INSTALLATION.md and packs the archive",
        ),
        Cause::Clock => (
            "a clock",
            "take the time from the variable SOURCE_DATE_EPOCH (the commit's time, set in every build) instead of the \
             clock: in build.rs env::var(\"SOURCE_DATE_EPOCH\") with cargo::rerun-if-env-changed, in C no __DATE__ \
             and __TIME__; or show the version and commit and no time",
        ),
        Cause::Path => (
            "a path",
            "the paths that compilers write are mapped (--remap-path-prefix, -ffile-prefix-map); this one is written \
             by something else: let build.rs use paths relative to CARGO_MANIFEST_DIR or OUT_DIR, include files with \
             include_bytes! and do not print directories into the program",
        ),
        Cause::Name => (
            "a user or machine",
            "leave out who built it and where: provenance says it, and it belongs to no program",
        ),
        Cause::Random => (
            "a random number or a digest",
            "find what makes it: a seed, a UUID, a hasher with random keys, or a digest of something that differs \
             itself; give generators a fixed seed",
        ),
        Cause::Order => (
            "another order",
            "sort what is written: a HashMap is in another order in every run, so is a directory's listing; use \
             BTreeMap, or sort before writing; build commands that run in parallel must not append to one file",
        ),
        Cause::History => (
            "the history",
            "the notes come from git's history and tags: rebuild from a repository that has all tags (git fetch --tags)",
        ),
        Cause::Member => (
            "a file on one side",
            "commit relman.toml with [build] binaries and extra_files to the tag: without it nothing says what belongs \
             into the archive",
        ),
        Cause::Mode => (
            "a mode",
            "set executable of the file in relman.toml, below [[build.extra_files]]",
        ),
        Cause::Text => (
            "other text",
            "look for where it comes from in build.rs, in macros, and in variables that the build reads",
        ),
        Cause::Symbols => (
            "other symbols",
            "names of symbols carry digests of compiler, flags, features and dependencies: compare these, and commit \
             Cargo.lock",
        ),
        Cause::Debug => (
            "debug information",
            "it names paths and flags; strip = \"debuginfo\" in the profile leaves it out",
        ),
        Cause::Code => (
            "machine code",
            "compare compiler and flags; no target-cpu=native; codegen-units = 1 in the profile takes the split of the \
             work out; a linker that runs in parallel may need --threads=1; generated code may depend on something above",
        ),
        Cause::BuildId => (
            "the build id",
            "it is a digest of the program, so it differs where anything else did before stripping; where nothing else \
             does, leave it out: -C link-arg=-Wl,--build-id=none in .cargo/config.toml",
        ),
        Cause::Other => (
            "something else",
            "keep both with --keep, and look with diffoscope",
        ),
    };
    Advice { cause, title, text }
}
