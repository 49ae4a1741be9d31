//! `relman docs`: the pages that people read, made from the log: the same bytes every time, from every
//! copy, and nothing that somebody wrote can break out of its place.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::environment_cli::{promote, two_releases};
use super::environment_waits_cli::WHY;
use super::log_show_cli::{enter, statement};
use super::root_cli::run_at;
use crate::common::http_server::Server;
use crate::common::relman::{NOW, Project, SECOND, TAG, flip};

const PAGES: [&str; 3] = ["DEPLOYMENT_LOG.md", "VERSION_HISTORY.md", "CHANGELOG.md"];

fn pages(dir: &Path) -> Vec<String> {
    PAGES
        .map(|name| fs::read_to_string(dir.join(name)).unwrap())
        .into()
}

#[test]
fn the_pages_of_the_example_store_are_the_ones_that_are_expected() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::empty("docs-example");
    let (store, root) = (top.join("releases"), top.join("keys/root.json"));
    let (store, root) = (store.to_str().unwrap(), root.to_str().unwrap());
    project
        .relman(&["docs", "--store", store, "--root", root])
        .exits(0);
    let wanted = pages(&top.join("tests/fixtures/projection"));
    for ((name, found), wanted) in PAGES.iter().zip(pages(&project.repo())).zip(wanted) {
        assert!(found == wanted, "{name} is\n{found}");
    }
}

/// Everything that a page tells of: announced, moved, yanked, gone back.
fn eventful(name: &str) -> Project {
    let project = two_releases(name);
    project
        .relman(&["announce", TAG, "--to", "testnet"])
        .exits(0);
    promote(&project, TAG, "testnet").exits(0);
    promote(&project, SECOND, "testnet").exits(0);
    promote(&project, TAG, "mainnet").exits(0);
    let back = ["promote", TAG, "--to", "testnet", "--reason", WHY];
    project.relman(&back).exits(0);
    let yank = [
        "yank",
        SECOND,
        "--level",
        "dangerous",
        "--reason",
        "loses | coins <b>",
    ];
    project.relman(&yank).exits(0);
    let approve = [
        "approve",
        TAG,
        "--role",
        "security",
        "--comment",
        "looked _well_",
        "--yes",
    ];
    project.relman(&approve).exits(0);
    project
}

#[test]
fn the_same_log_gives_the_same_bytes_whenever_and_from_wherever() {
    let project = eventful("docs-same");
    project.relman(&["docs"]).exits(0).says(&["written"]);
    let first = pages(&project.repo());
    for line in [
        format!("| testnet | {TAG} | {NOW} |"),
        "| testnet | announced |".into(),
        format!("| testnet | promoted | {SECOND} | {TAG} |"),
        format!("| testnet | rolled back | {TAG} | {SECOND} |"),
        format!("| all | yank | {SECOND} |"),
        "dangerous: loses \\| coins \\<b\\>".into(),
    ] {
        assert!(first[0].contains(&line), "{line} is not in {}", first[0]);
    }
    assert!(first[1].contains("| yanked (dangerous) |"), "{}", first[1]);
    assert!(first[1].contains("approval security"), "{}", first[1]);
    assert!(first[1].contains("looked \\_well\\_"), "{}", first[1]);
    assert!(first[2].contains("### Features\n\n- go on"), "{}", first[2]);
    assert!(
        first[2].contains("**Yanked**, dangerous: loses"),
        "{}",
        first[2]
    );
    assert!(
        first[2].find(SECOND) < first[2].find(TAG),
        "newest first: {}",
        first[2]
    );

    run_at(&project, "2026-02-03T00:00:00Z", &["docs"])
        .exits(0)
        .says(&["same"]);
    assert_eq!(pages(&project.repo()), first);
    let mirror = project.beside("mirror");
    let (mirror, store) = (mirror.to_str().unwrap(), project.store());
    project
        .relman(&["mirror", store.to_str().unwrap(), mirror])
        .exits(0);
    let server = Server::start(store.clone());
    for from in [mirror, &server.url()] {
        let mut command = project.command(&["docs", "--store", from, "--out", "there"]);
        let command = command.env("LC_ALL", "de_DE.UTF-8").env("TZ", "Asia/Tokyo");
        assert!(command.output().unwrap().status.success());
        assert_eq!(pages(&project.path("there")), first);
        fs::remove_dir_all(project.path("there")).unwrap();
    }
    // Fresher proofs and freshness are no news.
    project.relman(&["log", "prove", TAG, "--refresh"]).exits(0);
    project.relman(&["docs", "--check"]).exits(0);
}

