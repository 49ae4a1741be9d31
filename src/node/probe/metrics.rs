//! Prometheus's text format, one metric of it, and its increase over a window. Pure.
//!
//! What is missing, NaN or infinite is unknown. A counter that is lower than before was reset: what it
//! has now came since (as Prometheus's `increase` has it).

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::expect::{Number, Test};
use super::{Reply, Sample};
use crate::limits::{MAX_EXPECTATION_LEN, MAX_SERIES, MAX_WINDOW_SAMPLES};

/// A metric's name and labels that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    name: String,
    labels: Vec<(String, String)>,
}

/// How a number is taken from the samples of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    Value,
    Increase,
    RatePerMinute,
}

/// What is measured and what it must be.
#[derive(Clone, Debug)]
pub struct Measure {
    text: [String; 3],
    selector: Selector,
    take: Take,
    test: Test,
}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Measure {}

impl Selector {
    /// Reads `name` or `name{label="value",…}`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let wrong = || format!("{text:?} is no metric, wanted name or name{{label=\"value\"}}");
        if text.len() > MAX_EXPECTATION_LEN {
            return Err("a metric's name is too long".into());
        }
        let (name, labels, rest) = series(text.trim()).ok_or_else(wrong)?;
        match rest.is_empty() {
            true => Ok(Selector {
                name: name.into(),
                labels,
            }),
            false => Err(wrong()),
        }
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels that it must have, with their values.
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// The sum of all series that it fits on a page.
    ///
    /// # Errors
    /// In words: there is none, one is no finite number, or the page is none of metrics.
    pub fn find(&self, page: &str) -> Result<Number, String> {
        let mut sums = [Sum::of(self)];
        find_all(page, &mut sums)?;
        let [sum] = sums;
        sum.end()
    }
}

/// The series of one metric, added up.
#[derive(Clone, Debug)]
pub struct Sum<'a> {
    selector: &'a Selector,
    sum: f64,
    found: usize,
    odd: Option<f64>,
}

impl<'a> Sum<'a> {
    /// Of nothing yet.
    pub fn of(selector: &'a Selector) -> Self {
        Sum {
            selector,
            sum: 0.0,
            found: 0,
            odd: None,
        }
    }

    /// Takes a series if it is one of the metric; whether it is.
    pub fn offer(&mut self, name: &str, labels: &[(String, String)], value: f64) -> bool {
        let fits = name == self.selector.name
            && self
                .selector
                .labels
                .iter()
                .all(|label| labels.contains(label));
        if fits {
            self.found += 1;
            self.sum += value;
            if !value.is_finite() {
                self.odd.get_or_insert(value);
            }
        }
        fits
    }

    /// The sum.
    ///
    /// # Errors
    /// In words: no series was one, or one is no finite number.
    pub fn end(&self) -> Result<Number, String> {
        let selector = self.selector;
        match (self.odd, Number::real(self.sum)) {
            _ if self.found == 0 => Err(format!("there is no metric {selector}")),
            (Some(odd), _) => Err(format!(
                "{} is {odd}, wanted a finite number",
                selector.name
            )),
            (None, Some(number)) => Ok(number),
            (None, None) => Err(format!("the sum of {selector} is no finite number")),
        }
    }
}

/// Offers every sample of a page to each of `sums`.
///
/// # Errors
/// In words: the page is none of metrics, or has more than [`MAX_SERIES`] samples.
pub fn find_all(page: &str, sums: &mut [Sum<'_>]) -> Result<(), String> {
    let mut count = 0;
    for (line, number) in page.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        count += 1;
        if count > MAX_SERIES {
            return Err(format!("the page has more than {MAX_SERIES} samples"));
        }
        let wrong = || format!("line {number} of the page is no sample of a metric");
        let (name, labels, rest) = series(line).ok_or_else(wrong)?;
        let value = rest.split_whitespace().next().ok_or_else(wrong)?;
        let value = float(value).ok_or_else(wrong)?;
        for sum in &mut *sums {
            sum.offer(name, &labels, value);
        }
    }
    Ok(())
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v:?}"))
            .collect();
        match labels.is_empty() {
            true => Ok(()),
            false => write!(f, "{{{}}}", labels.join(",")),
        }
    }
}

/// The page of an answer.
///
/// # Errors
/// In words: another status, or no text.
pub fn page(reply: Reply) -> Result<String, String> {
    if reply.status != 200 {
        return Err(format!("the page of metrics has status {}", reply.status));
    }
    String::from_utf8(reply.body).map_err(|_| "the page of metrics is no UTF-8".into())
}

