//! The driver of `cut`: tag → clean clone → build → complete, signed draft. What it needs of the
//! machine comes through traits; publishing a draft is the business of `publish`.

use jiff::Timestamp;

use super::assemble;
use super::bench::Bench;
use super::build_plan::Places;
use super::config::{self, Config};
use super::draft::{Drafts, Record};
use super::source::{Build, Rules, Source, TagInfo};
use super::state::Released;
use super::tag::Tag;
use crate::keys::Signer;
use crate::limits::MAX_CONFIG_LEN;
use crate::{Error, Result};

/// Whoever shows what a driver is doing.
pub trait Events {
    /// A stage begins, and with it the one before ends.
    fn stage(&mut self, name: &str);
    /// A line of output of the stage under way.
    fn line(&mut self, line: &str);
    /// Something that stays on the screen.
    fn note(&mut self, message: &str);
}

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
    /// The directories of this cut.
    pub places: &'a Places,
    /// The builder's key.
    pub key: &'a dyn Signer,
    /// Now.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Threads to pack with; the archive's bytes do not depend on it.
    pub threads: usize,
}

/// How a cut ended before publishing.
#[derive(Debug)]
pub enum Drafted {
    /// The store has this release already, from the same tag.
    Published(Box<Released>),
    /// A complete draft; `fresh` if it was built now.
    Draft {
        /// The draft.
        record: Box<Record>,
        /// Whether it was built by this call.
        fresh: bool,
    },
}

impl Cutter<'_> {
    /// Makes the draft of `tag`, unless it or the release exists.
    ///
    /// # Errors
    /// Refused: the tag moved since it was cut, or its phase's predecessor was never cut. Failed:
    /// no such tag, the build failed, the disk is full, and so on; nothing is left half-made.
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
        let record = self.make(tag, &info, events)?;
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

    /// What is built, and how, is part of the tag: where it has a `relman.toml`, its `[build]` and
    /// `[release]` count and not those of the working tree, so that the same tag gives the same bytes.
    fn config_of(&self, tag: &Tag, info: &TagInfo, events: &mut dyn Events) -> Result<Config> {
        let mut config = self.config.clone();
        let committed = self
            .source
            .committed_file(info, config::FILE_NAME, MAX_CONFIG_LEN)?;
        let Some(bytes) = committed else {
            return Ok(config);
        };
        let tagged = tagged_config(bytes, tag)?;
        if tagged.build != config.build || tagged.release != config.release {
            events.note(&format!(
                "{} differs between {tag} and the working tree: [build] and [release] of the tag count",
                config::FILE_NAME
            ));
        }
        config.build = tagged.build;
        config.release = tagged.release;
        Ok(config)
    }

    fn make(&self, tag: &Tag, info: &TagInfo, events: &mut dyn Events) -> Result<Record> {
        let config = self.config_of(tag, info, events)?;
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
        assemble::draft(&made.parts(info, self.threads), self.drafts, self.key)
    }
}

/// The `relman.toml` of a tag.
///
/// # Errors
/// Usage: as [`Config::parse`].
pub fn tagged_config(bytes: Vec<u8>, tag: &Tag) -> Result<Config> {
    String::from_utf8(bytes)
        .map_err(|e| Error::usage("it is not UTF-8").caused_by(e))
        .and_then(|text| Config::parse(&text))
        .map_err(|e| e.under(format!("{} of {tag} cannot be used", config::FILE_NAME)))
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
