//! Arguments of `relman witness`.

use std::path::PathBuf;

use clap::Args;

/// `witness`
#[derive(Debug, Args)]
pub struct WitnessArgs {
    /// The address and port to listen on; port 0 is any that is free.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:24110")]
    pub listen: String,
    /// Where the witness remembers what it cosigned; nobody else's, and never put back to an older state.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// The witness's private key file, or the .pub file of its key in the ssh-agent.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The witness's name, part of its vkey: an address without scheme, e.g. mn1.example.org/witness.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The vkey of a log to watch; several of one name are of one log.
    #[arg(long = "log", value_name = "VKEY")]
    pub logs: Vec<String>,
    /// A file of such vkeys, one a line; # begins a comment.
    #[arg(long, value_name = "FILE")]
    pub logs_file: Option<PathBuf>,
    /// Where logs reach it, for the line to put into a policy [default: http:// and where it listens].
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}
