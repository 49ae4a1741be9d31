//! Data that comes piece by piece: lines on stdout, and tables that begin before their end is known.

use std::io::{BufWriter, Stdout, Write};
use std::ops::ControlFlow;

use super::text;
use crate::{Error, Result};

/// Rows that are held until their columns' widths are known; later ones keep these widths.
const HELD_ROWS: usize = 512;

/// Stdout, line by line.
pub struct Lines {
    out: BufWriter<Stdout>,
}

impl Lines {
    /// Stdout.
    pub fn stdout() -> Self {
        Lines {
            out: BufWriter::new(std::io::stdout()),
        }
    }

    /// Prints text that ends with a newline; breaks off where nobody reads any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn print(&mut self, text: &str) -> Result<ControlFlow<()>> {
        self.write(text.as_bytes())
    }

    /// [`Lines::print`] for bytes that are somebody's file, and go out as they are.
    ///
    /// # Errors
    /// As there.
    pub fn write(&mut self, bytes: &[u8]) -> Result<ControlFlow<()>> {
        told(self.out.write_all(bytes))
    }

    /// Brings everything out.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(&mut self) -> Result<()> {
        told(self.out.flush()).map(drop)
    }
}

fn told(written: std::io::Result<()>) -> Result<ControlFlow<()>> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        // Whoever reads us has seen enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(e) => Err(Error::failed("cannot write to stdout").caused_by(e)),
    }
}

/// A table of any length in little memory.
pub struct Columns {
    held: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl Columns {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Columns {
            held: vec![headings.iter().map(|h| (*h).to_owned()).collect()],
            widths: None,
        }
    }

    /// Takes a row, and gives the text that can be printed now, perhaps none.
    pub fn row(&mut self, cells: Vec<String>) -> String {
        if let Some(widths) = &self.widths {
            return text::row(&cells, widths);
        }
        self.held.push(cells);
        match self.held.len() < HELD_ROWS {
            true => String::new(),
            false => self.end(),
        }
    }

    /// The rows that are still held.
    pub fn end(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let widths = self.widths.get_or_insert_with(|| text::widths(&held));
        held.iter().map(|row| text::row(row, widths)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_keeps_the_widths_of_its_beginning() {
        let mut columns = Columns::new(&["A", "B"]);
        let mut out = String::new();
        for n in 0..2 * HELD_ROWS {
            out.push_str(&columns.row(vec![n.to_string(), "x".into()]));
        }
        out.push_str(&columns.end());
        assert_eq!(out.lines().count(), 2 * HELD_ROWS + 1);
        assert!(
            out.starts_with("A    B\n0    x\n"),
            "{}",
            out.get(..40).unwrap()
        );
        assert!(out.ends_with("1023  x\n"));
    }
}
