//! The command line, all of it, in one place.

#[cfg(feature = "maintainer")]
mod approve;
mod audit;
mod backup;
mod bundle;
#[cfg(feature = "maintainer")]
mod fleet;
#[cfg(feature = "maintainer")]
mod fleet_after;
#[cfg(feature = "maintainer")]
mod fleet_halt;
#[cfg(feature = "maintainer")]
mod fleet_plan;
#[cfg(feature = "maintainer")]
mod fleet_rollout;
#[cfg(feature = "maintainer")]
mod gate;
mod health;
#[cfg(feature = "maintainer")]
pub mod key;
mod log;
#[cfg(feature = "maintainer")]
mod monitor;
mod node;
mod node_daemon;
#[cfg(feature = "maintainer")]
mod promote;
#[cfg(feature = "maintainer")]
mod rebuild;
mod receipts;
mod repo;
#[cfg(feature = "maintainer")]
pub mod root;
#[cfg(feature = "maintainer")]
mod watch;
#[cfg(feature = "maintainer")]
mod watch_stage;
#[cfg(feature = "maintainer")]
mod witness;

#[cfg(feature = "maintainer")]
use std::cell::RefCell;
use std::path::PathBuf;
#[cfg(feature = "maintainer")]
use std::rc::Rc;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "maintainer")]
use crate::io::passphrase::Passphrases;
#[cfg(feature = "maintainer")]
use crate::release::halt::Change;

#[cfg(feature = "maintainer")]
pub use approve::ApproveArgs;
pub use audit::AuditArgs;
pub use backup::{BackupArgs, BackupCommand, BackupCreateArgs, BackupRestoreArgs};
pub use bundle::BundleArgs;
#[cfg(feature = "maintainer")]
pub use fleet::{FleetArgs, FleetBootstrapArgs, FleetCheckArgs, FleetCommand, FleetFileArgs};
#[cfg(feature = "maintainer")]
pub use fleet_after::{FleetCollectArgs, FleetReadinessArgs};
#[cfg(feature = "maintainer")]
pub use fleet_halt::FleetHaltArgs;
#[cfg(feature = "maintainer")]
pub use fleet_plan::FleetPlanArgs;
#[cfg(feature = "maintainer")]
pub use fleet_rollout::{
    FleetAbortArgs, FleetExplainArgs, FleetPauseArgs, FleetPlaceArgs, FleetResumeArgs,
    FleetRollbackArgs, FleetStatusArgs, FleetStopArgs, FleetUpgradeArgs,
};
#[cfg(feature = "maintainer")]
pub use gate::GateArgs;
pub use health::{HealthArgs, StageArg};
pub use log::{DocsArgs, LogArgs, LogCommand, LogFsckArgs, LogProveArgs, LogShowArgs};
#[cfg(feature = "maintainer")]
pub use monitor::{
    MonitorArgs, MonitorCommand, MonitorExport, MonitorExportArgs, MonitorRoutesArgs,
};
pub use node::{
    DoctorArgs, InstallArgs, NodeArgs, NodeCheckArgs, NodeCommand, NodeGroupArgs, NodeInitArgs,
    NodeReleaseArgs, NodeUnitsArgs, RecoverArgs, RollbackArgs, StatusArgs,
};
pub use node_daemon::{
    NodeChainArgs, NodeJournalArgs, NodeSignalsArgs, NodeStartArgs, NodeStopArgs,
};
#[cfg(feature = "maintainer")]
pub use promote::{AgreeArgs, AnnounceArgs, PromoteArgs};
#[cfg(feature = "maintainer")]
pub use rebuild::RebuildArgs;
pub use receipts::{
    ReceiptsArgs, ReceiptsCommand, ReceiptsExportArgs, ReceiptsShowArgs, ReceiptsVerifyArgs,
};
pub use repo::{MirrorArgs, RepoArgs, RepoCommand, RepoStatusArgs, TimestampArgs, YankArgs};
#[cfg(feature = "maintainer")]
pub use watch::{
    PolicyArgs, WatchArgs, WatchCheckArgs, WatchCommand, WatchDeclareArgs, WatchLiveArgs,
    WatchReplayArgs,
};
#[cfg(feature = "maintainer")]
pub use watch_stage::{ListArg, ReportArgs, WatchChecklistArgs, WatchStageArgs};
#[cfg(feature = "maintainer")]
pub use witness::WitnessArgs;

