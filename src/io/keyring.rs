//! Room `io`: secret keys, one OpenSSH file a purpose, readable by their owner alone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

use super::durable;
use super::witness_memory::WitnessFiles;
use crate::error::Context;
use crate::keys::{PublicKey, Signer};
use crate::limits::MAX_KEY_FILE_LEN;
use crate::log::WitnessMemory;
use crate::release::publish::Keys;
use crate::{Error, Result};

/// The purposes that one person starting alone has a key for, one file each.
pub const PURPOSES: [&str; 11] = [
    "root",
    "targets",
    "snapshot",
    "timestamp",
    "log",
    "publisher",
    "builder",
    "gate",
    "approver",
    "testnet",
    "mainnet",
];

/// Where witnesses whose keys are in the directory keep what they cosigned.
const COSIGNED: &str = "cosigned";

/// A directory of secret keys.
pub struct Keyring {
    dir: PathBuf,
    cosigned: WitnessFiles,
}

/// One key file that counts for whatever it is asked for.
pub struct OneKey(FileKey);

impl OneKey {
    /// The key in `path`.
    ///
    /// # Errors
    /// No such file; as [`FileKey::read`].
    pub fn read(path: &Path) -> Result<Self> {
        let none = || Error::failed(format!("there is no key file at {}", path.display()));
        FileKey::read(path)?.ok_or_else(none).map(OneKey)
    }
}

impl Keys for OneKey {
    fn all(&self, _purpose: &str) -> Result<Vec<Box<dyn Signer>>> {
        Ok(vec![Box::new(self.0.clone())])
    }
}

/// A secret key in memory; it is wiped when dropped and never printed.
#[derive(Clone)]
pub struct FileKey {
    signing: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl Keyring {
    /// The keys in `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let cosigned = WitnessFiles::new(dir.join(COSIGNED));
        Keyring { dir, cosigned }
    }

    /// `$XDG_CONFIG_HOME/relman/<project>`, by default below `~/.config`.
    pub fn default_dir(project: &str) -> Result<PathBuf> {
        let config = match std::env::var_os("XDG_CONFIG_HOME") {
            Some(dir) if Path::new(&dir).is_absolute() => PathBuf::from(dir),
            _ => std::env::var_os("HOME")
                .map(|home| Path::new(&home).join(".config"))
                .ok_or_else(|| {
                    Error::usage("neither XDG_CONFIG_HOME nor HOME says where secret keys live")
                        .hint("name the directory: --secret-keys DIR")
                })?,
        };
        Ok(config.join("relman").join(project))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a purpose's key.
    pub fn path_of(&self, purpose: &str) -> PathBuf {
        self.dir.join(purpose)
    }

    /// The key of a purpose, made now if there is none; tells whether it was made.
    pub fn load_or_generate(&self, purpose: &str, comment: &str) -> Result<(FileKey, bool)> {
        if let Some(key) = self.load(purpose)? {
            return Ok((key, false));
        }
        let mut seed = [0u8; 32];
        aws_lc_rs::rand::fill(&mut seed).or_failed(|| "the system gives no random bytes".into())?;
        let pair = Ed25519Keypair::from_seed(&seed);
        seed.fill(0);
        let key = PrivateKey::new(KeypairData::Ed25519(pair), comment)
            .or_failed(|| "cannot make a key".into())?;
        let text = key
            .to_openssh(LineEnding::LF)
            .or_failed(|| "cannot write a key".into())?;
        durable::create_dir_all(durable::parent(&self.dir))?;
        durable::create_private_dir(&self.dir)?;
        durable::write_once(
            &self.path_of(purpose),
            text.as_bytes(),
            durable::MODE_SECRET,
        )?;
        Ok((FileKey::from_ssh(&key)?, true))
    }

    /// The key of a purpose; `None` where there is no such file.
    ///
    /// # Errors
    /// A file that others can read or own, one with a passphrase, another type of key.
    pub fn load(&self, purpose: &str) -> Result<Option<FileKey>> {
        FileKey::read(&self.path_of(purpose))
    }

    /// The purposes for which there is a key file here.
    pub fn present(&self) -> Vec<&'static str> {
        PURPOSES
            .into_iter()
            .filter(|purpose| self.path_of(purpose).exists())
            .collect()
    }

    /// As [`Keyring::load`], where a missing key is an error that says how to get it.
    pub fn require(&self, purpose: &str) -> Result<FileKey> {
        self.load(purpose)?.ok_or_else(|| {
            Error::failed(format!(
                "there is no {purpose} key at {}",
                self.path_of(purpose).display()
            ))
            .hint("name the directory that has it: --secret-keys DIR")
        })
    }
}

impl Keys for Keyring {
    /// The purpose's own file, and `<purpose>.<anything>` for further keys of it.
    fn all(&self, purpose: &str) -> Result<Vec<Box<dyn Signer>>> {
        let mut keys: Vec<Box<dyn Signer>> = Vec::new();
        let prefix = format!("{purpose}.");
        for name in durable::list_dir(&self.dir)?.unwrap_or_default() {
            let further = name.starts_with(&prefix) && !name.ends_with(".pub");
            if (name == purpose || further)
                && let Some(key) = FileKey::read(&self.dir.join(&name))?
            {
                keys.push(Box::new(key));
            }
        }
        Ok(keys)
    }

    fn witness_memory(&self) -> Option<&dyn WitnessMemory> {
        Some(&self.cosigned)
    }
}

impl FileKey {
    /// Reads one key file; see [`Keyring::load`].
    pub fn read(path: &Path) -> Result<Option<Self>> {
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
        let text = durable::read_required(path, MAX_KEY_FILE_LEN)?;
        let key = PrivateKey::from_openssh(&text).map_err(|e| {
            Error::failed(format!("{} is no OpenSSH private key", path.display())).caused_by(e)
        })?;
        if key.is_encrypted() {
            return Err(Error::failed(format!(
                "{} has a passphrase, which this version cannot ask for",
                path.display()
            ))
            .hint("sign with a key file of its own without one, on an encrypted disk"));
        }
        FileKey::from_ssh(&key).map(Some)
    }

    fn from_ssh(key: &PrivateKey) -> Result<Self> {
        let pair = key.key_data().ed25519().ok_or_else(|| {
            Error::usage(format!(
                "a key of type {} was given, wanted ssh-ed25519",
                key.algorithm()
            ))
        })?;
        let signing = ed25519_dalek::SigningKey::from_bytes(&pair.private.to_bytes());
        let public = PublicKey::from_bytes(signing.verifying_key().to_bytes())?;
        Ok(FileKey { signing, public })
    }
}

impl Signer for FileKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        use ed25519_dalek::Signer as _;
        Ok(self.signing.sign(message).to_bytes())
    }
}
