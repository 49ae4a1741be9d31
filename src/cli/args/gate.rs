//! Arguments of `relman gate`.

use clap::Args;

/// `gate`
#[derive(Debug, Args)]
pub struct GateArgs {
    /// The tag, e.g. phase1-sig-verify-1.0.0.
    pub tag: String,
    /// Run this gate alone; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Stop at the first gate that fails.
    #[arg(long)]
    pub fail_fast: bool,
    /// Print what would run, and run nothing.
    #[arg(long, conflicts_with = "fail_fast")]
    pub list: bool,
    /// Compile everything anew, without what earlier runs have compiled.
    #[arg(long)]
    pub clean: bool,
}
