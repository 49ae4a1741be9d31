//! Room `io`: conditional requests for the heads of a store. What is kept here is only what a server
//! called a version (`ETag`, `Last-Modified`); the bytes that a "304 Not Modified" stands for are the
//! node's own copy, which only verification puts there. So a server, or whoever spoke in its place,
//! can plant nothing: bytes that were refused never became the node's copy.

use std::path::PathBuf;

use reqwest::header::{
    DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use serde::{Deserialize, Serialize};

use crate::hash::Sha256;
use crate::io::{clock, durable};
use crate::limits::{MAX_VALIDATOR_LEN, MAX_VALIDATORS_LEN};

/// A wrong validator, as from somebody who once spoke in the server's place, makes the server say
/// "not modified" for ever; this is how long it can.
const MAX_AGE_SECONDS: i64 = 3600;

/// The heads, and where below its state directory a node has its verified copy of each.
const HEADS: [(&str, &str); 2] = [
    ("metadata/timestamp.json", "trust/timestamp.json"),
    ("log/checkpoint", "log/checkpoint"),
];

/// What a server calls the version of an object that it sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    /// Those of an answer; bounded, and of characters that may stand in a request. None where the
    /// object was written in the second in which it was sent: another version of that second would
    /// bear the same date, and with some servers the same tag (RFC 9110, section 8.8.2.2).
    pub fn of(headers: &HeaderMap) -> Self {
        let written = headers.get(LAST_MODIFIED);
        if written.is_some() && written == headers.get(DATE) {
            return Validators::default();
        }
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            (value.len() <= MAX_VALIDATOR_LEN).then(|| value.to_owned())
        };
        Validators {
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        }
    }

    /// For `If-Range`: a strong `ETag`, else the date (RFC 9110, section 13.1.5).
    pub fn for_range(&self) -> Option<HeaderValue> {
        let strong = self.etag.as_deref().filter(|tag| !tag.starts_with("W/"));
        HeaderValue::from_str(strong.or(self.last_modified.as_deref())?).ok()
    }

    /// The headers that make a request conditional; none without a validator.
    fn conditions(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: &Option<String>| {
            let value = value.as_deref().map(HeaderValue::from_str);
            if let Some(Ok(value)) = value {
                headers.insert(name, value);
            }
        };
        add(IF_NONE_MATCH, &self.etag);
        add(IF_MODIFIED_SINCE, &self.last_modified);
        headers
    }
}

/// An object that the node has, and how to ask whether it is still the newest.
#[derive(Debug)]
pub struct Known {
    /// The node's own copy.
    pub bytes: Vec<u8>,
    /// Conditions of the request.
    pub headers: HeaderMap,
}

/// One answer, remembered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    url: String,
    sha256: String,
    /// When the whole object came, in seconds since 1970.
    at: i64,
    validators: Validators,
}

/// What a node remembers of a store's heads, in its state directory. Losing or damaging it costs one
/// full request.
pub struct KeptHeads {
    state: PathBuf,
    now: i64,
}

impl KeptHeads {
    /// In `http/` below the state directory of a node, beside `trust/` and `log/`.
    pub fn in_state(state: impl Into<PathBuf>) -> Self {
        KeptHeads {
            state: state.into(),
            now: clock::now().as_second(),
        }
    }

    /// The node's copy of a head, if it is what the server sent last and that was not long ago.
    pub(super) fn known(&self, path: &str, url: &str, limit: u64) -> Option<Known> {
        let copy = own_copy(path)?;
        let text = durable::read_bounded(&self.file(url), MAX_VALIDATORS_LEN);
        let kept: Remembered = serde_json::from_slice(&text.ok()??).ok()?;
        let headers = kept.validators.conditions();
        let fresh = (0..=MAX_AGE_SECONDS).contains(&self.now.saturating_sub(kept.at));
        if kept.url != url || headers.is_empty() || !fresh {
            return None;
        }
        let bytes = durable::read_bounded(&self.state.join(copy), limit).ok()??;
        (Sha256::of(&bytes).hex() == kept.sha256).then_some(Known { bytes, headers })
    }

    /// Remembers the answer that brought a head. A disk that takes nothing costs the next full
    /// request and not this one.
    pub(super) fn remember(&self, path: &str, url: &str, bytes: &[u8], validators: Validators) {
        if own_copy(path).is_none() || validators.conditions().is_empty() {
            return;
        }
        let kept = Remembered {
            url: url.to_owned(),
            sha256: Sha256::of(bytes).hex(),
            at: self.now,
            validators,
        };
        if let Ok(text) = serde_json::to_vec(&kept) {
            let _ = durable::create_private_dir(&self.state.join("http"))
                .and_then(|()| durable::write_atomic(&self.file(url), &text, durable::MODE_SECRET));
        }
    }

    fn file(&self, url: &str) -> PathBuf {
        let name = Sha256::of(url.as_bytes()).hex();
        self.state.join("http").join(format!("{name}.json"))
    }
}

fn own_copy(path: &str) -> Option<&'static str> {
    let found = HEADS.iter().find(|(head, _)| *head == path);
    found.map(|(_, copy)| *copy)
}
