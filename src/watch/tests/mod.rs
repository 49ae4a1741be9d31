//! Recorded incidents, and the matrix at work on them.
