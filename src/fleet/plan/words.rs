//! A plan for people. Text only.

use super::{Plan, Wave};
use crate::fleet::config::Strategy;

impl Plan {
    /// The plan for people, one line each; what the nodes said is in it as they said it.
    pub fn lines(&self) -> Vec<String> {
        let environment = &self.environment;
        let how = match environment.strategy {
            Strategy::Rolling => format!(
                "{} at a time, at most {} down",
                environment.serial, environment.max_unavailable
            ),
            Strategy::Together => "all are stopped, then started one after another".to_owned(),
        };
        let mut lines = vec![format!("{} on {}: {how}", self.tag, environment.name)];
        for (place, wave) in self.waves.iter().enumerate() {
            lines.push(wave_line(place, wave));
        }
        let widest = self.nodes.iter().map(|n| n.name.len()).max().unwrap_or(0);
        for node in &self.nodes {
            let from = node.from.as_deref().unwrap_or("nothing that is known");
            let what = match (node.left_out, node.already) {
                (true, _) => "left out".to_owned(),
                (_, true) => "runs it already".to_owned(),
                _ => format!(
                    "from {from}, down for {}{}",
                    duration(node.downtime_seconds),
                    if node.measured {
                        ""
                    } else {
                        " (the guide's figure, nobody measured)"
                    }
                ),
            };
            lines.push(format!("  {:widest$}  {what}", node.name));
        }
        let expected = &self.expected;
        lines.push(format!(
            "takes {}; nodes are down for {} in all; {} block(s) missed{}",
            duration(expected.seconds),
            duration(expected.downtime_seconds),
            thousandths(expected.blocks_missed_thousandths),
            expected
                .reward_missed
                .map(|reward| format!(", {reward} in rewards"))
                .unwrap_or_default()
        ));
        if let Some(window) = environment.window {
            let time = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
            lines.push(format!(
                "nodes are stopped between {} and {} UTC only",
                time(window.from),
                time(window.to)
            ));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        for refusal in &self.refusals {
            let who = refusal
                .node
                .as_deref()
                .map(|n| format!("{n}: "))
                .unwrap_or_default();
            lines.push(format!("refused: {who}{}", refusal.why));
            lines.extend(refusal.hint.iter().map(|hint| format!("hint: {hint}")));
        }
        lines
    }
}

fn wave_line(place: usize, wave: &Wave) -> String {
    let mut line = format!("wave {}: {}", place + 1, wave.nodes.join(", "));
    if wave.watch_seconds > 0 {
        line.push_str(&format!("; watched for {}", duration(wave.watch_seconds)));
    }
    if wave.pause_seconds > 0 {
        line.push_str(&format!(
            "; then a pause of {}",
            duration(wave.pause_seconds)
        ));
    }
    line
}

/// `1 h 5 min`, `30 s`.
pub fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 3_600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    match words.is_empty() {
        true => "0 s".into(),
        false => words.join(" "),
    }
}

fn thousandths(value: u64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}
