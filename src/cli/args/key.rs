//! The command line of `relman key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `key`
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// The commands below `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key for a purpose.
    Generate(GenerateArgs),
    /// The keys here, in the directory of secret keys and in the ssh-agent, and what they count for.
    List,
    /// All names of one key, and what it counts for.
    Show(ShowArgs),
    /// Print a public key in another format.
    Export(ExportArgs),
    /// Take an existing private key over into the directory of secret keys.
    Import(ImportArgs),
}

/// `key generate`
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What it is for, as for `relman root add`, and perhaps a name: targets, mainnet.bob.
    #[arg(value_name = "PURPOSE[.NAME]")]
    pub name: String,
    /// Write it here, and FILE.pub, instead of into the directory of secret keys.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave it without a passphrase, for machines that sign unattended.
    #[arg(long, conflicts_with = "passphrase_fd")]
    pub no_passphrase: bool,
    /// What the file says of the key [default: PURPOSE[.NAME]@PROJECT].
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
}

/// `key show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A file, a name in the directory of secret keys, a purpose, a holder, or 8 or more characters of
    /// the key's id.
    pub key: String,
}

/// How a public key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line of OpenSSH.
    Ssh,
    /// SubjectPublicKeyInfo in PEM, for openssl and the like.
    Pem,
    /// C2SP signed-note: of a log or a witness.
    Vkey,
    /// The key id of TUF and of the DSSE envelopes here.
    TufId,
    /// A public key file of minisign.
    Minisign,
}

impl Format {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ssh => "ssh",
            Format::Pem => "pem",
            Format::Vkey => "vkey",
            Format::TufId => "tuf-id",
            Format::Minisign => "minisign",
        }
    }
}

/// `key export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The key, as for `key show`.
    pub key: String,
    /// The format.
    #[arg(long, value_enum)]
    pub format: Format,
    /// The key's name in a vkey [default: the one that policy has; the log's origin].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write it here instead of to stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `key import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// An OpenSSH private key, with or without a passphrase, or an Ed25519 key in PKCS#8 (PEM).
    pub file: PathBuf,
    /// What it is for, and perhaps a name.
    #[arg(long = "as", value_name = "PURPOSE[.NAME]")]
    pub name: String,
    /// Encrypt it with a new passphrase; otherwise it stays as it is.
    #[arg(long)]
    pub new_passphrase: bool,
}
