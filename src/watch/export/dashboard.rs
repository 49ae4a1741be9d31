//! Grafana's dashboard (JSON model of version 10, schema 38): a row with the alerts, and a picture for each number that the
//! matrix looks at, with its thresholds as lines. Pure; the same policy gives the same bytes.

use serde_json::{Value, json};

use super::condition::{metric, picture};
use super::promql::{INSTANCE, Scope, UP, duration};
use super::rules::{ACTION, ROW};
use super::{MADE, runbook};
use crate::Result;
use crate::hash::Sha256;
use crate::watch::policy::{Condition, Nodes, Operator, Policy, Row, Severity, Signal, Take, Test};

/// The schema of Grafana 10.
const SCHEMA: u64 = 38;
/// Characters of the digest in the dashboard's uid, which may have 40 in all.
const UID_LEN: usize = 16;
/// A dashboard is 24 units wide; three pictures stand beside each other.
const WIDTH: u64 = 8;
const HEIGHT: u64 = 8;
/// Seconds over which a counter is shown that no row looks at.
const WINDOW: u64 = 600;

/// The dashboard, and the expressions in it.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// The JSON model.
    pub model: Value,
    /// Every expression that it asks Prometheus.
    pub expressions: Vec<String>,
}

/// Makes the dashboard.
///
/// # Errors
/// Kind usage: the policy's `prometheus_selector` is none.
pub fn dashboard(policy: &Policy, environment: Option<&str>) -> Result<Dashboard> {
    let scope = Scope::new(policy, environment)?;
    let title = match environment {
        Some(name) => format!("relman: {name}"),
        None => "relman".to_owned(),
    };
    let mut panels = vec![row_panel("Alerts", 1, 0)];
    let firing = alerts(&scope);
    let mut expressions = vec![firing.clone()];
    panels.push(alert_panel(&firing));
    panels.push(row_panel("Signals", 3, HEIGHT + 1));
    let top = HEIGHT + 2;
    let mut place = 0;
    for signal in &policy.signals {
        if metric(signal).is_err() {
            continue;
        }
        for condition in looked_at(policy, signal) {
            let Ok(expr) = picture(policy, &scope, &condition) else {
                continue;
            };
            let at = (place % 3 * WIDTH, top + place / 3 * HEIGHT);
            panels.push(signal_panel(
                policy,
                signal,
                &condition,
                &expr,
                place + 4,
                at,
            ));
            expressions.push(expr);
            place += 1;
        }
    }
    let name = format!("{} {title}", policy.prometheus_selector);
    let digest = Sha256::of(name.as_bytes()).hex();
    let uid = format!("relman-{}", digest.get(..UID_LEN).unwrap_or_default());
    let model = json!({
        "annotations": { "list": [] },
        "description": MADE,
        "editable": true,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": null,
        "links": [],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "tags": ["relman"],
        "templating": { "list": [{
            "current": {},
            "hide": 0,
            "includeAll": false,
            "label": "Prometheus",
            "multi": false,
            "name": "datasource",
            "options": [],
            "query": "prometheus",
            "refresh": 1,
            "type": "datasource",
        }] },
        "time": { "from": "now-6h", "to": "now" },
        "timepicker": {},
        "timezone": "utc",
        "title": title,
        "uid": uid,
        "version": 1,
        "weekStart": "",
    });
    Ok(Dashboard { model, expressions })
}

