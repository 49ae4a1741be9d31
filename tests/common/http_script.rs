//! An HTTP server that answers what a test tells it to, down to the byte, on a free port of this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What stands after the method.
    pub target: String,
    /// What came with it.
    pub body: Vec<u8>,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl Asked {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What happens after the bytes of a reply.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The connection waits for the next request.
    Keep,
    /// The connection ends.
    Close,
    /// A byte at a time, for ever.
    Drip,
    /// As many bytes as the other side takes.
    Endless,
}

/// What to answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// And then.
    pub then: Then,
}

/// A status line, header lines and a body with its length.
pub fn reply(status: &str, headers: &[&str], body: &[u8]) -> Reply {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for line in headers {
        head.push_str(&format!("{line}\r\n"));
    }
    let mut bytes = format!("{head}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Reply {
        bytes,
        then: Then::Keep,
    }
}

/// A head alone, after which something else happens.
pub fn head(status: &str, headers: &[&str], then: Then) -> Reply {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    Reply {
        bytes: format!("HTTP/1.1 {status}\r\n{lines}\r\n").into_bytes(),
        then,
    }
}

impl Reply {
    /// Without the last `count` bytes, and then the connection ends.
    pub fn broken_off(mut self, count: usize) -> Reply {
        self.bytes.truncate(self.bytes.len() - count);
        self.then = Then::Close;
        self
    }
}

type Answer = dyn Fn(usize, &Asked) -> Reply + Send + Sync;

/// A running server; it stops when dropped.
pub struct Script {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<Answer>,
    asked: Mutex<Vec<Asked>>,
    ends: AtomicBool,
}

impl Script {
    /// Answers by the number of the request, from 0, and what it is.
    pub fn start(answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            asked: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if served.ends.load(Ordering::SeqCst) {
                    return;
                }
                let served = Arc::clone(&served);
                // A client that went away is no failure of a test.
                thread::spawn(move || stream.and_then(|s| served.serve(s, connection)));
            }
        });
        Script { port, shared }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no test panicked").clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream, connection: usize) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = read_request(&mut reader, connection)? {
            let number = {
                let mut all = self.asked.lock().expect("no test panicked");
                all.push(asked.clone());
                all.len() - 1
            };
            let reply = (self.answer)(number, &asked);
            stream.write_all(&reply.bytes)?;
            match reply.then {
                Then::Keep => {}
                Then::Close => break,
                Then::Drip => self.pour(&mut stream, 1, Duration::from_millis(2))?,
                Then::Endless => self.pour(&mut stream, 65_536, Duration::ZERO)?,
            }
        }
        Ok(())
    }

    fn pour(
        &self,
        stream: &mut TcpStream,
        at_a_time: usize,
        pause: Duration,
    ) -> std::io::Result<()> {
        let bytes = vec![b'x'; at_a_time];
        while !self.ends.load(Ordering::SeqCst) {
            stream.write_all(&bytes)?;
            thread::sleep(pause);
        }
        Ok(())
    }
}

fn read_request(reader: &mut impl BufRead, connection: usize) -> std::io::Result<Option<Asked>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let length = headers.get("content-length");
    let length = length.and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked {
        body,
        target: first.split(' ').nth(1).unwrap_or("/").to_owned(),
        headers,
        connection,
    }))
}

impl Drop for Script {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // The listener looks at it when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
