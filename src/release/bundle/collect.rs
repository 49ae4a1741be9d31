//! What goes into a bundle: all that the checks of an install read when nothing is known yet, the roots
//! before, and every hash tile of the log. The checks themselves say what they read. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use super::{Index, Member};
use crate::hash::Sha256;
use crate::limits::{MAX_BUNDLE_SMALL_LEN, MAX_LISTED_METADATA_LEN, MAX_ROOT_LEN};
use crate::log::{
    Checkpoint, Note, StoreTiles, TileHashes, TileSource, TreeHead, prove_inclusion, tiles_of,
};
use crate::release::report::{Problem, Report, with_problems};
use crate::release::state::Released;
use crate::release::verify::{Scratch, SeenNothing, Subject, Unpacking, Verifier};
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::state::Clock;
use crate::trust::{Root, Unverified};
use crate::{Error, Result};

const CHECKPOINT: &str = "log/checkpoint";

/// With what a bundle is made.
pub struct Collector<'a> {
    /// The store.
    pub store: &'a dyn Reader,
    /// The trust root that it is verified with.
    pub root: &'a [u8],
    /// Where the archive is fetched to while it is checked.
    pub scratch: &'a dyn Scratch,
    /// The time; what has expired is refused, as on a node.
    pub clock: Clock,
    /// Threads to unpack with.
    pub threads: usize,
}

/// What a bundle has.
pub struct Collected {
    /// The index.
    pub index: Index,
    /// Every object of it but the archive, by path.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// The release.
    pub released: Released,
    /// What is no reason to refuse, but has to be said.
    pub warnings: Vec<String>,
}

impl Collector<'_> {
    /// Verifies `tag` as a node of `environment` does that has never asked this store, and keeps what
    /// was read.
    ///
    /// # Errors
    /// Refused: the release would not be installed now; the log's tiles are damaged. A store that
    /// cannot be read.
    pub fn collect(&self, tag: &str, environment: &str) -> Result<Collected> {
        let recorder = Recorder::new(self.store);
        let verdict = Verifier {
            store: &recorder,
            trusted_root: Some(self.root),
            cache: &Memory::new(),
            seen: &SeenNothing(None),
            scratch: self.scratch,
            clock: self.clock,
            threads: self.threads,
            stop_at_first: true,
        }
        .run(
            &Subject {
                tag,
                environment,
                release: &recorder,
                archive: &|released: &Released| self.store.open(&released.archive_path()),
                unpacking: Unpacking::Members,
            },
            None,
        );
        let Some(release) = verdict.release else {
            return Err(refusal(tag, environment, &verdict.report));
        };
        let root = release
            .evidence
            .iter()
            .find(|(name, _)| name == "root.json");
        let (_, root) = root.ok_or_else(|| Error::bug("a verified release without a root"))?;
        let version = Unverified::<Root>::parse(root)?.unverified_signed().version;
        let mut objects = recorder.objects()?;
        for n in 1..=version {
            let path = format!("metadata/{n}.root.json");
            if let Some(bytes) = self.store.read(&path, MAX_ROOT_LEN)? {
                objects.insert(path, bytes);
            }
        }
        let bytes = objects.get(CHECKPOINT).map_or(&[][..], Vec::as_slice);
        let note = Note::parse(bytes)?;
        let head = *Checkpoint::parse(note.unverified_text())?.head();
        objects.extend(self.tiles(&head)?);

        let member = |(path, bytes): (&String, &Vec<u8>)| Member {
            path: path.clone(),
            length: bytes.len() as u64,
            sha256: Sha256::of(bytes),
        };
        let released = release.released;
        let archive = Member {
            path: released.archive_path(),
            length: released.length,
            sha256: released.sha256,
        };
        let members = objects.iter().map(member).collect();
        Ok(Collected {
            index: Index::new(tag, environment, members, archive)?,
            objects,
            released,
            warnings: verdict.report.warnings,
        })
    }

    /// Every hash tile of the log, each held against the signed root. A partial one is taken as the
    /// checkpoint needs it, whatever the store has in its place.
    fn tiles(&self, head: &TreeHead) -> Result<BTreeMap<String, Vec<u8>>> {
        let source = StoreTiles::new(self.store, "log", head.size);
        let hashes = TileHashes::open(&source, head)?;
        let mut out = BTreeMap::new();
        for tile in tiles_of(head.size) {
            if tile.level == 0 {
                let first = tile.index * crate::limits::TILE_WIDTH;
                // The path begins inside this tile, whose hash is looked up in those above.
                prove_inclusion(first, head.size, &hashes)?;
            }
            out.insert(format!("log/{}", tile.path()), source.tile(&tile)?);
        }
        Ok(out)
    }
}

fn refusal(tag: &str, environment: &str, report: &Report) -> Error {
    let failed = report.problems().next().map_or("one", |(check, _)| check);
    let problems: Vec<&Problem> = report.problems().map(|(_, problem)| problem).collect();
    let refused = format!(
        "{tag} cannot be bundled: a node of {environment} would refuse it by check {failed}"
    );
    with_problems(&problems, &refused, || {
        format!("{tag} could not be verified: check {failed} did not come to an end")
    })
    .hint(format!("all that is wrong with it: relman verify {tag}"))
}

/// A store that remembers what was read of it.
struct Recorder<'a> {
    store: &'a dyn Reader,
    read: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Asked for, not read: whether they are there decided something.
    opened: Mutex<BTreeSet<String>>,
}

impl<'a> Recorder<'a> {
    fn new(store: &'a dyn Reader) -> Self {
        Recorder {
            store,
            read: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    fn objects(self) -> Result<BTreeMap<String, Vec<u8>>> {
        let inner = PoisonError::into_inner;
        let mut objects = self.read.into_inner().unwrap_or_else(inner);
        let opened = self.opened.into_inner();
        for path in opened.unwrap_or_else(PoisonError::into_inner) {
            if !objects.contains_key(&path)
                && let Some(bytes) = self.store.read(&path, MAX_LISTED_METADATA_LEN)?
            {
                objects.insert(path, bytes);
            }
        }
        let length: u64 = objects.values().map(|bytes| bytes.len() as u64).sum();
        match length > MAX_BUNDLE_SMALL_LEN {
            true => Err(Error::failed(format!(
                "what a bundle needs besides the archive has {length} bytes, the limit is {MAX_BUNDLE_SMALL_LEN}"
            ))),
            false => Ok(objects),
        }
    }
}

impl Reader for Recorder<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // One state of the store from beginning to end, whoever publishes meanwhile.
        if let Some(bytes) = read.get(path).filter(|bytes| bytes.len() as u64 <= limit) {
            return Ok(Some(bytes.clone()));
        }
        let bytes = self.store.read(path, limit)?;
        if let Some(bytes) = &bytes {
            read.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>> {
        let found = self.store.open(path)?;
        if found.is_some() {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.insert(path.to_owned());
        }
        Ok(found)
    }

    fn location(&self) -> String {
        self.store.location()
    }

    fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        self.store.list(prefix)
    }
}
