//! What people and programs see: stdout is data, stderr is talk, `--json` is one document.

pub mod answer;
pub mod junit;
pub mod progress;
pub mod report;
pub mod stream;
pub mod text;
#[cfg(feature = "view")]
pub mod watch_view;

pub use answer::Answer;
pub use progress::Progress;
