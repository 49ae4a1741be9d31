//! Room `io`: a node's own key: an OpenSSH private key without a passphrase, for nobody is there to type one.

use std::io::Read;
use std::path::Path;

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::node_dir::Dir;
use super::random;
use crate::attest::dsse::short;
use crate::error::Context;
use crate::keys::{PublicKey, Signer, wrong_type};
use crate::limits::MAX_KEY_FILE_LEN;
use crate::{Error, Result};

/// The private half, 0600.
const PRIVATE: &str = "node.key";
/// The public half.
pub(super) const PUBLIC: &str = "node.pub";
/// Around the key id in the name of a public half whose private one is gone.
const FORMER: &str = "node-";
const SUFFIX: &str = ".pub";

/// The key in memory; wiped when dropped.
pub(super) struct NodeKey {
    signing: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl NodeKey {
    fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        let signing = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(signing.verifying_key().to_bytes())?;
        Ok(NodeKey { signing, public })
    }

    /// The key in `dir`; none where there is no file.
    ///
    /// # Errors
    /// Refused: others could have read it; another sort of key.
    pub(super) fn read(dir: &Dir) -> Result<Option<Self>> {
        let Some((mut file, stat)) = dir.open_file(PRIVATE)? else {
            return Ok(None);
        };
        let path = dir.path.join(PRIVATE);
        let name = path.display();
        if stat.st_mode & 0o077 != 0 {
            return Err(Error::refused(format!(
                "the node's key {name} has mode {:04o}, wanted 0600: others could have read it",
                stat.st_mode & 0o7777
            ))
            .hint(format!("if nobody did: chmod 600 {name}")));
        }
        let mut text = Zeroizing::new(Vec::new());
        (&mut file)
            .take(MAX_KEY_FILE_LEN)
            .read_to_end(&mut text)
            .or_failed(|| format!("cannot read {name}"))?;
        let key = PrivateKey::from_openssh(text.as_slice())
            .or_refused(|| format!("{name} is no OpenSSH private key"))?;
        let pair = key.key_data().ed25519();
        let pair = pair.ok_or_else(|| {
            wrong_type(key.algorithm().as_str()).under(format!("{name} is no key for a node"))
        })?;
        Self::from_seed(&Zeroizing::new(pair.private.to_bytes())).map(Some)
    }

    /// Makes the key in `dir`, each half in one step; whoever calls it holds the node's lock.
    ///
    /// # Errors
    /// It cannot be written; the system gives no random bytes.
    pub(super) fn make(dir: &Dir, node: &str) -> Result<Self> {
        let mut seed = Zeroizing::new([0u8; 32]);
        random::fill(seed.as_mut_slice())?;
        let key = Self::from_seed(&seed)?;
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        let text = PrivateKey::new(pair, comment(node))
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .or_failed(|| "cannot write a key".into())?;
        dir.replace(PRIVATE, text.as_bytes(), 0o600)?;
        key.write_public(dir, node)?;
        Ok(key)
    }

    /// Puts the public half beside it. One of a key that is gone is kept under a name of its own, since
    /// older receipts are signed by it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write_public(&self, dir: &Dir, node: &str) -> Result<()> {
        let line = format!("{}\n", self.public.to_openssh(&comment(node))?);
        if let Some(bytes) = dir.read(PUBLIC, MAX_KEY_FILE_LEN)? {
            let old = parse(&dir.path.join(PUBLIC), bytes.clone());
            if old.as_ref().is_ok_and(|old| *old == self.public) {
                return Ok(());
            }
            if let Ok(old) = old {
                let name = format!("{FORMER}{}{SUFFIX}", short(&old.keyid()));
                dir.replace(&name, &bytes, 0o644)?;
            }
        }
        dir.replace(PUBLIC, line.as_bytes(), 0o644)
    }
}

fn comment(node: &str) -> String {
    format!("node@{node}")
}

impl Signer for NodeKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        use ed25519_dalek::Signer as _;
        Ok(self.signing.sign(message).to_bytes())
    }
}

/// The public halves in `dir`, from their own files: whoever may not read the key can read these. The
/// present one comes first, then those of keys that are gone.
///
/// # Errors
/// One cannot be read, or is no key.
pub(super) fn public(dir: &Dir) -> Result<Vec<PublicKey>> {
    let former = dir.names()?.into_iter().filter(|name| {
        let id = name.strip_prefix(FORMER);
        id.is_some_and(|id| id.ends_with(SUFFIX))
    });
    let mut keys = Vec::new();
    for name in std::iter::once(PUBLIC.to_owned()).chain(former) {
        if let Some(bytes) = dir.read(&name, MAX_KEY_FILE_LEN)? {
            keys.push(parse(&dir.path.join(&name), bytes)?);
        }
    }
    Ok(keys)
}

fn parse(path: &Path, bytes: Vec<u8>) -> Result<PublicKey> {
    let text = String::from_utf8(bytes).or_refused(|| format!("{} is no text", path.display()))?;
    PublicKey::from_openssh(&text).map_err(|e| e.under(path.display().to_string()))
}
