//! A small project in a temporary directory, and the real `relman` run in it with nothing of this machine's settings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The first tag of every project.
pub const TAG: &str = "phase1-sig-verify-1.0.0";
/// The tag that [`Project::second`] adds.
pub const SECOND: &str = "phase2-finality-fork-1.0.0";
/// What the clock says.
pub const NOW: &str = "2026-02-01T00:00:00Z";
/// A build that takes no time and needs nothing but a shell.
pub const BUILD: &str = "mkdir -p out && cp prog.sh out/timed";

/// A git repository with a release tag, a home directory, and a build that is one `cp`.
pub struct Project {
    dir: TempDir,
    /// The project's name in `relman.toml`; builds happen in a directory of this name.
    pub name: String,
    is_copy: bool,
}

/// How a run ended and what it said.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none for a run that a signal ended.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Run {
    /// From what std gives.
    pub fn of(output: Output) -> Run {
        Run {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// It exited with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// It said all of this, on stdout or stderr.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Run {
        for text in texts {
            let said = self.stdout.contains(text) || self.stderr.contains(text);
            assert!(said, "{text:?} is not in {self:#?}");
        }
        self
    }

    /// It was killed by signal 9.
    pub fn was_killed(&self) -> bool {
        self.signal == Some(9)
    }

    /// The one JSON document on stdout, with the members that every one of them has.
    #[track_caller]
    pub fn json(&self) -> Value {
        let document: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in {self:#?}"));
        assert_eq!(document["schema"], "relman/1", "{self:#?}");
        for member in ["command", "outcome", "error", "data"] {
            assert!(document.get(member).is_some(), "no {member} in {self:#?}");
        }
        assert_eq!(self.stderr, "", "talk under --json");
        document
    }
}

impl Project {
    /// A repository with a tag, a `relman.toml` and a store.
    pub fn new(name: &str) -> Project {
        let project = Self::uninitialised(name);
        project.configure(BUILD, "");
        project.relman(&["init", "--yes"]).exits(0);
        project
    }

    /// As [`Project::new`], with [`TAG`] cut and published.
    pub fn published(name: &str) -> Project {
        let project = Self::new(name);
        project.relman(&["cut", TAG]).exits(0);
        project
    }

    /// A repository with a tag, and nothing of relman's.
    pub fn uninitialised(name: &str) -> Project {
        let project = Self::empty(name);
        project.git(&["init", "-q", "-b", "main", "."]);
        project.write("prog.sh", "echo release one\n");
        project.commit_and_tag("feat: begin", TAG);
        project
    }

    /// A directory that is no repository.
    pub fn empty(name: &str) -> Project {
        let dir = quick_dir();
        for sub in ["repo", "home"] {
            fs::create_dir(dir.path().join(sub)).expect("a directory can be made");
        }
        // Several runs of the tests may share the machine and the place where builds happen.
        let name = format!("{name}-{}", std::process::id());
        Project {
            dir,
            name,
            is_copy: false,
        }
    }

    /// The same project in another place; never use both at once.
    pub fn copy(&self) -> Project {
        let dir = quick_dir();
        copy_tree(&self.dir.path().join("."), dir.path());
        Project {
            dir,
            name: self.name.clone(),
            is_copy: true,
        }
    }

    /// Makes a new secret key, `<file>` and `<file>.pub`, among the project's secret keys.
    pub fn add_key(&self, file: &str) -> PathBuf {
        let path = self.secrets().join(file);
        fs::create_dir_all(self.secrets()).expect("a directory can be made");
        fs::set_permissions(self.secrets(), fs::Permissions::from_mode(0o700))
            .expect("its mode can be set");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", file, "-f"])
            .arg(&path)
            .status();
        assert!(
            made.expect("ssh-keygen runs").success(),
            "ssh-keygen {path:?}"
        );
        path
    }

    /// The repository.
    pub fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// A path in the repository.
    pub fn path(&self, path: &str) -> PathBuf {
        self.repo().join(path)
    }

    /// Moves the repository's contents to `moved` beside it, and gives the place for another filesystem.
    pub fn repo_on_a_disk_of_its_own(&self) -> PathBuf {
        fs::rename(self.repo(), self.beside("moved")).expect("it can be moved");
        fs::create_dir(self.repo()).expect("a directory can be made");
        self.repo()
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.path("releases")
    }

    /// A path beside the repository.
    pub fn beside(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// The secret keys.
    pub fn secrets(&self) -> PathBuf {
        self.dir.path().join("home/config/relman").join(&self.name)
    }

    /// Writes a file of the repository.
    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("the file can be written");
    }

    /// Writes `relman.toml`: the shell text that builds, and further lines before `[build]`.
    pub fn configure(&self, build: &str, lines: &str) {
        let build = serde_json::json!(["sh", "-c", build]);
        let name = &self.name;
        self.write(
            "relman.toml",
            &format!("project = \"{name}\"\n{lines}\n[build]\ncommand = {build}\nbinaries = [\"out/timed\"]\n"),
        );
    }

    /// Runs git, and gives what it said.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(arguments)
            .current_dir(self.repo())
            .env_clear()
            .envs(path());
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Ann")
                .env(format!("GIT_{who}_EMAIL"), "ann@example.org")
                .env(format!("GIT_{who}_DATE"), "2026-01-05T09:00:00Z");
        }
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let output = git.output().expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits the program as it is, and tags it.
    pub fn commit_and_tag(&self, message: &str, tag: &str) {
        self.git(&["add", "prog.sh"]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["tag", "-a", tag, "-m", "What it brings."]);
    }

    /// Adds another commit and [`SECOND`].
    pub fn second(&self) {
        self.write("prog.sh", "echo release two\n");
        self.commit_and_tag("feat: go on", SECOND);
    }

    /// `relman` with arguments, ready to run in the repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relman"));
        let home = self.dir.path().join("home");
        command
            .args(arguments)
            .current_dir(self.repo())
            .env_clear()
            .envs(path())
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("RELMAN_INSECURE_NOW", NOW)
            .stdin(std::process::Stdio::null());
        command
    }

    /// As [`Project::command`], and an interrupt ends it: whoever runs the tests in the background
    /// ignores SIGINT, and children inherit that.
    pub fn interruptible(&self, arguments: &[&str]) -> Command {
        let relman = self.command(arguments);
        let mut command = Command::new("env");
        let env = relman.get_envs().filter_map(|(k, v)| Some((k, v?)));
        command
            .arg("--default-signal=INT")
            .arg(relman.get_program())
            .args(relman.get_args())
            .env_clear()
            .envs(env)
            .current_dir(self.repo())
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs `relman` to its end.
    #[track_caller]
    pub fn relman(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output();
        let run = Run::of(output.expect("relman runs"));
        assert_ne!(run.code, Some(101), "a panic: {run:#?}");
        assert_ne!(run.code, Some(70), "a bug: {run:#?}");
        run
    }

    /// Runs `relman`, which dies at a point in the code if it comes there.
    pub fn killed_at(&self, point: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(arguments);
        let command = command.env("RELMAN_INSECURE_KILL_AT", point);
        Run::of(command.output().expect("relman runs"))
    }

    /// The tags that `relman list` has, in order.
    #[track_caller]
    pub fn listed(&self) -> Vec<String> {
        let document = self.relman(&["list", "--json"]).exits(0).json();
        assert_eq!(
            document["data"]["warnings"],
            serde_json::json!([]),
            "{document:#}"
        );
        let releases = document["data"]["releases"].as_array().cloned();
        let releases = releases.expect("releases are a list");
        let tags = releases.iter().map(|r| r["tag"].as_str().expect("a tag"));
        tags.map(str::to_owned).collect()
    }

    /// Everything is right with the whole store, every entry and version of it.
    #[track_caller]
    pub fn is_sound(&self) {
        self.relman(&["audit"]).exits(0);
    }

    /// Everything is right with a release.
    #[track_caller]
    pub fn is_verified(&self, tag: &str) {
        self.relman(&["verify", tag])
            .exits(0)
            .says(&["is verified"]);
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if !self.is_copy {
            let uid = rustix::process::geteuid().as_raw();
            for place in ["", ".gates/", "+rebuild"] {
                let dir = match place {
                    "+rebuild" => format!("{}{place}", self.name),
                    place => format!("{place}{}", self.name),
                };
                let _ = fs::remove_dir_all(format!("/var/tmp/relman-{uid}/{dir}"));
            }
        }
    }
}

