//! Stages with their times on stderr; on a terminal also a live line of what runs now.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::text;
use crate::release::cut::Events;

/// How often a live line moves.
const TICK: Duration = Duration::from_millis(100);
/// Shorter stages are not worth a time.
const NOTABLE: Duration = Duration::from_millis(50);

/// A live line.
const PLAIN: &str = "{spinner} {prefix}  {elapsed}  {wide_msg}";
/// One of a stage that knows its end.
const COUNTED: &str =
    "{spinner} {prefix}  {elapsed}  {bar:24} {human_pos} of {human_len}  {per_sec}";
/// One of a stage that reads.
const READ: &str = "{spinner} {prefix}  {elapsed}  {binary_bytes}  {binary_bytes_per_sec}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Runs something while the live line is away.
pub type Interlude = Rc<dyn Fn(&mut dyn FnMut())>;

/// Talks while a command works; silent under `--quiet` and `--json`.
pub struct Progress {
    quiet: bool,
    live: bool,
    elapsed: fn() -> Duration,
    current: Option<(String, Duration)>,
    bar: Rc<RefCell<Option<ProgressBar>>>,
}

impl Progress {
    /// `live` says whether stderr is a terminal; `elapsed` is a monotonic clock.
    pub fn new(quiet: bool, live: bool, elapsed: fn() -> Duration) -> Self {
        Progress {
            quiet,
            live,
            elapsed,
            current: None,
            bar: Rc::default(),
        }
    }

    /// Runs a question to the person at the terminal while the live line is away.
    pub fn interlude(&self) -> Interlude {
        let shown = Rc::clone(&self.bar);
        Rc::new(move |question| {
            let bar = shown.borrow().clone();
            match bar {
                Some(bar) => bar.suspend(question),
                None => question(),
            }
        })
    }

    /// How far the stage under way is, with its rate.
    pub fn count(&mut self, done: u64, total: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            if bar.length() != Some(total) {
                bar.set_style(style(COUNTED));
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    /// Wraps what is read in a stage, so that the live line shows how much, and how fast.
    pub fn reading(&self) -> impl Fn(Box<dyn Read + Send>) -> Box<dyn Read + Send> + use<> {
        let shown = Rc::clone(&self.bar);
        move |input| match &*shown.borrow() {
            Some(bar) => {
                bar.set_style(style(READ));
                Box::new(bar.wrap_read(input))
            }
            None => input,
        }
    }

    fn clear(&self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Says one line.
    pub fn say(&mut self, message: &str) {
        self.end();
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{}", text::line(message));
        }
    }

    /// Ends the stage under way, with its time.
    pub fn end(&mut self) {
        let Some((name, began)) = self.current.take() else {
            return;
        };
        self.clear();
        let took = (self.elapsed)().saturating_sub(began);
        if self.quiet {
            return;
        }
        let time = match took {
            short if short < NOTABLE => String::new(),
            long => format!("  {:.1} s", long.as_secs_f64()),
        };
        let _ = writeln!(std::io::stderr(), "  {}{time}", text::line(&name));
    }
}

impl Events for Progress {
    fn stage(&mut self, name: &str) {
        self.end();
        *self.bar.borrow_mut() = (self.live && !self.quiet).then(|| {
            let bar = ProgressBar::new_spinner().with_style(style(PLAIN));
            bar.set_prefix(text::line(name));
            bar.enable_steady_tick(TICK);
            bar
        });
        self.current = Some((name.to_owned(), (self.elapsed)()));
    }

    fn line(&mut self, line: &str) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.set_message(text::line(line.trim()));
        }
    }

    fn note(&mut self, message: &str) {
        self.say(message);
    }

    fn result(&mut self, message: &str) {
        self.current = None;
        self.clear();
        self.say(&format!("  {message}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // A stage that failed is named by the error that follows; its bar must not stay behind.
        self.clear();
    }
}
