//! When a row of the matrix holds: one signal, how its number is taken from its past, what it is held against, and at how
//! many nodes. Pure.

use std::fmt;

/// A row's condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The signal.
    pub signal: String,
    /// How a number is taken from its values.
    pub take: Take,
    /// The past that `take` looks at, in seconds; 0 for `value`.
    pub window_seconds: u64,
    /// What the number is held against.
    pub test: Test,
    /// At how many nodes.
    pub nodes: Nodes,
}

/// How a number is taken from a signal's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The newest value.
    Value,
    /// By how much a counter has grown over the window.
    Increase,
    /// The same, by the minute.
    RatePerMinute,
    /// The average over the window.
    Mean,
    /// By how many percent the average of the window's last quarter is above that of its first.
    Growth,
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// `>`, `>=`, `<`, `<=`, `==` or `!=`.
    pub operator: Operator,
    /// What with.
    pub number: f64,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

const OPERATORS: [(&str, Operator); 6] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">", Operator::More),
    ("<", Operator::Less),
];

/// At how many nodes the test has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// At one of them, or more.
    Any,
    /// At each of them.
    All,
    /// At more than so many percent of them.
    MoreThanPercent(u8),
}

impl Take {
    /// Reads its word.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "value" => Take::Value,
            "increase" => Take::Increase,
            "rate-per-minute" => Take::RatePerMinute,
            "mean" => Take::Mean,
            "growth-percent" => Take::Growth,
            _ => return None,
        })
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Take::Value => "value",
            Take::Increase => "increase",
            Take::RatePerMinute => "rate-per-minute",
            Take::Mean => "mean",
            Take::Growth => "growth-percent",
        }
    }

    /// Whether it makes sense of counters alone.
    pub fn is_of_counters(self) -> bool {
        matches!(self, Take::Increase | Take::RatePerMinute)
    }
}

impl Test {
    /// Reads `> 3`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (word, operator) = OPERATORS.iter().find(|(word, _)| text.starts_with(word))?;
        let number = text.get(word.len()..)?.trim();
        // Only digits: `f64` would also read "inf" and "nan".
        let plain = number
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.' || c == '-');
        let number: f64 = number.parse().ok()?;
        (plain && number.is_finite()).then_some(Test {
            operator: *operator,
            number,
        })
    }

    /// Whether it holds of a number.
    pub fn holds(&self, found: f64) -> bool {
        match self.operator {
            Operator::More => found > self.number,
            Operator::AtLeast => found >= self.number,
            Operator::Less => found < self.number,
            Operator::AtMost => found <= self.number,
            Operator::Equal => found == self.number,
            Operator::NotEqual => found != self.number,
        }
    }

    /// Whether a number that can only be higher than `found` passes for sure.
    pub fn holds_from(&self, found: f64) -> bool {
        matches!(self.operator, Operator::More | Operator::AtLeast) && self.holds(found)
    }

    /// The operator's word, which is also PromQL's.
    pub fn word(&self) -> &'static str {
        let found = OPERATORS.iter().find(|(_, o)| *o == self.operator);
        found.map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.number)
    }
}

impl Nodes {
    /// Reads `any`, `all` or `more than 20 %`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "any" => return Some(Nodes::Any),
            "all" => return Some(Nodes::All),
            _ => {}
        }
        let percent = text.strip_prefix("more than ")?.strip_suffix('%')?.trim();
        let percent: u8 = percent.parse().ok()?;
        (percent < 100).then_some(Nodes::MoreThanPercent(percent))
    }

    /// Whether so many of `all` are enough.
    pub fn enough(self, count: usize, all: usize) -> bool {
        match self {
            Nodes::Any => count > 0,
            Nodes::All => all > 0 && count == all,
            Nodes::MoreThanPercent(percent) => count * 100 > usize::from(percent) * all,
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nodes::Any => f.write_str("any"),
            Nodes::All => f.write_str("all"),
            Nodes::MoreThanPercent(percent) => write!(f, "more than {percent} %"),
        }
    }
}
