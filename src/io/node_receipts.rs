//! Room `io`: a node's receipts: `receipts/` below its state, with the key that signs them.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::durable;
use super::node_dir::Dir;
use super::node_key::{self, NodeKey};
use super::node_state::{self, check_owner};
use crate::error::{Context, Error, Result};
use crate::keys::{PublicKey, Signer};
use crate::limits::{
    MAX_CHECKPOINT_LEN, MAX_LISTED_METADATA_LEN, MAX_RECEIPTS_LEN, MAX_RECEIPTS_TAIL_LEN,
};
use crate::node::config::NodeConfig;
use crate::node::receipt::{Ledger, Tail};
use crate::release::verify::LOCAL;

const DIR: &str = "receipts";
const FILE: &str = "receipts.jsonl";

/// The receipts of one node.
pub struct NodeReceipts {
    state: PathBuf,
    node: String,
    environment: String,
}

impl NodeReceipts {
    /// Those of the node of `config`. Nothing is opened or created yet.
    pub fn new(config: &NodeConfig) -> Self {
        NodeReceipts {
            state: config.state.clone(),
            node: config.name.clone(),
            environment: config.environment.clone(),
        }
    }

    fn existing(&self) -> Result<Option<Dir>> {
        let Some(state) = Dir::open(&self.state)? else {
            return Ok(None);
        };
        let dir = state.dir(DIR)?;
        if let Some(dir) = &dir {
            check_owner(dir)?;
        }
        Ok(dir)
    }

    fn made(&self) -> Result<Dir> {
        let state = Dir::open(&self.state)?.ok_or_else(|| {
            Error::failed(format!("{} does not exist", self.state.display()))
                .hint("relman install TAG creates it")
        })?;
        let dir = state.make_dir(DIR, 0o755)?;
        check_owner(&dir)?;
        Ok(dir)
    }

    /// All receipts, byte for byte.
    ///
    /// # Errors
    /// They cannot be read; more than [`MAX_RECEIPTS_LEN`].
    pub fn all(&self) -> Result<Vec<u8>> {
        let bytes = match self.existing()? {
            Some(dir) => dir.read(FILE, MAX_RECEIPTS_LEN),
            None => Ok(None),
        };
        Ok(bytes?.unwrap_or_default())
    }

    /// Where the public half of the node's key is.
    pub fn public_path(&self) -> PathBuf {
        self.state.join(DIR).join(node_key::PUBLIC)
    }

    fn stored(
        &self,
        files: &mut Vec<(String, Vec<u8>)>,
        name: &str,
        path: &Path,
        limit: u64,
    ) -> Result<()> {
        let bytes = durable::read_bounded(&self.state.join(path), limit)?;
        files.extend(bytes.map(|bytes| (name.to_owned(), bytes)));
        Ok(())
    }
}

impl Ledger for NodeReceipts {
    fn tail(&self) -> Result<Tail> {
        let Some(dir) = self.existing()? else {
            return Ok(Tail {
                whole: true,
                ..Tail::default()
            });
        };
        let Some((mut file, stat)) = dir.open_file(FILE)? else {
            return Ok(Tail {
                whole: true,
                ..Tail::default()
            });
        };
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        let skip = length.saturating_sub(MAX_RECEIPTS_TAIL_LEN);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(skip))
            .and_then(|_| file.take(MAX_RECEIPTS_TAIL_LEN).read_to_end(&mut bytes))
            .or_failed(|| format!("cannot read {}", dir.path.join(FILE).display()))?;
        if skip > 0 {
            // The first line is cut in two.
            let end = bytes.iter().position(|b| *b == b'\n').map_or(0, |i| i + 1);
            bytes.drain(..end);
        }
        Ok(Tail {
            bytes,
            whole: skip == 0,
        })
    }

    fn append(&self, torn: u64, lines: &[u8]) -> Result<()> {
        node_state::append(&self.made()?, FILE, torn, lines)
    }

    fn signer(&self) -> Result<(Box<dyn Signer>, bool)> {
        let dir = self.made()?;
        if let Some(key) = NodeKey::read(&dir)? {
            key.write_public(&dir, &self.node)?;
            return Ok((Box::new(key), false));
        }
        Ok((Box::new(NodeKey::make(&dir, &self.node)?), true))
    }

    fn public(&self) -> Result<Vec<PublicKey>> {
        match self.existing()? {
            Some(dir) => node_key::public(&dir),
            None => Ok(Vec::new()),
        }
    }

    fn seen(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        let checkpoint = Path::new("log").join("checkpoint");
        self.stored(&mut files, "checkpoint", &checkpoint, MAX_CHECKPOINT_LEN)?;
        let mut roles = vec!["root", "timestamp", "snapshot", "targets"];
        if self.environment != LOCAL {
            roles.push(&self.environment);
        }
        for role in roles {
            let name = format!("{role}.json");
            let path = Path::new("trust").join(&name);
            self.stored(&mut files, &name, &path, MAX_LISTED_METADATA_LEN)?;
        }
        Ok(files)
    }
}
