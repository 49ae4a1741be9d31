//! The archive room: checks a tar that is pushed in piece by piece. No threads, no gzip here.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Bound;

use super::problem::{Problem, Stop, UnpackError};
use super::unpack::{Sink, Unpacked};
use super::ustar::{self, BLOCK, Kind};
use super::{Member, path};
use crate::hash::{Hasher, Sha256};
use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_TAR_PADDING_LEN, MAX_UNPACKED_LEN};

/// The state between two pieces of a tar.
pub(super) struct TarReader<'a, 's> {
    prefix: &'a str,
    wanted: &'a BTreeMap<String, Sha256>,
    sink: Option<&'a mut (dyn Sink + 's)>,
    state: State,
    /// Every name so far, below the prefix; true for a directory.
    names: BTreeMap<String, bool>,
    members: Vec<Member>,
    problems: Vec<Problem>,
    unpacked: u64,
}

enum State {
    Header {
        block: Box<[u8; BLOCK]>,
        have: usize,
    },
    Data {
        file: Box<File>,
        left: u64,
    },
    Padding {
        left: usize,
    },
    End {
        zeros: u64,
    },
}

struct File {
    member: Member,
    hasher: Hasher,
}

impl<'a, 's> TarReader<'a, 's> {
    pub(super) fn new(
        prefix: &'a str,
        wanted: &'a BTreeMap<String, Sha256>,
        sink: Option<&'a mut (dyn Sink + 's)>,
    ) -> Self {
        TarReader {
            prefix,
            wanted,
            sink,
            state: State::header(),
            names: BTreeMap::new(),
            members: Vec::new(),
            problems: Vec::new(),
            unpacked: 0,
        }
    }

    /// Takes the next piece; the sink is called while this runs.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let state = mem::replace(&mut self.state, State::End { zeros: 0 });
            self.state = match state {
                State::Header { mut block, have } => {
                    let room = block.get_mut(have..).unwrap_or_default();
                    let piece = take(&mut bytes, room.len());
                    for (to, from) in room.iter_mut().zip(piece) {
                        *to = *from;
                    }
                    match have + piece.len() {
                        BLOCK => self.header(&block)?,
                        have => State::Header { block, have },
                    }
                }
                State::Data { mut file, left } => {
                    let piece = take(&mut bytes, usize::try_from(left).unwrap_or(usize::MAX));
                    file.hasher.update(piece);
                    if let Some(sink) = self.live_sink() {
                        sink.data(piece)?;
                    }
                    match left - piece.len() as u64 {
                        0 => self.end_file(*file)?,
                        left => State::Data { file, left },
                    }
                }
                State::Padding { left } => {
                    let piece = take(&mut bytes, left);
                    self.zeros(piece, "between two entries")?;
                    match left - piece.len() {
                        0 => State::header(),
                        left => State::Padding { left },
                    }
                }
                State::End { zeros } => {
                    let piece = mem::take(&mut bytes);
                    self.zeros(piece, "after the end of the archive")?;
                    let zeros = zeros + piece.len() as u64;
                    if zeros > 2 * BLOCK as u64 + MAX_TAR_PADDING_LEN {
                        return Err(limit(
                            "more zeros after the end of the archive",
                            format!("at most {MAX_TAR_PADDING_LEN}"),
                        ));
                    }
                    State::End { zeros }
                }
            };
        }
        Ok(())
    }

    /// The result, after the last piece went in.
    ///
    /// # Errors
    /// `stop` if something ended the work early; every problem found otherwise.
    pub(super) fn finish(mut self, stop: Result<(), Stop>) -> Result<Unpacked, UnpackError> {
        match stop.and_then(|()| self.check_end()) {
            Ok(()) => self.check_missing(),
            Err(Stop::Refused(problem)) => self.problems.push(problem),
            Err(Stop::Failed(error)) => return Err(UnpackError::Failed(error)),
        }
        if self.problems.is_empty() {
            let (members, len) = (self.members, self.unpacked);
            Ok(Unpacked { members, len })
        } else {
            Err(UnpackError::Refused(self.problems))
        }
    }

    fn check_end(&self) -> Result<(), Stop> {
        let found = match &self.state {
            State::End { zeros } if *zeros >= 2 * BLOCK as u64 && zeros % BLOCK as u64 == 0 => {
                return Ok(());
            }
            State::End { zeros } => format!("an end marker of {zeros} zeros"),
            State::Header { have: 0, .. } => "no end marker".into(),
            State::Header { have, .. } => format!("an end after {have} bytes of a header"),
            State::Data { file, left } => {
                format!("an end {left} bytes before that of {}", file.member.path)
            }
            State::Padding { .. } => "an end inside padding".into(),
        };
        Err(tar("archive", found, "two zero blocks at the end").into())
    }

    fn check_missing(&mut self) {
        for (path, sha256) in self.wanted {
            if self.names.get(path) != Some(&false) {
                let wanted = format!("a file with sha256 {sha256}");
                let problem = Problem::new("members", path, "no such file", wanted);
                self.problems.push(problem);
            }
        }
    }

    /// The sink, as long as there is no problem: what is refused anyway need not be written.
    fn live_sink(&mut self) -> Option<&mut (dyn Sink + 's)> {
        match &mut self.sink {
            Some(sink) if self.problems.is_empty() => Some(&mut **sink),
            _ => None,
        }
    }

    fn zeros(&self, bytes: &[u8], place: &str) -> Result<(), Stop> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(tar("archive", format!("data {place}"), "zeros").into())
    }

    fn header(&mut self, block: &[u8; BLOCK]) -> Result<State, Stop> {
        if block.iter().all(|byte| *byte == 0) {
            let zeros = BLOCK as u64;
            return Ok(State::End { zeros });
        }
        let header = ustar::read(block)?;
        if self.names.len() == MAX_ARCHIVE_ENTRIES {
            return Err(limit(
                "more entries",
                format!("at most {MAX_ARCHIVE_ENTRIES}"),
            ));
        }
        let below = match header.path.strip_prefix(self.prefix) {
            Some("") if header.kind == Kind::Directory => "",
            Some(rest) if rest.starts_with('/') => rest.get(1..).unwrap_or_default(),
            _ => {
                // A hostile name deserves its true reason, not only "wrong place".
                let fault = path::fault(&header.path).unwrap_or("is outside the prefix");
                let wanted = format!("a name below {}/", self.prefix);
                return Err(name(header.path, fault, wanted).into());
            }
        };
        let is_directory = header.kind == Kind::Directory;
        self.check_name(below, is_directory)?;
        self.names.insert(below.to_owned(), is_directory);
        match header.kind {
            Kind::Directory => Ok(State::header()),
            Kind::File { executable, len } => self.begin_file(below, executable, len),
        }
    }

    /// No two entries of one name, and nothing below a file.
    fn check_name(&self, below: &str, is_directory: bool) -> Result<(), Stop> {
        if !(is_directory && below.is_empty())
            && let Some(fault) = path::fault(below)
        {
            return Err(name(below, fault, "a plain relative path").into());
        }
        if self.names.contains_key(below) {
            return Err(name(below, "is there twice", "one entry of each name").into());
        }
        let parents = below
            .match_indices('/')
            .filter_map(|(at, _)| below.get(..at));
        for parent in parents {
            if self.names.get(parent) == Some(&false) {
                return Err(name(below, "is below a file", "a directory above it").into());
            }
        }
        let children = format!("{below}/");
        let from = (Bound::Included(children.as_str()), Bound::Unbounded);
        let next = self.names.range::<str, _>(from).next();
        if !is_directory && next.is_some_and(|(path, _)| path.starts_with(&children)) {
            return Err(name(below, "is a file above other files", "a directory").into());
        }
        Ok(())
    }

    fn begin_file(&mut self, below: &str, executable: bool, len: u64) -> Result<State, Stop> {
        let path = super::MemberPath::new(below)?;
        self.unpacked = self.unpacked.saturating_add(len);
        if self.unpacked > MAX_UNPACKED_LEN {
            return Err(limit(
                format!("{} bytes or more, unpacked", self.unpacked),
                format!("at most {MAX_UNPACKED_LEN}"),
            ));
        }
        if !self.wanted.contains_key(below) {
            let wanted = "only files that the provenance lists";
            let problem = Problem::new("members", below, "an unexpected file", wanted);
            self.problems.push(problem);
        }
        if let Some(sink) = self.live_sink() {
            sink.begin(&path, executable, len)?;
        }
        let sha256 = Sha256([0; 32]);
        let file = File {
            member: Member {
                path,
                sha256,
                len,
                executable,
            },
            hasher: Hasher::new(),
        };
        match len {
            0 => self.end_file(file),
            left => Ok(State::Data {
                file: Box::new(file),
                left,
            }),
        }
    }

    fn end_file(&mut self, file: File) -> Result<State, Stop> {
        let File { mut member, hasher } = file;
        member.sha256 = hasher.finish();
        match self.wanted.get(member.path.as_str()) {
            Some(wanted) if *wanted != member.sha256 => self.problems.push(Problem::new(
                "digest",
                member.path.as_str(),
                format!("sha256 {}", member.sha256),
                wanted.hex(),
            )),
            _ => {
                if let Some(sink) = self.live_sink() {
                    sink.end(member.sha256)?;
                }
            }
        }
        let rest = (member.len % BLOCK as u64) as usize;
        self.members.push(member);
        Ok(match rest {
            0 => State::header(),
            rest => State::Padding { left: BLOCK - rest },
        })
    }
}

