//! Keys in an ssh-agent through the real binary: every signature can come from there, and what is wrong
//! with an agent is told with what to do.

use std::fs;
use std::path::Path;

use ed25519_dalek::SigningKey;

use relman::io::keyring::PURPOSES;

use crate::common::fake_agent::{FakeAgent, Reply, blob, list_of, signature, string};
use crate::common::relman::{BUILD, Project, Run, SECOND, TAG, files};

/// What a project with a witness has keys for.
fn all() -> impl Iterator<Item = &'static str> {
    PURPOSES.into_iter().chain(["witness"])
}

/// Runs relman with this agent.
fn with(agent: &FakeAgent, project: &Project, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    command.env("SSH_AUTH_SOCK", agent.path());
    let run = Run::of(command.output().expect("relman runs"));
    assert!(![Some(70), Some(101)].contains(&run.code), "{run:#?}");
    run
}

/// The secret key in a file without a passphrase.
fn secret(path: &Path) -> SigningKey {
    let key = ssh_key::PrivateKey::read_openssh_file(path).expect("a key file");
    let pair = key.key_data().ed25519().expect("an Ed25519 key").clone();
    SigningKey::from_bytes(&pair.private.to_bytes())
}

/// Moves the secret keys at these paths to an agent; their public halves stay.
fn moved(project: &Project, paths: &[std::path::PathBuf]) -> FakeAgent {
    let keys = paths.iter().map(|path| {
        let key = secret(path);
        fs::remove_file(path).expect("it can be removed");
        key
    });
    FakeAgent::with(&project.beside(""), keys.collect())
}

/// Moves one of the keys that `init` made to an agent.
fn one_moved(project: &Project, name: &str) -> FakeAgent {
    public_half(project, name);
    moved(project, &[project.secrets().join(name)])
}

fn public_half(project: &Project, name: &str) {
    let out = project.secrets().join(format!("{name}.pub"));
    let out = out.to_str().unwrap();
    let export = ["key", "export", name, "--format", "ssh", "--out", out];
    project.relman(&export).exits(0);
}

#[test]
fn a_project_whose_keys_are_all_in_an_agent_is_founded_released_witnessed_and_promoted() {
    let project = Project::uninitialised("agent-all");
    project.configure(BUILD, "");
    let mut paths = Vec::new();
    for name in all() {
        let made = project.relman(&["key", "generate", name, "--no-passphrase"]);
        made.exits(0).says(&["next: relman init"]);
        paths.push(project.secrets().join(name));
    }
    let bob = project.beside("bob");
    let out = ["--out", bob.to_str().unwrap()];
    let bobs = [
        "key",
        "generate",
        "targets.bob",
        "--no-passphrase",
        out[0],
        out[1],
    ];
    project.relman(&bobs).exits(0);
    paths.push(bob.clone());
    let agent = moved(&project, &paths);
    let run = |arguments: &[&str]| with(&agent, &project, arguments).exits(0);
    let names: Vec<String> = all().map(|name| format!("{name}.pub")).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(
        files(&project.secrets()),
        sorted,
        "only public halves are there"
    );

    run(&["init", "--yes"]);
    run(&["cut", TAG]);
    run(&["timestamp"]);
    let vkey = run(&[
        "key",
        "export",
        "witness",
        "--format",
        "vkey",
        "--name",
        "w.example/1",
    ]);
    let witnesses = format!("witness w1 {}quorum w1\n", vkey.stdout);
    fs::write(project.beside("witnesses"), witnesses).unwrap();
    let file = project.beside("witnesses");
    run(&["root", "witnesses", file.to_str().unwrap(), "--yes"]);

    let half = project.beside("bob.pub");
    let half = half.to_str().unwrap();
    let add = [
        "root",
        "add",
        "targets",
        half,
        "--person",
        "bob",
        "--threshold",
        "2",
        "--yes",
    ];
    run(&add).says(&["root-3 waits for signatures", "missing: bob"]);
    run(&["sign", "root-3", "--key", half, "--yes"]).says(&["published root-3"]);

    project.second();
    run(&["cut", SECOND]).says(&["is a draft", "missing: bob"]);
    let id = format!("release-{SECOND}");
    run(&["sign", &id, "--key", "agent", "--yes"]).says(&["published release-"]);
    run(&["promote", TAG, "--to", "testnet"]).says(&["published promote-testnet-"]);

    let cosigned = fs::read_to_string(project.store().join("log/checkpoint")).unwrap();
    assert!(cosigned.contains("— w.example/1 "), "{cosigned}");
    project.is_sound();
    project.is_verified(TAG);
    let mut private = files(&project.secrets());
    private.retain(|name| !name.ends_with(".pub") && !name.starts_with("cosigned/"));
    assert_eq!(private, [""; 0], "no private key came back");
}

