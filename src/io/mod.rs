//! The only room (with `main`) that touches files, processes, the network, the environment and the clock.

pub mod sample_repo;
