//! A proxy that connects on `CONNECT` (RFC 9110, section 9.3.6), and can break its first tunnels off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running proxy; it stops when dropped.
pub struct Tunnel {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    asked: Mutex<Vec<String>>,
    /// Tunnels that will still break off.
    breaks: AtomicUsize,
    /// After so many bytes to the client.
    after: usize,
    ends: AtomicBool,
}

impl Tunnel {
    /// A proxy whose first `breaks` tunnels break off after so many bytes to the client.
    pub fn start(breaks: usize, after: usize) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            breaks: AtomicUsize::new(breaks),
            after,
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
                thread::spawn(move || stream.and_then(|stream| served.serve(stream)));
            }
        });
        Tunnel { port, shared }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first line of each request.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("no test panicked").clone()
    }
}

impl Shared {
    fn serve(&self, client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let first = first.trim().to_owned();
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        self.asked.lock().expect("no test panicked").push(first);
        let server = TcpStream::connect(target)?;
        let mut to_client = client.try_clone()?;
        to_client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let mut to_server = server.try_clone()?;
        thread::spawn(move || std::io::copy(&mut reader, &mut to_server));
        let breaks = self
            .breaks
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        let most = match breaks {
            Ok(_) => self.after as u64,
            Err(_) => u64::MAX,
        };
        let copied = std::io::copy(&mut (&server).take(most), &mut to_client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        copied.map(|_| ())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // The listener looks at it when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
