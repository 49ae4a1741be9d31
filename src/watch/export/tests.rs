//! Stories of exports: what is in the files, and that nothing foreign changes what they mean.

use super::condition::expression;
use super::dashboard::dashboard;
use super::promql::Scope;
use super::routes::{CREDENTIALS, WEBHOOK, Webhook, routes};
use super::rules::{ACTION, Alert, Rules, rules};
use crate::watch::policy::{Policy, template};

fn default() -> Policy {
    Policy::parse(template()).unwrap()
}

fn exported(policy: &Policy) -> Rules {
    rules(policy, Some("mainnet")).unwrap()
}

fn alert<'a>(rules: &'a Rules, name: &str, action: &str) -> &'a Alert {
    let mut all = rules.rows.iter();
    all.find(|a| a.alert == name && a.labels[ACTION] == action)
        .unwrap_or_else(|| panic!("no {name} that calls for {action}"))
}

/// The default policy with one row changed.
fn with_row(from: &str, to: &str) -> Policy {
    assert!(template().contains(from), "{from}");
    Policy::parse(&template().replace(from, to)).unwrap()
}

#[test]
fn the_guides_alerts_are_among_the_rules() {
    let rules = exported(&default());
    let of = "job=\"timed\",environment=\"mainnet\"";
    // NoBlocksProduced: an interval and ten minutes, and a look, since a block may be just so late.
    let no_blocks = alert(&rules, "NoBlocks", "roll-back");
    assert_eq!(
        no_blocks.expr,
        format!("max(block_height{{{of}}}) <= max(block_height{{{of}}} offset 20m15s)")
    );
    // ConsensusTimeout: prepare, and go back after 5 minutes.
    for (action, seconds) in [("prepare", 15), ("roll-back", 300)] {
        let timeouts = alert(&rules, "ConsensusTimeouts", action);
        let counted = format!("floor(increase(consensus_timeouts{{{of}}}[10m]))");
        assert_eq!(timeouts.expr, format!("sum by (instance) ({counted}) > 3"));
        assert_eq!(timeouts.for_seconds, seconds);
    }
    let errors = alert(&rules, "CriticalErrors", "prepare");
    assert_eq!(
        errors.expr,
        format!("sum by (instance) (increase(errors_total{{severity=\"critical\",{of}}}[5m])) > 0")
    );
    assert_eq!(errors.for_seconds, 0);
}

#[test]
fn every_row_is_exported_or_told_with_the_reason() {
    let policy = default();
    let rules = exported(&policy);
    for row in &policy.rows {
        let name = super::camel(&row.name);
        let steps = rules.rows.iter().filter(|a| a.alert == name).count();
        let told = rules.left_out.iter().any(|l| l.row == row.name);
        assert_eq!(
            (steps, told),
            if told {
                (0, true)
            } else {
                (row.steps.len(), false)
            }
        );
    }
    let left: Vec<&str> = rules.left_out.iter().map(|l| l.row.as_str()).collect();
    for row in [
        "data-corruption",
        "vulnerability",
        "signature-failures",
        "restarts",
    ] {
        assert!(left.contains(&row), "{left:?}");
    }
    let page = rules.yaml();
    for line in &rules.left_out {
        assert!(page.contains(&format!("#   {}: {}", line.row, line.why)));
    }
    assert!(page.contains("#   exception ordinary-bugs"), "{page}");
}

#[test]
fn what_prometheus_has_no_data_of_is_told_and_never_fires_a_row() {
    let rules = exported(&default());
    let unknown = rules
        .absent
        .iter()
        .find(|a| a.alert == "CriticalErrorsUnknown");
    let unknown = unknown.expect("an alert");
    assert!(unknown.expr.contains("absent(errors_total{"), "{unknown:?}");
    assert_eq!(unknown.for_seconds, 60);
    assert!(!unknown.labels.contains_key(super::rules::ROW));
    assert!(rules.rows.iter().all(|a| !a.expr.contains("absent(")));
}

#[test]
fn one_node_alone_takes_no_network_back_unless_it_is_the_network() {
    let rules = exported(&default());
    let crashed = alert(&rules, "CrashedNodes", "roll-back");
    assert!(
        crashed.expr.contains("* 100 > 20 * count(up{"),
        "{crashed:?}"
    );
    assert!(
        crashed.expr.contains("and on () (count(") && crashed.expr.contains(" > 1 or count(up{")
    );
    // What leads to no more than the exception allows stays as it is.
    let single = alert(&rules, "SingleNodeCrash", "restart");
    assert!(!single.expr.contains("count("), "{single:?}");
}

#[test]
fn a_young_partition_mutes_what_its_exception_names() {
    let policy = default();
    let rules = exported(&policy);
    let [young] = rules.exceptions.as_slice() else {
        panic!("{:?}", rules.exceptions);
    };
    assert!(young.expr.contains(") unless on () (") && young.expr.contains(" offset 5m"));
    let webhook = Webhook::new(WEBHOOK, CREDENTIALS).unwrap();
    let page = routes(&policy, Some("mainnet"), &webhook);
    assert!(
        page.contains("relman_exception=\"temporary-partition\""),
        "{page}"
    );
    assert!(
        page.contains("partition|finality|consensus-timeouts"),
        "{page}"
    );
}