impl State {
    fn header() -> Self {
        State::Header {
            block: Box::new([0; BLOCK]),
            have: 0,
        }
    }
}

/// Splits up to `len` bytes off the front.
fn take<'b>(bytes: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (front, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
    *bytes = rest;
    front
}

fn tar(subject: impl Into<String>, found: impl Into<String>, wanted: &str) -> Problem {
    Problem::new("tar", subject, found, wanted)
}

fn name(subject: impl Into<String>, fault: &str, wanted: impl Into<String>) -> Problem {
    Problem::new("name", subject, format!("a name that {fault}"), wanted)
}

fn limit(found: impl Into<String>, wanted: String) -> Stop {
    Problem::new("limit", "archive", found, wanted).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_too_large_together_are_refused_before_their_contents() {
        let wanted = BTreeMap::new();
        let mut reader = TarReader::new("tag", &wanted, None);
        reader.unpacked = MAX_UNPACKED_LEN - 3;
        let header = |name, len| ustar::write(name, false, len, 0).unwrap();
        assert!(reader.push(&header("tag/a", 0)).is_ok());
        match reader.push(&header("tag/b", 4)) {
            Err(Stop::Refused(problem)) => assert_eq!(problem.check, "limit"),
            other => panic!("not refused: {other:?}"),
        }
    }
}
