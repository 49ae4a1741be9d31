//! Room `io`: the way to witnesses, made when one is asked first: most commands ask none, and certificates
//! take time to read.

use std::sync::{Arc, OnceLock};

use super::clock;
use super::witness_client::WitnessClient;
use crate::Result;
use crate::log::{Post, Reply, Transport};
use crate::release::publish::AskWitnesses;
use crate::store::cosign::Cosigners;
use crate::store::http::HttpOptions;

/// Witnesses behind HTTP(S), reached with these options.
#[derive(Clone, Default)]
pub struct Witnesses {
    options: HttpOptions,
    client: Arc<OnceLock<Result<WitnessClient>>>,
}

impl Witnesses {
    /// As [`WitnessClient::new`], which is asked later.
    pub fn new(options: HttpOptions) -> Self {
        Witnesses {
            options,
            client: Arc::default(),
        }
    }

    /// Whoever asks them for publications that are staged.
    pub fn cosigners(&self) -> Arc<dyn Cosigners> {
        Arc::new(AskWitnesses {
            transport: self.clone(),
            now: clock::now,
        })
    }
}

impl Transport for Witnesses {
    fn post_all(&self, posts: &[Post]) -> Vec<Result<Reply>> {
        let client = self
            .client
            .get_or_init(|| WitnessClient::new(&self.options));
        match client {
            Ok(client) => client.post_all(posts),
            Err(e) => posts.iter().map(|_| Err(e.clone())).collect(),
        }
    }
}
