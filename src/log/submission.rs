//! Asks witnesses for cosignatures on a checkpoint (C2SP tlog-witness, the log's side). Pure: how
//! requests travel is [`Transport`]'s affair, and an answer counts only once its signature verified.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::add_checkpoint::{Answer, PATH, Request};
use super::checkpoint::VerifiedCheckpoint;
use super::cosignature::CosignerKey;
use super::note::Signature;
use super::text;
use crate::hash::Sha256;
use crate::limits::{MAX_SHOWN_ANSWER, MAX_WITNESS_ROUNDS, MAX_WITNESS_SKEW_SECONDS};
use crate::{Error, Kind, Result};

/// One HTTP POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// `http://` or `https://`.
    pub url: String,
    /// At most [`crate::limits::MAX_ADD_CHECKPOINT_LEN`] bytes.
    pub body: Vec<u8>,
}

/// What came back. Nothing of it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`, if there is one that is text.
    pub content_type: Option<String>,
    /// At most [`crate::limits::MAX_WITNESS_ANSWER_LEN`] bytes.
    pub body: Vec<u8>,
}

/// Whatever carries requests to witnesses.
pub trait Transport {
    /// Posts all at once, each with its deadline; one reply or error each, in order.
    fn post_all(&self, posts: &[Post]) -> Vec<Result<Reply>>;
}

/// A witness to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The key whose signature is wanted.
    pub key: CosignerKey,
    /// Its submission prefix, as policy names it; a slash at its end is not part of it.
    pub url: String,
}

/// A cosignature that verified. Only [`submit`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    line: Signature,
    time: Timestamp,
}

impl Cosigned {
    /// The line, for [`super::Note::add_cosignature`].
    pub fn line(&self) -> &Signature {
        &self.line
    }

    /// When the witness says it signed.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Tells of a witness whose clock is more than [`MAX_WITNESS_SKEW_SECONDS`] from this one's. Its
    /// cosignature is good, and a quorum's time is bounded by the others'; but where the quorum
    /// needs it, readers refuse a time ahead of their clocks, and one far behind is soon too old.
    ///
    /// # Errors
    /// Failed, with both times.
    pub fn check_clock(&self, now: Timestamp) -> Result<()> {
        let skew = SignedDuration::from_secs(MAX_WITNESS_SKEW_SECONDS);
        if self.time.duration_since(now).abs() <= skew {
            return Ok(());
        }
        Err(Error::failed(format!(
            "witness {} cosigned at {}, it is now {now}: a clock is wrong by more than \
             {MAX_WITNESS_SKEW_SECONDS} seconds",
            text::quote(self.line.name()),
            self.time
        ))
        .hint("compare this machine's clock with others: timedatectl status"))
    }
}

/// What became of asking one witness.
///
/// The error is refused where the witness has seen another history of the log, which must not be
/// published over; failed where it only gives no cosignature now.
pub type Outcome = Result<Cosigned>;

