//! The integration tests, one binary; a file a subject.

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "object-store")]
mod bucket;
mod cut_cli;
mod cut_config_cli;
mod cut_keys_cli;
mod disk_cli;
mod docs;
mod example;
mod house;
mod init_cli;
mod kill_cli;
mod node;
mod node_cli;
mod others_cli;
mod sample_repo;
mod source;
mod stage;
mod timed;
mod verify_cli;
mod verify_http_cli;
