//! The configuration that a tag is built and judged by: its own. Pure.

use super::Events;
use crate::limits::MAX_CONFIG_LEN;
use crate::release::config::{Config, FILE_NAME};
use crate::release::source::{Source, TagInfo};
use crate::release::tag::Tag;
use crate::{Error, Result};

/// What is built, how, and what must hold of it, is part of the tag: where it has a `relman.toml`, its
/// `[build]`, `[release]` and gates count and not those of the working tree, so that the same tag gives
/// the same bytes and is held to the same demands.
///
/// # Errors
/// A file that cannot be read or used.
pub fn tagged_config(
    own: &Config,
    source: &dyn Source,
    info: &TagInfo,
    events: &mut dyn Events,
) -> Result<Config> {
    let tag = &info.tag;
    let mut config = own.clone();
    let Some(bytes) = source.committed_file(info, FILE_NAME, MAX_CONFIG_LEN)? else {
        return Ok(config);
    };
    let tagged = read_tagged(bytes, tag)?;
    let same = [
        tagged.build == config.build,
        tagged.release == config.release,
        tagged.gate == config.gate,
    ];
    if same.contains(&false) {
        events.note(&format!(
            "{FILE_NAME} differs between {tag} and the working tree: [build], [release] and gates of the tag count"
        ));
    }
    config.build = tagged.build;
    config.release = tagged.release;
    config.gate = tagged.gate;
    Ok(config)
}

/// The `relman.toml` of a tag.
///
/// # Errors
/// Usage: as [`Config::parse`].
pub fn read_tagged(bytes: Vec<u8>, tag: &Tag) -> Result<Config> {
    String::from_utf8(bytes)
        .map_err(|e| Error::usage("it is not UTF-8").caused_by(e))
        .and_then(|text| Config::parse(&text))
        .map_err(|e| e.under(format!("{FILE_NAME} of {tag} cannot be used")))
}
