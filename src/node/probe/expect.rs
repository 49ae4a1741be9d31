//! What a value must be: `> 3`, `== 'producing'`, `matches '^v1'`, `grows`; and a path before it for
//! JSON (`$.height >= 10`). Pure. What cannot be compared is unknown, which is never a pass.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::path::Path;
use super::{Mark, Sample};
use crate::limits::{MAX_EXPECTATION_LEN, MAX_PATTERN_LEN, MAX_REGEX_LEN, MAX_SHOWN_VALUE};

/// An expectation of a JSON value, as written and as understood.
#[derive(Clone, Debug)]
pub struct Expectation {
    text: String,
    path: Path,
    test: Test,
}

/// What one value is held against.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Compare(Operator, Value),
    Matches(Regex),
    Contains(String),
    Exists,
    Grows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Less),
    (">", Operator::More),
];

/// A regular expression of a configuration, bounded in length and in what it becomes.
///
/// # Errors
/// What is wrong with it, in words.
pub fn pattern(text: &str) -> Result<Regex, String> {
    if text.is_empty() || text.len() > MAX_PATTERN_LEN {
        return Err(format!(
            "a pattern is empty or longer than {MAX_PATTERN_LEN} bytes"
        ));
    }
    let built = RegexBuilder::new(text).size_limit(MAX_REGEX_LEN).build();
    built.map_err(|e| {
        let said = e.to_string();
        format!(
            "{text:?} is no pattern: {}",
            said.lines().last().unwrap_or_default().trim()
        )
    })
}

impl PartialEq for Expectation {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expectation {}

impl Expectation {
    /// Reads `PATH TEST`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_EXPECTATION_LEN {
            return Err(format!(
                "an expectation is longer than {MAX_EXPECTATION_LEN} bytes"
            ));
        }
        let (path, rest) = Path::parse(text.trim())?;
        if !rest.is_empty() && !rest.starts_with(' ') {
            return Err(format!("{rest:?} goes on neither a path nor a comparison"));
        }
        Ok(Expectation {
            text: text.trim().into(),
            path,
            test: Test::parse(rest)?,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it wants two looks.
    pub fn grows(&self) -> bool {
        matches!(self.test, Test::Grows)
    }

    /// Holds an answer against it; every value that the path finds has to pass.
    pub fn judge(&self, answer: &Value) -> Sample {
        let found = match self.path.find(answer) {
            Ok(found) => found,
            Err(why) if matches!(self.test, Test::Exists) => return Sample::bad("nothing", why),
            Err(why) => return Sample::unknown(why),
        };
        let mut all = Sample::good("nothing");
        for value in &found {
            let sample = self.test.judge(value, &self.text);
            match sample.mark {
                Mark::Bad => return sample,
                Mark::Unknown => all = sample,
                Mark::Good if all.mark == Mark::Good => all = sample,
                Mark::Good => {}
            }
        }
        all
    }

    /// The one value that the path finds.
    ///
    /// # Errors
    /// In words: there is none, or there are several.
    pub fn one(&self, answer: &Value) -> Result<Value, String> {
        match <[Value; 1]>::try_from(self.path.find(answer)?) {
            Ok([value]) => Ok(value),
            Err(more) => Err(format!(
                "{} are {} values, wanted one",
                self.text,
                more.len()
            )),
        }
    }

    /// The one number that is to grow.
    ///
    /// # Errors
    /// In words: there is none.
    pub fn number(&self, answer: &Value) -> Result<Number, String> {
        let value = self.one(answer)?;
        Number::of(&value)
            .ok_or_else(|| format!("{} is {}, wanted a number", self.text, shown(&value)))
    }
}

impl Test {
    /// Reads an operator and its value.
    pub(super) fn parse(text: &str) -> Result<Test, String> {
        let text = text.trim();
        let (word, rest) = match text.split_once(' ') {
            Some((word, rest)) => (word, rest.trim()),
            None => (text, ""),
        };
        match (word, rest) {
            ("exists", "") => return Ok(Test::Exists),
            ("grows", "") => return Ok(Test::Grows),
            ("matches", rest) => return pattern(&string(rest)?).map(Test::Matches),
            ("contains", rest) => return string(rest).map(Test::Contains),
            _ => {}
        }
        let found = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?.trim())));
        let Some((operator, value)) = found else {
            return Err(format!(
                "{text:?} is no test, wanted ==, !=, <, <=, >, >=, contains, matches, exists or grows"
            ));
        };
        let value = literal(value)?;
        let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ordered && !value.is_number() {
            return Err(format!("{text:?} compares with {value}, wanted a number"));
        }
        Ok(Test::Compare(operator, value))
    }

    /// Holds one value against the test; `grows` is judged by whoever remembers.
    pub(super) fn judge(&self, value: &Value, wanted: &str) -> Sample {
        let text = shown(value);
        let unknown = |want: &str| Sample::unknown(format!("found {text}, wanted {want}"));
        let holds = match self {
            Test::Exists => true,
            Test::Grows => return unknown("a number to watch"),
            Test::Matches(regex) => match value.as_str() {
                Some(found) => regex.is_match(found),
                None => return unknown("a string"),
            },
            Test::Contains(part) => match value {
                Value::String(found) => found.contains(part.as_str()),
                Value::Array(list) => list.iter().any(|item| item.as_str() == Some(part)),
                _ => return unknown("a string or a list"),
            },
            Test::Compare(operator, with) => match operator.holds(value, with) {
                Some(holds) => holds,
                None => return unknown(kind(with)),
            },
        };
        match holds {
            true => Sample::good(text),
            false => {
                let why = format!("found {text}, wanted {wanted}");
                Sample::bad(text, why)
            }
        }
    }
}

