//! Room `io`: passphrases of keys. They come from a descriptor or from a terminal, never from an
//! argument or the environment, and are wiped from memory at the end.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use zeroize::Zeroizing;

use super::keyring::FileKey;
use super::{process, terminal};
use crate::keys::{PublicKey, Signer};
use crate::limits::{MAX_PASSPHRASE_LEN, MIN_NEW_PASSPHRASE_LEN};
use crate::{Error, Result};

/// A passphrase, as bytes.
pub type Passphrase = Zeroizing<Vec<u8>>;

/// Runs a question while nothing else writes to the terminal.
pub type Interlude = Rc<dyn Fn(&mut dyn FnMut())>;

/// How often a person may try.
const TRIES: usize = 3;

/// Where passphrases come from.
enum Given {
    /// Nowhere; with the reason.
    Nobody(&'static str),
    /// A descriptor, from which one was read.
    Descriptor(u32),
    /// A person.
    Terminal(Interlude),
}

/// The passphrases of one run of the program, and the keys that they opened.
pub struct Passphrases {
    given: Given,
    known: RefCell<Vec<Passphrase>>,
    open: RefCell<Vec<FileKey>>,
}

impl Default for Passphrases {
    fn default() -> Self {
        Self::of(Given::Nobody("nobody is asked for it here"))
    }
}

impl fmt::Debug for Passphrases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrases")
    }
}

impl Passphrases {
    fn of(given: Given) -> Self {
        Passphrases {
            given,
            known: RefCell::default(),
            open: RefCell::default(),
        }
    }

    /// The one in the next line of a descriptor. It is read now: programs that are started later
    /// inherit the descriptor, and find it empty.
    ///
    /// # Errors
    /// No such descriptor, a terminal, no line, one that is too long.
    pub fn from_descriptor(number: u32) -> Result<Self> {
        let passphrase = terminal::line_of_descriptor(number, MAX_PASSPHRASE_LEN)?;
        let out = Self::of(Given::Descriptor(number));
        out.known.borrow_mut().push(passphrase);
        Ok(out)
    }

    /// Those that a person types when they are needed, if there is a terminal.
    pub fn from_terminal(interlude: Interlude) -> Self {
        Self::of(match process::can_ask() {
            true => Given::Terminal(interlude),
            false => Given::Nobody("there is no terminal to ask for it"),
        })
    }

    /// None, because the answer is a document.
    pub fn none_under_json() -> Self {
        Self::of(Given::Nobody("nothing is asked under --json"))
    }

    /// The key `public`, opened by whichever passphrase fits: one that was given before, or one that
    /// is asked for now. `attempt` tries one, and gives nothing where it is wrong.
    ///
    /// # Errors
    /// Nobody to ask, none that fits, what `attempt` gives.
    pub fn open(
        &self,
        public: &PublicKey,
        name: &str,
        attempt: &dyn Fn(&[u8]) -> Result<Option<FileKey>>,
    ) -> Result<FileKey> {
        if let Some(key) = self
            .open
            .borrow()
            .iter()
            .find(|key| key.public() == *public)
        {
            return Ok(key.clone());
        }
        for passphrase in self.known.borrow().iter() {
            if let Some(key) = attempt(passphrase)? {
                self.opened(&key);
                return Ok(key);
            }
        }
        let interlude =
            match &self.given {
                Given::Terminal(interlude) => interlude,
                Given::Descriptor(number) => {
                    return Err(Error::failed(format!(
                        "the passphrase on descriptor {number} does not open {name}"
                    ))
                    .hint(format!("try it yourself: ssh-keygen -y -f {name}")));
                }
                Given::Nobody(why) => {
                    return Err(Error::failed(format!("{name} has a passphrase, and {why}")).hint(
                    "give it on a descriptor: --passphrase-fd 3 3<FILE; or give the key to an \
                     ssh-agent: ssh-add",
                ));
                }
            };
        for _ in 0..TRIES {
            let passphrase = asked(interlude, &format!("passphrase of {name}: "))?;
            if let Some(key) = attempt(&passphrase)? {
                self.known.borrow_mut().push(passphrase);
                self.opened(&key);
                return Ok(key);
            }
            interlude(&mut || terminal::say(&format!("that is not the passphrase of {name}")));
        }
        Err(Error::failed(format!(
            "{TRIES} passphrases were tried for {name}, and none fits"
        ))
        .hint(format!("try it yourself: ssh-keygen -y -f {name}")))
    }

    /// A passphrase for `what`, which is to be encrypted now: asked for twice, or the one on the
    /// descriptor. It is tried on further keys of this run, too.
    ///
    /// # Errors
    /// Nobody to ask; one that is too short; two that differ.
    pub fn new_one(&self, what: &str) -> Result<Passphrase> {
        let interlude = match &self.given {
            Given::Terminal(interlude) => interlude,
            Given::Descriptor(_) => {
                let known = self.known.borrow();
                let given = known.first().cloned().unwrap_or_default();
                return long_enough(given);
            }
            Given::Nobody(why) => {
                return Err(
                    Error::failed(format!("{what} is to get a passphrase, and {why}"))
                        .hint("give it on a descriptor: --passphrase-fd 3 3<FILE"),
                );
            }
        };
        for _ in 0..TRIES {
            let first = asked(interlude, &format!("new passphrase for {what}: "))?;
            let first = match long_enough(first) {
                Ok(first) => first,
                Err(e) => {
                    interlude(&mut || terminal::say(e.message()));
                    continue;
                }
            };
            if asked(interlude, "the same again: ")? == first {
                self.known.borrow_mut().push(first.clone());
                return Ok(first);
            }
            interlude(&mut || terminal::say("the two are not the same"));
        }
        Err(Error::failed(format!("{what} got no passphrase"))
            .hint("run the same command again; nothing was written"))
    }

    /// Whether the one that is there came from a descriptor.
    pub fn are_from_descriptor(&self) -> bool {
        matches!(self.given, Given::Descriptor(_))
    }

    /// Remembers a key that is open.
    pub fn opened(&self, key: &FileKey) {
        self.open.borrow_mut().push(key.clone());
    }
}

fn long_enough(passphrase: Passphrase) -> Result<Passphrase> {
    match passphrase.len() >= MIN_NEW_PASSPHRASE_LEN {
        true => Ok(passphrase),
        false => Err(Error::usage(format!(
            "a new passphrase of {} bytes, wanted {MIN_NEW_PASSPHRASE_LEN} or more",
            passphrase.len()
        ))
        .hint("take a longer one")),
    }
}

fn asked(interlude: &Interlude, question: &str) -> Result<Passphrase> {
    let mut answer = None;
    interlude(&mut || answer = Some(terminal::hidden_line(question, MAX_PASSPHRASE_LEN)));
    let answer = answer.ok_or_else(|| Error::bug("a question that was not asked"))??;
    match answer.is_empty() {
        true => Err(Error::failed("no passphrase was given")),
        false => Ok(answer),
    }
}
