//! Room `io`: the whole terminal for a live view, given back as it was.

use std::io::{Stderr, stderr};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::prelude::CrosstermBackend;
use ratatui::{Frame, Terminal};

use crate::Result;
use crate::error::Context;

/// A terminal that shows nothing but the view.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Takes the terminal of stderr.
    ///
    /// # Errors
    /// It is none.
    pub fn open() -> Result<Self> {
        let what = || "cannot take the terminal".to_owned();
        enable_raw_mode().or_failed(what)?;
        let entered = execute!(stderr(), EnterAlternateScreen).or_failed(what);
        let terminal =
            entered.and_then(|()| Terminal::new(CrosstermBackend::new(stderr())).or_failed(what));
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

fn give_back() {
    // A terminal that is gone cannot be given back.
    let _ = execute!(stderr(), LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
