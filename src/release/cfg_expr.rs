//! Cargo's `cfg(…)` expressions, as far as to say whether one holds. Pure.
//!
//! The grammar is that of the Rust reference, "conditional compilation": names, `key = "value"`,
//! `all(…)`, `any(…)`, `not(…)`.

const MAX_DEPTH: usize = 16;

/// Whether the inside of a `cfg(…)` holds where `rustc --print cfg` printed `cfg`. What is not an
/// expression does not hold.
pub fn matches(expression: &str, cfg: &[String]) -> bool {
    let mut parser = Parser {
        rest: expression,
        cfg,
    };
    let holds = parser.expression(0);
    parser.skip();
    parser.rest.is_empty() && holds == Some(true)
}

struct Parser<'a> {
    rest: &'a str,
    cfg: &'a [String],
}

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Option<bool> {
        let name = self.name()?;
        if depth < MAX_DEPTH && self.take('(') {
            let mut values = Vec::new();
            while !self.take(')') {
                values.push(self.expression(depth + 1)?);
                if !self.take(',') && !self.rest.trim_start().starts_with(')') {
                    return None;
                }
            }
            return match name {
                "all" => Some(values.iter().all(|v| *v)),
                "any" => Some(values.iter().any(|v| *v)),
                "not" if values.len() == 1 => values.first().map(|v| !v),
                _ => None,
            };
        }
        if self.take('=') {
            self.skip();
            let inner = self.rest.strip_prefix('"')?;
            let (value, rest) = inner.split_once('"')?;
            self.rest = rest;
            let wanted = format!("{name}=\"{value}\"");
            return Some(self.cfg.contains(&wanted));
        }
        Some(match name {
            "true" => true,
            "false" => false,
            name => self.cfg.iter().any(|c| c == name),
        })
    }

    fn name(&mut self) -> Option<&'a str> {
        self.skip();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn take(&mut self, c: char) -> bool {
        self.skip();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_hold_as_cargo_says() {
        let cfg: Vec<String> = ["unix", "target_os=\"linux\""].map(String::from).into();
        for (expression, holds) in [
            ("unix", true),
            ("windows", false),
            ("all()", true),
            ("any()", false),
            ("not(windows)", true),
            ("target_os = \"linux\"", true),
            (
                "all(unix, not(target_os = \"macos\"), any(windows, target_os=\"linux\",))",
                true,
            ),
            ("all(unix, windows)", false),
            ("not(unix, windows)", false),
            ("all(unix", false),
            ("unix)", false),
            ("unix windows", false),
            ("", false),
            ("target_os = \"", false),
        ] {
            assert_eq!(matches(expression, &cfg), holds, "{expression}");
        }
        assert!(!matches(&"not(".repeat(100_000), &cfg));
    }
}
