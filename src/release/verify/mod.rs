//! Every check of a release, in the design's order (DESIGN, section 4), as one report.
//!
//! Each check either gives a verified value to the ones after it or says all that is wrong. A
//! check whose input is missing is reported as not made: it never passes. No I/O but through
//! traits.

mod authority;
mod bytes;
mod environment;
mod evidence;
mod fresh;
mod history;
mod known;
mod origin;
mod policy;
mod published;
mod retained;

use std::collections::BTreeMap;
use std::io::{Read, Write};

use jiff::Timestamp;

use super::archive::Sink;
use super::leaf::ReleaseLeaf;
use super::policy::ReleasePolicy;
use super::report::{Problem, Report};
use super::state::Released;
use crate::Result;
use crate::attest::provenance::MemberFacts;
use crate::hash::Sha256;
use crate::log::Witnessed;
use crate::store::Reader;
use crate::trust::refresh::{Cache, StoreMetadata};
use crate::trust::state::Clock;

pub use authority::{Authority, LOCAL};
pub use bytes::{check_released_file, fetch_archive, unpack_checked};
pub use fresh::{Checked, best, first_path, fresh_path};
pub use history::{
    History, Included, Seen, SeenNothing, check_logged, logged_files, signed_leaf, signed_release,
};
pub use known::Known;
pub use origin::{Made, logged as logged_origin};
pub use policy::{about, wants};
pub use published::Published;
pub use retained::verify_retained;

/// A private file that an archive is fetched to before anything inside it is looked at.
pub trait ScratchFile: Read + Write + Send {
    /// Back to the first byte.
    fn rewind(&mut self) -> Result<()>;
}

/// Makes private files.
pub trait Scratch {
    /// An empty file that nobody else can reach, with room for `len` bytes.
    fn file(&self, len: u64) -> Result<Box<dyn ScratchFile>>;
}

/// Opens the archive that is to be checked; `None` where it does not exist.
pub type OpenArchive<'a> = dyn Fn(&Released) -> Result<Option<Box<dyn Read + Send>>> + 'a;

/// What to check.
pub struct Subject<'a> {
    /// The tag.
    pub tag: &'a str,
    /// The network that the release is for; `local` has no role of its own.
    pub environment: &'a str,
    /// Where `<tag>/…` is read from: the store, or a copy of a release directory.
    pub release: &'a dyn Reader,
    /// The archive.
    pub archive: &'a OpenArchive<'a>,
    /// How far check 8 goes.
    pub unpacking: Unpacking,
}

/// How far the check of the files goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacking {
    /// Not made here: the caller unpacks with [`unpack_checked`], which makes it on the way.
    Later,
    /// Every member of the archive.
    Members,
    /// That, and every file of the release directory.
    Directory,
}

/// With what it is checked.
pub struct Verifier<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// The trust root.
    pub trusted_root: Option<&'a [u8]>,
    /// Metadata that was trusted before.
    pub cache: &'a dyn Cache,
    /// The checkpoint that was seen before.
    pub seen: &'a dyn Seen,
    /// Where the archive is fetched to.
    pub scratch: &'a dyn Scratch,
    /// The time, and whether expiry refuses at once or is one finding among others.
    pub clock: Clock,
    /// Threads to unpack with.
    pub threads: usize,
    /// Stop at the first check that fails (install) instead of going on (verify).
    pub stop_at_first: bool,
}

/// What a verified release is.
pub struct VerifiedRelease {
    /// What the metadata says of it.
    pub released: Released,
    /// What its log leaf says.
    pub leaf: ReleaseLeaf,
    /// The witnessed time by which that leaf was in the log; `None` without witnesses.
    pub logged_since: Option<Timestamp>,
    /// Every member of the archive.
    pub members: BTreeMap<String, MemberFacts>,
    /// The security floor of the environment; none where it has none.
    pub minimum: Option<String>,
    /// What is needed to verify it again, offline: flat name and bytes.
    pub evidence: Vec<(String, Vec<u8>)>,
}

/// The result of [`Verifier::run`]: a report, and a release if every check passed.
pub struct Verdict {
    /// All checks.
    pub report: Report,
    /// Only where all were made and passed.
    pub release: Option<VerifiedRelease>,
    /// The archive, at its first byte, if its digest was right.
    pub archive: Option<Box<dyn ScratchFile>>,
    /// The quorum that cosigned the log's newest checkpoint, with its time; `None` where the check
    /// of the log did not pass or policy asks for no witnesses.
    pub witnessed: Option<Witnessed>,
}

/// The names of the checks, in order.
pub const CHECKS: [&str; 9] = [
    "metadata",
    "target",
    "log",
    environment::NAME,
    "archive",
    "provenance",
    policy::NAME,
    "status",
    "files",
];

