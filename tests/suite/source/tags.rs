//! Tags that policy asks something of: signed with real git and ssh-keygen, moved, edited, borrowed.

use std::path::{Path, PathBuf};
use std::process::Command;

use git2::Oid;
use jiff::Timestamp;
use relman::attest::git_tag;
use relman::attest::provenance::Builder;
use relman::hash::Sha256;
use relman::io::drafts::LocalDrafts;
use relman::io::drawer::LocalDrawer;
use relman::io::git::GitSource;
use relman::keys::{PublicKey, Signer};
use relman::log::VerifierKey;
use relman::release::build_plan::{BuildPlan, Places};
use relman::release::config::Build as BuildConfig;
use relman::release::cut::{Cutter, Events};
use relman::release::policy::ReleasePolicy;
use relman::release::source::{Build, Built, Facts, Source};
use relman::release::state::Released;
use relman::trust::policy::{KeyEntry, Pin, PolicyDocument, Purpose, TagRule};
use relman::{Error, Kind, Result};

use super::project::{Project, TAG, config, git, tag};

const NEXT: &str = "phase2-finality-fork-1.0.0";
const REACHED: &str = "the build was reached";

/// A repository, and two keys of which policy knows the first as Ann's.
struct Bench {
    project: Project,
    ann: PathBuf,
    mallory: PathBuf,
}

/// A builder that says that it was asked.
struct Reached;

impl Build for Reached {
    fn inspect(&self, _: &Path, _: &BuildConfig) -> Result<Facts> {
        Err(Error::failed(REACHED))
    }

    fn build(&self, _: &BuildPlan, _: &mut dyn FnMut(&str)) -> Result<Built> {
        Err(Error::failed(REACHED))
    }
}

struct Quiet;

impl Events for Quiet {
    fn stage(&mut self, _: &str) {}
    fn line(&mut self, _: &str) {}
    fn note(&mut self, _: &str) {}
}

/// A key that must not be asked to sign.
struct Idle(PublicKey);

impl Signer for Idle {
    fn public(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64]> {
        Err(Error::bug("nothing is signed here"))
    }
}

fn new_key(path: PathBuf) -> PathBuf {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    path
}

