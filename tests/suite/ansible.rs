//! The role for people who have Ansible: it is in order by Ansible's own linter, and moves real machines one at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::fleet_machines::{Fleet, Setup, two_releases};
use crate::common::relman::{Run, SECOND, TAG, copy_tree};

/// Where the role and the play are.
fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ansible")
}

/// A program of Ansible's, in `dir`, with nothing of this environment and whatever it keeps below `home`.
fn ansible(program: &str, dir: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("ANSIBLE_NOCOLOR", "1");
    command
}

#[test]
#[ignore = "wants ansible-lint"]
fn the_role_is_fit_for_production_by_ansibles_own_linter() {
    let dir = tempfile::tempdir().expect("a directory");
    copy_tree(&ours(), dir.path());
    let copy = dir.path().join("ansible");
    let lint = || {
        let words = ["--profile", "production", "--offline", "--nocolor"];
        let mut command = ansible("ansible-lint", &copy, dir.path());
        // A directory alone would be looked through for what git knows.
        command
            .args(words)
            .args(["site.yml", "roles/relman_install"]);
        Run::of(command.output().expect("ansible-lint runs"))
    };
    lint().exits(0);
    // It does look at the tasks.
    let tasks = copy.join("roles/relman_install/tasks/main.yml");
    let text = fs::read_to_string(&tasks).expect("tasks");
    fs::write(
        &tasks,
        text.replace("- name: Look what", "- name: look what"),
    )
    .expect("tasks");
    lint().exits(2).says(&["name[casing]"]);
}

/// The play, from the operator's machine, with the operator's ssh.
fn play(fleet: &Fleet, tag: &str) -> Run {
    let home = fleet.operators("home");
    fs::create_dir_all(&home).expect("a directory");
    let inventory = fleet.operators("inventory");
    let names = fleet.nodes().iter().map(|node| node.name.as_str());
    let names: Vec<&str> = names.collect();
    fs::write(&inventory, format!("[nodes]\n{}\n", names.join("\n"))).expect("a file");
    let mut command = ansible("ansible-playbook", &ours(), &home);
    command
        .arg("-i")
        .arg(&inventory)
        .args(["-e", &format!("relman_tag={tag} relman_pause_seconds=1")])
        .args(["-e", "ansible_python_interpreter=/usr/bin/python3"])
        .arg("site.yml")
        .env(
            "ANSIBLE_SSH_ARGS",
            format!(
                "-F {} -o ControlMaster=auto -o ControlPersist=30s",
                fleet.operators("ssh_config").display()
            ),
        )
        .env("ANSIBLE_PIPELINING", "1");
    // Sockets have short names or none.
    let sockets = tempfile::Builder::new().prefix("a").tempdir_in("/tmp");
    let sockets = sockets.expect("a directory");
    command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", sockets.path());
    let run = fleet.network.command(&command).output();
    Run::of(run.expect("ansible-playbook runs"))
}

/// What the play's last lines say of a node; none if it was not reached.
fn recap(run: &Run, node: &str) -> Option<String> {
    let (_, recap) = run.stdout.split_once("PLAY RECAP")?;
    let mut lines = recap.lines();
    lines
        .find(|line| line.starts_with(&format!("{node} ")))
        .map(str::to_owned)
}

fn current(fleet: &Fleet) -> Vec<Option<String>> {
    fleet.nodes().iter().map(|node| node.current()).collect()
}

#[test]
#[ignore = "wants root, systemd-nspawn, mmdebstrap, ip, ssh and ansible-playbook"]
fn a_play_moves_one_node_after_another_stops_at_the_first_that_is_not_well_and_changes_nothing_twice()
 {
    let setup = Setup {
        count: 3,
        ..Setup::default()
    };
    let fleet = Fleet::new(two_releases("ansible"), &setup);
    fleet.install_everywhere(TAG);
    let (old, new) = (Some(TAG.to_owned()), Some(SECOND.to_owned()));

    // The second one is sick: it goes back by itself, and the third is not touched.
    let config = fleet.node(2).machine.path("/etc/relman/node.toml");
    let good = fs::read_to_string(&config).expect("a configuration");
    let sick = "[[probe]]\nname = \"sentinel\"\nkind = \"command\"\ncommand = [\"false\"]\ndeadline_seconds = 2\n";
    fs::write(&config, format!("{good}{sick}")).expect("a configuration");
    let run = play(&fleet, SECOND);
    assert_eq!(run.code, Some(2), "{run:#?}");
    assert_eq!(current(&fleet), [new.clone(), old.clone(), old], "{run:#?}");
    let first = recap(&run, "n1").expect("it was moved");
    assert!(
        first.contains("changed=1") && first.contains("failed=0"),
        "{first}"
    );
    let second = recap(&run, "n2").expect("it was tried");
    assert!(second.contains("failed=1"), "{second}");
    assert_eq!(recap(&run, "n3"), None, "{run:#?}");
    for node in fleet.nodes() {
        assert!(node.runs(), "{}", node.name);
    }

    // Mended, the same play goes on where it stopped.
    fs::write(&config, good).expect("a configuration");
    let run = play(&fleet, SECOND).exits(0);
    for (name, changed) in [
        ("n1", "changed=0"),
        ("n2", "changed=1"),
        ("n3", "changed=1"),
    ] {
        let line = recap(&run, name).expect("it was reached");
        assert!(line.contains(changed), "{line}");
    }
    assert_eq!(current(&fleet), vec![new; 3]);
    let processes = || -> Vec<String> {
        let nodes = fleet.nodes().iter();
        let show = nodes.map(|node| {
            let unit = node.unit();
            let words = [
                "systemctl",
                "show",
                "--value",
                "--property",
                "MainPID",
                &unit,
            ];
            node.machine.run(&words).exits(0).stdout
        });
        show.collect()
    };
    let before = processes();
    let run = play(&fleet, SECOND).exits(0);
    for node in fleet.nodes() {
        let line = recap(&run, &node.name).expect("it was reached");
        assert!(line.contains("changed=0"), "{line}");
    }
    assert_eq!(processes(), before, "no daemon was started anew");
}
