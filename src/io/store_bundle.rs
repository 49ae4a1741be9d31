//! Room `io`: a bundle as a store that is read, and writing one.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::durable::{self, MODE_FILE};
use crate::hash::{Hasher, Sha256};
use crate::release::bundle::{
    Collected, END_LEN, INDEX, Index, Layout, Member, Piece, ReadAt, header, padding,
};
use crate::store::Reader;
use crate::{Error, Result};

const BUFFER_LEN: usize = 65_536;

/// The store in a bundle. Its form was checked; what it says was not.
pub struct BundleStore {
    path: PathBuf,
    file: Arc<File>,
    layout: Layout,
}

struct Whole<'a>(&'a File, u64);

impl ReadAt for Whole<'_> {
    fn length(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.0
            .read_exact_at(buffer, offset)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    Error::refused(format!("it ends after {} bytes", self.1))
                }
                _ => Error::failed("it cannot be read").caused_by(e),
            })
    }
}

impl BundleStore {
    /// Opens the bundle at `path`.
    ///
    /// # Errors
    /// No such file; what is no bundle, or a damaged one.
    pub fn open(path: &Path) -> Result<Self> {
        let file = durable::open_file(path)?
            .ok_or_else(|| Error::failed(format!("there is no bundle at {}", path.display())))?;
        let length = file
            .metadata()
            .map_err(|e| durable::cannot("look at", path, e))?
            .len();
        let layout =
            Layout::read(&Whole(&file, length)).map_err(|e| e.under(path.display().to_string()))?;
        Ok(BundleStore {
            path: path.to_owned(),
            file: Arc::new(file),
            layout,
        })
    }

    /// What the bundle says of itself.
    pub fn index(&self) -> &Index {
        &self.layout.index
    }

    fn stream(&self, path: &str) -> Option<Stretch> {
        let piece = self.layout.pieces.get(path)?;
        Some(Stretch {
            file: Arc::clone(&self.file),
            piece: *piece,
        })
    }
}

/// What is left of a member.
struct Stretch {
    file: Arc<File>,
    piece: Piece,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.piece.length).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        let n = self.file.read_at(buffer, self.piece.offset)?;
        self.piece.offset += n as u64;
        self.piece.length -= n as u64;
        Ok(n)
    }
}

impl Reader for BundleStore {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(mut stretch) = self.stream(path) else {
            return Ok(None);
        };
        if stretch.piece.length > limit {
            return Err(Error::refused(format!(
                "{path} in {} has {} bytes, the limit is {limit}",
                self.location(),
                stretch.piece.length
            )));
        }
        let mut bytes = Vec::new();
        stretch
            .read_to_end(&mut bytes)
            .map_err(|e| durable::cannot("read", &self.path, e))?;
        Ok(Some(bytes))
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let found = self.stream(path);
        Ok(found.map(|stretch| Box::new(stretch) as Box<dyn Read + Send>))
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self, _prefix: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }
}

/// Writes a bundle to `path`, in one step: a temporary file beside it, synced, renamed. Gives its length.
///
/// # Errors
/// The archive of `store` is not what was collected any more; I/O.
pub fn write(path: &Path, collected: &Collected, store: &dyn Reader) -> Result<u64> {
    let dir = durable::parent(path);
    let cannot = |e: std::io::Error| durable::cannot("write", path, e);
    let mut temporary = tempfile::NamedTempFile::new_in(dir)
        .map_err(|e| durable::cannot("make a file in", dir, e))?;
    let mut out = BufWriter::with_capacity(BUFFER_LEN, temporary.as_file_mut());
    let index = collected.index.to_bytes()?;
    let own = Member {
        path: INDEX.into(),
        length: index.len() as u64,
        sha256: Sha256::of(&index),
    };
    small(&mut out, &own, &index).map_err(cannot)?;
    for member in &collected.index.members {
        let bytes = collected.objects.get(&member.path).ok_or_else(|| {
            Error::bug(format!("{} is listed and was not collected", member.path))
        })?;
        small(&mut out, member, bytes).map_err(cannot)?;
    }
    let archive = &collected.index.archive;
    let source = store
        .open(&archive.path)?
        .ok_or_else(|| Error::refused(format!("{} is missing", archive.path)))?;
    begin(&mut out, archive).map_err(cannot)?;
    copy(source, archive, &mut out, path)?;
    let end = padding(archive.length) + END_LEN;
    zeros(&mut out, end)
        .and_then(|()| out.flush())
        .map_err(cannot)?;
    drop(out);
    let file = temporary.as_file();
    file.set_permissions(Permissions::from_mode(MODE_FILE))
        .and_then(|()| file.sync_all())
        .map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    temporary
        .persist(path)
        .map_err(|e| durable::cannot("write", path, e.error))?;
    durable::sync_dir(dir)?;
    Ok(length)
}

fn begin(out: &mut dyn Write, member: &Member) -> std::io::Result<()> {
    let header = header(member).map_err(|e| std::io::Error::other(e.to_string()))?;
    out.write_all(&header)
}

fn small(out: &mut dyn Write, member: &Member, bytes: &[u8]) -> std::io::Result<()> {
    begin(out, member)?;
    out.write_all(bytes)?;
    zeros(out, padding(member.length))
}

fn zeros(out: &mut dyn Write, count: u64) -> std::io::Result<()> {
    std::io::copy(&mut std::io::repeat(0).take(count), out).map(|_| ())
}

/// The archive was verified a moment ago; what is written now has to be that.
fn copy(
    source: Box<dyn Read + Send>,
    archive: &Member,
    out: &mut dyn Write,
    path: &Path,
) -> Result<()> {
    let mut source = source.take(archive.length.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0u8; BUFFER_LEN];
    let mut length = 0u64;
    loop {
        let n = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => {
                return Err(Error::failed(format!("cannot read {}", archive.path)).caused_by(e));
            }
        };
        let piece = buffer.get(..n).unwrap_or_default();
        hasher.update(piece);
        length += n as u64;
        out.write_all(piece)
            .map_err(|e| durable::cannot("write", path, e))?;
    }
    let found = hasher.finish();
    match (length, found) == (archive.length, archive.sha256) {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "{} has changed: found sha256 {found}, {length} bytes, wanted {}, {} bytes",
            archive.path, archive.sha256, archive.length
        ))),
    }
}
