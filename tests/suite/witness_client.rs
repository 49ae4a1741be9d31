//! Asking witnesses over HTTP that are slow, broken or hostile.

use std::net::TcpListener;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use relman::Kind;
use relman::io::witness_client::WitnessClient;
use relman::log::{Asked, CosignerKey, Outcome, Post, Transport, submit};
use relman::store::http::{HttpOptions, Proxy};

use crate::common::PATIENCE;
use crate::common::http_script::{Reply, Script, Then, head, reply};
use crate::common::witness::{Home, Log};

/// Long enough for a machine under load to answer, where an answer is wanted.
fn client(deadline: Duration) -> WitnessClient {
    let options = HttpOptions {
        proxy: Proxy::Direct,
        ..HttpOptions::default()
    };
    WitnessClient::with_deadline(&options, deadline).unwrap()
}

fn ask(url: &str, deadline: Duration) -> Outcome {
    const REMORA: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
    let asked = Asked {
        key: CosignerKey::parse(REMORA).unwrap(),
        url: url.to_owned(),
    };
    let log = Log::of(8);
    let prove = |old| log.prove(old);
    submit(&[asked], &log.checkpoint(), 5, &prove, &client(deadline)).remove(0)
}

/// What is said of a witness that answers like this.
#[track_caller]
fn fails(answer: Reply, deadline: Duration, words: &[&str]) -> usize {
    let script = Script::start(move |_, _| answer.clone());
    let error = ask(&script.url(), deadline).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "no {word:?} in {error}");
    }
    script.asked().len()
}

#[test]
fn a_witness_that_answers_slowly_or_never_is_given_up_at_its_deadline() {
    let short = Duration::from_millis(200);
    let never = Reply {
        bytes: Vec::new(),
        then: Then::Keep,
    };
    fails(
        never,
        short,
        &["gave no cosignature", "an exchange may take 0.2 s"],
    );
    let drip = head("200 OK", &["Content-Length: 60000"], Then::Drip);
    fails(drip, short, &["gave no cosignature"]);
}

#[test]
fn an_answer_without_end_garbage_and_a_redirect_are_no_cosignatures() {
    let endless = head("200 OK", &[], Then::Endless);
    fails(endless, PATIENCE, &["longer than 65536 bytes"]);
    let huge = head("200 OK", &["Content-Length: 99999999999"], Then::Endless);
    fails(huge, PATIENCE, &["longer than 65536 bytes"]);
    let garbage = Reply {
        bytes: b"\x00\x01 what?\r\n\r\n".to_vec(),
        then: Then::Close,
    };
    fails(garbage, PATIENCE, &["cannot reach"]);
    let broken = reply("200 OK", &[], b"some bytes").broken_off(4);
    fails(broken, PATIENCE, &["broke off"]);
    let elsewhere = reply("307 Temporary Redirect", &["Location: /elsewhere"], b"");
    assert_eq!(fails(elsewhere, PATIENCE, &["redirects (status 307)"]), 1);
    let html = reply("200 OK", &["Content-Type: text/html"], b"<p>\x1b[1mhello\n");
    fails(html, PATIENCE, &["none of tlog-witness", "\\u{1b}[1mhello"]);
    let proxy = reply("409 Conflict", &["Content-Type: text/html"], b"5\n");
    fails(proxy, PATIENCE, &["content type \"text/html\""]);
    let round = reply("409 Conflict", &["Content-Type: text/x.tlog.size"], b"5\n");
    assert_eq!(fails(round, PATIENCE, &["from size 5"]), 1);
}

#[test]
fn a_409_loop_ends() {
    let script = Script::start(|number, _| {
        let size = format!("{}\n", number % 5);
        reply(
            "409 Conflict",
            &["Content-Type: text/x.tlog.size"],
            size.as_bytes(),
        )
    });
    let error = ask(&script.url(), PATIENCE).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    let asked = script.asked();
    let olds: Vec<&[u8]> = asked.iter().map(|a| &a.body[..6]).collect();
    assert_eq!(olds, [b"old 5\n", b"old 0\n", b"old 1\n"]);
    assert!(asked.iter().all(|a| a.target == "/add-checkpoint"));
}

#[test]
fn a_witness_that_gives_anothers_signature_gives_none() {
    let home = Home::new();
    let witness = home.start();
    let error = ask(&witness.url, PATIENCE).unwrap_err();
    assert!(error.to_string().contains("other keys"), "{error}");
}

#[test]
fn all_are_asked_at_the_same_time() {
    const MANY: usize = 8;
    // Each answers once all were asked.
    let all = Arc::new(Barrier::new(MANY));
    let scripts: Vec<Script> = (0..MANY)
        .map(|number| {
            let all = Arc::clone(&all);
            Script::start(move |_, _| {
                all.wait();
                reply("200 OK", &[], format!("{number}").as_bytes())
            })
        })
        .collect();
    let posts: Vec<Post> = scripts
        .iter()
        .map(|script| Post {
            url: format!("{}/add-checkpoint", script.url()),
            body: b"x".to_vec(),
        })
        .collect();
    let replies = client(PATIENCE).post_all(&posts);
    let bodies: Vec<Vec<u8>> = replies.into_iter().map(|r| r.unwrap().body).collect();
    let want: Vec<Vec<u8>> = (0..MANY).map(|n| n.to_string().into_bytes()).collect();
    assert_eq!(bodies, want);
}

#[test]
fn an_address_that_is_none_is_not_asked_and_not_shown_with_its_password() {
    for (url, words) in [
        ("ftp://w.example", "scheme \"ftp\""),
        ("file:///etc/passwd", "scheme \"file\""),
        ("w.example", "no URL"),
        ("https://w.example/?x=1", "query"),
        ("https://u:s3cret@w.example", "credentials"),
    ] {
        let error = ask(url, PATIENCE).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let post = Post {
        url: "https://u:s3cret@w.example/add-checkpoint".into(),
        body: Vec::new(),
    };
    let error = client(PATIENCE).post_all(&[post]).remove(0).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn a_witness_that_does_not_run_is_told_with_its_address() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let error = ask(&url, PATIENCE).unwrap_err();
    assert!(error.to_string().contains("cannot reach"), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
    assert!(
        error
            .hint_text()
            .is_some_and(|hint| hint.contains("is the witness up?"))
    );
}
