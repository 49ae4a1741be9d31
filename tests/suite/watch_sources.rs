//! Looks at a network by every source at once, and at sources that are down, slow, or lie.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use relman::fleet::config::{FleetConfig, NodeEntry};
use relman::fleet::host::{Ask, Document, Hosts, Reply, Request, Stream};
use relman::io::watch::Sources;
use relman::watch::looker::Looker;
use relman::watch::policy::{Policy, template};
use relman::watch::sample::Look;
use serde_json::{Value, json};

use crate::common::http_script::{self, Script, Then, head, reply};
use crate::common::prometheus::{self, Prometheus};
use crate::common::timed::{Daemon, Settings};
use crate::common::wait_for;

type Talk = dyn Fn(&NodeEntry, &Request) -> Reply + Send + Sync;

/// Nodes behind ssh that answer what a test says, and what each was asked.
struct Nodes {
    talk: Box<Talk>,
    asked: Mutex<Vec<(String, Request)>>,
}

impl Nodes {
    fn new(talk: impl Fn(&NodeEntry, &Request) -> Reply + Send + Sync + 'static) -> Arc<Nodes> {
        Arc::new(Nodes {
            talk: Box::new(talk),
            asked: Mutex::default(),
        })
    }

    fn silent() -> Arc<Nodes> {
        Nodes::new(|_, _| Reply::Unreachable("no route to host".into()))
    }

    fn asked(&self) -> Vec<Request> {
        let asked = self.asked.lock().expect("no test panicked");
        asked.iter().map(|(_, request)| request.clone()).collect()
    }
}

