//! The archive room: packs files to an archive on several threads. No files here: contents come
//! from readers, the archive goes to a writer.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::ustar::{self, BLOCK};
use super::{MAX_THREADS, Member, MemberPath, gzip, path};
use crate::error::{Context, MAKE_ROOM};
use crate::hash::{Hasher, Sha256};
use crate::limits::{
    GZIP_MEMBER_TAR_LEN, MAX_ARCHIVE_ENTRIES, MAX_ARCHIVE_LEN, MAX_GZIP_MEMBER_LEN,
    MAX_UNPACKED_LEN,
};
use crate::{Error, Result};

/// Opens the contents of a file, once.
pub type Open<'a> = Box<dyn FnOnce() -> Result<Box<dyn Read + 'a>> + 'a>;

/// A file to pack.
pub struct Entry<'a> {
    /// Where it goes below the prefix; must make a [`MemberPath`].
    pub path: String,
    /// Mode 0755 instead of 0644.
    pub executable: bool,
    /// Length of the contents in bytes; they must have it exactly.
    pub len: u64,
    /// Called once, when the file's turn comes.
    pub open: Open<'a>,
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Digest of the archive.
    pub sha256: Sha256,
    /// Length of the archive in bytes.
    pub len: u64,
    /// Its files, sorted by the bytes of their paths.
    pub members: Vec<Member>,
}

/// Writes an archive of `entries`, in any order, below `prefix/` to `out`. The bytes depend on
/// names, modes, contents and `mtime` (seconds since 1970), not on `threads` (1 to
/// [`MAX_THREADS`]). One pass; about 2 x `threads` x 2 MiB of memory.
///
/// # Errors
/// Refused: names that cannot be members, that are there twice or are a file and a directory;
/// more or bigger files than the limits allow. Failed: a source that cannot be read or has
/// another length than said, and an `out` that cannot be written; `out` is then incomplete.
pub fn pack(
    prefix: &str,
    entries: Vec<Entry<'_>>,
    mtime: u64,
    threads: usize,
    out: &mut dyn Write,
) -> Result<Packed> {
    let entries = sorted(prefix, entries)?;
    thread::scope(|scope| {
        let mut to_workers = Vec::new();
        let mut results = Vec::new();
        for _ in 0..threads.clamp(1, MAX_THREADS) {
            let (to_worker, work) = channel();
            let (done, result) = channel();
            scope.spawn(move || compress_all(&work, &done));
            to_workers.push(to_worker);
            results.push(result);
        }
        let mut packer = Packer {
            tar: Vec::with_capacity(GZIP_MEMBER_TAR_LEN),
            idle: VecDeque::new(),
            to_workers,
            results,
            sent: 0,
            received: 0,
            out,
            hasher: Hasher::new(),
            len: 0,
        };
        let mut members = Vec::new();
        for (path, entry) in entries {
            members.push(packer.file(prefix, path, entry, mtime)?);
        }
        packer.zeros(2 * BLOCK)?;
        let (sha256, len) = packer.finish()?;
        Ok(Packed {
            sha256,
            len,
            members,
        })
    })
}

/// Sorted, after everything was checked that can be before any byte is read.
fn sorted<'a>(prefix: &str, entries: Vec<Entry<'a>>) -> Result<Vec<(MemberPath, Entry<'a>)>> {
    if let Some(fault) = path::prefix_fault(prefix) {
        return Err(Error::refused(format!(
            "archive prefix {prefix:?} {fault}; wanted a tag"
        )));
    }
    if entries.len() > MAX_ARCHIVE_ENTRIES {
        return Err(Error::refused(format!(
            "{} files to pack, wanted at most {MAX_ARCHIVE_ENTRIES}",
            entries.len()
        )));
    }
    let total = entries
        .iter()
        .fold(0, |sum: u64, e| sum.saturating_add(e.len));
    if total > MAX_UNPACKED_LEN {
        return Err(Error::refused(format!(
            "{total} bytes to pack, wanted at most {MAX_UNPACKED_LEN}"
        )));
    }
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|entry| Ok((MemberPath::new(&entry.path)?, entry)))
        .collect::<Result<_>>()?;
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (at, (path, _)) in entries.iter().enumerate() {
        let before = entries.get(..at).unwrap_or_default();
        let clash = |name: &str| before.binary_search_by(|e| e.0.as_str().cmp(name)).is_ok();
        let path = path.as_str();
        let mut parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        if clash(path) {
            return Err(Error::refused(format!("two files to pack as {path:?}")));
        }
        if let Some(parent) = parents.find(|parent| clash(parent)) {
            return Err(Error::refused(format!(
                "{parent:?} is to be packed as a file and as the directory of {path:?}"
            )));
        }
    }
    Ok(entries)
}

/// A piece of tar and the gzip member it becomes; the buffers are used again and again.
struct Job {
    tar: Vec<u8>,
    gz: Vec<u8>,
}

/// Reads, hashes and writes; the workers only compress. Pieces go round the workers in turn and
/// are taken back in turn.
struct Packer<'a> {
    tar: Vec<u8>,
    idle: VecDeque<Job>,
    to_workers: Vec<Sender<Job>>,
    results: Vec<Receiver<Result<Job>>>,
    sent: usize,
    received: usize,
    out: &'a mut dyn Write,
    hasher: Hasher,
    len: u64,
}

