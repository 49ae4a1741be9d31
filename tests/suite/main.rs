//! The integration tests, one binary; a file a subject.

#[path = "../common/mod.rs"]
mod common;

mod cut_cli;
mod disk_cli;
mod init_cli;
mod kill_cli;
mod others_cli;
mod sample_repo;
mod source;
mod timed;
mod verify_cli;
mod verify_http_cli;
