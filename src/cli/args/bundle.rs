//! The command line of `relman bundle`.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

/// `bundle`
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The release.
    pub tag: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The environment of the nodes that it is for; nodes of `local` take any.
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub environment: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}