impl Hosts for Nodes {
    fn ask_all(&self, asks: &[Ask<'_>], done: &mut dyn FnMut(usize, Reply)) {
        for (place, ask) in asks.iter().enumerate() {
            let asked = (ask.node.name.clone(), ask.request.clone());
            self.asked.lock().expect("no test panicked").push(asked);
            done(place, (self.talk)(ask.node, ask.request));
        }
    }
    fn stream(&self, _: &NodeEntry, _: Stream, _: u64, _: &mut dyn Write) -> Result<u64, String> {
        Err("nothing is streamed here".into())
    }
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
    fn pause(&self, _: Duration) {}
}

fn done(data: Value) -> Reply {
    Reply::Answer(Document {
        outcome: "done".into(),
        data,
        error: None,
    })
}

/// What a node's relman tells when all is well.
fn well(request: &Request, height: u64, corrupt: u64) -> Reply {
    let at = match request {
        Request::Signals { at, .. } | Request::Chain { at } => *at,
        _ => None,
    };
    let chain = json!({
        "network": "main", "height": height, "hash_at": at.map(|at| format!("{at:016x}")), "finality": true,
        "peers": 1, "newest_unix": 1_800_000_000, "problems": [],
    });
    match request {
        Request::Signals { .. } => done(json!({
            "chain": chain,
            "metrics": {"memory_usage": 5.0},
            "values": {"up": 1, "restarts": 0, "log-errors": 0, "log-critical": 0, "log-signatures": 0, "log-corruption": corrupt},
            "unknown": {},
            "log": {"cursor": format!("at {height}"), "behind": false, "lost": null},
        })),
        Request::Chain { .. } => done(chain),
        other => panic!("nobody asks {other:?}"),
    }
}

/// Two nodes of mainnet, `m1` with these lines, and a `[watch]` with those.
fn fleet(m1: &str, watch: &str) -> FleetConfig {
    let node = |name: &str, more: &str| {
        format!(
            "[[node]]\nname = \"{name}\"\nssh = \"{name}\"\nenvironment = \"mainnet\"\n{more}\n"
        )
    };
    let text = format!(
        "[[environment]]\nname = \"mainnet\"\nmin_nodes = 1\n{}{}[watch]\n{watch}\n",
        node("m1", m1),
        node("m2", "")
    );
    FleetConfig::parse(&text, Path::new("/")).unwrap_or_else(|e| panic!("{e}"))
}

fn policy() -> Policy {
    Policy::parse(template()).expect("the default")
}

fn sources(fleet: &FleetConfig, nodes: &Arc<Nodes>) -> Sources {
    Sources::new(fleet, "mainnet", Arc::clone(nodes) as _, Timestamp::now())
}

fn look(sources: &mut Sources) -> Look {
    sources.look(&["m1".into(), "m2".into()], &policy())
}

fn vector(series: &[Value]) -> http_script::Reply {
    let answer = json!({"status": "success", "data": {"resultType": "vector", "result": series}});
    reply("200 OK", &[], answer.to_string().as_bytes())
}

fn series(metric: &str, instance: &str, value: &str) -> Value {
    let now = Timestamp::now().as_second();
    json!({"metric": {"__name__": metric, "instance": instance}, "value": [now, value]})
}

#[test]
fn what_a_node_says_itself_counts_first_then_its_page_then_prometheus() {
    let server = Script::start(|_, asked| match asked.target.as_str() {
        "/metrics" => reply("200 OK", &[], b"memory_usage 6\ncpu_usage 7\n"),
        "/rpc" => reply("200 OK", &[], br#"{"jsonrpc":"2.0","id":1,"result":70}"#),
        target if target.starts_with("/api/v1/query?query=last_over_time") => vector(&[
            series("up", "m2", "1"),
            series("memory_usage", "here", "8"),
            series("cpu_usage", "here", "8"),
            series("panics", "here", "8"),
            series("panics", "m2", "9"),
            series("panics", "stranger", "9"),
        ]),
        other => panic!("nobody asks for {other}"),
    });
    let url = server.url();
    let m1 = format!("metrics = \"{url}/metrics\"\nrpc = \"{url}/rpc\"\ninstance = \"here\"");
    let fleet = fleet(&m1, &format!("prometheus = \"{url}/\""));
    let nodes = Nodes::new(|_, request| well(request, 100, 0));
    let mut all = sources(&fleet, &nodes);
    let seen = look(&mut all);
    let m1 = &seen.nodes["m1"].values;
    assert_eq!((m1["memory"], m1["cpu"], m1["panics"]), (5.0, 7.0, 8.0));
    assert_eq!(seen.nodes["m2"].values["panics"], 9.0);
    // What runs is said by the node alone, what its chain is by the node first.
    assert_eq!(m1["up"], 1.0);
    assert_eq!(seen.nodes["m1"].chain.height, Some(100));
    assert_eq!(seen.silent, BTreeMap::new());
    assert!(all.remarks()[0].contains("stranger"), "{:?}", all.remarks());
    let wanted = "there is no metric warnings_total";
    assert_eq!(seen.nodes["m1"].unknown["warnings"], "it did not tell");
    // Without the node's own word the others fill in, and what only it can know is unknown.
    let mut rest = sources(&fleet, &Nodes::silent());
    let seen = look(&mut rest);
    let m1 = &seen.nodes["m1"];
    assert_eq!((m1.values["memory"], m1.chain.height), (6.0, Some(70)));
    assert_eq!(m1.unknown["warnings"], wanted);
    assert!(!m1.values.contains_key("up"), "{m1:?}");
    assert_eq!(m1.unknown["up"], "it was not told over ssh");
    assert!(seen.silent["m1 over ssh"].contains("no route to host"));
}

#[test]
fn blocks_are_compared_at_a_height_that_all_have_and_lines_are_counted_once() {
    let nodes = Nodes::new(|node, request| {
        let (height, corrupt) = if node.name == "m1" {
            (100, 2)
        } else {
            (101, 0)
        };
        well(request, height, corrupt)
    });
    let mut all = sources(&fleet("", ""), &nodes);
    let first = look(&mut all);
    assert_eq!(first.nodes["m1"].chain.hash, None);
    assert_eq!(first.nodes["m1"].values["log-corruption"], 2.0);
    let second = look(&mut all);
    let hash = Some((100, format!("{:016x}", 100)));
    assert_eq!(second.nodes["m1"].chain.hash, hash);
    assert_eq!(second.nodes["m2"].chain.hash, hash);
    assert_eq!(second.nodes["m1"].values["log-corruption"], 4.0);
    let cursors: Vec<Option<String>> = nodes
        .asked()
        .into_iter()
        .map(|request| match request {
            Request::Signals { cursor, .. } => cursor,
            other => panic!("{other:?}"),
        })
        .collect();
    let at = |place: &str| Some(format!("at {place}"));
    assert_eq!(cursors, [None, None, at("100"), at("101")]);
}

#[test]
fn an_older_relman_is_told_as_such_and_still_asked_for_its_chain() {
    let nodes = Nodes::new(|_, request| match request {
        Request::Signals { .. } => Reply::Foreign("relman 0.0.9 does not know node signals".into()),
        _ => well(request, 100, 0),
    });
    let mut all = sources(&fleet("", ""), &nodes);
    for _ in 0..2 {
        let seen = look(&mut all);
        assert_eq!(seen.nodes["m1"].chain.height, Some(100));
        assert!(!seen.nodes["m1"].values.contains_key("up"));
        assert!(
            seen.silent["m1 over ssh"].contains("relman 0.0.9"),
            "{:?}",
            seen.silent
        );
    }
    let signals = nodes.asked();
    let signals = signals
        .iter()
        .filter(|r| matches!(r, Request::Signals { .. }));
    assert_eq!(signals.count(), 2, "once for each node");
}

#[test]
fn attack_a_server_that_lies_makes_nothing_healthy_and_nothing_sick() {
    let million = |_: &http_script::Asked| {
        let one = series("memory_usage", "m1", "1").to_string();
        let text = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{}]}}}}",
            vec![one; 1_000_000].join(",")
        );
        reply("200 OK", &[], text.as_bytes())
    };
    type Answer = Box<dyn Fn(&http_script::Asked) -> http_script::Reply + Send + Sync>;
    let long_ago = |_: &http_script::Asked| {
        let mut old = series("memory_usage", "m1", "1");
        old["value"][0] = 1_000_000.into();
        vector(&[old])
    };
    let lies: Vec<(Answer, &str)> = vec![
        (Box::new(million), "longer than"),
        (Box::new(long_ago), "behind this clock"),
        (
            Box::new(|_| reply("302 Found", &["Location: http://127.0.0.1:1/"], b"")),
            "not followed",
        ),
        (
            Box::new(|_| head("200 OK", &["Content-Type: application/json"], Then::Endless)),
            "longer than",
        ),
        (
            Box::new(|_| {
                reply(
                    "200 OK",
                    &[],
                    br#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#,
                )
            }),
            "is a scalar, wanted a vector",
        ),
        (
            Box::new(|_| {
                reply(
                    "503 Service Unavailable",
                    &[],
                    br#"{"status":"error","errorType":"unavailable","error":"starting"}"#,
                )
            }),
            "unavailable: starting",
        ),
        (
            Box::new(|_| reply("401 Unauthorized", &[], b"no")),
            "not accepted",
        ),
        (Box::new(|_| vector(&[]).broken_off(2)), "breaks off"),
    ];
    for (lie, wanted) in lies {
        let server = Script::start(move |_, asked| lie(asked));
        let fleet = fleet("", &format!("prometheus = \"{}\"", server.url()));
        let seen = look(&mut sources(&fleet, &Nodes::silent()));
        assert!(
            seen.silent["Prometheus"].contains(wanted),
            "{wanted}: {:?}",
            seen.silent
        );
        assert!(seen.nodes["m1"].values.is_empty(), "{wanted}: {seen:?}");
    }
    // Numbers that are none, of a server that is honest otherwise.
    let server = Script::start(|_, _| {
        vector(&[
            series("memory_usage", "m1", "NaN"),
            series("up", "m1", "1"),
            series("panics", "m1", "0"),
        ])
    });
    let fleet = fleet("", &format!("prometheus = \"{}\"", server.url()));
    let seen = look(&mut sources(&fleet, &Nodes::silent()));
    let m1 = &seen.nodes["m1"];
    assert_eq!(m1.values, [("panics".to_owned(), 0.0)].into());
    assert!(m1.unknown["memory"].contains("NaN"));
}

