//! Films: series of samples, one each 15 seconds, and what is to fire when.

use relman::watch::export::rules::Rules;

use super::ENVIRONMENT;

/// Seconds from one sample to the next.
const STEP: u64 = 15;

/// Series, and what is looked for at which second.
pub struct Film {
    series: Vec<(String, String)>,
    looks: Vec<(u64, String, bool)>,
    alert_tests: String,
    shows: Vec<(String, String)>,
}

/// Values, each so many times, one after the other.
fn values(parts: &[(f64, u64)]) -> String {
    let each = parts
        .iter()
        .map(|(value, times)| format!("{value}x{}", times - 1));
    each.collect::<Vec<_>>().join(" ")
}

/// The selector of one alert that fires.
fn firing(alert: &str, action: &str) -> String {
    format!("ALERTS{{alertname=\"{alert}\",relman_action=\"{action}\",alertstate=\"firing\"}}")
}

impl Film {
    fn new() -> Film {
        Film {
            series: Vec::new(),
            looks: Vec::new(),
            alert_tests: String::new(),
            shows: Vec::new(),
        }
    }

    /// A metric of a node; `labels` are those that it has besides.
    fn has(mut self, metric: &str, node: &str, parts: &[(f64, u64)]) -> Film {
        let (name, own) = metric.split_once('{').unwrap_or((metric, ""));
        let own = own.trim_end_matches('}');
        let own = if own.is_empty() {
            String::new()
        } else {
            format!("{own},")
        };
        let series = format!(
            "{name}{{{own}job=\"timed\",environment=\"{ENVIRONMENT}\",instance=\"{node}\"}}"
        );
        self.series.push((series, values(parts)));
        self
    }

    /// As [`Film::has`], and then no more: Prometheus is told that the series has ended.
    fn ends(mut self, metric: &str, node: &str, part: (f64, u64)) -> Film {
        self = self.has(metric, node, &[part]);
        if let Some((_, values)) = self.series.last_mut() {
            values.push_str(" stale");
        }
        self
    }

    /// Nodes that answer all the time.
    fn up(mut self, nodes: &[&str], samples: u64) -> Film {
        for node in nodes {
            self = self.has("up", node, &[(1.0, samples)]);
        }
        self
    }

    fn look(mut self, second: u64, selector: &str, fires: bool) -> Film {
        self.looks.push((second, selector.to_owned(), fires));
        self
    }

    /// Nothing one sample before that second, the alert at it.
    fn fires(mut self, alert: &str, action: &str, second: u64) -> Film {
        self.shows.push((alert.to_owned(), action.to_owned()));
        self.look(second - STEP, &firing(alert, action), false)
            .look(second, &firing(alert, action), true)
    }

    /// The alerts that are seen to fire, and what they call for.
    pub fn shows(&self) -> Vec<(String, String)> {
        self.shows.clone()
    }

    /// One of promtool's tests.
    pub fn yaml(&self) -> String {
        let mut out = format!("  - interval: {STEP}s\n    input_series:\n");
        for (series, values) in &self.series {
            out.push_str(&format!(
                "      - {{series: '{series}', values: '{values}'}}\n"
            ));
        }
        out.push_str("    promql_expr_test:\n");
        for (second, selector, fires) in &self.looks {
            out.push_str(&format!(
                "      - expr: 'group({selector})'\n        eval_time: {second}s\n"
            ));
            if *fires {
                out.push_str("        exp_samples: [{labels: '{}', value: 1}]\n");
            }
        }
        out + &self.alert_tests
    }
}

