//! Logs in memory, audited.
