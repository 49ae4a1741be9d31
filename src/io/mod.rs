//! The edge: files, processes, network, environment and clock, and nothing that decides.

pub mod ask;
pub mod build;
pub mod clock;
pub mod drafts;
pub mod durable;
pub mod fault;
pub mod git;
pub mod hashing;
pub mod keyring;
pub mod lock;
pub mod memory_of_node;
pub mod process;
pub mod sample_repo;
pub mod scratch;
pub mod stage_local;
pub mod store_http;
pub mod store_local;
pub mod workshop;
