//! The arguments of `rebuild`.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

/// `rebuild`
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// The tag.
    pub tag: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// A git clone of the source, or its URL [default: the project's repository].
    #[arg(long, value_name = "PATH|URL")]
    pub source: Option<String>,
    /// Attest with this key file instead of the rebuilder's among the secret keys.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Write the attestation to this file, to be imported elsewhere.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Keep both archives, for other tools to compare.
    #[arg(long)]
    pub keep: bool,
}