type Labels = Vec<(String, String)>;

/// Name, labels and what stands behind them.
fn series(text: &str) -> Option<(&str, Labels, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut labels = Vec::new();
    let Some(mut rest) = rest.trim_start().strip_prefix('{') else {
        return Some((name, labels, rest.trim()));
    };
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some((name, labels, after.trim()));
        }
        let (label, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        labels.push((label.trim().to_owned(), value));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('"')?;
    let (mut out, mut escaped) = (String::new(), false);
    for (at, c) in rest.char_indices() {
        match (escaped, c) {
            (true, 'n') => out.push('\n'),
            (true, c) => out.push(c),
            (false, '\\') => {}
            (false, '"') => return Some((out, &rest[at + 1..])),
            (false, c) => out.push(c),
        }
        escaped = !escaped && c == '\\';
    }
    None
}

/// A sample's value as Prometheus writes it.
pub fn float(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" | "Nan" => Some(f64::NAN),
        // Only digits: `f64` would also read "infinity".
        _ if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

impl Measure {
    /// Reads the keys `metric`, `take` and `expect`.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn parse(metric: &str, take: &str, expect: &str) -> Result<Measure, String> {
        let selector = Selector::parse(metric)?;
        let kind = match take {
            "value" => Take::Value,
            "increase" => Take::Increase,
            "rate-per-minute" => Take::RatePerMinute,
            _ => {
                return Err(format!(
                    "take is {take:?}, wanted value, increase or rate-per-minute"
                ));
            }
        };
        let test = Test::parse(expect).map_err(|what| format!("expect: {what}"))?;
        if !matches!(&test, Test::Compare(_, Value::Number(_))) {
            return Err(format!(
                "expect is {expect:?}, wanted a comparison with a number"
            ));
        }
        Ok(Measure {
            text: [metric, take, expect].map(str::to_owned),
            selector,
            take: kind,
            test,
        })
    }

    /// Which metric.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether one look cannot tell.
    pub fn wants_window(&self) -> bool {
        self.take != Take::Value
    }

    /// Judges one more number.
    pub fn judge(
        &self,
        seen: Number,
        now: Duration,
        window: Duration,
        past: &mut Window,
    ) -> Sample {
        let expect = &self.text[2];
        past.add(now, seen.as_f64(), window);
        let number = match self.take {
            Take::Value => Some(seen),
            _ => match past.increase(now, window) {
                Ok((increase, _)) if self.take == Take::Increase => Number::real(increase),
                Ok((increase, span)) => Number::real(increase * 60.0 / span.as_secs_f64()),
                Err(span) => {
                    let why = format!(
                        "{} of {} s of the window are seen",
                        span.as_secs(),
                        window.as_secs()
                    );
                    return Sample::unknown(why).with_value(seen.to_string()).early();
                }
            },
        };
        let value = match number {
            Some(Number::Whole(n)) => i64::try_from(n).map_or(Value::from(n as f64), Value::from),
            Some(Number::Real(n)) => Value::from(n),
            None => return Sample::unknown("the number is too large"),
        };
        self.test.judge(&value, expect)
    }
}

/// What a metric has grown by, at several times.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Time, and increase since the first sample.
    grown: VecDeque<(Duration, f64)>,
    last: Option<f64>,
}

