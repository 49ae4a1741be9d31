//! Whoever has no relman checks a release with the tools that every system has, and they agree.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::relman::{Project, TAG, copy_tree, files, flip};

/// A copy of a release directory, where other tools are at work.
struct Copy<'a> {
    project: &'a Project,
    dir: PathBuf,
}

impl Copy<'_> {
    fn new<'a>(project: &'a Project, name: &str) -> Copy<'a> {
        let dir = project.beside(name);
        copy_tree(&project.store().join(TAG), &dir);
        Copy { project, dir }
    }

    /// Whether a shell command succeeds here.
    fn passes(&self, line: &str) -> bool {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(&self.dir);
        let keys = self.project.path("keys");
        shell.env("KEYS", keys).env("TAG", TAG).env("LC_ALL", "C");
        let quiet = shell
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        quiet.status().expect("sh runs").success()
    }

    /// As an operator by hand, with `INSTALLATION.md`.
    fn signature(&self, principal: &str, namespace: &str) -> bool {
        self.passes(&format!(
            "ssh-keygen -Y verify -f \"$KEYS/allowed_signers\" -I {principal} -n {namespace} \
             -s SHA256SUMS.sig < SHA256SUMS"
        ))
    }
}

#[track_caller]
fn needs(tool: &str) {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output();
    assert!(
        found.expect("sh runs").status.success(),
        "these tests need {tool}, which is not installed"
    );
}

#[test]
fn sha256sum_agrees_and_finds_a_changed_file() {
    needs("sha256sum");
    let project = Project::published("others-sums");
    let good = Copy::new(&project, "good");
    assert!(good.passes("sha256sum -c --strict SHA256SUMS"));
    assert!(good.passes("sha256sum -c --strict timed.sha256"));
    // Every file but those that come after the sums is in them.
    let sums = fs::read_to_string(good.dir.join("SHA256SUMS")).unwrap();
    let mut listed: Vec<&str> = sums
        .lines()
        .filter_map(|l| l.split_once("  "))
        .map(|(_, n)| n)
        .collect();
    listed.extend(["SHA256SUMS", "SHA256SUMS.sig", "release.tlog-proof"]);
    listed.sort_unstable();
    assert_eq!(listed, files(&good.dir));

    for line in sums.lines() {
        let (_, name) = line.split_once("  ").unwrap();
        let bad = Copy::new(&project, &format!("bad-{name}"));
        flip(&bad.dir.join(name));
        assert!(!bad.passes("sha256sum -c SHA256SUMS"), "{name} was flipped");
        if name == "timed" {
            assert!(!bad.passes("sha256sum -c timed.sha256"));
        }
    }
}

#[test]
fn ssh_keygen_agrees_and_refuses_another_signer_namespace_or_text() {
    needs("ssh-keygen");
    let project = Project::published("others-ssh");
    let principal = format!("builder@{}", project.name);
    let good = Copy::new(&project, "good");
    assert!(good.signature(&principal, "relman"));
    assert!(!good.signature("builder@another", "relman"));
    assert!(!good.signature(&principal, "file"));
    for name in ["SHA256SUMS", "SHA256SUMS.sig"] {
        let bad = Copy::new(&project, &format!("bad-{name}"));
        flip(&bad.dir.join(name));
        assert!(!bad.signature(&principal, "relman"), "{name} was flipped");
    }
    let foreign = Project::new("others-foreign");
    let signers = foreign.path("keys/allowed_signers");
    let text = fs::read_to_string(signers)
        .unwrap()
        .replace(&foreign.name, &project.name);
    fs::write(project.path("keys/allowed_signers"), text).unwrap();
    assert!(
        !good.signature(&principal, "relman"),
        "a foreign key was taken"
    );
}

#[test]
fn gzip_and_tar_unpack_the_same_bytes() {
    for tool in ["gzip", "tar", "cmp"] {
        needs(tool);
    }
    let project = Project::uninitialised("others-tar");
    // Several gzip members, with a last one that is not full.
    project.configure(
        "mkdir -p out && awk 'BEGIN { for (i = 0; i < 400000; i++) print i * i }' > out/timed",
        "",
    );
    project.relman(&["init", "--yes"]).exits(0);
    project.relman(&["cut", TAG]).exits(0);
    let good = Copy::new(&project, "good");
    assert!(fs::metadata(good.dir.join("timed")).unwrap().len() > 3 << 20);
    assert!(good.passes("gzip -t $TAG.tar.gz"));
    assert!(good.passes("mkdir out && tar xzf $TAG.tar.gz -C out"));
    let unpacked = files(&good.dir.join("out").join(TAG));
    assert_eq!(unpacked, ["INSTALLATION.md", "RELEASE_NOTES.md", "timed"]);
    for name in &unpacked {
        assert!(
            good.passes(&format!("cmp {name} out/$TAG/{name}")),
            "{name}"
        );
    }
    assert!(good.passes("test -x out/$TAG/timed && ! test -x out/$TAG/INSTALLATION.md"));
    assert!(
        good.passes("tar tvzf $TAG.tar.gz | awk '$2 != \"0/0\" && $2 != \"root/root\" { exit 1 }'")
    );

    let bad = Copy::new(&project, "bad");
    flip(&bad.dir.join(format!("{TAG}.tar.gz")));
    assert!(!bad.passes("gzip -t $TAG.tar.gz"));
    assert!(!bad.passes("tar xzf $TAG.tar.gz -O"));
}

#[test]
fn the_steps_in_the_installation_guide_work_as_written() {
    let project = Project::published("others-guide");
    let good = Copy::new(&project, "good");
    let guide = fs::read_to_string(good.dir.join("INSTALLATION.md")).unwrap();
    let mut blocks = guide.split("```sh\n").skip(1);
    let mut block = || blocks.next().and_then(|rest| rest.split("```").next());
    let verify = block().expect("the guide says how to verify");
    let install = block().expect("the guide says how to install");
    let unpack = install.lines().next().expect("it begins with unpacking");
    assert!(verify.contains("sha256sum ") && unpack.starts_with("tar "));

    let signers = project.path("keys/allowed_signers");
    copy_tree(&signers, &good.dir.join("allowed_signers"));
    assert!(good.passes(verify), "{verify}");
    assert!(good.passes(unpack), "{unpack}");
    assert!(good.passes("cmp timed $TAG/timed"));
    for name in ["SHA256SUMS", &format!("{TAG}.tar.gz")] {
        let bad = Copy::new(&project, &format!("bad-{name}"));
        copy_tree(&signers, &bad.dir.join("allowed_signers"));
        flip(&bad.dir.join(name));
        assert!(!bad.passes(verify), "{name} was flipped");
    }
}
