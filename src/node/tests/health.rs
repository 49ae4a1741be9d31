//! Stories of the health gate, in memory.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::config::NodeConfig;
use super::super::fake::{CONFIG, Fake};
use super::super::probe::judge::State;
use super::super::probe::{FileFrom, FilePart, Ran, Reply, UnitLog, Wire};
use super::{GO, ONE, TWO, install, timed};
use crate::Result;
use crate::node::activate::ChangeReport;
use crate::node::config::probe::Endpoint;

/// Answers calls by method; `null` is no answer.
pub(in crate::node) struct Daemon<F>(pub F);

impl<F: Fn(&str, &Value) -> Value> Wire for Daemon<F> {
    fn http(&self, to: &Endpoint, body: Option<&[u8]>, _: u64) -> Result<Reply, String> {
        let (method, params) = match body {
            Some(body) => {
                let call: Value = serde_json::from_slice(body).unwrap();
                let name = format!(
                    "{}{}",
                    to.url.split('#').nth(1).unwrap_or(""),
                    call["method"].as_str().unwrap()
                );
                (name, call["params"].clone())
            }
            None => ("metrics".to_owned(), json!([])),
        };
        match (self.0(&method, &params), body) {
            (Value::Null, _) => Err("no answer in time".into()),
            (Value::String(page), None) => Ok(Reply {
                status: 200,
                body: page.into(),
            }),
            (result, _) => Ok(Reply {
                status: 200,
                body: json!({"jsonrpc": "2.0", "id": 1, "result": result})
                    .to_string()
                    .into(),
            }),
        }
    }
    fn connect(&self, address: &str) -> Result<(), String> {
        match self.0("connect", &json!(address)) {
            Value::Null => Err("refused".into()),
            _ => Ok(()),
        }
    }
    fn run(&self, _: &[String], _: &Path) -> Result<Ran, String> {
        Err("no programs".into())
    }
    fn journal(&self, _: &UnitLog, _: Option<&str>, _: u64) -> Result<Vec<u8>, String> {
        Err("no journal".into())
    }
    fn file(&self, _: &Path, from: FileFrom, _: u64) -> Result<FilePart, String> {
        let Value::String(text) = self.0("log", &json!([])) else {
            return Err("no log".into());
        };
        let start = match from {
            FileFrom::Byte(at) => at.min(text.len() as u64),
            FileFrom::End(_) => 0,
        };
        Ok(FilePart {
            inode: 1,
            len: text.len() as u64,
            start,
            bytes: text.as_bytes()[start as usize..].to_vec(),
        })
    }
}

const RPC: &str = "[health.rpc]\nurl = \"http://127.0.0.1:1/\"\n";
const GROWS: &str = "[[probe]]\nname = \"height\"\nkind = \"rpc\"\npreset = \"height-grows\"\ninterval_seconds = 1\n";

/// Installs with probes and a daemon that answers by method and second.
fn install_with(
    fake: &Fake,
    tag: &str,
    probes: &str,
    daemon: impl Fn(u64, &str) -> Value + 'static,
) -> Result<ChangeReport> {
    let daemon = Rc::new(daemon);
    fake.0.borrow_mut().wire = Some(Rc::new(move |clock: Duration| {
        let daemon = Rc::clone(&daemon);
        Box::new(Daemon(move |method: &str, _: &Value| {
            daemon(clock.as_secs(), method)
        }))
    }));
    let text = format!("{CONFIG}{RPC}{probes}");
    let config =
        NodeConfig::parse(&text, Path::new("/etc/relman")).expect("the test's configuration");
    fake.with_config(&config, |n| n.install(tag, &GO))
}

#[test]
fn a_daemon_whose_height_grows_passes_and_the_report_names_every_probe() {
    let fake = Fake::new();
    let report = install_with(&fake, ONE, GROWS, |second, _| json!(second)).unwrap();
    let probes = report.health.unwrap().probes;
    let names: Vec<&str> = probes.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["systemd", "binary", "height"]);
    assert!(
        probes.iter().all(|p| p.state == State::Healthy),
        "{probes:?}"
    );
}

#[test]
fn a_daemon_that_runs_and_stands_still_is_rolled_back_at_the_deadline() {
    let fake = Fake::new();
    install(&fake, ONE);
    let probe = format!("{GROWS}deadline_seconds = 7\n");
    let before = fake.0.borrow().clock;
    let error = install_with(&fake, TWO, &probe, |_, _| json!(5)).unwrap_err();
    let took = fake.0.borrow().clock - before;
    assert!(
        took >= Duration::from_secs(7) && took < Duration::from_secs(20),
        "{took:?}"
    );
    let causes = error.causes().join("\n");
    assert!(causes.contains("probe height (rpc): un"), "{causes}");
    assert_eq!(fake.0.borrow().current.as_deref(), Some(ONE));
    assert_eq!(fake.0.borrow().running, Some(timed(ONE)));
}

