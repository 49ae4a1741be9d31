//! The command line of `relman root`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

/// `root`
#[derive(Debug, Args)]
pub struct RootArgs {
    /// What to change [default: show root and policy as they are].
    #[command(subcommand)]
    pub change: Option<RootChange>,
}

/// What `relman root` changes.
#[derive(Debug, Subcommand)]
pub enum RootChange {
    /// Let a further key sign.
    Add(AddArgs),
    /// Let a key sign no longer.
    Remove(RemoveArgs),
    /// Put a new key in the place of an old one.
    Rotate(RotateArgs),
    /// Say how many keys must sign.
    Threshold(ThresholdArgs),
    /// Say what an environment asks for.
    Set(SetArgs),
    /// Say who witnesses the log.
    Witnesses(WitnessesArgs),
    /// Say when a network goes back: what everybody's `relman watch` acts on.
    Watch(RootWatchArgs),
    /// Sign root anew, with a later expiry and nothing else.
    Renew(RenewArgs),
}

/// How a change is made.
#[derive(Debug, Args, Clone, Copy)]
pub struct HowArgs {
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Keep the change unsigned, for further ones to join it; then: relman sign root-N.
    #[arg(long, conflicts_with = "dry_run")]
    pub draft: bool,
    /// Sign without being asked.
    #[arg(long, short)]
    pub yes: bool,
}

/// `root add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What the key is for: root, targets, snapshot, timestamp, log, builder, publisher, tagger, gate,
    /// approver, rebuilder, witness, node, ENVIRONMENT, halt-ENVIRONMENT or override-ENVIRONMENT.
    pub role: String,
    /// The public key, as ssh-keygen writes it.
    #[arg(value_name = "KEY.pub")]
    pub key: PathBuf,
    /// Who holds it [default: the user's login name].
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// How many of the role's keys must sign from then on.
    #[arg(long, value_name = "N")]
    pub threshold: Option<u64>,
    /// When the key ends to count, e.g. 2027-01-01T00:00:00Z [default: never]. Not for keys of TUF roles, environments and halts.
    #[arg(long, value_name = "TIME")]
    pub not_after: Option<Timestamp>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root remove`
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// What the key is for.
    pub role: String,
    /// The key: its .pub file, its holder, or 8 or more characters of its id.
    pub key: String,
    /// What it signed from this time on counts for nothing [default: now].
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Nothing that it ever signed counts.
    #[arg(long, conflicts_with = "since")]
    pub erase: bool,
    /// How many of the role's keys must sign from then on.
    #[arg(long, value_name = "N")]
    pub threshold: Option<u64>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root rotate`
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// What the key is for.
    pub role: String,
    /// The key that goes: its .pub file, its holder, or 8 or more characters of its id.
    pub old: String,
    /// The public key that comes, as ssh-keygen writes it.
    #[arg(value_name = "NEW.pub")]
    pub new: PathBuf,
    /// Who holds the new one [default: whoever held the old one].
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// What the old one signed from this time on counts for nothing [default: now].
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Nothing that the old one ever signed counts.
    #[arg(long, conflicts_with = "since")]
    pub erase: bool,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root threshold`
#[derive(Debug, Args)]
pub struct ThresholdArgs {
    /// Whose: root, targets, snapshot, timestamp, ENVIRONMENT, halt-ENVIRONMENT or
    /// override-ENVIRONMENT.
    pub role: String,
    /// How many of its keys must sign.
    #[arg(value_name = "N")]
    pub threshold: u64,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root set`
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The environment, or `cut` for what every release needs before it is published.
    #[arg(value_name = "ENVIRONMENT|cut")]
    pub environment: String,
    /// Hours in the environment before this one.
    #[arg(long, value_name = "H")]
    pub soak_hours: Option<u64>,
    /// Hours between announcement and release.
    #[arg(long, value_name = "H")]
    pub notice_hours: Option<u64>,
    /// The security floor: the oldest release that nodes may install or go back to; "none" for none.
    #[arg(long, value_name = "TAG")]
    pub minimum: Option<String>,
    /// Approvals that a release needs, separated by commas, such as
    /// code-review:2:not-author,security,external-audit:evidence; "none" for none, "checklist" for
    /// those of the deployment guide.
    #[arg(long, value_name = "RULES")]
    pub approvals: Option<String>,
    /// How many independent rebuilders must have made the same archive.
    #[arg(long, value_name = "N")]
    pub rebuilders: Option<u64>,
    /// Gates that a release must have passed, separated by commas, such as fmt,clippy,test:tests=60;
    /// "none" for none. Only with `cut`.
    #[arg(long, value_name = "RULES")]
    pub gates: Option<String>,
    /// What is asked of tags, separated by commas: signed, descends, branch=PATTERN; "none" for
    /// nothing. Only with `cut`.
    #[arg(long, value_name = "RULES")]
    pub tag: Option<String>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root witnesses`
#[derive(Debug, Args)]
pub struct WitnessesArgs {
    /// A witness policy in C2SP's text form, or "none".
    #[arg(value_name = "FILE|none", required_unless_present = "max_age_hours")]
    pub policy: Option<String>,
    /// How old a quorum's newest cosignatures may be before nodes install nothing; 0 for any age.
    #[arg(long, value_name = "H")]
    pub max_age_hours: Option<u64>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root watch`
#[derive(Debug, Args)]
pub struct RootWatchArgs {
    /// A watch policy, such as watch.toml, or "none".
    #[arg(value_name = "FILE|none")]
    pub policy: String,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

/// `root renew`
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// When root expires [default: as relman.toml says].
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}
