//! Where what lies in a bundle, and that it does: headers, padding and end are exactly those that
//! relman writes, every member but the archive has the digest that the index gives. Pure.

use std::collections::BTreeMap;

use super::{INDEX, Index, Member};
use crate::hash::{Hasher, Sha256};
use crate::limits::{MAX_BUNDLE_INDEX_LEN, MAX_SHOWN_NAME};
use crate::release::archive::ustar::{self, BLOCK, Kind};
use crate::{Error, Result};

/// Bytes after the last member: two blocks of zeros.
pub const END_LEN: u64 = 2 * BLOCK as u64;
const BUFFER_LEN: usize = 65_536;
/// Damaged members that are named.
const MAX_NAMED: usize = 16;

/// A file that can be read anywhere.
pub trait ReadAt {
    /// Its length in bytes.
    fn length(&self) -> u64;
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// It cannot be read, or ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;
}

/// A member's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte.
    pub offset: u64,
    /// How many there are.
    pub length: u64,
}

/// A bundle whose form was checked.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What it says of itself.
    pub index: Index,
    /// Members by their path in the store.
    pub pieces: BTreeMap<String, Piece>,
}

/// The tar header before a member. A path that is too long for one is there under its digest.
///
/// # Errors
/// A length that no header holds.
pub fn header(member: &Member) -> Result<[u8; BLOCK]> {
    ustar::write(&member.path, false, member.length, 0).or_else(|_| {
        let name = format!("long/{}", Sha256::of(member.path.as_bytes()));
        ustar::write(&name, false, member.length, 0)
    })
}

/// Zeros after so many bytes, up to the next block.
pub fn padding(length: u64) -> u64 {
    length.next_multiple_of(BLOCK as u64) - length
}

impl Layout {
    /// Reads the index and holds the file against it.
    ///
    /// # Errors
    /// Refused: a file that is no bundle, shorter or longer than its index says, or with other
    /// members; all that are damaged, as causes.
    pub fn read(file: &dyn ReadAt) -> Result<Self> {
        let no_bundle = |why: String| {
            Error::refused("the file is no bundle")
                .caused_by(why)
                .hint("make one: relman bundle TAG --out FILE")
        };
        let first = block(file, 0).map_err(|e| no_bundle(e.to_string()))?;
        let found = ustar::read(&first).map_err(|p| no_bundle(p.to_string()))?;
        let length = match found.kind {
            Kind::File { len, .. } if found.path == INDEX && len <= MAX_BUNDLE_INDEX_LEN => len,
            _ => {
                return Err(no_bundle(format!(
                    "it begins with {:?}, wanted {INDEX} of at most {MAX_BUNDLE_INDEX_LEN} bytes",
                    shown(&found.path)
                )));
            }
        };
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_at(BLOCK as u64, &mut bytes)
            .map_err(|e| no_bundle(e.to_string()))?;
        let own = Member {
            path: INDEX.into(),
            length,
            sha256: Sha256::of(&bytes),
        };
        if first != header(&own)? {
            return Err(no_bundle(format!(
                "the header of {INDEX} is not as relman writes it"
            )));
        }
        let index = Index::parse(&bytes)?;
        let begin = BLOCK as u64 + length;
        let after = index.in_order().fold(begin + padding(begin), |at, member| {
            at + BLOCK as u64 + member.length + padding(member.length)
        });
        if file.length() != after + END_LEN {
            return Err(Error::refused(format!(
                "the bundle has {} bytes, its index says {}",
                file.length(),
                after + END_LEN
            ))
            .hint("copy it again from where it was made"));
        }
        Layout::checked(file, index, begin, after)
    }

    fn checked(file: &dyn ReadAt, index: Index, begin: u64, after: u64) -> Result<Self> {
        let mut problems = Vec::new();
        let mut gap = |at: u64, length: u64, before: &str| {
            if !zeros(file, at, length)? {
                problems.push(format!("there is data after {before}, wanted zeros"));
            }
            Ok::<(), Error>(())
        };
        gap(begin, padding(begin), INDEX)?;
        let mut at = begin + padding(begin);
        let mut pieces = BTreeMap::new();
        for member in index.in_order() {
            let end = at + BLOCK as u64 + member.length;
            gap(end, padding(member.length), &member.path)?;
            pieces.insert(
                member.path.clone(),
                Piece {
                    offset: at + BLOCK as u64,
                    length: member.length,
                },
            );
            at = end + padding(member.length);
        }
        gap(after, END_LEN, "the last member")?;
        for member in index.in_order() {
            let Some(piece) = pieces.get(&member.path) else {
                continue;
            };
            problems.extend(wrong(file, member, *piece, member == &index.archive)?);
        }
        if problems.is_empty() {
            return Ok(Layout { index, pieces });
        }
        let count = problems.len();
        let error = Error::refused(format!(
            "the bundle is damaged or was changed: {count} of its members are not what its index says"
        ))
        .hint("copy it again from where it was made");
        Err(problems
            .into_iter()
            .take(MAX_NAMED)
            .fold(error, Error::caused_by))
    }
}

/// What is wrong with a member. The archive's digest is the store's business: it is hashed when it is
/// read, and held against signed metadata.
fn wrong(
    file: &dyn ReadAt,
    member: &Member,
    piece: Piece,
    is_archive: bool,
) -> Result<Option<String>> {
    let found = block(file, piece.offset - BLOCK as u64)?;
    if found != header(member)? {
        let name = match ustar::read(&found) {
            Ok(header) => format!("the header of {:?}", shown(&header.path)),
            Err(problem) => format!("no header ({problem})"),
        };
        return Ok(Some(format!(
            "{name} is where that of {} is wanted",
            member.path
        )));
    }
    if is_archive {
        return Ok(None);
    }
    let mut hasher = Hasher::new();
    walk(file, piece.offset, piece.length, &mut |bytes| {
        hasher.update(bytes);
        true
    })?;
    let found = hasher.finish();
    Ok((found != member.sha256).then(|| {
        format!(
            "{} hashes to {found}, the index says {}",
            member.path, member.sha256
        )
    }))
}

fn block(file: &dyn ReadAt, offset: u64) -> Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    file.read_at(offset, &mut block)?;
    Ok(block)
}

fn zeros(file: &dyn ReadAt, offset: u64, length: u64) -> Result<bool> {
    walk(file, offset, length, &mut |bytes| {
        bytes.iter().all(|b| *b == 0)
    })
}

/// Reads a stretch piece by piece for as long as `take` says; tells whether it was asked for all.
fn walk(
    file: &dyn ReadAt,
    mut offset: u64,
    mut left: u64,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<bool> {
    let mut buffer = vec![0u8; BUFFER_LEN];
    while left > 0 {
        let length = usize::try_from(left).map_or(BUFFER_LEN, |left| left.min(BUFFER_LEN));
        let piece = buffer.get_mut(..length).unwrap_or_default();
        file.read_at(offset, piece)?;
        if !take(piece) {
            return Ok(false);
        }
        (offset, left) = (offset + length as u64, left - length as u64);
    }
    Ok(true)
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN_NAME).collect()
}
