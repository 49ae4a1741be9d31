//! Room `io`: requests to a witness and its answers, as HTTP has them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::Say;
use crate::hash::Sha256;
use crate::io::clock;
use crate::limits::MAX_ADD_CHECKPOINT_LEN;
use crate::log::add_checkpoint::{Answer, Answered, Notary, PATH};

/// What follows the hash of an origin in the path of its newest checkpoint.
const CHECKPOINT: &str = "/checkpoint";

/// Where requests are answered.
pub(super) struct Desk {
    notary: Arc<Notary>,
    say: Box<Say>,
    patience: Duration,
}

impl Desk {
    /// Waits for a request's body no longer than `patience`.
    pub fn new(notary: Notary, say: Box<Say>, patience: Duration) -> Self {
        Desk {
            notary: Arc::new(notary),
            say,
            patience,
        }
    }

    /// Says what is wrong with the witness itself.
    pub fn trouble(&self, what: &str) {
        (self.say)(&format!("{} {what}", clock::now()), true);
    }

    /// Answers one request, and logs it.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (answered, allow) = match (method.as_str(), path.as_str()) {
            ("POST", PATH) => (self.add_checkpoint(request).await, None),
            (_, PATH) => (plain(405, "want POST"), Some("POST")),
            ("GET", path) => (self.checkpoint(path), None),
            _ => (plain(405, "want GET"), Some("GET")),
        };
        self.log(&method, &path, peer, &answered);
        Ok(response(&answered.answer, allow))
    }

    async fn add_checkpoint(&self, request: Request<Incoming>) -> Answered {
        let limit = usize::try_from(MAX_ADD_CHECKPOINT_LEN).unwrap_or(usize::MAX);
        let body = Limited::new(request.into_body(), limit).collect();
        let body = match timeout(self.patience, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(e)) if e.is::<LengthLimitError>() => {
                return plain(413, &format!("want at most {limit} bytes"));
            }
            Ok(Err(e)) => return plain(400, &format!("the request broke off: {e}")),
            Err(_) => return plain(408, "the request took too long"),
        };
        let notary = Arc::clone(&self.notary);
        // It waits for the disk, and perhaps for an ssh-agent.
        let decided =
            tokio::task::spawn_blocking(move || notary.add_checkpoint(&body, &clock::now));
        match decided.await {
            Ok(answered) => answered,
            Err(_) => plain(500, "this witness cannot sign now"),
        }
    }

    /// The newest checkpoint of a log (tlog-witness, "Monitor Retrieval Mechanism").
    fn checkpoint(&self, path: &str) -> Answered {
        let origin = path.strip_prefix('/');
        let origin = origin.and_then(|path| path.strip_suffix(CHECKPOINT));
        let Some(origin) = origin.and_then(Sha256::from_hex) else {
            return plain(404, "there is nothing at this address");
        };
        let Some(record) = self.notary.checkpoint(&origin) else {
            return plain(404, "no checkpoint of this log was cosigned here");
        };
        Answered {
            why: None,
            size: Some(record.head().size),
            ..plain(200, &record.note().to_string())
        }
    }

    fn log(&self, method: &Method, path: &str, peer: SocketAddr, answered: &Answered) {
        let (now, status) = (clock::now(), answered.answer.status());
        let mut line = format!("{now} {status} {method} {path:?} from {}", peer.ip());
        if let Some(origin) = &answered.origin {
            line.push_str(&format!(" log {origin:?}"));
        }
        if let Some(size) = answered.size {
            line.push_str(&format!(" size {size}"));
        }
        if let Some(why) = &answered.why {
            line.push_str(&format!(": {why}"));
        }
        (self.say)(&line, status == 500);
    }
}

fn response(answer: &Answer, allow: Option<&'static str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body())));
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type()),
    );
    if let Some(allow) = allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if matches!(answer.status(), 408 | 413) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A text with a status that is none of `add-checkpoint`'s, or whose meaning there is another's.
fn plain(status: u16, text: &str) -> Answered {
    Answered {
        answer: Answer::Other(status, format!("{}\n", text.trim_end())),
        why: Some(text.to_owned()),
        origin: None,
        size: None,
    }
}
