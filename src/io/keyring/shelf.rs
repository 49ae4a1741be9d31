//! Room `io`: what lies in a directory of secret keys, and putting further keys there.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use zeroize::Zeroizing;

use super::super::durable::{self, MODE_FILE, MODE_SECRET};
use super::super::passphrase::Passphrases;
use super::file::{KeyFile, is_pem, private_text, read_public};
use super::secret::FileKey;
use super::{Keyring, PUBLIC, public_half};
use crate::keys::{PublicKey, Signer};
use crate::limits::{MAX_KEY_FILES, MAX_ROLE_NAME_LEN};
use crate::{Error, Result};

/// Where a private key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// In a file, as it is.
    File,
    /// In a file, encrypted.
    Encrypted,
    /// In the ssh-agent.
    Agent,
}

impl KeyKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::File => "file",
            KeyKind::Encrypted => "encrypted",
            KeyKind::Agent => "agent",
        }
    }
}

/// A key in a directory of secret keys.
#[derive(Clone, Debug)]
pub struct Shelved {
    /// Its name there: `targets`, `mainnet.bob`.
    pub name: String,
    /// Its file: the private half, or the public one of a key in the agent.
    pub path: PathBuf,
    /// Where its private half is; none for a file that cannot be used.
    pub kind: Option<KeyKind>,
    /// Its public half, or why it cannot be used.
    pub key: Result<PublicKey>,
}

impl Keyring {
    /// All keys in the directory, sorted by name. No passphrase and no agent is asked.
    ///
    /// # Errors
    /// A directory that cannot be listed, or with more than [`MAX_KEY_FILES`] names.
    pub fn shelf(&self) -> Result<Vec<Shelved>> {
        let names = self.names()?;
        if names.len() > MAX_KEY_FILES {
            return Err(Error::refused(format!(
                "{} has {} files, the limit is {MAX_KEY_FILES}",
                self.dir.display(),
                names.len()
            )));
        }
        Ok(names.into_iter().map(|name| self.shelved(name)).collect())
    }

    fn shelved(&self, name: String) -> Shelved {
        let path = self.dir.join(&name);
        let out = |path, kind, key| Shelved {
            name,
            path,
            kind,
            key,
        };
        match KeyFile::read(&path, &Rc::default()) {
            Ok(Some(key)) => {
                let kind = match key.is_encrypted() {
                    true => KeyKind::Encrypted,
                    false => KeyKind::File,
                };
                out(path, Some(kind), Ok(key.public()))
            }
            Ok(None) => {
                let path = public_half(&path);
                let key = read_public(&path).map(|(key, _)| key);
                out(path, Some(KeyKind::Agent), key)
            }
            Err(e) => out(path, None, Err(e)),
        }
    }
}

/// A private key that is to be taken over.
pub enum Source {
    /// OpenSSH's form, with its text.
    OpenSsh(KeyFile, Zeroizing<Vec<u8>>),
    /// PKCS#8 in PEM, which is not encrypted.
    Pkcs8(FileKey),
}

impl Source {
    /// Reads a private key file in either form.
    ///
    /// # Errors
    /// As [`KeyFile::read`]; no such file.
    pub fn read(path: &Path, passphrases: &Rc<Passphrases>) -> Result<Self> {
        let name = path.display();
        let none = || Error::failed(format!("there is no file {name}"));
        let text = private_text(path)?.ok_or_else(none)?;
        if is_pem(&text) {
            let text = std::str::from_utf8(&text)
                .map_err(|e| Error::usage(format!("{name} is not UTF-8")).caused_by(e))?;
            let key = FileKey::from_pkcs8(text);
            return key
                .map(Source::Pkcs8)
                .map_err(|e| e.under(name.to_string()));
        }
        let key = KeyFile::read(path, passphrases)?.ok_or_else(none)?;
        Ok(Source::OpenSsh(key, text))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        match self {
            Source::OpenSsh(key, _) => key.public(),
            Source::Pkcs8(key) => Signer::public(key),
        }
    }

    /// The text to write: with a new passphrase, or as it was.
    ///
    /// # Errors
    /// Nobody gives the old passphrase where there is a new one.
    pub fn to_text(self, comment: &str, new: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>> {
        let key = match (self, new) {
            (Source::OpenSsh(_, text), None) => return Ok(text),
            (Source::OpenSsh(key, _), Some(_)) => key.open()?,
            (Source::Pkcs8(key), _) => key,
        };
        let text = key.to_text(comment, new)?;
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }
}

/// Writes a private key (0600) and its public half beside it.
///
/// # Errors
/// Usage: there is one of them already; nothing is ever overwritten.
pub fn write_pair(path: &Path, text: &[u8], public: &PublicKey, comment: &str) -> Result<()> {
    let half = public_half(path);
    for path in [path, &half] {
        if durable::is_there(path) {
            return Err(is_taken(path));
        }
    }
    // The private half first: a public one alone would stand for a key in the agent.
    durable::write_once(path, text, MODE_SECRET)?;
    let line = public.to_openssh(comment)?;
    durable::write_once(&half, format!("{line}\n").as_bytes(), MODE_FILE)
}

/// The error for a place where there is something.
pub fn is_taken(path: &Path) -> Error {
    Error::usage(format!(
        "{} is there already; keys are never overwritten",
        path.display()
    ))
    .hint("take another name: PURPOSE.NAME, or --out FILE")
}

/// What a key of this name is for: what stands before the first dot.
pub fn purpose_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Checks that `name` can be a key's: a purpose, and perhaps a dot and a name.
///
/// # Errors
/// Usage: anything that is no such name, or would be taken for a public half.
pub fn check_name(name: &str) -> Result<()> {
    let (purpose, further) = name.split_once('.').unwrap_or((name, "x"));
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let any = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = purpose.starts_with(|c: char| c.is_ascii_lowercase())
        && purpose.bytes().all(lower)
        && purpose.len() <= MAX_ROLE_NAME_LEN
        && !further.is_empty()
        && further.bytes().all(any)
        && further.len() <= MAX_ROLE_NAME_LEN
        && !name.ends_with(PUBLIC);
    match fits {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "{:?} names no key, wanted a purpose, or a purpose, a dot and a name",
            name.chars().take(MAX_ROLE_NAME_LEN).collect::<String>()
        ))
        .hint("such as: relman key generate mainnet.bob")),
    }
}
