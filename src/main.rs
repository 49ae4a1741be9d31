//! The process: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    relman::io::process::prepare();
    ExitCode::from(relman::cli::main(std::env::args_os()))
}
