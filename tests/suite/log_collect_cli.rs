//! Partial tiles leave the store of a project: killed in the middle, seen by nodes, mirrors and audits.