/// A temporary directory, in memory where the system has such a place: relman syncs all that it writes, and these tests
/// are about order and contents, not about disks.
pub fn quick_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary directory can be made")
}

/// Where programs are: not where a Rust toolchain would be, which these builds do not need and which is slow to ask.
fn path() -> [(&'static str, &'static str); 1] {
    [("PATH", "/usr/local/bin:/usr/bin:/bin")]
}

/// The entries of a bundle of the log.
pub fn bundled(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bundle;
    let mut out = Vec::new();
    while let [high, low, more @ ..] = rest {
        let (entry, more) = more.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        out.push(entry.to_vec());
        rest = more;
    }
    out
}

/// Every file below a directory, as paths relative to it, sorted; links and other things too, directories not.
pub fn files(dir: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).expect("a directory can be listed") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() && !path.is_symlink() {
                todo.push(path);
            } else {
                let path = path.strip_prefix(dir).expect("it is below");
                out.push(path.to_str().expect("names are UTF-8").to_owned());
            }
        }
    }
    out.sort();
    out
}

/// Every file and directory below a directory with its mode, and its bytes if it is a file.
pub fn snapshot(dir: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        let mode = fs::metadata(&next)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o7777;
        if next.is_dir() {
            out.push((next.clone(), mode, Vec::new()));
            let entries = fs::read_dir(&next).expect("a directory can be listed");
            todo.extend(entries.map(|e| e.expect("an entry can be read").path()));
        } else {
            let bytes = fs::read(&next).expect("it can be read");
            out.push((next, mode, bytes));
        }
    }
    out.sort();
    out
}

/// `cp -a`.
pub fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.expect("cp runs").success(), "cp -a {from:?} {to:?}");
}

/// Changes one bit in the middle of a file, in a file of its own where it was a hard link.
pub fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(path, &bytes);
}

/// Takes the last byte of a file away.
pub fn truncate(path: &Path) {
    let mut bytes = fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    bytes.pop();
    replace(path, &bytes);
}

/// Puts other bytes at a path, with the same mode.
pub fn replace(path: &Path, bytes: &[u8]) {
    let mode = fs::metadata(path).expect("it is there").permissions();
    fs::remove_file(path).expect("it can be removed");
    fs::write(path, bytes).expect("it can be written");
    fs::set_permissions(path, mode).expect("its mode can be set");
}
