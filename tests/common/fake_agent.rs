//! An ssh-agent that signs with keys in memory, or that says whatever a test wants.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use ed25519_dalek::{Signer, SigningKey};

/// What an agent answers.
#[derive(Clone)]
pub enum Reply {
    /// A message, with its length in front.
    Message(Vec<u8>),
    /// Bytes as they are, and the end of the connection.
    Raw(Vec<u8>),
    /// A message that is said to have this length, and comes byte by byte without end.
    Drip(u32),
    /// Nothing, and the connection stays open.
    Silence,
}

/// A running agent; it ends when dropped.
pub struct FakeAgent {
    path: PathBuf,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    signed: Arc<Mutex<Vec<[u8; 32]>>>,
}

impl FakeAgent {
    /// An agent at `dir/agent.sock` that answers with `reply`.
    pub fn saying(dir: &Path, reply: impl Fn(&[u8]) -> Reply + Send + 'static) -> FakeAgent {
        let path = dir.join("agent.sock");
        let listener = UnixListener::bind(&path).expect("a socket can be bound");
        let ends = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            // A client that is not answered keeps its connection.
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.expect("a connection");
                if let Some(request) = request(&mut stream)
                    && answer(&mut stream, reply(&request), &seen)
                {
                    held.push(stream);
                }
            }
        });
        FakeAgent {
            path,
            ends,
            thread: Some(thread),
            signed: Arc::default(),
        }
    }

    /// An agent that has these keys, and keeps to the protocol.
    pub fn with(dir: &Path, keys: Vec<SigningKey>) -> FakeAgent {
        let signed: Arc<Mutex<Vec<[u8; 32]>>> = Arc::default();
        let log = Arc::clone(&signed);
        let mut agent = Self::saying(dir, move |request| match request.first() {
            Some(11) => Reply::Message(list(&keys)),
            Some(13) => {
                let mut rest = &request[1..];
                let blob = take(&mut rest);
                let message = take(&mut rest);
                match keys.iter().find(|key| blob == self::blob(key)) {
                    Some(key) => {
                        log.lock()
                            .expect("no panic")
                            .push(key.verifying_key().to_bytes());
                        Reply::Message(signature(&key.sign(message).to_bytes()))
                    }
                    None => Reply::Message(vec![5]),
                }
            }
            _ => Reply::Message(vec![5]),
        });
        agent.signed = signed;
        agent
    }

    /// Its socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public keys that have signed, once for each signature.
    pub fn signed(&self) -> Vec<[u8; 32]> {
        self.signed.lock().expect("no panic").clone()
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn request(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut body = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// Whether the connection is to stay open.
fn answer(stream: &mut UnixStream, reply: Reply, ends: &AtomicBool) -> bool {
    match reply {
        Reply::Message(body) => {
            let _ = stream.write_all(&string(&body));
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Reply::Drip(len) => {
            let mut open = stream.write_all(&len.to_be_bytes()).is_ok();
            while open && !ends.load(Ordering::SeqCst) {
                open = stream.write_all(&[12]).is_ok();
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        Reply::Silence => return true,
    }
    false
}

/// A string of the protocol: its length and its bytes.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("it is short");
    [&len.to_be_bytes(), bytes].concat()
}

fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, after) = rest.split_first_chunk::<4>().expect("a length");
    let (bytes, after) = after.split_at(u32::from_be_bytes(*len) as usize);
    *rest = after;
    bytes
}

/// A public key as agents name it.
pub fn blob(key: &SigningKey) -> Vec<u8> {
    let public = key.verifying_key().to_bytes();
    [string(b"ssh-ed25519"), string(&public)].concat()
}

/// The answer that lists keys.
pub fn list(keys: &[SigningKey]) -> Vec<u8> {
    let blobs: Vec<Vec<u8>> = keys.iter().map(blob).collect();
    list_of(&blobs)
}

/// The answer that lists keys of any sort.
pub fn list_of(blobs: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(blobs.len()).expect("they are few");
    let mut out = [&[12], count.to_be_bytes().as_slice()].concat();
    for blob in blobs {
        out.extend(string(blob));
        out.extend(string(b"a comment"));
    }
    out
}

/// The answer that brings a signature.
pub fn signature(bytes: &[u8]) -> Vec<u8> {
    let blob = [string(b"ssh-ed25519"), string(bytes)].concat();
    [&[14], string(&blob).as_slice()].concat()
}
