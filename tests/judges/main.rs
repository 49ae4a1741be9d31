//! What relman writes, checked by other people's tools: a test says which tool accepts the real
//! thing, and that it refuses a tampered one. `tests/judges/setup` installs the tools.

mod attestations;
mod bundle;
mod clients;
mod conformance;
mod cyclonedx;
mod environment;
mod foreign;
#[path = "../common/http_server.rs"]
#[allow(dead_code, reason = "judges want files and no faults")]
mod http_server;
mod keys;
mod monitor;
mod openssl;
mod project;
mod rotation;
mod split_view;
mod ssh;
mod tamper;
mod tlog;
mod tools;
mod tuf;
mod witness;
