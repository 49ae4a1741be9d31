//! Object stores over HTTP: moto's server, or the one that `RELMAN_TEST_S3_ENDPOINT` names (with
//! `RELMAN_TEST_S3_BUCKET`, `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;

use super::faults::{Fault, block_on};
use super::{Bucket, CHECKPOINT, says_again};
use crate::common::relman::{BUILD, Project, TAG};

/// An S3 server with a bucket.
pub(super) struct Server {
    endpoint: String,
    bucket: String,
    key: String,
    secret: String,
    /// Where in the bucket this test works.
    prefix: String,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.into())
}

impl Server {
    pub(super) fn start() -> Server {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut server = Server {
            endpoint: variable("RELMAN_TEST_S3_ENDPOINT", ""),
            bucket: variable("RELMAN_TEST_S3_BUCKET", "relman"),
            key: variable("AWS_ACCESS_KEY_ID", "key"),
            secret: variable("AWS_SECRET_ACCESS_KEY", "hushhushhush"),
            prefix: format!("test-{}", since.unwrap().as_nanos()),
            child: None,
        };
        if server.endpoint.is_empty() {
            server.start_moto();
        }
        server
    }

    fn start_moto(&mut self) {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let program = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/target/judges/s3/bin/moto_server"
        );
        let child = Command::new(variable("RELMAN_TEST_MOTO", program))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("moto_server is there: tests/judges/setup"));
        self.endpoint = format!("http://{address}");
        let mut answer = String::new();
        for _ in 0..600 {
            if let Ok(mut stream) = TcpStream::connect(address) {
                let request = format!(
                    "PUT /{} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    self.bucket
                );
                stream.write_all(request.as_bytes()).unwrap();
                stream.read_to_string(&mut answer).unwrap();
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        assert!(answer.contains(" 200 "), "no bucket: {answer}");
    }

    pub(super) fn bucket(&self) -> Bucket {
        let builder = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name(&self.bucket)
            .with_access_key_id(&self.key)
            .with_secret_access_key(&self.secret);
        let prefix = self.prefix.clone();
        Bucket::at(move || {
            let store = builder.clone().build().unwrap();
            Arc::new(PrefixStore::new(store, prefix.as_str())) as Arc<dyn ObjectStore>
        })
    }

    /// Writes a `relman.toml` whose store is in this bucket.
    pub(super) fn configure(&self, project: &Project) {
        let url = format!("s3://{}/{}", self.bucket, self.prefix);
        project.write(
            "relman.toml",
            &format!(
                "project = \"{}\"\n[build]\ncommand = [\"sh\", \"-c\", \"{BUILD}\"]\nbinaries = [\"out/timed\"]\n\
                 [store]\nurl = \"{url}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\nallow_http = true\n",
                project.name, self.endpoint
            ),
        );
    }

    pub(super) fn relman(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command
            .env("AWS_ACCESS_KEY_ID", &self.key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret)
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

#[test]
#[ignore = "needs moto's server: tests/judges/setup"]
fn on_a_server_two_publishers_racing_a_hundred_times_leave_one_line() {
    let server = Server::start();
    let bucket = server.bucket();
    bucket.publisher("ann", 0, Fault::None).publish().unwrap();
    let mut told_to_retry = 0;
    for round in 0..100 {
        let ahead = 120 * round;
        let bob = bucket.publisher("bob", ahead, Fault::Waits(1 + (round as usize * 7) % 40));
        let gate = bob.connection.gate();
        let cay = bucket.publisher("cay", ahead + 60, Fault::None);
        let bob_again = bucket.publisher("bob", ahead + 61, Fault::None);
        thread::scope(|scope| {
            let bob = scope.spawn(|| {
                let mut retries = 0;
                let mut next = bob.publish();
                bob.connection.close_gate();
                while let Err(e) = next {
                    assert!(says_again(&e), "round {round}: {e:?}");
                    retries += 1;
                    next = bob_again.publish();
                }
                retries
            });
            let _ = gate.arrived.recv();
            let cay = scope.spawn(|| {
                let mut retries = 0;
                while let Err(e) = cay.publish() {
                    assert!(says_again(&e), "round {round}: {e:?}");
                    retries += 1;
                }
                retries
            });
            // Every other time it sleeps until the other one is done.
            let before = match round % 2 {
                0 => cay.join().unwrap(),
                _ => {
                    let _ = gate.go.send(());
                    cay.join().unwrap()
                }
            };
            let _ = gate.go.send(());
            told_to_retry += before + bob.join().unwrap();
        });
    }
    let history = bucket.history();
    assert_eq!(history.len(), 201);
    for pair in history[1..].chunks(2) {
        let mut pair = pair.to_vec();
        pair.sort();
        assert_eq!(pair, ["bob", "cay"]);
    }
    println!("told to retry {told_to_retry} times");
    assert!(bucket.get(CHECKPOINT).is_some());
}

#[test]
#[ignore = "needs moto's server: tests/judges/setup"]
fn a_project_publishes_to_an_object_store() {
    let server = Server::start();
    let project = Project::uninitialised("bucket");
    server.configure(&project);
    let run = |arguments: &[&str]| {
        let output = server.relman(&project, arguments).output().unwrap();
        let said = format!("{output:?}");
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(
            !said.contains(&server.secret),
            "{arguments:?} shows the secret key"
        );
        said
    };
    run(&["init", "--yes"]);
    run(&["cut", TAG, "--draft"]);
    run(&["publish", TAG]);
    assert!(run(&["list"]).contains(TAG));
    run(&["verify", TAG]);
    run(&["audit"]);
    run(&["timestamp"]);
    assert!(!project.path("releases").exists());
    // Processes at once: each is done, or told that another is at work.
    let children: Vec<Child> = (0..6)
        .map(|_| {
            let mut command = server.relman(&project, &["timestamp"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut done = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => done += 1,
            false => assert!(said.contains("run the same command again"), "{said}"),
        }
    }
    assert!(done > 0);
    run(&["audit"]);
    let bucket = server.bucket();
    let list = block_on(bucket.objects.list_with_delimiter(None)).unwrap();
    assert!(list.common_prefixes.iter().any(|p| p.as_ref() == TAG));
}
