//! Bench `release`: interleaved pairs, medians, and the table that they end in.

use std::fmt;

use crate::harness::Outcome;

/// Pairs that count; one more goes before, to warm what can be warm.
pub const PAIRS: usize = 15;

/// One run of one side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// What it took, in milliseconds.
    pub ms: f64,
    /// Milliseconds taken off before `ms`, because both sides would have them.
    pub subtracted: f64,
    /// The most memory that the process had, in KiB, where it can be told.
    pub peak_kib: Option<u64>,
}

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    name: String,
    ours: Vec<Run>,
    theirs: Vec<Run>,
    /// The ratio may be this or less.
    goal: Option<f64>,
    /// Peak memory may be this many MiB or less.
    goal_mib: Option<f64>,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

/// Runs both sides in turn, which first changing from pair to pair, so that whatever else the
/// machine does meets both.
pub fn interleaved(
    name: &str,
    mut ours: impl FnMut() -> Outcome<Run>,
    mut theirs: impl FnMut() -> Outcome<Run>,
) -> Outcome<Row> {
    eprint!("{name}: ");
    let mut row = Row {
        name: name.to_owned(),
        ours: Vec::new(),
        theirs: Vec::new(),
        goal: None,
        goal_mib: None,
    };
    for pair in 0..=PAIRS {
        let (a, b) = if pair % 2 == 0 {
            let a = settled(&mut ours)?;
            (a, settled(&mut theirs)?)
        } else {
            let b = settled(&mut theirs)?;
            (settled(&mut ours)?, b)
        };
        if pair > 0 {
            row.ours.push(a);
            row.theirs.push(b);
        }
        eprint!(".");
    }
    eprintln!();
    Ok(row)
}

/// What one side left to be written to disk is not to slow the other down.
fn settled(side: &mut impl FnMut() -> Outcome<Run>) -> Outcome<Run> {
    rustix::fs::sync();
    side()
}

impl Row {
    /// With the goal that the ratio is `most` or less.
    pub fn goal(mut self, most: f64) -> Self {
        self.goal = Some(most);
        self
    }

    /// With the goal that our peak memory is `most` MiB or less.
    pub fn goal_mib(mut self, most: f64) -> Self {
        self.goal_mib = Some(most);
        self
    }

    /// The median of the pairs' ratios.
    fn ratio(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.theirs);
        median(pairs.map(|(a, b)| a.ms / b.ms).collect())
    }

    /// The most that any of our runs had.
    fn peak_mib(&self) -> Option<f64> {
        let most = self.ours.iter().filter_map(|r| r.peak_kib).max()?;
        Some(most as f64 / 1024.0)
    }

    fn missed(&self) -> bool {
        self.goal.is_some_and(|goal| self.ratio() > goal)
            || self
                .goal_mib
                .is_some_and(|goal| self.peak_mib().is_none_or(|peak| peak > goal))
    }
}

impl Table {
    /// Adds a line.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// How many goals were missed.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| row.missed()).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nmedians of {PAIRS} interleaved pairs")?;
        writeln!(
            f,
            "{:<44} {:>9} {:>7} {:>9} {:>6} {:>13} {:>5} {:>9} {:>5}",
            "what", "A ms", "less", "B ms", "A/B", "(min-max)", "goal", "peak MiB", "goal"
        )?;
        for row in &self.rows {
            let of = |runs: &[Run], what: fn(&Run) -> f64| median(runs.iter().map(what).collect());
            let ratios = row.ours.iter().zip(&row.theirs).map(|(a, b)| a.ms / b.ms);
            let (least, most) = ratios.fold((f64::INFINITY, 0.0f64), |(least, most), ratio| {
                (least.min(ratio), most.max(ratio))
            });
            writeln!(
                f,
                "{:<44} {:>9.1} {:>7.1} {:>9.1} {:>6.3} {:>13} {:>5} {:>9} {:>5}{}",
                row.name,
                of(&row.ours, |r| r.ms),
                of(&row.ours, |r| r.subtracted),
                of(&row.theirs, |r| r.ms),
                row.ratio(),
                format!("({least:.3}-{most:.3})"),
                shown(row.goal, 2),
                shown(row.peak_mib(), 1),
                shown(row.goal_mib, 0),
                if row.missed() { "  MISSED" } else { "" },
            )?;
        }
        Ok(())
    }
}

fn shown(number: Option<f64>, digits: usize) -> String {
    number.map_or("-".into(), |n| format!("{n:.digits$}"))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => numbers[n / 2],
        n => (numbers[n / 2 - 1] + numbers[n / 2]) / 2.0,
    }
}
