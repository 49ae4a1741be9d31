//! `relman node stop`, `start`, `chain`, `signals` and `journal`: a node's daemon, on an operator's order.

use serde_json::{Value, json};

use super::args::{
    Cli, NodeChainArgs, NodeJournalArgs, NodeSignalsArgs, NodeStartArgs, NodeStopArgs,
};
use super::node::{How, read, with_node_alone};
use crate::io::{daemon_log, service};
use crate::limits::MAX_WATCH_SIGNALS;
use crate::node::probe::metrics::Selector;
use crate::node::signals::{Asked, parse_cursor};
use crate::ui::{Answer, Progress, stream::Lines, text};
use crate::{Error, Result};

/// `relman node stop`.
pub fn stop(cli: &Cli, args: &NodeStopArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let how = How {
        at_once: args.at_once,
        ..How::looking()
    };
    let stopped = with_node_alone(&config, how, progress, |node| node.stop_for_good())?;
    let process = stopped
        .pid
        .map_or(String::new(), |pid| format!(", process {pid}"));
    let line = match (stopped.how, &stopped.why) {
        ("idle", _) => "it did not run".to_owned(),
        (_, Some(why)) => format!("it was killed{process}: {}", text::line(why)),
        _ => format!("it ended by itself{process}"),
    };
    let mut out = String::new();
    for warning in &stopped.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    out.push_str(&format!(
        "{} is stopped on {}: {line}\n",
        stopped.service, config.name
    ));
    let outcome = match stopped.how {
        "idle" => "unchanged",
        _ => "done",
    };
    let mut data = json!(stopped);
    data["node"] = config.name.into();
    Ok(Answer::named(outcome, data, out))
}

/// `relman node start`.
pub fn start(cli: &Cli, args: &NodeStartArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let started = with_node_alone(&config, How::default(), progress, |node| {
        node.start_verified()
    })?;
    let mut out = String::new();
    for line in started.recovered.lines() {
        out.push_str(&format!("{}\n", text::line(&line)));
    }
    for warning in &started.warnings {
        out.push_str(&format!("warning: {}\n", text::line(warning)));
    }
    let (outcome, verb) = match started.started {
        true => ("done", "was started"),
        false => ("unchanged", "runs already"),
    };
    out.push_str(&format!(
        "{} {verb} on {}: {}, {}\n",
        started.service,
        config.name,
        started.tag,
        text::line(&started.health.checked)
    ));
    let mut data = json!(started);
    data["node"] = config.name.into();
    Ok(Answer::named(outcome, data, out))
}

/// `relman node chain`.
pub fn chain(cli: &Cli, args: &NodeChainArgs, progress: &mut Progress) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let mut data = with_node_alone(&config, How::looking(), progress, |node| {
        node.chain(args.at)
    })?;
    let out = chain_lines(&data);
    data["node"] = config.name.into();
    Ok(Answer::done(data, out))
}

/// What a chain's look says, for people.
fn chain_lines(chain: &Value) -> String {
    let mut out = String::new();
    for (key, words) in [
        ("network", "network"),
        ("height", "height"),
        ("hash_at", "hash"),
        ("finality", "the block before is final"),
        ("peers", "peers"),
        ("newest_unix", "newest block, in seconds since 1970"),
    ] {
        let shown = match &chain[key] {
            Value::Null => continue,
            Value::String(value) => text::line(value),
            value => value.to_string(),
        };
        out.push_str(&format!("{words}: {shown}\n"));
    }
    let problems = chain["problems"].as_array().into_iter().flatten();
    for problem in problems.filter_map(|problem| problem.as_str()) {
        out.push_str(&format!("unknown: {}\n", text::line(problem)));
    }
    out
}

/// `relman node signals`.
pub fn signals(cli: &Cli, args: &NodeSignalsArgs, progress: &mut Progress) -> Result<Answer> {
    if args.metric.len() > MAX_WATCH_SIGNALS {
        return Err(Error::usage(format!(
            "{} metrics are asked for, at most {MAX_WATCH_SIGNALS} are told",
            args.metric.len()
        )));
    }
    let metrics: std::result::Result<Vec<_>, String> = args
        .metric
        .iter()
        .map(|metric| Ok((metric.clone(), Selector::parse(metric)?)))
        .collect();
    let asked = Asked {
        at: args.at,
        metrics: metrics.map_err(Error::usage)?,
        since: args.since,
        cursor: args
            .since_cursor
            .as_deref()
            .map(parse_cursor)
            .transpose()
            .map_err(|why| Error::usage("--since-cursor cannot be used").caused_by(why))?,
    };
    let config = read(cli, &args.node)?;
    let signals = with_node_alone(&config, How::looking(), progress, |node| {
        node.signals(&asked)
    })?;
    let mut data = json!(signals);
    let mut out = chain_lines(&data["chain"]);
    for (name, value) in &signals.values {
        if let Some(value) = value {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    for (name, value) in &signals.metrics {
        if let Some(value) = value {
            out.push_str(&format!("{}: {value}\n", text::line(name)));
        }
    }
    for (name, why) in &signals.unknown {
        let (name, why) = (text::line(name), text::line(why));
        out.push_str(&format!("unknown: {name}: {why}\n"));
    }
    data["node"] = config.name.into();
    Ok(Answer::done(data, out))
}

/// `relman node journal`.
pub fn journal(cli: &Cli, args: &NodeJournalArgs) -> Result<Answer> {
    if cli.json {
        return Err(Error::usage("the daemon's lines are no JSON document")
            .hint("leave --json out: relman node journal --since TIME"));
    }
    let config = read(cli, &args.node)?;
    let service = service::from_config(&config).ok_or_else(|| {
        Error::usage(format!(
            "{} has no [service] in node.toml, so nobody knows where its daemon writes",
            config.name
        ))
        .hint("say how it is started: [service] with unit or start")
    })?;
    let mut out = Lines::stdout();
    daemon_log::read(&service.log(args.since), args.since, &mut |line| {
        // The daemon's words, which may be anybody's.
        out.print(&(text::whole_line(line) + "\n"))
    })?;
    out.end()?;
    Ok(Answer::said())
}
