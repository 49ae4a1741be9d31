//! Room `io`: single objects of an object store, one blocking call each. An answer that never came is
//! neither success nor failure here: the object is read again, and what is there decides.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::path::Path as Key;
use object_store::{
    Error as StoreError, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use tokio::runtime::Runtime;

use crate::error::Context;
use crate::hash::{Hasher, Sha256};
use crate::limits::{MAX_SHOWN_ANSWER, OBJECT_PART_LEN};
use crate::release::text;
use crate::store::cosign::Cosigners;
use crate::store::is_object_name;
use crate::store::plan::Before;
use crate::{Error, Kind, Result};

/// Longest wait for one call, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a write is decided anew after an answer that tells nothing.
const TRIES: u32 = 5;

/// A whole object.
pub struct Found {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the store calls this state of it.
    pub etag: Option<String>,
}

/// What is known of an object without reading it.
pub struct Meta {
    /// Its length in bytes.
    pub length: u64,
    /// As in [`Found`].
    pub etag: Option<String>,
}

/// How a write ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The object holds the bytes, by this write or an earlier one.
    Done,
    /// It holds others, and they were left as they are.
    Differs,
}

/// Objects below one prefix.
pub struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    prefix: String,
    location: String,
    pause: Duration,
    cosigners: OnceLock<Arc<dyn Cosigners>>,
}

