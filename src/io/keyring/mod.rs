//! Room `io`: secret keys. A directory has one a purpose: `<purpose>` or `<purpose>.<name>` is a private
//! key, plain or with a passphrase; `<purpose>.pub` without that file beside it is a key in the
//! ssh-agent.

mod chosen;
mod file;
mod held;
mod secret;
mod shelf;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::agent::{Agent, require_among};
use super::durable;
use super::passphrase::Passphrases;
use super::witness_memory::WitnessFiles;
use super::witnesses::Witnesses;
use crate::keys::Signer;
use crate::log::{Transport, WitnessMemory};
use crate::release::publish::Keys;
use crate::{Error, Result};

pub use chosen::{AGENT, Chosen};
pub use file::{KeyFile, private_text, read_public};
pub use held::HeldKey;
pub use secret::FileKey;
pub use shelf::{KeyKind, Shelved, Source, check_name, is_taken, purpose_of, write_pair};

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

/// What ends the name of a public half.
pub const PUBLIC: &str = ".pub";
/// Where witnesses whose keys are in the directory keep what they cosigned.
const COSIGNED: &str = "cosigned";

type Signers = Vec<Box<dyn Signer>>;

/// A directory of secret keys.
pub struct Keyring {
    dir: PathBuf,
    cosigned: WitnessFiles,
    passphrases: Rc<Passphrases>,
    witnesses: Option<Witnesses>,
    /// Why the agent cannot be asked; it is not asked twice then.
    lost: RefCell<Option<Error>>,
}

impl Keyring {
    /// The keys in `dir`, which need not exist; nobody is asked for a passphrase.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::with(dir, &Rc::default())
    }

    /// The keys in `dir`, which need not exist.
    pub fn with(dir: impl Into<PathBuf>, passphrases: &Rc<Passphrases>) -> Self {
        let dir = dir.into();
        Keyring {
            cosigned: WitnessFiles::new(dir.join(COSIGNED)),
            dir,
            passphrases: Rc::clone(passphrases),
            witnesses: None,
            lost: RefCell::default(),
        }
    }

    /// The same keys, and the way to witnesses on other machines.
    pub fn with_witnesses(mut self, witnesses: Witnesses) -> Self {
        self.witnesses = Some(witnesses);
        self
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

    /// Whether the purpose has a key here, as a file or in the agent.
    pub fn has(&self, purpose: &str) -> bool {
        let path = self.path_of(purpose);
        durable::is_file(&path) || durable::is_file(&public_half(&path))
    }

    /// Makes a key in the directory; with a passphrase it lies there encrypted.
    ///
    /// # Errors
    /// There is one of this name; it cannot be written.
    pub fn make(&self, name: &str, comment: &str, passphrase: Option<&[u8]>) -> Result<FileKey> {
        durable::create_dir_all(durable::parent(&self.dir))?;
        durable::create_private_dir(&self.dir)?;
        let key = FileKey::random()?;
        let text = key.to_text(comment, passphrase)?;
        durable::write_once(&self.path_of(name), text.as_bytes(), durable::MODE_SECRET)?;
        self.passphrases.opened(&key);
        Ok(key)
    }

    /// The key of a purpose, made now without a passphrase if there is none; tells whether it was
    /// made.
    ///
    /// # Errors
    /// As [`Keyring::load`].
    pub fn load_or_generate(&self, purpose: &str, comment: &str) -> Result<(FileKey, bool)> {
        match self.load(purpose)? {
            Some(key) => Ok((key, false)),
            None => self.make(purpose, comment, None).map(|key| (key, true)),
        }
    }

    /// The key in a purpose's file; `None` where there is no such file.
    ///
    /// # Errors
    /// As [`KeyFile::read`]; nobody gives its passphrase.
    pub fn load(&self, purpose: &str) -> Result<Option<FileKey>> {
        let key = KeyFile::read(&self.path_of(purpose), &self.passphrases)?;
        key.map(|key| key.open()).transpose()
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

    /// The names of keys in the directory, without [`PUBLIC`], sorted, each once.
    fn names(&self) -> Result<Vec<String>> {
        let names = durable::list_dir(&self.dir)?.unwrap_or_default();
        let mut names: Vec<String> = names
            .into_iter()
            .filter(|name| !name.starts_with('.') && name != COSIGNED)
            .map(|name| name.strip_suffix(PUBLIC).unwrap_or(&name).to_owned())
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The key in the agent whose public half is `path`.
    fn held(&self, path: &Path) -> Result<HeldKey> {
        let (public, _) = read_public(path)?;
        let stands = |e: Error| {
            e.under(format!(
                "{} stands for a key in the ssh-agent",
                path.display()
            ))
        };
        if let Some(e) = &*self.lost.borrow() {
            return Err(stands(e.clone()));
        }
        let asked = Agent::from_env().and_then(|agent| Ok((agent.keys()?, agent)));
        let (keys, agent) = asked.map_err(|e| {
            *self.lost.borrow_mut() = Some(e.clone());
            stands(e)
        })?;
        let name = path.display().to_string();
        require_among(&keys, &public, &name)?;
        Ok(HeldKey::new(agent, public, name))
    }

    /// The keys of a purpose, and of those that the agent should have and has not, why.
    fn find(&self, purpose: &str) -> Result<(Signers, Option<Error>)> {
        let mut keys = Signers::new();
        let mut absent = None;
        let prefix = format!("{purpose}.");
        for name in self.names()? {
            if name != purpose && !name.starts_with(&prefix) {
                continue;
            }
            let path = self.dir.join(&name);
            if let Some(key) = KeyFile::read(&path, &self.passphrases)? {
                keys.push(Box::new(key));
                continue;
            }
            match self.held(&public_half(&path)) {
                Ok(key) => keys.push(Box::new(key)),
                Err(e) => absent = absent.or(Some(e)),
            }
        }
        Ok((keys, absent))
    }
}

impl Keys for Keyring {
    /// The purpose's own key, and those of `<purpose>.<anything>`, as far as they can sign.
    fn all(&self, purpose: &str) -> Result<Vec<Box<dyn Signer>>> {
        self.find(purpose).map(|(keys, _)| keys)
    }

    fn absent(&self, purpose: &str) -> Option<Error> {
        self.find(purpose).ok().and_then(|(_, absent)| absent)
    }

    fn witness_memory(&self) -> Option<&dyn WitnessMemory> {
        Some(&self.cosigned)
    }

    fn witness_transport(&self) -> Option<&dyn Transport> {
        self.witnesses.as_ref().map(|way| way as &dyn Transport)
    }
}

/// The file of the public half of the key at `path`.
pub fn public_half(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PUBLIC);
    name.into()
}

/// The file of the private half of the key whose public half is `path`; `None` where that is no
/// `.pub` file.
pub fn private_half(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(PUBLIC).filter(|stem| !stem.is_empty())?;
    Some(path.with_file_name(stem))
}
