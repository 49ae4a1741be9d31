//! The archive room: one gzip member (RFC 1952) at a time. Bytes in, bytes out.

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor, Decompressor, crc32};

use super::problem::Problem;
use crate::error::Context;
use crate::limits::{GZIP_MEMBER_TAR_LEN, MAX_GZIP_MEMBER_LEN};
use crate::{Error, Result};

/// What compressed an archive, for its provenance. Other versions may make other bytes, so the
/// crate is pinned exactly and a golden test guards them.
pub const COMPRESSOR: &str = "libdeflate 1.26 (libdeflater 1.26.1)";
/// Compression level of [`COMPRESSOR`].
pub const LEVEL: i32 = 7;

/// Our header: fixed but for the last four bytes.
pub(super) const HEADER_LEN: usize = 20;
const TRAILER_LEN: usize = 8;
const HEADER_START: [u8; 16] = *b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0RM\x04\0";

/// A compressor at [`LEVEL`].
pub(super) fn compressor() -> Result<Compressor> {
    let level = CompressionLvl::new(LEVEL)
        .map_err(|_| Error::bug(format!("libdeflate has no level {LEVEL}")))?;
    Ok(Compressor::new(level))
}

/// Compresses a piece of tar to a whole member in `out`, whose old contents go.
pub(super) fn compress(c: &mut Compressor, tar: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let bound = c.deflate_compress_bound(tar.len());
    out.resize(HEADER_LEN + bound, 0);
    let room = out.get_mut(HEADER_LEN..).unwrap_or_default();
    let len = c
        .deflate_compress(tar, room)
        .or_failed(|| format!("cannot compress {} bytes of the archive", tar.len()))?;
    out.truncate(HEADER_LEN + len);
    out.extend_from_slice(&trailer(tar));
    let size = u32::try_from(out.len())
        .ok()
        .filter(|_| out.len() <= MAX_GZIP_MEMBER_LEN)
        .ok_or_else(|| Error::bug(format!("a gzip member of {} bytes", out.len())))?;
    let header = HEADER_START.iter().copied().chain(size.to_le_bytes());
    for (to, from) in out.iter_mut().zip(header) {
        *to = from;
    }
    Ok(())
}

/// CRC32 and ISIZE of a piece of tar.
fn trailer(tar: &[u8]) -> [u8; TRAILER_LEN] {
    let len = u32::try_from(tar.len()).unwrap_or(u32::MAX);
    (u64::from(crc32(tar)) | u64::from(len) << 32).to_le_bytes()
}

/// Whether a gzip file that starts with `head` claims to be ours: it has the subfield `RM` first.
pub(super) fn is_ours(head: &[u8]) -> bool {
    head.len() == HEADER_LEN
        && head.starts_with(&HEADER_START[..4])
        && head.get(10..16) == HEADER_START.get(10..16)
}

/// The size that a member's header claims for the whole member.
///
/// # Errors
/// Any other header than ours, and a size that no member of ours can have.
pub(super) fn member_len(header: &[u8; HEADER_LEN]) -> Result<usize, Problem> {
    let [start @ .., a, b, c, d] = header;
    if start != &HEADER_START {
        return Err(problem(
            "another header between the members",
            "the same header with an `RM` field as the first",
        ));
    }
    let len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    if !(HEADER_LEN + TRAILER_LEN..=MAX_GZIP_MEMBER_LEN).contains(&len) {
        return Err(problem(
            format!("a compressed member of {len} bytes"),
            format!("28 to {MAX_GZIP_MEMBER_LEN}"),
        ));
    }
    Ok(len)
}

/// Inflates a whole member, header included, into `out`; returns how much tar it held (1 to
/// [`GZIP_MEMBER_TAR_LEN`] bytes).
///
/// The member must end exactly where its slice ends. libdeflate does not tell where a stream
/// ended, but it has checked that the eight bytes there are CRC32 and ISIZE of the output. When
/// the slice's last eight bytes are that too, and no others in it are, the stream ended there.
///
/// # Errors
/// Corrupt data, wrong CRC or size, too much or no output, bytes between data and trailer.
pub(super) fn inflate(
    d: &mut Decompressor,
    member: &[u8],
    out: &mut [u8; GZIP_MEMBER_TAR_LEN],
) -> Result<usize, Problem> {
    let corrupt = |why: String| problem(why, "a whole gzip member with right crc and size");
    let (data, end) = member
        .get(HEADER_LEN..)
        .and_then(|rest| rest.split_last_chunk::<TRAILER_LEN>())
        .ok_or_else(|| corrupt(format!("a member of {} bytes", member.len())))?;
    let len = d
        .gzip_decompress(member, out)
        .map_err(|e| corrupt(format!("a member that does not inflate ({e:?})")))?;
    let tar = out.get(..len).unwrap_or_default();
    if tar.is_empty() {
        return Err(corrupt("an empty member".into()));
    }
    let wanted = trailer(tar);
    if *end != wanted {
        return Err(corrupt("bytes after a member's trailer".into()));
    }
    // Seven bytes more than the data: a trailer may overlap the last one.
    let searched = member.get(HEADER_LEN..member.len() - 1).unwrap_or_default();
    if occurs(searched, wanted) && !ends_exactly(data, len) {
        return Err(corrupt("bytes after a member's trailer".into()));
    }
    Ok(len)
}