impl Objects {
    /// Objects of `store` below `prefix`, which may be empty; `location` is its address for people,
    /// `pause` what is waited before a write is decided anew.
    ///
    /// # Errors
    /// A system that gives no timers or sockets.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        location: String,
        pause: Duration,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .or_failed(|| "cannot set up an object store".into())?;
        Ok(Objects {
            store,
            runtime,
            prefix: prefix.trim_matches('/').to_owned(),
            location,
            pause,
            cosigners: OnceLock::new(),
        })
    }

    /// Whoever asks witnesses for publications here; the first one that was named.
    pub fn ask_with(&self, cosigners: Arc<dyn Cosigners>) {
        let _ = self.cosigners.set(cosigners);
    }

    /// See [`Objects::ask_with`].
    pub fn cosigners(&self) -> Option<&dyn Cosigners> {
        self.cosigners.get().map(AsRef::as_ref)
    }

    /// The address, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    pub(super) fn key(&self, path: &str) -> Result<Key> {
        let wrong = || format!("{path:?} is no name of an object");
        if !is_object_name(path) {
            return Err(Error::refused(wrong()));
        }
        match self.prefix.as_str() {
            "" => Key::parse(path),
            prefix => Key::parse(format!("{prefix}/{path}")),
        }
        .or_refused(wrong)
    }

    pub(super) fn wait<T>(
        &self,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        self.runtime.block_on(async {
            match tokio::time::timeout(CALL_TIMEOUT, call).await {
                Ok(answer) => answer,
                Err(late) => Err(StoreError::Generic {
                    store: "relman",
                    source: Box::new(late),
                }),
            }
        })
    }

    fn rest(&self) {
        std::thread::sleep(self.pause);
    }

    /// The object, of at most `limit` bytes, whatever length the store claims.
    ///
    /// # Errors
    /// Anything but "not found", and a longer object.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Found>> {
        let key = self.key(path)?;
        let read = async {
            let answer = self.store.get(&key).await?;
            let etag = answer.meta.e_tag.clone();
            let mut bytes = Vec::new();
            let mut stream = answer.into_stream();
            while let Some(part) = stream.next().await {
                bytes.extend_from_slice(&part?);
                if bytes.len() as u64 > limit {
                    return Ok(None);
                }
            }
            Ok(Some(Found { bytes, etag }))
        };
        match self.wait(read) {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => Err(Error::refused(format!(
                "{}/{path} is longer than {limit} bytes",
                self.location
            ))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.told("read", path, &e)),
        }
    }

    /// What is known of an object; `None` where there is none.
    pub fn look(&self, path: &str) -> Result<Option<Meta>> {
        let key = self.key(path)?;
        match self.wait(self.store.head(&key)) {
            Ok(meta) => Ok(Some(Meta {
                length: meta.size,
                etag: meta.e_tag,
            })),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.told("look at", path, &e)),
        }
    }

    /// At most `length` bytes from `start` on, of the state of the object that `etag` names.
    pub fn part(&self, path: &str, etag: Option<&str>, start: u64, length: u64) -> Result<Vec<u8>> {
        let key = self.key(path)?;
        let options = GetOptions {
            if_match: etag.map(str::to_owned),
            range: Some((start..start.saturating_add(length)).into()),
            ..GetOptions::default()
        };
        let read = async {
            let mut stream = self.store.get_opts(&key, options).await?.into_stream();
            let mut bytes = Vec::new();
            while let Some(part) = stream.next().await {
                bytes.extend_from_slice(&part?);
                if bytes.len() as u64 > length {
                    bytes.truncate(length as usize);
                    break;
                }
            }
            Ok(bytes)
        };
        self.wait(read).map_err(|e| self.told("read", path, &e))
    }

    /// The digest and length of an object; `None` where there is none.
    pub fn digest(&self, path: &str) -> Result<Option<(Sha256, u64)>> {
        let Some(meta) = self.look(path)? else {
            return Ok(None);
        };
        let mut hasher = Hasher::new();
        let mut at = 0;
        while at < meta.length {
            let wanted = OBJECT_PART_LEN.min(meta.length - at);
            let bytes = self.part(path, meta.etag.as_deref(), at, wanted)?;
            if bytes.is_empty() {
                break;
            }
            hasher.update(&bytes);
            at += bytes.len() as u64;
        }
        Ok(Some((hasher.finish(), at)))
    }

    /// Creates an object that is written once.
    ///
    /// # Errors
    /// The store could not be asked, or what became of the write could not be found out: it may
    /// still arrive, and doing the same again is right.
    pub fn create(&self, path: &str, bytes: &[u8]) -> Result<Written> {
        let key = self.key(path)?;
        let mut last = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.rest();
            }
            match self.put(&key, bytes, PutMode::Create) {
                Ok(()) => return Ok(Written::Done),
                Err(e) if is_final(&e) => return Err(self.told("write", path, &e)),
                Err(e) => last = Some(e),
            }
            match self.read(path, bytes.len() as u64) {
                Ok(Some(found)) if found.bytes == bytes => return Ok(Written::Done),
                Ok(Some(_)) => return Ok(Written::Differs),
                // Longer than what was to be written.
                Err(e) if e.kind() == Kind::Refused => return Ok(Written::Differs),
                // A conflict with a write that has not happened yet, or an answer that got lost.
                Ok(None) => {}
                Err(e) => return Err(unknown(e, path)),
            }
        }
        Err(self.undecided(path, last))
    }

    /// Puts `bytes` in the place of `before`, if that is what the object still holds.
    ///
    /// # Errors
    /// As [`Objects::create`].
    pub fn replace(&self, path: &str, bytes: &[u8], before: Before, limit: u64) -> Result<Written> {
        let key = self.key(path)?;
        let mut last = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.rest();
            }
            let found = match self.read(path, limit) {
                Ok(found) => found,
                Err(e) if last.is_some() => return Err(unknown(e, path)),
                Err(e) => return Err(e),
            };
            let mode = match (found, before) {
                (Some(found), _) if found.bytes == bytes => return Ok(Written::Done),
                (None, Before::Nothing) => PutMode::Create,
                (Some(found), Before::Object(old)) if Sha256::of(&found.bytes) == old => {
                    self.update(path, found.etag)?
                }
                _ => return Ok(Written::Differs),
            };
            match self.put(&key, bytes, mode) {
                Ok(()) => return Ok(Written::Done),
                Err(e) if is_final(&e) => return Err(self.told("write", path, &e)),
                Err(e) => last = Some(e),
            }
        }
        Err(self.undecided(path, last))
    }

    /// Puts `bytes` in the place of the state that `etag` names; `false` where it was another one
    /// or that cannot be told.
    pub fn swap(&self, path: &str, bytes: &[u8], etag: Option<String>) -> Result<bool> {
        let key = self.key(path)?;
        let mode = self.update(path, etag)?;
        match self.put(&key, bytes, mode) {
            Ok(()) => Ok(true),
            Err(e) if is_final(&e) => Err(self.told("write", path, &e)),
            Err(_) => Ok(false),
        }
    }

    fn update(&self, path: &str, etag: Option<String>) -> Result<PutMode> {
        match etag {
            Some(etag) => Ok(PutMode::Update(UpdateVersion {
                e_tag: Some(etag),
                version: None,
            })),
            None => Err(Error::failed(format!(
                "{} gives no ETag for {path}, so nobody could replace it safely",
                self.location
            ))),
        }
    }

    fn put(&self, key: &Key, bytes: &[u8], mode: PutMode) -> object_store::Result<()> {
        let bare = self.bare(&mode);
        let answer = self.put_once(key, bytes, mode);
        let (Err(StoreError::Precondition { .. }), Some((etag, bare))) = (&answer, bare) else {
            return answer;
        };
        // Ceph's gateway compares with the tag without its quotes, so that it refuses every write. What
        // is still in that state was refused for the quotes.
        match self.wait(self.store.head(key)) {
            Ok(meta) if meta.e_tag.as_ref() == Some(&etag) => self.put_once(key, bytes, bare),
            _ => answer,
        }
    }

    /// The tag of an update, and the update with the tag written without quotes.
    fn bare(&self, mode: &PutMode) -> Option<(String, PutMode)> {
        let PutMode::Update(version) = mode else {
            return None;
        };
        let etag = version.e_tag.clone()?;
        let bare = etag.strip_prefix('"')?.strip_suffix('"')?.to_owned();
        let version = UpdateVersion {
            e_tag: Some(bare),
            version: version.version.clone(),
        };
        Some((etag, PutMode::Update(version)))
    }

    fn put_once(&self, key: &Key, bytes: &[u8], mode: PutMode) -> object_store::Result<()> {
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions::from(mode);
        self.wait(self.store.put_opts(key, payload, options))
            .map(|_| ())
    }

    /// Copies an object within the store, over whatever is there.
    ///
    /// # Errors
    /// [`Kind::Failed`] with what the store said; the copy may have been made.
    pub fn copy(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.key(from)?, self.key(to)?);
        self.wait(self.store.copy(&source, &target))
            .map_err(|e| self.told("write", to, &e))
    }

    /// Removes an object, if it is there.
    pub fn remove(&self, path: &str) -> Result<()> {
        let key = self.key(path)?;
        match self.wait(self.store.delete(&key)) {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.told("remove", path, &e)),
        }
    }

    /// Names directly below `prefix`, sorted: of objects, and of directories.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let key = match prefix.trim_end_matches('/') {
            "" if self.prefix.is_empty() => None,
            "" => Some(Key::parse(&self.prefix).or_refused(|| "no prefix".into())?),
            path => Some(self.key(path)?),
        };
        let answer = self
            .wait(self.store.list_with_delimiter(key.as_ref()))
            .map_err(|e| self.told("list", prefix, &e))?;
        let objects = answer.objects.iter().map(|o| &o.location);
        let mut names: Vec<String> = objects
            .chain(&answer.common_prefixes)
            .filter_map(|key| key.filename().map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Whether the store does what everything rests on: it refuses to create what exists, and to
    /// replace what is in another state.
    ///
    /// # Errors
    /// Failed: it ignores conditions; or it could not be asked.
    pub fn keeps_conditions(&self, path: &str) -> Result<()> {
        let key = self.key(path)?;
        let ignores = |header: &str| {
            Err(Error::failed(format!(
                "{} ignores {header}: two publishers at once would destroy its history",
                self.location
            ))
            .hint("use a store with conditional writes; docs/stores.md lists some"))
        };
        let tried = |answer: object_store::Result<()>| match answer {
            Ok(()) => Ok(true),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
            Err(e) => Err(self.told("write", path, &e)),
        };
        let created = tried(self.put(&key, b"relman\n", PutMode::Create))?;
        if created && tried(self.put(&key, b"relman 2\n", PutMode::Create))? {
            return ignores("If-None-Match");
        }
        let never = Some("\"00000000000000000000000000000000\"".to_owned());
        let never = self.update(path, never)?;
        // Both ways to write a tag that are used.
        for mode in self
            .bare(&never)
            .map(|(_, bare)| bare)
            .into_iter()
            .chain([never])
        {
            if tried(self.put_once(&key, b"relman 3\n", mode))? {
                return ignores("If-Match");
            }
        }
        Ok(())
    }

    fn undecided(&self, path: &str, last: Option<StoreError>) -> Error {
        let error = match last {
            Some(e) => self.told("write", path, &e),
            None => Error::failed(format!("cannot write {}/{path}", self.location)),
        };
        unknown(error, path)
    }

    pub(super) fn told(&self, what: &str, path: &str, e: &StoreError) -> Error {
        let error = Error::failed(format!("cannot {what} {}/{path}", self.location))
            .caused_by(shown(&with_sources(e)));
        match e {
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => error.hint(
                "are these the right credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and may they do this? see docs/stores.md",
            ),
            _ => error.hint("is the store up, and are [store] url and endpoint right? then run the same command again"),
        }
    }
}

fn unknown(e: Error, path: &str) -> Error {
    e.under(format!("it is not known whether {path} was written"))
        .hint("run the same command again: it finds out, and finishes what was begun")
}

/// Whether trying again or looking again cannot change it.
fn is_final(e: &StoreError) -> bool {
    matches!(
        e,
        StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
            | StoreError::NotImplemented { .. }
            | StoreError::NotSupported { .. }
            | StoreError::InvalidPath { .. }
            | StoreError::UnknownConfigurationKey { .. }
            | StoreError::NotFound { .. }
    )
}

/// An error with what it says only in its sources.
fn with_sources(e: &StoreError) -> String {
    let mut text = e.to_string();
    let mut next = std::error::Error::source(e);
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}

/// What a store said, in one line that a terminal can bear.
fn shown(text: &str) -> String {
    let line = text::plain_line(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    line.chars().take(MAX_SHOWN_ANSWER).collect()
}