fn public(key: &Path) -> PublicKey {
    let line = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    PublicKey::from_openssh(&line).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn released(name: &str, commit: Oid) -> Released {
    Released {
        edges: Default::default(),
        tag: name.into(),
        commit: commit.to_string(),
        tag_object: None,
        repository: "local".into(),
        sha256: Sha256::of(b""),
        length: 1,
        yanked: None,
    }
}

impl Bench {
    fn new() -> Self {
        let project = Project::timed();
        let ann = new_key(project.scratch("ann"));
        let mallory = new_key(project.scratch("mallory"));
        Bench {
            project,
            ann,
            mallory,
        }
    }

    /// Makes a tag with git, signed.
    fn sign(&self, name: &str, target: &str, key: &Path) {
        self.git_with(
            key,
            &["tag", "-s", "-f", "-m", "What it brings.", name, target],
        );
    }

    fn git_with(&self, key: &Path, arguments: &[&str]) {
        let key = format!("user.signingkey={}", key.display());
        let mut all = vec!["-c", "gpg.format=ssh", "-c", &key, "-c", "user.name=Ann"];
        all.extend(["-c", "user.email=ann@example.org"]);
        all.extend(arguments);
        git(&self.project.path(), &all);
    }

    /// Puts a raw tag object into the repository, and the tag upon it.
    fn plant(&self, name: &str, raw: &[u8]) {
        let odb = self.project.repo.odb().unwrap();
        let id = odb.write(git2::ObjectType::Tag, raw).unwrap();
        self.project.lightweight(name, id);
    }

    fn raw(&self, name: &str) -> Vec<u8> {
        let source = self.project.source();
        let info = self.project.resolve(name).unwrap();
        source.tag_object(&info).unwrap().unwrap()
    }

    fn head(&self) -> Oid {
        self.project.repo.head().unwrap().target().unwrap()
    }

    fn policy(&self, rule: &TagRule) -> ReleasePolicy {
        let origin = "timed/relman-log";
        let mut document = PolicyDocument::new("timed", origin);
        let log = PublicKey::from_bytes(
            ed25519_dalek::SigningKey::from_bytes(&[9; 32])
                .verifying_key()
                .to_bytes(),
        );
        let log = VerifierKey::from_public(origin, &log.unwrap()).unwrap();
        document.log.vkeys.push(log.to_string());
        let (from, until) = (time("2020-01-01T00:00:00Z"), time("2030-01-01T00:00:00Z"));
        let key = public(&self.ann).into();
        let entry = KeyEntry::new(&key, "Ann", Purpose::Tagger, from, until);
        document.keys.push(entry.unwrap());
        document.cut.tag = rule.clone();
        let bytes = ReleasePolicy::to_bytes(&document).unwrap();
        ReleasePolicy::parse(&bytes, Pin::of(&bytes)).unwrap()
    }

    /// How a cut of `name` ends, which never gets further than to the build.
    fn cut(&self, name: &str, rule: &TagRule, released: &[Released]) -> Error {
        let places = Places {
            clone: self.project.scratch("clone"),
            target: self.project.scratch("target"),
            cargo_home: self.project.scratch("cargo"),
            home: self.project.scratch("home"),
            log: self.project.scratch("log"),
        };
        let _ = std::fs::remove_dir_all(&places.clone);
        let policy = self.policy(rule);
        let source = GitSource::open(&self.project.path()).unwrap();
        let cutter = Cutter {
            config: &config("[tags]\nrequire_predecessor = false\n"),
            source: &source,
            build: &Reached,
            drafts: &LocalDrafts::new(self.project.scratch("drafts")),
            drawer: &LocalDrawer::new(self.project.scratch("attestations")),
            places: &places,
            key: &Idle(public(&self.ann)),
            policy: &policy,
            builder: Builder::Workstation,
            now: &|| time("2026-06-01T00:00:00Z"),
            threads: 1,
        };
        cutter.draft(&tag(name), released, &mut Quiet).unwrap_err()
    }

    #[track_caller]
    fn builds(&self, name: &str, rule: &TagRule, released: &[Released]) {
        let error = self.cut(name, rule, released);
        assert_eq!(error.to_string(), REACHED, "{error:?}");
    }

    /// Refused with exit 3 before anything is cloned, for all these reasons.
    #[track_caller]
    fn refuses(&self, name: &str, rule: &TagRule, released: &[Released], reasons: &[&str]) {
        let error = self.cut(name, rule, released);
        assert_eq!(error.kind(), Kind::Refused, "{error:?}");
        let said = error.to_string();
        for reason in reasons {
            assert!(said.contains(reason), "{reason:?} is not in {said}");
        }
        assert!(!self.project.scratch("clone").exists());
    }
}

fn signed() -> TagRule {
    TagRule {
        signed: true,
        ..TagRule::default()
    }
}

#[test]
fn a_tag_that_git_signed_with_a_taggers_key_is_built() {
    let bench = Bench::new();
    bench.sign(TAG, "HEAD", &bench.ann);
    bench.builds(TAG, &signed(), &[]);
    let info = bench.project.resolve(TAG).unwrap();
    assert!(info.is_signed);
    assert_eq!(info.annotation, "What it brings.");
    assert_eq!(git_tag::id(&bench.raw(TAG), 40), info.object);
}

#[test]
fn a_tag_that_is_unsigned_or_signed_by_a_stranger_is_not_built() {
    let bench = Bench::new();
    bench.builds(TAG, &TagRule::default(), &[]);
    bench.refuses(
        TAG,
        &signed(),
        &[],
        &["it is unsigned, wanted a signature of Ann"],
    );
    bench.sign(TAG, "HEAD", &bench.mallory);
    bench.refuses(TAG, &signed(), &[], &["which policy does not name"]);
}

#[test]
fn a_signed_tag_whose_message_was_edited_is_not_built() {
    let bench = Bench::new();
    bench.sign(TAG, "HEAD", &bench.ann);
    let text = String::from_utf8(bench.raw(TAG)).unwrap();
    bench.plant(TAG, text.replace("brings", "breaks").as_bytes());
    bench.refuses(TAG, &signed(), &[], &["the SSH signature does not match"]);
}

#[test]
fn a_signed_tag_that_was_moved_to_another_commit_is_not_built() {
    let mut bench = Bench::new();
    bench.sign(TAG, "HEAD", &bench.ann);
    let before = bench.head().to_string();
    let text = String::from_utf8(bench.raw(TAG)).unwrap();
    bench.project.write(&[("notes.txt", "evil\n")]);
    let evil = bench.project.commit("fix: nothing").to_string();
    // Whoever moves it must change the object, and so break the signature.
    bench.plant(TAG, text.replace(&before, &evil).as_bytes());
    bench.refuses(TAG, &signed(), &[], &["the SSH signature does not match"]);
}

#[test]
fn the_signature_of_one_tag_does_not_sign_another() {
    let bench = Bench::new();
    bench.sign("phase1-sig-verify-1.0.1", "HEAD", &bench.ann);
    let raw = bench.raw("phase1-sig-verify-1.0.1");
    let armour = git_tag::signature_start(&raw);
    let plain = bench.raw(TAG);
    bench.plant(TAG, &[&plain, &raw[armour..]].concat());
    bench.refuses(TAG, &signed(), &[], &["the SSH signature does not match"]);
    // The whole object of another tag under this name.
    bench.plant(TAG, &raw);
    let error = bench.cut(TAG, &signed(), &[]);
    assert_eq!(error.kind(), Kind::Refused);
    let said = error.to_string();
    assert!(said.contains("points to the tag object of"), "{said}");
}

#[test]
fn every_problem_of_a_tag_is_told_at_once() {
    let mut bench = Bench::new();
    let first = bench.head();
    git(
        &bench.project.path(),
        &["checkout", "-q", "--orphan", "elsewhere"],
    );
    let tree = bench.project.repo.find_commit(first).unwrap().tree_id();
    let commit = bench.project.commit_tree("feat: from nothing", tree);
    bench.project.tag(NEXT, commit);
    let rule = TagRule {
        signed: true,
        descends: true,
        branches: vec!["main".into(), "release/*".into()],
    };
    let reasons = [
        "it is unsigned".to_owned(),
        format!("lacks commits of {TAG:?}, the release before it"),
        "is on none of the branches asked about, wanted a branch main or release/*".to_owned(),
    ];
    let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
    bench.refuses(NEXT, &rule, &[released(TAG, first)], &reasons);
}

#[test]
fn a_release_descends_from_the_one_before_it_or_is_the_first() {
    let mut bench = Bench::new();
    let first = bench.head();
    let rule = TagRule {
        descends: true,
        ..TagRule::default()
    };
    bench.builds(TAG, &rule, &[]);
    bench.project.write(&[("notes.txt", "more\n")]);
    let commit = bench.project.commit("feat: more");
    bench.project.tag(NEXT, commit);
    bench.builds(NEXT, &rule, &[released(TAG, first)]);
    // A fix of the first phase that the second lacks.
    let fix = "phase1-sig-verify-1.0.1";
    git(
        &bench.project.path(),
        &["checkout", "-q", "--detach", &first.to_string()],
    );
    bench.project.write(&[("notes.txt", "fixed\n")]);
    let fixed = bench.project.commit("fix: it");
    let both = [released(TAG, first), released(fix, fixed)];
    bench.refuses(NEXT, &rule, &both, &[&format!("lacks commits of {fix:?}")]);
    // One that this repository has never heard of.
    let unknown = released(fix, Oid::from_str(&"7".repeat(40)).unwrap());
    bench.refuses(
        NEXT,
        &rule,
        &[unknown],
        &[&format!("lacks commits of {fix:?}")],
    );
}

#[test]
fn branches_of_the_repository_and_of_origin_count_under_their_own_names() {
    let mut bench = Bench::new();
    let head = bench.head();
    let path = bench.project.path();
    git(&path, &["branch", "release/1", "HEAD"]);
    git(
        &path,
        &["update-ref", "refs/remotes/origin/release/2", "HEAD"],
    );
    git(
        &path,
        &[
            "symbolic-ref",
            "refs/remotes/origin/HEAD",
            "refs/remotes/origin/release/2",
        ],
    );
    git(
        &path,
        &["update-ref", "refs/remotes/fork/release/3", "HEAD"],
    );
    git(&path, &["branch", "release/old", "HEAD~1"]);
    bench.project.write(&[("notes.txt", "later\n")]);
    bench.project.commit("feat: later");
    git(&path, &["branch", "release/newer", "HEAD"]);
    let source = bench.project.source();
    let found = source.branches_with(&head.to_string(), &|name| name.starts_with("release/"));
    assert_eq!(found.unwrap(), ["release/1", "release/2", "release/newer"]);

    let rule = |branch: &str| TagRule {
        branches: vec![branch.into()],
        ..TagRule::default()
    };
    bench.builds(TAG, &rule("release/2"), &[]);
    bench.refuses(
        TAG,
        &rule("release/old"),
        &[],
        &["wanted a branch release/old"],
    );
    bench.refuses(TAG, &rule("release/3"), &[], &["wanted a branch release/3"]);
}

#[test]
fn a_pgp_signature_is_told_and_not_taken() {
    let bench = Bench::new();
    let plain = bench.raw(TAG);
    let armour = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n";
    bench.plant(TAG, &[&plain[..], armour].concat());
    let told = format!("it is PGP-signed, which relman does not verify: git verify-tag {TAG}");
    bench.refuses(TAG, &signed(), &[], &[&told]);
    bench.builds(TAG, &TagRule::default(), &[]);
}

#[test]
fn a_tag_object_without_end_is_refused_before_it_is_read() {
    let bench = Bench::new();
    let long = [bench.raw(TAG), vec![b'x'; 200_000]].concat();
    bench.plant(TAG, &long);
    let error = bench.cut(TAG, &TagRule::default(), &[]);
    assert_eq!(error.kind(), Kind::Usage, "{error:?}");
}