/// Whether `wanted` is anywhere in `bytes`. Its first three bytes are looked for in blocks that
/// stay in the cache, without a branch, which compilers turn into vector code; only a block that
/// has them, one in thousands, is looked at closely.
fn occurs(bytes: &[u8], wanted: [u8; 8]) -> bool {
    const STEP: usize = 4096;
    let [first, second, third, ..] = wanted;
    let starts = bytes.len().saturating_sub(wanted.len() - 1);
    (0..starts).step_by(STEP).any(|at| {
        let len = STEP.min(starts - at);
        let from = |shift: usize| bytes.get(at + shift..at + shift + len).unwrap_or_default();
        let triples = from(0).iter().zip(from(1)).zip(from(2));
        let hit = triples.fold(0u8, |hit, ((a, b), c)| {
            hit | u8::from(*a == first) & u8::from(*b == second) & u8::from(*c == third)
        });
        let block = bytes.get(at..at + len + wanted.len() - 1);
        hit != 0 && block.is_some_and(|block| block.windows(8).any(|w| w == wanted))
    })
}

/// Whether the deflate stream in `data` gives `len` bytes and ends with `data`; slow, exact.
fn ends_exactly(data: &[u8], len: usize) -> bool {
    let mut out = vec![0; len + 1];
    let mut inflater = Decompress::new(false);
    let status = inflater.decompress(data, &mut out, FlushDecompress::Finish);
    matches!(status, Ok(Status::StreamEnd)) && inflater.total_in() == data.len() as u64
}

fn problem(found: impl Into<String>, wanted: impl Into<String>) -> Problem {
    Problem::new("gzip", "archive", found, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_found_at_every_offset_and_nowhere_else() {
        let needle = *b"\x01\x02\x03\x04\x05\x06\x07\x08";
        for len in [8, 9, 15, 16, 4095, 4096, 4103, 4104, 8200] {
            assert!(!occurs(&vec![0; len], needle));
            for at in (0..=len - 8).filter(|at| at % 61 == 0 || len < 20 || *at > 4080) {
                let mut hay = vec![0; len];
                hay[at..at + 8].copy_from_slice(&needle);
                assert!(occurs(&hay, needle), "{at} in {len}");
                assert!(!occurs(&hay[..at + 7], needle));
            }
        }
        assert!(!occurs(&[], needle));
    }

    /// A member of one stored block.
    fn stored(tar: &[u8]) -> Vec<u8> {
        let len = tar.len() as u16;
        let size = (HEADER_LEN + 5 + tar.len() + TRAILER_LEN) as u32;
        let mut member = [&HEADER_START[..], &size.to_le_bytes(), &[1]].concat();
        member.extend_from_slice(&len.to_le_bytes());
        member.extend_from_slice(&(!len).to_le_bytes());
        member.extend_from_slice(tar);
        member.extend_from_slice(&trailer(tar));
        member
    }

    /// Contents that hold their own trailer: the CRC is linear in the last four bytes, so that
    /// 32 of its values tell which bits give the wanted one.
    fn holds_its_own_trailer() -> Vec<u8> {
        let mut tar = b"12345678, then what makes the crc right: ????".to_vec();
        let (wanted, at) = (0x1234_5678_u32, tar.len() - 4);
        let own = u64::from(wanted) | (tar.len() as u64) << 32;
        tar[..8].copy_from_slice(&own.to_le_bytes());
        let mut crc_of = |bits: u32| {
            tar[at..].copy_from_slice(&bits.to_le_bytes());
            crc32(&tar)
        };
        let base = crc_of(0);
        let mut rows: Vec<(u32, u32)> = (0..32)
            .map(|bit| (crc_of(1 << bit) ^ base, 1 << bit))
            .collect();
        let (mut left, mut bits) = (wanted ^ base, 0);
        for column in 0..32 {
            let at = rows
                .iter()
                .position(|row| row.0 >> column & 1 == 1)
                .unwrap();
            let pivot = rows.swap_remove(at);
            for row in rows.iter_mut().filter(|row| row.0 >> column & 1 == 1) {
                *row = (row.0 ^ pivot.0, row.1 ^ pivot.1);
            }
            if left >> column & 1 == 1 {
                (left, bits) = (left ^ pivot.0, bits ^ pivot.1);
            }
        }
        assert_eq!(crc_of(bits), wanted);
        tar
    }

    #[test]
    fn contents_that_hold_their_own_trailer_are_no_gap() {
        let tar = holds_its_own_trailer();
        assert_eq!(tar[..8], trailer(&tar));
        let mut out = Box::new([0; GZIP_MEMBER_TAR_LEN]);
        let mut inflater = Decompressor::new();
        let member = stored(&tar);
        assert_eq!(inflate(&mut inflater, &member, &mut out), Ok(tar.len()));
        let gap = [&member[..], b"gap", &trailer(&tar)].concat();
        assert!(inflate(&mut inflater, &gap, &mut out).is_err());
    }

    #[test]
    fn what_does_not_compress_fits_the_limit_of_a_member() {
        let mut c = compressor().unwrap();
        let bound = HEADER_LEN + c.deflate_compress_bound(GZIP_MEMBER_TAR_LEN) + TRAILER_LEN;
        assert!(bound <= MAX_GZIP_MEMBER_LEN, "{bound}");
    }
}