impl Operator {
    /// None: values of these two kinds cannot be compared.
    fn holds(self, found: &Value, wanted: &Value) -> Option<bool> {
        let order = match (Number::of(found), Number::of(wanted)) {
            (Some(found), Some(wanted)) => found.compare(wanted)?,
            (None, None) if std::mem::discriminant(found) == std::mem::discriminant(wanted) => {
                match found == wanted {
                    true => Ordering::Equal,
                    false => Ordering::Less,
                }
            }
            // null stands for "not there yet", which is told from every other value.
            _ if found.is_null() || wanted.is_null() => Ordering::Less,
            _ => return None,
        };
        Some(match self {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::More => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
        })
        .filter(|_| {
            matches!(self, Operator::Equal | Operator::NotEqual) || Number::of(found).is_some()
        })
    }
}

/// A number of an answer, exact where it is a whole one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i128),
    /// Any other, finite.
    Real(f64),
}

impl Number {
    /// None for what is no number.
    pub fn of(value: &Value) -> Option<Number> {
        let number = value.as_number()?;
        if let Some(whole) = number.as_i64() {
            return Some(Number::Whole(whole.into()));
        }
        if let Some(whole) = number.as_u64() {
            return Some(Number::Whole(whole.into()));
        }
        Self::real(number.as_f64()?)
    }

    /// None for NaN and the infinities.
    pub fn real(value: f64) -> Option<Number> {
        // Whole numbers below 2^53 are exact as f64.
        let exact = value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0;
        match value.is_finite() {
            true if exact => Some(Number::Whole(value as i128)),
            true => Some(Number::Real(value)),
            false => None,
        }
    }

    /// How two numbers stand to each other.
    pub fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => a.as_f64().partial_cmp(&b.as_f64()),
        }
    }

    /// Rounded where it must be.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Whole(n) => n as f64,
            Number::Real(n) => n,
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Whole(n) => write!(f, "{n}"),
            Number::Real(n) => write!(f, "{n}"),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn literal(text: &str) -> Result<Value, String> {
    if text.starts_with(['\'', '"']) {
        return string(text).map(Value::String);
    }
    match text.parse::<Value>() {
        Ok(value) if !value.is_array() && !value.is_object() => Ok(value),
        _ => Err(format!(
            "{text:?} is no number, string in quotes, true, false or null"
        )),
    }
}