#[test]
fn sources_that_are_down_are_named_one_by_one() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let m1 = format!("metrics = \"{url}/metrics\"\nrpc = \"{url}/rpc\"");
    let seen = look(&mut sources(
        &fleet(&m1, &format!("prometheus = \"{url}\"")),
        &Nodes::silent(),
    ));
    let silent: Vec<&str> = seen.silent.keys().map(String::as_str).collect();
    assert_eq!(
        silent,
        [
            "Prometheus",
            "m1 over ssh",
            "m2 over ssh",
            "the RPC of m1",
            "the metrics of m1"
        ]
    );
    assert!(
        seen.nodes
            .values()
            .all(|n| n.values.is_empty() && n.chain.is_empty())
    );
}

/// Lets somebody wait until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let (open, changed) = &*self.0;
        let mut open = open.lock().expect("no test panicked");
        while !*open {
            open = changed.wait(open).expect("no test panicked");
        }
    }
    fn open(&self) {
        *self.0.0.lock().expect("no test panicked") = true;
        self.0.1.notify_all();
    }
}

#[test]
fn attack_slow_sources_hold_up_no_look_beyond_its_end_and_are_not_asked_twice() {
    let server = Script::start(|number, _| match number {
        0 => head("200 OK", &["Content-Length: 1000000"], Then::Drip),
        _ => reply("200 OK", &[], b"panics 1\n"),
    });
    let gate = Gate::default();
    let hung = gate.clone();
    let nodes = Nodes::new(move |node, request| {
        if node.name == "m2" {
            hung.wait();
        }
        well(request, 100, 0)
    });
    let m1 = format!("metrics = \"{}/metrics\"", server.url());
    let mut all = sources(&fleet(&m1, ""), &nodes);
    let first = look(&mut all);
    assert_eq!(first.nodes["m1"].values["up"], 1.0);
    assert!(
        first.silent["m2 over ssh"].contains("no answer within"),
        "{:?}",
        first.silent
    );
    // The page's end may be told a moment before the look's.
    assert!(
        first.silent["the metrics of m1"].contains("time")
            || first.silent["the metrics of m1"].contains("no answer within")
    );
    let second = look(&mut all);
    assert_eq!(
        second.silent["m2 over ssh"],
        "it has not answered an earlier look yet"
    );
    assert_eq!(nodes.asked().len(), 3, "m1 twice, m2 once");
    gate.open();
    wait_for("the second node", || {
        let seen = look(&mut all);
        (!seen.silent.contains_key("m2 over ssh")).then_some(())
    });
}

