//! The attacks on a log by name, as far as its pure core can be asked; the rest is in `tests/suite`.
