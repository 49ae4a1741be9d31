//! The end of the log that is to grow: its tree, and the keys that sign for it. Pure.

use jiff::Timestamp;

use super::Keys;
use crate::keys::{PublicKey, Signer};
use crate::log::{Checkpoint, Note, TreeHead, VerifiedCheckpoint, VerifierKey};
use crate::release::policy::ReleasePolicy;
use crate::trust::policy::Purpose;
use crate::{Error, Result};

/// The log that is to grow, and the keys that make it.
pub struct LogEnd {
    /// Its size and root now.
    pub head: TreeHead,
    /// The keys' name, which is the log's origin.
    pub origin: String,
    /// The keys of its checkpoints; never empty. All of them sign.
    keys: Vec<(VerifierKey, Box<dyn Signer>)>,
    /// The key of the leaves about metadata.
    pub publisher: Box<dyn Signer>,
}

impl LogEnd {
    /// The log of a new store.
    ///
    /// # Errors
    /// Usage: an origin that is no name of a key.
    pub fn founded(origin: &str, key: Box<dyn Signer>, publisher: Box<dyn Signer>) -> Result<Self> {
        Ok(LogEnd {
            head: TreeHead::empty(),
            origin: origin.to_owned(),
            keys: vec![(VerifierKey::from_public(origin, &key.public())?, key)],
            publisher,
        })
    }

    /// The log with the tree `head` and the keys at hand that count for `policy` at `now`.
    ///
    /// # Errors
    /// Keys that policy does not name.
    pub fn of(
        policy: &ReleasePolicy,
        head: TreeHead,
        keys: &dyn Keys,
        now: Timestamp,
    ) -> Result<Self> {
        let known = policy.log_keys_at(now);
        let accepted: Vec<PublicKey> = known.iter().filter_map(|k| k.public().ok()).collect();
        let publishers = policy.accepted(&Purpose::Publisher, now);
        let key = keys.one_of("log", &accepted)?;
        let publisher = keys.one_of("publisher", &publishers)?;
        let origin = policy.log_origin();
        let mine = VerifierKey::from_public(origin, &key.public())?;
        if !known.contains(&mine) {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            return Err(Error::refused(format!(
                "the log key here is {mine}, policy names {}",
                known.join(", ")
            ))
            .hint(
                "are these the secret keys of this project? name the right ones: --secret-keys DIR",
            ));
        }
        policy.check_signer(&Purpose::Publisher, &publisher.public(), now)?;
        let mut end = LogEnd {
            head,
            origin: origin.to_owned(),
            keys: vec![(mine, key)],
            publisher,
        };
        end.join(policy, keys, now)?;
        Ok(end)
    }

    /// Lets all keys at hand that count for `policy` sign too: while one key follows another, readers
    /// who know either believe the same checkpoint.
    ///
    /// # Errors
    /// Keys that cannot be read.
    pub fn join(&mut self, policy: &ReleasePolicy, keys: &dyn Keys, now: Timestamp) -> Result<()> {
        let counting = policy.log_keys_at(now);
        for key in keys.all("log")? {
            let vkey = VerifierKey::from_public(&self.origin, &key.public())?;
            let is_known = self.keys.iter().any(|(known, _)| *known == vkey);
            if !is_known && counting.contains(&vkey) {
                self.keys.push((vkey, key));
            }
        }
        Ok(())
    }

    /// The signed checkpoint of a tree, without cosignatures.
    ///
    /// # Errors
    /// A key that does not sign.
    pub fn sign_checkpoint(&self, head: TreeHead) -> Result<VerifiedCheckpoint> {
        let text = Checkpoint::new(&self.origin, head)?.to_string();
        let mut note: Option<Note> = None;
        for (vkey, key) in &self.keys {
            let signature = key.sign(text.as_bytes())?;
            match &mut note {
                None => note = Some(Note::with_signature(&text, vkey, &signature)?),
                Some(note) => note.add_signature(vkey, &signature)?,
            }
        }
        let note = note.ok_or_else(|| Error::bug("a log without a key"))?;
        let vkeys: Vec<VerifierKey> = self.keys.iter().map(|(vkey, _)| vkey.clone()).collect();
        VerifiedCheckpoint::verify(&note, &vkeys, &self.origin)
    }
}
