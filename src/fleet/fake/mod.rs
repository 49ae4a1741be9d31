//! A fleet in memory for tests: hosts that do what real ones do, with a clock of their own and faults that are told to
//! happen; places of records that can be cut off, and a fuse that ends the driver at a given write.

mod chance;
mod hosts;
mod node;
mod records;

pub use chance::Chance;
pub use hosts::FakeHosts;
pub use node::Fault;
pub use records::{FakeRecords, Fuse};

use std::sync::Mutex;

use super::config::{FleetConfig, Notify};
use super::notice::{Herald, Notice};
use super::plan::{Expected, NodePlan, Plan, Wave};

/// Writes down what people would have been told.
#[derive(Default)]
pub struct FakeHerald(pub Mutex<Vec<Notice>>);

impl Herald for FakeHerald {
    fn tell(&self, _: &Notify, notice: &Notice) -> Result<(), String> {
        self.0.lock().unwrap().push(notice.clone());
        Ok(())
    }
}

/// What every run of a test works with, whoever drives.
pub const OLD: &str = "phase1-sig-verify-1.0.0";
pub const NEW: &str = "phase2-finality-fork-1.0.0";

/// A fleet of `count` nodes in one environment with these rules.
pub fn config(count: usize, rules: &str) -> FleetConfig {
    let mut text = format!("[[environment]]\n{rules}\n");
    let name = rules
        .split('"')
        .nth(1)
        .expect("the rules begin with a name");
    for i in 1..=count {
        text.push_str(&format!(
            "[[node]]\nname = \"n{i:03}\"\nssh = \"n{i:03}\"\nenvironment = \"{name}\"\n"
        ));
    }
    text.push_str("[[notify]]\nname = \"ops\"\ncommand = [\"tell\"]\n");
    FleetConfig::parse(&text, std::path::Path::new("/")).expect("a configuration")
}

/// A plan that moves every node to [`NEW`]: one first, then waves as the environment has them.
pub fn plan(config: &FleetConfig) -> Plan {
    let environment = config.environments[0].clone();
    let names: Vec<String> = config.nodes.iter().map(|n| n.name.clone()).collect();
    let mut waves = vec![names[..1].to_vec()];
    let mut from = 1;
    for percent in &environment.waves {
        let to = (names.len() * usize::from(*percent))
            .div_ceil(100)
            .max(from);
        if to > from {
            waves.push(names[from..to].to_vec());
        }
        from = to;
    }
    let last = waves.len() - 1;
    let waves = waves.into_iter().enumerate().map(|(i, nodes)| Wave {
        nodes,
        watch_seconds: match i {
            0 => environment.first_watch_seconds,
            i if i == last => environment.last_watch_seconds,
            _ => 0,
        },
        pause_seconds: environment.wave_pause_seconds,
    });
    let nodes = config.nodes.iter().map(|n| NodePlan {
        name: n.name.clone(),
        from: Some(OLD.into()),
        back_to: None,
        weight: n.weight,
        downtime_seconds: 30,
        measured: false,
        already: false,
        left_out: false,
    });
    Plan {
        tag: NEW.into(),
        made_at: hosts::start(),
        waves: waves.collect(),
        nodes: nodes.collect(),
        expected: Expected::default(),
        refusals: Vec::new(),
        notes: Vec::new(),
        environment,
    }
}
