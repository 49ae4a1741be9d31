//! What is exported for Prometheus, Alertmanager and Grafana, judged by promtool and amtool: every exported alert is silent
//! one sample before it is due, and fires at that sample.

mod films;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use relman::watch::export::dashboard::dashboard;
use relman::watch::export::routes::{CREDENTIALS, WEBHOOK, Webhook, routes};
use relman::watch::export::rules::{Rules, rules};
use relman::watch::policy::{Policy, template};
use tempfile::TempDir;

use films::Film;

const ENVIRONMENT: &str = "mainnet";

fn policy() -> Policy {
    Policy::parse(template()).unwrap()
}

fn exported() -> Rules {
    rules(&policy(), Some(ENVIRONMENT)).unwrap()
}

/// What a tool says; the error is what it says when it refuses.
fn judge(program: &str, args: &[&str], dir: &Path) -> Result<String, String> {
    let out = Command::new(program).args(args).current_dir(dir).output();
    let out = out.unwrap_or_else(|e| panic!("{program}: {e}; .ci/run installs it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match out.status.success() {
        true => Ok(text(&out.stdout)),
        false => Err(text(&[out.stdout, out.stderr].concat())),
    }
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Runs the films against the rules.
fn play(rules: &str, films: &[Film]) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "rules.yml", rules);
    let mut page = String::from("rule_files: [rules.yml]\nevaluation_interval: 15s\ntests:\n");
    page.extend(films.iter().map(Film::yaml));
    file(&dir, "films.yml", &page);
    judge("promtool", &["test", "rules", "films.yml"], dir.path())
}

#[test]
#[ignore = "needs promtool"]
fn promtool_accepts_our_rules_and_refuses_tampered_ones() {
    let dir = tempfile::tempdir().unwrap();
    for environment in [None, Some(ENVIRONMENT)] {
        let page = rules(&policy(), environment).unwrap().yaml();
        file(&dir, "rules.yml", &page);
        let said = judge("promtool", &["check", "rules", "rules.yml"], dir.path()).unwrap();
        let count = exported().alerts().count();
        assert!(said.contains(&format!("{count} rules found")), "{said}");
        for (from, to) in [
            ("sum by (instance) (", "sum by (instance) (("),
            ("'cpu", "'{{ cpu"),
        ] {
            let tampered = page.replacen(from, to, 1);
            if tampered == page {
                continue;
            }
            file(&dir, "rules.yml", &tampered);
            judge("promtool", &["check", "rules", "rules.yml"], dir.path()).unwrap_err();
        }
    }
}

#[test]
#[ignore = "needs promtool"]
fn promtool_sees_every_alert_fire_at_its_sample_and_none_before() {
    let rules = exported();
    let films: Vec<Film> = films::edges(&rules);
    let shown: BTreeSet<(String, String)> = films.iter().flat_map(Film::shows).collect();
    for alert in rules.alerts() {
        let step = alert
            .labels
            .get("relman_action")
            .cloned()
            .unwrap_or_default();
        let is_shown = shown.contains(&(alert.alert.clone(), step.clone()));
        assert!(is_shown, "no film of {} {step}", alert.alert);
    }
    play(&rules.yaml(), &films).unwrap();
    // A film that would pass whatever the rules are shows nothing.
    for film in films::edges(&rules) {
        let empty = "groups: []\n";
        assert!(play(empty, &[film]).is_err());
    }
}

#[test]
#[ignore = "needs promtool"]
fn promtool_sees_nothing_of_a_network_that_is_well_and_only_unknowns_without_data() {
    let rules = exported().yaml();
    play(
        &rules,
        &[films::well(), films::no_data(), films::young_partition()],
    )
    .unwrap();
    play(&rules, &[films::one_of_four_nodes(), films::only_node()]).unwrap();
    play(
        &rules,
        &[films::parted_by_height(), films::parted_from_all()],
    )
    .unwrap();
}

#[test]
#[ignore = "needs promtool"]
fn promtool_sees_what_an_alert_says_to_people() {
    play(&exported().yaml(), &[films::words()]).unwrap();
}