fn string(text: &str) -> Result<String, String> {
    let quote = text.chars().next().filter(|c| "'\"".contains(*c));
    let inside = quote.and_then(|q| text.strip_prefix(q)?.strip_suffix(q));
    match inside {
        Some(inside) if quote.is_none_or(|q| !inside.contains(q)) => Ok(inside.to_owned()),
        _ => Err(format!("{text:?} is no string in quotes")),
    }
}

/// A value for people, cut where it is long.
pub fn shown(value: &Value) -> String {
    // Only the beginning is rendered: an answer may have a megabyte of text in it.
    let text = match value {
        Value::String(text) => format!("{:?}", super::cut(text, MAX_SHOWN_VALUE)),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(members) => format!("an object of {} members", members.len()),
        other => other.to_string(),
    };
    super::cut(&text, MAX_SHOWN_VALUE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mark(text: &str, value: Value) -> Mark {
        Expectation::parse(text).unwrap().judge(&value).mark
    }

    #[test]
    fn values_are_compared_by_their_kind_and_what_cannot_be_is_unknown() {
        let value = json!({
            "n": 5, "big": u64::MAX, "f": 0.5, "s": "producing", "t": true, "no": null,
            "list": [1, 2, 3], "names": ["a", "b"], "mixed": [9, "x"]
        });
        for (text, wanted) in [
            ("$.n == 5", Mark::Good),
            ("$.n == 5.0", Mark::Good),
            ("$.n != 5", Mark::Bad),
            ("$.n >= 6", Mark::Bad),
            ("$.big > 18446744073709551614", Mark::Good),
            ("$.big <= 18446744073709551614", Mark::Bad),
            ("$.f < 0.51", Mark::Good),
            ("$.s == 'producing'", Mark::Good),
            ("$.s == \"stalled\"", Mark::Bad),
            ("$.s matches '^prod'", Mark::Good),
            ("$.s contains 'x'", Mark::Bad),
            ("$.names contains 'b'", Mark::Good),
            ("$.t == true", Mark::Good),
            ("$.t == false", Mark::Bad),
            ("$.no != null", Mark::Bad),
            ("$.n != null", Mark::Good),
            ("$.no exists", Mark::Good),
            ("$.nothing exists", Mark::Bad),
            ("$.list.length() == 3", Mark::Good),
            ("$.list[*] < 3", Mark::Bad),
            ("$.list[*] <= 3", Mark::Good),
            // Wrong kinds, and what is not there.
            ("$.s > 3", Mark::Unknown),
            ("$.n == '5'", Mark::Unknown),
            ("$.n matches '5'", Mark::Unknown),
            ("$.no > 1", Mark::Unknown),
            ("$.nothing == 1", Mark::Unknown),
            ("$.mixed[*] > 1", Mark::Unknown),
        ] {
            assert_eq!(mark(text, value.clone()), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_expectation_is_refused() {
        for text in [
            "$.a",
            "$.a ==",
            "$.a = 1",
            "$.a > 'x'",
            "$.a == [1]",
            "$.a == x",
            "$.a matches '('",
            "$.a matches x",
            "a > 1",
            "$.a exists 1",
            "$.a grows 2",
            "$.a == 1e999",
            "$.a== 'x' y'",
        ] {
            assert!(Expectation::parse(text).is_err(), "{text}");
        }
        let long = format!("$.a == '{}'", "x".repeat(MAX_EXPECTATION_LEN));
        assert!(Expectation::parse(&long).is_err());
        let greedy = format!("$.a matches '{}'", "(a{1000}){1000}");
        assert!(Expectation::parse(&greedy).is_err());
    }

    #[test]
    fn a_long_value_is_cut_when_it_is_shown() {
        let text = shown(&json!("x".repeat(10_000)));
        assert!(text.chars().count() <= MAX_SHOWN_VALUE + 1, "{text}");
    }
}
