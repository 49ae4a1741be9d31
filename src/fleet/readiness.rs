//! Which release an environment really runs: weight by release, as the nodes themselves verified it. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::config::NodeEntry;
use super::look::NodeLook;

/// An environment as its nodes tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Sum of all weights.
    pub weight: u64,
    /// What runs, most weight first.
    pub releases: Vec<Share>,
    /// Nodes of which nobody knows that they run a verified release, and why.
    pub unknown: Vec<Unknown>,
}

/// The part of an environment that runs one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The release.
    pub tag: String,
    /// The nodes that run its verified bytes, in the fleet's order.
    pub nodes: Vec<String>,
    /// Their weight.
    pub weight: u64,
    /// Of all weight, in thousandths, rounded down: what is less than a threshold never looks like it.
    pub share_thousandths: u64,
}

/// A node that counts for no release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Its name.
    pub node: String,
    /// Its weight.
    pub weight: u64,
    /// Why.
    pub why: String,
}

impl Readiness {
    /// Of what each node said of itself.
    pub fn of(answers: &[(&NodeEntry, Result<NodeLook, String>)]) -> Self {
        let weight = answers
            .iter()
            .fold(0u64, |sum, (node, _)| sum.saturating_add(node.weight));
        let mut shares: BTreeMap<String, (Vec<String>, u64)> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (node, answer) in answers {
            match runs(node, answer) {
                Ok(tag) => {
                    let share = shares.entry(tag).or_default();
                    share.0.push(node.name.clone());
                    share.1 = share.1.saturating_add(node.weight);
                }
                Err(why) => unknown.push(Unknown {
                    node: node.name.clone(),
                    weight: node.weight,
                    why,
                }),
            }
        }
        let mut releases: Vec<Share> = shares
            .into_iter()
            .map(|(tag, (nodes, share))| Share {
                tag,
                nodes,
                weight: share,
                share_thousandths: thousandths(share, weight),
            })
            .collect();
        releases.sort_by(|a, b| b.weight.cmp(&a.weight).then(a.tag.cmp(&b.tag)));
        Readiness {
            weight,
            releases,
            unknown,
        }
    }

    /// Whether nodes with at least two thirds of the weight run `tag`, verified.
    pub fn is_ready(&self, tag: &str) -> bool {
        let share = self.releases.iter().find(|share| share.tag == tag);
        share.is_some_and(|s| u128::from(s.weight) * 3 >= u128::from(self.weight) * 2)
    }

    /// The report for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for share in &self.releases {
            lines.push(format!(
                "{}  {} of {} weight ({}.{} %), {} node(s): {}",
                share.tag,
                share.weight,
                self.weight,
                share.share_thousandths / 10,
                share.share_thousandths % 10,
                share.nodes.len(),
                share.nodes.join(", ")
            ));
        }
        for one in &self.unknown {
            lines.push(format!("{}  counts for none: {}", one.node, one.why));
        }
        lines
    }
}

/// The release whose verified bytes the node runs.
fn runs(node: &NodeEntry, answer: &Result<NodeLook, String>) -> Result<String, String> {
    let look = answer.as_ref().map_err(Clone::clone)?;
    if (&look.name, &look.environment) != (&node.name, &node.environment) {
        return Err(format!(
            "it says that it is {:?} of {:?}",
            look.name, look.environment
        ));
    }
    let Some(tag) = &look.current else {
        return Err("nothing was installed there by relman".into());
    };
    match look.runs(tag) {
        true => Ok(tag.clone()),
        false if !look.whole => Err(format!("{tag} is not whole there")),
        false => Err(format!(
            "its daemon does not run the verified bytes of {tag}"
        )),
    }
}

fn thousandths(part: u64, whole: u64) -> u64 {
    let share = u128::from(part) * 1_000 / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fleet::config::FleetConfig;
    use crate::fleet::look::Daemon;

    const ONE: &str = "phase1-sig-verify-1.0.0";
    const TWO: &str = "phase2-finality-1.0.0";

    fn fleet(weights: &[u64]) -> FleetConfig {
        let mut text = "[[environment]]\nname = \"mainnet\"\n".to_owned();
        for (n, weight) in weights.iter().enumerate() {
            text.push_str(&format!(
                "[[node]]\nname = \"n{n}\"\nssh = \"n{n}\"\nenvironment = \"mainnet\"\nweight = {weight}\n"
            ));
        }
        FleetConfig::parse(&text, Path::new("/")).unwrap()
    }

    fn look(node: &NodeEntry, tag: &str) -> NodeLook {
        NodeLook {
            name: node.name.clone(),
            environment: node.environment.clone(),
            current: Some(tag.into()),
            since: None,
            whole: true,
            daemon: Daemon::Verified,
            rollback: None,
            retained: Vec::new(),
            agreed: None,
            backups: 0,
            halted: None,
            unfinished: None,
            problems: Vec::new(),
        }
    }

    #[test]
    fn weight_counts_and_only_verified_bytes_that_run_do() {
        let fleet = fleet(&[4, 3, 2, 1]);
        let [a, b, c, d] = &fleet.nodes[..] else {
            panic!("four nodes");
        };
        let mut down = look(c, TWO);
        down.daemon = Daemon::Down;
        let report = Readiness::of(&[
            (a, Ok(look(a, TWO))),
            (b, Ok(look(b, ONE))),
            (c, Ok(down)),
            (d, Err("not reached: no route to host".into())),
        ]);
        let shares: Vec<(&str, u64)> = report
            .releases
            .iter()
            .map(|s| (s.tag.as_str(), s.share_thousandths))
            .collect();
        assert_eq!(shares, [(TWO, 400), (ONE, 300)]);
        assert!(!report.is_ready(TWO) && !report.is_ready("phase3-validation-1.0.0"));
        let text = report.lines().join("\n");
        assert!(
            text.contains("n2  counts for none: its daemon does not run the verified bytes"),
            "{text}"
        );
        assert!(text.contains("n3  counts for none: not reached"), "{text}");
    }

    #[test]
    fn two_thirds_are_two_thirds_and_no_rounding_makes_them() {
        let fleet = fleet(&[666_666, 333_334]);
        let [a, b] = &fleet.nodes[..] else {
            panic!("two nodes");
        };
        let report = Readiness::of(&[(a, Ok(look(a, TWO))), (b, Ok(look(b, ONE)))]);
        assert!(!report.is_ready(TWO));
        assert_eq!(report.releases[0].share_thousandths, 666);
        let even = super::tests::fleet(&[2, 1]);
        let [a, b] = &even.nodes[..] else {
            panic!("two nodes");
        };
        assert!(Readiness::of(&[(a, Ok(look(a, TWO))), (b, Ok(look(b, ONE)))]).is_ready(TWO));
    }

    #[test]
    fn a_node_that_says_that_it_is_another_counts_for_none() {
        let fleet = fleet(&[1, 1]);
        let report = Readiness::of(&[(&fleet.nodes[0], Ok(look(&fleet.nodes[1], TWO)))]);
        assert_eq!(report.releases, []);
        assert!(report.unknown[0].why.contains("it says that it is \"n1\""));
    }
}
