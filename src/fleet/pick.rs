//! Which nodes a command line names. Pure.

use super::config::{FleetConfig, NodeEntry};
use crate::{Error, Result};

/// The nodes of the fleet, in its order: those of `environment` alone, if one is named, and of them those that one of
/// `names` names, if there are any: a node's own name, or one of its groups.
///
/// # Errors
/// Kind usage: a name that nothing has, so that a slip of the finger never means fewer nodes than were meant.
pub fn pick<'a>(
    config: &'a FleetConfig,
    environment: Option<&str>,
    names: &[String],
) -> Result<Vec<&'a NodeEntry>> {
    if let Some(environment) = environment {
        config.environment(environment)?;
    }
    let inside: Vec<&NodeEntry> = config
        .nodes
        .iter()
        .filter(|n| environment.is_none_or(|e| n.environment == e))
        .collect();
    let has = |node: &NodeEntry, name: &String| &node.name == name || node.groups.contains(name);
    for name in names {
        if !inside.iter().any(|node| has(node, name)) {
            let place = environment.map_or("the fleet".to_owned(), |e| format!("environment {e}"));
            let known: Vec<&str> = inside.iter().map(|n| n.name.as_str()).collect();
            return Err(Error::usage(format!(
                "{place} has no node and no group {name:?}, its nodes are {}",
                known.join(", ")
            )));
        }
    }
    Ok(inside
        .into_iter()
        .filter(|node| names.is_empty() || names.iter().any(|name| has(node, name)))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FLEET: &str = r#"
[[environment]]
name = "local"
[[environment]]
name = "mainnet"
[[node]]
name = "n1"
ssh = "n1"
environment = "local"
groups = ["eu"]
[[node]]
name = "m1"
ssh = "m1"
environment = "mainnet"
groups = ["eu", "big"]
[[node]]
name = "m2"
ssh = "m2"
environment = "mainnet"
"#;

    fn picked(environment: Option<&str>, names: &[&str]) -> Result<String> {
        let config = FleetConfig::parse(FLEET, Path::new("/"))?;
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let nodes = pick(&config, environment, &names)?;
        Ok(nodes
            .iter()
            .map(|n| n.name.as_str())
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn a_name_is_a_nodes_or_a_groups_and_each_node_comes_once() {
        assert_eq!(picked(None, &[]).unwrap(), "n1 m1 m2");
        assert_eq!(picked(Some("mainnet"), &[]).unwrap(), "m1 m2");
        assert_eq!(picked(None, &["eu"]).unwrap(), "n1 m1");
        assert_eq!(
            picked(Some("mainnet"), &["eu", "m1", "m2"]).unwrap(),
            "m1 m2"
        );
    }

    #[test]
    fn a_name_that_nothing_has_is_never_passed_over() {
        for (environment, name) in [
            (None, "n9"),
            (Some("mainnet"), "n1"),
            (Some("testnet"), "n1"),
        ] {
            let error = picked(environment, &[name]).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Usage, "{error}");
        }
    }
}
