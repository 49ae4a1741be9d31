//! Which `relman.toml` a cut goes by: the tag's own says what is built and how.

use std::fs;

use crate::common::relman::{BUILD, Project, TAG};

/// A project whose tag holds a `relman.toml` with this build.
fn tagged(name: &str, build: &str) -> Project {
    let project = Project::uninitialised(name);
    project.configure(build, "");
    project.git(&["tag", "-d", TAG]);
    project.git(&["add", "relman.toml"]);
    project.write("prog.sh", "echo release one, configured\n");
    project.commit_and_tag("feat: say how it is built", TAG);
    project.relman(&["init", "--yes"]).exits(0);
    project
}

#[test]
fn a_build_command_changed_in_the_working_tree_changes_no_release() {
    let project = tagged("cut-tagged", BUILD);
    project.configure("mkdir -p out && echo planted > out/timed", "");
    project
        .relman(&["cut", TAG])
        .exits(0)
        .says(&["relman.toml differs between phase1-sig-verify-1.0.0 and the working tree"]);
    let timed = fs::read_to_string(project.store().join(TAG).join("timed")).unwrap();
    assert_eq!(timed, "echo release one, configured\n");
    project.is_verified(TAG);
}

#[test]
fn the_same_file_in_both_is_not_worth_a_word() {
    let project = tagged("cut-same", BUILD);
    let run = project.relman(&["cut", TAG]).exits(0);
    assert!(!run.stderr.contains("differs"), "{run:#?}");
}

#[test]
fn a_tag_whose_own_file_is_malformed_is_named() {
    let project = Project::uninitialised("cut-malformed");
    project.write("relman.toml", "project = 7\n");
    project.git(&["tag", "-d", TAG]);
    project.git(&["add", "relman.toml"]);
    project.write("prog.sh", "echo x\n");
    project.commit_and_tag("feat: break it", TAG);
    project.configure(BUILD, "");
    project.relman(&["init", "--yes"]).exits(0);
    project
        .relman(&["cut", TAG])
        .exits(2)
        .says(&["relman.toml of phase1-sig-verify-1.0.0 cannot be used"]);
}
