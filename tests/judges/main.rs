//! What relman writes, checked by other people's tools: a test says which tool accepts the real
//! thing, and that it refuses a tampered one. `tests/judges/setup` installs the tools.

mod attestations;
mod conformance;
mod openssl;
mod project;
mod tlog;
mod tools;
mod tuf;