#[test]
fn only_the_keys_that_a_document_asks_for_sign_it() {
    let project = Project::new("agent-login");
    let (login, bobs) = (
        SigningKey::from_bytes(&[9; 32]),
        SigningKey::from_bytes(&[5; 32]),
    );
    fs::write(project.beside("bob.pub"), openssh(&bobs)).unwrap();
    let half = project.beside("bob.pub");
    let half = half.to_str().unwrap();
    let add = [
        "root",
        "add",
        "targets",
        half,
        "--person",
        "bob",
        "--threshold",
        "2",
        "--yes",
    ];
    project.relman(&add).exits(0).says(&["missing: bob"]);
    let agent = FakeAgent::with(&project.beside(""), vec![login, bobs.clone()]);
    with(
        &agent,
        &project,
        &["sign", "root-2", "--key", "agent", "--yes"],
    )
    .exits(0);
    assert!(!agent.signed().is_empty());
    let public = bobs.verifying_key().to_bytes();
    assert!(
        agent.signed().iter().all(|key| *key == public),
        "a login key signed"
    );
}

fn openssh(key: &SigningKey) -> String {
    let public = ssh_key::public::Ed25519PublicKey(key.verifying_key().to_bytes());
    ssh_key::PublicKey::from(public).to_openssh().unwrap() + "\n"
}

#[test]
fn a_public_half_alone_says_what_is_missing_where_no_agent_has_its_key() {
    let project = Project::new("agent-absent");
    let agent = one_moved(&project, "timestamp");
    with(&agent, &project, &["timestamp"]).exits(0);

    let none = project.relman(&["timestamp"]).exits(1);
    none.says(&[
        "timestamp.pub stands for a key in the ssh-agent",
        "SSH_AUTH_SOCK",
        "ssh-add",
    ]);
    drop(agent);
    for (keys, texts) in [
        (vec![], ["has no keys, or is locked", "ssh-add -X"]),
        (vec![[7; 32]], ["does not have the key of", "ssh-add"]),
    ] {
        fs::remove_file(project.beside("agent.sock")).unwrap();
        let keys = keys.iter().map(SigningKey::from_bytes).collect();
        let other = FakeAgent::with(&project.beside(""), keys);
        with(&other, &project, &["timestamp"]).exits(1).says(&texts);
        with(&other, &project, &["timestamp", "--json"])
            .exits(1)
            .json();
    }
    let mut gone = project.command(&["timestamp"]);
    gone.env("SSH_AUTH_SOCK", project.beside("agent.sock"));
    let gone = Run::of(gone.output().expect("relman runs"));
    gone.exits(1).says(&["cannot be reached", "ssh-agent"]);
    // Readers need no key.
    project.is_sound();
}

#[test]
fn a_key_that_the_agent_lost_is_passed_over_where_another_is_at_hand() {
    let project = Project::new("agent-other");
    fs::write(
        project.secrets().join("timestamp.old.pub"),
        openssh(&SigningKey::from_bytes(&[8; 32])),
    )
    .unwrap();
    project.relman(&["timestamp"]).exits(0);
}

#[test]
fn what_needs_a_key_that_the_agent_has_not_waits_for_it_and_says_so() {
    let project = Project::published("agent-waits");
    let agent = one_moved(&project, "testnet");
    let promote = ["promote", TAG, "--to", "testnet"];
    let run = project.relman(&promote).exits(0);
    run.says(&[
        "0 of 1 signatures",
        "not at hand: ",
        "testnet.pub stands for a key",
        "SSH_AUTH_SOCK",
    ]);
    let sign = ["sign", "promote-testnet-2", "--yes"];
    let run = project.relman(&sign).exits(1);
    run.says(&[
        "nothing was signed",
        "testnet.pub stands for a key",
        "hint: start one",
    ]);
    with(&agent, &project, &sign)
        .exits(0)
        .says(&["published promote-testnet-2"]);
    drop(agent);

    fs::remove_file(project.beside("agent.sock")).unwrap();
    let agent = one_moved(&project, "targets");
    project.second();
    let run = project.relman(&["cut", SECOND]).exits(0);
    run.says(&[
        "is a draft",
        "role targets has 0 of 1",
        "not at hand: ",
        "targets.pub",
    ]);
    with(&agent, &project, &["publish", SECOND]).exits(0);
    project.is_sound();
}

