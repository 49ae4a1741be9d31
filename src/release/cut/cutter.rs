//! The stages of a cut, one after the other. Nothing is built from a tag that policy does not want.

use jiff::Timestamp;

use super::{Drafted, Events, tagged_config};
use crate::attest::provenance::{Builder, Descent, SourceClaims};
use crate::hash::Sha256;
use crate::keys::Signer;
use crate::limits::MAX_LOCKFILE_LEN;
use crate::release::assemble::{self, LockedSource, Sources};
use crate::release::attestations::Drawer;
use crate::release::bench::Bench;
use crate::release::build_plan::Places;
use crate::release::config::Config;
use crate::release::draft::{Drafts, Record};
use crate::release::gate;
use crate::release::lockfile;
use crate::release::policy::ReleasePolicy;
use crate::release::sbom;
use crate::release::source::{Build, Rules, Source, TagInfo};
use crate::release::state::Released;
use crate::release::tag::Tag;
use crate::release::tag_rule;
use crate::{Error, Result};

/// What a cut works with.
pub struct Cutter<'a> {
    /// The project's configuration.
    pub config: &'a Config,
    /// The git repository.
    pub source: &'a dyn Source,
    /// Whoever runs the build.
    pub build: &'a dyn Build,
    /// Where drafts are kept.
    pub drafts: &'a dyn Drafts,
    /// Where results of gates are kept.
    pub drawer: &'a dyn Drawer,
    /// The directories of this cut.
    pub places: &'a Places,
    /// The builder's key.
    pub key: &'a dyn Signer,
    /// The policy, for what it asks of a tag.
    pub policy: &'a ReleasePolicy,
    /// How the places were prepared, which the provenance says.
    pub builder: Builder,
    /// Now.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Threads to pack with; the archive's bytes do not depend on it.
    pub threads: usize,
}

