//! Probes against the sample daemon and against servers that mean harm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use relman::io::node_fs::NodeFs;
use relman::node::config::NodeConfig;
use relman::node::host::Host;
use relman::node::probe::judge::State;
use relman::node::probe::look::Subject;
use relman::node::probe::rounds::{ProbeReport, Rounds};
use serde_json::json;

use crate::common::http_script::{Script, Then, head, reply};
use crate::common::timed::{Daemon, Settings};
use crate::common::{tls, wait_for};

/// Runs probes until each could tell, or has failed; the report of the first.
fn probe(dir: &Path, tables: &str) -> ProbeReport {
    let text = format!(
        "name = \"n\"\nstore = \"store\"\nroot = \"root.json\"\nstate = \"state\"\n[[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n{tables}"
    );
    let config = NodeConfig::parse(&text, dir).unwrap_or_else(|e| panic!("{e}"));
    let host = NodeFs::new(&config);
    let looks = host.looks();
    let subject = Subject {
        started: jiff::Timestamp::UNIX_EPOCH,
        log: None,
        dir: dir.into(),
    };
    let begin = Instant::now();
    let mut rounds = Rounds::new(&config.probes, &*looks, subject, Duration::ZERO);
    wait_for("the probe", || {
        let now = begin.elapsed();
        rounds.turn(now, &|_| {});
        (rounds.have_told(now)).then_some(())
    });
    rounds.reports(jiff::Timestamp::UNIX_EPOCH).remove(0)
}

fn rpc(url: &str, keys: &str) -> String {
    format!(
        "[[probe]]\nname = \"p\"\nkind = \"rpc\"\ndeadline_seconds = 60\nurl = \"{url}\"\n{keys}\n"
    )
}

fn cookie(daemon: &Daemon, dir: &Path, keys: &str) -> String {
    let file = dir.join("data/.cookie");
    let url = format!("http://127.0.0.1:{}/rpc", daemon.port);
    rpc(
        &url,
        &format!("cookie_file = \"{}\"\n{keys}", file.display()),
    )
}

const ANSWER: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":7}";
const SEVEN: &str = "method = \"m\"\nexpect = \"$ == 7\"";

#[test]
fn the_sample_daemon_answers_every_kind_of_probe() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        dir.path(),
        Settings::new(dir.path()).set("block_interval_ms", 100),
    );
    let path = dir.path();
    for keys in [
        "preset = \"height-grows\"\ninterval_ms = 50",
        "method = \"getblock\"\nparams = [0]\nexpect = [\"$.phase == 'Finalized'\", \"$.height == 0\"]",
        "method = \"getconsensusinfo\"\nexpect = \"$.state == 'producing'\"",
        "preset = \"peers\"\nat_least = 0",
    ] {
        let report = probe(path, &cookie(&daemon, path, keys));
        assert_eq!(report.state, State::Healthy, "{keys}: {report:?}");
    }
    let address = format!("127.0.0.1:{}", daemon.port);
    let log = path.join("timed.log");
    let start = "[[probe]]\nname = \"p\"\ninterval_ms = 50\n";
    for keys in [
        format!("kind = \"tcp\"\naddress = \"{address}\""),
        format!(
            "kind = \"metrics\"\nurl = \"http://{address}/metrics\"\nmetric = \"panics\"\nexpect = \"== 0\""
        ),
        format!(
            "kind = \"metrics\"\nurl = \"http://{address}/metrics\"\nmetric = \"blocks_produced\"\ntake = \"increase\"\nwindow_ms = 500\nexpect = \"> 0\""
        ),
        format!(
            "kind = \"journal\"\nfile = \"{}\"\nlevel = \"warning\"",
            log.display()
        ),
        "kind = \"command\"\ncommand = [\"/bin/echo\", \"version 1\"]\noutput = \"^version\""
            .into(),
    ] {
        let report = probe(path, &format!("{start}{keys}\n"));
        assert_eq!(report.state, State::Healthy, "{keys}: {report:?}");
    }
    for keys in [
        "kind = \"command\"\ncommand = [\"/bin/false\"]".to_owned(),
        "kind = \"command\"\ncommand = [\"/bin/echo\", \"x\"]\noutput = \"^version\"".into(),
        format!(
            "kind = \"metrics\"\nurl = \"http://{address}/metrics\"\nmetric = \"uptime_seconds\"\nexpect = \"< 0\""
        ),
    ] {
        let report = probe(path, &format!("{start}{keys}\n"));
        assert_eq!(report.state, State::Unhealthy, "{keys}: {report:?}");
    }
}