#[test]
#[ignore = "needs prometheus"]
fn a_real_prometheus_tells_the_numbers_of_two_sample_daemons() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let daemons = dirs.each_ref().map(|dir| {
        let settings = Settings::new(dir.path()).set("block_interval_ms", 200);
        Daemon::start(dir.path(), settings)
    });
    let targets = daemons.each_ref().map(|d| format!("127.0.0.1:{}", d.port));
    let home = tempfile::tempdir().unwrap();
    let settings = prometheus::Settings::scraping(&targets)
        .labels(&[("environment", "mainnet")])
        .more("rule_files: []\n");
    let server = Prometheus::start(home.path(), settings);
    let node = |name: &str, instance: &str| {
        format!(
            "[[node]]\nname = \"{name}\"\nssh = \"{name}\"\nenvironment = \"mainnet\"\ninstance = \"{instance}\"\n"
        )
    };
    let text = format!(
        "[[environment]]\nname = \"mainnet\"\nmin_nodes = 1\n{}{}[watch]\nprometheus = \"{}\"\n",
        node("m1", &targets[0]),
        node("m2", &targets[1]),
        server.url()
    );
    let fleet = FleetConfig::parse(&text, Path::new("/")).unwrap();
    let mut all = sources(&fleet, &Nodes::silent());
    let seen = wait_for("both daemons in Prometheus", || {
        let seen = look(&mut all);
        assert!(
            !seen.silent.contains_key("Prometheus"),
            "{:?}: {}",
            seen.silent,
            server.log()
        );
        let told = seen.nodes.values().all(|n| n.values.contains_key("memory"));
        told.then_some(seen)
    });
    for (name, daemon) in ["m1", "m2"].iter().zip(&daemons) {
        let values = &seen.nodes[*name].values;
        assert!(values["memory"] > 100_000.0, "{values:?}");
        assert_eq!(
            Some(values["panics"]),
            daemon.metric("panics"),
            "{values:?}"
        );
        assert_eq!(values["critical-errors"], 0.0);
        assert!(values.contains_key("cpu") && values.contains_key("finality-latency"));
    }
    assert_eq!(server.query("up").len(), 2);
    // A daemon that is killed is one that Prometheus does not reach: nobody says that it is down.
    let [first, second] = daemons;
    drop(second);
    let seen = wait_for("the end of the second", || {
        let seen = look(&mut all);
        let why = seen.nodes["m2"].unknown.get("memory").cloned();
        why.is_some_and(|why| why == "Prometheus does not reach it")
            .then_some(seen)
    });
    assert!(seen.nodes["m2"].values.is_empty());
    assert!(seen.nodes["m1"].values.contains_key("memory"));
    drop(first);
}
