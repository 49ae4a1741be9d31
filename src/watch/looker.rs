//! Whoever looks at a network, and what a look needs to know of the one before. Pure.

use super::network::foreign;
use super::policy::Policy;
use super::sample::Look;
use crate::limits::MAX_LOOK_REASONS_LEN;

/// Characters of a reason where there are too many.
const SHORT: usize = 40;

/// Looks at a network. What people have declared is not in its looks.
pub trait Looker {
    /// One look at these nodes; it takes [`MAX_WATCH_LOOK_SECONDS`](crate::limits::MAX_WATCH_LOOK_SECONDS) at most.
    fn look(&mut self, nodes: &[String], policy: &Policy) -> Look;
}

/// The height at which nodes' blocks can be compared: the lowest of those that are near the middle one. A node that is far
/// behind, or says that it is far ahead, keeps nobody from comparing the others.
pub fn compare_at(look: &Look, height_within: u64) -> Option<u64> {
    let chains = || look.nodes.iter().map(|(name, n)| (name.as_str(), &n.chain));
    let others = foreign(chains().filter_map(|(name, c)| Some((name, c.network.as_deref()?))));
    let mut heights: Vec<u64> = chains()
        .filter(|(name, _)| !others.iter().any(|(other, _)| other == name))
        .filter_map(|(_, c)| c.height)
        .collect();
    heights.sort_unstable();
    let middle = *heights.get(heights.len().saturating_sub(1) / 2)?;
    let least = middle.saturating_sub(height_within);
    heights.into_iter().find(|height| *height >= least)
}

/// Cuts the reasons of a look short if all together are too long.
pub fn bound(look: &mut Look) {
    let nodes = look.nodes.values().flat_map(|n| n.unknown.values());
    let length: usize = nodes.chain(look.silent.values()).map(String::len).sum();
    if length <= MAX_LOOK_REASONS_LEN {
        return;
    }
    let nodes = look.nodes.values_mut().flat_map(|n| n.unknown.values_mut());
    for why in nodes.chain(look.silent.values_mut()) {
        *why = why.chars().take(SHORT).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::sample::NodeSample;

    fn look(chains: &[(&str, Option<u64>)]) -> Look {
        let mut look = Look::default();
        for (i, (network, height)) in chains.iter().enumerate() {
            let mut sample = NodeSample::default();
            sample.chain.network = Some((*network).into());
            sample.chain.height = *height;
            look.nodes.insert(format!("n{i}"), sample);
        }
        look
    }

    #[test]
    fn blocks_are_compared_where_most_nodes_have_one() {
        let at = |chains: &[(&str, Option<u64>)]| compare_at(&look(chains), 2);
        assert_eq!(at(&[]), None);
        assert_eq!(at(&[("main", None)]), None);
        assert_eq!(at(&[("main", Some(7))]), Some(7));
        assert_eq!(
            at(&[("main", Some(10)), ("main", Some(9)), ("main", Some(11))]),
            Some(9)
        );
    }

    #[test]
    fn attack_a_node_that_lies_about_its_height_keeps_nobody_from_comparing() {
        for lie in [0, u64::MAX] {
            let chains = [
                ("main", Some(100)),
                ("main", Some(lie)),
                ("main", Some(101)),
            ];
            assert_eq!(compare_at(&look(&chains), 2), Some(100), "{lie}");
        }
        let chains = [("main", Some(100)), ("other", Some(3)), ("main", Some(101))];
        assert_eq!(compare_at(&look(&chains), 2), Some(100));
    }

    #[test]
    fn reasons_have_a_bound_all_together() {
        let mut many = look(&[]);
        for i in 0..MAX_LOOK_REASONS_LEN / 100 {
            many.silent.insert(format!("n{i}"), "w".repeat(200));
        }
        bound(&mut many);
        assert!(many.silent.values().all(|why| why.len() == SHORT));
        let mut few = look(&[]);
        few.silent.insert("n".into(), "w".repeat(200));
        bound(&mut few);
        assert_eq!(few.silent["n"].len(), 200);
    }
}
