//! What a new node is given, and what of it is left alone because something else is there. Pure.

use std::path::Path;

use serde::Serialize;

use super::config::NodeEntry;
use crate::hash::Sha256;
use crate::node::config::NodeConfig;
use crate::{Error, Result};

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// There is none.
    New,
    /// The same bytes are there.
    Same,
    /// Others are, and they go.
    Replaced,
}

/// The three files of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Files<T> {
    /// The executable.
    pub relman: T,
    /// The trust root.
    pub root: T,
    /// Its `node.toml`.
    pub config: T,
}

/// One node's `node.toml`: `{name}` and `{environment}` in `text` become the node's.
///
/// # Errors
/// Kind usage: it is malformed, or is another node's.
pub fn node_toml(text: &str, node: &NodeEntry) -> Result<(String, NodeConfig)> {
    let text = text
        .replace("{name}", &node.name)
        .replace("{environment}", &node.environment);
    let dir = Path::new(&node.config).parent().unwrap_or(Path::new("/"));
    let config = NodeConfig::parse(&text, dir).map_err(|e| e.under(node.name.clone()))?;
    for (what, found, wanted) in [
        ("name", &config.name, &node.name),
        ("environment", &config.environment, &node.environment),
    ] {
        if found != wanted {
            return Err(Error::usage(format!(
                "node.toml has {what} {found:?}, the fleet's node has {wanted:?}"
            ))
            .hint(format!("write {what} = \"{{{what}}}\" into it")));
        }
    }
    Ok((text, config))
}

/// What becomes of each file, from what is there and what is brought.
///
/// # Errors
/// Everything that stands in the way; then nothing is touched.
pub fn steps(
    node: &NodeEntry,
    root: &str,
    there: &Files<Option<Sha256>>,
    brought: &Files<Sha256>,
    replace: bool,
) -> Result<Files<Step>, Vec<String>> {
    let mut problems = Vec::new();
    let mut step =
        |there: Option<Sha256>, brought: Sha256, replace: bool, problem: String| match there {
            None => Step::New,
            Some(there) if there == brought => Step::Same,
            Some(_) if replace => Step::Replaced,
            Some(there) => {
                problems.push(format!("{problem} (sha256 {there}, brought is {brought})"));
                Step::Same
            }
        };
    let steps = Files {
        relman: step(
            there.relman,
            brought.relman,
            replace,
            format!(
                "another relman is at {}; with --replace it goes",
                node.relman
            ),
        ),
        root: step(
            there.root,
            brought.root,
            false,
            format!("another trust root is at {root}, which is never replaced from here"),
        ),
        config: step(
            there.config,
            brought.config,
            false,
            format!(
                "another node.toml is at {}, which is never replaced from here",
                node.config
            ),
        ),
    };
    match problems.is_empty() {
        true => Ok(steps),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::FleetConfig;
    use super::*;

    const TOML: &str = "name = \"{name}\"\nenvironment = \"{environment}\"\nstore = \"/srv\"\nroot = \"root.json\"\n\
        [[binary]]\nname = \"timed\"\npath = \"/usr/local/bin/timed\"\n[health]\nversion_contains = \"{version}\"\n";

    fn node() -> NodeEntry {
        let text = "[[environment]]\nname = \"local\"\n[[node]]\nname = \"n1\"\nssh = \"n1\"\nenvironment = \"local\"\n";
        FleetConfig::parse(text, Path::new("/"))
            .unwrap()
            .nodes
            .remove(0)
    }

    #[test]
    fn one_file_serves_all_nodes_and_anothers_is_refused() {
        let (text, config) = node_toml(TOML, &node()).unwrap();
        assert_eq!(
            (config.name.as_str(), config.root.as_path()),
            ("n1", Path::new("/etc/relman/root.json"))
        );
        assert!(text.contains("{version}"), "{text}");
        let error = node_toml(&TOML.replace("{name}", "n2"), &node()).unwrap_err();
        assert!(error.to_string().contains("\"n2\""), "{error}");
    }

    #[test]
    fn what_is_there_stays_unless_it_is_relman_and_somebody_says_so() {
        let digest = |text: &str| Sha256::of(text.as_bytes());
        let brought = Files {
            relman: digest("relman"),
            root: digest("root"),
            config: digest("config"),
        };
        let none = Files {
            relman: None,
            root: None,
            config: None,
        };
        let steps = |there, replace| super::steps(&node(), "/r", there, &brought, replace);
        let fresh = steps(&none, false).unwrap();
        assert_eq!(
            (fresh.relman, fresh.root, fresh.config),
            (Step::New, Step::New, Step::New)
        );

        let old = Files {
            relman: Some(digest("old")),
            root: Some(digest("root")),
            config: None,
        };
        assert_eq!(steps(&old, false).unwrap_err().len(), 1);
        let replaced = steps(&old, true).unwrap();
        assert_eq!(
            (replaced.relman, replaced.root),
            (Step::Replaced, Step::Same)
        );

        let foreign = Files {
            relman: None,
            root: Some(digest("other")),
            config: Some(digest("other")),
        };
        for replace in [false, true] {
            assert_eq!(steps(&foreign, replace).unwrap_err().len(), 2);
        }
    }
}
