//! Arguments of `relman fleet halt`.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

/// `fleet halt`
#[derive(Debug, Args)]
pub struct FleetHaltArgs {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Why, for those who are on call after you.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Sign with this private key file, this .pub file's key in the ssh-agent, or any key of the agent, instead of
    /// those in the secret keys' directory.
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<PathBuf>,
    /// Where to write the file for the sequencer, if the store's keys are not here [default: halt-NAME-N.json].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show what would be signed, and sign nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// With --store: sign for a store that is only read here, and write the file.
    #[command(flatten)]
    pub store: StoreArgs,
}
