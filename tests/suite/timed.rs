//! The sample daemon does what the real one does, and fails when told to.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::common::timed::{Daemon, Settings, binary};
use crate::common::{PATIENCE, http, wait_for};

fn started(settings: impl FnOnce(Settings) -> Settings) -> (Daemon, TempDir) {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), settings(Settings::new(dir.path())));
    (daemon, dir)
}

#[test]
fn the_cookie_lets_in_and_nothing_else_does() {
    let (daemon, dir) = started(|s| s);
    let mode = dir.path().join("data/.cookie").metadata().unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    assert_eq!(daemon.result("getblockcount", json!([])), json!(0));
    let body = r#"{"method":"getblockcount"}"#;
    for user in [None, Some("__cookie__:"), Some("__cookie__:00"), Some("x")] {
        let answer = http::post(daemon.port, "/rpc", user, body).unwrap();
        assert_eq!(answer.status, 401, "{user:?}");
    }
}

#[test]
fn the_configured_user_is_let_in_and_a_wrong_password_is_not() {
    let (daemon, _dir) = started(|s| s.set("rpc_user", "ops").set("rpc_password", "p:w"));
    let body = r#"{"method":"uptime"}"#;
    let status = |user| {
        http::post(daemon.port, "/", Some(user), body)
            .unwrap()
            .status
    };
    assert_eq!(status("ops:p:w"), 200);
    assert_eq!(status("ops:wrong"), 401);
}

#[test]
fn every_method_of_the_guide_answers() {
    let (daemon, _dir) = started(|s| s.set("start_height", 5));
    let best = daemon.result("getbestblockhash", json!([]));
    assert_eq!(daemon.result("getblockhash", json!([5])), best);
    let block = daemon.result("getblockinfo", json!([5]));
    assert_eq!(block["phase"], "Finalized");
    assert_eq!(block, daemon.result("getblock", json!([best])));
    assert_eq!(daemon.result("getpeerinfo", json!([])), json!([]));
    assert_eq!(daemon.result("peerinfo", json!([])), json!([]));
    for method in ["getconsensusinfo", "consensusstatus"] {
        assert_eq!(daemon.result(method, json!([]))["height"], 5);
    }
    let network = daemon.result("getnetworkinfo", json!([]));
    assert_eq!(
        (&network["version"], &network["phase"]),
        (&json!("1.0.0"), &json!(3))
    );
    let unsigned = json!([{"inputs": [{"txid": "ab", "vout": 0}], "outputs": [{"amount": 1}]}]);
    let verdict = daemon.result("validatetransaction", unsigned);
    assert_eq!(verdict["valid"], false);
    assert_eq!(verdict["signature_check"], true);
    let reorg = daemon.call("reorg", json!([1]));
    assert_eq!(reorg["error"]["message"], "Block already finalized");
}