/// From a git tag to a verified running daemon on every node, and back.
#[derive(Debug, Parser)]
#[command(
    name = "relman",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Print one JSON document on stdout and nothing else.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing on stderr but errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Work as if started in this directory.
    #[arg(long, short = 'C', global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Where the secret keys are [default: $XDG_CONFIG_HOME/relman/PROJECT].
    #[arg(long, global = true, value_name = "DIR")]
    pub secret_keys: Option<PathBuf>,
    #[cfg(feature = "maintainer")]
    /// Read the passphrase of encrypted keys from this file descriptor: its first line.
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<u32>,
    #[cfg(feature = "maintainer")]
    /// The passphrases of this run; no argument.
    #[arg(skip)]
    pub passphrases: Rc<Passphrases>,
    #[cfg(feature = "maintainer")]
    /// What this run did to halts; no argument.
    #[arg(skip)]
    pub halts: Rc<RefCell<Vec<Change>>>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[cfg(feature = "maintainer")]
    /// Set up a project: relman.toml, keys, trust root and an empty signed store.
    Init(InitArgs),
    #[cfg(feature = "maintainer")]
    /// Run what must hold of a tag, format, lint, tests and the like, and sign what came of it.
    Gate(GateArgs),
    #[cfg(feature = "maintainer")]
    /// Build, package, sign and publish the release of a tag.
    Cut(CutArgs),
    #[cfg(feature = "maintainer")]
    /// Enter a draft in the store.
    Publish(TagArgs),
    #[cfg(feature = "maintainer")]
    /// Sign the store's freshness anew (timestamp.json and, when due, the snapshot).
    Timestamp(TimestampArgs),
    #[cfg(feature = "maintainer")]
    /// Mark a release as one that must not be used (any more), and say why.
    Yank(YankArgs),
    #[cfg(feature = "maintainer")]
    /// What waits for signatures here; sign it after a look at what it changes.
    Sign(SignArgs),
    #[cfg(feature = "maintainer")]
    /// Write a proposal to one file, to be signed elsewhere.
    Export(ExportArgs),
    #[cfg(feature = "maintainer")]
    /// Take in proposals and signatures; what has all signatures is published.
    Import(ImportArgs),
    #[cfg(feature = "maintainer")]
    /// Give a proposal up.
    Withdraw(WithdrawArgs),
    #[cfg(feature = "maintainer")]
    /// Put your name to a release, in a role.
    Approve(ApproveArgs),
    #[cfg(feature = "maintainer")]
    /// Announce an upgrade of an environment to its operators; the notice begins.
    Announce(AnnounceArgs),
    #[cfg(feature = "maintainer")]
    /// Propose that an environment runs a release.
    Promote(PromoteArgs),
    #[cfg(feature = "maintainer")]
    /// Agree, as one of its operators, to what an environment is to run.
    Agree(AgreeArgs),
    #[cfg(feature = "maintainer")]
    /// Who may sign what: show it, and change it.
    Root(root::RootArgs),
    #[cfg(feature = "maintainer")]
    /// Secret keys: make, list, show, export, import.
    Key(key::KeyArgs),
    #[cfg(feature = "maintainer")]
    /// Build a published release again and tell whether the bytes are the same, and if not, why.
    Rebuild(RebuildArgs),
    /// The releases in the store, and drafts.
    List(StoreArgs),
    /// All about one release.
    Show(ShowArgs),
    /// Make every check of a release and tell all that is wrong.
    Verify(VerifyArgs),
    /// Write one file with all that a node needs to install a release without a network.
    Bundle(BundleArgs),
    /// Verify a release, install it on this node and restart the daemon.
    Install(InstallArgs),
    /// Put a retained release back on this node.
    Rollback(RollbackArgs),
    /// Backups of a node's binaries, configuration and data, and going back to them.
    Backup(BackupArgs),
    /// What runs on this node, and what it can go back to.
    Status(StatusArgs),
    /// Look at every probe once, or over the first minutes, hour, day or week after a deployment.
    Health(HealthArgs),
    /// Finish or revert what a killed install or rollback left on this node.
    Recover(RecoverArgs),
    /// Why this node does not start, connect or make blocks.
    Doctor(DoctorArgs),
    /// What this node did and refused, signed; and the way of that into the log.
    Receipts(ReceiptsArgs),
    /// This node's configuration, units and daemon.
    Node(NodeGroupArgs),
    /// Replay the log and check every signature, digest and version in the store.
    Audit(AuditArgs),
    /// The log: what happened, whether it is whole, proofs.
    Log(LogArgs),
    /// Write DEPLOYMENT_LOG.md, VERSION_HISTORY.md, CHANGELOG.md and RUNBOOKS.md.
    Docs(DocsArgs),
    /// A store as a whole.
    Repo(RepoArgs),
    /// Copy a store to others, verifying everything; no keys are needed.
    Mirror(MirrorArgs),
    #[cfg(feature = "maintainer")]
    /// Many nodes over the operator's ssh.
    Fleet(FleetArgs),
    #[cfg(feature = "maintainer")]
    /// Watch a network, and say when it has to go back, by the decision matrix that everybody signed.
    Watch(WatchArgs),
    #[cfg(feature = "maintainer")]
    /// The watch policy for Prometheus, Alertmanager and Grafana.
    Monitor(MonitorArgs),
    #[cfg(feature = "maintainer")]
    /// Watch other people's logs: cosign what only grows, and say so over HTTP.
    Witness(WitnessArgs),
    #[cfg(feature = "maintainer")]
    /// Walk the whole way with a small sample daemon in a temporary directory.
    Demo(DemoArgs),
}

