//! `relman witness` as a process: over HTTP, killed, with a damaged memory, and with bad company.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use relman::hash::Sha256;
use relman::io::witness_client::WitnessClient;
use relman::log::{Note, Outcome, WitnessPolicy, submit};
use relman::store::http::{HttpOptions, Proxy};
use relman::{Kind, log::VerifiedCheckpoint};
use rustix::process::Signal;

use super::disk_cli::Disk;
use crate::common::PATIENCE;
use crate::common::witness::{Home, Log, ORIGIN, Witness, signer};

fn client() -> WitnessClient {
    let options = HttpOptions {
        proxy: Proxy::Direct,
        ..HttpOptions::default()
    };
    WitnessClient::with_deadline(&options, PATIENCE).unwrap()
}

/// Asks all of them to cosign the log, from a guess.
fn ask(witnesses: &[&Witness], log: &Log, guess: u64) -> Vec<Outcome> {
    let asked: Vec<_> = witnesses.iter().map(|w| w.asked()).collect();
    submit(
        &asked,
        &log.checkpoint(),
        guess,
        &|old| log.prove(old),
        &client(),
    )
}

fn ask_one(witness: &Witness, log: &Log, guess: u64) -> Outcome {
    ask(&[witness], log, guess).remove(0)
}

#[test]
fn a_log_is_cosigned_and_monitors_read_what_was_cosigned_last() {
    let home = Home::new();
    let mut witness = home.start_with(&[("RELMAN_INSECURE_NOW", "2026-02-01T00:00:00Z")]);
    let path = format!("/{}/checkpoint", Sha256::of(ORIGIN.as_bytes()));
    assert_eq!(witness.get(&path).status, 404);
    for (guess, size) in [(0, 5), (5, 8), (3, 8), (8, 300)] {
        let log = Log::of(size);
        let cosigned = ask_one(&witness, &log, guess).unwrap();
        assert_eq!(cosigned.time().to_string(), "2026-02-01T00:00:00Z");
        let read = witness.get(&path);
        assert_eq!(read.status, 200);
        let note = Note::parse(read.body.as_bytes()).unwrap();
        let keys = [signer().verifier().clone()];
        let newest = VerifiedCheckpoint::verify(&note, &keys, ORIGIN).unwrap();
        assert_eq!(newest.head(), log.checkpoint().head());
        let times = newest.cosigned(&[witness.key()]).unwrap();
        assert_eq!(times, [Some(cosigned.time())]);
    }
    let error = ask_one(&witness, &Log::of(5), 5).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("size 300"), "{error}");
    witness.signal(Signal::TERM);
    assert_eq!(witness.ends(), Some(0));
    let said = witness.said();
    for words in [
        "2026-02-01T00:00:00Z 200 POST \"/add-checkpoint\" from 127.0.0.1 log \"timed/relman-log\" size 300\n",
        "size 8: old size is 3, this witness is at 8\n",
        "404 GET",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let again = home.start();
    assert!(again.begun.contains("size 300"), "{}", again.begun);
}

#[test]
fn every_other_address_method_and_length_has_its_status() {
    let home = Home::new();
    let witness = home.start();
    let status = |text: &str| {
        witness.send(&format!(
            "{text} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"
        ))
    };
    for (text, want) in [
        ("GET /", 404),
        ("GET /add-checkpoint", 405),
        ("PUT /x", 405),
        ("GET /ABC/checkpoint", 404),
        ("GET /../../etc/passwd", 404),
        ("POST /add-checkpoint", 400),
    ] {
        assert_eq!(status(text).unwrap().status, want, "{text}");
    }
    let head = "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n";
    let long = format!(
        "{head}Content-Length: 999999999\r\n\r\n{}",
        "x".repeat(139_265)
    );
    assert_eq!(witness.send(&long).unwrap().status, 413);
    let chunk = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        139_265,
        "x".repeat(139_265)
    );
    assert_eq!(witness.send(&chunk).unwrap().status, 413);
    let garbage = witness.send("\u{1}\u{2}\r\n\r\n");
    assert!(garbage.is_err() || garbage.unwrap().status == 400);
    let wide = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(!witness.send(&wide).is_ok_and(|answer| answer.status == 200));
    assert_eq!(witness.post(&Log::of(3).request(0)).unwrap().status, 200);
    // Nothing that anybody sends reaches the log as a line of its own.
    witness.get("/a%0a\x1b[31m");
    assert!(!witness.said().contains('\u{1b}'));
}

