//! The archive room: unpacks and checks an archive on several threads. No files here: a [`Sink`]
//! gets the contents.

use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use flate2::read::MultiGzDecoder;
use libdeflater::Decompressor;

use super::gzip::{self, HEADER_LEN};
use super::problem::{Problem, Stop, UnpackError};
use super::tar_reader::TarReader;
use super::{MAX_UNPACK_THREADS, Member, MemberPath, path};
use crate::hash::Sha256;
use crate::limits::{GZIP_MEMBER_TAR_LEN, MAX_ARCHIVE_LEN, MAX_GZIP_MEMBER_LEN};
use crate::{Error, Result};

/// Gets the files of an archive, in order, on the thread that called [`unpack`].
///
/// For each file: one `begin`, any number of `data`, one `end`. `end` comes only when the digest
/// was the wanted one, and after the first problem nothing comes any more: what was begun and not
/// ended, and all of it when [`unpack`] fails, is to be thrown away.
pub trait Sink {
    /// A file of `len` bytes follows.
    ///
    /// # Errors
    /// Any; it ends the unpacking.
    fn begin(&mut self, path: &MemberPath, executable: bool, len: u64) -> Result<()>;

    /// The next bytes of the file, at most [`GZIP_MEMBER_TAR_LEN`].
    ///
    /// # Errors
    /// Any; it ends the unpacking.
    fn data(&mut self, bytes: &[u8]) -> Result<()>;

    /// The file is complete and has this digest, which is the wanted one.
    ///
    /// # Errors
    /// Any; it ends the unpacking.
    fn end(&mut self, sha256: Sha256) -> Result<()>;
}

/// A whole archive in which every file had the wanted digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The files, in the archive's order.
    pub members: Vec<Member>,
    /// Sum of their lengths in bytes.
    pub len: u64,
}

/// Checks an archive against the digests `wanted` of the files below `prefix/`, and hands the
/// files to `sink` on the way. One pass; about 2 x `threads` x 2 MiB of memory.
///
/// The caller has checked the archive's own digest; nothing is believed for that. Our own format
/// (see the [module](super)) inflates on `threads` threads (1 to
/// [`MAX_UNPACK_THREADS`]), any other gzip
/// on this one.
///
/// # Errors
/// [`UnpackError::Refused`] with all problems: wrong digests, unexpected and missing files, and
/// the first fault of form (gzip, tar, names, limits), after which nothing more can be judged.
/// [`UnpackError::Failed`] when `archive` cannot be read or `sink` fails.
pub fn unpack(
    archive: &mut (dyn Read + Send),
    prefix: &str,
    wanted: &BTreeMap<String, Sha256>,
    threads: usize,
    sink: Option<&mut dyn Sink>,
) -> Result<Unpacked, UnpackError> {
    let mut tar = TarReader::new(prefix, wanted, sink);
    let done = if let Some(fault) = path::prefix_fault(prefix) {
        let found = format!("a prefix that {fault}");
        Err(Problem::new("name", prefix, found, "a tag").into())
    } else {
        let mut head = [0; HEADER_LEN];
        match read_full(archive, &mut head) {
            Err(stop) => Err(stop),
            Ok(len) => {
                let head = head.get(..len).unwrap_or_default();
                if gzip::is_ours(head) {
                    parallel(
                        head,
                        archive,
                        threads.clamp(1, MAX_UNPACK_THREADS),
                        &mut tar,
                    )
                } else {
                    sequential(head, archive, &mut tar)
                }
            }
        }
    };
    tar.finish(done)
}

/// Any gzip, through `flate2`.
fn sequential(
    head: &[u8],
    archive: &mut dyn Read,
    tar: &mut TarReader<'_, '_>,
) -> Result<(), Stop> {
    let limited = head.chain(archive).take(MAX_ARCHIVE_LEN);
    let mut gzip = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, limited));
    let mut buffer = vec![0; 1 << 18];
    loop {
        match gzip.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => tar.push(buffer.get(..len).unwrap_or_default())?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                use ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
                if matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof) {
                    return Err(bad_gzip(
                        format!("broken data ({e})"),
                        "whole members alone",
                    ));
                }
                return Err(unreadable(&e));
            }
        }
    }
}

/// A member on its way: read, inflated, parsed, and its buffers used again.
struct Job {
    gz: Vec<u8>,
    gz_len: usize,
    tar: Box<[u8; GZIP_MEMBER_TAR_LEN]>,
    tar_len: usize,
}

type Step = Result<Job, Stop>;

