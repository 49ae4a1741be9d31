//! The webhook for an Alertmanager: what it takes, from whom, and what a flood costs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use relman::Kind;
use relman::io::watch::webhook::Receiver;
use relman::limits::{
    MAX_WEBHOOK_ALERTS, MAX_WEBHOOK_CONNECTIONS, MAX_WEBHOOK_HEAD_LEN, MAX_WEBHOOK_LEN,
    MAX_WEBHOOK_RATE,
};
use relman::watch::alertmanager::Board;
use relman::watch::policy::Action;
use serde_json::json;
use tempfile::TempDir;

use crate::common::{PATIENCE, http, wait_for};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Hook {
    receiver: Receiver,
    _dir: TempDir,
}

fn token(dir: &TempDir, text: &str, mode: u32) -> PathBuf {
    let path = dir.path().join("token");
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    path
}

fn board() -> Board {
    Board::new("mainnet", BTreeMap::new(), Duration::from_secs(900))
}

impl Hook {
    fn listen() -> Hook {
        let dir = tempfile::tempdir().expect("a directory");
        let path = token(&dir, &format!("{TOKEN}\n"), 0o600);
        let receiver = Receiver::with("127.0.0.1:0", &path, board()).expect("it listens");
        Hook {
            receiver,
            _dir: dir,
        }
    }

    fn send(&self, request: &str) -> std::io::Result<http::Answer> {
        http::exchange(self.receiver.address().port(), request, PATIENCE)
    }

    fn post(&self, token: &str, body: &str) -> u16 {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(&request).expect("an answer").status
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.receiver.address()).expect("it is taken")
    }
}

fn message(status: &str, fingerprints: &[&str]) -> String {
    let alerts: Vec<_> = fingerprints
        .iter()
        .map(|fingerprint| {
            json!({
                "status": status, "fingerprint": fingerprint, "startsAt": "2026-01-05T09:00:00Z", "endsAt": "2026-01-05T10:00:00Z",
                "labels": {"relman_row": "no-blocks", "relman_action": "roll-back", "environment": "mainnet"},
            })
        })
        .collect();
    json!({"version": "4", "status": status, "alerts": alerts}).to_string()
}