/// What rows make of a signal, each once; of one that no row looks at, its value.
fn looked_at(policy: &Policy, signal: &Signal) -> Vec<Condition> {
    let mut all: Vec<Condition> = Vec::new();
    for row in &policy.rows {
        let condition = &row.condition;
        let is_same = |c: &Condition| {
            (c.take, c.window_seconds) == (condition.take, condition.window_seconds)
        };
        if condition.signal == signal.name && !all.iter().any(is_same) {
            all.push(condition.clone());
        }
    }
    if all.is_empty() {
        let (take, window_seconds) = match signal.counter {
            true => (Take::Increase, WINDOW),
            false => (Take::Value, 0),
        };
        all.push(Condition {
            signal: signal.name.clone(),
            take,
            window_seconds,
            test: Test {
                operator: Operator::More,
                number: 0.0,
            },
            nodes: Nodes::Any,
        });
    }
    all
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn target(expr: &str, legend: &str) -> Value {
    json!({
        "datasource": source(),
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend,
        "range": true,
        "refId": "A",
    })
}

fn row_panel(title: &str, id: u64, y: u64) -> Value {
    json!({
        "collapsed": false,
        "gridPos": { "h": 1, "w": 24, "x": 0, "y": y },
        "id": id,
        "panels": [],
        "title": title,
        "type": "row",
    })
}

/// Which rows fire, and what they call for.
fn alerts(scope: &Scope) -> String {
    // Alerts have the label of the environment, not all that the daemons have.
    let environment = scope.environment().map(|matcher| format!(",{matcher}"));
    format!(
        "max by ({ROW}, {ACTION}) (ALERTS{{alertstate=\"firing\",{ROW}!=\"\"{}}})",
        environment.unwrap_or_default()
    )
}

fn alert_panel(expr: &str) -> Value {
    json!({
        "datasource": source(),
        "description": "Rows of the decision matrix that fire, and what each calls for.",
        "fieldConfig": {
            "defaults": {
                "color": { "mode": "fixed", "fixedColor": "red" },
                "custom": { "fillOpacity": 80, "lineWidth": 0 },
            },
            "overrides": [],
        },
        "gridPos": { "h": HEIGHT, "w": 24, "x": 0, "y": 1 },
        "id": 2,
        "options": {
            "alignValue": "left",
            "legend": { "showLegend": false },
            "mergeValues": true,
            "rowHeight": 0.8,
            "showValue": "never",
        },
        "targets": [target(expr, &format!("{{{{{ROW}}}}}: {{{{{ACTION}}}}}"))],
        "title": "Firing",
        "type": "state-timeline",
    })
}

fn signal_panel(
    policy: &Policy,
    signal: &Signal,
    condition: &Condition,
    expr: &str,
    id: u64,
    (x, y): (u64, u64),
) -> Value {
    let rows: Vec<&Row> = policy
        .rows
        .iter()
        .filter(|row| {
            let other = &row.condition;
            other.signal == signal.name
                && (other.take, other.window_seconds) == (condition.take, condition.window_seconds)
        })
        .collect();
    let symptoms: Vec<&str> = rows.iter().map(|row| row.symptom.as_str()).collect();
    let links: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "title": row.symptom, "url": runbook(policy, &row.name), "targetBlank": true }))
        .collect();
    let steps = thresholds(signal, &rows);
    let style = match steps.len() {
        1 => "off",
        _ => "line",
    };
    let legend = match signal.network {
        true => signal.name.clone(),
        false => format!("{{{{{INSTANCE}}}}}"),
    };
    json!({
        "datasource": source(),
        "description": symptoms.join("; "),
        "fieldConfig": {
            "defaults": {
                "color": { "mode": "palette-classic" },
                "custom": { "drawStyle": "line", "lineWidth": 1, "thresholdsStyle": { "mode": style } },
                "thresholds": { "mode": "absolute", "steps": steps },
                "unit": unit(signal, condition.take),
            },
            "overrides": [],
        },
        "gridPos": { "h": HEIGHT, "w": WIDTH, "x": x, "y": y },
        "id": id,
        "links": links,
        "options": {
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        },
        "targets": [target(expr, &legend)],
        "title": title(policy, signal, condition),
        "type": "timeseries",
    })
}

fn title(policy: &Policy, signal: &Signal, condition: &Condition) -> String {
    let window = duration(condition.window_seconds);
    match (signal.name.as_str(), condition.take) {
        ("blocks-overdue", _) => {
            let interval = duration(policy.block_interval_seconds);
            format!("new blocks in {interval}")
        }
        ("partition", _) => "peers on another chain".into(),
        (name, Take::Value) => name.into(),
        (name, take) => format!("{name}: {} over {window}", take.word()),
    }
}

fn unit(signal: &Signal, take: Take) -> &'static str {
    match (signal.name.as_str(), take, signal.unit.as_str()) {
        ("blocks-overdue", ..) => "none",
        (_, Take::Growth, _) | (_, _, "%") => "percent",
        (_, _, "s") => "s",
        (_, _, "bytes") => "decbytes",
        _ => "none",
    }
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "blue",
        Severity::Medium => "yellow",
        Severity::High => "orange",
        Severity::Critical => "red",
    }
}

/// The lines of all rows that look at this number; Grafana wants the lowest first, and a step is what lies above it.
fn thresholds(signal: &Signal, rows: &[&Row]) -> Vec<Value> {
    let mut below = "green";
    let mut lines: Vec<(f64, &str)> = Vec::new();
    for row in rows {
        let bad = color(row.severity);
        let test = row.condition.test;
        // Here the picture is of blocks: fewer than one is bad.
        let (operator, number) = match signal.name.as_str() {
            "blocks-overdue" => (Operator::Less, 1.0),
            "partition" => (Operator::AtLeast, 1.0),
            _ => (test.operator, test.number),
        };
        match operator {
            Operator::More | Operator::AtLeast => lines.push((number, bad)),
            Operator::Less | Operator::AtMost => {
                below = bad;
                lines.push((number, "green"));
            }
            Operator::Equal if signal.metric.as_deref() == Some(UP) || number == 0.0 => {
                below = bad;
                lines.push((number + 1.0, "green"));
            }
            Operator::Equal => {
                lines.push((number, bad));
                lines.push((number + 1.0, "green"));
            }
            Operator::NotEqual => {
                below = bad;
                lines.push((number, "green"));
                lines.push((number + 1.0, bad));
            }
        }
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.dedup_by(|a, b| a.0 == b.0);
    let base = json!({ "color": below, "value": null });
    let lines = lines
        .iter()
        .map(|(value, color)| json!({ "color": color, "value": value }));
    std::iter::once(base).chain(lines).collect()
}
