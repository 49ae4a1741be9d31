//! A row's condition in PromQL: the same number, the same test, the same nodes. Where PromQL cannot say it, the reason. Pure.

use super::promql::{INSTANCE, Scope, Series, UP};
use crate::watch::policy::{Condition, Nodes, Operator, Policy, Signal, Source, Take, Test};

/// A condition, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Gives something while the condition holds.
    pub text: String,
    /// Gives one element for each node that is concerned; none where the network as a whole is.
    pub concerned: Option<String>,
    /// Whether `text` gives one element for each node too.
    pub is_by_node: bool,
}

/// A number that a signal is taken as.
struct Number {
    text: String,
    /// Gives something once the window is seen as a whole; none where `text` gives nothing before.
    seen: Option<String>,
}

/// The condition in PromQL.
///
/// # Errors
/// In words: why Prometheus cannot tell.
pub fn expression(
    policy: &Policy,
    scope: &Scope,
    condition: &Condition,
) -> Result<Expression, String> {
    let signal = signal(policy, condition)?;
    let network = |text| Expression {
        text,
        concerned: None,
        is_by_node: false,
    };
    match signal.name.as_str() {
        "blocks-overdue" => return overdue(policy, scope, condition, signal).map(network),
        "partition" => return parted(policy, scope, condition, signal).map(network),
        _ => {}
    }
    let number = number(scope, signal, condition, Some(condition.test))?;
    let mut text = format!("{} {}", number.text, condition.test);
    if let Some(seen) = &number.seen {
        text = format!("{text} and {seen}");
    }
    if signal.network {
        return Ok(network(text));
    }
    let all = scope.nodes();
    let is_by_node = condition.nodes == Nodes::Any;
    Ok(Expression {
        concerned: Some(text.clone()),
        is_by_node,
        text: match condition.nodes {
            Nodes::Any => text,
            Nodes::All => format!("count({text}) == {all}"),
            Nodes::MoreThanPercent(percent) => {
                format!("count({text}) * 100 > {percent} * {all}")
            }
        },
    })
}

/// The number that a row looks at, without its test: for a picture.
///
/// # Errors
/// As [`expression`].
pub fn picture(policy: &Policy, scope: &Scope, condition: &Condition) -> Result<String, String> {
    let signal = signal(policy, condition)?;
    match signal.name.as_str() {
        // How many blocks came in the time in which one has to.
        "blocks-overdue" => {
            let series = scope.series(&metric(signal)?)?;
            let time = policy.block_interval_seconds;
            Ok(grown(&series, time))
        }
        "partition" => {
            let series = scope.series(&metric(signal)?)?;
            Ok(format!("max({})", series.now()))
        }
        _ => number(scope, signal, condition, None).map(|number| number.text),
    }
}

fn signal<'a>(policy: &'a Policy, condition: &Condition) -> Result<&'a Signal, String> {
    let signal = policy.signal(&condition.signal);
    signal.ok_or_else(|| format!("there is no signal {}", condition.signal))
}

/// The signal's metric.
pub fn metric(signal: &Signal) -> Result<String, String> {
    let why = match signal.source {
        Source::Journal => "is read from the daemons' logs",
        Source::Systemd => "is read from the service manager",
        Source::Person => "is declared by a person",
        Source::Rpc | Source::Metrics => "is asked of the daemons",
    };
    let metric = signal.metric.clone();
    metric.ok_or_else(|| format!("{} {why}, and no metric is named for it", signal.name))
}

