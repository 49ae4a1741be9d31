//! Passphrases through the real binary: from a descriptor, and typed at a terminal that shows nothing.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::relman::{BUILD, Project, Run, TAG, files, snapshot};
use crate::common::terminal::Terminal;

const PASSPHRASE: &str = "correct horse battery staple";

/// Runs relman with a text on its stdin.
fn fed(project: &Project, arguments: &[&str], text: &str) -> Run {
    let mut command = project.command(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("relman starts");
    // What is refused early is not read.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes());
    let run = Run::of(child.wait_with_output().expect("it ends"));
    assert!(![Some(70), Some(101)].contains(&run.code), "{run:#?}");
    run
}

/// A project whose keys all have [`PASSPHRASE`].
fn encrypted(name: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(BUILD, "");
    let init = ["init", "--yes", "--encrypt", "--passphrase-fd", "0"];
    fed(&project, &init, &format!("{PASSPHRASE}\n")).exits(0);
    project
}

#[test]
fn encrypted_keys_sign_a_release_with_the_passphrase_on_a_descriptor() {
    let project = encrypted("pass-cut");
    for name in files(&project.secrets()) {
        let text = fs::read_to_string(project.secrets().join(&name)).unwrap();
        assert!(
            ssh_key::PrivateKey::from_openssh(&text)
                .unwrap()
                .is_encrypted(),
            "{name}"
        );
    }
    fed(&project, &["cut", TAG, "--passphrase-fd", "0"], PASSPHRASE).exits(0);
    let text = format!("{PASSPHRASE}\r\nmore\n");
    fed(
        &project,
        &["timestamp", "--passphrase-fd", "0", "--json"],
        &text,
    )
    .exits(0)
    .json();
    project.is_verified(TAG);
    project.is_sound();
}

#[test]
fn a_file_or_a_pipe_on_any_descriptor_will_do() {
    let project = encrypted("pass-fd");
    fs::write(project.beside("pass"), format!("{PASSPHRASE}\n")).unwrap();
    for how in ["7<../pass", "7< <(cat ../pass)", "7<<<\"$(cat ../pass)\""] {
        let relman = project.command(&["timestamp", "--passphrase-fd", "7"]);
        let mut command = Command::new("bash");
        command
            .args(["-c", &format!("exec \"$0\" \"$@\" {how}")])
            .arg(relman.get_program())
            .args(relman.get_args())
            .current_dir(project.repo());
        command.env_clear();
        for (name, value) in relman.get_envs() {
            command.env(name, value.expect("a variable"));
        }
        Run::of(command.output().expect("bash runs")).exits(0);
    }
}

#[test]
fn a_wrong_an_empty_and_an_endless_passphrase_and_no_descriptor_are_errors() {
    let project = encrypted("pass-wrong");
    let with = |text: &str| fed(&project, &["timestamp", "--passphrase-fd", "0"], text);
    with("wrong horse\n")
        .exits(1)
        .says(&["does not open", "timestamp", "hint: try it yourself"]);
    with("").exits(1).says(&["no passphrase on descriptor 0"]);
    with(&format!("\n{PASSPHRASE}\n"))
        .exits(1)
        .says(&["its first line is empty"]);
    with(&"x".repeat(100_000))
        .exits(2)
        .says(&["more than 1024 bytes"]);
    let none = project
        .relman(&["timestamp", "--passphrase-fd", "77"])
        .exits(2);
    none.says(&["descriptor 77 cannot be read"]);
    for number in ["1", "2", "-1", "x", "4294967296"] {
        project
            .relman(&["timestamp", &format!("--passphrase-fd={number}")])
            .exits(2);
    }
    let nobody = project.relman(&["timestamp"]).exits(1);
    nobody.says(&[
        "has a passphrase",
        "no terminal",
        "--passphrase-fd",
        "ssh-add",
    ]);
    let document = project.relman(&["timestamp", "--json"]).exits(1).json();
    assert!(
        document["error"]["message"]
            .as_str()
            .unwrap()
            .contains("--json"),
        "{document:#}"
    );
}

#[test]
fn at_a_terminal_the_passphrase_is_asked_for_once_and_never_shown() {
    let project = encrypted("pass-tty");
    let mut terminal = Terminal::run(project.command(&["cut", TAG]));
    terminal.shows("/builder: ");
    assert!(!terminal.echoes());
    terminal.types(PASSPHRASE).types("\r");
    let run = terminal.ends().exits(0);
    assert!(
        !run.stderr.contains("passphrase of"),
        "asked again: {run:#?}"
    );
    assert!(
        !run.stderr.contains("horse") && !run.stdout.contains("horse"),
        "{run:#?}"
    );
    project.is_verified(TAG);
}

#[test]
fn what_is_typed_can_be_corrected_and_three_wrong_passphrases_are_enough() {
    let project = encrypted("pass-tries");
    let begin = || Terminal::run(project.command(&["timestamp"]));
    let mut terminal = begin();
    terminal
        .shows("/timestamp: ")
        .types("nonsense\x15")
        .types(PASSPHRASE)
        .types("äx\x7f\x7f\r");
    terminal.ends().exits(0);
    let mut terminal = begin();
    for _ in 0..2 {
        terminal
            .shows("/timestamp: ")
            .types("wrong horse\r")
            .shows("is not the passphrase");
    }
    terminal.shows("/timestamp: ").types(PASSPHRASE).types("\n");
    terminal.ends().exits(0);
    let mut terminal = begin();
    for _ in 0..3 {
        terminal.shows("/timestamp: ").types("wrong horse\r");
    }
    terminal
        .ends()
        .exits(1)
        .says(&["3 passphrases were tried", "ssh-keygen -y -f"]);
}

#[test]
fn whoever_gives_up_gets_the_terminal_back_as_it_was() {
    let project = encrypted("pass-quit");
    let before = snapshot(&project.store());
    for (keys, code, signal) in [
        ("secr\x03", None, Some(2)),
        ("secr\x04", Some(1), None),
        ("\r", Some(1), None),
    ] {
        let mut terminal = Terminal::run(project.interruptible(&["timestamp"]));
        terminal.shows("/timestamp: ").types(keys);
        let run = terminal.ends();
        assert_eq!((run.code, run.signal), (code, signal), "{run:#?}");
        assert!(!run.stderr.contains("secr"), "{run:#?}");
    }
    assert_eq!(snapshot(&project.store()), before);
}

#[test]
fn under_json_nothing_is_asked_even_at_a_terminal() {
    let project = encrypted("pass-json");
    let run = Terminal::run(project.command(&["timestamp", "--json"]))
        .ends()
        .exits(1);
    run.json();
}

#[test]
fn a_new_passphrase_is_typed_twice_and_not_too_short() {
    let project = Project::new("pass-new");
    let out = project.beside("new");
    let generate = [
        "key",
        "generate",
        "mainnet.bob",
        "--out",
        out.to_str().unwrap(),
    ];
    let mut terminal = Terminal::run(project.command(&generate));
    terminal
        .shows("new passphrase for")
        .types("short\r")
        .shows("wanted 8 or more");
    terminal
        .shows("new passphrase for")
        .types(PASSPHRASE)
        .types("\r");
    terminal
        .shows("the same again: ")
        .types("something else\r")
        .shows("not the same");
    terminal
        .shows("new passphrase for")
        .types(PASSPHRASE)
        .types("\r");
    terminal
        .shows("the same again: ")
        .types(PASSPHRASE)
        .types("\r");
    let run = terminal
        .ends()
        .exits(0)
        .says(&["with a passphrase", "relman root add mainnet"]);
    assert!(!run.stderr.contains("horse"), "{run:#?}");
    let text = fs::read_to_string(&out).unwrap();
    let key = ssh_key::PrivateKey::from_openssh(&text).unwrap();
    assert!(key.decrypt(PASSPHRASE).is_ok() && key.decrypt("something else").is_err());
}

#[test]
fn init_asks_once_for_all_keys_and_a_second_run_does_not_ask() {
    let project = Project::uninitialised("pass-init");
    project.configure(BUILD, "");
    let mut terminal = Terminal::run(project.command(&["init", "--yes", "--encrypt"]));
    terminal
        .shows("new passphrase for the keys of")
        .types(PASSPHRASE)
        .types("\r");
    terminal
        .shows("the same again: ")
        .types(PASSPHRASE)
        .types("\r");
    terminal.ends().exits(0);
    project
        .relman(&["init", "--yes", "--encrypt"])
        .exits(0)
        .says(&["nothing was changed"]);
    fed(&project, &["timestamp", "--passphrase-fd", "0"], PASSPHRASE).exits(0);
}

#[test]
fn a_descriptor_that_is_a_terminal_is_refused_for_it_would_show_the_passphrase() {
    let project = encrypted("pass-shown");
    let run = Terminal::run(project.command(&["timestamp", "--passphrase-fd", "0"])).ends();
    run.exits(2)
        .says(&["is a terminal, which shows what is typed"]);
}
