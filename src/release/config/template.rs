//! The `relman.toml` that `relman init` writes: every key with its default, explained. Pure.

/// The commented default file for `project`; it parses to the defaults.
pub fn template(project: &str) -> String {
    let name = toml::Value::String(project.to_owned()).to_string();
    format!("{HEAD}project = {name}\n{BODY}")
}

const HEAD: &str = "\
# relman.toml: how this project is released. Keys that are commented out show their default.

# The project's name, in signatures and in the log.
";

const BODY: &str = r#"
[tags]
# How release tags are named: "phase" (phase1-sig-verify-1.0.0) or "v" (v1.4.35).
# pattern = "phase"
# Whether a tag without author, date and message may be cut.
# allow_lightweight = false
# Whether phase N needs a release of phase N-1 before it.
# require_predecessor = true

[build]
# The project's own build command, such as ["make", "release"]; empty for `cargo build --locked`
# in a clean clone of the tag.
# command = []
# The cargo profile, the features, the target triple (the host's when absent), the packages.
# profile = "release"
# features = []
# target = "x86_64-unknown-linux-gnu"
# packages = []
# The binaries to release; empty for all that cargo builds. With a command of your own: the
# paths in the clone of what it makes.
# binaries = []
# Minutes after which a build is stopped.
# timeout_minutes = 60

# Fixed variables for the build. Compiler flags belong into .cargo/config.toml.
# [build.env]
# NETWORK = "mainnet"

# Further files for the archive; `to` is the path in it, the file's name when absent.
# [[build.extra_files]]
# from = "contrib/timed.service"
# to = "timed.service"
# executable = false

[store]
# The directory of the releases, relative to this file.
# path = "releases"
# An object store instead, its server if it is not Amazon's, and its region. Credentials come from
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
# url = "s3://bucket/prefix"
# endpoint = "https://s3.example.org"
# region = "us-east-1"
# Whether the server may be reached without TLS.
# allow_http = false

[trust]
# The directory of the public keys and root.json, relative to this file.
# keys = "keys"

[expiry]
# Days until signed metadata is no longer valid. Short for timestamp, which says how stale a
# mirror may be; long for environments, since collecting a quorum again costs.
# root = 365
# targets = 365
# environment = 365
# snapshot = 30
# timestamp = 7
# One fixed time for all of them instead, for frozen examples.
# fixed = "2030-01-01T00:00:00Z"

[log]
# The log's origin line; "<project>/relman-log" when absent.
# origin = "example.org/relman-log"
# How witnesses on other machines are reached: certificates beside the system's, and a proxy or "none".
# witness_ca = "ca.pem"
# witness_proxy = "none"

# What must hold of a tag before it is cut: `relman gate TAG` runs these in a clean clone of the tag.
# Without any, there are fmt, clippy, build and test. docs/gates.md has a whole checklist to begin with.
# [[gate]]
# Lower-case words with `-` between; policy names gates by it.
# name = "unit"
# Program and arguments; none for a gate that only looks at the tag's files.
# command = ["cargo", "nextest", "run", "--profile", "ci"]
# Minutes after which it is stopped, and has failed; at most 10080, a week.
# timeout_minutes = 60
# How tests are counted: "cargo-test" or "libtest-json" in the output, "junit" or "libtest-json" in a report.
# counts = "junit"
# The report: a path in the clone, or in cargo's target directory where it begins with target/.
# report = "target/nextest/ci/junit.xml"
# Fewest tests that must pass (1 where tests are counted), and the names (`*` for any characters) of those
# that may be ignored.
# min_tests = 50
# allow_ignored = ["net::*"]
# Whether a compiler's warning in the output fails it.
# no_warnings = false
# Files that must be in the tag and not be empty, and those that must have changed since the release before;
# `*` for any name, `**` for any directories.
# required_files = ["docs/rollback.md"]
# changed_files = ["CHANGELOG.md"]
# Variables for the command.
# [gate.env]
# RUST_BACKTRACE = "1"
# Line coverage of the critical paths: the report, "lcov" or "cobertura", and the least percentage (a decimal
# one as text, such as "92.5").
# [gate.coverage]
# file = "lcov.info"
# format = "lcov"
# paths = ["src/consensus/**"]
# min_percent = 90
# A number in the output: an expression with one group, whose last match counts, and its bounds.
# [gate.number]
# pattern = '([0-9.]+) tx/s'
# at_least = 1000
# at_most = 1000000
# unit = "tx/s"
# What no line added since the release before may have; by default unfinished code and code in comments,
# in Rust files.
# [gate.forbid_new]
# pattern = 'debug_assert'
# paths = ["src/**/*.rs"]

[release]
# The repository's public URL, for provenance; that of the remote `origin` when absent.
# repository = "https://example.org/project"
# The oldest release that nodes may go back to from this one.
# rollback_to = "phase1-sig-verify-1.0.0"
# Schema of the data directory that this release writes, and the oldest whose releases still read it
# (default: the same). Older releases are gone back to only with the data of their time.
# data_schema = 2
# data_readable_from = 1
"#;
