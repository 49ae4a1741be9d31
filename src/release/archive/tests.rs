//! The archive room's tests: what they share. In memory only.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use super::ustar::{self, BLOCK};
use super::*;
use crate::limits::GZIP_MEMBER_TAR_LEN;
use crate::{Error, Result};

mod damage;
mod hostile_gzip;
mod hostile_tar;
mod packing;

const TAG: &str = "phase1-sig-verify-1.0.0";
const MTIME: u64 = 1_700_000_000;

type Files = Vec<(&'static str, bool, Vec<u8>)>;

fn small() -> Files {
    vec![
        ("timed", true, b"\x7fELF daemon".to_vec()),
        ("RELEASE_NOTES.md", false, b"# notes\n".to_vec()),
        ("etc/timed.service", false, vec![b'x'; 512]),
        ("empty", false, Vec::new()),
    ]
}

/// Bytes from xorshift64: every second half of 4 KiB is a run, so that it compresses a bit.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    for half in bytes.chunks_mut(2048).step_by(2) {
        half.fill(7);
    }
    bytes
}

fn big() -> Files {
    vec![
        ("bin/timed", true, noise(3 << 20)),
        ("README", false, noise(1000)),
    ]
}

fn entries(files: &Files) -> Vec<Entry<'_>> {
    files
        .iter()
        .map(|(path, executable, bytes)| entry(path, *executable, bytes.len() as u64, bytes))
        .collect()
}

fn entry<'a>(path: &str, executable: bool, len: u64, bytes: &'a [u8]) -> Entry<'a> {
    Entry {
        path: path.to_owned(),
        executable,
        len,
        open: Box::new(move || Ok(Box::new(bytes))),
    }
}

fn packed(files: &Files, threads: usize) -> (Vec<u8>, Packed) {
    let mut out = Vec::new();
    let packed = pack(TAG, entries(files), MTIME, threads, &mut out).unwrap();
    assert_eq!(packed.sha256, Sha256::of(&out));
    assert_eq!(packed.len, out.len() as u64);
    (out, packed)
}

fn digests(files: &Files) -> BTreeMap<String, Sha256> {
    files
        .iter()
        .map(|(path, _, bytes)| ((*path).to_owned(), Sha256::of(bytes)))
        .collect()
}

/// What a sink got: path, executable, contents, and the digest if the file was ended.
#[derive(Default, Debug, PartialEq)]
struct Got(Vec<(String, bool, Vec<u8>, Option<Sha256>)>);

impl Sink for Got {
    fn begin(&mut self, path: &MemberPath, executable: bool, _len: u64) -> Result<()> {
        let path = path.as_str().to_owned();
        self.0.push((path, executable, Vec::new(), None));
        Ok(())
    }
    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.last_mut().unwrap().2.extend_from_slice(bytes);
        Ok(())
    }
    fn end(&mut self, sha256: Sha256) -> Result<()> {
        self.0.last_mut().unwrap().3 = Some(sha256);
        Ok(())
    }
}

fn unpacked(
    archive: &[u8],
    wanted: &BTreeMap<String, Sha256>,
    threads: usize,
) -> Result<(Unpacked, Got), UnpackError> {
    let mut got = Got::default();
    let done = unpack(
        &mut Cursor::new(archive),
        TAG,
        wanted,
        threads,
        Some(&mut got),
    )?;
    Ok((done, got))
}

/// All problems of an archive that must have some.
fn problems(archive: &[u8], wanted: &BTreeMap<String, Sha256>) -> Vec<String> {
    match unpacked(archive, wanted, 2) {
        Err(UnpackError::Refused(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

/// The bytes as gzip members of ours.
fn our_gzip(tar: &[u8]) -> Vec<u8> {
    tar.chunks(GZIP_MEMBER_TAR_LEN)
        .flat_map(our_member)
        .collect()
}

fn our_member(tar: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    gzip::compress(&mut gzip::compressor().unwrap(), tar, &mut out).unwrap();
    out
}

/// The bytes as one member of anybody's gzip.
fn plain_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar entry whose header `change` may spoil before its checksum is made.
fn raw(name: &str, data: &[u8], change: impl FnOnce(&mut [u8; BLOCK])) -> Vec<u8> {
    let mut block = ustar::write("x", false, data.len() as u64, MTIME).unwrap();
    block[0] = 0;
    block[..name.len()].copy_from_slice(name.as_bytes());
    change(&mut block);
    let sum = ustar::checksum(&block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = block.to_vec();
    entry.extend_from_slice(data);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

fn file(path: &str, data: &[u8]) -> Vec<u8> {
    raw(&format!("{TAG}/{path}"), data, |_| {})
}

/// Entries and an end marker.
fn tar_of(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = entries.concat();
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}
