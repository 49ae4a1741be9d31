//! Every release: its bytes, and what policy wanted of it when it was published; then whether today's
//! policy would still have it. Pure.

use super::eras::Era;
use super::logged::Logged;
use super::versions::{Look, Versions};
use super::{Auditor, Problem};
use crate::Error;
use crate::limits::MAX_TLOG_PROOF_LEN;
use crate::log::TlogProof;
use crate::release::attestations::{Offered, in_history, of_release, rows, unmet};
use crate::release::leaf::{AttestationKind, ReleaseLeaf};
use crate::release::policy::ReleasePolicy;
use crate::release::report::{Outcome, Report};
use crate::release::state::Released;
use crate::release::verify::{
    LOCAL, Published, SeenNothing, Subject, Unpacking, Verifier, about, wants,
};
use crate::release::view::View;
use crate::release::yank;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::state::{Clock, Expiry};

/// Whether an attestation was in the log by the entry with which its release was published.
fn by(offered: &Offered, published: u64) -> bool {
    offered.logged.is_some_and(|at| at.index <= published)
}

/// The problems of a release, each with its tag; what could not be checked is one.
fn about_tag(tag: &str, report: &Report) -> Vec<Problem> {
    let found = report
        .problems()
        .map(|(_, p)| match p.subject.starts_with(tag) {
            true => p.clone(),
            false => Problem::new(format!("{tag}: {}", p.subject), p.message.clone()),
        });
    let skipped = report.checks.iter();
    let skipped = skipped.filter(|c| c.outcome == Outcome::Skipped).map(|c| {
        Problem::new(
            tag,
            format!("check {} could not be made: {}", c.name, c.detail),
        )
    });
    found.chain(skipped).collect()
}

/// What is to be said of releases.
#[derive(Default)]
pub struct Found {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What today's policy would say of what was right then.
    pub warnings: Vec<String>,
    /// What nobody can judge any more.
    pub notes: Vec<String>,
    /// How many releases were checked.
    pub checked: usize,
}

/// Looks at releases.
pub struct Releases<'a> {
    /// The audit.
    pub auditor: &'a Auditor<'a>,
    /// The store, as of then.
    pub store: &'a dyn Reader,
    /// The store today.
    pub view: &'a View<'a>,
    /// The log.
    pub look: &'a Look<'a>,
    /// The metadata.
    pub versions: &'a Versions,
}

