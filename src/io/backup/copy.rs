//! Room `io`: the contents of one file, cloned or copied, and hashed in the same pass.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{SeekFrom, Stat, ftruncate, ioctl_ficlone, seek};
use rustix::io::Errno;

use crate::hash::{Hasher, Sha256};
use crate::node::backup::manifest::Way;

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// What a hole reads as.
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Whether blocks may be shared, and whether that has worked so far.
pub(super) struct Cloning {
    wanted: Wanted,
    works: AtomicBool,
}

/// What is asked of the filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A copy of its own.
    Never,
    /// Shared blocks where that works.
    Maybe,
    /// Shared blocks or an error.
    Always,
}

impl Cloning {
    pub(super) fn new(wanted: Wanted) -> Self {
        Cloning {
            wanted,
            works: AtomicBool::new(wanted != Wanted::Never),
        }
    }

    /// Makes `to` share the blocks of `from`; false where the filesystem cannot.
    fn attempt(&self, from: &File, to: &File) -> std::io::Result<bool> {
        if !self.works.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match ioctl_ficlone(to, from) {
            Ok(()) => Ok(true),
            Err(e) if self.wanted == Wanted::Maybe && cannot_clone(e) => {
                // A file with other flags (no checksums, say) is no reason to give up on the rest.
                if e != Errno::INVAL {
                    self.works.store(false, Ordering::Relaxed);
                }
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// Whether an error says that blocks cannot be shared, not that something is broken.
pub(super) fn cannot_clone(e: Errno) -> bool {
    [
        Errno::OPNOTSUPP,
        Errno::XDEV,
        Errno::INVAL,
        Errno::NOTTY,
        Errno::NOSYS,
        Errno::PERM,
    ]
    .contains(&e)
}

/// What came of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    pub(super) sha256: Sha256,
    pub(super) length: u64,
    pub(super) way: Way,
}

/// Fills the empty `to` with what is in `from`, holes kept, and says what that was. `meter` counts
/// bytes.
pub(super) fn fill(
    from: &File,
    stat: &Stat,
    to: &File,
    cloning: &Cloning,
    meter: &AtomicU64,
) -> std::io::Result<Contents> {
    if cloning.attempt(from, to)? {
        // The clone is read, not the source: it cannot change any more.
        let stat = rustix::fs::fstat(to)?;
        let (sha256, length) = hash(to, &stat, meter)?;
        return Ok(Contents {
            sha256,
            length,
            way: Way::Reflink,
        });
    }
    let mut hasher = Hasher::new();
    let length = each_piece(from, stat, meter, &mut |at, piece| {
        hasher.update(piece.bytes());
        match piece {
            Piece::Data(bytes) => to.write_all_at(bytes, at),
            Piece::Hole(_) => Ok(()),
        }
    })?;
    ftruncate(to, length)?;
    Ok(Contents {
        sha256: hasher.finish(),
        length,
        way: Way::Copy,
    })
}

/// Digest and length of an open file.
pub(super) fn hash(file: &File, stat: &Stat, meter: &AtomicU64) -> std::io::Result<(Sha256, u64)> {
    let mut hasher = Hasher::new();
    let length = each_piece(file, stat, meter, &mut |_, piece| {
        hasher.update(piece.bytes());
        Ok(())
    })?;
    Ok((hasher.finish(), length))
}

enum Piece<'a> {
    Data(&'a [u8]),
    Hole(usize),
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Data(bytes) => bytes,
            Piece::Hole(len) => ZEROS.get(..*len).unwrap_or(&ZEROS),
        }
    }
}

type Sink<'a> = &'a mut dyn FnMut(u64, Piece<'_>) -> std::io::Result<()>;

/// Gives a file piece by piece, in order; gives its length.
fn each_piece(file: &File, stat: &Stat, meter: &AtomicU64, sink: Sink) -> std::io::Result<u64> {
    let mut at = 0u64;
    if is_sparse(stat) {
        let end = u64::try_from(stat.st_size).unwrap_or(0);
        while at < end {
            let data = match seek(file, SeekFrom::Data(at)) {
                Ok(data) => data.min(end),
                Err(Errno::NXIO) => end,
                // The filesystem knows no holes: the rest is read as it comes.
                Err(_) => at,
            };
            while at < data {
                let len = usize::try_from(data - at).unwrap_or(CHUNK).min(CHUNK);
                sink(at, Piece::Hole(len))?;
                at += len as u64;
                meter.fetch_add(len as u64, Ordering::Relaxed);
            }
            let hole = match seek(file, SeekFrom::Hole(at)) {
                Ok(hole) if hole > at => hole,
                _ => end,
            };
            let before = at;
            at = read_range(file, at, hole, meter, sink)?;
            if at < hole && at == before {
                // It is shorter than it was.
                return Ok(at);
            }
        }
    }
    read_range(file, at, u64::MAX, meter, sink)
}

/// Whether there are fewer blocks than bytes.
fn is_sparse(stat: &Stat) -> bool {
    stat.st_blocks.saturating_mul(512) < stat.st_size
}

fn read_range(
    file: &File,
    mut at: u64,
    end: u64,
    meter: &AtomicU64,
    sink: Sink,
) -> std::io::Result<u64> {
    let small = end.saturating_sub(at).min(CHUNK as u64);
    let mut buffer = vec![0u8; usize::try_from(small).unwrap_or(CHUNK)];
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(CHUNK).min(buffer.len());
        let Some(part) = buffer.get_mut(..left) else {
            break;
        };
        match file.read_at(part, at) {
            Ok(0) => break,
            Ok(n) => {
                sink(at, Piece::Data(part.get(..n).unwrap_or_default()))?;
                at += n as u64;
                meter.fetch_add(n as u64, Ordering::Relaxed);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(at)
}
