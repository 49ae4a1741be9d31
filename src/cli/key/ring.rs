//! All keys that `relman key` can tell of: those in the directory, in the ssh-agent, and those that the
//! project's root and policy name.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::args::Cli;
use super::super::project::{Project, start_dir};
use crate::attest::dsse::short;
use crate::io::agent::{Agent, Identity};
use crate::io::keyring::{KeyFile, KeyKind, Keyring, PUBLIC, Shelved, purpose_of, read_public};
use crate::io::{clock, durable};
use crate::keys::PublicKey;
use crate::release::ceremony::Base;
use crate::release::standing::{KnownKey, known_keys};
use crate::{Error, Result};

/// Fewest characters of a key id that name a key.
const MIN_KEYID_PREFIX: usize = 8;

/// What is there. Agent and store are asked when somebody wants to know.
pub struct Ring {
    /// The directory of secret keys, where one is known.
    pub dir: Option<PathBuf>,
    /// The keys in it.
    pub shelf: Vec<Shelved>,
    /// The project.
    pub project: Option<Project>,
    agent: OnceCell<Result<Vec<Identity>>>,
    known: OnceCell<Result<Vec<KnownKey>>>,
}

/// A key that somebody asked for.
pub struct Found {
    /// The key.
    pub public: PublicKey,
    /// Its name in the directory, or what its file would be for.
    pub name: Option<String>,
    /// Where its private half is, as far as a file says.
    pub kind: Option<KeyKind>,
    /// Its file.
    pub path: Option<PathBuf>,
}

/// The project's verified metadata; expiry is no matter here.
pub fn base(project: &Project) -> Result<Base> {
    let store = project.authoritative()?;
    Base::open(store.reader(), &project.root()?, clock::now())
}

impl Ring {
    /// Looks into the directory of secret keys, if one is known.
    pub fn look(cli: &Cli) -> Result<Self> {
        let project = Project::look(cli)?;
        let keyring = match (&project, &cli.secret_keys) {
            (Some(project), _) => Some(project.keyring()?),
            (None, Some(dir)) => Some(Keyring::new(dir)),
            (None, None) => None,
        };
        let shelf = keyring.as_ref().map(Keyring::shelf).transpose()?;
        Ok(Ring {
            shelf: shelf.unwrap_or_default(),
            dir: keyring.map(|keyring| keyring.dir().to_owned()),
            project,
            agent: OnceCell::new(),
            known: OnceCell::new(),
        })
    }

    /// The keys in the agent, or why it cannot say.
    pub fn agent(&self) -> &Result<Vec<Identity>> {
        self.agent
            .get_or_init(|| Agent::from_env().and_then(|agent| agent.keys()))
    }

    /// The keys of root and policy, or why they are not known.
    pub fn all_known(&self) -> &Result<Vec<KnownKey>> {
        self.known.get_or_init(|| match &self.project {
            Some(project) => {
                let base = base(project)?;
                known_keys(&base.root, &base.policy, clock::now())
            }
            None => Err(Error::failed("there is no project here")),
        })
    }

    /// What root and policy say of a key.
    pub fn known(&self, key: &PublicKey) -> Vec<KnownKey> {
        let known = self.all_known().iter().flatten();
        known
            .filter(|known| known.public == *key)
            .cloned()
            .collect()
    }

    /// Whether the agent has a key.
    pub fn is_held(&self, key: &PublicKey) -> bool {
        let held = self.agent().iter().flatten();
        held.map(|key| key.public).any(|held| held == Some(*key))
    }

    /// The key that `words` name: a file, a name in the directory, a purpose, a holder, or the
    /// beginning of an id.
    ///
    /// # Errors
    /// None, more than one, a file that holds none.
    pub fn find(&self, cli: &Cli, words: &str) -> Result<Found> {
        let path = start_dir(cli)?.join(words);
        if durable::is_file(&path) {
            return self.in_file(cli, path);
        }
        if let Some(shelved) = self.shelf.iter().find(|shelved| shelved.name == words) {
            let key = shelved.key.clone()?;
            return Ok(self.found(key));
        }
        let meant = |key: &PublicKey, known: Option<&KnownKey>| {
            let by_id = words.len() >= MIN_KEYID_PREFIX && key.keyid().starts_with(words);
            let by_word = known.is_some_and(|known| {
                known.purpose == words || known.person.as_deref() == Some(words)
            });
            by_id || by_word
        };
        let mut fit = BTreeSet::new();
        for known in self.all_known().iter().flatten() {
            if meant(&known.public, Some(known)) {
                fit.insert(known.public);
            }
        }
        let shelved = self
            .shelf
            .iter()
            .filter_map(|shelved| shelved.key.as_ref().ok().copied());
        let held = self.agent().iter().flatten().filter_map(|key| key.public);
        for key in shelved.chain(held) {
            if meant(&key, None) {
                fit.insert(key);
            }
        }
        match fit.iter().collect::<Vec<_>>().as_slice() {
            [one] => Ok(self.found(**one)),
            [] => {
                let error = Error::usage(format!("{words:?} is no key that is known here"));
                let error = match self.all_known() {
                    Ok(_) => error,
                    Err(e) => error.caused_by(format!("root and policy cannot be asked: {e}")),
                };
                Err(error.hint("see which there are: relman key list; or name a file"))
            }
            more => {
                let names: Vec<String> = more.iter().map(|key| self.told(key)).collect();
                Err(
                    Error::usage(format!("{words:?} may be any of {}", names.join(", ")))
                        .hint("name it by 8 or more characters of its id"),
                )
            }
        }
    }

    fn told(&self, key: &PublicKey) -> String {
        let id = short(&key.keyid());
        match self.known(key).first() {
            Some(known) => {
                let of = known.person.as_ref().map(|person| format!(" of {person}"));
                format!(
                    "the {} key{} (key {id})",
                    known.purpose,
                    of.unwrap_or_default()
                )
            }
            None => format!("key {id}"),
        }
    }

    fn found(&self, public: PublicKey) -> Found {
        let shelved = self
            .shelf
            .iter()
            .find(|shelved| shelved.key.as_ref().ok() == Some(&public));
        Found {
            public,
            name: shelved.map(|shelved| shelved.name.clone()),
            kind: shelved.and_then(|shelved| shelved.kind),
            path: shelved.map(|shelved| shelved.path.clone()),
        }
    }

    fn in_file(&self, cli: &Cli, path: PathBuf) -> Result<Found> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (public, kind) = match name.ends_with(PUBLIC) {
            true => {
                let (public, _) = read_public(&path)?;
                (public, None)
            }
            false => {
                let none = || Error::failed(format!("there is no file {}", path.display()));
                let key = KeyFile::read(&path, &cli.passphrases)?.ok_or_else(none)?;
                let kind = match key.is_encrypted() {
                    true => KeyKind::Encrypted,
                    false => KeyKind::File,
                };
                (key.public(), Some(kind))
            }
        };
        let found = self.found(public);
        let name = name.strip_suffix(PUBLIC).unwrap_or(&name).to_owned();
        Ok(Found {
            name: found.name.or(Some(name)),
            kind: kind.or(found.kind),
            path: Some(path),
            ..found
        })
    }
}

impl Found {
    /// What it is for: as root and policy say, or as its name does.
    pub fn purposes(&self, ring: &Ring) -> Vec<String> {
        let known = ring.known(&self.public);
        match (known.is_empty(), &self.name) {
            (true, Some(name)) => vec![purpose_of(name).to_owned()],
            _ => known.into_iter().map(|known| known.purpose).collect(),
        }
    }
}
