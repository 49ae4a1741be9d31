//! The integration tests, one binary; a file a subject.

#[path = "../common/mod.rs"]
mod common;

mod docs;
mod example;
mod house;
mod node;
mod sample_repo;
mod source;
mod timed;
