//! Running the judges, and reading their verdicts.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

const HINT: &str = "run tests/judges/setup first";

/// What a judge says.
#[derive(Debug)]
pub enum Verdict {
    /// All is well; with what it saw.
    Accepted(Value),
    /// Which check failed, and why.
    Refused(String),
}

impl Verdict {
    /// What the judge saw of what it accepted.
    #[track_caller]
    pub fn accepted(self) -> Value {
        match self {
            Verdict::Accepted(seen) => seen,
            Verdict::Refused(why) => panic!("refused, wanted accepted: {why}"),
        }
    }

    /// That the judge refused, for this reason and no other.
    #[track_caller]
    pub fn refused(self, reason: &str) {
        match self {
            Verdict::Accepted(seen) => panic!("accepted, wanted a refusal ({reason}): {seen}"),
            Verdict::Refused(why) => {
                assert!(why.starts_with(reason), "refused, wanted {reason}: {why}");
            }
        }
    }

    /// Our own judges exit 0 with a JSON document, or 3 with the reason on stderr.
    fn of(out: &Output) -> Verdict {
        let stderr = String::from_utf8_lossy(&out.stderr);
        match out.status.code() {
            Some(0) => Verdict::Accepted(serde_json::from_slice(&out.stdout).expect("JSON")),
            Some(3) => Verdict::Refused(stderr.trim().to_owned()),
            _ => panic!("the judge broke, {}: {stderr}", out.status),
        }
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn installed() -> PathBuf {
    package().join("target/judges")
}

/// Runs a script of `tests/judges/python/` with the pinned packages.
pub fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> Verdict {
    let out = Command::new(installed().join("venv/bin/python"))
        .args(["-I", "-B"])
        .arg(package().join("tests/judges/python").join(script))
        .args(args)
        .output()
        .expect(HINT);
    Verdict::of(&out)
}

/// Runs a script of `tests/judges/js/` with the pinned packages.
pub fn node<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> Verdict {
    let out = Command::new("node")
        .arg(package().join("tests/judges/js").join(script))
        .args(args)
        .env("NODE_PATH", installed().join("js/node_modules"))
        .env_remove("NODE_OPTIONS")
        .output()
        .expect(HINT);
    Verdict::of(&out)
}

/// What `tuftool` with these arguments says on stdout, or on stderr where it fails.
pub fn tuftool<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String, String> {
    said(&tuftool_program(), args)
}

fn tuftool_program() -> PathBuf {
    package().join("target/ci-tools/bin/tuftool")
}

/// Has `tests/judges/tuftool_repository` write a repository to a directory.
pub fn tuftool_repository(out: &Path) {
    let script = package().join("tests/judges/tuftool_repository");
    said(&script, [tuftool_program().as_path(), out]).expect("tuftool writes a repository");
}

/// As [`tuftool`], of `examples/tuf_conformance.rs`, which is built when first asked for.
pub fn example<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String, String> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "tuf_conformance"])
            .current_dir(package())
            .status();
        assert!(built.unwrap().success(), "cargo build --example failed");
        // This program is in `deps`, beside `examples`.
        let own = std::env::current_exe().unwrap();
        own.ancestors()
            .nth(2)
            .unwrap()
            .join("examples/tuf_conformance")
    });
    said(program, args)
}

fn said<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
) -> Result<String, String> {
    let out = Command::new(program)
        .args(args)
        // Naming the functions of a backtrace takes seconds in what was not optimised.
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect(HINT);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match out.status.code() {
        Some(0) => Ok(text(&out.stdout)),
        Some(1) => Err(text(&out.stderr)),
        _ => panic!("{program:?} broke, {}: {}", out.status, text(&out.stderr)),
    }
}

/// Runs our Go program that reads logs.
pub fn go<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Verdict {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    go_program(&PROGRAM, "tlog", "main.go", args)
}

/// Runs our Go program that reads envelopes.
pub fn go_dsse<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Verdict {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    go_program(&PROGRAM, "dsse", "dsse/main.go", args)
}

/// A program of `tests/judges/go/`, which is built when first asked for.
fn go_program<A: AsRef<OsStr>>(
    built: &OnceLock<PathBuf>,
    name: &str,
    source: &str,
    args: impl IntoIterator<Item = A>,
) -> Verdict {
    let program = built.get_or_init(|| {
        let program = installed().join(name);
        let out = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(package().join("tests/judges/go").join(source))
            .env("GOPATH", "/usr/share/gocode")
            .env("GO111MODULE", "off")
            .env("GOCACHE", installed().join("go-cache"))
            .env_remove("GOFLAGS")
            .output()
            .expect(HINT);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "go build ({HINT}): {stderr}");
        program
    });
    let out = Command::new(program).args(args).output().expect(HINT);
    Verdict::of(&out)
}

/// Whether `openssl` with these arguments, in `dir`, says yes.
pub fn openssl(dir: &Path, args: &[&str]) -> bool {
    let out = Command::new("openssl").args(args).current_dir(dir).output();
    out.expect(HINT).status.success()
}

/// Whether a program says yes, with a file as its input; with what it said if not.
pub fn agrees(program: &mut Command, input: Option<&Path>) -> Result<(), String> {
    if let Some(input) = input {
        program.stdin(std::fs::File::open(input).unwrap());
    }
    let out = program.output().expect("it is installed");
    match out.status.success() {
        true => Ok(()),
        false => {
            let said = [&out.stderr[..], &out.stdout[..]].concat();
            Err(String::from_utf8_lossy(&said).trim().to_owned())
        }
    }
}
