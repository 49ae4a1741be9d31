//! `keys/allowed_signers`, judged by ssh-keygen and git: whose signature counts for what, and when.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, TAGS, write};
use crate::tools::agrees;

/// A time within every key's validity: a key that was made just now counts from the next second on.
const THEN: &str = "verify-time=20980101000000Z";

/// The files of one signature.
struct Signed {
    project: Project,
    message: PathBuf,
    signature: PathBuf,
}

impl Signed {
    /// What `ssh-keygen -Y verify` says, with further options.
    fn verify(&self, who: &str, options: &[&str]) -> Result<(), String> {
        let mut program = Command::new("ssh-keygen");
        program.args(["-Y", "verify", "-n", "relman", "-I", who, "-f"]);
        program.arg(self.project.key("allowed_signers"));
        program.arg("-s").arg(&self.signature).args(options);
        agrees(&mut program, Some(&self.message))
    }

    /// The principal of this project's builders.
    fn builder(&self) -> String {
        let text = fs::read_to_string(self.project.key("allowed_signers")).unwrap();
        text.split(' ').next().unwrap().to_owned()
    }
}

/// The sums of a release, and the builder's signature.
fn sums(name: &str) -> Signed {
    let project = Project::founded(name);
    project.release(TAGS[0]);
    let dir = project.store().join(TAGS[0]);
    Signed {
        message: dir.join("SHA256SUMS"),
        signature: dir.join("SHA256SUMS.sig"),
        project,
    }
}

#[track_caller]
fn refused(verdict: Result<(), String>, reason: &str) {
    let why = verdict.expect_err("accepted, wanted a refusal");
    assert!(why.contains(reason), "{why}, wanted {reason}");
}

fn run(program: &mut Command) {
    assert_eq!(agrees(program, None), Ok(()), "{program:?}");
}

#[test]
#[ignore = "needs ssh-keygen of OpenSSH 9 or later"]
fn ssh_keygen_accepts_a_builder_within_the_keys_validity_alone() {
    let signed = sums("judge-ssh-dates");
    let builder = signed.builder();
    let at = |time: &str| signed.verify(&builder, &["-O", &format!("verify-time={time}")]);
    refused(at("20200101000000Z"), "not yet valid");
    assert_eq!(at("20980101000000Z"), Ok(()));

    // A second builder, whose key ends.
    let key = signed.project.new_key("builder.b");
    let secret = signed.project.keyring_file("builder.b");
    let end = "2099-01-01T00:00:00Z";
    let add = [
        "root",
        "add",
        "builder",
        &key,
        "--person",
        "bob",
        "--not-after",
        end,
        "--yes",
    ];
    signed.project.relman(&add);
    let second = signed.project.scratch("SHA256SUMS");
    fs::copy(&signed.message, &second).unwrap();
    let mut sign = Command::new("ssh-keygen");
    run(sign
        .args(["-q", "-Y", "sign", "-n", "relman", "-f"])
        .arg(secret)
        .arg(&second));
    let by_bob = Signed {
        signature: second.with_extension("sig"),
        message: second,
        project: signed.project,
    };
    let at = |time: &str| by_bob.verify(&builder, &["-O", &format!("verify-time={time}")]);
    refused(at("20200101000000Z"), "not yet valid");
    assert_eq!(at("20981231235959Z"), Ok(()));
    refused(at("20990101000000Z"), "expired");
}

#[test]
#[ignore = "needs ssh-keygen of OpenSSH 9 or later"]
fn ssh_keygen_refuses_a_builder_on_a_revocation_list_and_tampered_sums() {
    let signed = sums("judge-ssh-revoked");
    let builder = signed.builder();
    let list = |purpose: &str| {
        let krl = signed.project.scratch(&format!("{purpose}.krl"));
        let mut make = Command::new("ssh-keygen");
        let public = signed.project.key(&format!("{purpose}.pub"));
        run(make.args(["-q", "-k", "-f"]).arg(&krl).arg(public));
        krl.to_str().unwrap().to_owned()
    };
    assert_eq!(
        signed.verify(&builder, &["-O", THEN, "-r", &list("publisher")]),
        Ok(())
    );
    // It says no more than that; with another list it said yes.
    refused(
        signed.verify(&builder, &["-O", THEN, "-r", &list("builder")]),
        "Could not verify signature",
    );
    refused(
        signed.verify("tagger@somebody", &["-O", THEN]),
        "Could not verify signature",
    );

    let text = fs::read(&signed.message).unwrap();
    let mut damaged = text.clone();
    damaged[10] ^= 1;
    write(&signed.message, &damaged);
    refused(
        signed.verify(&builder, &["-O", THEN]),
        "incorrect signature",
    );
    write(&signed.message, &text);
    assert_eq!(signed.verify(&builder, &["-O", THEN]), Ok(()));
}

/// What `git verify-tag` says of the first release's tag, with the project's own file.
fn verify_tag(project: &Project) -> Result<(), String> {
    let signers = project.key("allowed_signers");
    let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    agrees(
        git(project).args(["-c", &signers, "verify-tag", TAGS[0]]),
        None,
    )
}

fn git(project: &Project) -> Command {
    let mut git = Command::new("git");
    git.current_dir(project.store().parent().unwrap())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    git
}

/// Tags the first release anew, signed with a secret key.
fn sign_tag(project: &Project, key: &Path) {
    let key = format!("user.signingkey={}", key.display());
    let mut git = git(project);
    git.env("GIT_COMMITTER_DATE", "2098-01-01T00:00:00Z");
    git.args(["-c", "gpg.format=ssh", "-c", &key, "-c", "user.name=Ann"]);
    git.args([
        "-c",
        "user.email=ann@example.org",
        "tag",
        "-s",
        "-f",
        "-m",
        "It.",
        TAGS[0],
    ]);
    run(&mut git);
}

#[test]
#[ignore = "needs git and ssh-keygen of OpenSSH 9 or later"]
fn git_verifies_a_taggers_tag_with_our_file_and_no_other_keys() {
    let project = Project::founded("judge-git-tag");
    project.release(TAGS[0]);
    let key = project.new_key("tagger");
    project.relman(&[
        "root", "add", "tagger", &key, "--person", "Ann Lee", "--yes",
    ]);
    let signers = fs::read_to_string(project.key("allowed_signers")).unwrap();
    assert!(
        signers.contains("\nann-lee@judge-git-tag,tagger@judge-git-tag "),
        "{signers}"
    );

    refused(verify_tag(&project), "no signature found");
    sign_tag(&project, &project.keyring_file("tagger"));
    assert_eq!(verify_tag(&project), Ok(()));
    // The builder signs sums, not tags.
    sign_tag(&project, &project.keyring_file("builder"));
    assert!(verify_tag(&project).is_err());
}
