//! SHA-256 as a value, and ids of git objects. The backend is chosen here and nowhere else.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::channel;
use std::thread;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};

/// A SHA-256 digest (32 bytes), printed as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut h = Hasher::new();
        h.update(bytes);
        h.finish()
    }

    /// Reads exactly 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut out = [0u8; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = digit(bytes[2 * i])? << 4 | digit(bytes[2 * i + 1])?;
        }
        Some(Sha256(out))
    }

    /// Lower-case hex, 64 characters.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Lower-case hex of any bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[(b >> 4) as usize], DIGITS[(b & 15) as usize]])
        .map(char::from)
        .collect()
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl serde::Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.hex())
    }
}

impl<'de> serde::Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Sha256::from_hex(&text)
            .ok_or_else(|| serde::de::Error::custom("a sha256 is 64 lower-case hex digits"))
    }
}

/// Incremental SHA-256.
pub struct Hasher(Context);

impl Hasher {
    /// A hasher over nothing yet.
    pub fn new() -> Self {
        Hasher(Context::new(&SHA256))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was added.
    pub fn finish(self) -> Sha256 {
        let mut out = [0u8; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        Sha256(out)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that are copied at a time, and how many such pieces are under way.
const PIECE_LEN: usize = 128 * 1024;
const PIECES: usize = 4;

/// Which side of a [`copy`] failed.
#[derive(Debug)]
pub enum CopyError {
    /// The source could not be read to its end.
    Read(io::Error),
    /// The destination could not be written.
    Write(io::Error),
}

impl From<CopyError> for io::Error {
    fn from(e: CopyError) -> Self {
        let (CopyError::Read(e) | CopyError::Write(e)) = e;
        e
    }
}

/// Copies all that `from` yields to `to`; gives its digest and its length in bytes. Moving and
/// hashing are about equally slow, so a second thread hashes. About half a MiB of memory.
///
/// # Errors
/// Of either side; what was written is then incomplete.
pub fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<(Sha256, u64), CopyError> {
    thread::scope(|scope| {
        let (give, work) = channel::<(Vec<u8>, usize)>();
        let (free, idle) = channel();
        for _ in 0..PIECES {
            // The other end is in this function.
            let _ = free.send(vec![0; PIECE_LEN]);
        }
        let hashing = scope.spawn(move || {
            let mut hasher = Hasher::new();
            while let Ok((piece, len)) = work.recv() {
                hasher.update(piece.get(..len).unwrap_or_default());
                let _ = free.send(piece);
            }
            hasher.finish()
        });
        let gone = || io::Error::other("the hashing thread is gone");
        let mut seen = 0u64;
        loop {
            let mut piece = idle.recv().map_err(|_| CopyError::Read(gone()))?;
            let len = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(len) => len,
                Err(e) if e.kind() == ErrorKind::Interrupted => 0,
                Err(e) => return Err(CopyError::Read(e)),
            };
            let filled = piece.get(..len).unwrap_or_default();
            to.write_all(filled).map_err(CopyError::Write)?;
            seen += filled.len() as u64;
            give.send((piece, len))
                .map_err(|_| CopyError::Read(gone()))?;
        }
        drop(give);
        let sha256 = hashing.join().map_err(|_| CopyError::Read(gone()))?;
        Ok((sha256, seen))
    })
}

/// Incremental SHA-512: other people's TUF metadata lists it beside SHA-256, and every listed hash
/// is checked. relman itself writes SHA-256 alone.
pub struct Sha512Hasher(Context);

impl Sha512Hasher {
    /// A hasher over nothing yet.
    pub fn new() -> Self {
        Sha512Hasher(Context::new(&SHA512))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest (64 bytes) of all that was added, as 128 lower-case hex digits.
    pub fn finish_hex(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

impl Default for Sha512Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The id of a git object, hex, in a repository whose ids have `digits` hex digits: 40 for SHA-1, 64
/// for SHA-256 (git, "hash-function-transition"); `None` for any other number.
pub fn git_id(kind: &str, contents: &[u8], digits: usize) -> Option<String> {
    let algorithm = match digits {
        40 => &SHA1_FOR_LEGACY_USE_ONLY,
        64 => &SHA256,
        _ => return None,
    };
    let mut context = Context::new(algorithm);
    context.update(format!("{kind} {}\0", contents.len()).as_bytes());
    context.update(contents);
    Some(hex(context.finish().as_ref()))
}

/// Bytes of any even number of hex digits, in either case.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_digest_and_length_of_its_source() {
        for len in [0, 1, PIECE_LEN, PIECE_LEN + 1, 9 * PIECE_LEN + 17] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let mut out = Vec::new();
            let (sha256, seen) = copy(&mut &bytes[..], &mut out).unwrap();
            assert_eq!((sha256, seen), (Sha256::of(&bytes), len as u64));
            assert!(out == bytes);
        }
    }

    #[test]
    fn git_objects_have_the_ids_that_git_gives_them() {
        // Of the empty blob, in both kinds of repository.
        let id = |digits| git_id("blob", b"", digits);
        assert_eq!(
            id(40).as_deref(),
            Some("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        );
        assert_eq!(
            id(64).as_deref(),
            Some("473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813")
        );
        assert_eq!(id(20), None);
    }

    #[test]
    fn a_copy_tells_which_side_failed() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let read = copy(&mut Broken, &mut Vec::new());
        assert!(matches!(read, Err(CopyError::Read(_))));
        let full = copy(&mut &[1u8; 9][..], &mut &mut [0u8; 4][..]);
        assert!(matches!(full, Err(CopyError::Write(_))));
    }
}