#[test]
fn a_check_says_which_page_is_not_what_the_log_says() {
    let project = Project::published("docs-check");
    project
        .relman(&["docs", "--check"])
        .exits(1)
        .says(&["missing", "relman docs"]);
    project.relman(&["docs"]).exits(0);
    project.relman(&["docs", "--check"]).exits(0);
    let page = project.path("CHANGELOG.md");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, text.replace("begin", "bogin")).unwrap();
    let run = project
        .relman(&["docs", "--check", "--json"])
        .exits(1)
        .json();
    let states: Vec<&str> = run["data"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["state"].as_str().unwrap())
        .collect();
    // The last one is made from the watch policy that `init` writes.
    assert_eq!(states, ["same", "same", "differs", "same"]);
    assert!(fs::read_to_string(&page).unwrap().contains("bogin"));
    project.relman(&["docs"]).exits(0);
    assert_eq!(fs::read_to_string(&page).unwrap(), text);
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    project
        .relman(&["docs", "--check"])
        .exits(1)
        .says(&["differs"]);
    fs::remove_file(&page).unwrap();
    fs::write(&page, "# Changes, by hand\n").unwrap();
    let before = pages(&project.repo());
    project
        .relman(&["docs"])
        .exits(1)
        .says(&["was not made by relman", "--out DIR"]);
    assert_eq!(pages(&project.repo()), before);
    project.relman(&["docs", "--check"]).exits(1);
    fs::remove_file(&page).unwrap();
    fs::create_dir(&page).unwrap();
    project.relman(&["docs"]).exits(1).says(&["no file"]);
}

#[test]
fn what_somebody_wrote_stays_in_its_cell() {
    let project = Project::published("docs-hostile");
    let reason = format!(
        "x |\n# Forged\n| a | b |\u{1b}[2J\u{202e}<script>[y](z) {}",
        "long ".repeat(500)
    );
    let yank = statement(
        "urn:relman:leaf:yank:v1",
        json!({ "tag": TAG, "level": "--> `x`", "reason": reason, "time": NOW }),
    );
    let nobody = statement(
        "urn:relman:leaf:yank:v1",
        json!({ "tag": TAG, "level": "dangerous", "reason": "never said", "time": NOW }),
    );
    enter(
        &project,
        &[
            ("publisher", yank, format!("{TAG}/yank-1.tlog-proof")),
            ("approver", nobody, format!("{TAG}/yank-2.tlog-proof")),
        ],
    );
    project.relman(&["docs"]).exits(0);
    for page in pages(&project.repo()) {
        assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
        assert!(
            !page.contains("\n# Forged") && !page.replace("\\<", "").contains("<script"),
            "{page}"
        );
        assert!(!page.contains("never said"), "{page}");
        assert!(
            page.lines().all(|line| line.chars().count() < 1_000),
            "{page}"
        );
        // A row has as many cells as its table's head.
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let mut width = None;
        for line in page.lines() {
            width = line.starts_with('|').then(|| width.unwrap_or(bars(line)));
            assert!(width.is_none_or(|width| width == bars(line)), "{line}");
        }
    }
    let log = fs::read_to_string(project.path("DEPLOYMENT_LOG.md")).unwrap();
    assert!(
        log.contains("- entry 4: its signature does not count"),
        "{log}"
    );
}

#[test]
fn notes_that_are_not_the_released_ones_are_no_changelog() {
    let project = Project::published("docs-notes");
    project.relman(&["docs"]).exits(0);
    let before = pages(&project.repo());
    flip(&project.store().join(TAG).join("RELEASE_NOTES.md"));
    project
        .relman(&["docs"])
        .exits(3)
        .says(&["RELEASE_NOTES.md hashes to", "relman audit"]);
    fs::remove_file(project.store().join(TAG).join("RELEASE_NOTES.md")).unwrap();
    project
        .relman(&["docs"])
        .exits(3)
        .says(&["RELEASE_NOTES.md is missing"]);
    assert_eq!(pages(&project.repo()), before);
}