/// Each exported alert, with the first sample at which its row holds.
pub fn edges(rules: &Rules) -> Vec<Film> {
    // Row, where and when it begins to hold, and the film up to there and beyond.
    let jump = |metric: &str| Film::new().has(metric, "n1", &[(0.0, 20), (1.0, 40)]);
    let begins: Vec<(&str, u64, Film)> = vec![
        // 101 is seen at second 150; more than 1200 s later is second 1365.
        (
            "NoBlocks",
            1_365,
            Film::new()
                .has("block_height", "n1", &[(100.0, 10), (101.0, 200)])
                .has("block_height", "n2", &[(99.0, 10), (100.0, 200)]),
        ),
        // Three are not more than three.
        (
            "ConsensusTimeouts",
            900,
            Film::new().has(
                "consensus_timeouts",
                "n1",
                &[(0.0, 50), (3.0, 10), (4.0, 40)],
            ),
        ),
        // One of five is no more than 20 %.
        (
            "CrashedNodes",
            300,
            Film::new()
                .up(&["n1", "n2", "n3"], 60)
                .has("up", "n4", &[(1.0, 10), (0.0, 50)])
                .has("up", "n5", &[(1.0, 20), (0.0, 40)]),
        ),
        (
            "CriticalErrors",
            300,
            jump("errors_total{severity=\"critical\"}"),
        ),
        (
            "Partition",
            300,
            Film::new().has("forked_peers", "n1", &[(0.0, 20), (1.0, 140)]),
        ),
        ("Panics", 300, jump("panics")),
        // Of the 361 samples of the last quarter, nine have to be ten times as high.
        (
            "MemoryLeak",
            22_620,
            Film::new().has("memory_usage", "n1", &[(100.0, 1_500), (1_000.0, 20)]),
        ),
        (
            "FinalityLatency",
            300,
            Film::new().has("finality_latency", "n1", &[(30.0, 20), (31.0, 40)]),
        ),
        (
            "SingleNodeCrash",
            300,
            Film::new()
                .up(&["n2"], 60)
                .has("up", "n1", &[(1.0, 20), (0.0, 40)]),
        ),
        (
            "Memory",
            900,
            Film::new().has("memory_usage", "n1", &[(5e8, 60), (1e9, 20)]),
        ),
        (
            "Cpu",
            900,
            Film::new().has("cpu_usage", "n1", &[(50.0, 60), (100.0, 20)]),
        ),
        (
            "NetworkLatency",
            900,
            Film::new().has("network_latency", "n1", &[(0.05, 60), (10.0, 20)]),
        ),
        (
            "Peers",
            300,
            Film::new()
                .up(&["n1", "n2", "n3"], 60)
                .has("active_peers", "n1", &[(2.0, 20), (1.0, 40)])
                .has("active_peers", "n2", &[(2.0, 60)]),
        ),
        // A block each 10 minutes, eight of them: three came in the hour up to second 7185.
        (
            "BlockRate",
            7_200,
            Film::new().has(
                "block_height",
                "n1",
                &(0..9)
                    .map(|n| (100.0 + f64::from(n), if n < 8 { 40 } else { 200 }))
                    .collect::<Vec<_>>(),
            ),
        ),
        ("Errors", 300, jump("errors_total{severity=\"error\"}")),
        ("Warnings", 300, jump("warnings_total")),
    ];
    let mut films = Vec::new();
    for (name, begin, mut film) in begins {
        let of_row = rules.rows.iter().filter(|a| a.alert == name);
        for alert in of_row {
            let action = &alert.labels["relman_action"];
            film = film.fires(name, action, begin + alert.for_seconds);
        }
        films.push(film);
    }
    for exception in &rules.exceptions {
        let selector = format!(
            "ALERTS{{alertname=\"{}\",alertstate=\"firing\"}}",
            exception.alert
        );
        let mut film = Film::new().has("forked_peers", "n1", &[(0.0, 20), (1.0, 60)]);
        film.shows.push((exception.alert.clone(), String::new()));
        films.push(film.look(285, &selector, false).look(300, &selector, true));
    }
    films.extend(rules.absent.iter().map(|alert| {
        let signal = alert.labels["relman_signal"].as_str();
        let mut replaced = None;
        let metric = match signal {
            "blocks-overdue" => "block_height",
            "partition" => "forked_peers",
            "peers-missing" => "active_peers",
            "memory" => "memory_usage",
            "cpu" => "cpu_usage",
            "critical-errors" => "errors_total{severity=\"critical\"}",
            "errors" => "errors_total{severity=\"error\"}",
            "warnings" => "warnings_total",
            other => replaced.insert(other.replace('-', "_")).as_str(),
        };
        let selector = format!(
            "ALERTS{{alertname=\"{}\",alertstate=\"firing\"}}",
            alert.alert
        );
        // A node that is up and tells it no more, beside one that does.
        let film = match metric {
            "up" => Film::new(),
            _ => Film::new()
                .up(&["n1", "n2"], 60)
                .has(metric, "n2", &[(1.0, 60)]),
        };
        let mut film = film.ends(metric, "n1", (1.0, 20));
        film.shows.push((alert.alert.clone(), String::new()));
        film.look(345, &selector, false).look(360, &selector, true)
    }));
    films
}