#[test]
fn each_take_and_share_of_nodes_has_its_promql() {
    let cpu = "signal = \"cpu\"\ntake = \"mean\"\nwindow_seconds = 600\ntest = \"> 50\"";
    for (row, wanted) in [
        (
            "signal = \"cpu\"\ntest = \"> 50\"\nnodes = \"all\"",
            "count(sum by (instance) (cpu_usage) > 50) == count(up)",
        ),
        (
            cpu,
            "sum by (instance) (avg_over_time(cpu_usage[10m])) > 50 and on (instance) cpu_usage offset 10m",
        ),
        (
            "signal = \"cpu\"\ntake = \"growth-percent\"\nwindow_seconds = 3600\ntest = \"> 20\"",
            "(sum by (instance) (avg_over_time(cpu_usage[15m])) - sum by (instance) (avg_over_time(cpu_usage[15m] offset 45m))) \
             * 100 / (sum by (instance) (avg_over_time(cpu_usage[15m] offset 45m)) > 0) > 20 and on (instance) cpu_usage offset 1h",
        ),
        (
            "signal = \"warnings\"\ntake = \"rate-per-minute\"\nwindow_seconds = 120\ntest = \"> 1.5\"",
            "sum by (instance) (floor(increase(warnings_total[2m]))) / 2 > 1.5 and on (instance) warnings_total offset 2m",
        ),
        (
            "signal = \"warnings\"\ntake = \"increase\"\nwindow_seconds = 120\ntest = \"< 2\"",
            "sum by (instance) (floor(increase(warnings_total[2m]))) < 2 and on (instance) warnings_total offset 2m",
        ),
    ] {
        let mut policy = with_row(cpu, row);
        policy.prometheus_selector.clear();
        let scope = Scope::new(&policy, None).unwrap();
        let condition = &policy.row("cpu").unwrap().condition;
        let found = expression(&policy, &scope, condition).unwrap();
        assert_eq!(found.text, wanted);
    }
}

#[test]
fn what_promql_cannot_say_is_left_out_and_not_said_wrongly() {
    for (from, to) in [
        (
            "signal = \"blocks-overdue\"\ntest = \"> 600\"",
            "signal = \"blocks-overdue\"\ntest = \"< 600\"",
        ),
        (
            "signal = \"blocks-overdue\"\ntest = \"> 600\"",
            "signal = \"blocks-overdue\"\ntake = \"mean\"\nwindow_seconds = 60\ntest = \"> 600\"",
        ),
        (
            "signal = \"partition\"\ntest = \"== 1\"",
            "signal = \"partition\"\ntest = \"< 2\"",
        ),
    ] {
        let rules = exported(&with_row(from, to));
        let left = rules.left_out.iter();
        let names: Vec<&str> = left.map(|l| l.row.as_str()).collect();
        assert!(
            names.contains(&"no-blocks") || names.contains(&"partition"),
            "{to}"
        );
    }
}

#[test]
fn text_of_a_policy_becomes_neither_yaml_nor_a_template() {
    let mut policy = default();
    let row = policy.rows.iter_mut().find(|r| r.name == "memory").unwrap();
    row.symptom = "it's {{ .Labels }}: 'x' # y".into();
    let page = exported(&policy).yaml();
    assert!(
        page.contains("summary: 'it''s {{ \"{{\" }} .Labels }}: ''x'' # y'"),
        "{page}"
    );
}

#[test]
fn a_webhook_with_a_secret_or_without_a_host_is_refused() {
    for bad in [
        "http://relman:secret@127.0.0.1/",
        "127.0.0.1:9095",
        "ftp://127.0.0.1/",
        "http:///x",
        "http://a b/",
        "",
    ] {
        let error = Webhook::new(bad, CREDENTIALS).unwrap_err();
        assert!(!error.message().contains("secret"), "{error}");
    }
    assert!(Webhook::new(WEBHOOK, "").is_err());
    assert!(Webhook::new("https://relman.example/hook", "/etc/token").is_ok());
}

#[test]
fn the_dashboard_is_the_same_every_time_and_has_each_metric() {
    let policy = default();
    let made = dashboard(&policy, Some("mainnet")).unwrap();
    let again = dashboard(&policy, Some("mainnet")).unwrap();
    assert_eq!(made.model.to_string(), again.model.to_string());
    assert_ne!(
        made.model["uid"],
        dashboard(&policy, None).unwrap().model["uid"]
    );
    assert!(made.model["uid"].as_str().unwrap().len() <= 40);
    let all = made.expressions.join("\n");
    for signal in &policy.signals {
        let name = signal
            .metric
            .as_deref()
            .map(|m| m.split('{').next().unwrap());
        assert!(
            name.is_none_or(|name| all.contains(name)),
            "{}",
            signal.name
        );
    }
    let panels = made.model["panels"].as_array().unwrap();
    let ids: std::collections::BTreeSet<u64> =
        panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let memory = panels
        .iter()
        .find(|p| p["title"] == "memory: mean over 10m")
        .expect("a panel");
    let steps = &memory["fieldConfig"]["defaults"]["thresholds"]["steps"];
    assert_eq!(steps[1]["value"], 500_000_000.0);
    assert_eq!(steps[1]["color"], "blue");
    assert_eq!(memory["fieldConfig"]["defaults"]["unit"], "decbytes");
}
