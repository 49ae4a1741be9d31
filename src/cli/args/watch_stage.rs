//! Arguments of `relman watch stage` and `relman watch checklist`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FleetPlaceArgs, PolicyArgs, StageArg};
use crate::watch::checklist::List;

/// `watch stage`
#[derive(Debug, Args)]
pub struct WatchStageArgs {
    /// How long after the deployment.
    pub stage: StageArg,
    /// The release that was deployed, e.g. phase1-sig-verify-1.0.0.
    pub tag: String,
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Take the looks from a recording of relman watch [default: look at the fleet now].
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The fleet.
    #[command(flatten)]
    pub place: FleetPlaceArgs,
    /// Leave this item out, and say so; may be given several times.
    #[arg(long, value_name = "ITEM")]
    pub skip: Vec<String>,
    /// Go on with a run that was killed, or whose recording ended early.
    #[arg(long)]
    pub resume: bool,
    /// What becomes of the report.
    #[command(flatten)]
    pub signing: ReportArgs,
}

/// `watch checklist`
#[derive(Debug, Args)]
pub struct WatchChecklistArgs {
    /// Which list.
    pub list: ListArg,
    /// The release, e.g. phase1-sig-verify-1.0.0.
    pub tag: String,
    /// Somebody has seen to this item.
    #[arg(long, value_name = "ITEM", requires = "by", conflicts_with = "show")]
    pub tick: Option<String>,
    /// Who.
    #[arg(long, value_name = "NAME", requires = "tick")]
    pub by: Option<String>,
    /// What shows it, a file (its digest is kept) or a link; may be given several times.
    #[arg(long, value_name = "FILE|URL", requires = "tick")]
    pub evidence: Vec<String>,
    /// Only show the list.
    #[arg(long)]
    pub show: bool,
    /// What becomes of the report.
    #[command(flatten)]
    pub signing: ReportArgs,
}

/// What becomes of a finished report.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Write the signed result to this file, to be imported at the project, instead of entering it in the log.
    #[arg(long, value_name = "FILE", conflicts_with = "no_sign")]
    pub out: Option<PathBuf>,
    /// Only write the report; sign nothing.
    #[arg(long)]
    pub no_sign: bool,
}

/// A checklist's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListArg {
    /// Before operations take over.
    Handoff,
    /// Before mainnet.
    PreMainnet,
}

impl ListArg {
    /// The list.
    pub fn list(self) -> List {
        match self {
            ListArg::Handoff => List::Handoff,
            ListArg::PreMainnet => List::PreMainnet,
        }
    }
}