#[test]
fn mistakes_get_the_codes_of_the_standard() {
    let (daemon, _dir) = started(|s| s);
    let post = |body: &str| -> Value {
        let answer = http::post(daemon.port, "/rpc", Some(&daemon.cookie()), body).unwrap();
        serde_json::from_str(&answer.body).unwrap()
    };
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("7", -32600),
        (r#"{"id":1}"#, -32600),
        (r#"{"method":"getblockcount","params":7}"#, -32600),
        (r#"{"method":"mine"}"#, -32601),
        (r#"{"method":"getblockhash"}"#, -32602),
        (r#"{"method":"getblockhash","params":["x"]}"#, -32602),
        (r#"{"method":"stop","params":[1]}"#, -32602),
        (r#"{"method":"getblockhash","params":[1]}"#, -8),
    ] {
        assert_eq!(post(body)["error"]["code"], code, "{body}");
    }
    let batch = post(r#"[{"id":"a","method":"getblockcount"},{"id":2,"method":"x"}]"#);
    assert_eq!(
        (&batch[0]["id"], &batch[0]["result"]),
        (&json!("a"), &json!(0))
    );
    assert_eq!(batch[1]["error"]["code"], -32601);
    assert_eq!(http::get(daemon.port, "/rpc").unwrap().status, 405);
    assert_eq!(http::get(daemon.port, "/etc/passwd").unwrap().status, 404);
}

#[test]
fn oversized_requests_are_turned_away() {
    let (daemon, _dir) = started(|s| s);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    let body = "POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n";
    for (request, status) in [(many.as_str(), 431), (body, 413)] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", daemon.port)).unwrap();
        use std::io::{Read, Write};
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[test]
fn metrics_carry_the_names_of_the_guide() {
    let (daemon, _dir) = started(|s| s);
    for name in [
        "blocks_produced",
        "blocks_produced_per_minute",
        "consensus_rounds_per_minute",
        "consensus_timeouts",
        "finality_latency",
        "active_peers",
        "message_rate",
        "network_latency",
        "memory_usage",
        "cpu_usage",
        "disk_io",
        "errors_total{severity=\"critical\"}",
        "warnings_total",
        "panics",
    ] {
        assert!(daemon.metric(name).is_some(), "{name}");
    }
    assert!(daemon.metric("memory_usage").unwrap() > 0.0);
}

#[test]
fn the_height_grows_and_survives_a_kill() {
    let dir = tempdir().unwrap();
    let settings = || Settings::new(dir.path()).set("block_interval_ms", 10);
    let daemon = Daemon::start(dir.path(), settings());
    let height = |d: &Daemon| d.result("getblockcount", json!([])).as_u64().unwrap();
    let before = wait_for("three blocks", || Some(height(&daemon)).filter(|h| *h >= 3));
    drop(daemon);
    let daemon = Daemon::start(dir.path(), settings().set("start_height", 0));
    assert!(height(&daemon) >= before);
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused() {
    let (_first, dir) = started(|s| s);
    let other = tempdir().unwrap();
    let settings = Settings::new(dir.path());
    let mut second = Daemon::spawn(binary(), other.path(), settings, &[]);
    assert_eq!(second.wait().code(), Some(1));
    assert!(second.log().contains("another timed"), "{}", second.log());
}

#[test]
fn peers_on_one_genesis_agree_and_a_wrong_genesis_is_a_fork() {
    let (first, _a) = started(|s| s.set("start_height", 40));
    let peers = format!("http://127.0.0.1:{}/rpc", first.port);
    let follow = |s: Settings| s.set("peers", &peers).set("block_interval_ms", 86_400_000);
    let (good, _b) = started(follow);
    let (bad, _c) = started(|s| follow(s).set("fail", "wrong-genesis"));
    let peer = |daemon: &Daemon| {
        wait_for("a peer", || {
            let peers = daemon.result("getpeerinfo", json!([]));
            peers.get(0).cloned()
        })
    };
    assert_eq!(peer(&good)["fork"], false);
    assert_eq!(peer(&bad)["fork"], true);
    let hash = |daemon: &Daemon, h: u64| daemon.result("getblockhash", json!([h]));
    assert_eq!(hash(&good, 40), hash(&first, 40));
    assert_ne!(hash(&bad, 0), hash(&first, 0));
    assert_eq!(bad.result("getblockcount", json!([])), 0);
    assert_eq!(bad.metric("forked_peers"), Some(1.0));
}

#[test]
fn ready_and_stopping_reach_the_service_manager() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0u8; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let env = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let pid_file = dir.path().join("pid");
    let settings = Settings::new(dir.path()).set("pid_file", pid_file.display());
    let mut daemon = Daemon::start_binary(binary(), dir.path(), settings, &env);
    assert_eq!(next(), "READY=1");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    assert_eq!(pid.trim(), daemon.pid().to_string());
    assert_eq!(daemon.result("stop", json!([])), "timed stopping");
    assert_eq!(next(), "STOPPING=1");
    assert!(daemon.wait().success());
    assert!(!pid_file.exists() && !dir.path().join("data/.cookie").exists());
}

#[test]
fn an_abstract_notify_socket_is_served_too() {
    use std::os::linux::net::SocketAddrExt;
    let dir = tempdir().unwrap();
    let name = format!("timed-test-{}", dir.path().display());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let variable = format!("@{name}");
    let env = [("NOTIFY_SOCKET", variable.as_str())];
    let settings = Settings::new(dir.path());
    let _daemon = Daemon::start_binary(binary(), dir.path(), settings, &env);
    let mut buffer = [0u8; 64];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1");
}

#[test]
fn crashes_on_request_are_seen_in_the_exit_status() {
    for (fail, code) in [("crash-at-start", Some(1)), ("crash-after=0.05", None)] {
        let dir = tempdir().unwrap();
        let settings = Settings::new(dir.path()).set("fail", fail);
        let mut daemon = Daemon::spawn(binary(), dir.path(), settings, &[]);
        assert_eq!(daemon.wait().code(), code, "{fail}: {}", daemon.log());
        assert!(daemon.log().contains("\"level\":\"critical\""), "{fail}");
    }
}

#[test]
fn a_panic_is_still_counted_after_the_restart() {
    let dir = tempdir().unwrap();
    let settings = Settings::new(dir.path()).set("fail", "crash-after=0");
    Daemon::spawn(binary(), dir.path(), settings, &[]).wait();
    let daemon = Daemon::start(dir.path(), Settings::new(dir.path()));
    assert_eq!(daemon.metric("panics"), Some(1.0));
}

#[test]
fn a_hanging_daemon_accepts_and_says_nothing() {
    let (daemon, _dir) = started(|s| s.set("fail", "hang"));
    let request = "GET /metrics HTTP/1.1\r\n\r\n";
    let answer = http::exchange(daemon.port, request, Duration::from_millis(200));
    assert!(answer.is_err(), "{answer:?}");
}

#[test]
fn a_stalled_chain_shows_in_height_and_timeouts() {
    let (daemon, _dir) = started(|s| s.set("fail", "stall-height=2").set("block_interval_ms", 5));
    wait_for("consensus timeouts", || {
        daemon.metric("consensus_timeouts").filter(|n| *n > 3.0)
    });
    assert_eq!(daemon.result("getblockcount", json!([])), 2);
    let info = daemon.result("getconsensusinfo", json!([]));
    assert_eq!(info["state"], "stalled");
}

#[test]
fn error_lines_are_logged_and_counted() {
    let (daemon, _dir) = started(|s| s.set("fail", "error-lines=3"));
    wait_for("three critical errors", || {
        let count = daemon.metric("errors_total{severity=\"critical\"}");
        count.filter(|n| *n == 3.0)
    });
    for line in daemon.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["ts"].is_string() && line["level"].is_string() && line["msg"].is_string());
    }
    assert_eq!(daemon.log().matches("\"level\":\"critical\"").count(), 3);
}

#[test]
fn unknown_options_and_a_bad_configuration_exit_2() {
    let run = |args: &[&str]| {
        let out = Command::new(binary()).args(args).output().unwrap();
        let stderr = String::from_utf8(out.stderr).unwrap();
        (out.status.code(), stderr)
    };
    let (code, stderr) = run(&["--version"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("unknown option: --version"), "{stderr}");
    let dir = tempdir().unwrap();
    let config = dir.path().join("bad.conf");
    std::fs::write(&config, "colour = red\n").unwrap();
    assert_eq!(run(&["--config", config.to_str().unwrap()]).0, Some(2));
    assert!(!Path::new(&dir.path().join("data")).exists());
}
