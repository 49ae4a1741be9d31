//! A witness's answer to `add-checkpoint`: its status, type and body, made and read.

use super::super::note::Signature;
use super::super::text;
use crate::error::Context;
use crate::limits::{MAX_WITNESS_ANSWER_LEN, MAX_WITNESS_ANSWER_LINES};
use crate::{Error, Result};

/// The content type of the size in an answer 409 (tlog-witness, "add-checkpoint").
pub const SIZE_TYPE: &str = "text/x.tlog.size";
/// The content type of all other answers, which the specification leaves open.
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// What a witness answers, well-formed but **unverified**. Texts are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: signature lines on the checkpoint, at least one.
    Cosigned(Vec<Signature>),
    /// 409: the size of the newest checkpoint that it cosigned of this log.
    Conflict(u64),
    /// 404: it does not know the log.
    UnknownLog(String),
    /// 403: no good signature by a key that it knows as the log's.
    BadSignature(String),
    /// 400: no request in the sense of the specification, or an old size above the new one.
    Malformed(String),
    /// 422: the new tree does not extend the one that it knows.
    Inconsistent(String),
    /// Any other: the service is not there, too busy, or broken. The status and its text.
    Other(u16, String),
}

impl Answer {
    /// Reads an answer; `content_type` is the header of that name.
    ///
    /// # Errors
    /// Refused: 200 without a well-formed signature line or with more than
    /// [`MAX_WITNESS_ANSWER_LINES`], 409 without a size, a body of more than
    /// [`MAX_WITNESS_ANSWER_LEN`] bytes.
    pub fn parse(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Self> {
        if body.len() as u64 > MAX_WITNESS_ANSWER_LEN {
            return Err(Error::refused(format!(
                "answer has {} bytes, want at most {MAX_WITNESS_ANSWER_LEN}",
                body.len()
            )));
        }
        let said = || String::from_utf8_lossy(body).into_owned();
        Ok(match status {
            200 => Answer::Cosigned(lines(body)?),
            409 => Answer::Conflict(size(content_type, body)?),
            404 => Answer::UnknownLog(said()),
            403 => Answer::BadSignature(said()),
            400 => Answer::Malformed(said()),
            422 => Answer::Inconsistent(said()),
            other => Answer::Other(other, said()),
        })
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Answer::Cosigned(_) => 200,
            Answer::Conflict(_) => 409,
            Answer::UnknownLog(_) => 404,
            Answer::BadSignature(_) => 403,
            Answer::Malformed(_) => 400,
            Answer::Inconsistent(_) => 422,
            Answer::Other(status, _) => *status,
        }
    }

    /// The content type.
    pub fn content_type(&self) -> &'static str {
        match self {
            Answer::Conflict(_) => SIZE_TYPE,
            _ => TEXT_TYPE,
        }
    }

    /// The body.
    pub fn body(&self) -> String {
        match self {
            Answer::Cosigned(lines) => lines.iter().map(|line| format!("{line}\n")).collect(),
            Answer::Conflict(size) => format!("{size}\n"),
            Answer::UnknownLog(text)
            | Answer::BadSignature(text)
            | Answer::Malformed(text)
            | Answer::Inconsistent(text)
            | Answer::Other(_, text) => text.clone(),
        }
    }
}

fn lines(body: &[u8]) -> Result<Vec<Signature>> {
    let body = std::str::from_utf8(body).or_refused(|| "answer is not UTF-8".to_owned())?;
    let lines = body
        .strip_suffix('\n')
        .ok_or_else(|| Error::refused("answer ends without a newline, want signature lines"))?;
    let mut out = Vec::new();
    for line in lines.split('\n') {
        if out.len() == MAX_WITNESS_ANSWER_LINES {
            return Err(Error::refused(format!(
                "answer has more signature lines than {MAX_WITNESS_ANSWER_LINES}, want at most that many"
            )));
        }
        out.push(Signature::parse(line)?);
    }
    Ok(out)
}

/// A size in an answer that says that it is one: a proxy's own 409 is none.
fn size(content_type: Option<&str>, body: &[u8]) -> Result<u64> {
    let found = content_type.unwrap_or_default();
    let kind = found.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(SIZE_TYPE) {
        return Err(Error::refused(format!(
            "answer 409 has content type {}, want {SIZE_TYPE}",
            text::quote(found)
        )));
    }
    let body = String::from_utf8_lossy(body);
    let size = body.strip_suffix('\n').ok_or_else(|| {
        Error::refused(format!(
            "answer 409 says {}, want a size and a newline",
            text::quote(&body)
        ))
    })?;
    text::decimal(size, "size in answer 409")
}
