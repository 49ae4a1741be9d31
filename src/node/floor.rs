//! What a move to another release may be: not below the security floor, and not further back than the
//! release that is left declares. Drives nothing; reads and raises the floor through the host's trait.

use serde::{Deserialize, Serialize};

use super::Node;
use super::record::json;
use super::retained::Retained;
use crate::error::{Error, Kind, Result};
use crate::release::edges::{Barrier, Edges};
use crate::release::tag::Tag;

const SCHEMA: u32 = 1;

/// `floor.json`: the highest security floor that this node ever saw in a verified policy.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    schema: u32,
    minimum: Tagged,
}

/// A tag as text.
#[derive(Serialize, Deserialize)]
struct Tagged(String);

impl Node<'_> {
    /// The stored floor.
    ///
    /// # Errors
    /// Kind refused: what is stored is no floor, so nothing can be above it.
    pub(super) fn floor(&self) -> Result<Option<Tag>> {
        let Some(bytes) = self.host.read_floor()? else {
            return Ok(None);
        };
        let broken = |why: String| {
            Error::refused("the node's security floor cannot be read")
                .caused_by(why)
                .hint(format!(
                    "it is raised again by the next install: rm {}",
                    self.config.state.join("floor.json").display()
                ))
        };
        let floor: Floor = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        if floor.schema != SCHEMA {
            return Err(broken(format!("schema {}, wanted {SCHEMA}", floor.schema)));
        }
        match Tag::parse_any(&floor.minimum.0) {
            Ok(tag) => Ok(Some(tag)),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    /// The higher of the stored floor and `minimum`, from a verified policy; stored where it rose,
    /// unless this is a dry run. It never drops: a policy that lowers it was not the last word.
    pub(super) fn raise_floor(&self, minimum: Option<&str>, dry_run: bool) -> Result<Option<Tag>> {
        let stored = self.floor()?;
        let wanted = minimum.map(Tag::parse_any).transpose().map_err(|e| {
            e.with_kind(Kind::Refused)
                .under("the policy's security floor")
        })?;
        if wanted <= stored {
            return Ok(stored);
        }
        if let (Some(tag), false) = (&wanted, dry_run) {
            let floor = Floor {
                schema: SCHEMA,
                minimum: Tagged(tag.to_string()),
            };
            self.host.write_floor(&json(&floor)?)?;
        }
        Ok(wanted)
    }

    /// Refuses `tag` below `floor`; what was found on the host is no release and below any.
    pub(super) fn require_above(&self, tag: &str, floor: Option<&Tag>) -> Result<()> {
        let Some(floor) = floor else {
            return Ok(());
        };
        if Tag::parse_any(tag).is_ok_and(|tag| tag >= *floor) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{tag} is below the security floor of this node, which is {floor}"
        ))
        .hint("a newer release: relman status shows what is retained, relman list what there is"))
    }
}

/// What keeps a node from going back to `to`, which declares `other`, from the version that is `left`
/// and what it is worth; and what cannot be told about it.
pub(super) fn barrier(
    left: Option<&(&str, Result<Retained>)>,
    to: &str,
    other: &Edges,
) -> (Option<Barrier>, Option<String>) {
    match left {
        // An upgrade is no way back.
        Some((from, Ok(left))) if is_older(to, from) => (left.edges.barrier(from, to, other), None),
        Some((from, Err(error))) => (
            None,
            Some(format!(
                "how far {from} lets a node go back cannot be told: {error}"
            )),
        ),
        _ => (None, None),
    }
}

/// Whether going from `from` to `to` is going back; from and to what was found on the host nobody
/// knows, and going to it is.
fn is_older(to: &str, from: &str) -> bool {
    match (Tag::parse_any(to), Tag::parse_any(from)) {
        (Ok(to), Ok(from)) => to < from,
        (Err(_), Ok(_)) => true,
        _ => false,
    }
}
