//! Room `io`: keys that an ssh-agent signs with.

use super::super::agent::Agent;
use crate::Result;
use crate::keys::{PublicKey, Signer};

/// One key in an agent.
#[derive(Clone)]
pub struct HeldKey {
    agent: Agent,
    public: PublicKey,
    name: String,
}

impl HeldKey {
    /// The key `public`, which `name` (a `.pub` file, a comment) stands for in messages.
    pub fn new(agent: Agent, public: PublicKey, name: String) -> Self {
        HeldKey {
            agent,
            public,
            name,
        }
    }
}

impl Signer for HeldKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        self.agent.sign(&self.public, message)
    }

    fn prepare(&self) -> Result<()> {
        self.agent.require(&self.public, &self.name)
    }
}
