//! From a tag to a published, verifiable release: names, configuration, packing, cutting,
//! publishing, verifying, auditing. Drivers ask the machine through traits; cores are pure.

pub mod archive;
pub mod assemble;
pub mod attestations;
pub mod audit;
pub mod bench;
pub mod build_plan;
pub mod cargo_config;
pub mod cargo_message;
pub mod ceremony;
pub mod cfg_expr;
pub mod config;
pub mod cut;
pub mod draft;
pub mod environment;
pub mod installation;
pub mod leaf;
pub mod lockfile;
pub mod mirror;
pub mod notes;
pub mod policy;
pub mod public;
pub mod publish;
#[cfg(feature = "maintainer")]
pub mod rebuild;
pub mod report;
pub mod source;
pub mod standing;
pub mod state;
pub mod tag;
pub mod text;
pub mod verify;
pub mod view;
pub mod yank;
