//! The demo's room: the sample project that it releases. Pure; whoever writes the files is in `io`.

pub mod sample;