#[test]
fn an_alert_comes_and_goes_as_the_alertmanager_says() {
    let hook = Hook::listen();
    assert_eq!(hook.receiver.alerts(), []);
    assert_eq!(hook.post(TOKEN, &message("firing", &["a", "b"])), 200);
    let alerts = hook.receiver.alerts();
    assert_eq!(alerts.len(), 2);
    assert_eq!(
        (alerts[0].row.as_str(), alerts[0].action),
        ("no-blocks", Action::RollBack)
    );
    assert_eq!(hook.post(TOKEN, &message("resolved", &["a"])), 200);
    assert_eq!(hook.receiver.alerts().len(), 1);
    // Who no longer listens has nothing to say.
    let port = hook.receiver.address().port();
    drop(hook);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn attack_without_the_token_nothing_is_taken() {
    let hook = Hook::listen();
    let body = message("firing", &["a"]);
    for token in [
        "",
        "wrong",
        &TOKEN[1..],
        &format!("{TOKEN}x"),
        &TOKEN.to_uppercase(),
    ] {
        assert_eq!(hook.post(token, &body), 401, "{token:?}");
    }
    for header in [
        "",
        &format!("Authorization: Basic {TOKEN}\r\n"),
        &format!("Authorization: {TOKEN}\r\n"),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(
            hook.send(&request).expect("an answer").status,
            401,
            "{header}"
        );
    }
    assert_eq!(hook.receiver.alerts(), []);
    let get = format!("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    assert_eq!(hook.send(&get).expect("an answer").status, 405);
}

#[test]
fn attack_messages_that_are_too_long_or_none_are_refused_and_the_next_one_is_taken() {
    let hook = Hook::listen();
    let head = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    for body in [
        "",
        "{}",
        "[1]",
        "{\"version\":\"3\",\"alerts\":[]}",
        &"[".repeat(100_000),
    ] {
        assert_eq!(
            hook.post(TOKEN, body),
            400,
            "{}",
            &body[..body.len().min(20)]
        );
    }
    // Said, or not said, to be too long.
    let long = "x".repeat(MAX_WEBHOOK_LEN as usize + 1);
    let mut stream = hook.connect();
    stream
        .write_all(head(long.len()).as_bytes())
        .expect("it is taken");
    let _ = stream.write_all(long.as_bytes());
    assert!(first_line(&mut stream).contains("413"));
    let mut stream = hook.connect();
    let chunked = head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    stream.write_all(chunked.as_bytes()).expect("it is taken");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    while stream.write_all(chunk.as_bytes()).is_ok() {}
    drop(stream);
    let many: Vec<String> = (0..=MAX_WEBHOOK_ALERTS).map(|i| i.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(hook.post(TOKEN, &message("firing", &many)), 400);
    let head = format!(
        "POST / HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(2 * MAX_WEBHOOK_HEAD_LEN)
    );
    let mut stream = hook.connect();
    let _ = stream.write_all(head.as_bytes());
    drop(stream);
    assert_eq!(hook.post(TOKEN, &message("firing", &["a"])), 200);
    assert_eq!(hook.receiver.alerts().len(), 1);
}

/// The first line of an answer, or nothing where the connection ended.
fn first_line(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut bytes = Vec::new();
    let mut chunk = [0; 512];
    while !bytes.contains(&b'\n') {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(got) => bytes.extend_from_slice(&chunk[..got]),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn attack_a_flood_of_messages_is_told_to_wait_and_forgotten() {
    let hook = Hook::listen();
    let body = message("firing", &["a"]);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // All of them in one go, so that no machine is too slow to be a flood.
    let mut stream = hook.connect();
    let all = request.repeat(10 * MAX_WEBHOOK_RATE as usize);
    let _ = stream.write_all(all.as_bytes());
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    let answers = String::from_utf8_lossy(&answers).into_owned();
    assert!(answers.matches("HTTP/1.1 200").count() >= MAX_WEBHOOK_RATE as usize);
    assert!(answers.contains("HTTP/1.1 429"), "{answers}");
    assert!(answers.to_lowercase().contains("retry-after: 1"));
    assert_eq!(hook.receiver.alerts().len(), 1);
    wait_for("its turn", || {
        (hook.post(TOKEN, &body) == 200).then_some(())
    });
}

#[test]
fn attack_half_open_connections_take_all_places_and_no_more_and_leave_again() {
    let hook = Hook::listen();
    let half = || {
        let mut stream = hook.connect();
        let _ = stream.write_all(b"POST / HTTP/1.1\r\nHo");
        stream
    };
    // They are taken in the order in which they came.
    wait_for("the last place", || {
        let taken: Vec<TcpStream> = (0..MAX_WEBHOOK_CONNECTIONS).map(|_| half()).collect();
        let turned_away = first_line(&mut half());
        drop(taken);
        turned_away.starts_with("HTTP/1.1 503").then_some(())
    });
    let body = message("firing", &["a"]);
    wait_for("a free place", || {
        (hook.post(TOKEN, &body) == 200).then_some(())
    });
}

#[test]
fn only_a_loopback_address_and_a_token_that_nobody_else_has_are_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let good = token(&dir, TOKEN, 0o600);
    for (address, wanted) in [
        ("0.0.0.0:0", "can be reached from elsewhere"),
        ("[::]:0", "can be reached from elsewhere"),
        ("192.0.2.1:9095", "can be reached from elsewhere"),
        ("localhost", "wanted a loopback address"),
        ("", "wanted a loopback address"),
    ] {
        let error = Receiver::with(address, &good, board())
            .err()
            .expect("a refusal");
        assert!(error.message().contains(wanted), "{address}: {error}");
        assert_eq!(error.kind(), Kind::Usage);
    }
    let taken = Receiver::with("[::1]:0", &good, board());
    let again = taken.map(|taken| {
        let address = taken.address().to_string();
        Receiver::with(&address, &good, board())
            .err()
            .map(|e| e.to_string())
    });
    // A machine may have no IPv6.
    if let Ok(again) = again {
        assert!(again.expect("it is taken").contains("cannot listen"));
    }
    for (text, mode, wanted) in [
        (TOKEN, 0o604, "others can read"),
        ("short", 0o600, "wanted at least 16"),
        ("", 0o600, "no secret"),
    ] {
        let path = token(&dir, text, mode);
        let error = Receiver::with("127.0.0.1:0", &path, board())
            .err()
            .expect("a refusal");
        let words = format!("{error} {:?}", error.causes());
        assert!(words.contains(wanted), "{words}");
        assert!(!words.contains(TOKEN), "{words}");
    }
}
