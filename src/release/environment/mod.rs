//! Environments: what a network is to run, how it came to that, and the rules that hold on the way.
//! The same rules serve whoever proposes, whoever signs, whoever publishes, and every node. Pure.

mod current;
mod evidence;
mod gather;
mod judge;
mod propose;
mod put_back;
mod rule;
mod sound;
mod words;

#[cfg(test)]
mod tests;

pub use current::{Archive, Current, MEMBER, Origin, Step, target_name};
pub use evidence::{Evidence, Known};
pub use gather::{Pending, gather};
pub use judge::{Facts, Override, Times};
pub use propose::{Announce, Promote, announcement_text, announcements};
pub use put_back::PutBack;
pub use rule::{Breach, Rule, check_reason};
pub use sound::{Files, breaches_of, check_environment, refuse, touched, versions};
pub use words::meaning;
