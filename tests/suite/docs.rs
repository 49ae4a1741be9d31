//! The documentation against the code: what it names must be there. Reads text; runs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use relman::cli::args::Cli;
use relman::node::config::NodeConfig;

/// Longest page, in lines.
const MAX_LINES: usize = 200;
/// Beside the unit of the timer.
const DROP_INS: [&str; 2] = ["agent.conf", "passphrase.conf"];
const PAGES: &[&str] = &[
    "README.md",
    "docs/approvals.md",
    "docs/architecture.md",
    "docs/audit.md",
    "docs/build-type-cut-v1.md",
    "docs/backups.md",
    "docs/benchmarks.md",
    "docs/bundles.md",
    "docs/cli-authority.md",
    "docs/cli-backup.md",
    "docs/cli-evidence.md",
    "docs/cli-fleet-plan.md",
    "docs/cli-fleet-rollout.md",
    "docs/cli-fleet-halt.md",
    "docs/cli-fleet.md",
    "docs/cli-health.md",
    "docs/cli-keys.md",
    "docs/cli-log.md",
    "docs/cli-monitor.md",
    "docs/cli-node.md",
    "docs/cli-records.md",
    "docs/cli-store.md",
    "docs/cli-watch-stage.md",
    "docs/cli-watch.md",
    "docs/cli.md",
    "docs/conformance.md",
    "docs/environments.md",
    "docs/fleet.md",
    "docs/formats.md",
    "docs/gates.md",
    "docs/halt.md",
    "docs/health.md",
    "docs/http.md",
    "docs/judges.md",
    "docs/mutants.md",
    "docs/policy.md",
    "docs/rebuild.md",
    "docs/receipts.md",
    "docs/rollouts.md",
    "docs/runbook-matrix.md",
    "docs/runbook.md",
    "docs/stores.md",
    "docs/threat-model.md",
    "docs/watch-sources.md",
    "docs/watch.md",
    "docs/troubleshooting.md",
    "docs/witness.md",
];

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The pages of commands, one after the other.
fn command_pages() -> String {
    let names = [
        "cli",
        "cli-authority",
        "cli-backup",
        "cli-evidence",
        "cli-fleet-plan",
        "cli-fleet-rollout",
        "cli-fleet-halt",
        "cli-fleet",
        "cli-health",
        "cli-keys",
        "cli-log",
        "cli-monitor",
        "cli-node",
        "cli-records",
        "cli-store",
        "cli-watch-stage",
        "cli-watch",
    ];
    names.map(|name| page(&format!("docs/{name}.md"))).concat()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Sources below a directory: path and text.
fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(below)];
    let mut out = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                out.push((path, text));
            }
        }
    }
    out
}

/// The options of a command and of all below it.
fn options(command: &clap::Command) -> BTreeSet<String> {
    let mut out: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|a| a.get_long())
        .map(str::to_owned)
        .collect();
    out.extend(command.get_subcommands().flat_map(options));
    out
}

/// Names of the functions that carry `#[test]`.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources("src").into_iter().chain(sources("tests")) {
        names.extend(text.split("#[test]").skip(1).filter_map(|rest| {
            let name = rest.split("fn ").nth(1)?.split('(').next()?;
            Some(name.to_owned())
        }));
    }
    names
}

/// Everything between single backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.lines().filter(|line| !line.starts_with("```"));
    prose.flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_the_threat_model_and_the_pages_of_judges_name_exists() {
    let tests = tests();
    let pages = ["threat-model", "conformance", "judges"];
    let text: String = pages.map(|name| page(&format!("docs/{name}.md"))).concat();
    let named: Vec<&str> = code_spans(&text)
        .filter(|span| span.matches('_').count() > 2)
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let missing = named.into_iter().filter(|name| !tests.contains(*name));
    none(missing.map(|n| format!("no test is called {n}")).collect());
}

#[test]
fn every_command_and_option_is_on_the_page_of_commands() {
    let text = command_pages();
    let mut problems = Vec::new();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        // A large one has sections on several pages, of its own or of the commands below it.
        let below = format!("{name} ");
        let section: String = text
            .split("\n## ")
            .filter(|part| {
                let heading = part.lines().next().unwrap_or_default();
                heading == name || heading.starts_with(&below)
            })
            .collect();
        if section.is_empty() {
            problems.push(format!("{name} has no section"));
            continue;
        }
        for option in options(command) {
            if !section.contains(&format!("--{option}")) {
                problems.push(format!("{name} says nothing of --{option}"));
            }
        }
        for part in command.get_subcommands().map(|part| part.get_name()) {
            if !section.contains(&format!("`relman {name} {part}")) {
                problems.push(format!("{name} says nothing of {part}"));
            }
        }
    }
    for option in Cli::command().get_arguments().filter_map(|a| a.get_long()) {
        if !text.contains(&format!("--{option}")) {
            problems.push(format!("nothing is said of --{option}"));
        }
    }
    none(problems);
}