impl Command {
    /// The command's word, for messages and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            #[cfg(feature = "maintainer")]
            Command::Init(_) => "init",
            #[cfg(feature = "maintainer")]
            Command::Gate(_) => "gate",
            #[cfg(feature = "maintainer")]
            Command::Cut(_) => "cut",
            #[cfg(feature = "maintainer")]
            Command::Publish(_) => "publish",
            #[cfg(feature = "maintainer")]
            Command::Timestamp(_) => "timestamp",
            #[cfg(feature = "maintainer")]
            Command::Yank(_) => "yank",
            #[cfg(feature = "maintainer")]
            Command::Sign(_) => "sign",
            #[cfg(feature = "maintainer")]
            Command::Export(_) => "export",
            #[cfg(feature = "maintainer")]
            Command::Import(_) => "import",
            #[cfg(feature = "maintainer")]
            Command::Withdraw(_) => "withdraw",
            #[cfg(feature = "maintainer")]
            Command::Approve(_) => "approve",
            #[cfg(feature = "maintainer")]
            Command::Announce(_) => "announce",
            #[cfg(feature = "maintainer")]
            Command::Promote(_) => "promote",
            #[cfg(feature = "maintainer")]
            Command::Agree(_) => "agree",
            #[cfg(feature = "maintainer")]
            Command::Root(_) => "root",
            #[cfg(feature = "maintainer")]
            Command::Key(_) => "key",
            #[cfg(feature = "maintainer")]
            Command::Rebuild(_) => "rebuild",
            Command::List(_) => "list",
            Command::Show(_) => "show",
            Command::Verify(_) => "verify",
            Command::Bundle(_) => "bundle",
            Command::Install(_) => "install",
            Command::Rollback(_) => "rollback",
            Command::Backup(_) => "backup",
            Command::Status(_) => "status",
            Command::Recover(_) => "recover",
            Command::Doctor(_) => "doctor",
            Command::Node(args) => args.command.name(),
            Command::Receipts(_) => "receipts",
            Command::Health(_) => "health",
            Command::Audit(_) => "audit",
            Command::Log(_) => "log",
            Command::Docs(_) => "docs",
            Command::Repo(_) => "repo",
            Command::Mirror(_) => "mirror",
            #[cfg(feature = "maintainer")]
            Command::Fleet(args) => args.command.name(),
            #[cfg(feature = "maintainer")]
            Command::Watch(args) => args.name(),
            #[cfg(feature = "maintainer")]
            Command::Monitor(args) => args.command.name(),
            #[cfg(feature = "maintainer")]
            Command::Witness(_) => "witness",
            #[cfg(feature = "maintainer")]
            Command::Demo(_) => "demo",
        }
    }
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Take the defaults instead of asking.
    #[arg(long, short)]
    pub yes: bool,
    /// The project's name [default: the directory's].
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Whose keys these are [default: the user's login name].
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// Mark the trust root as an example, which nodes refuse to install from.
    #[arg(long)]
    pub example: bool,
    /// Encrypt the keys that are made, all with one passphrase.
    #[arg(long)]
    pub encrypt: bool,
}

