//! Bench `release`: a project whose build only copies a file, so that what is measured is relman.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use relman::demo::sample::PHASES;
use relman::io::sample_repo;

use crate::children::COPY;
use crate::harness::{CHILD, Outcome};
use crate::pairs::Run;

/// The tag that is cut.
pub const TAG: &str = PHASES[0].0;
/// The one binary.
pub const BINARY: &str = "timed";

/// A project, initialised and not yet cut.
pub struct Project {
    /// Its name, which the build directory has too.
    pub name: String,
    /// The git repository.
    pub dir: PathBuf,
    /// The secret keys.
    pub secret_keys: PathBuf,
    /// What its build copies.
    pub payload: PathBuf,
    time: PathBuf,
}

impl Project {
    /// Makes the project `name` in `work`, with a payload of `len` bytes: relman's own program,
    /// real machine code, again and again (further apart than deflate looks back).
    pub fn create(work: &Path, name: &str, len: u64) -> Outcome<Self> {
        let project = Project {
            name: name.to_owned(),
            dir: work.join(name),
            secret_keys: work.join(format!("{name}-keys")),
            payload: work.join(format!("{name}-payload")),
            time: work.join(format!("{name}-time")),
        };
        payload(&project.payload, len)?;
        sample_repo::create(&project.dir, 1)?;
        project.relman(&project.dir, &["init", "--yes", "--project", name])?;
        let toml = project.dir.join("relman.toml");
        let command = [
            std::env::current_exe()?.into_os_string(),
            CHILD.into(),
            COPY.into(),
            project.payload.clone().into_os_string(),
            format!("out/{BINARY}").into(),
            project.time.clone().into_os_string(),
        ];
        let words: Vec<String> = command.iter().map(|w| format!("{w:?}")).collect();
        let build = format!(
            "[build]\ncommand = [{}]\nbinaries = [\"out/{BINARY}\"]\n",
            words.join(", ")
        );
        fs::write(
            &toml,
            fs::read_to_string(&toml)?.replace("[build]\n", &build),
        )?;
        Ok(project)
    }

    /// Cuts in a copy of the project at `to`: a store can be published to only once.
    pub fn copy(&self, to: &Path) -> Outcome<()> {
        shell("cp -a \"$1\" \"$2\"", &[&self.dir, to])
    }

    /// Cuts and publishes in `dir`; what the build command itself took is not counted.
    pub fn cut(&self, dir: &Path) -> Outcome<Run> {
        let began = Instant::now();
        self.relman(dir, &["cut", TAG])?;
        let whole = began.elapsed().as_secs_f64() * 1000.0;
        let build = fs::read_to_string(&self.time)?.parse::<f64>()? / 1e6;
        Ok(Run {
            ms: whole - build,
            subtracted: build,
            peak_kib: None,
        })
    }

    fn relman(&self, dir: &Path, args: &[&str]) -> Outcome<()> {
        let output = Command::new(env!("CARGO_BIN_EXE_relman"))
            .arg("--quiet")
            .arg("-C")
            .arg(dir)
            .arg("--secret-keys")
            .arg(&self.secret_keys)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()?;
        match output.status.success() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("relman {} failed: {said}", args.join(" ")).into())
            }
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let uid = rustix::process::geteuid().as_raw();
        let _ = fs::remove_dir_all(format!("/var/tmp/relman-{uid}/{}", self.name));
    }
}

fn payload(path: &Path, len: u64) -> Outcome<()> {
    let program = fs::read(env!("CARGO_BIN_EXE_relman"))?;
    let mut file = File::create(path)?;
    let mut left = usize::try_from(len)?;
    while left > 0 {
        let piece = program.get(..left).unwrap_or(&program);
        file.write_all(piece)?;
        left -= piece.len();
    }
    file.sync_all()?;
    Ok(())
}

/// Runs a script with arguments.
pub fn shell(script: &str, args: &[&Path]) -> Outcome<()> {
    let output = Command::new("/bin/sh")
        .args(["-euc", script, "sh"])
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{script}` failed: {said}").into())
        }
    }
}

/// Milliseconds that a script takes.
pub fn timed(script: &str, args: &[&Path]) -> Outcome<Run> {
    let began = Instant::now();
    shell(script, args)?;
    Ok(Run {
        ms: began.elapsed().as_secs_f64() * 1000.0,
        ..Run::default()
    })
}
