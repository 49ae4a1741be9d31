//! Stories about tags and clean clones.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use git2::Repository;
use relman::Kind;
use relman::io::git::GitSource;
use relman::release::source::{Rules, Source};
use relman::release::tag::Pattern;

use super::project::{EPOCH, Project, TAG, git, tag};

#[test]
fn a_tag_resolves_to_its_commit_message_and_times() {
    let project = Project::timed();
    let info = project.resolve(TAG).unwrap();
    assert_eq!(info.commit, git(&project.path(), &["rev-parse", "HEAD"]));
    assert_eq!(
        info.tree,
        git(&project.path(), &["rev-parse", "HEAD^{tree}"])
    );
    assert_eq!(
        info.object.as_deref(),
        Some(git(&project.path(), &["rev-parse", TAG]).as_str())
    );
    assert_eq!(info.annotation, "What it brings.");
    assert_eq!(info.tagger.as_deref(), Some("Ann <ann@example.org>"));
    assert_eq!(
        (info.commit_time, info.tag_time),
        (EPOCH + 120, Some(EPOCH + 180))
    );
    assert!(!info.is_signed);
}

#[test]
fn a_signature_is_noticed_and_kept_out_of_the_notes() {
    let mut project = Project::timed();
    let head = project.repo.head().unwrap().target().unwrap();
    project.tag_with(
        TAG,
        head,
        "Text.\n-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n",
    );
    let info = project.resolve(TAG).unwrap();
    assert!(info.is_signed);
    assert_eq!(info.annotation, "Text.");
}

#[test]
fn a_tag_that_moved_is_another_value() {
    let mut project = Project::timed();
    let before = project.resolve(TAG).unwrap();
    let commit = project.commit("fix: later");
    project.tag(TAG, commit);
    assert_ne!(before, project.resolve(TAG).unwrap());
    // Made again on the same commit it moved as well.
    let again = project.resolve(TAG).unwrap();
    project.tag(TAG, commit);
    assert_ne!(again, project.resolve(TAG).unwrap());
}

#[test]
fn what_cannot_be_cut_is_refused_with_a_hint() {
    let mut project = Project::timed();
    let head = project.repo.head().unwrap().target().unwrap();
    let say = |e: relman::Error| format!("{e} / {}", e.hint_text().unwrap_or_default());

    let e = say(project.resolve("phase1-sig-verfy-1.0.0").unwrap_err());
    assert!(
        e.contains("no tag phase1-sig-verfy-1.0.0") && e.contains(&format!("did you mean {TAG}")),
        "{e}"
    );

    project
        .repo
        .branch(
            "phase2-b-1.0.0",
            &project.repo.find_commit(head).unwrap(),
            false,
        )
        .unwrap();
    let e = say(project.resolve("phase2-b-1.0.0").unwrap_err());
    assert!(e.contains("is a branch"), "{e}");

    project.lightweight("phase2-c-1.0.0", head);
    let e = say(project.resolve("phase2-c-1.0.0").unwrap_err());
    assert!(
        e.contains("is lightweight") && e.contains("allow_lightweight"),
        "{e}"
    );
    let rules = Rules {
        allow_lightweight: true,
    };
    let info = project
        .source()
        .resolve(&tag("phase2-c-1.0.0"), rules)
        .unwrap();
    assert_eq!((info.object, info.annotation.as_str()), (None, ""));

    let tree = project.repo.find_commit(head).unwrap().tree_id();
    project.tag_with("phase2-d-1.0.0", tree, "a tree");
    let e = say(project.resolve("phase2-d-1.0.0").unwrap_err());
    assert!(
        e.contains("is of a tree") && e.contains("wanted a commit"),
        "{e}"
    );

    let object = project
        .repo
        .refname_to_id(&format!("refs/tags/{TAG}"))
        .unwrap();
    project.lightweight("phase2-e-1.0.0", object);
    let e = project.resolve("phase2-e-1.0.0").unwrap_err();
    assert_eq!(e.kind(), Kind::Refused);
    assert!(
        e.message().contains(&format!("tag object of \"{TAG}\"")),
        "{e}"
    );
}

#[test]
fn a_shallow_repository_would_count_wrong_and_is_refused() {
    let project = Project::timed();
    let url = format!("file://{}", project.path().display());
    let shallow = project.scratch("shallow");
    git(
        &project.path(),
        &[
            "clone",
            "-q",
            "--depth",
            "1",
            "--branch",
            TAG,
            &url,
            shallow.to_str().unwrap(),
        ],
    );
    let e = GitSource::open(&shallow)
        .unwrap()
        .resolve(&tag(TAG), Rules::default())
        .unwrap_err();
    assert!(e.message().contains("shallow"), "{e}");
    assert_eq!(e.hint_text(), Some("git fetch --unshallow --tags"));
}