#[test]
fn a_daemon_that_fails_on_purpose_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let settings = || Settings::new(path).set("block_interval_ms", 50);
    let stalled = Daemon::start(path, settings().set("fail", "stall-height=3"));
    wait_for("the stall", || {
        (stalled.result("getblockcount", json!([])) == 3).then_some(())
    });
    let keys = "preset = \"height-grows\"\ninterval_ms = 50\nwithin_ms = 400";
    let report = probe(path, &cookie(&stalled, path, keys));
    assert_eq!(report.state, State::Unhealthy, "{report:?}");
    let keys = "method = \"getconsensusinfo\"\nexpect = \"$.state == 'producing'\"";
    let report = probe(path, &cookie(&stalled, path, keys));
    assert!(report.why.contains("\"stalled\""), "{report:?}");
    drop(stalled);

    let noisy = Daemon::start(path, settings().set("fail", "error-lines=2"));
    wait_for("its errors", || {
        (noisy.log().matches("critical").count() == 2).then_some(())
    });
    let log = path.join("timed.log");
    let keys = format!(
        "[[probe]]\nname = \"p\"\nkind = \"journal\"\nfile = \"{}\"\nlevel = \"critical\"\n",
        log.display()
    );
    let report = probe(path, &keys);
    assert_eq!(
        (report.state, report.value.as_str()),
        (State::Unhealthy, "2 bad lines since start")
    );
    drop(noisy);

    let hung = Daemon::start(path, settings().set("fail", "hang"));
    let keys = "preset = \"peers\"\ntimeout_ms = 300";
    let report = probe(path, &cookie(&hung, path, keys));
    assert_eq!(report.state, State::Unknown, "{report:?}");
    assert!(report.why.contains("no answer in time"), "{report:?}");
}

#[test]
fn the_fork_sentinel_knows_a_peer_on_another_chain_from_one_that_is_behind() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let start = |at: usize, height: u64| Settings::new(dirs[at].path()).set("start_height", height);
    let own = Daemon::start(dirs[0].path(), start(0, 20));
    let behind = Daemon::start(dirs[1].path(), start(1, 17));
    let other = Daemon::start(dirs[2].path(), start(2, 20).set("fail", "wrong-genesis"));
    let peer = |name: &str, daemon: &Daemon, at: usize| {
        format!(
            "[[peer]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{}/rpc\"\ncookie_file = \"{}\"\n",
            daemon.port,
            dirs[at].path().join("data/.cookie").display()
        )
    };
    let peers = peer("behind", &behind, 1) + &peer("other", &other, 2);
    let ask = |keys: &str| {
        probe(
            dirs[0].path(),
            &(cookie(&own, dirs[0].path(), keys) + &peers),
        )
    };
    let report = ask("preset = \"fork\"\npeers = [\"behind\"]");
    assert_eq!(
        (report.state, report.value.as_str()),
        (State::Healthy, "block 16 as on 1 peer(s)")
    );
    let report = ask("preset = \"fork\"");
    assert_eq!(report.state, State::Unhealthy);
    assert!(report.why.contains("on other: another chain"), "{report:?}");
    let near = |blocks: u64| {
        ask(&format!(
            "preset = \"near-peers\"\nblocks = {blocks}\npeers = [\"behind\"]"
        ))
        .state
    };
    assert_eq!((near(3), near(2)), (State::Healthy, State::Unhealthy));
    drop(behind);
    // No answer of any peer says nothing about us.
    let report = ask("preset = \"fork\"\npeers = [\"behind\"]\ntimeout_ms = 500");
    assert_eq!(report.state, State::Unknown, "{report:?}");
}

