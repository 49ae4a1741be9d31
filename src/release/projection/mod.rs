//! The files that people read, made from the log: what was deployed, which versions there are, what
//! changed. The same log gives the same bytes: no clock, no place, no order but the log's. Pure.

mod changelog;
mod deployments;
mod markdown;
mod story;
mod versions;

use super::view::View;
use crate::Result;
use crate::store::Reader;

pub use markdown::{MARK, cell, table};
pub use story::{Deployment, Event, Evidence, Release, Story};

/// A file, made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// All pages, from the log that `view` shows.
///
/// # Errors
/// Refused: a log that does not lead to its signed root; a file that the log or a release's signed
/// sums list and the store does not have as listed. A page is never made of a part.
pub fn pages(view: &View, store: &dyn Reader) -> Result<Vec<Page>> {
    let story = Story::read(view, store)?;
    Ok(vec![
        Page {
            name: "DEPLOYMENT_LOG.md",
            text: deployments::page(&story),
        },
        Page {
            name: "VERSION_HISTORY.md",
            text: versions::page(&story),
        },
        Page {
            name: "CHANGELOG.md",
            text: changelog::page(&story, store)?,
        },
    ])
}