#[test]
#[ignore = "needs amtool"]
fn amtool_accepts_our_routes_and_refuses_tampered_ones() {
    let dir = tempfile::tempdir().unwrap();
    let webhook = Webhook::new(WEBHOOK, CREDENTIALS).unwrap();
    for environment in [None, Some(ENVIRONMENT)] {
        let page = routes(&policy(), environment, &webhook);
        file(&dir, "routes.yml", &page);
        let said = judge("amtool", &["check-config", "routes.yml"], dir.path()).unwrap();
        assert!(
            said.contains("SUCCESS") && said.contains("4 receivers"),
            "{said}"
        );
        for (from, to) in [
            ("- name: team-mail", "- name: mail"),
            ("severity=\"critical\"", "severity critical"),
            ("repeat_interval: 4h", "repeat_interval: soon"),
        ] {
            assert!(page.contains(from), "{page}");
            file(&dir, "routes.yml", &page.replace(from, to));
            judge("amtool", &["check-config", "routes.yml"], dir.path()).unwrap_err();
        }
    }
}

#[test]
#[ignore = "needs amtool"]
fn amtool_routes_each_alert_to_whom_it_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let webhook = Webhook::new(WEBHOOK, CREDENTIALS).unwrap();
    file(
        &dir,
        "routes.yml",
        &routes(&policy(), Some(ENVIRONMENT), &webhook),
    );
    let here = "environment=mainnet";
    for (labels, wanted) in [
        (
            vec![
                here,
                "relman_row=no-blocks",
                "relman_action=roll-back",
                "severity=critical",
            ],
            "relman,team-pager",
        ),
        (
            vec![
                here,
                "relman_row=partition",
                "relman_action=roll-back",
                "severity=high",
            ],
            "relman,team-pager",
        ),
        (
            vec![
                here,
                "relman_row=partition",
                "relman_action=page",
                "severity=high",
            ],
            "relman,team-pager",
        ),
        (
            vec![
                here,
                "relman_row=partition",
                "relman_action=observe",
                "severity=high",
            ],
            "relman,team-mail",
        ),
        (
            vec![
                here,
                "relman_row=cpu",
                "relman_action=observe",
                "severity=low",
            ],
            "relman,team-mail",
        ),
        (
            vec![here, "relman_signal=up", "severity=high"],
            "team-pager",
        ),
        (vec![here, "relman_signal=cpu", "severity=low"], "team-mail"),
        (
            vec![
                here,
                "relman_exception=temporary-partition",
                "severity=none",
            ],
            "nobody",
        ),
        (
            vec![
                "environment=testnet",
                "relman_row=no-blocks",
                "severity=critical",
            ],
            "team-mail",
        ),
    ] {
        let mut args = vec!["config", "routes", "test", "--config.file=routes.yml"];
        args.extend(&labels);
        let said = judge("amtool", &args, dir.path()).unwrap();
        assert_eq!(said.trim(), wanted, "{labels:?}");
    }
}

#[test]
#[ignore = "needs promtool"]
fn promtool_reads_every_expression_of_the_dashboard() {
    let made = dashboard(&policy(), Some(ENVIRONMENT)).unwrap();
    let text = made.model.to_string();
    let model: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(model["schemaVersion"], 38);
    let mut page = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (expr, number) in made.expressions.iter().zip(1..) {
        let expr = expr.replace('\'', "''");
        page.push_str(&format!(
            "      - record: panel_{number}\n        expr: '{expr}'\n"
        ));
    }
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "rules.yml", &page);
    let said = judge("promtool", &["check", "rules", "rules.yml"], dir.path()).unwrap();
    let wanted = format!("{} rules found", made.expressions.len());
    assert!(said.contains(&wanted), "{said}");
    file(&dir, "rules.yml", &page.replacen('(', "((", 1));
    judge("promtool", &["check", "rules", "rules.yml"], dir.path()).unwrap_err();
}