#[test]
fn hostile_answers_are_unknown_and_end_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let series = "a 1\n".repeat(1_000_000);
    let rpc_answers: Vec<(&str, relman_reply::Reply)> = vec![
        (
            "endless",
            head("200 OK", &["Content-Type: application/json"], Then::Endless),
        ),
        (
            "drip",
            head("200 OK", &["Content-Length: 1000000"], Then::Drip),
        ),
        ("garbage", reply("200 OK", &[], b"\x00\xff{{{")),
        (
            "huge number",
            reply("200 OK", &[], b"{\"id\":1,\"result\":1e999}"),
        ),
        ("nan", reply("200 OK", &[], b"{\"id\":1,\"result\":NaN}")),
        (
            "string",
            reply("200 OK", &[], b"{\"id\":1,\"result\":\"7\"}"),
        ),
        ("list", reply("200 OK", &[], b"[]")),
        ("deep", reply("200 OK", &[], "[".repeat(100_000).as_bytes())),
        (
            "another call",
            reply("200 OK", &[], b"{\"id\":2,\"result\":7}"),
        ),
        ("no result", reply("200 OK", &[], b"{\"id\":1}")),
        (
            "error",
            reply(
                "500 Oops",
                &[],
                b"{\"id\":1,\"error\":{\"code\":-5,\"message\":\"busy\"}}",
            ),
        ),
        (
            "redirect",
            reply("302 Found", &["Location: http://127.0.0.1:1/"], b""),
        ),
        ("not let in", reply("401 Unauthorized", &[], b"")),
    ];
    for (name, answer) in rpc_answers {
        let server = Script::start(move |_, _| answer.clone());
        let report = probe(
            dir.path(),
            &rpc(&server.url(), &format!("{SEVEN}\ntimeout_ms = 700")),
        );
        assert_eq!(report.state, State::Unknown, "{name}: {report:?}");
        assert!(report.why.chars().count() <= 401, "{name}: {report:?}");
    }
    for (name, page) in [
        ("a million series", series.as_str()),
        ("nan", "a NaN\n"),
        ("infinite", "a +Inf\n"),
        ("missing", "b 1\n"),
        ("html", "<html></html>"),
    ] {
        let page = page.to_owned();
        let server = Script::start(move |_, _| reply("200 OK", &[], page.as_bytes()));
        let table = format!(
            "[[probe]]\nname = \"p\"\nkind = \"metrics\"\nurl = \"{}\"\nmetric = \"a\"\nexpect = \"== 0\"\n",
            server.url()
        );
        let report = probe(dir.path(), &table);
        assert_eq!(report.state, State::Unknown, "{name}: {report:?}");
    }
    let refused = probe(
        dir.path(),
        "[[probe]]\nname = \"p\"\nkind = \"tcp\"\naddress = \"127.0.0.1:1\"\n",
    );
    assert_eq!(refused.state, State::Unknown, "{refused:?}");
}

/// The scripted server's type, under a name that tells it from the probe's.
mod relman_reply {
    pub use crate::common::http_script::Reply;
}