fn number(
    scope: &Scope,
    signal: &Signal,
    condition: &Condition,
    test: Option<Test>,
) -> Result<Number, String> {
    let series = scope.series(&metric(signal)?)?;
    let window = condition.window_seconds;
    let minutes = window as f64 / 60.0;
    if signal.name == "block-height" {
        // Of the network, so that a node that starts anew or falls behind changes nothing; exact, since nothing is
        // extrapolated; and nothing at all before the window is seen.
        let grown = grown(&series, window);
        return Ok(Number {
            text: match condition.take {
                Take::RatePerMinute => format!("({grown}) / {minutes}"),
                _ => grown,
            },
            seen: None,
        });
    }
    let by = |text: String| match signal.network {
        true => format!("max({text})"),
        false => format!("sum by ({INSTANCE}) ({text})"),
    };
    let on = match signal.network {
        true => "on () ".to_owned(),
        false => format!("on ({INSTANCE}) "),
    };
    let seen = Some(format!("{on}{}", series.before(window)));
    if signal.name == "peers-missing" {
        let (value, seen) = match condition.take {
            Take::Value => (series.now(), None),
            Take::Mean => (format!("avg_over_time({})", series.over(window)), seen),
            other => return Err(format!("{} of missing peers is relman's own", other.word())),
        };
        let all = scope.nodes();
        return Ok(Number {
            text: format!("clamp_min(scalar({all}) - 1 - {}, 0)", by(value)),
            seen,
        });
    }
    Ok(match condition.take {
        Take::Value => Number {
            text: by(series.now()),
            seen: None,
        },
        Take::Increase | Take::RatePerMinute => {
            let per = match condition.take {
                Take::RatePerMinute => minutes,
                _ => 1.0,
            };
            let increase = format!("increase({})", series.over(window));
            let whole = test.is_some_and(|test| {
                let wanted = test.number * per;
                wanted != 0.0 && wanted.fract() == 0.0
            });
            // `increase` extrapolates to the window's ends, never downwards: of whole numbers the whole part is what
            // was counted.
            let increase = match whole {
                true => format!("floor({increase})"),
                false => increase,
            };
            let lower_bound_is_enough = condition.take == Take::Increase
                && test
                    .is_none_or(|test| matches!(test.operator, Operator::More | Operator::AtLeast));
            let text = by(increase);
            Number {
                text: match condition.take {
                    Take::RatePerMinute => format!("{text} / {minutes}"),
                    _ => text,
                },
                seen: seen.filter(|_| !lower_bound_is_enough),
            }
        }
        Take::Mean => Number {
            text: by(format!("avg_over_time({})", series.over(window))),
            seen,
        },
        Take::Growth => {
            let quarter = window / 4;
            if quarter == 0 {
                return Err(format!("a window of {window} s has no quarters"));
            }
            let last = by(format!("avg_over_time({})", series.over(quarter)));
            let first = series.over_before(quarter, window - quarter);
            let first = by(format!("avg_over_time({first})"));
            Number {
                text: format!("({last} - {first}) * 100 / ({first} > 0)"),
                seen,
            }
        }
    })
}

fn grown(series: &Series, seconds: u64) -> String {
    format!("max({}) - max({})", series.now(), series.before(seconds))
}

/// No node has a height that none had so long ago. Before Prometheus has seen so much, it gives nothing.
fn overdue(
    policy: &Policy,
    scope: &Scope,
    condition: &Condition,
    signal: &Signal,
) -> Result<String, String> {
    let series = scope.series(&metric(signal)?)?;
    let threshold = condition.test.number.ceil();
    let more = match (condition.take, condition.test.operator) {
        (Take::Value, Operator::More) if threshold >= 0.0 => policy.interval_seconds,
        (Take::Value, Operator::AtLeast) if threshold > 0.0 => 0,
        _ => {
            return Err(format!(
                "{} {} of {} is relman's own, Prometheus can tell whether one is more than so late",
                condition.take.word(),
                condition.test,
                signal.name
            ));
        }
    };
    // A positive number of seconds, by the lines above.
    let time = policy.block_interval_seconds + threshold as u64 + more;
    let (now, before) = (series.now(), series.before(time));
    Ok(format!("max({now}) <= max({before})"))
}

/// Peers on another chain, heights too far apart, or a node without any peer.
fn parted(
    policy: &Policy,
    scope: &Scope,
    condition: &Condition,
    signal: &Signal,
) -> Result<String, String> {
    let test = condition.test;
    if condition.take != Take::Value || !test.holds(1.0) || test.holds(0.0) {
        return Err(
            "Prometheus can tell whether a network is parted, and nothing else of it".into(),
        );
    }
    let forked = scope.series(&metric(signal)?)?.now();
    let mut ways = vec![format!("max({forked}) > 0")];
    let of = |names: [&str; 3]| {
        let signals = names.iter().filter_map(|name| policy.signal(name));
        signals.filter_map(|s| s.metric.as_deref()).next()
    };
    if let Some(height) = of(["height", "block-height", "blocks-overdue"]) {
        let height = scope.series(height)?.now();
        ways.push(format!(
            "max({height}) - min({height}) > {}",
            policy.height_within
        ));
    }
    if let Some(peers) = of(["peers", "peers-missing", "peers"]) {
        let peers = scope.series(peers)?.now();
        ways.push(format!("(min({peers}) == 0 and count({peers}) > 1)"));
    }
    Ok(ways.join(" or "))
}

/// Nodes that answer and do not tell the metric, or that nobody tells it: what is not known is not healthy.
///
/// # Errors
/// In words: it is no metric.
pub fn absent(scope: &Scope, metric: &str) -> Result<String, String> {
    let series = scope.series(metric)?.now();
    let up = scope.series(UP)?.now();
    Ok(match metric {
        UP => format!("absent({up})"),
        _ => format!("({up} == 1 unless on ({INSTANCE}) {series}) or absent({series})"),
    })
}