/// Our format: a thread reads, `threads` inflate, this one parses. Members go round the workers
/// in turn and are taken back in turn, so that order costs nothing; the number of jobs bounds
/// the memory. Whoever gives up drops its channel ends and the others follow.
fn parallel(
    head: &[u8],
    archive: &mut (dyn Read + Send),
    threads: usize,
    tar: &mut TarReader<'_, '_>,
) -> Result<(), Stop> {
    let mut archive = head.chain(archive).take(MAX_ARCHIVE_LEN + 1);
    thread::scope(|scope| {
        let (free, idle) = channel();
        for _ in 0..2 * threads {
            // The receiver lives: it is moved to the reader below.
            let _ = free.send(Job::new());
        }
        let mut to_workers = Vec::new();
        let mut results = Vec::new();
        for _ in 0..threads {
            let (to_worker, work) = channel();
            let (done, result) = channel();
            scope.spawn(move || inflate_all(&work, &done));
            to_workers.push(to_worker);
            results.push(result);
        }
        scope.spawn(move || read_members(&mut archive, &idle, &to_workers));
        let mut last = false;
        for result in results.iter().cycle() {
            let Ok(step) = result.recv() else { break };
            let job = step?;
            if last {
                return Err(bad_gzip(
                    "a member after a short one",
                    "1 MiB of tar in each but the last",
                ));
            }
            last = job.tar_len < GZIP_MEMBER_TAR_LEN;
            tar.push(job.tar.get(..job.tar_len).unwrap_or_default())?;
            // No reader any more means that it has read everything.
            let _ = free.send(job);
        }
        Ok(())
    })
}

fn read_members(archive: &mut impl Read, idle: &Receiver<Job>, workers: &[Sender<Step>]) {
    let mut total = 0;
    for worker in workers.iter().cycle() {
        let Ok(job) = idle.recv() else { return };
        let step = match read_member(archive, job, &mut total) {
            Ok(None) => return,
            Ok(Some(job)) => Ok(job),
            Err(stop) => Err(stop),
        };
        let failed = step.is_err();
        if worker.send(step).is_err() || failed {
            return;
        }
    }
}

fn read_member(
    archive: &mut impl Read,
    mut job: Job,
    total: &mut u64,
) -> Result<Option<Job>, Stop> {
    let mut header = [0; HEADER_LEN];
    match read_full(archive, &mut header)? {
        0 => return Ok(None),
        HEADER_LEN => {}
        len => {
            return Err(bad_gzip(
                format!("{len} bytes after the last member"),
                "the end or another member",
            ));
        }
    }
    let len = gzip::member_len(&header)?;
    *total += len as u64;
    if *total > MAX_ARCHIVE_LEN {
        let wanted = format!("at most {MAX_ARCHIVE_LEN}");
        let found = format!("{total} bytes or more");
        return Err(Problem::new("limit", "archive", found, wanted).into());
    }
    job.gz_len = len;
    let (start, rest) = job
        .gz
        .get_mut(..len)
        .and_then(|gz| gz.split_first_chunk_mut())
        .ok_or_else(|| Error::bug(format!("no room for a member of {len} bytes")))?;
    *start = header;
    let have = read_full(archive, rest)? + HEADER_LEN;
    if have != len {
        return Err(bad_gzip(
            format!("an end after {have} bytes of a member"),
            format!("{len} bytes"),
        ));
    }
    Ok(Some(job))
}

fn inflate_all(work: &Receiver<Step>, done: &Sender<Step>) {
    let mut inflater = Decompressor::new();
    while let Ok(step) = work.recv() {
        let step = step.and_then(|mut job| {
            let gz = job.gz.get(..job.gz_len).unwrap_or_default();
            job.tar_len = gzip::inflate(&mut inflater, gz, &mut job.tar)?;
            Ok(job)
        });
        if done.send(step).is_err() {
            return;
        }
    }
}

impl Job {
    fn new() -> Self {
        Job {
            gz: vec![0; MAX_GZIP_MEMBER_LEN],
            gz_len: 0,
            tar: zeroed(),
            tar_len: 0,
        }
    }
}

/// Straight from the allocator: an array literal of this size would go over the stack.
fn zeroed() -> Box<[u8; GZIP_MEMBER_TAR_LEN]> {
    match vec![0; GZIP_MEMBER_TAR_LEN].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => Box::new([0; GZIP_MEMBER_TAR_LEN]),
    }
}

/// Fills `buffer` as far as the input reaches.
fn read_full(from: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> Result<usize, Stop> {
    let mut have = 0;
    while let Some(room) = buffer.get_mut(have..).filter(|room| !room.is_empty()) {
        match from.read(room) {
            Ok(0) => break,
            Ok(len) => have += len,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(&e)),
        }
    }
    Ok(have)
}

fn unreadable(e: &io::Error) -> Stop {
    Error::failed("cannot read the archive").caused_by(e).into()
}

fn bad_gzip(found: impl Into<String>, wanted: impl Into<String>) -> Stop {
    Problem::new("gzip", "archive", found, wanted).into()
}
