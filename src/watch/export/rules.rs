//! Prometheus's rules: one alert for each row and step, and one for each metric that is not told. Pure.

use std::collections::BTreeMap;

use super::condition::{Expression, absent, expression, metric};
use super::promql::{INSTANCE, Scope, duration};
use super::{LeftOut, MADE, camel, one_line, runbook, yaml};
use crate::Result;
use crate::watch::engine::condition_words;
use crate::watch::policy::{Action, Exception, Policy, Row, Severity, Step, When};

/// The label with the row's name.
pub const ROW: &str = "relman_row";
/// The label with what the alert calls for.
pub const ACTION: &str = "relman_action";
/// The label of alerts that only mute others: the exception that holds.
pub const EXCEPTION: &str = "relman_exception";
/// The label of alerts that tell of missing data: the signal.
pub const SIGNAL: &str = "relman_signal";

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Alert {
    /// Its name.
    pub alert: String,
    /// PromQL.
    pub expr: String,
    /// Seconds that it has to hold.
    pub for_seconds: u64,
    /// Labels that it adds.
    pub labels: BTreeMap<String, String>,
    /// For people; templates.
    pub annotations: BTreeMap<String, String>,
}

/// The rules of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Alerts of the matrix, in its order.
    pub rows: Vec<Alert>,
    /// Alerts that only mute others, for the routes.
    pub exceptions: Vec<Alert>,
    /// Alerts of metrics that are missing.
    pub absent: Vec<Alert>,
    /// Rows that Prometheus cannot see.
    pub left_out: Vec<LeftOut>,
    /// What else is to be known, for people.
    pub notes: Vec<String>,
    name: String,
    interval: u64,
}

/// Makes the rules.
///
/// # Errors
/// Kind usage: the policy's `prometheus_selector` is none.
pub fn rules(policy: &Policy, environment: Option<&str>) -> Result<Rules> {
    let scope = Scope::new(policy, environment)?;
    let mut out = Rules {
        rows: Vec::new(),
        exceptions: Vec::new(),
        absent: Vec::new(),
        left_out: Vec::new(),
        notes: Vec::new(),
        name: environment.map_or("relman".into(), |name| format!("relman-{name}")),
        interval: policy.interval_seconds,
    };
    let mut seen: BTreeMap<String, (String, Severity)> = BTreeMap::new();
    for row in &policy.rows {
        let found = expression(policy, &scope, &row.condition);
        let found = found.and_then(|found| {
            let signal = policy.signal(&row.condition.signal);
            let metric = signal.map_or_else(|| Err(String::new()), metric)?;
            Ok((found, metric))
        });
        let (found, metric) = match found {
            Ok(found) => found,
            Err(why) => {
                out.left_out.push(LeftOut {
                    row: row.name.clone(),
                    why,
                });
                continue;
            }
        };
        let worst = seen
            .entry(metric)
            .or_insert((row.condition.signal.clone(), row.severity));
        worst.1 = worst.1.max(row.severity);
        for step in &row.steps {
            let expr = with_exceptions(policy, &scope, row, *step, &found);
            out.rows
                .push(alert(policy, environment, row, *step, &found, expr));
        }
    }
    for exception in &policy.exceptions {
        match held_back(policy, &scope, environment, exception) {
            Some(Ok(alert)) => out.exceptions.push(alert),
            Some(Err(why)) => out
                .notes
                .push(format!("exception {}: not exported, {why}", exception.name)),
            None => {}
        }
        out.notes.push(note(exception));
    }
    for (metric, (signal, severity)) in seen {
        if let Ok(expr) = absent(&scope, &metric) {
            let severity = severity.min(Severity::High);
            out.absent.push(unknown(
                policy,
                environment,
                &signal,
                &metric,
                severity,
                expr,
            ));
        }
    }
    Ok(out)
}

/// The condition, less what an exception for single nodes holds back.
fn with_exceptions(
    policy: &Policy,
    scope: &Scope,
    row: &Row,
    step: Step,
    found: &Expression,
) -> String {
    let holds_back = |e: &&Exception| {
        e.when == When::SingleNode && e.rows.contains(&row.name) && e.action < step.action
    };
    match (&found.concerned, policy.exceptions.iter().find(holds_back)) {
        (Some(concerned), Some(_)) => format!(
            "{} and on () (count({concerned}) > 1 or {} == 1)",
            found.text,
            scope.nodes()
        ),
        _ => found.text.clone(),
    }
}

fn labels(environment: Option<&str>, own: &[(&str, &str)]) -> BTreeMap<String, String> {
    let named = environment.map(|name| (super::promql::ENVIRONMENT, name));
    let all = own.iter().copied().chain(named);
    all.map(|(name, value)| (name.into(), template(value)))
        .collect()
}

fn annotations(all: [(&str, String); 3]) -> BTreeMap<String, String> {
    all.map(|(name, text)| (name.to_owned(), text)).into()
}

fn alert(
    policy: &Policy,
    environment: Option<&str>,
    row: &Row,
    step: Step,
    found: &Expression,
    expr: String,
) -> Alert {
    // The engine counts from the first look at which it holds.
    let looks = u64::from(row.samples.saturating_sub(1)) * policy.interval_seconds;
    let whose = match found.is_by_node {
        true => format!("{{{{ $labels.{INSTANCE} }}}}: "),
        false => String::new(),
    };
    let words = template(&condition_words(policy, row));
    let when = match step.after_seconds {
        0 => "at once".to_owned(),
        seconds => format!("after {}", duration(seconds)),
    };
    let description = format!(
        "{whose}{{{{ $value | humanize }}}}; the row: {words}: {} {when}",
        step.action.word()
    );
    Alert {
        alert: camel(&row.name),
        expr,
        for_seconds: step.after_seconds.max(looks),
        labels: labels(
            environment,
            &[
                ("severity", row.severity.word()),
                (ROW, &row.name),
                (ACTION, step.action.word()),
            ],
        ),
        annotations: annotations([
            ("summary", template(&row.symptom)),
            ("description", description),
            ("runbook_url", template(&runbook(policy, &row.name))),
        ]),
    }
}

