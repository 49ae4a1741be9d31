//! JSON-RPC 2.0 (and bitcoind's older dialect): calls, and the comparisons with peers. Pure: the wire
//! is the caller's.

use serde_json::{Value, json};

use super::expect::shown;
use super::{Sample, Seen, Wire};
use crate::limits::{MAX_JSON_INTEGER, MAX_RPC_ANSWER_LEN};
use crate::node::config::probe::{Endpoint, Names, Peer, RpcAsk};

/// The result of one call.
///
/// # Errors
/// In words: no answer, one that is no JSON-RPC, or an error in it.
pub fn call(
    wire: &dyn Wire,
    to: &Endpoint,
    method: &str,
    params: &[Value],
) -> Result<Value, String> {
    let id = 1;
    let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
    let reply = wire.http(to, Some(body.as_bytes()), MAX_RPC_ANSWER_LEN)?;
    if matches!(reply.status, 401 | 403) {
        return Err(format!(
            "{method}: status {}, the user or password is not accepted",
            reply.status
        ));
    }
    // Errors of the call come with other statuses than 200, and are more to the point.
    let answer: Value = serde_json::from_slice(&reply.body).map_err(|e| match reply.status {
        200 => format!("{method}: the answer is no JSON: {e}"),
        status => format!("{method}: status {status}"),
    })?;
    let Value::Object(mut members) = answer else {
        return Err(format!(
            "{method}: the answer is {}, wanted an object",
            shown(&answer)
        ));
    };
    if let Some(error) = members.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").map(shown).unwrap_or_default();
        let message = error.get("message").map(shown).unwrap_or_default();
        return Err(format!("{method}: error {code} {message}"));
    }
    if reply.status != 200 {
        return Err(format!("{method}: status {}", reply.status));
    }
    if members.get("id").and_then(Value::as_u64) != Some(id) {
        return Err(format!("{method}: the answer is to another call"));
    }
    members
        .remove("result")
        .ok_or_else(|| format!("{method}: the answer has no result"))
}

/// A whole number that a call gives.
///
/// # Errors
/// In words, as above, or it is none.
pub fn height(wire: &dyn Wire, to: &Endpoint, names: &Names) -> Result<u64, String> {
    let method = names.get("height");
    let value = call(wire, to, method, &[])?;
    match value.as_u64() {
        Some(height) if height <= MAX_JSON_INTEGER => Ok(height),
        _ => Err(format!(
            "{method}: found {}, wanted a height",
            shown(&value)
        )),
    }
}

/// The hash of the block at a height.
///
/// # Errors
/// In words, as above.
pub fn block_hash(
    wire: &dyn Wire,
    to: &Endpoint,
    names: &Names,
    at: u64,
) -> Result<String, String> {
    let method = names.get("block_hash");
    match call(wire, to, method, &[json!(at)])? {
        Value::String(hash) if !hash.is_empty() => Ok(hash),
        other => Err(format!("{method}: found {}, wanted a hash", shown(&other))),
    }
}

/// One look of an `rpc` probe.
///
/// # Errors
/// In words: there is no answer to judge.
pub fn look(wire: &dyn Wire, endpoint: &Endpoint, ask: &RpcAsk) -> Result<Seen, String> {
    match ask {
        RpcAsk::Call { method, params, .. } => call(wire, endpoint, method, params).map(Seen::Json),
        RpcAsk::Peers { at_least, names } => {
            let found = peer_count(&call(wire, endpoint, names.get("peers"), &[])?)?;
            Ok(Seen::Sample(match found >= *at_least {
                true => Sample::good(format!("{found} peers")),
                false => Sample::bad(
                    format!("{found} peers"),
                    format!("found {found} peers, wanted at least {at_least}"),
                ),
            }))
        }
        RpcAsk::NearPeers {
            blocks,
            peers,
            names,
        } => {
            let own = height(wire, endpoint, names)?;
            let (heights, silent) = ask_all(peers, |peer| height(wire, &peer.endpoint, names))?;
            let highest = heights.iter().max_by_key(|(_, height)| *height);
            let Some((peer, highest)) = highest else {
                return Err("no peer answers".into());
            };
            let value = format!("height {own}, {} at {highest}{silent}", peer.name);
            Ok(Seen::Sample(match own.abs_diff(*highest) <= *blocks {
                true => Sample::good(value),
                false => {
                    let why = format!("{value}, wanted at most {blocks} apart");
                    Sample::bad(value, why)
                }
            }))
        }
        RpcAsk::Fork {
            depth,
            peers,
            names,
        } => fork(wire, endpoint, *depth, peers, names),
    }
}

/// How many peers an answer tells of: a list's length, or a number.
///
/// # Errors
/// In words: it is neither.
pub fn peer_count(value: &Value) -> Result<u64, String> {
    match value {
        Value::Array(list) => Ok(list.len() as u64),
        other => other.as_u64().ok_or_else(|| {
            format!(
                "found {}, wanted a list of peers or their number",
                shown(other)
            )
        }),
    }
}

type Answers<'a, T> = (Vec<(&'a Peer, T)>, String);

/// The answers of those peers that give one, and words about the others.
fn ask_all<'a, T>(
    peers: &'a [Peer],
    ask: impl Fn(&Peer) -> Result<T, String>,
) -> Result<Answers<'a, T>, String> {
    let mut answers = Vec::new();
    let mut silent = Vec::new();
    for peer in peers {
        match ask(peer) {
            Ok(answer) => answers.push((peer, answer)),
            Err(why) => silent.push(format!("{}: {why}", peer.name)),
        }
    }
    match (answers.is_empty(), silent.is_empty()) {
        (true, _) => Err(format!("no peer answers: {}", silent.join("; "))),
        (_, true) => Ok((answers, String::new())),
        _ => Ok((answers, format!(" (no answer of {})", silent.join("; ")))),
    }
}

fn fork(
    wire: &dyn Wire,
    endpoint: &Endpoint,
    depth: u64,
    peers: &[Peer],
    names: &Names,
) -> Result<Seen, String> {
    let own = height(wire, endpoint, names)?;
    let compare = |peer: &Peer| {
        let theirs = height(wire, &peer.endpoint, names)?;
        let at = own.min(theirs).saturating_sub(depth);
        let here = block_hash(wire, endpoint, names, at)?;
        let there = block_hash(wire, &peer.endpoint, names, at)?;
        Ok((at, here, there))
    };
    let (pairs, silent) = ask_all(peers, compare)?;
    for (peer, (at, here, there)) in &pairs {
        if !here.eq_ignore_ascii_case(there) {
            let short = |hash: &str| super::cut(hash, 16);
            return Ok(Seen::Sample(Sample::bad(
                format!("height {own}, block {at} differs"),
                format!(
                    "block {at} is {} here and {} on {}: another chain",
                    short(here),
                    short(there),
                    peer.name
                ),
            )));
        }
    }
    let lowest = pairs.iter().map(|(_, (at, ..))| *at).min().unwrap_or(own);
    Ok(Seen::Sample(Sample::good(format!(
        "block {lowest} as on {} peer(s){silent}",
        pairs.len()
    ))))
}
