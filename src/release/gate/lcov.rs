//! Line coverage in LCOV's tracefile (geninfo(1), "FILES"). Pure.

use super::coverage::Lines;

/// Reads a tracefile; `root` is the clone's path, which absolute names begin with.
///
/// # Errors
/// Why it cannot be read.
pub fn read(bytes: &[u8], root: &str) -> Result<Lines, String> {
    let mut lines = Lines::new(root);
    let mut file: Option<String> = None;
    let mut records = 0;
    for (n, line) in (1..).zip(bytes.split(|b| *b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let at = |what: &str| format!("line {n}: {what}");
        if let Some(path) = line.strip_prefix(b"SF:") {
            if file.is_some() {
                return Err(at("a file begins inside another"));
            }
            let path = std::str::from_utf8(path).map_err(|_| at("a path that is not UTF-8"))?;
            file = Some(path.to_owned());
        } else if line == b"end_of_record" {
            if file.take().is_none() {
                return Err(at("a file ends that has not begun"));
            }
            records += 1;
        } else if let Some(data) = line.strip_prefix(b"DA:") {
            let data = std::str::from_utf8(data).ok();
            let pair = data.and_then(numbers);
            let (number, hits) = pair.ok_or_else(|| at("wanted DA:<line>,<times>"))?;
            let file = file.as_deref().ok_or_else(|| at("a line of no file"))?;
            lines.add(file, number, hits)?;
        }
    }
    match (file, records) {
        (Some(_), _) => Err("it ends inside a file".into()),
        (None, 0) => Err("it has no file".into()),
        (None, _) => Ok(lines),
    }
}

/// `<line>,<times>[,<checksum>]`
fn numbers(data: &str) -> Option<(u64, u64)> {
    let mut parts = data.split(',');
    let mut number = || {
        let text = parts.next()?;
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    Some((number()?, number()?))
}
