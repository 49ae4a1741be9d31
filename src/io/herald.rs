//! Room `io`: tells people of a rollout, by command, webhook or mail.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;

use super::node_run::{Output, run_fed};
use super::probe::secret;
use crate::fleet::config::{Channel, Notify};
use crate::fleet::notice::{Herald, Notice};

/// Tells people as `fleet.toml` says.
#[derive(Clone, Debug)]
pub struct Heralds {
    dir: PathBuf,
}

impl Heralds {
    /// Commands run in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Heralds { dir }
    }

    fn run(&self, argv: &[String], fed: Vec<u8>, timeout: Duration) -> Result<(), String> {
        let run = run_fed(argv, Some(&self.dir), fed, timeout);
        let ended = run.and_then(|output: Output| {
            let program = argv.first().cloned().unwrap_or_default();
            output.ended_well(|status| format!("{program} ended with {status}"))
        });
        ended.map(|_| ()).map_err(|error| {
            let mut line = error.message().to_owned();
            for cause in error.causes() {
                line.push_str(": ");
                line.push_str(cause);
            }
            line
        })
    }
}

impl Herald for Heralds {
    fn tell(&self, one: &Notify, notice: &Notice) -> Result<(), String> {
        match &one.channel {
            Channel::Command(argv) => self.run(argv, document(notice)?, one.timeout),
            Channel::Mail { command, to } => {
                self.run(command, mail(notice, to).into_bytes(), one.timeout)
            }
            Channel::Webhook { url, token_file } => {
                let token = token_file.as_deref().map(secret::first_line).transpose()?;
                post(url, token.as_deref(), document(notice)?, one.timeout)
            }
        }
    }
}

fn document(notice: &Notice) -> Result<Vec<u8>, String> {
    serde_json::to_vec(notice).map_err(|e| format!("the notice cannot be written: {e}"))
}

/// A mail as `sendmail -t` takes it (RFC 5322); addresses were checked when `fleet.toml` was read.
fn mail(notice: &Notice, to: &[String]) -> String {
    // A header ends with its line, whatever a node or a release's name may say.
    let line = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
            .take(200)
            .collect()
    };
    let mut text = format!(
        "To: {}\nSubject: {}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n",
        to.join(", "),
        line(&format!("[{}] {}", notice.environment, notice.summary)),
    );
    let body = |line: &str| {
        let clean: String = line.chars().filter(|c| !c.is_control()).collect();
        // A lone dot ends a mail for some programs.
        if clean == "." {
            "..\n".to_owned()
        } else {
            clean + "\n"
        }
    };
    text.push_str(&body(&notice.summary));
    text.push('\n');
    for detail in &notice.details {
        text.push_str(&body(detail));
    }
    text.push_str(&body(&format!("by {}, {}", notice.by, notice.at)));
    text
}

