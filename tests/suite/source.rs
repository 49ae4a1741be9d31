//! From a tag to built binaries, on real repositories with real compilers. No network.

mod build;
mod git;
mod project;
mod tags;
