//! Small git repositories to cut from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use git2::{ObjectType, Oid, Repository, Signature, Time};
use relman::io::git::GitSource;
use relman::release::config::Config;
use relman::release::source::{Rules, Source, TagInfo};
use relman::release::tag::{Pattern, Tag};

pub const TAG: &str = "phase1-sig-verify-1.0.0";
/// When the first commit of a test repository was made; each next one is a minute later.
pub const EPOCH: i64 = 1_700_000_000;

pub struct Project {
    pub dir: tempfile::TempDir,
    pub repo: Repository,
    clock: i64,
}

impl Project {
    /// A repository without commits.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init(dir.path().join("project")).unwrap();
        Project {
            dir,
            repo,
            clock: EPOCH,
        }
    }

    /// A workspace of a daemon with a build script that asks git, a library and a procedural
    /// macro; two commits; an annotated release tag.
    pub fn timed() -> Self {
        let mut project = Self::empty();
        project.write(FILES);
        project.commit("feat: begin");
        project.write(&[("notes.txt", "one\r\ntwo\n")]);
        let commit = project.commit("docs: notes");
        project.tag(TAG, commit);
        project
    }

    pub fn path(&self) -> PathBuf {
        self.repo.workdir().unwrap().to_path_buf()
    }

    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    pub fn commit(&mut self, message: &str) -> Oid {
        let mut index = self.repo.index().unwrap();
        index
            .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
            .unwrap();
        let tree = index.write_tree().unwrap();
        index.write().unwrap();
        self.commit_tree(message, tree)
    }

    pub fn commit_tree(&mut self, message: &str, tree: Oid) -> Oid {
        self.clock += 60;
        let who = self.who();
        let tree = self.repo.find_tree(tree).unwrap();
        let parent = self.repo.head().ok().map(|h| h.peel_to_commit().unwrap());
        self.repo
            .commit(
                Some("HEAD"),
                &who,
                &who,
                message,
                &tree,
                parent.as_ref().as_slice(),
            )
            .unwrap()
    }

    pub fn tag(&mut self, name: &str, commit: Oid) -> Oid {
        self.tag_with(name, commit, "What it brings.\n")
    }

    pub fn tag_with(&mut self, name: &str, target: Oid, message: &str) -> Oid {
        self.clock += 60;
        let target = self.repo.find_object(target, None).unwrap();
        self.repo
            .tag(name, &target, &self.who(), message, true)
            .unwrap()
    }

    pub fn lightweight(&self, name: &str, target: Oid) {
        self.repo
            .reference(&format!("refs/tags/{name}"), target, true, "")
            .unwrap();
    }

    pub fn raw_tree(&self, entries: &[(&str, &str, Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(id.as_bytes());
        }
        self.repo
            .odb()
            .unwrap()
            .write(ObjectType::Tree, &bytes)
            .unwrap()
    }

    pub fn source(&self) -> GitSource {
        GitSource::open(&self.path()).unwrap()
    }

    pub fn resolve(&self, name: &str) -> relman::Result<TagInfo> {
        self.source().resolve(&tag(name), Rules::default())
    }

    pub fn clone_to(&self, name: &str) -> PathBuf {
        let dir = self.scratch(name);
        self.source()
            .clone_at(&self.resolve(TAG).unwrap(), &dir)
            .unwrap();
        dir
    }

    fn who(&self) -> Signature<'static> {
        Signature::new("Ann", "ann@example.org", &Time::new(self.clock, 0)).unwrap()
    }
}

pub fn tag(name: &str) -> Tag {
    Tag::parse(name, Pattern::Phase).unwrap()
}

pub fn config(text: &str) -> Config {
    Config::parse(&format!("project = \"timed\"\n{text}")).unwrap()
}

/// What plain git says in a directory.
pub fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const FILES: &[(&str, &str)] = &[
    (".gitignore", "/target\n"),
    (".gitattributes", "*.txt ident\n"),
    (
        "Cargo.toml",
        "[package]\nname = \"timed\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nrules = { path = \"rules\" }\nnames = { path = \"names\" }\n\
         [workspace]\nmembers = [\"rules\", \"names\"]\n\
         [profile.release]\ndebug = true\nopt-level = 0\n",
    ),
    (
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"names\"\nversion = \"0.1.0\"\n\n\
         [[package]]\nname = \"rules\"\nversion = \"0.1.0\"\n\n\
         [[package]]\nname = \"timed\"\nversion = \"0.1.0\"\ndependencies = [\n \"names\",\n \"rules\",\n]\n",
    ),
    (
        "build.rs",
        "use std::process::Command;\n\
         fn git(a: &[&str]) -> String {\n    let o = Command::new(\"git\").args(a).output().unwrap();\n    \
         assert!(o.status.success());\n    String::from_utf8(o.stdout).unwrap().trim().to_string()\n}\n\
         fn main() {\n    println!(\"cargo:rerun-if-env-changed=NOTHING\");\n    \
         println!(\"cargo:rustc-env=COMMIT={}\", git(&[\"rev-parse\", \"HEAD\"]));\n    \
         println!(\"cargo:rustc-env=COUNT={}\", git(&[\"rev-list\", \"--count\", \"HEAD\"]));\n    \
         println!(\"cargo:rustc-env=DESCRIBED={}\", git(&[\"describe\", \"--tags\", \"--dirty\"]));\n    \
         println!(\"cargo:rustc-env=DATE={}\", std::env::var(\"SOURCE_DATE_EPOCH\").unwrap());\n    \
         let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::write(format!(\"{out}/made.rs\"), \"pub fn made() -> &'static str { file!() }\").unwrap();\n}\n",
    ),
    (
        "src/main.rs",
        "names::answer!();\ninclude!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
         fn main() {\n    println!(\"{} {} {} {} {}\", env!(\"COMMIT\"), env!(\"COUNT\"), env!(\"DESCRIBED\"), env!(\"DATE\"), answer());\n    \
         println!(\"{} {} {}\", made(), rules::place(), cfg!(project_flag));\n}\n",
    ),
    (
        "rules/Cargo.toml",
        "[package]\nname = \"rules\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    (
        "rules/src/lib.rs",
        "pub fn place() -> String {\n    let l = std::panic::Location::caller();\n    l.file().to_string()\n}\n",
    ),
    (
        "names/Cargo.toml",
        "[package]\nname = \"names\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    ),
    (
        "names/src/lib.rs",
        "extern crate proc_macro;\n#[proc_macro]\npub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
         \"fn answer() -> u32 { 42 }\".parse().unwrap()\n}\n",
    ),
];