/// `cut`
#[derive(Debug, Args)]
pub struct CutArgs {
    /// The tag, e.g. phase1-sig-verify-1.0.0.
    pub tag: String,
    /// Stop before publishing.
    #[arg(long)]
    pub draft: bool,
    /// Build without the cache of earlier cuts.
    #[arg(long)]
    pub clean: bool,
    /// Run the tag's gates first, and stop when one fails.
    #[arg(long)]
    pub gate: bool,
}

/// `sign`
#[derive(Debug, Args)]
pub struct SignArgs {
    /// A proposal, or a file that `relman export` wrote [default: list what waits].
    #[arg(value_name = "ID|FILE")]
    pub what: Option<String>,
    /// Sign with this private key file, this .pub file's key in the ssh-agent, or any key of the agent, instead of those in the secret keys' directory.
    #[arg(long, value_name = "FILE|agent")]
    pub key: Option<PathBuf>,
    /// The trust root to check the proposal with [default: the project's].
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// Write the signed file here instead of over the one that was read.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show what would be signed, and sign nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Sign without being asked.
    #[arg(long, short)]
    pub yes: bool,
}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The proposal.
    pub id: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files that `relman export`, `relman sign` or `relman receipts export` wrote.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `withdraw`
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// The proposal.
    pub id: String,
}

/// A tag.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// The tag, e.g. phase1-sig-verify-1.0.0.
    pub tag: String,
}

/// Which store, and whom to trust about it; by default the project's.
#[derive(Debug, Args, Clone, Default)]
pub struct StoreArgs {
    /// A store's directory or URL [default: the project's].
    #[arg(long, value_name = "PATH|URL")]
    pub store: Option<String>,
    /// The trust root to check it with [default: the project's].
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// How to reach it.
    #[command(flatten)]
    pub http: HttpArgs,
}

/// How to reach a store behind HTTP(S).
#[derive(Debug, Args, Clone, Default)]
pub struct HttpArgs {
    /// Certificates (PEM) that may vouch for a store's server besides the system's.
    #[arg(long, value_name = "FILE")]
    pub store_ca: Option<PathBuf>,
    /// The proxy to a store's server, or none [default: what HTTPS_PROXY and the like say].
    #[arg(long, value_name = "URL|none")]
    pub store_proxy: Option<String>,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The tag.
    pub tag: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A tag, or the path of an archive or of a release directory [default: what the bundle is of].
    #[arg(required_unless_present = "bundle")]
    pub what: Option<String>,
    /// A file that `relman bundle` wrote, in place of a store.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub bundle: Option<PathBuf>,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Work in this directory instead of a new temporary one.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