#[test]
fn killed_between_writing_down_and_answering_it_holds_to_what_it_wrote() {
    let home = Home::new();
    let first = home.start();
    ask_one(&first, &Log::of(5), 0).unwrap();
    drop(first);
    let mut dies = home.start_with(&[("RELMAN_INSECURE_KILL_AT", "witness.persisted")]);
    let lost = ask_one(&dies, &Log::of(8), 5).unwrap_err();
    assert_eq!(lost.kind(), Kind::Failed);
    assert_eq!(dies.ends(), None);
    let again = home.start();
    assert!(again.begun.contains("size 8"), "{}", again.begun);
    // Another tree at that size is none that it may cosign, whatever came out of the first.
    for old in [5, 8] {
        let error = ask_one(&again, &Log::forked(5, 8), old).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{error}");
    }
    ask_one(&again, &Log::of(8), 5).unwrap();
    ask_one(&again, &Log::of(9), 8).unwrap();
}

#[test]
fn a_temporary_file_of_a_write_that_was_killed_does_no_harm() {
    let home = Home::new();
    ask_one(&home.start(), &Log::of(5), 0).unwrap();
    let name = home
        .record()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    fs::write(home.path("state").join(format!(".tmp-1-{name}")), "half").unwrap();
    ask_one(&home.start(), &Log::of(8), 5).unwrap();
}

