//! A node with a data directory, and `relman backup` run on it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::relman::{NOW, Run, quick_dir};

/// A node in a directory of its own; its daemon, if it has one, is `sleep`.
pub struct Node {
    pub dir: PathBuf,
    _temp: Option<TempDir>,
}

/// `[data]` with all that the tests need.
pub const DATA: &str = r#"
[data]
dir = "data"
protect = ["keys/", "last_signed"]
immutable = ["blocks/*.dat"]
"#;

impl Node {
    /// A node with some data, and further lines in its configuration.
    pub fn new(lines: &str) -> Node {
        let temp = quick_dir();
        let dir = temp.path().canonicalize().unwrap();
        let mut node = Node::at(&dir, lines);
        node._temp = Some(temp);
        node
    }

    /// As [`Node::new`], in this directory.
    pub fn at(dir: &Path, lines: &str) -> Node {
        let node = Node::opened(dir);
        let text = format!(
            "name = \"timed\"\nstore = \"store\"\nroot = \"root.json\"\nstate = \"state\"\n\
             configuration = [\"etc/timed.conf\"]\n\
             [[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n{DATA}{lines}"
        );
        for sub in ["etc", "bin", "data/keys", "data/blocks", "data/empty"] {
            fs::create_dir_all(node.path(sub)).unwrap();
        }
        node.write("node.toml", &text);
        node.write("etc/timed.conf", "port = 24100\n");
        node.write("bin/timed", "a program");
        node.write("data/state.db", "height 10");
        node.write("data/keys/node.key", "a key");
        node.write("data/last_signed", "10");
        node.write("data/blocks/1.dat", &"block one ".repeat(1000));
        fs::set_permissions(
            node.path("data/state.db"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        node
    }

    /// The node that is in this directory.
    pub fn opened(dir: &Path) -> Node {
        Node {
            dir: dir.into(),
            _temp: None,
        }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// `relman backup` with arguments, ready to run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relman"));
        command
            .arg("backup")
            .args(arguments)
            .args(["--config", "node.toml"])
            .current_dir(&self.dir)
            .env("RELMAN_INSECURE_NOW", NOW)
            .stdin(std::process::Stdio::null());
        command
    }

    #[track_caller]
    pub fn backup(&self, arguments: &[&str]) -> Run {
        let run = Run::of(self.command(arguments).output().unwrap());
        assert!(![Some(101), Some(70)].contains(&run.code), "{run:#?}");
        run
    }

    /// Makes a backup; gives its name.
    #[track_caller]
    pub fn create(&self) -> String {
        let document = self.backup(&["create", "--json"]).exits(0).json();
        document["data"]["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn restore(&self, id: &str) -> Run {
        self.backup(&["restore", id, "--stopped"])
    }

    pub fn killed_at(&self, point: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(arguments);
        Run::of(
            command
                .env("RELMAN_INSECURE_KILL_AT", point)
                .output()
                .unwrap(),
        )
    }

    /// Names of all backups.
    #[track_caller]
    pub fn listed(&self) -> Vec<String> {
        let document = self.backup(&["list", "--json"]).exits(0).json();
        let backups = document["data"]["backups"].as_array().unwrap();
        let name = |b: &Value| b["id"].as_str().unwrap().to_owned();
        backups.iter().map(name).collect()
    }

    /// A path in a backup.
    pub fn in_backup(&self, id: &str, path: &str) -> PathBuf {
        self.path("state/backups").join(id).join(path)
    }

    /// What is in the directory of backups besides backups.
    pub fn leftovers(&self) -> Vec<String> {
        names(&self.path("state/backups"))
            .into_iter()
            .filter(|name| name.starts_with('.'))
            .collect()
    }
}

pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
