//! Reading XML that a test runner or coverage tool wrote, or somebody who wants to do harm: no entities
//! of its own, nothing outside of the file; bounded depth; one root. Pure.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::limits::MAX_XML_DEPTH;

/// The beginning of an element: its name and attributes.
pub struct Element {
    /// Its name.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// An attribute's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// An attribute that is a number.
    ///
    /// # Errors
    /// One that is something else.
    pub fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = plain.then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or_else(|| {
            format!(
                "{name} of <{}> is {}, wanted a number",
                self.name,
                crate::release::text::shown(text, crate::limits::MAX_SHOWN_NAME)
            )
        })
    }
}

/// Whoever wants to know what is in a document.
pub trait Visitor {
    /// An element begins below `depth` others.
    fn open(&mut self, element: &Element, depth: usize) -> Result<(), String>;
    /// The element of this name, below `depth` others, ends.
    fn close(&mut self, name: &str, depth: usize) -> Result<(), String>;
    /// Text inside the element that was opened last.
    fn text(&mut self, text: &str) {
        let _ = text;
    }
}

/// Shows a document to `visitor`.
///
/// # Errors
/// Why it cannot be read: not UTF-8, not well-formed, cut short, a document type, too deep.
pub fn read(bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let mut roots = 0;
    loop {
        let malformed = |e: quick_xml::Error| format!("it is not well-formed XML: {e}");
        match reader.read_event().map_err(malformed)? {
            Event::Start(start) => {
                roots += usize::from(open.is_empty());
                let element = element(&start, roots)?;
                visitor.open(&element, open.len())?;
                open.push(element.name);
                if open.len() > MAX_XML_DEPTH {
                    return Err(format!("its elements nest deeper than {MAX_XML_DEPTH}"));
                }
            }
            Event::Empty(start) => {
                roots += usize::from(open.is_empty());
                let element = element(&start, roots)?;
                visitor.open(&element, open.len())?;
                visitor.close(&element.name, open.len())?;
            }
            Event::End(_) => {
                // The reader has compared the names.
                let name = open.pop().ok_or("an element ends that has not begun")?;
                visitor.close(&name, open.len())?;
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|e| e.to_string())?;
                if open.is_empty() && !text.trim().is_empty() {
                    return Err("it has text outside of its root element".into());
                }
                visitor.text(&text);
            }
            // A name of a DTD, which is never fetched, is what coverage tools write.
            Event::DocType(text) if text.contains(&b'[') => {
                return Err("its document type declares something, which no report needs".into());
            }
            Event::Eof if !open.is_empty() => return Err("it ends inside an element".into()),
            Event::Eof if roots == 0 => return Err("it has no element".into()),
            Event::Eof => return Ok(()),
            Event::CData(_)
            | Event::DocType(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

fn element(start: &BytesStart, roots: usize) -> Result<Element, String> {
    if roots > 1 {
        return Err("it has more than one root element".into());
    }
    let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = utf8(start.local_name().as_ref());
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| format!("an attribute of <{name}>: {e}"))?;
        // An entity that is none of XML's own five is an error.
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| format!("an attribute of <{name}>: {e}"))?;
        attributes.push((utf8(attribute.key.as_ref()), value.into_owned()));
    }
    Ok(Element { name, attributes })
}
