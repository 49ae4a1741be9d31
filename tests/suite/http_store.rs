//! A store behind a server that fails, lies, drips or sends us elsewhere: what is tried again, what
//! ends the request, and that it always ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use relman::Error;
use relman::error::Kind;
use relman::io::store_http::HttpStore;
use relman::store::Reader;
use relman::store::http::{HttpOptions, Proxy};

use crate::common::http_script::{Script, Then, head, reply};

/// Nothing of this machine's settings; small numbers where a test waits for an end.
pub fn options() -> HttpOptions {
    HttpOptions {
        proxy: Proxy::Direct,
        ..HttpOptions::default()
    }
}

/// How long a store paused between tries.
#[derive(Clone, Default)]
pub struct Pauses(Arc<Mutex<Vec<Duration>>>);

impl Pauses {
    /// One a try.
    pub fn all(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

/// A store that does not sleep.
pub fn store(url: &str, options: &HttpOptions) -> (HttpStore, Pauses) {
    let pauses = Pauses::default();
    let noted = pauses.clone();
    let store = HttpStore::with_options(url, options).unwrap();
    let store = store.pausing(move |time| noted.0.lock().unwrap().push(time));
    (store, pauses)
}

fn refused(server: &Script, options: &HttpOptions) -> Error {
    let (store, _) = store(&server.url(), options);
    store.read("x", 1000).unwrap_err()
}

#[test]
fn a_server_that_failed_once_is_asked_again() {
    for status in [
        "500 Internal Server Error",
        "503 Service Unavailable",
        "429 Too Many Requests",
        "408 Request Timeout",
    ] {
        let server = Script::start(move |n, _| match n {
            0 => reply(status, &[], b"not now"),
            _ => reply("200 OK", &[], b"good"),
        });
        let (store, pauses) = store(&server.url(), &options());
        assert_eq!(store.read("x", 100).unwrap().unwrap(), b"good", "{status}");
        assert_eq!(pauses.all().len(), 1);
        assert!(pauses.all()[0] < Duration::from_millis(250));
    }
}

#[test]
fn a_server_that_fails_for_ever_ends_with_the_number_of_attempts() {
    let server = Script::start(|_, _| reply("500 Internal Server Error", &[], b""));
    let (store, pauses) = store(&server.url(), &options());
    for error in [
        store.read("x", 100).unwrap_err(),
        store.open("x").err().unwrap(),
    ] {
        let text = error.to_string();
        assert!(text.contains("after 4 attempts"), "{text}");
        assert!(text.contains("answered 500"), "{text}");
        assert_eq!(error.kind(), Kind::Failed);
    }
    assert_eq!(server.asked().len(), 8);
    assert_eq!(pauses.all().len(), 6);
}

#[test]
fn what_a_server_refuses_is_not_asked_twice_and_only_403_and_404_mean_not_there() {
    for status in ["404 Not Found", "403 Forbidden"] {
        let server = Script::start(move |_, _| reply(status, &[], b"no"));
        let (store, _) = store(&server.url(), &options());
        assert!(store.read("x", 100).unwrap().is_none(), "{status}");
        assert!(store.open("x").unwrap().is_none(), "{status}");
        assert_eq!(server.asked().len(), 2);
    }
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "410 Gone",
        "204 No Content",
    ] {
        let server = Script::start(move |_, _| head(status, &["Connection: close"], Then::Close));
        let text = refused(&server, &options()).to_string();
        assert!(
            text.contains(&status[..3]) && text.contains("wanted 200"),
            "{text}"
        );
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[test]
fn a_server_that_asks_for_a_day_of_patience_gets_half_a_minute() {
    let server = Script::start(|n, _| match n {
        0 => reply("503 Service Unavailable", &["Retry-After: 86400"], b""),
        1 => reply("429 Too Many Requests", &["Retry-After: 2"], b""),
        _ => reply("200 OK", &[], b"good"),
    });
    let (store, pauses) = store(&server.url(), &options());
    assert!(store.read("x", 100).is_ok());
    let seconds: Vec<u64> = pauses.all().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [30, 2]);
}

#[test]
fn no_pause_goes_past_the_end_of_the_time_for_an_object() {
    let server = Script::start(|_, _| reply("503 Busy", &["Retry-After: 29"], b""));
    let short = HttpOptions {
        object_timeout: Duration::from_secs(20),
        ..options()
    };
    let text = refused(&server, &short).to_string();
    assert!(text.contains("after 1 attempts"), "{text}");
}

#[test]
fn a_connection_that_ends_before_or_within_an_answer_is_made_again() {
    let server = Script::start(|n, _| match n {
        0 => reply("200 OK", &[], b"good").broken_off(40),
        1 => reply("200 OK", &[], b"good").broken_off(2),
        2 => reply("200 OK", &[], b"").broken_off(38),
        _ => reply("200 OK", &[], b"good"),
    });
    let (store, _) = store(&server.url(), &options());
    assert_eq!(store.read("x", 100).unwrap().unwrap(), b"good");
}

#[test]
fn a_server_that_lies_about_a_length_gives_no_object() {
    let long = Script::start(|_, _| reply("200 OK", &[], b"0123456789").broken_off(5));
    let text = refused(&long, &options()).to_string();
    assert!(text.contains("after 4 attempts"), "{text}");
    let short = Script::start(|_, _| {
        let mut lie = reply("200 OK", &[], b"0123456789");
        lie.bytes.extend_from_slice(b"and more");
        lie
    });
    // What comes after the length is not the object; whoever verifies sees ten bytes.
    let (store, _) = store(&short.url(), &options());
    assert_eq!(store.read("x", 100).unwrap().unwrap(), b"0123456789");
    assert_eq!(store.read("x", 100).unwrap().unwrap(), b"0123456789");
    for lines in [
        &["Content-Length: 99999999999999999999999"][..],
        &["Content-Length: -1"],
        &["Content-Length: 1", "Content-Length: 2"],
    ] {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        let server = Script::start(move |_, _| {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            head("200 OK", &lines, Then::Close)
        });
        assert_eq!(refused(&server, &options()).kind(), Kind::Failed);
    }
}

#[test]
fn an_endless_body_and_an_endless_head_end() {
    let body = Script::start(|_, _| head("200 OK", &[], Then::Endless));
    let error = refused(&body, &options());
    assert!(
        error.to_string().contains("longer than 1000 bytes"),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(body.asked().len(), 1);
    let chunked = Script::start(|_, _| {
        let mut reply = head("200 OK", &["Transfer-Encoding: chunked"], Then::Endless);
        reply.bytes.extend_from_slice(b"ffffffff\r\n");
        reply
    });
    let error = refused(&chunked, &options());
    assert!(
        error.to_string().contains("longer than 1000 bytes"),
        "{error}"
    );
    let endless_head = Script::start(|_, _| {
        let mut reply = head("200 OK", &[], Then::Endless);
        reply.bytes.truncate(reply.bytes.len() - 2);
        reply.bytes.extend_from_slice(b"X-More: ");
        reply
    });
    refused(&endless_head, &options());
}

#[test]
fn slow_data_is_given_up_by_the_floor_on_its_rate() {
    let slow = HttpOptions {
        min_rate: 1_000_000,
        rate_window: Duration::from_millis(50),
        ..options()
    };
    let server = Script::start(|_, _| head("200 OK", &["Content-Length: 900"], Then::Drip));
    let text = refused(&server, &slow).to_string();
    assert!(text.contains("sent too slowly"), "{text}");
    assert!(text.contains("1000000 a second"), "{text}");
    assert_eq!(server.asked().len(), 1, "an attack is not asked for more");
    let (store, _) = store(&server.url(), &slow);
    let mut stream = store.open("x").unwrap().unwrap();
    let error = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("sent too slowly"), "{error}");
}

#[test]
fn a_drip_just_above_the_floor_ends_with_the_time_for_an_object() {
    let slow = HttpOptions {
        min_rate: 1,
        object_timeout: Duration::from_millis(400),
        download_timeout: Duration::from_millis(400),
        ..options()
    };
    let server = Script::start(|_, _| head("200 OK", &["Content-Length: 900000"], Then::Drip));
    let text = refused(&server, &slow).to_string();
    assert!(text.contains("took longer than 0.4 s"), "{text}");
    let (store, _) = store(&server.url(), &slow);
    let mut stream = store.open("x").unwrap().unwrap();
    let error = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("took longer than"), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_left_after_the_read_timeout() {
    let silent = HttpOptions {
        read_timeout: Duration::from_millis(40),
        attempts: 2,
        ..options()
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (store, pauses) = store(&url, &silent);
    let text = store.read("x", 100).unwrap_err().to_string();
    assert!(text.contains("after 2 attempts"), "{text}");
    assert_eq!(pauses.all().len(), 1);
}

#[test]
fn a_redirect_to_another_scheme_or_in_circles_is_refused_at_once() {
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/",
    ] {
        let line = format!("Location: {location}");
        let server = Script::start(move |_, _| reply("302 Found", &[&line], b""));
        let error = refused(&server, &options());
        assert!(error.to_string().contains("is not followed"), "{error}");
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(server.asked().len(), 1);
    }
    let circle =
        Script::start(|n, _| reply("307 Temporary", &[&format!("Location: /{n}")], b"there"));
    let error = refused(&circle, &options());
    assert!(
        error.to_string().contains("more than 3 redirects"),
        "{error}"
    );
    assert_eq!(circle.asked().len(), 4);
}

#[test]
fn a_redirect_to_another_host_is_followed_on_one_connection() {
    let other = Script::start(|_, asked| match asked.target.as_str() {
        "/moved" => reply("200 OK", &[], b"there"),
        _ => reply("404 Not Found", &[], b""),
    });
    let line = format!(
        "Location: {}/moved",
        other.url().replace("127.0.0.1", "localhost")
    );
    let server = Script::start(move |_, _| reply("301 Moved Permanently", &[&line], b""));
    let (store, _) = store(&server.url(), &options());
    for _ in 0..2 {
        assert_eq!(store.read("x", 100).unwrap().unwrap(), b"there");
    }
    let asked = other.asked();
    assert!(asked.iter().all(|a| a.connection == 0), "{asked:#?}");
    assert!(asked[0].header("host").starts_with("localhost:"));
    assert_eq!(asked[0].header("referer"), "");
}

#[test]
fn a_store_elsewhere_cannot_have_us_ask_services_of_this_machine() {
    let victim = Script::start(|_, _| reply("200 OK", &[], b"secret"));
    let line = format!("Location: {}/admin", victim.url());
    // A proxy answers for a host that is not on this machine.
    let server = Script::start(move |_, _| reply("302 Found", &[&line], b""));
    let proxied = HttpOptions {
        proxy: Proxy::Url(server.url()),
        ..HttpOptions::default()
    };
    let (store, _) = store("http://store.example/releases", &proxied);
    let error = store.read("x", 100).unwrap_err();
    assert!(error.to_string().contains("leads to 127.0.0.1"), "{error}");
    assert!(victim.asked().is_empty());
    assert_eq!(server.asked()[0].target, "http://store.example/releases/x");
}

#[test]
fn a_proxy_is_used_and_its_password_is_not_shown() {
    let proxy = Script::start(|_, _| reply("200 OK", &[], b"by proxy"));
    let address = proxy.url().replace("http://", "http://me:hunter2@");
    let by = |address: String| HttpOptions {
        proxy: Proxy::Url(address),
        attempts: 1,
        ..HttpOptions::default()
    };
    let (reached, _) = store("http://store.example/r", &by(address));
    assert_eq!(
        reached.read("log/checkpoint", 100).unwrap().unwrap(),
        b"by proxy"
    );
    let asked = &proxy.asked()[0];
    assert_eq!(asked.target, "http://store.example/r/log/checkpoint");
    assert_eq!(
        asked.header("proxy-authorization"),
        "Basic bWU6aHVudGVyMg=="
    );
    let (lost, _) = store(
        "http://store.example/r",
        &by("http://me:hunter2@127.0.0.1:1".into()),
    );
    let error = lost.read("x", 100).unwrap_err();
    assert!(
        !format!("{error} {:?}", error.hint_text()).contains("hunter2"),
        "{error}"
    );
    let bad = HttpStore::with_options("http://a/", &by("http://me:hunter2@:1:2/".into()));
    assert!(!bad.err().unwrap().to_string().contains("hunter2"));
}

#[test]
fn no_content_encoding_is_asked_for_and_one_connection_serves_all() {
    let server = Script::start(|n, _| match n % 3 {
        0 => reply("404 Not Found", &[], b"a page of the server's own"),
        1 => reply(
            "302 Found",
            &["Location: /moved"],
            b"a page of the server's own",
        ),
        _ => reply("200 OK", &["Content-Encoding: gzip"], b"bytes as they came"),
    });
    let (store, _) = store(&server.url(), &options());
    for _ in 0..4 {
        assert!(store.read("x", 100).unwrap().is_none());
        assert_eq!(
            store.read("y", 100).unwrap().unwrap(),
            b"bytes as they came"
        );
    }
    let asked = server.asked();
    assert!(asked.iter().all(|a| a.connection == 0), "{asked:#?}");
    assert!(
        asked.iter().all(|a| a.header("accept-encoding").is_empty()),
        "{asked:#?}"
    );
    assert!(
        asked.iter().all(|a| a.header("range").is_empty()),
        "{asked:#?}"
    );
}

#[test]
fn an_address_that_is_no_stores_is_refused_before_anything_is_asked() {
    for url in [
        "ftp://a/",
        "file:///x",
        "http://u:p@a/",
        "http://u@a/",
        "http://",
        "http://a/?x=1",
        "http://a/#x",
    ] {
        let error = HttpStore::new(url).err().unwrap();
        assert_eq!(error.kind(), Kind::Usage, "{url}: {error}");
    }
    for text in [
        "",
        "socks5://a",
        "a:3128",
        "http://",
        "HTTP_PROXY",
        "http://a b",
    ] {
        assert_eq!(
            Proxy::parse(text).unwrap_err().kind(),
            Kind::Usage,
            "{text}"
        );
    }
    assert_eq!(Proxy::parse("none").unwrap(), Proxy::Direct);
}
