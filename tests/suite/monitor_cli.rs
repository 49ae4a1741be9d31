//! `relman monitor export`, and the page that `relman docs` makes of the watch policy.

use std::fs;
use std::path::Path;

use relman::watch::policy::template;

use crate::common::relman::{Project, TAG};

/// A project whose policy lies beside `relman.toml`.
fn watched(name: &str) -> Project {
    let project = Project::published(name);
    project.write("watch.toml", template());
    project
}

#[test]
fn the_projects_policy_is_exported_and_another_when_it_is_named() {
    let project = watched("monitor-export");
    let run = project.relman(&["monitor", "export", "prometheus", "--env", "mainnet"]);
    let run = run
        .exits(0)
        .says(&["- alert: NoBlocks", "environment=\"mainnet\""]);
    assert!(
        run.stderr.contains("data-corruption is not exported"),
        "{run:#?}"
    );
    let json = project
        .relman(&[
            "--json",
            "monitor",
            "export",
            "prometheus",
            "--env",
            "mainnet",
        ])
        .exits(0)
        .json();
    assert_eq!(json["command"], "monitor export prometheus");
    assert_eq!(json["data"]["text"].as_str(), Some(run.stdout.as_str()));
    let row = "format = 1\n[[signal]]\nname = \"cpu\"\nsource = \"metrics\"\nmetric = \"cpu_usage\"\n\
               [[row]]\nname = \"hot\"\nsymptom = \"Hot\"\nseverity = \"low\"\nsignal = \"cpu\"\ntest = \"> 50\"\n\
               step = [{ after_seconds = 0, action = \"observe\" }]\n";
    project.write("other.toml", row);
    let other = [
        "monitor",
        "export",
        "prometheus",
        "--policy",
        "other.toml",
        "--out",
        "x.yml",
    ];
    project.relman(&other).exits(0);
    let page = fs::read_to_string(project.repo().join("x.yml")).unwrap();
    assert!(
        page.contains("- alert: Hot") && !page.contains("NoBlocks"),
        "{page}"
    );
    for what in ["alertmanager", "grafana"] {
        let export = ["monitor", "export", what, "--env", "mainnet"];
        let first = project.relman(&export).exits(0).stdout;
        assert_eq!(first, project.relman(&export).exits(0).stdout);
    }
}

#[test]
fn without_a_policy_with_a_bad_one_and_with_a_bad_name_nothing_is_written() {
    let project = Project::new("monitor-refused");
    let _ = fs::remove_file(project.repo().join("watch.toml"));
    let export = ["monitor", "export", "prometheus", "--out", "rules.yml"];
    project
        .relman(&export)
        .exits(2)
        .says(&["watch.toml", "--policy FILE"]);
    let bad = template().replace("test = \"> 600\"", "test = \"about 600\"");
    project.write(
        "watch.toml",
        &bad.replace("severity = \"low\"", "severity = \"mild\""),
    );
    project.relman(&export).exits(2);
    project.write("watch.toml", &bad);
    project
        .relman(&export)
        .exits(2)
        .says(&["row no-blocks", "about 600"]);
    project.write(
        "watch.toml",
        &template().replace("'job=\"timed\"'", "'job=timed'"),
    );
    project
        .relman(&export)
        .exits(2)
        .says(&["prometheus_selector"]);
    project.write("watch.toml", template());
    for env in ["Main Net", "x\"} or vector(1)", ""] {
        let mut args = export.to_vec();
        args.extend(["--env", env]);
        project.relman(&args).exits(2);
    }
    let hook = [
        "monitor",
        "export",
        "alertmanager",
        "--webhook",
        "http://u:hunter2@h/",
    ];
    let run = project.relman(&hook).exits(2);
    assert!(!run.stderr.contains("hunter2"), "{run:#?}");
    assert!(!project.repo().join("rules.yml").exists());
}

#[test]
fn docs_keeps_the_teams_runbooks_beside_its_other_pages() {
    let project = watched("monitor-docs");
    project.relman(&["docs"]).exits(0).says(&["RUNBOOKS.md"]);
    let path = project.repo().join("RUNBOOKS.md");
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains("| No blocks 10+ min | critical |"), "{page}");
    project.relman(&["docs", "--check"]).exits(0);
    project.relman(&["docs"]).exits(0).says(&["same"]);
    let stricter = template().replace("test = \"> 600\"", "test = \"> 300\"");
    project.write("watch.toml", &stricter);
    project
        .relman(&["docs", "--check"])
        .exits(1)
        .says(&["differs"]);
    project.relman(&["docs"]).exits(0);
    assert!(fs::read_to_string(&path).unwrap().contains("\\> 300 s"));
    // What somebody wrote by hand is not overwritten.
    project.write("RUNBOOKS.md", "mine\n");
    project.relman(&["docs"]).exits(1).says(&["RUNBOOKS.md"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine\n");
    // A policy with problems makes no page, and neither does none.
    fs::remove_file(&path).unwrap();
    project.write("watch.toml", "format = 2\n");
    project.relman(&["docs"]).exits(2).says(&["format is 2"]);
    fs::remove_file(project.repo().join("watch.toml")).unwrap();
    project.relman(&["docs"]).exits(0);
    assert!(!path.exists());
    project.relman(&["show", TAG]).exits(0);
}

/// The words behind `relman` in a page's backticks, up to the first that is no plain word.
fn named_commands(page: &str) -> Vec<Vec<&str>> {
    let spans = page.split('`').skip(1).step_by(2);
    let commands = spans.filter_map(|span| span.strip_prefix("relman "));
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    commands
        .map(|command| command.split(' ').take_while(plain).collect())
        .collect()
}

#[test]
fn every_row_has_its_section_in_the_runbook_and_every_command_there_exists() {
    use clap::CommandFactory;
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = |name: &str| fs::read_to_string(top.join(name)).unwrap();
    let matrix = page("docs/runbook-matrix.md");
    let policy = relman::watch::policy::Policy::parse(template()).unwrap();
    assert_eq!(policy.runbook, "docs/runbook-matrix.md");
    let mut problems = Vec::new();
    for row in &policy.rows {
        let heading = format!("\n## {}\n", row.name);
        match matrix.split(&heading).nth(1) {
            None => problems.push(format!("no section {}", row.name)),
            Some(section) => {
                let section = section.split("\n## ").next().unwrap_or(section);
                let tells = section.contains("run: `relman ") || section.contains("un `relman ");
                if !tells {
                    problems.push(format!("{} does not say what to run", row.name));
                }
            }
        }
    }
    let cli = relman::cli::args::Cli::command();
    for text in [matrix, page("docs/troubleshooting.md")] {
        // Commands stand in blocks of shell as well.
        let text = text
            .replace("```sh\n", "`")
            .replace("```", "`")
            .replace('\n', "`\n`");
        for words in named_commands(&text) {
            let mut at = &cli;
            for word in words {
                if word.starts_with('-') || at.get_subcommands().next().is_none() {
                    break;
                }
                match at.find_subcommand(word) {
                    Some(found) => at = found,
                    None => {
                        problems.push(format!("{} has no {word}", at.get_name()));
                        break;
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