#[test]
fn plain_git_answers_in_the_clone_as_in_a_fresh_clone() {
    let mut project = Project::timed();
    // A real history: a merge, packed objects and tags before the release.
    let head = project.repo.head().unwrap().target().unwrap();
    project.tag("v0.1.0", head);
    project.lightweight("v0.2.0", head);
    project.write(&[("run.sh", "#!/bin/sh\n")]);
    fs::set_permissions(
        project.path().join("run.sh"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    std::os::unix::fs::symlink("run.sh", project.path().join("link")).unwrap();
    project.write(&[("deep/er/file", "x"), ("empty", "")]);
    let commit = project.commit("fix: more");
    project.tag(TAG, commit);
    git(&project.path(), &["gc", "-q"]);
    let clone = project.clone_to("clone");

    let fresh = project.scratch("fresh");
    git(
        &project.path(),
        &["clone", "-q", ".", fresh.to_str().unwrap()],
    );
    git(&fresh, &["checkout", "-q", TAG]);
    for question in [
        &["rev-parse", "HEAD"][..],
        &["rev-parse", "--abbrev-ref", "HEAD"],
        &["rev-parse", "--short", "HEAD"],
        &["rev-list", "--count", "HEAD"],
        &["describe"],
        &["describe", "--tags", "--dirty", "--always"],
        &["describe", "--tags", "--match", "v*"],
        &["log", "--format=%H %h %ct %D", "HEAD~1"],
        &["tag"],
        &["status", "--porcelain"],
        &["ls-files", "--stage"],
        &["diff-index", "HEAD"],
        &[
            "for-each-ref",
            "refs/tags",
            "--format=%(objectname) %(*objectname) %(refname)",
        ],
    ] {
        assert_eq!(
            git(&clone, question),
            git(&fresh, question),
            "git {question:?}"
        );
    }
    git(&clone, &["fsck", "--strict"]);
    assert_eq!(git(&clone, &["remote"]), "");
    let config = fs::read_to_string(clone.join(".git/config")).unwrap();
    assert!(
        !config.contains(project.dir.path().to_str().unwrap()),
        "{config}"
    );
    assert_eq!(
        fs::read_link(clone.join("link")).unwrap().to_str(),
        Some("run.sh")
    );
}

#[test]
fn what_happens_later_or_elsewhere_changes_nothing_in_the_clone() {
    let mut project = Project::timed();
    let before = project.clone_to("before");
    let head = project.repo.head().unwrap().target().unwrap();
    let ask = |dir: &std::path::Path| {
        [
            &["describe", "--tags"][..],
            &["tag"],
            &["rev-list", "--count", "HEAD"],
            &["for-each-ref"],
        ]
        .map(|q| git(dir, q))
    };
    // A later tag on the same commit and later work; a dirty, conflicted working tree.
    project.tag("nightly", head);
    project.lightweight("latest", head);
    project.commit("feat: later");
    project.write(&[("src/main.rs", "<<<<<<< ours\n"), ("Cargo.lock", "")]);
    fs::write(project.path().join(".git/MERGE_HEAD"), "0".repeat(40)).unwrap();
    let after = project.clone_to("after");
    assert_eq!(ask(&before), ask(&after));
    assert_eq!(git(&after, &["status", "--porcelain"]), "");
    assert!(
        fs::read_to_string(after.join("src/main.rs"))
            .unwrap()
            .starts_with("names::answer")
    );
}

#[test]
fn bytes_are_those_committed_and_modes_are_plain() {
    let project = Project::timed();
    project.write(&[(".git/info/attributes", "*.txt text eol=crlf\n")]);
    git(&project.path(), &["config", "core.autocrlf", "true"]);
    let clone = project.clone_to("clone");
    assert_eq!(fs::read(clone.join("notes.txt")).unwrap(), b"one\r\ntwo\n");
    for (path, mode) in [("", 0o755), ("src", 0o755), ("src/main.rs", 0o644)] {
        assert_eq!(
            fs::metadata(clone.join(path)).unwrap().permissions().mode() & 0o7777,
            mode,
            "{path}"
        );
    }
}

#[test]
fn bare_repositories_and_linked_worktrees_serve_as_well() {
    let project = Project::timed();
    let bare = project.scratch("bare.git");
    git(
        &project.path(),
        &["clone", "-q", "--bare", ".", bare.to_str().unwrap()],
    );
    let worktree = project.scratch("worktree");
    git(
        &project.path(),
        &[
            "worktree",
            "add",
            "-q",
            worktree.to_str().unwrap(),
            "HEAD~1",
        ],
    );
    let borrower = project.scratch("borrower");
    git(
        &project.path(),
        &["clone", "-q", "--shared", ".", borrower.to_str().unwrap()],
    );
    for dir in [bare, worktree, borrower] {
        let source = GitSource::open(&dir).unwrap();
        let info = source.resolve(&tag(TAG), Rules::default()).unwrap();
        assert_eq!(info, project.resolve(TAG).unwrap());
        let clone = dir.with_extension("clone");
        source.clone_at(&info, &clone).unwrap();
        assert_eq!(git(&clone, &["rev-list", "--count", "HEAD"]), "2");
    }
}

#[test]
fn a_public_url_becomes_origin_and_a_local_path_does_not() {
    let project = Project::timed();
    project
        .repo
        .remote("origin", "https://me:secret@example.org/timed")
        .unwrap();
    let source = project.source();
    assert_eq!(
        source.origin_url().as_deref(),
        Some("https://me:secret@example.org/timed")
    );
    let dir = project.scratch("clone");
    let source = source.with_public_url(Some("https://example.org/timed".into()));
    source
        .clone_at(&project.resolve(TAG).unwrap(), &dir)
        .unwrap();
    assert_eq!(
        git(&dir, &["remote", "get-url", "origin"]),
        "https://example.org/timed"
    );
}

#[test]
fn a_tree_that_leads_out_of_the_clone_is_refused() {
    let mut project = Project::timed();
    let head = project.repo.head().unwrap().target().unwrap();
    let blob = project.repo.blob(b"evil").unwrap();
    let link = project.repo.blob(b"../out").unwrap();
    let inner = project.raw_tree(&[("100644", "hook", blob)]);
    for (entries, why) in [
        (vec![("40000", ".git", inner)], "git forbids"),
        (vec![("40000", ".GIT", inner)], "git forbids"),
        (vec![("40000", "..", inner)], "git forbids"),
        (
            vec![("120000", "a", link), ("40000", "a", inner)],
            "cannot be made",
        ),
        (
            vec![("120000", "a", link), ("100644", "a", blob)],
            "cannot be checked out",
        ),
        (vec![("160000", "sub", head)], "submodule"),
    ] {
        let tree = project.raw_tree(&entries);
        let commit = project.commit_tree("bad", tree);
        project.tag(TAG, commit);
        let dir = project.scratch("clone");
        fs::create_dir_all(project.scratch("out")).unwrap();
        let e = project
            .source()
            .clone_at(&project.resolve(TAG).unwrap(), &dir)
            .unwrap_err();
        assert!(e.to_string().contains(why), "{why}: {e}");
        assert!(!dir.exists(), "{why}");
        assert_eq!(
            fs::read_dir(project.scratch("out")).unwrap().count(),
            0,
            "{why}"
        );
    }
}

#[test]
fn missing_objects_are_told_before_the_build() {
    let project = Project::timed();
    let tree = git(&project.path(), &["rev-parse", "HEAD:src/main.rs"]);
    let object = project
        .path()
        .join(".git/objects")
        .join(&tree[..2])
        .join(&tree[2..]);
    fs::remove_file(object).unwrap();
    let e = project
        .source()
        .clone_at(&project.resolve(TAG).unwrap(), &project.scratch("clone"))
        .unwrap_err();
    assert!(e.to_string().contains("src/main.rs"), "{e}");
    assert!(e.hint_text().unwrap().contains("git fsck"));
}

#[test]
fn release_notes_follow_the_nearest_earlier_release_in_history() {
    let mut project = Project::timed();
    let commit = project.commit("fix: one");
    project.tag("phase1-sig-verify-1.0.1", commit);
    project.tag("not-a-release", commit);
    project.commit("feat: two\n\nBody.");
    let commit = project.commit("feat: three");
    project.tag("phase2-fork-1.0.0", commit);
    let source = project.source();
    let info = project.resolve("phase2-fork-1.0.0").unwrap();
    let previous = source
        .previous_release(&info, Pattern::Phase)
        .unwrap()
        .unwrap();
    assert_eq!(previous.tag.as_str(), "phase1-sig-verify-1.0.1");
    let commits = source
        .commits_between(Some(&previous.commit), &info.commit)
        .unwrap();
    let summaries: Vec<&str> = commits.iter().map(|c| c.summary.as_str()).collect();
    assert_eq!(summaries, ["feat: three", "feat: two"]);
    assert_eq!(commits[1].body, "Body.");

    let first = project.resolve(TAG).unwrap();
    assert_eq!(
        source.previous_release(&first, Pattern::Phase).unwrap(),
        None
    );
    assert_eq!(
        source.commits_between(None, &first.commit).unwrap().len(),
        2
    );

    // A release tagged afterwards on an old commit is not what this one followed.
    let between = project
        .repo
        .revparse_single("phase2-fork-1.0.0~1")
        .unwrap()
        .id();
    project.tag("phase1-late-1.0.2", between);
    assert_eq!(
        source
            .previous_release(&info, Pattern::Phase)
            .unwrap()
            .unwrap(),
        previous
    );
    let names: Vec<String> = source
        .release_tags(Pattern::Phase)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            TAG,
            "phase1-sig-verify-1.0.1",
            "phase1-late-1.0.2",
            "phase2-fork-1.0.0"
        ]
    );
}

#[test]
fn no_repository_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let e = GitSource::open(dir.path()).err().unwrap();
    assert!(
        e.message().contains("cannot be opened") && e.hint_text().is_some(),
        "{e}"
    );
    assert!(Repository::open(dir.path()).is_err());
}
