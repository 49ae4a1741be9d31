//! A tiny HTTP server of static files that can misbehave, on a free port of this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a path answers instead of its file.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status line, e.g. `500 Internal Server Error`.
    Status(&'static str),
    /// 200, and bytes until the client goes away.
    Endless,
    /// 302 to this location.
    Redirect(String),
    /// The file, of which only the first half comes before the connection ends.
    Half,
}

/// A running server; it stops when dropped.
pub struct Server {
    address: SocketAddr,
    /// Connects to it.
    knock: Box<dyn Fn(SocketAddr) + Send + Sync>,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    faults: Mutex<BTreeMap<String, Fault>>,
    asked: Mutex<Vec<String>>,
    ends: AtomicBool,
}

impl Server {
    /// Serves the files below `root`.
    pub fn start(root: PathBuf) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        Self::serve(root, listener, |address| drop(TcpStream::connect(address)))
    }

    /// Serves the files below `root` to whoever reaches `listener`; `knock` connects to it, from wherever that can be done.
    pub fn serve(
        root: PathBuf,
        listener: TcpListener,
        knock: impl Fn(SocketAddr) + Send + Sync + 'static,
    ) -> Server {
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared {
            root,
            faults: Mutex::default(),
            asked: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ends.load(Ordering::SeqCst) {
                    return;
                }
                let served = Arc::clone(&served);
                // A client that went away is no failure of a test.
                thread::spawn(move || stream.and_then(|stream| served.answer(stream)));
            }
        });
        Server {
            address,
            knock: Box::new(knock),
            shared,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on a path misbehaves, and it alone.
    pub fn only_fault(&self, path: &str, fault: Fault) {
        let mut faults = self.shared.faults.lock().expect("no test panicked here");
        faults.clear();
        faults.insert(format!("/{path}"), fault);
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("no test panicked").clone()
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        self.asked
            .lock()
            .expect("no test panicked")
            .push(path.clone());
        let fault = self
            .faults
            .lock()
            .expect("no test panicked")
            .get(&path)
            .cloned();
        // Some repositories have percent signs in the names of their files, others spaces.
        let asked = path.trim_start_matches('/');
        let file = std::fs::read(self.root.join(asked))
            .or_else(|_| std::fs::read(self.root.join(decoded(asked))));
        let head = |status: &str, more: &str| {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n")
        };
        match (fault, file) {
            (Some(Fault::Status(status)), _) => {
                stream.write_all(head(status, "Content-Length: 0\r\n").as_bytes())
            }
            (Some(Fault::Redirect(to)), _) => {
                let more = format!("Location: {to}\r\nContent-Length: 0\r\n");
                stream.write_all(head("302 Found", &more).as_bytes())
            }
            (Some(Fault::Endless), _) => {
                stream.write_all(head("200 OK", "").as_bytes())?;
                let block = [b'x'; 65_536];
                while !self.ends.load(Ordering::SeqCst) {
                    stream.write_all(&block)?;
                }
                Ok(())
            }
            (None, Err(_)) | (Some(Fault::Half), Err(_)) => {
                stream.write_all(head("404 Not Found", "Content-Length: 0\r\n").as_bytes())
            }
            (fault, Ok(bytes)) => {
                let more = format!("Content-Length: {}\r\n", bytes.len());
                stream.write_all(head("200 OK", &more).as_bytes())?;
                let shown = match fault {
                    Some(_) => bytes.len() / 2,
                    None => bytes.len(),
                };
                stream.write_all(&bytes[..shown])
            }
        }
    }
}

/// The path of a request, without its query.
fn decoded(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let (first, rest) = path.split_at(path.find('%').unwrap_or(path.len()));
    let mut bytes = first.as_bytes().to_vec();
    for piece in rest.split('%').skip(1) {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two digits after a percent sign"));
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).expect("names are UTF-8")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // The listener looks at it when somebody comes.
        (self.knock)(self.address);
    }
}
