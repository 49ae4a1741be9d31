//! `relman demo`: the whole way with a small sample daemon, each command shown before it runs, so
//! that a newcomer can repeat it by hand. No root, no network, no systemd.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{Cli, DemoArgs};
use super::project::start_dir;
use crate::demo::sample::PHASES;
use crate::io::durable::{self, MODE_FILE};
use crate::io::process::Child;
use crate::io::{process, sample_repo, service};
use crate::limits::{MAX_ARCHIVE_LEN, MAX_CONFIG_LEN};
use crate::node::config::NodeConfig;
use crate::ui::Answer;
use crate::{Error, Result};

/// The sample project's name; it also names the directory that builds happen in.
const PROJECT: &str = "timed-demo";

/// The node's configuration. The demo's own trust root says that it is an example.
const NODE_TOML: &str = r#"name = "demo"
store = "../timed/releases"
root = "../timed/keys/root.json"
state = "state"
insecure_accept_example_root = true

[[binary]]
name = "timed"
path = "bin/timed"

[service]
start = ["bin/timed", "--config", "timed.conf"]

[health]
stable_seconds = 1
"#;

const TIMED_CONF: &str = "network = regtest
rpc_bind = 127.0.0.1:0
datadir = data
block_interval_ms = 500
";

/// Runs the command.
pub fn run(cli: &Cli, args: &DemoArgs) -> Result<Answer> {
    let dir = match &args.dir {
        Some(dir) => start_dir(cli)?.join(dir),
        None => process::new_temp_dir("relman-demo-")?,
    };
    durable::create_dir_all(&dir)?;
    let mut demo = Demo {
        exe: process::current_exe()?,
        dir: dir.clone(),
        cwd: dir.clone(),
        silent: cli.json || cli.quiet,
        steps: Vec::new(),
    };
    let walked = demo.walk();
    // However the walk ended, no daemon is left behind.
    let stopped = stop_daemon(&dir.join("node"));
    walked?;
    stopped?;
    demo.tell("the daemon is stopped");
    let text = format!(
        "\nthat was the whole way: cut, verify, install, roll back, audit\n\
         everything is still in {0}; remove it with: rm -r {0}\n",
        dir.display()
    );
    Ok(Answer::done(
        json!({ "directory": dir, "steps": demo.steps }),
        text,
    ))
}

struct Demo {
    exe: PathBuf,
    dir: PathBuf,
    cwd: PathBuf,
    silent: bool,
    steps: Vec<Value>,
}

impl Demo {
    fn walk(&mut self) -> Result<()> {
        let (first, second) = (PHASES[0].0, PHASES[1].0);
        self.show(&format!(
            "export XDG_CONFIG_HOME={}/config",
            self.dir.display()
        ));
        self.tell("a git repository of a small daemon, with three release tags, is made in timed/");
        sample_repo::create(&self.dir.join("timed"), 3)?;
        self.cd("timed");
        self.relman(&["init", "--yes", "--project", PROJECT, "--example"], 0)?;
        self.relman(&["cut", first], 0)?;
        self.relman(&["list"], 0)?;
        self.relman(&["show", first], 0)?;
        self.relman(&["verify", first], 0)?;

        self.tell("a node: node/node.toml says which store and root it trusts, and what it runs");
        let node = self.dir.join("node");
        durable::create_dir_all(&node.join("bin"))?;
        durable::write_atomic(&node.join("node.toml"), NODE_TOML.as_bytes(), MODE_FILE)?;
        durable::write_atomic(&node.join("timed.conf"), TIMED_CONF.as_bytes(), MODE_FILE)?;
        self.cd("node");
        self.relman(&["install", first, "--config", "node.toml"], 0)?;
        self.relman(&["status", "--config", "node.toml"], 0)?;

        self.tell("the next phase: cut, look before the leap, install");
        self.cd("timed");
        self.relman(&["cut", second], 0)?;
        self.cd("node");
        self.relman(
            &["install", second, "--config", "node.toml", "--dry-run"],
            0,
        )?;
        self.relman(&["install", second, "--config", "node.toml"], 0)?;

        self.tell("something is wrong with it: go back");
        self.relman(&["rollback", "--config", "node.toml"], 0)?;
        self.relman(&["status", "--config", "node.toml"], 0)?;

        self.tell("one bit of a copied archive is flipped: it is refused, with exit code 3");
        self.cd("timed");
        self.tamper(first)?;
        self.relman(&["verify", &format!("../{first}.tar.gz")], 3)?;
        self.tell("the history, years later");
        self.relman(&["audit"], 0)
    }

    fn tamper(&self, tag: &str) -> Result<()> {
        let name = format!("{tag}.tar.gz");
        let from = self.dir.join("timed/releases").join(tag).join(&name);
        let mut bytes = durable::read_required(&from, MAX_ARCHIVE_LEN)?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        durable::write_atomic(&self.dir.join(name), &bytes, MODE_FILE)
    }

    /// Runs relman itself and wants this exit code.
    fn relman(&mut self, args: &[&str], wanted: i32) -> Result<()> {
        let command = format!("relman {}", args.join(" "));
        self.show(&command);
        let exit = Child {
            program: &self.exe,
            args,
            dir: &self.cwd,
            env: &[("XDG_CONFIG_HOME", &self.dir.join("config"))],
            silent: self.silent,
        }
        .run()?;
        self.steps.push(json!({ "command": command, "exit": exit }));
        if exit == Some(wanted) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{command} ended with exit code {}, wanted {wanted}",
            exit.map_or("none".into(), |code| code.to_string())
        ))
        .hint(format!("look at what is there: cd {}", self.cwd.display())))
    }

    fn cd(&mut self, name: &str) {
        self.cwd = self.dir.join(name);
        self.show(&format!("cd {}", self.cwd.display()));
    }

    fn show(&self, command: &str) {
        self.print(&format!("\n$ {command}\n"));
    }

    fn tell(&self, what: &str) {
        self.print(&format!("\n# {what}\n"));
    }

    fn print(&self, text: &str) {
        if !self.silent {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

fn stop_daemon(node: &Path) -> Result<()> {
    let Some(bytes) = durable::read_bounded(&node.join("node.toml"), MAX_CONFIG_LEN)? else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&bytes);
    let config = NodeConfig::parse(&text, &durable::resolve(node))?;
    match service::from_config(&config) {
        Some(service) => service.stop(false).map(|_| ()),
        None => Ok(()),
    }
}
