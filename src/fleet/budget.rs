//! How many nodes, and how much weight, may be down. Pure arithmetic in whole numbers.

use super::config::Environment;

/// Nodes as far as the network counts on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// The node's weight.
    pub weight: u64,
    /// It is down, or nobody knows.
    pub down: bool,
}

/// Why nodes with this weight must not go down now; none if they may. `all` is the whole environment as it is, those that
/// are to go down included and counted as up.
pub fn forbids(environment: &Environment, all: &[Weighed], going: &[Weighed]) -> Option<String> {
    let down = all.iter().filter(|n| n.down).count();
    let most = environment.max_unavailable;
    if down + going.len() > most {
        return Some(format!(
            "{} node(s) would be down ({down} are anyway), at most {most} may be (max_unavailable)",
            down + going.len()
        ));
    }
    let margin = u128::from(environment.margin_percent?);
    let sum = |nodes: &mut dyn Iterator<Item = &Weighed>| -> u128 {
        nodes.map(|n| u128::from(n.weight)).sum()
    };
    let total = sum(&mut all.iter());
    let away = sum(&mut all.iter().filter(|n| n.down)) + sum(&mut going.iter());
    let left = total.saturating_sub(away);
    // left / total >= 2/3 + margin/100, without fractions.
    (300 * left < total * (200 + 3 * margin)).then(|| {
        format!(
            "{left} of {total} weight would be left, wanted 2/3 and a margin of {margin} %, that is {}",
            (total * (200 + 3 * margin)).div_ceil(300)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::config::FleetConfig;
    use super::*;

    fn environment(rules: &str) -> Environment {
        let text = format!(
            "[[environment]]\nname = \"mainnet\"\n{rules}\n\
             [[node]]\nname = \"m1\"\nssh = \"m1\"\nenvironment = \"mainnet\"\n"
        );
        let dir = std::path::Path::new("/");
        FleetConfig::parse(&text, dir)
            .unwrap()
            .environments
            .remove(0)
    }

    fn nodes(weights: &[(u64, bool)]) -> Vec<Weighed> {
        weights
            .iter()
            .map(|&(weight, down)| Weighed { weight, down })
            .collect()
    }

    #[test]
    fn nodes_that_are_down_anyway_count() {
        let rules = environment("serial = 1\nmax_unavailable = 1\nmargin_percent = 0");
        let all = nodes(&[(1, false), (1, false), (1, false), (1, true)]);
        let why = forbids(&rules, &all, &all[..1]).unwrap();
        assert!(
            why.contains("2 node(s) would be down (1 are anyway)"),
            "{why}"
        );
        let up = nodes(&[(1, false); 4]);
        assert_eq!(forbids(&rules, &up, &up[..1]), None);
    }

    #[test]
    fn two_thirds_and_a_margin_stay_up_by_weight_not_by_number() {
        let rules = environment("serial = 9\nmargin_percent = 0");
        let all = nodes(&[(40, false), (30, false), (30, false)]);
        assert_eq!(
            forbids(&rules, &all, &all[1..2]),
            None,
            "70 of 100 are left"
        );
        let why = forbids(&rules, &all, &all[..1]).unwrap();
        assert!(why.contains("60 of 100 weight would be left"), "{why}");
        assert!(why.contains("that is 67"), "{why}");
        let strict = environment("serial = 9\nmargin_percent = 5");
        let why = forbids(&strict, &all, &all[1..2]).unwrap();
        assert!(why.contains("a margin of 5 %, that is 72"), "{why}");
    }

    #[test]
    fn exactly_two_thirds_are_enough_without_a_margin() {
        let rules = environment("serial = 9\nmargin_percent = 0");
        let all = nodes(&[(1, false), (1, false), (1, false)]);
        assert_eq!(forbids(&rules, &all, &all[..1]), None);
        assert!(forbids(&rules, &all, &all[..2]).is_some());
    }

    #[test]
    fn weights_near_the_end_of_their_range_do_not_wrap() {
        let rules = environment("serial = 9\nmargin_percent = 33");
        let all = nodes(&[(u64::MAX, false), (u64::MAX, false)]);
        assert!(forbids(&rules, &all, &all[..1]).is_some());
    }
}