#[test]
fn an_agent_that_refuses_or_lies_publishes_nothing() {
    let project = Project::new("agent-liar");
    public_half(&project, "timestamp");
    let key = secret(&project.secrets().join("timestamp"));
    fs::remove_file(project.secrets().join("timestamp")).unwrap();
    let before = fs::read(project.store().join("metadata/timestamp.json")).unwrap();
    let other = SigningKey::from_bytes(&[7; 32]);
    let lie = ed25519_dalek::Signer::sign(&other, b"anything").to_bytes();
    for (answer, code, text) in [
        (Reply::Message(vec![5]), 1, "refuses to sign"),
        (
            Reply::Message(signature(&lie)),
            3,
            "a signature that is none of key",
        ),
        (Reply::Message(vec![14, 0, 0]), 1, "malformed"),
        (Reply::Raw(Vec::new()), 1, "malformed"),
    ] {
        let listed = list_of(&[blob(&key)]);
        let agent = FakeAgent::saying(&project.beside(""), move |request| match request {
            [11] => Reply::Message(listed.clone()),
            _ => answer.clone(),
        });
        with(&agent, &project, &["timestamp"])
            .exits(code)
            .says(&[text, "hint:"]);
        drop(agent);
        fs::remove_file(project.beside("agent.sock")).unwrap();
    }
    let after = fs::read(project.store().join("metadata/timestamp.json")).unwrap();
    assert_eq!(after, before);
}

#[test]
fn fido_and_rsa_keys_are_refused_with_what_to_do_instead() {
    let project = Project::new("agent-fido");
    let fido = [
        string(b"sk-ssh-ed25519@openssh.com"),
        string(&[7; 32]),
        string(b"ssh:"),
    ]
    .concat();
    let rsa = [string(b"ssh-rsa"), string(&[1, 0, 1]), string(&[7; 256])].concat();
    let listed = list_of(&[fido.clone(), rsa]);
    let agent = FakeAgent::saying(&project.beside(""), move |_| Reply::Message(listed.clone()));
    let sign = ["sign", "root-2", "--yes", "--key"];
    project.relman(&["root", "renew", "--draft"]).exits(0);
    let run = with(&agent, &project, &[sign.as_slice(), &["agent"]].concat()).exits(1);
    run.says(&[
        "no plain Ed25519 key",
        "sk-ssh-ed25519@openssh.com",
        "ssh-rsa",
        "FIDO",
        "relman key generate",
    ]);

    use base64ct::{Base64, Encoding};
    let line = format!(
        "sk-ssh-ed25519@openssh.com {} me\n",
        Base64::encode_string(&fido)
    );
    fs::write(project.beside("fido.pub"), line).unwrap();
    let half = project.beside("fido.pub");
    let run = with(
        &agent,
        &project,
        &[sign.as_slice(), &[half.to_str().unwrap()]].concat(),
    );
    run.exits(2)
        .says(&["FIDO keys sign other bytes", "relman key generate"]);
}

#[test]
fn the_word_agent_without_one_and_a_public_half_beside_its_private_one_are_told_apart() {
    let project = Project::new("agent-word");
    project.relman(&["root", "renew", "--draft"]).exits(0);
    let run = project
        .relman(&["sign", "root-2", "--yes", "--key", "agent"])
        .exits(1);
    run.says(&["SSH_AUTH_SOCK is not set", "ssh-add"]);
    public_half(&project, "root");
    let half = project.secrets().join("root.pub");
    let run = project.relman(&["sign", "root-2", "--yes", "--key", half.to_str().unwrap()]);
    run.exits(1)
        .says(&["its private half lies beside it: --key"]);
    let none = project.beside("none");
    let run = project.relman(&["sign", "root-2", "--yes", "--key", none.to_str().unwrap()]);
    run.exits(1).says(&["there is no key file at", "or agent"]);
}
