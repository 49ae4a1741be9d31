//! Arguments of `relman health`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::NodeArgs;

/// `health`
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Look over the whole window of a stage [default: look once].
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<StageArg>,
    /// Go on with a run of the stage that was killed.
    #[arg(long, requires = "stage")]
    pub resume: bool,
    /// Write the stage's report to this file too, as Markdown.
    #[arg(long, value_name = "FILE", requires = "stage")]
    pub out: Option<PathBuf>,
}

/// A stage's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageArg {
    /// The first 5 minutes.
    Immediate,
    /// The first hour.
    Hour,
    /// The first 24 hours.
    Day,
    /// The first week.
    Week,
}
