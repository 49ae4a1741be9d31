//! Arguments of `relman approve`.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

/// `approve`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// A release or a draft of this project, or the file of a proposed release that was exported.
    #[arg(value_name = "TAG|FILE")]
    pub what: String,
    /// In which role: code-review, security, qa, external-audit, …
    #[arg(long)]
    pub role: String,
    /// Sign with this private key file, this .pub file's key in the ssh-agent, or any key of the agent
    /// [default: the approver's among the secret keys].
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<PathBuf>,
    /// What it rests on: a web address, or a file whose digest is recorded; may be given several times.
    #[arg(long, value_name = "FILE|URL")]
    pub evidence: Vec<String>,
    /// In words.
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// Write the signed approval here, to be imported elsewhere.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Sign without being asked.
    #[arg(long, short)]
    pub yes: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}
