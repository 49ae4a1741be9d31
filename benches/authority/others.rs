//! Bench `authority`: other people's clients, where they are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::Outcome;

/// Refreshes with python-tuf; prints milliseconds without the start of Python.
const PYTHON: &str = r#"
import sys, time, os
from tuf.ngclient import Updater
url, root, state = sys.argv[1:4]
os.makedirs(state, exist_ok=True)
began = time.perf_counter()
updater = Updater(metadata_dir=state, metadata_base_url=url + "/metadata/",
                  bootstrap=open(root, "rb").read())
updater.refresh()
updater.get_targetinfo("mainnet.current.json")
print((time.perf_counter() - began) * 1000)
"#;

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/judges/venv/bin/python")
}

fn program() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-tools/bin/tuftool");
    match built.exists() {
        true => built,
        false => "tuftool".into(),
    }
}

/// Says which clients there are to compare with.
pub fn print() {
    let version = |program: &Path, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        text.unwrap_or_else(|| "not here".into())
    };
    let tuf = "import tuf; print('python-tuf', tuf.__version__)";
    println!(
        "clients     {}; {}",
        version(&python(), &["-c", tuf]),
        version(&program(), &["--version"]),
    );
}

/// A refresh by python-tuf with its state in `state`; `None` where it is not installed.
pub fn python_refresh(url: &str, root: &str, state: &Path) -> Outcome<Option<f64>> {
    if !python().exists() {
        return Ok(None);
    }
    let output = Command::new(python())
        .args(["-c", PYTHON, url, root])
        .arg(state)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("python-tuf did not refresh".into());
    }
    Ok(Some(String::from_utf8(output.stdout)?.trim().parse()?))
}

/// A whole run of `tuftool download` of `targets` into the new directory `to`, in milliseconds;
/// with none it asks for one that is not there, which it finds out after its refresh.
pub fn tuftool(url: &str, root: &str, to: &Path, targets: &[&str]) -> Outcome<Option<f64>> {
    let mut command = Command::new(program());
    command
        .args(["download", "--root", root])
        .args(["--metadata-url", &format!("{url}/metadata")])
        .args(["--targets-url", &format!("{url}/targets")])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let names = if targets.is_empty() {
        &["nothing"]
    } else {
        targets
    };
    for name in names {
        command.args(["--target-name", name]);
    }
    command.arg(to);
    let began = Instant::now();
    let status = match command.status() {
        Ok(status) => status,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    if targets.is_empty() {
        let _ = fs::remove_dir_all(to);
    } else if !status.success() {
        return Err(format!("tuftool download ended with {status}").into());
    }
    Ok(Some(ms))
}
