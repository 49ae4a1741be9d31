//! A number in a command's output, such as the transactions a second of a stress test. Pure.

use regex::Regex;

use super::decimal::Decimal;
use super::expression;
use crate::limits::MAX_SHOWN_NAME;
use crate::release::config::gate::NumberDemand;
use crate::release::text::shown;

/// Looks for the number, a line at a time.
#[derive(Debug)]
pub struct Number {
    pattern: Result<Regex, String>,
    last: Option<String>,
}

impl Number {
    /// Looks for what `demand` describes.
    pub fn new(demand: &NumberDemand) -> Self {
        Number {
            pattern: expression(&demand.pattern),
            last: None,
        }
    }

    /// The next line. Runs that say how they go on say last what it came to.
    pub fn line(&mut self, line: &str) {
        let Ok(pattern) = &self.pattern else { return };
        let found = pattern.captures(line);
        if let Some(group) = found.and_then(|captures| captures.get(1)) {
            self.last = Some(group.as_str().to_owned());
        }
    }

    /// The number.
    ///
    /// # Errors
    /// None was there, or one that is no plain decimal.
    pub fn finish(self) -> Result<Decimal, String> {
        let pattern = self.pattern?;
        let Some(text) = self.last else {
            return Err(format!("no line of the output has a number as {pattern}"));
        };
        let unreadable = || format!("the number is {}", shown(&text, MAX_SHOWN_NAME));
        Decimal::parse(&text).ok_or_else(unreadable)
    }
}

/// Why a number is not enough, or too much.
pub fn problems(number: Decimal, demand: &NumberDemand) -> Vec<String> {
    let unit = match demand.unit.as_str() {
        "" => String::new(),
        unit => format!(" {unit}"),
    };
    let mut out = Vec::new();
    if let Some(least) = demand.at_least.filter(|least| number < *least) {
        out.push(format!("{number}{unit}, wanted at least {least}{unit}"));
    }
    if let Some(most) = demand.at_most.filter(|most| number > *most) {
        out.push(format!("{number}{unit}, wanted at most {most}{unit}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(pattern: &str) -> NumberDemand {
        NumberDemand {
            pattern: pattern.into(),
            at_least: Decimal::parse("1000"),
            at_most: None,
            unit: "tx/s".into(),
        }
    }

    fn found(lines: &[&str]) -> Result<Vec<String>, String> {
        let demand = demand(r"^throughput: (\S+) tx/s");
        let mut number = Number::new(&demand);
        lines.iter().for_each(|line| number.line(line));
        number.finish().map(|number| problems(number, &demand))
    }

    #[test]
    fn the_last_number_is_held_against_the_demand() {
        let lines = [
            "warm-up",
            "throughput: 400 tx/s",
            "throughput: 1000.0 tx/s",
            "done",
        ];
        assert_eq!(found(&lines), Ok(vec![]));
        let lines = ["throughput: 4000 tx/s", "throughput: 999.999 tx/s"];
        let wanted = "999.999 tx/s, wanted at least 1000 tx/s";
        assert_eq!(found(&lines), Ok(vec![wanted.to_owned()]));
    }

    #[test]
    fn nan_infinity_and_the_like_are_no_numbers_and_so_is_none() {
        for text in [
            "nan",
            "inf",
            "1e9",
            "-",
            "1,200",
            "9999999999999999999999",
            "0x7f",
        ] {
            let line = format!("throughput: {text} tx/s");
            assert!(found(&[&line]).is_err(), "{text}");
        }
        assert!(found(&["throughput: -5 tx/s"]).unwrap()[0].starts_with("-5 tx/s, wanted"));
        let none = found(&["nothing"]).unwrap_err();
        assert!(none.contains("no line of the output"), "{none}");
    }

    #[test]
    fn a_line_of_megabytes_is_searched_in_no_time_that_grows_with_its_square() {
        let long = "throughput: ".repeat(1_000_000);
        assert!(found(&[&long]).is_err());
    }
}
