//! Arguments of `relman audit`.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

/// `audit`
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The store as it was then: RFC 3339, or YYYY-MM-DD for the end of that day (UTC).
    #[arg(long, value_name = "DATE", conflicts_with_all = ["since", "save_checkpoint"])]
    pub at: Option<String>,
    /// Only what came after the signed checkpoint in this file, such as one that an earlier audit saved.
    #[arg(long, value_name = "CHECKPOINT")]
    pub since: Option<PathBuf>,
    /// Write the checkpoint that this audit ended at to this file, if it found nothing.
    #[arg(long, value_name = "FILE")]
    pub save_checkpoint: Option<PathBuf>,
    /// Compare with what others have seen: a signed checkpoint or a store, by its path or URL.
    #[arg(long, value_name = "FILE|URL")]
    pub against: Vec<String>,
    /// Where evidence of a split view goes [default: split-view-ORIGIN-SIZE.txt here].
    #[arg(long, value_name = "FILE")]
    pub evidence: Option<PathBuf>,
    /// Write the report as JUnit XML too.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Last lines of the history that are printed, or all [default: 1000].
    #[arg(long, value_name = "LINES|all")]
    pub history: Option<String>,
    /// Check evidence of a split view instead, with nothing but the log's key.
    #[arg(long, value_name = "FILE", requires = "log", conflicts_with_all = ["store", "root", "at", "since", "save_checkpoint", "against", "evidence", "junit", "history"])]
    pub check_evidence: Option<PathBuf>,
    /// The log's key for that: a vkey, or a file that has it.
    #[arg(long, value_name = "VKEY|FILE", requires = "check_evidence")]
    pub log: Option<String>,
}