#[test]
fn a_daemon_that_gives_no_answer_is_not_healthy() {
    let fake = Fake::new();
    let probe = format!("{GROWS}deadline_seconds = 3\n");
    let error = install_with(&fake, ONE, &probe, |_, _| Value::Null).unwrap_err();
    let causes = error.causes().join("\n");
    assert!(
        causes.contains("unknown") && causes.contains("no answer in time"),
        "{causes}"
    );
}

#[test]
fn an_error_in_the_log_ends_the_gate_at_once() {
    let fake = Fake::new();
    let probe = "[[probe]]\nname = \"log\"\nkind = \"journal\"\nlevel = \"error\"\ndeadline_seconds = 1000\nsamples = 3\n";
    let error = install_with(&fake, ONE, probe, |second, _| match second {
        0 => json!(""),
        _ => json!("INFO fine\nERROR the data is corrupt\n"),
    })
    .unwrap_err();
    assert!(
        error.causes().join("\n").contains("the data is corrupt"),
        "{error}"
    );
    assert!(fake.0.borrow().clock < Duration::from_secs(5));
}

#[test]
fn a_restart_by_the_manager_while_the_gate_looks_is_final() {
    let fake = Fake::new();
    fake.0.borrow_mut().restarts = Some(0);
    let count = Rc::new(Cell::new(0));
    let world = Rc::downgrade(&fake.0);
    let looks = Rc::clone(&count);
    let error = install_with(&fake, ONE, GROWS, move |_, _| {
        looks.set(looks.get() + 1);
        if let Some(world) = world.upgrade()
            && let Ok(mut world) = world.try_borrow_mut()
        {
            world.restarts = Some(1);
        }
        json!(1)
    })
    .unwrap_err();
    assert!(
        error.causes().join("\n").contains("started anew 1 time(s)"),
        "{error}"
    );
    assert_eq!(count.get(), 1);
}

#[test]
fn what_an_earlier_process_answered_does_not_count_for_the_next() {
    let fake = Fake::new();
    fake.0.borrow_mut().flapping = true;
    let error = install_with(&fake, ONE, GROWS, |second, _| json!(second)).unwrap_err();
    assert!(error.to_string().contains("within 3 s"), "{error}");
}

#[test]
fn probes_that_take_turns_do_not_keep_the_gate_open_for_ever() {
    let fake = Fake::new();
    let tcp = |name: &str, port: u16| {
        format!(
            "[[probe]]\nname = \"{name}\"\nkind = \"tcp\"\naddress = \"h:{port}\"\ninterval_seconds = 1\ndeadline_seconds = 10\n"
        )
    };
    let daemon = Rc::new(());
    fake.0.borrow_mut().wire = Some(Rc::new(move |clock: Duration| {
        let _ = &daemon;
        Box::new(Daemon(move |_: &str, address: &Value| {
            let odd = clock.as_secs() % 2 == 1;
            match (address == "h:1") == odd {
                true => json!(true),
                false => Value::Null,
            }
        }))
    }));
    let text = format!("{CONFIG}{}{}", tcp("one", 1), tcp("two", 2));
    let config = NodeConfig::parse(&text, Path::new("/etc/relman")).unwrap();
    assert!(fake.with_config(&config, |n| n.install(ONE, &GO)).is_err());
    assert!(fake.0.borrow().clock < Duration::from_secs(60));
}

#[test]
fn one_look_tells_of_every_probe_and_waits_only_for_what_needs_two() {
    let fake = Fake::new();
    install(&fake, ONE);
    let daemon = |second: u64| {
        Box::new(Daemon(move |method: &str, _: &Value| match method {
            "getblockcount" => json!(second),
            "getpeerinfo" => json!([1, 2]),
            _ => Value::Null,
        })) as Box<dyn Wire>
    };
    fake.0.borrow_mut().wire = Some(Rc::new(move |clock: Duration| daemon(clock.as_secs())));
    let peers = "[[probe]]\nname = \"peers\"\nkind = \"rpc\"\npreset = \"peers\"\nat_least = 3\nsuccesses = 5\n";
    let text = format!("{CONFIG}{RPC}{GROWS}{peers}");
    let config = NodeConfig::parse(&text, Path::new("/etc/relman")).unwrap();
    let look = fake.with_config(&config, |n| n.look_at_health()).unwrap();
    let states: Vec<(String, State)> = look
        .probes
        .iter()
        .map(|p| (p.name.clone(), p.state))
        .collect();
    assert!(!look.healthy);
    assert_eq!(
        states[2..],
        [
            ("height".into(), State::Healthy),
            ("peers".into(), State::Unhealthy)
        ]
    );
    fake.0.borrow_mut().running = Some(b"other bytes".to_vec());
    let look = fake.with_config(&config, |n| n.look_at_health()).unwrap();
    assert_eq!(look.probes[1].state, State::Unhealthy, "{:?}", look.probes);
    fake.0.borrow_mut().running = None;
    let look = fake.with_config(&config, |n| n.look_at_health()).unwrap();
    assert_eq!(
        (look.probes[0].state, look.probes[1].state),
        (State::Unhealthy, State::Unknown)
    );
}
