//! The edge: files, processes, network, environment and clock, and nothing that decides.

#[cfg(feature = "maintainer")]
pub mod agent;
pub mod ask;
pub mod backup;
#[cfg(feature = "maintainer")]
pub mod batches;
pub mod build;
pub mod clock;
mod collect;
pub mod daemon_log;
mod dir_sink;
pub mod doctor;
pub mod drafts;
pub mod drawer;
pub mod durable;
pub mod fault;
#[cfg(feature = "maintainer")]
pub mod fleet_ssh;
#[cfg(feature = "maintainer")]
pub mod gates;
#[cfg(feature = "maintainer")]
pub mod git;
pub mod hashing;
#[cfg(feature = "maintainer")]
pub mod herald;
#[cfg(any(feature = "maintainer", feature = "object-store"))]
pub mod identity;
#[cfg(feature = "maintainer")]
pub mod journals;
#[cfg(feature = "maintainer")]
pub mod kept;
#[cfg(feature = "maintainer")]
pub mod keyring;
pub mod lock;
pub mod memory_of_node;
pub mod mirror_local;
pub mod node_fs;
pub mod node_lock;
pub mod node_receipts;
pub mod node_releases;
pub mod parallel;
#[cfg(feature = "maintainer")]
pub mod passphrase;
pub mod process;
pub mod proposals;
#[cfg(feature = "maintainer")]
pub mod recordings;
#[cfg(feature = "maintainer")]
pub mod rollouts;
#[cfg(feature = "maintainer")]
pub mod sample_repo;
pub mod scratch;
#[cfg(feature = "view")]
pub mod screen;
pub mod service;
pub mod stage_local;
pub mod store_bundle;
pub mod store_http;
pub mod store_local;
#[cfg(feature = "object-store")]
pub mod store_object;
#[cfg(feature = "maintainer")]
pub mod terminal;
#[cfg(feature = "maintainer")]
mod tree;
pub mod unsynced;
#[cfg(feature = "maintainer")]
pub mod watch;
#[cfg(feature = "maintainer")]
pub mod witness_client;
pub mod witness_memory;
#[cfg(feature = "maintainer")]
pub mod witness_server;
#[cfg(feature = "maintainer")]
pub mod witness_state;
#[cfg(feature = "maintainer")]
pub mod witnesses;
pub mod workshop;

mod node_dir;
mod node_dress;
mod node_key;
mod node_link;
mod node_process;
mod node_run;
mod node_state;
mod node_tree;
mod probe;
mod random;
mod service_command;
pub mod service_systemd;
mod writeback;