impl Window {
    fn add(&mut self, now: Duration, value: f64, window: Duration) {
        let before = self.grown.back().map_or(0.0, |(_, grown)| *grown);
        let step = match self.last {
            None => 0.0,
            Some(last) if value < last => value.max(0.0),
            Some(last) => value - last,
        };
        self.last = Some(value);
        self.grown.push_back((now, before + step));
        // One sample from before the window stays: where it begins.
        while self
            .grown
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= window)
        {
            self.grown.pop_front();
        }
        if self.grown.len() > MAX_WINDOW_SAMPLES {
            let mut keep = [false, true].into_iter().cycle();
            let first = self.grown.pop_front();
            self.grown.retain(|_| keep.next().unwrap_or(true));
            self.grown.extend(first);
            self.grown.rotate_right(1);
        }
    }

    /// The increase and the time that it took; the time that was seen where that is too little.
    fn increase(&self, now: Duration, window: Duration) -> Result<(f64, Duration), Duration> {
        let (Some((first, low)), Some((_, high))) = (self.grown.front(), self.grown.back()) else {
            return Err(Duration::ZERO);
        };
        let span = now.saturating_sub(*first);
        match span >= window && !span.is_zero() {
            true => Ok((high - low, span)),
            false => Err(span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    const PAGE: &str = "# HELP a x\n# TYPE a counter\na 1\nb{x=\"1\"} 2\nb{x=\"2\",y=\"a,\\\"}\\\\\"} 3 1700000000000\n\n\
                        nan NaN\ninf{} +Inf\nhuge 1e308\nhuge{x=\"2\"} 1.7e308\nbig 18446744073709551615\n";

    fn find(text: &str) -> Result<Number, String> {
        Selector::parse(text).unwrap().find(PAGE)
    }

    #[test]
    fn a_metric_is_found_by_name_and_labels_and_summed() {
        for (text, wanted) in [
            ("a", 1),
            ("b", 5),
            ("b{x=\"2\"}", 3),
            ("b{y=\"a,\\\"}\\\\\"}", 3),
        ] {
            assert_eq!(find(text), Ok(Number::Whole(wanted)), "{text}");
        }
    }

    #[test]
    fn missing_nan_infinite_and_overflowing_are_unknown() {
        for text in ["c", "b{x=\"3\"}", "nan", "inf", "huge"] {
            assert!(find(text).is_err(), "{text}");
        }
        assert!(find("big").is_ok());
    }

    #[test]
    fn a_page_that_is_none_is_refused() {
        let a = Selector::parse("a").unwrap();
        for page in [
            "<html>",
            "a",
            "a x",
            "a{x=1} 2",
            "a{x=\"1} 2",
            "{x=\"1\"} 1",
            "1a 2",
            "a 1\n\u{0}",
        ] {
            assert!(a.find(page).is_err(), "{page:?}");
        }
        let page = "a 1\n".repeat(MAX_SERIES + 1);
        assert!(a.find(&page).unwrap_err().contains("more than"));
        for text in ["", "a b", "a{", "a{x}", "a 1", "1a"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    /// The marks of `values`, one a second, over a window of three.
    fn marks(take: &str, expect: &str, values: &[f64]) -> Vec<Mark> {
        let measure = Measure::parse("a", take, expect).unwrap();
        let mut past = Window::default();
        let judged = values.iter().zip(1..).map(|(value, second)| {
            let now = Duration::from_secs(second);
            let seen = Number::real(*value).unwrap();
            measure
                .judge(seen, now, Duration::from_secs(3), &mut past)
                .mark
        });
        judged.collect()
    }

    #[test]
    fn an_increase_is_told_once_the_window_is_seen_and_survives_a_reset() {
        use Mark::{Bad, Good, Unknown};
        assert_eq!(
            marks(
                "increase",
                "== 0",
                &[5.0, 5.0, 5.0, 5.0, 6.0, 6.0, 6.0, 6.0]
            ),
            [Unknown, Unknown, Unknown, Good, Bad, Bad, Bad, Good]
        );
        // 3 before the restart, 2 after it: 5 in all, and never a negative one.
        assert_eq!(marks("increase", "== 5", &[10.0, 13.0, 1.0, 2.0])[3], Good);
        assert_eq!(
            marks("rate-per-minute", "== 60", &[1.0, 2.0, 3.0, 4.0])[3],
            Good
        );
        assert_eq!(marks("value", "> 1", &[1.0, 2.0]), [Bad, Good]);
    }

    #[test]
    fn a_long_window_keeps_few_samples() {
        let mut past = Window::default();
        let window = Duration::from_secs(100_000);
        for second in 0..20_000 {
            past.add(Duration::from_secs(second), second as f64, window);
        }
        assert!(past.grown.len() <= MAX_WINDOW_SAMPLES);
        assert_eq!(past.grown.front(), Some(&(Duration::ZERO, 0.0)));
        assert!(
            past.grown
                .iter()
                .zip(past.grown.iter().skip(1))
                .all(|(a, b)| a.0 < b.0)
        );
    }

    #[test]
    fn only_comparisons_with_numbers_are_taken() {
        for (take, expect) in [
            ("value", "== 'x'"),
            ("value", "grows"),
            ("mean", "> 1"),
            ("value", "1"),
        ] {
            assert!(
                Measure::parse("a", take, expect).is_err(),
                "{take} {expect}"
            );
        }
    }
}