/// Asks all of `asked` to cosign `checkpoint`, in parallel; one outcome each, in order.
/// `old_size_guess` is the size that they have probably seen, the one published before. Whoever
/// has seen another is asked again from there, in at most [`MAX_WITNESS_ROUNDS`] rounds. `prove`
/// makes the consistency proof from a tree of that size to the checkpoint's (RFC 6962, section
/// 2.1.2).
pub fn submit(
    asked: &[Asked],
    checkpoint: &VerifiedCheckpoint,
    old_size_guess: u64,
    prove: &dyn Fn(u64) -> Result<Vec<Sha256>>,
    transport: &dyn Transport,
) -> Vec<Outcome> {
    let size = checkpoint.head().size;
    let mut bodies = Bodies {
        checkpoint,
        prove,
        made: BTreeMap::new(),
    };
    let mut states: Vec<State> = asked
        .iter()
        .map(|_| State::Ask(old_size_guess.min(size)))
        .collect();
    for round in 1..=MAX_WITNESS_ROUNDS {
        let mut posts = Vec::new();
        let mut posted = Vec::new();
        for (at, (asked, state)) in asked.iter().zip(&mut states).enumerate() {
            let State::Ask(old) = *state else { continue };
            match bodies.of(old) {
                Ok(body) => {
                    posts.push(Post {
                        url: format!("{}{PATH}", asked.url.trim_end_matches('/')),
                        body,
                    });
                    posted.push((at, old));
                }
                Err(e) => {
                    *state = State::Done(Err(e.under(format!("{} was not asked", who(asked)))))
                }
            }
        }
        if posts.is_empty() {
            break;
        }
        let mut replies = transport.post_all(&posts).into_iter();
        for (at, old) in posted {
            let (Some(asked), Some(state)) = (asked.get(at), states.get_mut(at)) else {
                continue;
            };
            let reply = replies
                .next()
                .unwrap_or_else(|| Err(Error::bug("a request without a reply")));
            *state = Asking {
                asked,
                checkpoint,
                old,
                last: round == MAX_WITNESS_ROUNDS,
            }
            .hear(reply);
        }
    }
    let states = states.into_iter();
    states
        .map(|state| match state {
            State::Done(outcome) => outcome,
            State::Ask(_) => Err(Error::bug("a witness was left without an answer")),
        })
        .collect()
}

enum State {
    /// To be asked from this size.
    Ask(u64),
    Done(Outcome),
}

/// Bodies of requests, one for each old size.
struct Bodies<'a> {
    checkpoint: &'a VerifiedCheckpoint,
    prove: &'a dyn Fn(u64) -> Result<Vec<Sha256>>,
    made: BTreeMap<u64, Result<Vec<u8>>>,
}

impl Bodies<'_> {
    fn of(&mut self, old: u64) -> Result<Vec<u8>> {
        let make = || {
            let proof = match old {
                0 => Vec::new(),
                old => (self.prove)(old).map_err(|e| {
                    e.under(format!(
                        "cannot prove that the log's size {} extends its size {old}",
                        self.checkpoint.head().size
                    ))
                })?,
            };
            let request = Request::new(old, proof, self.checkpoint.note().clone())?;
            Ok(request.to_string().into_bytes())
        };
        self.made.entry(old).or_insert_with(make).clone()
    }
}

/// One request that was sent.
struct Asking<'a> {
    asked: &'a Asked,
    checkpoint: &'a VerifiedCheckpoint,
    old: u64,
    last: bool,
}

