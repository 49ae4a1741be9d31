//! Attestations that count, and those that do not, one story each.
