//! A path into a JSON value: `$.peers[0].height`, `$['a b'][-1]`, `$[*].addr`, `$.list.length()`. Pure.

use serde_json::Value;

use crate::limits::{MAX_PATH_STEPS, MAX_PATH_VALUES};

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
    length: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    /// Counted from the end where it is negative.
    Element(i64),
    Every,
}

impl Path {
    /// Reads a path from the beginning of `text`; gives what stands behind it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<(Path, &str), String> {
        let mut rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("{text:?} does not begin with $"))?;
        let mut path = Path {
            steps: Vec::new(),
            length: false,
        };
        loop {
            if path.steps.len() > MAX_PATH_STEPS {
                return Err(format!("a path has more than {MAX_PATH_STEPS} steps"));
            }
            if let Some(more) = rest.strip_prefix(".length()") {
                path.length = true;
                return Ok((path, more));
            }
            if let Some(more) = rest.strip_prefix('.') {
                let end = more
                    .find(|c: char| !c.is_alphanumeric() && !"_-".contains(c))
                    .unwrap_or(more.len());
                let (name, after) = more.split_at(end);
                if name.is_empty() {
                    return Err(format!("a member's name is missing before {more:?}"));
                }
                path.steps.push(Step::Member(name.into()));
                rest = after;
            } else if let Some(more) = rest.strip_prefix('[') {
                let (step, after) = bracket(more)?;
                path.steps.push(step);
                rest = after;
            } else {
                return Ok((path, rest));
            }
        }
    }

    /// The values that the path leads to.
    ///
    /// # Errors
    /// In words: there is nothing, or more than [`MAX_PATH_VALUES`].
    pub fn find(&self, value: &Value) -> Result<Vec<Value>, String> {
        let mut found = vec![value];
        let mut way = "$".to_owned();
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                match (step, value) {
                    (Step::Member(name), Value::Object(members)) => {
                        next.extend(members.get(name));
                    }
                    (Step::Element(at), Value::Array(list)) => next.extend(element(list, *at)),
                    (Step::Every, Value::Array(list)) => next.extend(list),
                    _ => {}
                }
            }
            way.push_str(&step.shown());
            if next.is_empty() {
                return Err(format!("the answer has no {way}"));
            }
            if next.len() > MAX_PATH_VALUES {
                return Err(format!("{way} is more than {MAX_PATH_VALUES} values"));
            }
            found = next;
        }
        if !self.length {
            return Ok(found.into_iter().cloned().collect());
        }
        let length = |value: &Value| match value {
            Value::Array(list) => Ok(Value::from(list.len())),
            Value::Object(members) => Ok(Value::from(members.len())),
            Value::String(text) => Ok(Value::from(text.chars().count())),
            _ => Err(format!("{way} has no length")),
        };
        found.into_iter().map(length).collect()
    }
}

impl Step {
    fn shown(&self) -> String {
        match self {
            Step::Member(name) => format!(".{name}"),
            Step::Element(at) => format!("[{at}]"),
            Step::Every => "[*]".into(),
        }
    }
}

fn element(list: &[Value], at: i64) -> Option<&Value> {
    let distance = usize::try_from(at.unsigned_abs()).ok()?;
    match at {
        0.. => list.get(distance),
        _ => list.get(list.len().checked_sub(distance)?),
    }
}

fn bracket(text: &str) -> Result<(Step, &str), String> {
    let quote = text.chars().next().filter(|c| "'\"".contains(*c));
    if let Some(quote) = quote {
        let (name, rest) = text[1..]
            .split_once(quote)
            .ok_or_else(|| format!("a quote is open in {text:?}"))?;
        let rest = rest
            .strip_prefix(']')
            .ok_or_else(|| format!("a bracket is open in {text:?}"))?;
        return Ok((Step::Member(name.into()), rest));
    }
    let (inside, rest) = text
        .split_once(']')
        .ok_or_else(|| format!("a bracket is open in {text:?}"))?;
    match (inside, inside.parse()) {
        ("*", _) => Ok((Step::Every, rest)),
        (_, Ok(at)) => Ok((Step::Element(at), rest)),
        _ => Err(format!("[{inside}] is no number, *, or name in quotes")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_members_elements_lengths_and_every_one() {
        let value = json!({"a": [{"b": 1}, {"b": 2}], "c d": {"e.f": "x"}, "n": null});
        for (text, wanted) in [
            ("$", vec![value.clone()]),
            ("$.a[0].b", vec![json!(1)]),
            ("$.a[-1].b", vec![json!(2)]),
            ("$.a[*].b", vec![json!(1), json!(2)]),
            ("$['c d'][\"e.f\"]", vec![json!("x")]),
            ("$.a.length()", vec![json!(2)]),
            ("$.n", vec![json!(null)]),
        ] {
            let (path, rest) = Path::parse(text).unwrap();
            assert_eq!((path.find(&value), rest), (Ok(wanted), ""), "{text}");
        }
        for text in [
            "$.x",
            "$.a[2]",
            "$.a[-3]",
            "$.a.b",
            "$.n.length()",
            "$[0]",
            "$.n[*]",
        ] {
            let (path, _) = Path::parse(text).unwrap();
            assert!(path.find(&value).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "", "a", "$.", "$[", "$[x]", "$['a", "$['a'", "$[1.5]", "$..a",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        let deep = format!("${}", ".a".repeat(MAX_PATH_STEPS + 2));
        assert!(Path::parse(&deep).is_err());
        assert_eq!(Path::parse("$.a > 1").unwrap().1, " > 1");
    }
}