#[test]
fn a_password_is_sent_to_the_daemon_and_shown_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    fs::write(&file, "s3cret word\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let server = Script::start(|_, _| reply("200 OK", &[], ANSWER.as_bytes()));
    let keys = format!(
        "user = \"ann\"\npassword_file = \"{}\"\n{SEVEN}",
        file.display()
    );
    let report = probe(dir.path(), &rpc(&server.url(), &keys));
    assert_eq!(report.state, State::Healthy, "{report:?}");
    // base64 of "ann:s3cret word".
    assert_eq!(
        server.asked()[0].header("authorization"),
        "Basic YW5uOnMzY3JldCB3b3Jk"
    );
    assert!(!format!("{report:?}").contains("s3cret"));
    let asked = server.asked().len();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let report = probe(dir.path(), &rpc(&server.url(), &keys));
    assert!(report.why.contains("mode 0644"), "{report:?}");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let keys = format!("cookie_file = \"{}\"\n{SEVEN}", link.display());
    let report = probe(dir.path(), &rpc(&server.url(), &keys));
    assert!(report.why.contains("is a link"), "{report:?}");
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn a_pinned_certificate_or_key_lets_in_that_server_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls::Tls::start(&tls::ONE, ANSWER);
    let with = |keys: &str| probe(dir.path(), &rpc(&server.url, &format!("{keys}\n{SEVEN}"))).state;
    for pin in [tls::ONE.digest(), tls::ONE.key_digest()] {
        assert_eq!(
            with(&format!("pin_sha256 = \"{}\"", pin.hex())),
            State::Healthy
        );
    }
    let asked = server.asked();
    assert_eq!(asked, 2);
    for pin in [tls::TWO.digest(), tls::TWO.key_digest()] {
        assert_eq!(
            with(&format!("pin_sha256 = \"{}\"", pin.hex())),
            State::Unknown
        );
    }
    // Without a pin, a self-signed certificate is nobody's.
    assert_eq!(with(""), State::Unknown);
    let ca = |identity: &tls::Identity| {
        let file = dir.path().join("ca.pem");
        fs::write(&file, identity.certificate).unwrap();
        with(&format!("ca_file = \"{}\"", file.display()))
    };
    assert_eq!(ca(&tls::TWO), State::Unknown);
    // Nothing was asked of a server that is not the wanted one.
    assert_eq!(server.asked(), asked);
    assert_eq!(ca(&tls::ONE), State::Healthy);
}

#[test]
fn every_mistake_in_the_tables_is_told_at_once() {
    let text = "name = \"n\"\nstore = \"s\"\nroot = \"r\"\n[[binary]]\nname = \"t\"\npath = \"/b/t\"\n\
        [[probe]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"nowhere\"\ncolour = 1\n\
        [[probe]]\nname = \"a\"\nkind = \"rpc\"\nurl = \"http://u:p@h/\"\nmethod = \"m\"\nexpect = \"x\"\n\
        [[probe]]\nname = \"b\"\nkind = \"rpc\"\nurl = \"http://example.org/\"\nuser = \"u\"\npassword_file = \"p\"\npassword = \"hunter2\"\nmethod = \"m\"\nexpect = \"$ > 1\"\n\
        [[probe]]\nname = \"c\"\nkind = \"systemd\"\n\
        [[probe]]\nname = \"d\"\nkind = \"metrics\"\nurl = \"http://127.0.0.1/\"\nmetric = \"{\"\nexpect = \"> 1\"\n\
        [[probe]]\nname = \"e\"\nkind = \"journal\"\nlevel = \"loud\"\n\
        [[probe]]\nname = \"f\"\nkind = \"tcp\"\naddress = \"h:1\"\nsuccesses = 100\ndeadline_seconds = 5\ninterval_ms = 100\n\
        [[probe]]\nname = \"g\"\nkind = \"rpc\"\nurl = \"https://h/\"\npreset = \"fork\"\npin_sha256 = \"12\"\n\
        [health.names]\nheight = 5\nweight = \"x\"\n[health.stages]\nskip = [\"nothing\"]\n";
    let error = NodeConfig::parse(text, Path::new("/etc/relman"))
        .unwrap_err()
        .to_string();
    for part in [
        "HOST:PORT",
        "colour is not known",
        "the name is taken",
        "url has credentials",
        "does not begin with $",
        "leaves this network",
        "password does not belong",
        "kind systemd always runs",
        "is no metric",
        "level is \"loud\"",
        "do not fit into a deadline",
        "there is no [[peer]]",
        "pin_sha256 is no SHA-256",
        "height is malformed",
        "weight is not known",
        "no item of any stage",
        "wanted unit or file",
    ] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}
