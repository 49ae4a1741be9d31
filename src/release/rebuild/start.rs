//! The rebuild room: what a rebuild starts from, the commit and the configuration. No I/O but through traits.

use super::recipe::Recipe;
use crate::limits::MAX_CONFIG_LEN;
use crate::release::config::{self, Config};
use crate::release::cut::read_tagged;
use crate::release::source::{Rules, Source, TagInfo};
use crate::release::tag::Tag;
use crate::{Error, Result};

/// Finds the commit that a release was built from.
///
/// # Errors
/// Failed: the source has no such tag, or is no complete repository. Refused: its tag of that name is
/// another one than the release was built from.
pub fn find(source: &dyn Source, place: &str, recipe: &Recipe) -> Result<TagInfo> {
    let tag = Tag::parse_any(&recipe.claims.tag)?;
    let rules = Rules {
        allow_lightweight: true,
    };
    let info = source
        .resolve(&tag, rules)
        .map_err(|e| e.under(format!("{place} is no source of {tag}")))?;
    let object = |id: &Option<String>| {
        id.clone()
            .unwrap_or_else(|| "none, it is lightweight".into())
    };
    for (what, found, wanted) in [
        ("commit", info.commit.clone(), recipe.claims.commit.clone()),
        ("tree", info.tree.clone(), recipe.tree.clone()),
        (
            "tag object",
            object(&info.object),
            object(&recipe.tag_object),
        ),
    ] {
        if found != wanted {
            return Err(Error::refused(format!(
                "{tag} in {place} is not what the release was built from"
            ))
            .caused_by(format!("{what} {found}, wanted {wanted}"))
            .hint("name a clone that has the tag as it was: --source PATH"));
        }
    }
    Ok(info)
}

/// The configuration that builds the release again, and what is odd about it.
///
/// # Errors
/// As [`Recipe::config`]; a `relman.toml` of the tag that cannot be read.
pub fn configuration(
    source: &dyn Source,
    info: &TagInfo,
    recipe: &Recipe,
    project: &str,
) -> Result<(Config, Vec<String>)> {
    let committed = source.committed_file(info, config::FILE_NAME, MAX_CONFIG_LEN)?;
    let tagged = committed
        .map(|bytes| read_tagged(bytes, &info.tag))
        .transpose()?;
    recipe.config(project, tagged.as_ref())
}
