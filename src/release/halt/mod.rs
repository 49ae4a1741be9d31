//! Halts: any one on-call key stops new installs of what an environment runs, by a role of its own. It never makes
//! anything installable, and touches neither daemons nor rollbacks. A newer agreement of the environment ends it. Pure.

mod change;
mod check;
mod document;
mod propose;
mod standing;

#[cfg(test)]
mod tests;

pub use change::{Change, all_present, changes};
pub use check::{check, meaning, present};
pub use document::{Halt, role_name, target_name};
pub use propose::{Asked, Stop};
pub use standing::{Agreed, agreed, in_force, people};

/// What begins the names of the roles that halt environments.
pub const PREFIX: &str = "halt-";

/// The environment that a role halts; none for any other role.
pub fn environment_of(role: &str) -> Option<&str> {
    role.strip_prefix(PREFIX).filter(|name| !name.is_empty())
}
