//! Line coverage in Cobertura XML (coverage-04.dtd). Pure.

use super::coverage::Lines;
use super::xml::{self, Element, Visitor};

/// Reads a report; `root` is the clone's path, which absolute names begin with.
///
/// # Errors
/// Why it cannot be read.
pub fn read(bytes: &[u8], root: &str) -> Result<Lines, String> {
    let mut report = Report {
        lines: Lines::new(root),
        sources: Vec::new(),
        in_source: false,
        class: None,
    };
    xml::read(bytes, &mut report)?;
    Ok(report.lines)
}

struct Report {
    lines: Lines,
    /// Directories that the file names begin at.
    sources: Vec<String>,
    in_source: bool,
    class: Option<(String, usize)>,
}

impl Report {
    /// A class's file: names are relative to the one source directory, where it is one below the clone.
    fn path(&self, name: &str) -> String {
        match self.sources.as_slice() {
            [source] if !name.starts_with('/') && self.lines.is_below_root(source) => {
                format!("{}/{name}", source.trim_end_matches('/'))
            }
            _ => name.to_owned(),
        }
    }
}

impl Visitor for Report {
    fn open(&mut self, element: &Element, depth: usize) -> Result<(), String> {
        match element.name.as_str() {
            name if depth == 0 && name != "coverage" => {
                return Err(format!("its root element is <{name}>, wanted <coverage>"));
            }
            "source" => {
                self.in_source = true;
                self.sources.push(String::new());
            }
            "class" => {
                if self.class.is_some() {
                    return Err("a <class> inside another".into());
                }
                let name = element.get("filename");
                let name = name.ok_or("a <class> without a filename")?;
                self.class = Some((self.path(name), depth));
            }
            "line" => {
                let (Some(number), Some(hits)) =
                    (element.number("number")?, element.number("hits")?)
                else {
                    return Err("a <line> without number and hits".into());
                };
                let (file, _) = self.class.as_ref().ok_or("a <line> of no <class>")?;
                self.lines.add(file, number, hits)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, depth: usize) -> Result<(), String> {
        self.in_source &= name != "source";
        self.class.take_if(|(_, at)| *at == depth);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let (true, Some(source)) = (self.in_source, self.sources.last_mut()) {
            source.push_str(text.trim());
        }
    }
}
