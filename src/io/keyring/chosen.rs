//! Room `io`: the key that a command line names, by a word behind `--key`.

use std::path::Path;
use std::rc::Rc;

use super::super::agent::{Agent, Identity, summary};
use super::super::passphrase::Passphrases;
use super::file::{KeyFile, read_public};
use super::held::HeldKey;
use super::{PUBLIC, private_half};
use crate::keys::Signer;
use crate::release::publish::Keys;
use crate::{Error, Result};

/// The word for whatever key of the agent is asked for. A file of this name is `./agent`.
pub const AGENT: &str = "agent";

/// What `--key` names. It counts for whatever it is asked for: the document that is signed says, and
/// policy decides, which keys it wants.
#[derive(Clone)]
pub enum Chosen {
    /// A private key file.
    File(KeyFile),
    /// A `.pub` file, whose private half is in the agent.
    Held(HeldKey),
    /// Any plain Ed25519 key of the agent.
    Agent(Agent),
}

impl Chosen {
    /// Reads what `word` names: a private key file, a `.pub` file, or `agent`. Relative paths begin
    /// at `dir`.
    ///
    /// # Errors
    /// No such file, or one that cannot be used; no agent, or one that does not have the key.
    pub fn read(word: &Path, dir: &Path, passphrases: &Rc<Passphrases>) -> Result<Self> {
        if word == Path::new(AGENT) {
            let agent = Agent::from_env()?;
            usable(&agent)?;
            return Ok(Chosen::Agent(agent));
        }
        let path = dir.join(word);
        if let Some(private) = private_half(&path) {
            let (public, _) = read_public(&path)?;
            let held = Agent::from_env()
                .map(|agent| HeldKey::new(agent, public, path.display().to_string()));
            return match held.and_then(|key| key.prepare().map(|()| key)) {
                Ok(key) => Ok(Chosen::Held(key)),
                Err(e) if super::durable::is_file(&private) => Err(e.hint(format!(
                    "its private half lies beside it: --key {}",
                    private.display()
                ))),
                Err(e) => Err(e),
            };
        }
        let key = KeyFile::read(&path, passphrases)?;
        let none = || {
            Error::failed(format!("there is no key file at {}", path.display())).hint(format!(
                "name a private key file, a {PUBLIC} file whose key is in the ssh-agent, or {AGENT}"
            ))
        };
        key.map(Chosen::File).ok_or_else(none)
    }
}

impl Keys for Chosen {
    fn all(&self, _purpose: &str) -> Result<Vec<Box<dyn Signer>>> {
        Ok(match self {
            Chosen::File(key) => vec![Box::new(key.clone())],
            Chosen::Held(key) => vec![Box::new(key.clone())],
            Chosen::Agent(agent) => usable(agent)?
                .into_iter()
                .filter_map(|key| {
                    let held = HeldKey::new(agent.clone(), key.public?, key.comment);
                    Some(Box::new(held) as Box<dyn Signer>)
                })
                .collect(),
        })
    }
}

/// The agent's keys that can sign here, at least one.
fn usable(agent: &Agent) -> Result<Vec<Identity>> {
    let (usable, others): (Vec<_>, Vec<_>) = agent
        .keys()?
        .into_iter()
        .partition(|key| key.public.is_some());
    if !usable.is_empty() {
        return Ok(usable);
    }
    Err(match others.is_empty() {
        true => Error::failed("the ssh-agent has no keys, or is locked")
            .hint("unlock it: ssh-add -X; or give it the key: ssh-add KEYFILE"),
        false => Error::failed(format!(
            "the ssh-agent has no plain Ed25519 key, only {}",
            summary(&others)
        ))
        .hint(
            "FIDO, RSA and other keys sign other bytes than the formats here; make one for the \
             purpose: relman key generate PURPOSE --out KEYFILE, then ssh-add KEYFILE",
        ),
    })
}
