//! Room `io`: files with a private key, plain or with a passphrase, and with public keys.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ssh_key::{Cipher, Kdf, PrivateKey};
use zeroize::Zeroizing;

use super::super::durable;
use super::super::passphrase::Passphrases;
use super::secret::{FileKey, PKCS8_BEGIN};
use crate::keys::{PublicKey, Signer, wrong_type};
use crate::limits::{MAX_KDF_ROUNDS, MAX_KEY_FILE_LEN};
use crate::{Error, Result};

/// A key that lies encrypted on the disk. It is opened when it signs for the first time.
#[derive(Clone)]
pub struct LockedKey {
    key: Rc<PrivateKey>,
    public: PublicKey,
    path: PathBuf,
    passphrases: Rc<Passphrases>,
}

/// What a file with a private key holds.
#[derive(Clone)]
pub enum KeyFile {
    /// A key as it is.
    Plain(FileKey),
    /// A key with a passphrase.
    Locked(LockedKey),
}

impl KeyFile {
    /// Reads the key file at `path`; `None` where there is none.
    ///
    /// # Errors
    /// A file that others can read or own, another format, another type of key, a passphrase that
    /// cannot be checked or takes too long to check.
    pub fn read(path: &Path, passphrases: &Rc<Passphrases>) -> Result<Option<Self>> {
        let Some(text) = private_text(path)? else {
            return Ok(None);
        };
        Self::parse(&text, path, passphrases).map(Some)
    }

    fn parse(text: &[u8], path: &Path, passphrases: &Rc<Passphrases>) -> Result<Self> {
        let name = path.display();
        let key = PrivateKey::from_openssh(text).map_err(|e| {
            if e == ssh_key::Error::AlgorithmUnknown {
                return Error::usage(format!("{name} is of an unknown sort, wanted ssh-ed25519"))
                    .hint("make one for the purpose: relman key generate PURPOSE --out KEYFILE");
            }
            let error = Error::failed(format!("{name} is no OpenSSH private key")).caused_by(e);
            match is_pem(text) {
                true => error.hint(format!(
                    "take it over: relman key import {name} --as PURPOSE"
                )),
                false => error,
            }
        })?;
        if !key.is_encrypted() {
            let key = FileKey::from_ssh(&key)
                .map_err(|e| e.under(format!("{name} is no key for this")))?;
            return Ok(KeyFile::Plain(key));
        }
        let anew = |error: Error| error.hint(format!("encrypt it anew: ssh-keygen -p -f {name}"));
        match key.kdf() {
            Kdf::Bcrypt { rounds, .. } if *rounds <= MAX_KDF_ROUNDS => {}
            Kdf::Bcrypt { rounds, .. } => {
                return Err(anew(Error::refused(format!(
                    "the passphrase of {name} takes {rounds} rounds to check, the limit is {MAX_KDF_ROUNDS}"
                ))));
            }
            _ => {
                return Err(anew(Error::failed(format!(
                    "{name} is encrypted with no passphrase"
                ))));
            }
        }
        if key.cipher() == Cipher::TdesCbc {
            return Err(anew(Error::failed(format!(
                "{name} is encrypted with {}, which cannot be read here",
                key.cipher()
            ))));
        }
        let ed25519 = key.public_key().key_data().ed25519();
        let ed25519 = ed25519.ok_or_else(|| {
            wrong_type(key.algorithm().as_str()).under(format!("{name} is no key for this"))
        })?;
        Ok(KeyFile::Locked(LockedKey {
            public: PublicKey::from_bytes(ed25519.0).map_err(|e| {
                e.under(format!("{name} is damaged"))
                    .hint("get it back from a backup")
            })?,
            key: Rc::new(key),
            path: path.to_owned(),
            passphrases: Rc::clone(passphrases),
        }))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        match self {
            KeyFile::Plain(key) => Signer::public(key),
            KeyFile::Locked(key) => key.public,
        }
    }

    /// Whether it has a passphrase.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, KeyFile::Locked(_))
    }

    /// The secret key, for which a person may be asked.
    ///
    /// # Errors
    /// Nobody gives the passphrase.
    pub fn open(&self) -> Result<FileKey> {
        match self {
            KeyFile::Plain(key) => Ok(key.clone()),
            KeyFile::Locked(key) => key.open(),
        }
    }
}

impl LockedKey {
    fn open(&self) -> Result<FileKey> {
        let name = self.path.display().to_string();
        self.passphrases.open(&self.public, &name, &|passphrase| {
            // A wrong passphrase gives noise, which fails in more than one way.
            let opened = self.key.decrypt(passphrase).ok();
            let Some(key) = opened.and_then(|key| FileKey::from_ssh(&key).ok()) else {
                return Ok(None);
            };
            match Signer::public(&key) == self.public {
                true => Ok(Some(key)),
                false => Err(Error::refused(format!(
                    "{name} holds another key than its head says"
                ))
                .hint("somebody has tampered with it: get it back from a backup")),
            }
        })
    }
}

impl Signer for KeyFile {
    fn public(&self) -> PublicKey {
        KeyFile::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        self.open()?.sign(message)
    }

    fn prepare(&self) -> Result<()> {
        self.open().map(drop)
    }
}

/// The text of a private key file; `None` where there is none.
///
/// # Errors
/// A file that others can read or own.
pub fn private_text(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(durable::cannot("read", path, e)),
    };
    if meta.mode() & 0o077 != 0 {
        return Err(Error::refused(format!(
            "secret key {} has mode {:04o}, wanted 0600: others could have read it",
            path.display(),
            meta.mode() & 0o7777
        ))
        .hint(format!("if nobody did: chmod 600 {}", path.display())));
    }
    durable::read_required(path, MAX_KEY_FILE_LEN).map(|text| Some(Zeroizing::new(text)))
}

/// Whether it is a private key in PEM that `relman key import` may read.
pub fn is_pem(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(PKCS8_BEGIN.as_bytes())
}

/// The one key in a `.pub` file, and its comment.
///
/// # Errors
/// No such file, more or less than one key, a key that is not plain Ed25519.
pub fn read_public(path: &Path) -> Result<(PublicKey, String)> {
    let name = path.display();
    let bytes = durable::read_bounded(path, MAX_KEY_FILE_LEN)?
        .ok_or_else(|| Error::failed(format!("there is no file {name}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::usage(format!("{name} is not UTF-8")).caused_by(e))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match lines.collect::<Vec<_>>().as_slice() {
        [line] => {
            let key = PublicKey::from_openssh(line).map_err(|e| e.under(name.to_string()))?;
            let comment = line.splitn(3, ' ').nth(2).unwrap_or_default();
            Ok((key, comment.to_owned()))
        }
        lines => Err(Error::usage(format!(
            "{name} has {} lines, wanted one public key",
            lines.len()
        ))
        .hint("make one for the purpose: relman key generate PURPOSE --out KEYFILE")),
    }
}