impl Asking<'_> {
    fn hear(&self, reply: Result<Reply>) -> State {
        match reply.and_then(|reply| self.read(&reply)) {
            Ok(Answer::Conflict(seen)) => self.resume(seen),
            Ok(Answer::Cosigned(lines)) => State::Done(self.pick(&lines)),
            Ok(answer) => State::Done(Err(self.no(&answer))),
            // Whatever a witness that cannot be reached or understood means, it is no fork.
            Err(e) => State::Done(Err(e
                .with_kind(Kind::Failed)
                .under(format!("{} gave no cosignature", who(self.asked))))),
        }
    }

    fn read(&self, reply: &Reply) -> Result<Answer> {
        Answer::parse(reply.status, reply.content_type.as_deref(), &reply.body).map_err(|e| {
            e.under("its answer is none of tlog-witness")
                .caused_by(format!("status {}: {}", reply.status, said(&reply.body)))
                .hint(format!(
                    "is this its submission prefix? curl -si {}{PATH}",
                    self.asked.url.trim_end_matches('/')
                ))
        })
    }

    /// The witness has seen the log at another size than it was asked from.
    fn resume(&self, seen: u64) -> State {
        let size = self.checkpoint.head().size;
        if seen > size {
            return State::Done(Err(Error::refused(format!(
                "{} has seen log {} at size {seen}, this is size {size}: the log was put back, or has two \
                 histories",
                who(self.asked),
                text::quote(self.checkpoint.origin())
            ))
            .hint(COMPARE)));
        }
        if seen == self.old || self.last {
            return State::Done(Err(Error::failed(format!(
                "{} gave no cosignature: asked from size {}, it wants to be asked from size {seen}",
                who(self.asked),
                self.old
            ))
            .hint(match seen == self.old {
                true => "it contradicts itself: tell whoever runs it",
                false => "somebody else submits checkpoints of this log: find out who",
            })));
        }
        State::Ask(seen)
    }

    /// The newest good line of the key that was asked for; other keys' lines do not count.
    fn pick(&self, lines: &[Signature]) -> Outcome {
        let key = &self.asked.key;
        let note_text = self.checkpoint.note().unverified_text();
        let mut best: Option<Cosigned> = None;
        for line in lines.iter().filter(|line| key.is_claimed_by(line)) {
            let time = key.check(note_text, line).map_err(|e| {
                e.with_kind(Kind::Failed)
                    .under(format!("{} gave a wrong cosignature", who(self.asked)))
                    .hint("tell whoever runs it; its key may be in wrong hands")
            })?;
            if best.as_ref().is_none_or(|best| best.time < time) {
                let line = line.clone();
                best = Some(Cosigned { line, time });
            }
        }
        best.ok_or_else(|| {
            let names: Vec<&str> = lines.iter().map(Signature::name).collect();
            Error::failed(format!(
                "{} cosigned with other keys, of {}, wanted {key}",
                who(self.asked),
                text::quote(&names.join(" "))
            ))
            .hint("was its key changed? ask whoever runs it for the vkey, and put it into the policy: relman root witnesses FILE")
        })
    }

    /// An answer that is no cosignature and no size.
    fn no(&self, answer: &Answer) -> Error {
        let (who, size) = (who(self.asked), self.checkpoint.head().size);
        let log = text::quote(self.checkpoint.origin());
        let told = |e: Error| {
            let body = answer.body();
            match body.trim().is_empty() {
                true => e,
                false => e.caused_by(format!("it says {}", said(body.as_bytes()))),
            }
        };
        match answer {
            // A witness that knows nothing of the log has nothing to compare.
            Answer::Inconsistent(_) if self.old > 0 => told(Error::refused(format!(
                "{who} does not cosign log {log} at size {size}: it has seen another history up to size {}",
                self.old
            )))
            .hint(COMPARE),
            Answer::UnknownLog(_) => told(Error::failed(format!("{who} does not watch log {log}")))
                .hint("give whoever runs it the log's key: keys/log.vkey"),
            Answer::BadSignature(_) => told(Error::failed(format!(
                "{who} knows no key that signed log {log}"
            )))
            .hint("after a change of the log's key, give whoever runs it the new one: keys/log.vkey"),
            Answer::Other(status @ (429 | 503), _) => told(Error::failed(format!(
                "{who} is too busy (status {status})"
            )))
            .hint("run the same command again in a minute"),
            Answer::Other(status @ 300..=399, _) => told(Error::failed(format!(
                "{who} redirects (status {status}), which is not followed"
            )))
            .hint("put its new address into the policy: relman root witnesses FILE"),
            answer => told(Error::failed(format!(
                "{who} gave no cosignature: status {}",
                answer.status()
            )))
            .hint("tell whoever runs it"),
        }
    }
}

/// What to do where a witness has seen something else.
const COMPARE: &str = "publish nothing more; compare the store with mirrors and other people's copies: \
                       relman audit";

fn who(asked: &Asked) -> String {
    format!(
        "witness {} at {}",
        asked.key.name(),
        text::quote(&asked.url)
    )
}

/// A witness's words for a terminal: escaped and bounded.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut chars = text.trim_end().chars();
    let shown: String = chars.by_ref().take(MAX_SHOWN_ANSWER).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{shown:?}{more}")
}
