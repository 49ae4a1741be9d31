//! Everything that a stage asks at one look, as whole numbers. Pure: the wire is the caller's. What got
//! no answer has a reason instead of a value.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::limits::{MAX_CHECKED_BLOCKS, MAX_METRICS_LEN};
use crate::node::config::probe::{Endpoint, LineRules};
use crate::node::config::stages::StageConfig;
use crate::node::probe::expect::{Expectation, Number};
use crate::node::probe::lines::{self, Level, Place, Rules};
use crate::node::probe::look::Subject;
use crate::node::probe::metrics::{self, Selector};
use crate::node::probe::{Look, Mark, Seen, Wire, rpc};

/// What one look saw.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Values, or why there is none.
    pub values: BTreeMap<&'static str, Result<i64, String>>,
    /// The first of what was counted.
    pub notes: BTreeMap<&'static str, String>,
    /// How far the log is read.
    pub place: Option<Place>,
    /// Lines of the log are gone.
    pub lost: bool,
    /// The newest block that is known to be final.
    pub final_to: Option<u64>,
    /// A block that has to stay what it is.
    pub anchor: Option<(u64, String)>,
}

/// What a look needs to know of those before.
#[derive(Clone, Debug)]
pub struct Before {
    /// How far the log is read.
    pub place: Place,
    /// The newest block that is known to be final.
    pub final_to: Option<u64>,
    /// A block that has to stay what it is.
    pub anchor: Option<(u64, String)>,
    /// The time of day, in seconds since 1970.
    pub now: i64,
    /// When the stage began: what a daemon that has ended since then wrote counts too.
    pub began: Timestamp,
}

/// Each pattern or level that lines are counted by.
pub(in crate::node) const LINES: [&str; 4] = [
    "log_errors",
    "log_critical",
    "log_signatures",
    "log_corruption",
];
/// Signal, its key among the names, and what the metric's number is multiplied by.
const METRICS: [(&str, &str, f64); 6] = [
    ("critical", "critical_errors", 1.0),
    ("panics", "panics", 1.0),
    ("memory", "memory", 1.0),
    ("cpu_milli", "cpu", 1_000.0),
    ("finality_ms", "finality_latency", 1_000.0),
    ("latency_ms", "network_latency", 1_000.0),
];

/// What the RPC is asked for.
const RPC: [&str; 8] = [
    "height",
    "producing",
    "tip_age",
    "unfinalized",
    "peers",
    "forked",
    "anchor",
    "transaction",
];

/// Rules for the log, one set for each of its signals.
///
/// # Errors
/// What is wrong with a pattern, in words.
pub fn rules(config: &StageConfig) -> Result<Vec<Rules>, String> {
    let level = |level| LineRules {
        level: Some(level),
        ..LineRules::default()
    };
    let named = |text: &str| LineRules {
        patterns: vec![text.to_owned()],
        ..LineRules::default()
    };
    let rules = [
        level(Level::Error),
        level(Level::Critical),
        named(&config.signature_pattern),
        named(&config.corruption_pattern),
    ];
    rules.iter().map(Rules::new).collect()
}

/// One look at everything.
pub fn look(config: &StageConfig, rules: &[Rules], subject: &Subject, before: Before) -> Look {
    let (config, rules, subject) = (config.clone(), rules.to_vec(), subject.clone());
    Box::new(move |wire| {
        let mut signals = Signals::default();
        logs(wire, &rules, &subject, &before, &mut signals);
        page(wire, &config, &mut signals);
        match &config.rpc {
            Some(rpc) => chain(wire, rpc, &config, &before, &mut signals),
            None => {
                let why = "no [health.rpc] is configured";
                for signal in RPC {
                    signals.set(signal, Err(why.into()));
                }
            }
        }
        Ok(Seen::Signals(Box::new(signals)))
    })
}

impl Signals {
    /// No answer to anything.
    pub fn none(why: &str) -> Self {
        let mut signals = Signals::default();
        let metrics = METRICS.iter().map(|(signal, ..)| *signal);
        for signal in LINES
            .into_iter()
            .chain(metrics)
            .chain(RPC)
            .chain(["metrics"])
        {
            signals.set(signal, Err(why.into()));
        }
        signals
    }

    /// Sets one.
    pub fn set(&mut self, signal: &'static str, value: Result<i64, String>) {
        self.values.insert(signal, value);
    }
}

fn logs(wire: &dyn Wire, rules: &[Rules], subject: &Subject, before: &Before, out: &mut Signals) {
    let since = subject.started.min(before.began);
    let source = subject
        .log
        .as_ref()
        .ok_or("there is no log to read".to_owned());
    let seen = source.and_then(|source| lines::read(wire, source, &before.place, since, rules));
    match seen {
        Ok(seen) => {
            for ((signal, bad), first) in LINES.into_iter().zip(seen.bad).zip(seen.first) {
                // More lines than one look reads: what was counted counts, the rest comes later.
                out.set(signal, Ok(i64::try_from(bad).unwrap_or(i64::MAX)));
                if let Some(first) = first {
                    out.notes.insert(signal, first);
                }
            }
            out.place = Some(seen.place);
            out.lost = seen.lost.is_some();
        }
        Err(why) => {
            for signal in LINES {
                out.set(signal, Err(why.clone()));
            }
        }
    }
}

