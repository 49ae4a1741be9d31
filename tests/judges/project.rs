//! A project with a store, made by the real program; copies of it to tamper with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use git2::{IndexAddOption, Repository, Signature, Time};
use relman::io::keyring::Keyring;
use relman::keys::Signer;
use tempfile::TempDir;

/// The two releases of [`Project::released`].
pub const TAGS: [&str; 2] = ["phase1-alpha-1.0.0", "phase2-beta-1.0.0"];

/// A git repository with `relman.toml`, keys and a store.
pub struct Project {
    dir: TempDir,
}

impl Project {
    /// Set up, nothing released. Projects of one name share a build directory, so each test takes
    /// a name of its own.
    pub fn founded(name: &str) -> Project {
        Self::founded_at(name, None)
    }

    /// As [`Project::founded`], by a clock that shows another time.
    pub fn founded_at(name: &str, now: Option<&str>) -> Project {
        let project = Self::unfounded(name);
        project.relman_at(&["init", "--yes"], now);
        project
    }

    /// A repository with a `relman.toml`, and no keys and no store yet.
    pub fn unfounded(name: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("project");
        Repository::init(&path).unwrap();
        let config = format!(
            "project = \"{name}\"\n[build]\nbinaries = [\"out/timed\"]\n\
             command = [\"sh\", \"-c\", \"mkdir -p out && cp timed.sh out/timed\"]\n"
        );
        fs::write(path.join("relman.toml"), config).unwrap();
        Project { dir }
    }

    /// With both [`TAGS`] released.
    pub fn released(name: &str) -> Project {
        let project = Self::founded(name);
        for tag in TAGS {
            project.release(tag);
        }
        project
    }

    /// Commits a change of the daemon, tags it and cuts the tag.
    pub fn release(&self, tag: &str) {
        self.tag(tag);
        self.relman_at(&["cut", tag], None);
    }

    /// Commits a change of the daemon and tags it.
    pub fn tag(&self, tag: &str) {
        let repo = self.repo();
        fs::write(self.path().join("timed.sh"), format!("echo {tag}\n")).unwrap();
        let mut index = repo.index().unwrap();
        index
            .add_all(["timed.sh", "relman.toml"], IndexAddOption::DEFAULT, None)
            .unwrap();
        let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
        let parent = repo.head().ok().map(|h| h.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        let time = Time::new(1_700_000_000 + 60 * parents.len() as i64, 0);
        let who = Signature::new("Tester", "tester@example.org", &time).unwrap();
        let message = format!("feat: {tag}");
        let commit = repo
            .commit(Some("HEAD"), &who, &who, &message, &tree, &parents)
            .unwrap();
        let commit = repo.find_object(commit, None).unwrap();
        repo.tag(tag, &commit, &who, &message, false).unwrap();
    }

    /// Runs `relman`, which has to succeed.
    pub fn relman(&self, args: &[&str]) {
        self.relman_at(args, None);
    }

    /// Makes a secret key, and gives the path of its public half.
    pub fn new_key(&self, name: &str) -> String {
        let (key, _) = self.keyring().load_or_generate(name, name).unwrap();
        let path = self.scratch(&format!("{name}.pub"));
        fs::write(&path, key.public().to_openssh(name).unwrap()).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Writes a file that the next release has; gives its path.
    pub fn commit_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        let repo = self.repo();
        let mut index = repo.index().unwrap();
        index.add_path(Path::new(name)).unwrap();
        index.write().unwrap();
        path
    }

    /// The file of a secret key.
    pub fn keyring_file(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    /// Says where the source can be had from now on.
    pub fn set_origin(&self, url: &str) {
        self.repo().remote("origin", url).unwrap();
    }

    fn repo(&self) -> Repository {
        Repository::open(self.path()).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relman"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"));
        command
    }

    /// Runs `relman` with further variables; gives its exit code and all that it said.
    pub fn relman_with(&self, args: &[&str], env: &[(&str, &Path)]) -> (Option<i32>, String) {
        let mut command = self.command(args);
        said(command.envs(env.iter().copied()))
    }

    /// The same with a file as its stdin.
    pub fn fed(&self, args: &[&str], file: &Path) -> (Option<i32>, String) {
        let mut command = self.command(args);
        said(command.stdin(fs::File::open(file).unwrap()))
    }

    fn relman_at(&self, args: &[&str], now: Option<&str>) {
        let out = self
            .command(args)
            .envs(now.map(|now| ("RELMAN_INSECURE_NOW", now)))
            .output()
            .expect("relman starts");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "relman {args:?}: {stderr}");
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn store(&self) -> PathBuf {
        self.path().join("releases")
    }

    /// A public file.
    pub fn key(&self, name: &str) -> PathBuf {
        self.path().join("keys").join(name)
    }

    /// The secret keys.
    pub fn keyring(&self) -> Keyring {
        Keyring::new(self.secrets())
    }

    /// Where the secret keys are.
    pub fn secrets(&self) -> PathBuf {
        let config = fs::read_to_string(self.path().join("relman.toml")).unwrap();
        let name = config.split('"').nth(1).unwrap();
        self.dir.path().join("config/relman").join(name)
    }

    /// A path for a test's own files.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A copy of the store as it is now, which a test may change.
    pub fn copy(&self, name: &str) -> Copy {
        Copy::of(&self.store(), self.dir.path().join("copies").join(name))
    }

    /// The state of store and log as it is now, put back: what restoring a sequencer from an old
    /// backup does.
    pub fn restore(&self, copy: &Copy) {
        fs::remove_dir_all(self.store()).unwrap();
        copy_tree(&copy.0, &self.store());
    }
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let out = command.output().expect("relman starts");
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    (out.status.code(), said.into_owned())
}

/// A store to tamper with.
pub struct Copy(pub PathBuf);

impl Copy {
    /// A copy of a directory.
    pub fn of(from: &Path, to: PathBuf) -> Copy {
        copy_tree(from, &to);
        Copy(to)
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Changes the first `from` in a file to `to`.
    #[track_caller]
    pub fn replace(&self, path: &str, from: &[u8], to: &[u8]) {
        let bytes = fs::read(self.file(path)).unwrap();
        let at = bytes.windows(from.len()).position(|w| w == from);
        let at = at.unwrap_or_else(|| panic!("{path} has no {:?}", String::from_utf8_lossy(from)));
        let changed = [&bytes[..at], to, &bytes[at + from.len()..]].concat();
        write(&self.file(path), &changed);
    }

    /// Flips one bit in the middle of a file.
    pub fn flip(&self, path: &str) {
        let mut bytes = fs::read(self.file(path)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        write(&self.file(path), &bytes);
    }

    /// The one file in a directory whose name ends like this, relative to the store.
    pub fn find(&self, dir: &str, end: &str) -> String {
        let names = fs::read_dir(self.file(dir)).unwrap();
        let mut names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
        let name = names.find(|name| name.ends_with(end));
        format!("{dir}/{}", name.expect(end))
    }
}

/// Never through a hard link.
pub fn write(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
