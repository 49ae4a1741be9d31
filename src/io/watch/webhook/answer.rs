//! Room `io`: requests to the webhook and its answers, as HTTP has them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use crate::hash::Sha256;
use crate::io::clock;
use crate::limits::{MAX_WEBHOOK_LEN, MAX_WEBHOOK_RATE};
use crate::watch::alertmanager::Board;

/// How long the body of a request may take.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

/// Where messages are taken.
pub(super) struct Desk {
    /// Of the token: digests of one length are compared, whatever is shown.
    token: Sha256,
    board: Mutex<Board>,
    rate: Mutex<Rate>,
}

/// How many messages may come now.
struct Rate {
    left: f64,
    at: Duration,
}

impl Rate {
    fn take(&mut self, now: Duration) -> bool {
        let most = f64::from(MAX_WEBHOOK_RATE);
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * most).min(most);
        self.at = now;
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// An answer: status, a header, words.
type Answer = (StatusCode, Option<(HeaderName, &'static str)>, String);

impl Desk {
    pub(super) fn new(token: &str, board: Board) -> Self {
        Desk {
            token: Sha256::of(token.as_bytes()),
            board: Mutex::new(board),
            rate: Mutex::new(Rate {
                left: f64::from(MAX_WEBHOOK_RATE),
                at: clock::elapsed(),
            }),
        }
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        // A board is whole after every step.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, header, words) = match self.decide(request).await {
            Ok(()) => (StatusCode::OK, None, String::new()),
            Err(answer) => answer,
        };
        let mut response = Response::new(Full::new(Bytes::from(words)));
        *response.status_mut() = status;
        if let Some((name, value)) = header {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        if status != StatusCode::OK {
            // What was not read of the request is not waited for.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Ok(response)
    }

    async fn decide(&self, request: Request<Incoming>) -> Result<(), Answer> {
        if !self.is_known(&request) {
            let header = Some((WWW_AUTHENTICATE, "Bearer"));
            return Err((StatusCode::UNAUTHORIZED, header, "want the token\n".into()));
        }
        if request.method() != Method::POST {
            let header = Some((ALLOW, "POST"));
            return Err((StatusCode::METHOD_NOT_ALLOWED, header, "want POST\n".into()));
        }
        let now = clock::elapsed();
        let may = {
            let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
            rate.take(now)
        };
        if !may {
            let header = Some((RETRY_AFTER, "1"));
            let words = format!("want at most {MAX_WEBHOOK_RATE} messages a second\n");
            return Err((StatusCode::TOO_MANY_REQUESTS, header, words));
        }
        let limit = usize::try_from(MAX_WEBHOOK_LEN).unwrap_or(usize::MAX);
        let body = Limited::new(request.into_body(), limit).collect();
        let bad = |words: String| (StatusCode::BAD_REQUEST, None, words + "\n");
        let body = match timeout(BODY_PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(e)) if e.is::<LengthLimitError>() => {
                let words = format!("want at most {limit} bytes\n");
                return Err((StatusCode::PAYLOAD_TOO_LARGE, None, words));
            }
            Ok(Err(e)) => return Err(bad(format!("the request broke off: {e}"))),
            Err(_) => {
                let words = "the request took too long\n".to_owned();
                return Err((StatusCode::REQUEST_TIMEOUT, None, words));
            }
        };
        self.board().take(&body, now).map_err(bad)
    }

    fn is_known(&self, request: &Request<Incoming>) -> bool {
        let shown = request.headers().get(AUTHORIZATION);
        let shown = shown.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let digest = Sha256::of(shown.unwrap_or_default());
        // Compares all bytes, wherever the first difference is.
        let pairs = digest.0.iter().zip(&self.token.0);
        pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}