fn page(wire: &dyn Wire, config: &StageConfig, out: &mut Signals) {
    let page = match &config.metrics {
        None => Err("no [health.metrics] is configured".to_owned()),
        Some(endpoint) => wire
            .http(endpoint, None, MAX_METRICS_LEN)
            .and_then(metrics::page),
    };
    let mut all = Ok(1);
    for (signal, name, factor) in METRICS {
        let value = page.clone().and_then(|page| {
            let number = Selector::parse(config.names.get(name))?.find(&page)?;
            whole(number.as_f64() * factor)
        });
        if let Err(why) = &value {
            all = Err(why.clone());
        }
        out.set(signal, value);
    }
    out.set("metrics", all);
}

fn whole(number: f64) -> Result<i64, String> {
    match number.abs() < 9e18 {
        true => Ok(number.round() as i64),
        false => Err("the number is too large".into()),
    }
}

fn chain(
    wire: &dyn Wire,
    rpc: &Endpoint,
    config: &StageConfig,
    before: &Before,
    out: &mut Signals,
) {
    let names = &config.names;
    let height = rpc::height(wire, rpc, names);
    out.set("height", height.clone().map(u64::cast_signed));
    out.set(
        "peers",
        rpc::call(wire, rpc, names.get("peers"), &[])
            .and_then(|value| rpc::peer_count(&value))
            .and_then(|count| whole(count as f64)),
    );
    consensus(wire, rpc, config, before, out);
    let finality = height
        .clone()
        .and_then(|height| finality(wire, rpc, config, before, height));
    let unfinalized = finality.and_then(|(final_to, left)| {
        out.final_to = Some(final_to);
        left
    });
    out.set("unfinalized", unfinalized);
    let anchor = height.and_then(|height| {
        let (at, wanted) = match &before.anchor {
            Some((at, hash)) => (*at, Some(hash.clone())),
            None => (height, None),
        };
        let found = rpc::block_hash(wire, rpc, names, at)?;
        let same = wanted.as_ref().is_none_or(|wanted| *wanted == found);
        out.anchor = Some((at, wanted.unwrap_or(found)));
        Ok(i64::from(same))
    });
    out.set("anchor", anchor);
    let transaction = match &config.transaction {
        None => Err("no [health.stages.transaction] is configured".to_owned()),
        Some(call) => rpc::call(wire, rpc, &call.method, &call.params).and_then(|result| {
            let mut good = true;
            for expect in &call.expect {
                let sample = expect.judge(&result);
                match sample.mark {
                    Mark::Good => {}
                    Mark::Bad => good = false,
                    Mark::Unknown => return Err(sample.why),
                }
            }
            Ok(i64::from(good))
        }),
    };
    out.set("transaction", transaction);
}

fn consensus(
    wire: &dyn Wire,
    rpc: &Endpoint,
    config: &StageConfig,
    before: &Before,
    out: &mut Signals,
) {
    let names = &config.names;
    let answer = rpc::call(wire, rpc, names.get("consensus"), &[]);
    let value = |key: &str| {
        let answer = answer.clone()?;
        let path = Expectation::parse(&format!("{} exists", names.get(key)))?;
        path.one(&answer)
    };
    let number = |key: &str| match Number::of(&value(key)?) {
        Some(number) => whole(number.as_f64()),
        None => Err(format!("{} is no number", names.get(key))),
    };
    out.set("forked", number("forked_peers"));
    let producing = |state: Value| i64::from(state.as_str() == Some(names.get("producing")));
    out.set("producing", value("consensus_state").map(producing));
    out.set(
        "tip_age",
        number("tip_time").map(|time| before.now.saturating_sub(time).max(0)),
    );
}

/// How far blocks are final, and how many at the end are not, if all were looked at.
type Finality = (u64, Result<i64, String>);

fn finality(
    wire: &dyn Wire,
    rpc: &Endpoint,
    config: &StageConfig,
    before: &Before,
    height: u64,
) -> Result<Finality, String> {
    let names = &config.names;
    // The first look judges the newest block; later ones go on from what is known to be final.
    let known = before
        .final_to
        .unwrap_or_else(|| height.saturating_sub(1))
        .min(height);
    let end = height.min(known.saturating_add(MAX_CHECKED_BLOCKS));
    let phase = Expectation::parse(&format!("{} exists", names.get("block_phase")))?;
    let is_final = |block: &Value| {
        let found = phase.one(block)?;
        Ok::<bool, String>(found.as_str() == Some(names.get("finalized")))
    };
    let mut final_to = known;
    for at in known.saturating_add(1)..=end {
        if !is_final(&rpc::call(wire, rpc, names.get("block"), &[json!(at)])?)? {
            return Ok((final_to, Ok(height.saturating_sub(final_to).cast_signed())));
        }
        final_to = at;
    }
    Ok(match end < height {
        true => (
            final_to,
            Err(format!("{} blocks are not looked at yet", height - end)),
        ),
        false => (final_to, Ok(0)),
    })
}