impl Verifier<'_> {
    /// Makes every check of `subject`. `sink` gets the unpacked files, if somebody wants them.
    pub fn run(&self, subject: &Subject, sink: Option<&mut dyn Sink>) -> Verdict {
        let mut report = Report::default();
        let mut run = Run {
            verifier: self,
            subject,
            report: &mut report,
        };
        let (release, archive, witnessed) = run.all(sink);
        for name in CHECKS {
            if name == "files" && subject.unpacking == Unpacking::Later && !report.has_failed() {
                continue;
            }
            if !report.checks.iter().any(|c| c.name == name) {
                report.skip(name, "a check before it failed");
            }
        }
        let release = release.filter(|_| report.is_ok());
        Verdict {
            report,
            release,
            archive,
            witnessed,
        }
    }
}

struct Run<'a, 'b> {
    verifier: &'a Verifier<'b>,
    subject: &'a Subject<'a>,
    report: &'a mut Report,
}

type Done = (
    Option<VerifiedRelease>,
    Option<Box<dyn ScratchFile>>,
    Option<Witnessed>,
);

impl Run<'_, '_> {
    fn stopped(&self) -> bool {
        self.verifier.stop_at_first && self.report.has_failed()
    }

    fn all(&mut self, sink: Option<&mut dyn Sink>) -> Done {
        let v = self.verifier;
        let fetch = StoreMetadata(v.store);
        let authority = authority::check(v, &fetch, self.report);
        let Some(mut authority) = authority else {
            return (None, None, None);
        };
        if self.stopped() {
            return (None, None, None);
        }
        let target = authority::resolve(&mut authority, self.subject, self.report);
        let Some(released) = target else {
            return (None, None, None);
        };
        if self.stopped() {
            return (None, None, None);
        }
        let log = history::check(v, &mut authority, self.subject, &released, self.report);
        let witnessed = log.as_ref().and_then(|log| log.witnessed.clone());
        if self.stopped() {
            return (None, None, witnessed);
        }
        let agreed = environment::check(v, &mut authority, self.subject, self.report);
        if self.stopped() {
            return (None, None, witnessed);
        }
        let mut archive = bytes::fetch(v, self.subject, &released, self.report);
        if self.stopped() {
            return (None, None, witnessed);
        }
        let logged = log.as_ref().map(|log| &log.leaf);
        let now = v.clock.now;
        let made = origin::check(
            self.subject,
            &authority,
            &released,
            logged,
            now,
            self.report,
        );
        if self.stopped() {
            return (None, None, witnessed);
        }
        let known = made.as_ref().map(|(made, _)| made);
        let known = (known, logged.map(|leaf| leaf.time));
        let counted = policy::check(v, &authority, self.subject, &released, known, self.report);
        authority::status(v, &mut authority, self.subject, &released, self.report);
        if self.stopped() {
            return (None, None, witnessed);
        }
        if self.subject.unpacking != Unpacking::Later {
            let policy = &authority.policy;
            let late = |path: &str| bytes::is_late_evidence(policy, self.subject.release, path);
            let known = bytes::Known {
                policy,
                released: &released,
                leaf: logged,
                members: made.as_ref().map(|(made, _)| &made.members),
                late: &late,
            };
            bytes::check(v, self.subject, &known, archive.as_mut(), sink, self.report);
        }
        let release = log.zip(made).map(|(log, (made, provenance))| {
            let mut proofs = log.proofs;
            proofs.extend(counted.unwrap_or_default());
            proofs.extend(agreed.unwrap_or_default());
            let evidence = evidence::collect(&authority, proofs, provenance);
            VerifiedRelease {
                released,
                leaf: log.leaf,
                logged_since: log.since,
                members: made.members,
                minimum: floor(&authority.policy, self.subject.environment),
                evidence,
            }
        });
        (release, archive, witnessed)
    }
}

/// The security floor that `policy` sets for nodes of `environment`.
fn floor(policy: &ReleasePolicy, environment: &str) -> Option<String> {
    policy.environment(environment)?.minimum.clone()
}

/// One problem from an error: the message with its causes.
fn problem(subject: impl Into<String>, error: &crate::Error) -> Vec<Problem> {
    vec![Problem::of(subject, error)]
}

/// A file that must exist.
fn required(store: &dyn Reader, path: &str, limit: u64) -> Result<Vec<u8>, Vec<Problem>> {
    match store.read(path, limit) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(vec![Problem::new(path, "is missing")]),
        Err(e) => Err(problem(path, &e)),
    }
}

/// Digests by name, as a log leaf or a sums file lists them.
pub type Digests = BTreeMap<String, Sha256>;