const ANY: &str = "ALERTS{alertstate=\"firing\"}";
const ANY_ROW: &str = "ALERTS{alertstate=\"firing\",relman_row!=\"\"}";

/// Three nodes, two hours, a block each ten minutes, everything at its threshold and not beyond it.
pub fn well() -> Film {
    let nodes = ["n1", "n2", "n3"];
    let mut film = Film::new().up(&nodes, 480);
    for node in nodes {
        let heights: Vec<(f64, u64)> = (0..12).map(|n| (100.0 + f64::from(n), 40)).collect();
        film = film.has("block_height", node, &heights);
        for (metric, value) in [
            ("forked_peers", 0.0),
            ("active_peers", 2.0),
            ("consensus_timeouts", 3.0),
            ("errors_total{severity=\"critical\"}", 1.0),
            ("errors_total{severity=\"error\"}", 5.0),
            ("warnings_total", 7.0),
            ("panics", 1.0),
            ("finality_latency", 30.0),
            ("network_latency", 0.05),
            ("memory_usage", 500_000_000.0),
            ("cpu_usage", 50.0),
        ] {
            film = film.has(metric, node, &[(value, 480)]);
        }
    }
    [15, 300, 900, 1_500, 3_600, 7_185]
        .into_iter()
        .fold(film, |film, second| film.look(second, ANY, false))
}

/// A Prometheus that has just begun, or that nobody answers.
pub fn no_data() -> Film {
    let film = Film::new().has("other", "n1", &[(1.0, 200)]);
    let film = [15, 600, 2_400]
        .into_iter()
        .fold(film, |film, second| film.look(second, ANY_ROW, false));
    let unknown = "ALERTS{alertstate=\"firing\",relman_signal=\"up\"}";
    film.look(45, unknown, false).look(60, unknown, true)
}

/// What mutes the others is there for five minutes and no longer.
pub fn young_partition() -> Film {
    let young = "ALERTS{alertname=\"TemporaryPartition\",alertstate=\"firing\"}";
    Film::new()
        .has("forked_peers", "n1", &[(0.0, 20), (1.0, 60)])
        .look(585, young, true)
        .look(600, young, false)
}

/// One of four is more than 20 %, and still one node alone.
pub fn one_of_four_nodes() -> Film {
    Film::new()
        .up(&["n1", "n2", "n3"], 60)
        .has("up", "n4", &[(1.0, 20), (0.0, 40)])
        .look(600, &firing("CrashedNodes", "roll-back"), false)
        .look(600, &firing("SingleNodeCrash", "restart"), true)
}

/// Where there is only one, it is the network.
pub fn only_node() -> Film {
    Film::new()
        .has("up", "n1", &[(1.0, 20), (0.0, 40)])
        .fires("CrashedNodes", "roll-back", 315)
}

/// Heights further apart than two.
pub fn parted_by_height() -> Film {
    Film::new()
        .has("forked_peers", "n1", &[(0.0, 60)])
        .has(
            "block_height",
            "n1",
            &[(100.0, 10), (102.0, 10), (103.0, 40)],
        )
        .has("block_height", "n2", &[(100.0, 60)])
        .fires("Partition", "observe", 315)
}

/// A node without any peer, beside others.
pub fn parted_from_all() -> Film {
    Film::new()
        .has("forked_peers", "n1", &[(0.0, 60)])
        .has("active_peers", "n1", &[(1.0, 20), (0.0, 40)])
        .has("active_peers", "n2", &[(1.0, 60)])
        .fires("Partition", "observe", 315)
}

/// Labels and annotations of one alert, word by word.
pub fn words() -> Film {
    let mut film = Film::new()
        .has("consensus_timeouts", "n1", &[(0.0, 50), (4.0, 40)])
        .look(0, ANY, false);
    film.alert_tests = "    alert_rule_test:
      - eval_time: 765s
        alertname: ConsensusTimeouts
        exp_alerts:
          - exp_labels:
              severity: critical
              relman_row: consensus-timeouts
              relman_action: prepare
              environment: mainnet
              instance: n1
            exp_annotations:
              summary: 'Consensus timeout >3x'
              description: 'n1: 4; the row: increase over 600 s of consensus-timeouts > 3, at any: prepare at once'
              runbook_url: 'docs/runbook-matrix.md#consensus-timeouts'
"
    .to_owned();
    film
}
