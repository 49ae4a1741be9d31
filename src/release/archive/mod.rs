//! The archive room: `<tag>.tar.gz`, packed the same from the same input and unpacked trusting
//! nothing. Readers, writers and times come in as arguments; no files, clock or environment here.
//!
//! # Format
//! A USTAR archive (POSIX.1-2017, pax, "ustar Interchange Format") of regular files only, sorted
//! by the bytes of their names, all below `<tag>/`. There are no directory entries: every tar
//! makes the directories it needs, and every entry is then a file with a digest. Owner and group
//! are 0 with empty names, so that nothing is looked up in the user database of whoever unpacks;
//! modes are 0644 or 0755; the modification time is the caller's. Two zero blocks end it, without
//! padding to a record.
//!
//! The tar is cut every [`GZIP_MEMBER_TAR_LEN`](crate::limits::GZIP_MEMBER_TAR_LEN) bytes (the
//! last piece is shorter) and each piece is a gzip member (RFC 1952) of its own with this header:
//! `1f 8b 08 04`, MTIME 0, XFL 0, OS 255 (unknown), XLEN 8, subfield `RM` of length 4: the size of
//! the whole compressed member (header, data, trailer; u32 little endian).

mod gzip;
mod pack;
mod path;
mod problem;
mod tar_reader;
mod unpack;
pub(super) mod ustar;

#[cfg(test)]
mod tests;

pub use gzip::{COMPRESSOR, LEVEL};
pub use pack::{Entry, Open, Packed, pack};
pub use path::MemberPath;
pub use problem::{Problem, UnpackError};
pub use unpack::{Sink, Unpacked, unpack};

use crate::hash::Sha256;

/// Most worker threads that packing uses, whatever the caller asks for; each holds about 4 MiB of
/// buffers.
pub const MAX_THREADS: usize = 16;

/// Most worker threads that unpacking uses, likewise: with more of them a node would need more
/// than 32 MiB of memory, and four inflate faster than one thread hashes and writes.
pub const MAX_UNPACK_THREADS: usize = 4;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it is below the archive's prefix.
    pub path: MemberPath,
    /// Digest of its contents.
    pub sha256: Sha256,
    /// Length of its contents in bytes.
    pub len: u64,
    /// Mode 0755 instead of 0644.
    pub executable: bool,
}
