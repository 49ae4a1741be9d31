//! What a gate may do to its surroundings, and what it cannot do to those after it.

use std::fs;
use std::path::Path;

use crate::common::relman::{Project, Run, TAG};
use crate::common::{wait_for, wait_for_end};
use crate::gate_cli::{gated, results, shell};

/// Whether the processes whose ids a gate wrote down are gone.
#[track_caller]
fn are_gone(file: &Path, number: usize) {
    let text = fs::read_to_string(file).expect("a gate wrote down who runs");
    let pids: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(pids.len(), number, "{text}");
    pids.into_iter().for_each(wait_for_end);
}

/// Shell that starts processes in every way that hides them, and writes down who they are.
fn crowd(pids: &Path) -> String {
    let pids = pids.display();
    format!(
        "sleep 1000 & echo $! >> {pids}\n\
         setsid sh -c 'echo $$ >> {pids}; sleep 1001' &\n\
         (setsid sh -c 'echo $$ >> {pids}; exec sleep 1002' > /dev/null 2>&1 &)\n\
         while [ $(wc -l < {pids}) -lt 3 ]; do sleep 0.01; done\n"
    )
}

#[test]
fn at_its_timeout_a_gate_ends_with_all_that_it_started() {
    let project = Project::uninitialised("gate-timeout");
    let pids = project.beside("pids");
    let line = format!("{}echo waiting; sleep 1003", crowd(&pids));
    let more = "timeout_minutes = 3\ncounts = \"cargo-test\"";
    project.git(&["tag", "-d", TAG]);
    let gates = shell("stuck", &line, more) + &shell("next", "true", "");
    crate::gate_cli::tag_with(&project, &gates, "echo x\n", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    let mut command = project.command(&["gate", TAG]);
    let output = command.env("RELMAN_INSECURE_MINUTE", "500").output();
    let run = Run::of(output.unwrap()).exits(1);
    run.says(&[
        "stuck FAILED: was stopped after 3 minutes",
        "cannot be read",
        "next ok",
    ]);
    are_gone(&pids, 3);
    let stuck = &results(&project, TAG)[0];
    assert_eq!(stuck.exit_status, None);
    assert_eq!(stuck.ended.as_deref(), Some("was stopped after 3 minutes"));
}

#[test]
fn what_a_gate_leaves_running_is_ended_before_the_next() {
    let project = Project::uninitialised("gate-left");
    let pids = project.beside("pids");
    project.git(&["tag", "-d", TAG]);
    let gates = shell("daemon", &crowd(&pids), "") + &shell("next", "true", "");
    crate::gate_cli::tag_with(&project, &gates, "echo x\n", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    let run = project.relman(&["gate", TAG]).exits(0);
    // Its shells have children of their own.
    run.says(&["gate daemon left", "processes running, which were ended"]);
    are_gone(&pids, 3);
}

#[test]
fn an_interrupt_from_the_terminal_ends_gate_and_relman() {
    use std::os::unix::process::CommandExt;
    let project = Project::uninitialised("gate-interrupt");
    let pids = project.beside("pids");
    project.git(&["tag", "-d", TAG]);
    let line = format!(
        "sh -c 'echo $$ >> {}; exec sleep 1000'; true",
        pids.display()
    );
    crate::gate_cli::tag_with(&project, &shell("long", &line, ""), "echo x\n", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    let mut child = project
        .interruptible(&["gate", TAG])
        .process_group(0)
        .spawn()
        .unwrap();
    let pid = wait_for("the gate", || {
        let text = fs::read_to_string(&pids).ok()?;
        text.strip_suffix('\n').map(str::to_owned)
    });
    // A shell that is about to start a program may lose an interrupt; the program does not.
    wait_for("the gate's program", || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name == "sleep\n").then_some(())
    });
    let group = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    assert!(!child.wait().unwrap().success());
    wait_for_end(&pid);
    assert!(results(&project, TAG).is_empty());
    // The next run is not in its way.
    let run = project.relman(&["gate", TAG, "--list"]).exits(0);
    run.says(&["long"]);
}

#[test]
fn a_gate_that_changes_the_source_fails_and_the_next_sees_it_as_it_was() {
    let gates = shell("edit", "echo changed > prog.sh; chmod 755 relman.toml", "")
        + &shell("remove", "rm prog.sh", "")
        + &shell("look", "grep -q 'with gates' prog.sh", "");
    let project = gated("gate-edit", &gates);
    let run = project.relman(&["gate", TAG]).exits(1);
    run.says(&[
        "edit: it changed files of the tag: prog.sh, relman.toml",
        "remove: it changed files of the tag: prog.sh",
        "look ok",
    ]);
}

#[test]
fn files_that_a_gate_leaves_are_no_problem_and_nobody_sees_them() {
    let gates = shell(
        "leave",
        "mkdir -p .cargo && echo x > .cargo/config.toml && echo x > $HOME/left && git config user.name x",
        "",
    ) + &shell(
        "look",
        "test ! -e .cargo && test ! -e $HOME/left && ! grep -q user .git/config",
        "",
    );
    let project = gated("gate-leave", &gates);
    project.relman(&["gate", TAG]).exits(0);
    let timed = project.relman(&["cut", TAG]).exits(0);
    timed.says(&["published"]);
}

#[test]
fn the_users_environment_changes_nothing_and_the_gates_own_variables_are_there() {
    let line =
        "env | sort; umask; test \"$OWN\" = yes; test -z \"$SECRET$RUSTFLAGS\"; test $LC_ALL = C";
    let project = gated("gate-env", &shell("env", line, "[gate.env]\nOWN = \"yes\""));
    let mut command = project.command(&["gate", TAG]);
    command.envs([
        ("SECRET", "hunter2"),
        ("RUSTFLAGS", "-Cx"),
        ("LC_ALL", "de_DE"),
    ]);
    Run::of(command.output().unwrap()).exits(0);
    let log = &results(&project, TAG)[0].log;
    let log = fs::read_to_string(project.path(&format!(".relman/logs/{log}.log"))).unwrap();
    assert!(!log.contains("hunter2") && log.contains("0022"), "{log}");
}

#[test]
fn a_report_of_an_earlier_gate_or_in_the_tag_is_not_taken_for_a_new_one() {
    let report = "<testsuite><testcase name=\\\"a\\\"/></testsuite>";
    let junit = |file: &str| format!("counts = \"junit\"\nreport = \"{file}\"");
    let write = |file: &str| format!("mkdir -p $(dirname {file}) && echo \"{report}\" > {file}");
    let gates = shell("makes", &write("out.xml"), &junit("out.xml"))
        + &shell("stale", "true", &junit("out.xml"))
        + &shell(
            "target",
            &write("$CARGO_TARGET_DIR/n/j.xml"),
            &junit("target/n/j.xml"),
        )
        + &shell("target-stale", "true", &junit("target/n/j.xml"))
        + &shell(
            "target-twice",
            &format!(
                "{} && {}",
                write("$CARGO_TARGET_DIR/n/j.xml"),
                write("target/n/j.xml")
            ),
            &junit("target/n/j.xml"),
        )
        + &shell("committed", "true", &junit("old.xml"))
        + &shell("directory", "mkdir dir.xml", &junit("dir.xml"))
        + &shell(
            "huge",
            "head -c 70000000 /dev/zero > huge.xml",
            &junit("huge.xml"),
        );
    let project = gated("gate-report", &gates);
    project.git(&["tag", "-d", TAG]);
    project.write("old.xml", "<testsuite><testcase name='a'/></testsuite>");
    project.git(&["add", "old.xml"]);
    crate::gate_cli::tag_with(&project, &gates, "echo again\n", TAG);
    let run = project.relman(&["gate", TAG]).exits(1);
    run.says(&[
        "makes ok",
        "stale FAILED: there is no report out.xml",
        "target ok",
        "target-stale FAILED: there is no report target/n/j.xml",
        "target-twice FAILED: there are two reports",
        "committed FAILED: report old.xml is committed",
        "directory FAILED: there is no report dir.xml",
        "huge FAILED: report huge.xml cannot be read",
    ]);
}

#[test]
fn a_line_of_64_mib_and_more_output_than_a_log_holds_are_survived() {
    let line = "head -c 67108864 /dev/zero | tr '\\0' x; echo; echo 1000 tx/s";
    let more = "[gate.number]\npattern = '^([0-9]+) tx/s'\nat_least = 1000";
    let project = gated("gate-long", &shell("long", line, more));
    project.relman(&["gate", TAG]).exits(0);
}

#[test]
fn two_runs_of_one_projects_gates_do_not_mix() {
    let project = Project::uninitialised("gate-twice");
    let pids = project.beside("pids");
    project.git(&["tag", "-d", TAG]);
    let line = format!(
        "echo $$ > {}; while [ ! -e {} ]; do sleep 0.01; done",
        pids.display(),
        project.beside("go").display()
    );
    crate::gate_cli::tag_with(&project, &shell("long", &line, ""), "echo x\n", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    let mut child = project.command(&["gate", TAG]).spawn().unwrap();
    wait_for("the gate", || pids.exists().then_some(()));
    let run = project.relman(&["gate", TAG]).exits(1);
    run.says(&["another run of gates of", "is running"]);
    // A cut is in nobody's way.
    project.relman(&["cut", TAG]).exits(0);
    fs::write(project.beside("go"), "").unwrap();
    assert!(child.wait().unwrap().success());
}
