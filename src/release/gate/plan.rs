//! Which gates a tag has, and which of them are run. Pure.

use crate::release::build_plan::cargo_build;
use crate::release::config::gate::{CountsFormat, Gate};
use crate::release::config::{Config, FILE_NAME};
use crate::release::source::near_names;
use crate::{Error, Result};

/// Which gates are run, and how far.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Their names; empty for all.
    pub only: Vec<String>,
    /// Whether the first that fails is the last that is run.
    pub fail_fast: bool,
}

/// The gates of a project that names none: format, lint, a release build without warnings, tests.
pub fn default_gates(config: &Config) -> Vec<Gate> {
    let mut build = Gate::new("build", &[]);
    build.command = match config.build.command.is_empty() {
        true => cargo_build(config),
        false => config.build.command.clone(),
    };
    build.timeout_minutes = config.build.timeout_minutes;
    build.no_warnings = true;
    let mut test = Gate::new("test", &["cargo", "test"]);
    test.counts = Some(CountsFormat::CargoTest);
    vec![
        Gate::new("fmt", &["cargo", "fmt", "--check"]),
        Gate::new(
            "clippy",
            &["cargo", "clippy", "--all-targets", "--", "-D", "warnings"],
        ),
        build,
        test,
    ]
}

/// The gates that are run, in the order in which they are configured.
///
/// # Errors
/// Usage: a name that no gate has.
pub fn plan(config: &Config, selection: &Selection) -> Result<Vec<Gate>> {
    let all = match config.gate.is_empty() {
        true => default_gates(config),
        false => config.gate.clone(),
    };
    for name in &selection.only {
        if all.iter().any(|gate| gate.name == *name) {
            continue;
        }
        let names = all.iter().map(|gate| gate.name.as_str());
        let near = near_names(name, names.clone());
        let known = match near.is_empty() {
            true => names.collect::<Vec<_>>().join(", "),
            false => near.join(" or "),
        };
        return Err(Error::usage(format!(
            "no gate of {FILE_NAME} is called {name:?}, there are: {known}"
        ))
        .hint("relman gate TAG --list"));
    }
    let is_wanted = |gate: &Gate| selection.only.is_empty() || selection.only.contains(&gate.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(&format!("project = \"timed\"\n{text}")).unwrap()
    }

    #[test]
    fn a_project_without_gates_has_format_lint_build_and_tests() {
        let gates = plan(&config(""), &Selection::default()).unwrap();
        let lines: Vec<String> = gates.iter().map(|g| g.command.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "cargo fmt --check",
                "cargo clippy --all-targets -- -D warnings",
                "cargo build --locked --profile release --bins",
                "cargo test",
            ]
        );
        assert!(gates[2].no_warnings);
        assert_eq!(gates[3].counts, Some(CountsFormat::CargoTest));
    }

    #[test]
    fn the_projects_own_build_command_is_its_build_gate() {
        let own = config("[build]\ncommand = [\"make\"]\nbinaries = [\"timed\"]\n");
        assert_eq!(default_gates(&own)[2].command, ["make"]);
    }

    #[test]
    fn named_gates_run_in_their_order_and_a_wrong_name_is_answered_with_the_right_one() {
        let config = config(
            "[[gate]]\nname = \"unit\"\ncommand = [\"a\"]\n[[gate]]\nname = \"stress\"\ncommand = [\"b\"]\n",
        );
        let only = |names: &[&str]| Selection {
            only: names.iter().map(|n| (*n).to_owned()).collect(),
            fail_fast: false,
        };
        let gates = plan(&config, &only(&["stress", "unit"])).unwrap();
        let names: Vec<&str> = gates.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["unit", "stress"]);
        let e = plan(&config, &only(&["stres"])).unwrap_err();
        assert!(e.message().contains("there are: stress"), "{e}");
        let e = plan(&config, &only(&["zzzzzzzz"])).unwrap_err();
        assert!(e.message().contains("unit, stress"), "{e}");
    }
}