impl Releases<'_> {
    /// Checks one release; `leaf` is its only one, with its place.
    pub fn check(
        &self,
        released: &Released,
        (index, leaf): (u64, &ReleaseLeaf),
        found: &mut Found,
    ) {
        found.checked += 1;
        let tag = &released.tag;
        let differences = released.differences(leaf);
        found
            .problems
            .extend(differences.into_iter().map(|d| Problem::new(tag, d)));
        let era = self.look.eras.at(index);
        let (policy, root) = match era
            .and_then(|era| Some((era.policy.as_ref()?, era.root.version)))
        {
            Some(found) => found,
            None => {
                found.notes.push(format!(
                    "{tag}: the policy of its time is not in this store; it was judged under today's"
                ));
                let eras = self.look.eras;
                (eras.today(), eras.version_today())
            }
        };
        let proof = format!("{tag}/{}", crate::release::assemble::PROOF);
        match self.proved(&proof) {
            Ok(at) if at == index => {}
            Ok(at) => {
                let message = format!("is about log entry {at}, wanted {index}");
                found.problems.push(Problem::new(&proof, message));
            }
            Err(e) => found.problems.push(Problem::new(&proof, e.to_string())),
        }
        let late = |path: &str| path.ends_with(".tlog-proof") && self.proved(path).is_ok();
        let cache = Memory::new();
        let (report, made) = self.verifier(&cache).published(
            &Subject {
                tag,
                environment: LOCAL,
                release: self.store,
                archive: &|released: &Released| self.archive(released),
                unpacking: Unpacking::Directory,
            },
            &Published {
                released,
                leaf,
                policy,
                late: &late,
            },
        );
        found.problems.extend(about_tag(tag, &report));
        let Some(made) = made else { return };
        let offered = in_history(self.store, &self.view.history, &self.view.policy, tag);
        let offered = match offered {
            Ok((offered, _)) => offered,
            Err(e) => return found.problems.push(Problem::new(tag, e.to_string())),
        };
        let published = self.versions.listed.get(tag).map_or(index, |l| l.index);
        let then: Vec<Offered> = offered
            .iter()
            .filter(|o| by(o, published))
            .cloned()
            .collect();
        let (about, strange) = about(policy, released, &made, leaf.time, leaf.time);
        let rows = rows(policy, &about, &then);
        let lacks = unmet(&policy.wanted_for_cut(), policy, &about, &rows);
        let messages = strange.into_iter().chain(lacks.iter().map(wants));
        found.problems.extend(messages.map(|m| {
            Problem::new(
                tag,
                format!("was published although the policy of root {root} {m}"),
            )
        }));
        if self.look.upto == self.look.prefixes.hashes().head().size {
            found.warnings.extend(self.today(released, era));
        }
    }

    /// What today's policy has against a release that was right when it was published.
    fn today(&self, released: &Released, era: Option<&Era>) -> Vec<String> {
        let eras = self.look.eras;
        let same = era.and_then(|era| era.policy.as_ref());
        if same.is_some_and(|policy| policy.pin() == eras.today().pin()) {
            return Vec::new();
        }
        let tag = &released.tag;
        let refused = |e: &dyn std::fmt::Display| {
            format!(
                "{tag} was right when it was published; under the policy of root {} no node installs it: {e}",
                eras.version_today()
            )
        };
        match of_release(self.store, self.view, released, self.auditor.now) {
            Err(e) => vec![refused(&e)],
            Ok(judged) => {
                let lacks = judged.unmet(&self.view.policy.wanted_for_cut(), self.view);
                let messages = judged.problems.into_iter().chain(lacks.iter().map(wants));
                messages.map(|m| refused(&format!("it {m}"))).collect()
            }
        }
    }

    /// The place of the entry that the file at `path` proves, in this very log.
    fn proved(&self, path: &str) -> Result<u64, Error> {
        let bytes = self.store.read(path, MAX_TLOG_PROOF_LEN)?;
        let bytes = bytes.ok_or_else(|| Error::refused("is missing"))?;
        let proof = TlogProof::parse(&bytes)?;
        let eras = self.look.eras;
        let entry = proof.unverified_extra().to_vec();
        let included = proof.verify(&entry, &eras.log_keys(), eras.today().log_origin())?;
        eras.today().witnesses().cosigned(included.checkpoint())?;
        self.look.prefixes.check(included.checkpoint())?;
        Ok(included.index())
    }

    fn archive(&self, released: &Released) -> Result<Option<Box<dyn std::io::Read + Send>>, Error> {
        let input = self.store.open(&released.archive_path())?;
        Ok(input.map(|input| (self.auditor.counted)(input)))
    }

    fn verifier<'b>(&'b self, cache: &'b Memory) -> Verifier<'b> {
        Verifier {
            store: self.store,
            trusted_root: Some(self.auditor.root),
            cache,
            seen: &SeenNothing(None),
            scratch: self.auditor.scratch,
            clock: Clock {
                now: self.auditor.now,
                expiry: Expiry::Report,
            },
            threads: self.auditor.threads,
            stop_at_first: false,
        }
    }

    /// What the targets say of yanks is what the log said last; each yank in the log is of a release
    /// and proved beside it.
    pub fn yanks(&self, released: &[Released]) -> Vec<Problem> {
        let logged = self.look.logged;
        let policy: &ReleasePolicy = &self.view.policy;
        let mut problems = Vec::new();
        for release in released {
            let leaves = logged.yanks_of(&release.tag);
            if leaves.is_empty() && logged.since > 0 {
                continue;
            }
            let proved = match yank::disagreement(release, &leaves) {
                Some(message) => Err(Error::refused(message)),
                None => yank::recorded(self.store, policy, release),
            };
            let message = match proved {
                Ok(proved) => {
                    let new = proved.iter().filter(|p| p.log_index >= logged.since);
                    match new.count() {
                        n if n == leaves.len() => continue,
                        n => format!(
                            "has {} yanks in the log, {n} are proved beside it",
                            leaves.len()
                        ),
                    }
                }
                Err(e) => e.to_string(),
            };
            problems.push(Problem::new(&release.tag, message));
        }
        let strange = logged.yanks.keys();
        let strange = strange.filter(|tag| !released.iter().any(|r| r.tag == **tag));
        problems
            .extend(strange.map(|tag| Problem::new(tag, "is yanked in the log and no release")));
        problems
    }

    /// Every attestation that the log has lies beside its release, and no other.
    pub fn attestations(&self, released: &[Released]) -> Vec<Problem> {
        let logged: &Logged = self.look.logged;
        let mut problems = Vec::new();
        for release in released {
            let tag = &release.tag;
            let of_tag = |kind| logged.attestations.get(&(tag.clone(), kind)).copied();
            if logged.since > 0
                && AttestationKind::ALL
                    .into_iter()
                    .all(|k| of_tag(k).is_none())
            {
                continue;
            }
            let found = in_history(self.store, &self.view.history, &self.view.policy, tag);
            let (offered, _) = match found {
                Ok(found) => found,
                Err(e) => {
                    problems.push(Problem::new(tag, e.to_string()));
                    continue;
                }
            };
            for kind in AttestationKind::ALL {
                let in_log = of_tag(kind).unwrap_or_default();
                let new = |one: &&Offered| {
                    let place = one.logged.map(|logged| logged.index);
                    one.kind() == Some(kind) && place.is_none_or(|at| at >= logged.since)
                };
                let beside = offered.iter().filter(new).count() as u64;
                if beside != in_log {
                    problems.push(Problem::new(
                        tag,
                        format!(
                            "has {in_log} of kind {kind} in the log, {beside} are proved beside it"
                        ),
                    ));
                }
            }
        }
        problems
    }
}
