//! `fleet.toml`: what may stand in it, and what is said of what may not.

use std::path::Path;

use super::*;

const SMALL: &str = r#"
[[environment]]
name = "testnet"

[[node]]
name = "testnet-1"
ssh = "root@testnet-1"
environment = "testnet"
groups = ["eu"]
weight = 1000

[[node]]
name = "testnet-2"
ssh = "testnet-2"
environment = "testnet"
become = ["sudo", "-n"]

[[node]]
name = "testnet-3"
ssh = "testnet-3"
environment = "testnet"
bundle = true
"#;

fn parse(text: &str) -> Result<FleetConfig> {
    FleetConfig::parse(text, Path::new("/etc/fleet"))
}

#[test]
fn a_small_testnet_has_the_guides_defaults() {
    let config = parse(SMALL).unwrap();
    let testnet = config.environment("testnet").unwrap();
    assert_eq!(testnet.strategy, Strategy::Together);
    assert_eq!(
        (testnet.first_watch_seconds, testnet.pause_seconds),
        (10, 5)
    );
    assert_eq!((testnet.last_watch_seconds, testnet.min_nodes), (3_600, 3));
    assert!(testnet.verify_backups && testnet.rehearse);
    let names: Vec<&str> = config
        .nodes_of("testnet")
        .iter()
        .map(|n| n.name.as_str())
        .collect();
    assert_eq!(names, ["testnet-1", "testnet-2", "testnet-3"]);
    assert_eq!(config.nodes[0].config, "/etc/relman/node.toml");
    let error = config.environment("mainnet").unwrap_err();
    assert!(error.to_string().contains("testnet"), "{error}");
}

#[test]
fn all_problems_are_told_at_once() {
    let text = SMALL
        .replace("name = \"testnet-2\"", "name = \"testnet-1\"")
        .replace("ssh = \"testnet-3\"", "ssh = \"-oProxyCommand=evil\"")
        .replace(
            "name = \"testnet\"",
            "name = \"testnet\"\nwaves = [50, 20]\nwindow = \"2-6\"",
        );
    let error = parse(&text).unwrap_err();
    let causes = error.causes().join("\n");
    for wanted in [
        "node testnet-1 is there twice",
        "ssh is \"-oProxyCommand=evil\"",
        "waves is [50, 20], wanted percentages that grow and end with 100",
        "window is \"2-6\"",
    ] {
        assert!(causes.contains(wanted), "{wanted}: {causes}");
    }
}

#[test]
fn a_testnet_of_two_is_too_small() {
    let two = SMALL.rsplit_once("[[node]]").unwrap().0;
    let error = parse(two).unwrap_err();
    assert!(
        error
            .causes()
            .join("\n")
            .contains("has 2 node(s), wanted at least 3")
    );
}

#[test]
fn where_weight_counts_not_all_can_be_stopped_together() {
    let text = SMALL.replace(
        "name = \"testnet\"\n\n",
        "name = \"testnet\"\nmargin_percent = 5\n\n",
    );
    let error = parse(&text).unwrap_err();
    assert!(
        error.causes().join("\n").contains("margin_percent"),
        "{error}"
    );
}

#[test]
fn a_window_may_go_over_midnight() {
    let night = Window {
        from: 22 * 60,
        to: 4 * 60,
    };
    for (minute, open) in [
        (21 * 60 + 59, false),
        (22 * 60, true),
        (0, true),
        (239, true),
        (240, false),
    ] {
        assert_eq!(night.contains(minute), open, "{minute}");
    }
}

#[test]
fn people_are_told_in_one_way_each() {
    let text = format!(
        "{SMALL}\n[[notify]]\nname = \"ops\"\nmail = [\"sendmail\", \"-t\"]\nto = [\"ops@example.org\"]\n"
    );
    let config = parse(&text).unwrap();
    assert!(
        matches!(&config.notify[0].channel, Channel::Mail { to, .. } if to == &["ops@example.org"])
    );
    let forged = text.replace("ops@example.org", "ops@example.org\\nBcc: all@example.org");
    assert!(parse(&forged).is_err());
    let two = text.replace("to = [", "webhook = \"https://example.org\"\nto = [");
    assert!(
        parse(&two)
            .unwrap_err()
            .causes()
            .join("\n")
            .contains("wanted one of")
    );
}