#[test]
fn the_page_of_commands_knows_no_option_that_is_not_there() {
    let mut known: BTreeSet<String> = ["help", "version"].map(str::to_owned).into();
    let cli = Cli::command();
    for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
        known.extend(options(command));
    }
    let mut problems = Vec::new();
    let text = command_pages();
    // Anchors of headings look like options.
    let words = text.split(|c: char| !"-#.".contains(c) && !c.is_ascii_alphanumeric());
    for word in words {
        if let Some(option) = word.strip_prefix("--")
            && option.starts_with(|c: char| c.is_ascii_lowercase())
            && !known.contains(option.trim_end_matches('.'))
        {
            problems.push(format!("no command has --{option}"));
        }
    }
    none(problems);
}

/// The word after `relman ` where a message tells somebody to run something: at the beginning of
/// a text, in backticks, or after a colon.
fn told_commands(line: &str) -> Vec<&str> {
    let told = ["\"relman ", "`relman ", ": relman "];
    let found = told.iter().flat_map(|mark| line.split(mark).skip(1));
    let words = found.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase());
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    });
    words.filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_command_that_a_message_tells_to_run_exists() {
    let cli = Cli::command();
    let known: Vec<&str> = cli.get_subcommands().map(|c| c.get_name()).collect();
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        for line in text.lines().filter(|l| !l.trim().starts_with("//")) {
            let unknown = told_commands(line).into_iter();
            let unknown = unknown.filter(|word| !known.contains(word));
            problems.extend(unknown.map(|word| format!("{}: relman {word}", path.display())));
        }
    }
    none(problems);
}

#[test]
fn the_readmes_node_configuration_is_one() {
    let text = page("README.md");
    let blocks = text.split("```toml\n").skip(1);
    let configs: Vec<&str> = blocks.filter_map(|b| b.split("```").next()).collect();
    assert!(!configs.is_empty());
    for config in configs {
        NodeConfig::parse(config, Path::new("/etc/relman")).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn links_lead_somewhere_and_pages_stay_short() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut problems = Vec::new();
    for name in PAGES {
        let text = page(name);
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{name} has {lines} lines, at most {MAX_LINES}"));
        }
        let dir = top.join(name);
        let dir = dir.parent().expect("a directory");
        for target in text.split("](").skip(1).filter_map(|r| r.split(')').next()) {
            let file = target.split('#').next().unwrap_or(target);
            let local = !file.is_empty() && !file.contains("://");
            if local && !dir.join(file).exists() {
                problems.push(format!("{name} links to {target}"));
            }
        }
    }
    none(problems);
}

#[test]
fn the_unit_runs_a_command_that_there_is() {
    let unit = page("docs/systemd/relman-timestamp.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words = line.expect("ExecStart").split(' ');
    Cli::command()
        .try_get_matches_from(words)
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_witnesss_unit_runs_a_command_that_there_is() {
    let unit = page("docs/systemd/relman-witness.service");
    let line = unit.lines().find_map(|l| l.strip_prefix("ExecStart="));
    Cli::command()
        .try_get_matches_from(line.expect("ExecStart").split(' '))
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_drop_in_with_a_passphrase_runs_the_units_command_with_a_descriptor_more() {
    let line = |name: &str| {
        let unit = page(&format!("docs/systemd/relman-timestamp.service{name}"));
        // The first one in a drop-in takes the unit's away.
        let mut lines = unit.lines().rev();
        let line = lines.find_map(|line| line.strip_prefix("ExecStart="));
        line.expect("ExecStart").to_owned()
    };
    let (unit, drop_in) = (line(""), line(".d/passphrase.conf"));
    let more = r#" --passphrase-fd 3 3<"$${CREDENTIALS_DIRECTORY}/relman-passphrase"'"#;
    assert_eq!(drop_in, format!("/bin/sh -c 'exec {unit}{more}"));
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_finds_nothing_wrong_with_the_units() {
    let dir = tempfile::tempdir().expect("a directory");
    let unit = page("docs/systemd/relman-timestamp.service");
    let unit = unit.replace("/usr/local/bin/relman", env!("CARGO_BIN_EXE_relman"));
    let service = dir.path().join("relman-timestamp.service");
    fs::write(&service, unit).expect("a file");
    let drop_ins = dir.path().join("relman-timestamp.service.d");
    fs::create_dir(&drop_ins).expect("a directory");
    for name in DROP_INS {
        let text = page(&format!("docs/systemd/relman-timestamp.service.d/{name}"));
        let text = text.replace("/usr/local/bin/relman", env!("CARGO_BIN_EXE_relman"));
        fs::write(drop_ins.join(name), text).expect("a file");
    }
    let timer = dir.path().join("relman-timestamp.timer");
    fs::write(&timer, page("docs/systemd/relman-timestamp.timer")).expect("a file");
    let unit = page("docs/systemd/relman-witness.service");
    let unit = unit.replace("/usr/local/bin/relman", env!("CARGO_BIN_EXE_relman"));
    let witness = dir.path().join("relman-witness.service");
    fs::write(&witness, unit).expect("a file");
    let output = std::process::Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args([&service, &timer, &witness])
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
