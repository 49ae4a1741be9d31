//! Where the daemon's chain stands, by its own RPC. The look is pure, the wire is the caller's; what got no answer is
//! null, and a problem in words.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Node;
use super::config::probe::{Endpoint, Names};
use super::probe::expect::{Expectation, Number, shown};
use super::probe::{Seen, Wire, cut, rpc};
use crate::error::{Error, Result};
use crate::limits::{MAX_CHAIN_LOOK_SECONDS, MAX_SHOWN_VALUE};

/// From one look for the answer to the next.
const PAUSE: Duration = Duration::from_millis(10);
/// How much later than its deadline a look may end: what it waits for is not always its own.
const LATE: Duration = Duration::from_secs(2);

/// What the daemon says of its chain, as `relman node chain` tells it. A member that is none is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chain {
    /// The network's name.
    pub network: Option<String>,
    /// The newest block's height.
    pub height: Option<u64>,
    /// The hash of the block at the height that was asked for, in lower-case hex.
    pub hash_at: Option<String>,
    /// Whether the block before the newest is final.
    pub finality: Option<bool>,
    /// Peers that it is connected with.
    pub peers: Option<u64>,
    /// When the newest block was made, in seconds since 1970.
    pub newest_unix: Option<i64>,
    /// What could not be found out, and why.
    pub problems: Vec<String>,
}

impl Node<'_> {
    /// Asks the daemon where its chain stands, and for the hash of the block `at` that height.
    ///
    /// # Errors
    /// Kind usage: no `[health.rpc]` says where it answers.
    pub fn chain(&self, at: Option<u64>) -> Result<Value> {
        let Some(to) = self.config.stages.rpc.clone() else {
            return Err(Error::usage(format!(
                "{} has no [health.rpc] in node.toml, so nobody knows where its daemon answers",
                self.config.name
            ))
            .hint("see docs/health.md, and give it one: [health.rpc] with url"));
        };
        let names = self.config.stages.names.clone();
        let limit = Duration::from_secs(MAX_CHAIN_LOOK_SECONDS);
        let looks = self.host.looks();
        let begin = self.host.uptime();
        looks.begin(
            0,
            limit,
            Box::new(move |wire| Ok(Seen::Json(json!(look(wire, &to, &names, at))))),
        );
        let why = loop {
            match looks.answers().pop() {
                Some((_, Ok(Seen::Json(chain)))) => return Ok(chain),
                Some((_, Err(why))) => break why,
                Some(_) => break "the look saw something else".to_owned(),
                None if self.host.uptime().saturating_sub(begin) > limit + LATE => {
                    break format!("no answer within {MAX_CHAIN_LOOK_SECONDS} s");
                }
                None => self.host.pause(PAUSE),
            }
        };
        Ok(json!(Chain {
            problems: vec![why],
            ..Chain::default()
        }))
    }
}

/// One look at all of it.
pub fn look(wire: &dyn Wire, to: &Endpoint, names: &Names, at: Option<u64>) -> Chain {
    let mut problems = Vec::new();
    let mut note = |what: &str, why: String| {
        problems.push(format!("{what}: {}", cut(&why, 2 * MAX_SHOWN_VALUE)));
    };
    let call = |key: &str, params: &[Value]| rpc::call(wire, to, names.get(key), params);
    let part = |answer: &Value, key: &str| {
        Expectation::parse(&format!("{} exists", names.get(key)))?.one(answer)
    };
    let network = call("network_info", &[])
        .and_then(|answer| match part(&answer, "network")? {
            Value::String(name) if !name.is_empty() => Ok(cut(&name, MAX_SHOWN_VALUE)),
            other => Err(format!("found {}, wanted a name", shown(&other))),
        })
        .map_err(|why| note("network", why))
        .ok();
    let height = rpc::height(wire, to, names)
        .map_err(|why| note("height", why))
        .ok();
    let hash_at = at.and_then(|at| {
        rpc::block_hash(wire, to, names, at)
            .and_then(|hash| hex(&hash))
            .map_err(|why| note(&format!("hash at {at}"), why))
            .ok()
    });
    let finality = height.and_then(|height| {
        let before = height
            .checked_sub(1)
            .ok_or("there is one block alone".to_owned());
        before
            .and_then(|before| call("block", &[json!(before)]))
            .and_then(|block| part(&block, "block_phase"))
            .map(|phase| phase.as_str() == Some(names.get("finalized")))
            .map_err(|why| note("finality", why))
            .ok()
    });
    let peers = call("peers", &[])
        .and_then(|answer| rpc::peer_count(&answer))
        .map_err(|why| note("peers", why))
        .ok();
    let newest_unix = call("consensus", &[])
        .and_then(|answer| seconds(&part(&answer, "tip_time")?))
        .map_err(|why| note("newest block", why))
        .ok();
    Chain {
        network,
        height,
        hash_at,
        finality,
        peers,
        newest_unix,
        problems,
    }
}

/// A block's hash in lower case; anything but hex could not be compared with another node's.
fn hex(hash: &str) -> std::result::Result<String, String> {
    let digits = hash.strip_prefix("0x").unwrap_or(hash);
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    match is_hex && (16..=256).contains(&digits.len()) {
        true => Ok(digits.to_ascii_lowercase()),
        false => Err(format!("found {:?}, wanted hex", cut(hash, 80))),
    }
}

fn seconds(value: &Value) -> std::result::Result<i64, String> {
    let number = Number::of(value).map(|number| number.as_f64().floor());
    match number {
        Some(number) if (0.0..9e15).contains(&number) => Ok(number as i64),
        _ => Err(format!("found {}, wanted seconds since 1970", shown(value))),
    }
}
