//! The archive room: USTAR headers, written and read strictly. Bytes in, values out.
//!
//! POSIX.1-2017, pax, "ustar Interchange Format". Offsets below are the standard's.

use super::problem::Problem;
use crate::{Error, Result};

/// A tar block, in bytes.
pub(in crate::release) const BLOCK: usize = 512;
/// Largest value of the 12-byte octal fields (size, mtime): 8 GiB - 1.
const MAX_OCTAL_11: u64 = (1 << 33) - 1;
const NAME_LEN: usize = 100;
const PREFIX_LEN: usize = 155;

/// What one header says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::release) struct Header {
    /// Full name without a directory's closing `/`; not yet checked.
    pub path: String,
    pub kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::release) enum Kind {
    File { executable: bool, len: u64 },
    Directory,
}

/// The header block of a regular file.
///
/// # Errors
/// Refused when `path`, `len` or `mtime` (seconds since 1970) is more than the format can hold.
pub(in crate::release) fn write(
    path: &str,
    executable: bool,
    len: u64,
    mtime: u64,
) -> Result<[u8; BLOCK]> {
    let (prefix, name) = split(path).ok_or_else(|| {
        Error::refused(format!(
            "member name {path:?} of {} bytes does not fit a ustar header (100 bytes, or 155 and \
             100 around a `/`)",
            path.len()
        ))
    })?;
    for (what, value) in [("length", len), ("modification time", mtime)] {
        if value > MAX_OCTAL_11 {
            return Err(Error::refused(format!(
                "{what} {value} of member {path:?} does not fit a ustar header, whose limit is \
                 {MAX_OCTAL_11}"
            )));
        }
    }
    let mode = if executable { "0000755" } else { "0000644" };
    let mut block = [0; BLOCK];
    put(&mut block, 0, name.as_bytes());
    put(&mut block, 100, mode.as_bytes());
    put(&mut block, 108, b"0000000\x000000000\0");
    put(&mut block, 124, format!("{len:011o}").as_bytes());
    put(&mut block, 136, format!("{mtime:011o}").as_bytes());
    put(&mut block, 148, b"        0");
    put(&mut block, 257, b"ustar\x0000");
    put(&mut block, 329, b"0000000\x000000000\0");
    put(&mut block, 345, prefix.as_bytes());
    let sum = checksum(&block);
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// The shortest prefix that leaves a name that fits.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_LEN {
        return Some(("", path));
    }
    path.match_indices('/')
        .filter_map(|(at, _)| Some((path.get(..at)?, path.get(at + 1..)?)))
        .find(|(_, name)| name.len() <= NAME_LEN)
        .filter(|(prefix, name)| prefix.len() <= PREFIX_LEN && !name.is_empty())
}

/// Sum of all bytes, those of the checksum field counted as spaces.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    block
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        })
        .sum()
}

/// Reads a header block that is not all zeros.
///
/// # Errors
/// What is not a USTAR header of a regular file or directory; the path's form is not checked.
pub(in crate::release) fn read(block: &[u8; BLOCK]) -> Result<Header, Problem> {
    let at_start = |found: &str, wanted: &str| Problem::new("tar", "archive", found, wanted);
    let sum = octal(field::<148, 8>(block)).ok_or_else(|| {
        at_start(
            "a header checksum that is no octal number",
            "a ustar header",
        )
    })?;
    if sum != u64::from(checksum(block)) {
        return Err(at_start(
            &format!("header checksum {sum}"),
            &format!("{}", checksum(block)),
        ));
    }
    match field::<257, 8>(block) {
        b"ustar\x0000" => {}
        b"ustar  \0" => {
            return Err(at_start(
                "a gnu tar header",
                "ustar (`tar --format=ustar` writes it)",
            ));
        }
        _ => return Err(at_start("a header without ustar magic", "ustar version 00")),
    }
    let path = path(block)?;
    let wrong = |found: String, wanted: &str| Problem::new("tar", path.clone(), found, wanted);
    let [flag] = *field::<156, 1>(block);
    let regular = match flag {
        b'0' | 0 => true,
        b'5' => false,
        other => return Err(wrong(type_name(other), "a regular file or directory")),
    };
    if text(field::<157, 100>(block)) != Some("") {
        return Err(wrong("a link target".into(), "none"));
    }
    if field::<500, 12>(block) != &[0; 12] {
        return Err(wrong("bytes after the header's last field".into(), "zeros"));
    }
    let mode = octal(field::<100, 8>(block))
        .ok_or_else(|| wrong("a mode that is no octal number".into(), "an octal mode"))?;
    if mode > 0o777 {
        return Err(wrong(format!("mode {mode:o}"), "permission bits alone"));
    }
    let size = field::<124, 12>(block);
    let len = octal(size).ok_or_else(|| match size {
        [first, ..] if *first >= 0x80 => wrong("a base-256 size".into(), "an octal size"),
        _ => wrong("a size that is no octal number".into(), "an octal size"),
    })?;
    match (regular, len) {
        (true, len) => {
            let executable = mode & 0o100 != 0;
            let kind = Kind::File { executable, len };
            Ok(Header { path, kind })
        }
        (false, 0) => Ok(Header {
            path: path.strip_suffix('/').unwrap_or(&path).to_owned(),
            kind: Kind::Directory,
        }),
        (false, len) => Err(wrong(format!("a directory of {len} bytes"), "0 bytes")),
    }
}

/// `LEN` bytes of the block from `AT`; both are constants inside the block.
fn field<const AT: usize, const LEN: usize>(block: &[u8; BLOCK]) -> &[u8; LEN] {
    const { assert!(AT + LEN <= BLOCK) };
    block
        .get(AT..)
        .and_then(|rest| rest.first_chunk())
        .unwrap_or(&[0; LEN])
}

/// Octal digits closed by NULs or spaces, and nothing else.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.iter().take_while(|c| (b'0'..=b'7').contains(c));
    let count = digits.clone().count();
    let closed = field.iter().skip(count).all(|c| matches!(c, 0 | b' '));
    (count > 0 && count < field.len() && closed)
        .then(|| digits.fold(0, |n, c| n << 3 | u64::from(c - b'0')))
}

/// UTF-8 up to the first NUL, after which there is nothing but NULs.
fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|c| *c == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at_checked(end)?;
    rest.iter().all(|c| *c == 0).then_some(())?;
    std::str::from_utf8(text).ok()
}

fn path(block: &[u8; BLOCK]) -> Result<String, Problem> {
    let name = field::<0, 100>(block);
    let prefix = field::<345, 155>(block);
    match (text(prefix), text(name)) {
        (Some(""), Some(name)) => Ok(name.to_owned()),
        (Some(prefix), Some(name)) => Ok(format!("{prefix}/{name}")),
        _ => Err(Problem::new(
            "name",
            String::from_utf8_lossy(name).trim_end_matches('\0'),
            "a name that is not utf-8, or bytes after its end",
            "utf-8, then zeros",
        )),
    }
}

fn type_name(flag: u8) -> String {
    match flag {
        b'1' => "a hard link".into(),
        b'2' => "a symbolic link".into(),
        b'3' => "a character device".into(),
        b'4' => "a block device".into(),
        b'6' => "a fifo".into(),
        b'7' => "a contiguous file".into(),
        b'x' | b'g' => "a pax header".into(),
        b'L' | b'K' => "a gnu long name".into(),
        b'S' => "a sparse file".into(),
        other => format!("an entry of type {:?}", char::from(other)),
    }
}