impl Packer<'_> {
    fn file(
        &mut self,
        prefix: &str,
        path: MemberPath,
        entry: Entry<'_>,
        mtime: u64,
    ) -> Result<Member> {
        let Entry {
            executable,
            len,
            open,
            ..
        } = entry;
        let name = format!("{prefix}/{path}");
        let mut header: &[u8] = &ustar::write(&name, executable, len, mtime)?;
        self.copy(&mut header, BLOCK as u64, None)?;
        let mut source = open().map_err(|e| e.under(format!("cannot open {path} to pack it")))?;
        let mut hasher = Hasher::new();
        let have = self.copy(&mut *source, len, Some((&path, &mut hasher)))?;
        if have < len {
            return Err(wrong_len(&path, format!("ends after {have} bytes"), len));
        }
        if !at_end(&mut *source).or_failed(|| format!("cannot read {path} to pack it"))? {
            return Err(wrong_len(&path, "has more bytes".into(), len));
        }
        let rest = (len % BLOCK as u64) as usize;
        self.zeros((BLOCK - rest) % BLOCK)?;
        Ok(Member {
            path,
            sha256: hasher.finish(),
            len,
            executable,
        })
    }

    /// Appends up to `len` bytes of `from`, straight to where they are compressed from.
    fn copy(
        &mut self,
        from: &mut dyn Read,
        len: u64,
        mut file: Option<(&MemberPath, &mut Hasher)>,
    ) -> Result<u64> {
        let mut left = len;
        while left > 0 {
            let start = self.tar.len();
            let room = (GZIP_MEMBER_TAR_LEN - start) as u64;
            let got = from
                .take(room.min(left))
                .read_to_end(&mut self.tar)
                .or_failed(|| match &file {
                    Some((path, _)) => format!("cannot read {path} to pack it"),
                    None => "cannot make a header".into(),
                })?;
            if let Some((_, hasher)) = &mut file {
                hasher.update(self.tar.get(start..).unwrap_or_default());
            }
            left -= got as u64;
            if self.tar.len() == GZIP_MEMBER_TAR_LEN {
                self.send()?;
            } else if left > 0 {
                break;
            }
        }
        Ok(len - left)
    }

    fn zeros(&mut self, len: usize) -> Result<()> {
        let mut zeros = std::io::repeat(0);
        self.copy(&mut zeros, len as u64, None).map(|_| ())
    }

    /// Gives the piece to the next worker, and takes the oldest one back if enough are under way.
    fn send(&mut self) -> Result<()> {
        if self.sent - self.received == 2 * self.to_workers.len() {
            self.receive()?;
        }
        let mut job = self.idle.pop_front().unwrap_or_else(|| Job {
            tar: Vec::with_capacity(GZIP_MEMBER_TAR_LEN),
            gz: Vec::with_capacity(MAX_GZIP_MEMBER_LEN),
        });
        job.tar.clear();
        mem::swap(&mut job.tar, &mut self.tar);
        self.to_workers
            .get(self.sent % self.to_workers.len())
            .and_then(|worker| worker.send(job).ok())
            .ok_or_else(|| Error::bug("a compressing thread is gone"))?;
        self.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        let job = self
            .results
            .get(self.received % self.results.len())
            .and_then(|result| result.recv().ok())
            .ok_or_else(|| Error::bug("a compressing thread is gone"))??;
        self.received += 1;
        self.hasher.update(&job.gz);
        self.len += job.gz.len() as u64;
        if self.len > MAX_ARCHIVE_LEN {
            return Err(Error::refused(format!(
                "an archive of {} bytes or more, wanted at most {MAX_ARCHIVE_LEN}",
                self.len
            )));
        }
        self.out.write_all(&job.gz).map_err(cannot_write)?;
        self.idle.push_back(job);
        Ok(())
    }

    fn finish(mut self) -> Result<(Sha256, u64)> {
        if !self.tar.is_empty() {
            self.send()?;
        }
        while self.received < self.sent {
            self.receive()?;
        }
        self.out.flush().map_err(cannot_write)?;
        Ok((self.hasher.finish(), self.len))
    }
}

fn cannot_write(e: std::io::Error) -> Error {
    let is_full = e.kind() == ErrorKind::StorageFull;
    let error = Error::failed("cannot write the archive").caused_by(e);
    match is_full {
        true => error.hint(MAKE_ROOM),
        false => error,
    }
}

fn compress_all(work: &Receiver<Job>, done: &Sender<Result<Job>>) {
    let mut compressor = gzip::compressor();
    while let Ok(mut job) = work.recv() {
        let result = match &mut compressor {
            Ok(compressor) => gzip::compress(compressor, &job.tar, &mut job.gz).map(|()| job),
            Err(error) => Err(error.clone()),
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

fn at_end(source: &mut dyn Read) -> std::io::Result<bool> {
    loop {
        match source.read(&mut [0]) {
            Ok(len) => return Ok(len == 0),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn wrong_len(path: &MemberPath, found: String, wanted: u64) -> Error {
    Error::failed(format!("{path} {found}, wanted exactly {wanted} bytes"))
        .hint("do not change the files while they are packed")
}