impl Cutter<'_> {
    /// Makes the draft of `tag`, unless it or the release exists.
    ///
    /// # Errors
    /// Refused: the tag moved since it was cut, is not as policy wants it, lacks a gate that policy wants,
    /// or its phase's predecessor was never cut. Failed: no such tag, the build failed, the disk is full, and so on; nothing is left half-made.
    pub fn draft(
        &self,
        tag: &Tag,
        released: &[Released],
        events: &mut dyn Events,
    ) -> Result<Drafted> {
        events.stage(&format!("find tag {tag}"));
        let info = self.source.resolve(tag, self.rules())?;
        if let Some(before) = released.iter().find(|r| r.tag == tag.as_str()) {
            not_moved(tag, &info, &before.commit, before.tag_object.as_deref())?;
            return Ok(Drafted::Published(Box::new(before.clone())));
        }
        let source = self.source_claims(&info, released)?;
        self.check_tag(&info, &source)?;
        if let Some(record) = self.drafts.load(tag.as_str())? {
            not_moved(tag, &info, &record.commit, record.tag_object.as_deref()).map_err(|e| {
                let draft = self.drafts.file(tag.as_str(), "");
                e.hint(format!(
                    "put the tag back, or give up the draft: rm -r {}",
                    draft.display()
                ))
            })?;
            return Ok(Drafted::Draft {
                record: Box::new(record),
                fresh: false,
            });
        }
        self.check_order(tag, released)?;
        self.check_gates(&info)?;
        let record = self.make(tag, &info, source, events)?;
        Ok(Drafted::Draft {
            record: Box::new(record),
            fresh: true,
        })
    }

    fn rules(&self) -> Rules {
        Rules {
            allow_lightweight: self.config.tags.allow_lightweight,
        }
    }

    /// What the provenance will say of the tag.
    fn source_claims(&self, info: &TagInfo, released: &[Released]) -> Result<SourceClaims> {
        let rule = &self.policy.policy().document().cut.tag;
        let descent = match tag_rule::previous(&info.tag, released) {
            None => Descent::First,
            Some(before) => {
                let tag = before.tag.clone();
                let descends = self.source.has_ancestor(&info.commit, &before.commit)?;
                match descends {
                    true => Descent::From {
                        tag,
                        commit: before.commit.clone(),
                    },
                    false => Descent::Not { tag },
                }
            }
        };
        let is_wanted = |branch: &str| tag_rule::is_branch_of(rule, branch);
        Ok(SourceClaims {
            tag_object: self.source.tag_object(info)?,
            descent,
            branches: match rule.branches.is_empty() {
                true => Vec::new(),
                false => self.source.branches_with(&info.commit, &is_wanted)?,
            },
        })
    }

    fn check_tag(&self, info: &TagInfo, source: &SourceClaims) -> Result<()> {
        let (_, problems) = tag_rule::check(
            &self.policy.policy().document().cut.tag,
            source,
            info.tag.as_str(),
            &info.commit,
            info.object.as_deref(),
            self.policy,
            (self.now)(),
        );
        if problems.is_empty() {
            return Ok(());
        }
        let refused = Error::refused(format!("tag {} is not as policy wants it", info.tag));
        let error = problems.into_iter().fold(refused, Error::caused_by);
        Err(error.hint(format!("git show {}", info.tag)))
    }

    /// Whether every gate that policy wants has passed, by a signed result that waits for this tag.
    fn check_gates(&self, info: &TagInfo) -> Result<()> {
        let rules = &self.policy.policy().document().cut.gates;
        if rules.is_empty() {
            return Ok(());
        }
        let tag = info.tag.as_str();
        let results = gate::verified(self.policy, &self.drawer.load(tag)?, (self.now)());
        let unmet = gate::unmet(rules, &results, tag, &info.commit);
        if unmet.is_empty() {
            return Ok(());
        }
        let refused = Error::refused(format!("{tag} has not passed the gates that policy wants"));
        let error = unmet.into_iter().fold(refused, Error::caused_by);
        Err(error.hint(format!("relman gate {tag}")))
    }

    /// The lock file of the tagged tree, and the bill of materials that follows from it.
    fn locked(&self, info: &TagInfo) -> Result<LockedSource> {
        let file = self
            .source
            .committed_file(info, lockfile::FILE_NAME, MAX_LOCKFILE_LEN)?;
        let packages = match &file {
            Some(bytes) => std::str::from_utf8(bytes)
                .map_err(|e| Error::usage("Cargo.lock is not UTF-8").caused_by(e))
                .and_then(lockfile::packages)?,
            None => Vec::new(),
        };
        let bill = sbom::Contents {
            project: &self.config.project,
            tag: info.tag.as_str(),
            commit: &info.commit,
            commit_time: info.commit_time,
            packages: &packages,
        };
        Ok(LockedSource {
            sbom: bill.to_bytes()?,
            sha256: file.as_deref().map(Sha256::of),
            packages,
        })
    }

    fn check_order(&self, tag: &Tag, released: &[Released]) -> Result<()> {
        if !self.config.tags.require_predecessor {
            return Ok(());
        }
        let drafts = self.drafts.tags()?;
        let names = released.iter().map(|r| r.tag.as_str());
        let known: Vec<Tag> = names
            .chain(drafts.iter().map(String::as_str))
            .filter_map(|name| Tag::parse(name, self.config.tags.pattern).ok())
            .collect();
        tag.predecessor_ok(&known)
    }

    fn make(
        &self,
        tag: &Tag,
        info: &TagInfo,
        source: SourceClaims,
        events: &mut dyn Events,
    ) -> Result<Record> {
        let config = tagged_config(self.config, self.source, info, events)?;
        let locked = self.locked(info)?;
        let bench = Bench {
            source: self.source,
            build: self.build,
            places: self.places,
            command: None,
            remarks: &|_| Vec::new(),
            now: self.now,
        };
        let made = bench.make(info, config, events)?;

        // A tag that is moved while its build runs must not be published under either commit.
        let after = self.source.resolve(tag, self.rules())?;
        not_moved(tag, &after, &info.commit, info.object.as_deref())?;

        events.stage("package, checksum and sign");
        let sources = Sources {
            source: &source,
            locked: &locked,
            builder: self.builder,
        };
        let parts = made.parts(info, self.threads);
        assemble::draft(&parts, &sources, self.drafts, self.key)
    }
}

/// A tag that was cut names one commit for ever.
fn not_moved(tag: &Tag, info: &TagInfo, commit: &str, tag_object: Option<&str>) -> Result<()> {
    if info.commit == commit && info.object.as_deref() == tag_object {
        return Ok(());
    }
    let name = |commit: &str, object: Option<&str>| match object {
        Some(object) => format!("commit {commit} by tag object {object}"),
        None => format!("commit {commit} by a lightweight tag"),
    };
    Err(Error::refused(format!("tag {tag} moved since it was cut"))
        .caused_by(format!("it was {}", name(commit, tag_object)))
        .caused_by(format!(
            "it is now {}",
            name(&info.commit, info.object.as_deref())
        ))
        .hint("put the tag back, and give the new commit a tag with a higher version"))
}
