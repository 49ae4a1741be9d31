//! A real Prometheus server (Debian's package `prometheus`) on a free port of this machine, as an ordinary process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{http, wait_for};

/// What the server is to do, in YAML.
pub struct Settings(String);

impl Settings {
    /// Reads every target, `host:port`, once a second under the job `timed`.
    pub fn scraping(targets: &[String]) -> Settings {
        let targets: Vec<String> = targets.iter().map(|t| format!("'{t}'")).collect();
        Settings(format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 900ms\n  evaluation_interval: 1s\nscrape_configs:\n  - job_name: timed\n    static_configs:\n      - targets: [{}]\n",
            targets.join(", ")
        ))
    }

    /// Labels that every series and alert of the targets gets, as further lines of the job.
    pub fn labels(mut self, labels: &[(&str, &str)]) -> Settings {
        self.0.push_str("        labels:\n");
        for (name, value) in labels {
            writeln!(self.0, "          {name}: '{value}'").expect("strings take everything");
        }
        self
    }

    /// Adds sections of its own, such as `rule_files` and `alerting`.
    pub fn more(mut self, yaml: &str) -> Settings {
        self.0.push_str(yaml);
        self
    }
}

/// A running server; it stops when dropped.
pub struct Prometheus {
    child: Child,
    log: PathBuf,
    /// The port that it listens on.
    pub port: u16,
}

impl Prometheus {
    /// Starts it with its files in `dir` and waits until it answers.
    pub fn start(dir: &Path, settings: Settings) -> Prometheus {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let config = dir.join("prometheus.yml");
        fs::write(&config, settings.0).expect("a file");
        let log = dir.join("prometheus.log");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a file"))
            .spawn()
            .expect("prometheus starts (apt install prometheus)");
        let mut server = Prometheus { child, log, port };
        wait_for("prometheus", || {
            if let Some(status) = server.child.try_wait().expect("a child can be asked") {
                panic!("prometheus ended, {status}: {}", server.log());
            }
            let answer = get(port, "/-/ready").ok()?;
            (answer.status == 200).then_some(())
        });
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The series that a query gives, an expression without characters that an address cannot have.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let answer = get(self.port, &format!("/api/v1/query?query={expression}"));
        let answer = answer.expect("prometheus answers");
        let answer: Value = serde_json::from_str(&answer.body).expect("it answers in JSON");
        answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}

/// It keeps connections open unless it is told not to.
fn get(port: u16, path: &str) -> std::io::Result<http::Answer> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    http::exchange(port, &request, super::PATIENCE)
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