/// The address stays out of every message: for many webhooks it is the secret.
fn post(url: &str, token: Option<&str>, body: Vec<u8>, timeout: Duration) -> Result<(), String> {
    let builder = Client::builder()
        .user_agent(concat!("relman/", env!("CARGO_PKG_VERSION")))
        .referer(false)
        .timeout(timeout)
        .redirect(Policy::none());
    let builder = match url.starts_with("https://") {
        true => builder,
        // Reading the system's certificates takes long, and plain HTTP needs none.
        false => builder.tls_certs_only([]),
    };
    let client = builder
        .build()
        .map_err(|e| format!("cannot set up HTTP: {}", e.without_url()))?;
    let mut request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| "the token fits into no header".to_owned())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let response = request.send().map_err(|e| {
        let what = match (e.is_timeout(), e.is_connect()) {
            (true, _) => "the webhook did not answer in time",
            (_, true) => "the webhook cannot be connected to",
            _ => "the webhook cannot be asked",
        };
        format!("{what}: {}", e.without_url())
    })?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!(
            "the webhook answered with status {}",
            status.as_u16()
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fleet::notice::{Occasion, tell_all};

    fn notice() -> Notice {
        Notice {
            occasion: Occasion::EmergencyRollback,
            environment: "mainnet".into(),
            tag: Some("phase1-sig-verify-1.0.0".into()),
            rollout: None,
            by: "ann".into(),
            at: "2026-02-01T00:00:00Z".parse().unwrap(),
            summary: "EMERGENCY: rolling back\nBcc: all@example.org".into(),
            details: vec!["m1: \u{1b}[2Jgone".into(), ".".into()],
        }
    }

    fn one(channel: Channel) -> Notify {
        Notify {
            name: "ops".into(),
            environments: Vec::new(),
            channel,
            timeout: Duration::from_secs(5),
        }
    }

    fn words(argv: &[&str]) -> Vec<String> {
        argv.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn a_command_gets_the_notice_as_json() {
        let dir = tempfile::tempdir().unwrap();
        let command = one(Channel::Command(words(&["sh", "-c", "cat > got"])));
        let heralds = Heralds::new(dir.path().to_owned());
        assert_eq!(tell_all(&heralds, &[command], &notice()), [""; 0]);
        let got = std::fs::read(dir.path().join("got")).unwrap();
        let got: serde_json::Value = serde_json::from_slice(&got).unwrap();
        assert_eq!(got["occasion"], "emergency-rollback");
        assert_eq!(got["at"], "2026-02-01T00:00:00Z");
    }

    #[test]
    fn one_who_cannot_be_told_is_named_and_the_others_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let bad = one(Channel::Command(words(&[
            "sh",
            "-c",
            "echo no paper >&2; exit 3",
        ])));
        let deaf = one(Channel::Command(words(&["true"])));
        let elsewhere = Notify {
            environments: vec!["testnet".into()],
            ..bad.clone()
        };
        let heralds = Heralds::new(dir.path().to_owned());
        let problems = tell_all(&heralds, &[bad, deaf, elsewhere], &notice());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("ops was not told: sh ended with"),
            "{problems:?}"
        );
        assert!(problems[0].contains("no paper"), "{problems:?}");
    }

    #[test]
    fn a_mail_has_the_headers_that_it_was_meant_to_have() {
        let text = mail(&notice(), &["ops@example.org".into()]);
        let (head, body) = text.split_once("\n\n").unwrap();
        let names: Vec<&str> = head.lines().map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(names[..2], ["To", "Subject"]);
        assert!(!names.contains(&"Bcc"), "{head}");
        assert!(
            body.lines().all(|l| l != "." && !l.contains('\u{1b}')),
            "{body}"
        );
    }

    #[test]
    fn a_webhook_gets_the_token_and_its_address_is_told_to_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let mut heads = Vec::new();
            for status in ["200 OK", "500 No"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = Vec::new();
                let mut chunk = [0; 4096];
                while !bytes.ends_with(b"}") {
                    let got = stream.read(&mut chunk).unwrap();
                    bytes.extend_from_slice(&chunk[..got]);
                }
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
                heads.push(String::from_utf8(bytes).unwrap());
            }
            heads
        });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let webhook = one(Channel::Webhook {
            url: format!("http://127.0.0.1:{port}/hooks/T0PSECRET"),
            token_file: Some(file.clone()),
        });
        let heralds = Heralds::new(dir.path().to_owned());
        heralds.tell(&webhook, &notice()).unwrap();
        let why = heralds.tell(&webhook, &notice()).unwrap_err();
        assert_eq!(why, "the webhook answered with status 500");
        let heads = server.join().unwrap();
        assert!(
            heads[0]
                .to_lowercase()
                .contains("authorization: bearer s3cret")
        );
        // Nobody listens any more.
        let why = heralds.tell(&webhook, &notice()).unwrap_err();
        assert!(
            !why.contains("T0PSECRET") && !why.contains("s3cret"),
            "{why}"
        );
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let why = heralds.tell(&webhook, &notice()).unwrap_err();
        assert!(why.contains("others can read"), "{why}");
    }
}
