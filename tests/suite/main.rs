//! The integration tests, one binary; a file a subject.

#[path = "../common/mod.rs"]
mod common;

mod agent;
mod agent_cli;
#[cfg(feature = "object-store")]
mod approve_cli;
mod audit_attack_cli;
mod audit_cli;
mod backup_cli;
mod bucket;
mod bundle_cli;
mod ceremony_cli;
mod ceremony_fault_cli;
mod cut_cli;
mod cut_config_cli;
mod cut_evidence_cli;
mod cut_keys_cli;
mod disk_cli;
mod docs;
mod environment_cli;
mod environment_forged_cli;
mod environment_node_cli;
mod environment_waits_cli;
mod example;
mod fault_cli;
#[cfg(feature = "maintainer")]
mod fleet_rollout_cli;
mod fleet_ssh;
mod fleet_story;
mod gate_cargo_cli;
mod gate_cli;
mod gate_cut_cli;
mod gate_yard_cli;
mod halt_attack_cli;
mod halt_cli;
mod health;
mod health_cli;
mod house;
mod http_download;
mod http_heads;
mod http_nginx;
mod http_store;
mod init_cli;
mod key_cli;
mod key_import_cli;
mod kill_cli;
mod log_collect_cli;
mod log_fsck_cli;
mod log_prove_cli;
mod log_rotation_cli;
mod log_show_cli;
mod log_store;
mod mirror_cli;
mod node;
mod node_cli;
mod node_daemon_cli;
mod node_fault_cli;
mod node_signals_cli;
mod others_cli;
mod passphrase_cli;
mod projection_cli;
mod rebuild_cli;
mod rebuild_crate_cli;
mod receipts_cli;
mod remote_witness_cli;
mod repo_cli;
mod root_attack_cli;
mod root_cli;
mod runbook_cli;
mod sample_repo;
mod source;
mod stage;
mod systemd;
mod timed;
mod tuf_http;
mod verify_cli;
mod verify_http_cli;
#[cfg(feature = "maintainer")]
mod watch_sources;
#[cfg(feature = "maintainer")]
mod watch_webhook;
mod witness_cli;
mod witness_client;
mod witness_server;
mod yank_cli;
