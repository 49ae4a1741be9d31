//! A tiny HTTP client: one request, one answer, bounded by timeouts.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends bytes to a port of this machine and reads the answer; an error if none comes within `patience`.
pub fn exchange(port: u16, request: &str, patience: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, text.clone());
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(bad)?,
        body: body.to_owned(),
    })
}

/// GET of a path.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    exchange(port, &request, super::PATIENCE)
}

/// POST of a body, with `user:password` if given.
pub fn post(port: u16, path: &str, user: Option<&str>, body: &str) -> io::Result<Answer> {
    let authorization = user.map_or(String::new(), |pair| {
        use base64ct::{Base64, Encoding};
        let token = Base64::encode_string(pair.as_bytes());
        format!("Authorization: Basic {token}\r\n")
    });
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(port, &request, super::PATIENCE)
}
