//! Room `io`: the whole terminal for a live view, given back as it was.

use std::io::{Stderr, stderr};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::prelude::CrosstermBackend;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::termios::tcgetwinsize;

use crate::error::Context;
use crate::{Error, Result};

/// A terminal that shows nothing but the view.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Takes the terminal of stderr.
    ///
    /// # Errors
    /// It is none, or one that nobody knows the size of.
    pub fn open() -> Result<Self> {
        let what = || "cannot take the terminal".to_owned();
        let area = size()?;
        enable_raw_mode().or_failed(what)?;
        let entered = execute!(stderr(), EnterAlternateScreen).or_failed(what);
        let terminal = entered.and_then(|()| {
            // Its size is asked for here: where stdout leads elsewhere, other ways do not find it.
            let options = TerminalOptions {
                viewport: Viewport::Fixed(area),
            };
            Terminal::with_options(CrosstermBackend::new(stderr()), options).or_failed(what)
        });
        match terminal {
            Ok(terminal) => Ok(Screen { terminal }),
            Err(e) => {
                give_back();
                Err(e)
            }
        }
    }

    /// Draws a view.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        let area = size()?;
        if self.terminal.get_frame().area() != area {
            let resized = self.terminal.resize(area);
            resized.or_failed(|| "cannot draw".into())?;
        }
        let drawn = self.terminal.draw(view);
        drawn.map(drop).or_failed(|| "cannot draw".into())
    }

    /// Waits, until somebody wants to end (q, Escape, Ctrl-C) or the window has another size.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn wait(&mut self, time: Duration) -> Result<Wish> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let what = || "cannot read the terminal".to_owned();
            if !event::poll(left).or_failed(what)? {
                return Ok(Wish::Nothing);
            }
            match event::read().or_failed(what)? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let ctrl_c = key.code == KeyCode::Char('c')
                        && key.modifiers.contains(KeyModifiers::CONTROL);
                    if ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                        return Ok(Wish::End);
                    }
                }
                Event::Resize(..) => return Ok(Wish::Redraw),
                _ => {}
            }
        }
    }
}

/// What whoever sits at the terminal wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing; the time is over.
    Nothing,
    /// The view anew.
    Redraw,
    /// No view any more.
    End,
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// The size of stderr's terminal.
fn size() -> Result<Rect> {
    let found = tcgetwinsize(stderr()).or_failed(|| "the terminal's size is unknown".into())?;
    match (found.ws_col, found.ws_row) {
        (0, _) | (_, 0) => Err(Error::failed("the terminal has no size")),
        (columns, lines) => Ok(Rect::new(0, 0, columns, lines)),
    }
}

fn give_back() {
    // A terminal that is gone cannot be given back.
    let _ = execute!(stderr(), LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