#[test]
fn of_two_forks_at_once_one_is_answered() {
    let home = Home::new();
    let witness = home.start();
    ask_one(&witness, &Log::of(5), 0).unwrap();
    let bodies = [
        Log::of(9),
        Log::forked(5, 9),
        Log::forked(6, 9),
        Log::forked(7, 9),
    ];
    let bodies = bodies.map(|log| log.request(5));
    let mut statuses: Vec<u16> = thread::scope(|scope| {
        let asked: Vec<_> = bodies
            .iter()
            .map(|body| scope.spawn(|| witness.post(body).unwrap().status))
            .collect();
        asked.into_iter().map(|a| a.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
}

#[test]
fn a_damaged_memory_stops_it_and_so_does_another_process_on_it() {
    let home = Home::new();
    let log = signer().verifier().to_string();
    let run = |home: &Home| home.fails(&["--log", &log]);
    let witness = home.start();
    ask_one(&witness, &Log::of(5), 0).unwrap();
    run(&home).exits(1).says(&["another relman is at work"]);
    drop(witness);
    let good = fs::read(home.record()).unwrap();
    for bad in [
        Vec::new(),
        good[..good.len() / 2].to_vec(),
        b"{}\n".to_vec(),
    ] {
        fs::write(home.record(), bad).unwrap();
        run(&home).exits(3).says(&["is damaged", "two histories"]);
    }
    let text = String::from_utf8(good.clone()).unwrap();
    fs::write(home.record(), text.replacen("\n5\n", "\n4\n", 1)).unwrap();
    run(&home).exits(3).says(&["does not verify"]);
    // Under another log's name.
    let other = home
        .path("state")
        .join(format!("{}.checkpoint", Sha256::of(b"x")));
    fs::remove_file(home.record()).unwrap();
    fs::write(&other, &good).unwrap();
    run(&home).exits(3).says(&["has another name"]);
    fs::remove_file(other).unwrap();
    // Another witness's.
    fs::write(home.record(), &good).unwrap();
    let stranger = Home::new();
    fs::create_dir(stranger.path("state")).unwrap();
    fs::copy(home.record(), stranger.record()).unwrap();
    run(&stranger).exits(3).says(&["another witness's"]);
    ask_one(&home.start(), &Log::of(8), 5).unwrap();
}

#[test]
fn what_cannot_be_written_down_is_not_answered() {
    let home = Home::new();
    let witness = home.start();
    ask_one(&witness, &Log::of(5), 0).unwrap();
    fs::rename(home.path("state"), home.path("away")).unwrap();
    fs::write(home.path("state"), "in the way").unwrap();
    let answer = witness.post(&Log::of(8).request(5)).unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, "this witness cannot sign now\n")
    );
    assert!(witness.said().contains("500 POST"), "{}", witness.said());
    fs::remove_file(home.path("state")).unwrap();
    fs::rename(home.path("away"), home.path("state")).unwrap();
    ask_one(&witness, &Log::of(8), 5).unwrap();
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn on_a_full_disk_nothing_is_cosigned_and_with_room_again_it_goes_on() {
    let home = Home::new();
    fs::create_dir(home.path("state")).unwrap();
    let disk = Disk::mount(&home.path("state"), 256);
    let witness = home.start();
    ask_one(&witness, &Log::of(5), 0).unwrap();
    disk.fill_but(0);
    let answer = witness.post(&Log::of(8).request(5)).unwrap();
    assert_eq!(answer.status, 500);
    assert!(
        witness.said().contains("No space left"),
        "{}",
        witness.said()
    );
    disk.make_room();
    ask_one(&witness, &Log::of(8), 5).unwrap();
}

#[test]
fn requests_that_never_end_are_cut_off_and_hold_up_nobody() {
    let home = Home::new();
    let witness = home.start();
    let open = |bytes: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", witness.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream
    };
    let head = "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 500\r\n";
    let slow: Vec<TcpStream> = [&format!("{head}\r\nold 0\n"), head, "P", ""]
        .into_iter()
        .map(open)
        .collect();
    ask_one(&witness, &Log::of(5), 0).unwrap();
    let mut ends = slow.into_iter().map(|mut stream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let body = ends.next().unwrap();
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    for head in ends {
        assert!(!head.contains(" 200 "), "{head}");
    }
}

#[test]
fn told_to_end_it_still_answers_what_is_under_way() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let mut witness = home.start();
        let mut stream = TcpStream::connect(("127.0.0.1", witness.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = Log::of(3).request(0);
        let head = "POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nExpect: 100-continue\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).unwrap();
        // From here on the witness is known to wait for the body.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        witness.signal(signal);
        stream.write_all(body.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        assert_eq!(witness.ends(), Some(0));
        assert!(TcpStream::connect(("127.0.0.1", witness.port())).is_err());
    }
}

#[test]
fn three_masternodes_watch_a_log_without_anybody_else() {
    const NAMES: [&str; 3] = ["mn1.example/w", "mn2.example/w", "mn3.example/w"];
    let homes = NAMES.map(Home::named);
    let witnesses: Vec<Witness> = homes.iter().map(Home::start).collect();
    let lines = witnesses.iter().map(|w| {
        let line = w.begun.lines().find_map(|l| l.strip_prefix("  policy  "));
        format!("{}\n", line.unwrap())
    });
    let text: String = lines.collect();
    let policy = format!("{text}group mn 2 {}\nquorum mn\n", NAMES.join(" "));
    let policy = WitnessPolicy::parse(&policy).unwrap();
    for (entry, witness) in policy.witnesses().iter().zip(&witnesses) {
        assert_eq!(entry.url.as_deref(), Some(witness.url.as_str()));
        assert_eq!(entry.key, witness.key());
    }
    let all: Vec<&Witness> = witnesses.iter().collect();
    let quorum = |log: &Log, outcomes: &[Outcome]| {
        let mut note = log.checkpoint().note().clone();
        for (outcome, witness) in outcomes.iter().zip(&all) {
            if let Ok(cosigned) = outcome {
                note.add_cosignature(&witness.key(), cosigned.line())
                    .unwrap();
            }
        }
        let keys = [signer().verifier().clone()];
        let note = VerifiedCheckpoint::verify(&note, &keys, ORIGIN).unwrap();
        policy.witnessed(&note, &|_, _| true)
    };
    let first = Log::of(5);
    let outcomes = ask(&all, &first, 0);
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 3);
    quorum(&first, &outcomes).unwrap();
    // One is down: the others are enough.
    witnesses[1].signal(Signal::STOP);
    witnesses[1].signal(Signal::KILL);
    let second = Log::of(9);
    let outcomes = ask(&[all[0], all[2]], &second, 5);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    // A fork that is shown to all of them is refused by all that run.
    let fork = Log::forked(5, 12);
    for outcome in ask(&[all[0], all[2]], &fork, 9) {
        assert_eq!(outcome.unwrap_err().kind(), Kind::Refused);
    }
}

#[test]
fn arguments_that_make_no_witness_are_refused_before_anything_is_written() {
    let home = Home::new();
    let log = signer().verifier().to_string();
    let own = home.start();
    let public = *own.key().public();
    drop(own);
    fs::remove_dir_all(home.path("state")).unwrap();
    let own = relman::log::VerifierKey::from_public(ORIGIN, &public).unwrap();
    let own = own.to_string();
    fs::write(home.path("logs"), format!("# ours\n\n {log} \nnonsense\n")).unwrap();
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["0 log keys", "--log VKEY"]),
        (&["--log", "x"], &["verifier key"]),
        (&["--log", &own], &["own key"]),
        (&["--log", &log, "--log", &log], &["one public key"]),
        (&["--logs-file", "logs"], &["nonsense"]),
        (&["--log", &log, "--url", "ftp://x"], &["ftp://x"]),
    ];
    for (more, words) in cases {
        home.fails(more).exits(2).says(words);
    }
    fs::create_dir(home.path("state")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(home.path("state"), mode).unwrap();
    home.fails(&["--log", &log]).exits(3).says(&["mode 0777"]);
    assert_eq!(fs::read_dir(home.path("state")).unwrap().count(), 0);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(home.path("key"), mode).unwrap();
    home.fails(&["--log", &log]).exits(3).says(&["mode 0644"]);
    fs::remove_file(home.path("key")).unwrap();
    home.fails(&["--log", &log]).exits(1).says(&["no key file"]);
}

#[test]
fn under_json_it_prints_one_document_when_it_begins_and_nothing_after() {
    let home = Home::new();
    fs::write(
        home.path("logs"),
        format!("# ours\n{}\n", signer().verifier()),
    )
    .unwrap();
    let mut command = home.command(&[
        "--logs-file",
        "logs",
        "--json",
        "--url",
        "https://w.example/",
    ]);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut text = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let document: serde_json::Value = loop {
        let mut piece = [0; 4096];
        let got = stdout.read(&mut piece).unwrap();
        assert_ne!(got, 0, "{text}");
        text.push_str(std::str::from_utf8(&piece[..got]).unwrap());
        if let Ok(document) = serde_json::from_str(&text) {
            break document;
        }
    };
    assert_eq!(document["command"], "witness");
    assert_eq!(document["outcome"], "done");
    assert_eq!(document["data"]["url"], "https://w.example");
    assert_eq!(document["data"]["logs"][0]["origin"], ORIGIN);
    let policy = document["data"]["policy"].as_str().unwrap();
    assert!(policy.ends_with(" https://w.example"), "{policy}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), output.stderr.as_slice()), ("", &b""[..]));
}