/// An alert that is there while a row has held for less than an exception says: it holds now and did not so long ago.
fn held_back(
    policy: &Policy,
    scope: &Scope,
    environment: Option<&str>,
    exception: &Exception,
) -> Option<Result<Alert, String>> {
    let When::Row { row, under_seconds } = &exception.when else {
        return None;
    };
    let row = policy.row(row)?;
    let of = |scope: &Scope| expression(policy, scope, &row.condition).map(|found| found.text);
    let both = of(scope).and_then(|now| Ok((now, of(&scope.ago(*under_seconds))?)));
    Some(both.map(|(now, then)| Alert {
        alert: camel(&exception.name),
        expr: format!("({now}) unless on () ({then})"),
        for_seconds: 0,
        labels: labels(
            environment,
            &[("severity", "none"), (EXCEPTION, &exception.name)],
        ),
        annotations: annotations([
            ("summary", template(&exception.says)),
            (
                "description",
                format!(
                    "{} holds, and has for less than {}: its rows lead to {} at most",
                    row.name,
                    duration(*under_seconds),
                    exception.action.word()
                ),
            ),
            ("runbook_url", template(&runbook(policy, &row.name))),
        ]),
    }))
}

fn unknown(
    policy: &Policy,
    environment: Option<&str>,
    signal: &str,
    metric: &str,
    severity: Severity,
    expr: String,
) -> Alert {
    Alert {
        alert: format!("{}Unknown", camel(signal)),
        expr,
        for_seconds: policy.stale_seconds,
        labels: labels(
            environment,
            &[("severity", severity.word()), (SIGNAL, signal)],
        ),
        annotations: annotations([
            (
                "summary",
                format!("{} is not told: unknown is not healthy", template(metric)),
            ),
            (
                "description",
                format!(
                    "{{{{ with $labels.{INSTANCE} }}}}{{{{ . }}}}{{{{ else }}}}no node{{{{ end }}}}: {} for {}; what rests on \
                     signal {signal} cannot fire",
                    template(metric),
                    duration(policy.stale_seconds)
                ),
            ),
            ("runbook_url", template(&runbook(policy, "unknown"))),
        ]),
    }
}

fn note(exception: &Exception) -> String {
    let rows = exception.rows.join(", ");
    let most = exception.action.word();
    match &exception.when {
        When::SingleNode => format!(
            "exception {} ({}): {rows} lead beyond {most} only where more than one node is concerned",
            exception.name, exception.says
        ),
        When::Row { row, under_seconds } => format!(
            "exception {} ({}): while {row} has held for less than {}, Alertmanager mutes what of {rows} goes beyond {most}",
            exception.name,
            exception.says,
            duration(*under_seconds)
        ),
        When::Declared { signal } => format!(
            "exception {} ({}): a person declares {signal} to relman; Prometheus does not hear of it, so silence {rows} beyond {most} in Alertmanager meanwhile",
            exception.name, exception.says
        ),
    }
}

/// Text in which Go's templates find nothing to do.
fn template(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

impl Alert {
    fn yaml(&self) -> String {
        let mut out = format!(
            "      - alert: {}\n        expr: {}\n        for: {}\n",
            self.alert,
            yaml(&self.expr),
            duration(self.for_seconds)
        );
        for (heading, values) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            out.push_str(&format!("        {heading}:\n"));
            for (name, value) in values {
                out.push_str(&format!("          {name}: {}\n", yaml(value)));
            }
        }
        out
    }
}

impl Rules {
    /// Every alert, in the order of the file.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        let groups = [&self.rows, &self.exceptions, &self.absent];
        groups.into_iter().flatten()
    }

    /// The file.
    pub fn yaml(&self) -> String {
        let mut out = format!("# {MADE}.\n");
        for (heading, lines) in [
            (
                "Rows that Prometheus cannot see, and relman watch can",
                self.left_out
                    .iter()
                    .map(|l| format!("{}: {}", l.row, l.why))
                    .collect::<Vec<_>>(),
            ),
            ("Exceptions", self.notes.clone()),
        ] {
            if !lines.is_empty() {
                out.push_str(&format!("#\n# {heading}:\n"));
            }
            for line in lines {
                out.push_str(&format!("#   {}\n", one_line(&line)));
            }
        }
        out.push_str("groups:\n");
        for (name, alerts) in [
            (self.name.clone(), &self.rows),
            (format!("{}-exceptions", self.name), &self.exceptions),
            (format!("{}-unknown", self.name), &self.absent),
        ] {
            if alerts.is_empty() {
                continue;
            }
            let interval = duration(self.interval);
            out.push_str(&format!(
                "  - name: {name}\n    interval: {interval}\n    rules:\n"
            ));
            out.extend(alerts.iter().map(Alert::yaml));
        }
        out
    }

    /// The actions that any alert calls for.
    pub fn calls_for(&self, action: Action) -> bool {
        let word = action.word();
        let mut actions = self.rows.iter().filter_map(|a| a.labels.get(ACTION));
        actions.any(|found| found == word)
    }
}
