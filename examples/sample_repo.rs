//! Makes the git repository of the sample daemon, with its three phase tags: `sample_repo DIR`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: sample_repo DIR");
        return ExitCode::from(2);
    };
    match relman::io::sample_repo::create(Path::new(&dir), 3) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
