//! People are told when new installs are stopped and when they are allowed again, whichever command brings it about; and
//! whoever cannot be told keeps no halt from being one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::environment_waits_cli::WHY;
use super::halt_cli::{halt, lift, with_mainnet};
use crate::common::http_script::{Script, reply};
use crate::common::relman::{Project, TAG};

const FLEET: &str = "\
[[environment]]
name = \"mainnet\"
[[node]]
name = \"m1\"
ssh = \"m1\"
environment = \"mainnet\"
[[notify]]
name = \"ops\"
command = [\"sh\", \"-c\", \"cat >> told\"]
";

/// Whoever is told writes it down beside `fleet.toml`.
fn told(project: &Project) -> Vec<Value> {
    let text = fs::read_to_string(project.path("told")).unwrap_or_default();
    let documents = serde_json::Deserializer::from_str(&text).into_iter();
    documents.map(|d| d.expect("a notice")).collect()
}

#[test]
fn a_halt_and_its_end_are_told_by_command_and_webhook_and_who_is_not_told_is_named() {
    let project = with_mainnet("halt-told");
    let server = Script::start(|_, _| reply("204 No Content", &[], b""));
    let url = server.url();
    project.write(
        "fleet.toml",
        &format!(
            "{FLEET}[[notify]]\nname = \"chat\"\nwebhook = \"{url}/hook/T0PSECRET\"\ntoken_file = \"token\"\n\
             [[notify]]\nname = \"pager\"\ncommand = [\"sh\", \"-c\", \"echo no paper >&2; exit 3\"]\n\
             [[notify]]\nname = \"others\"\nenvironments = [\"local\"]\ncommand = [\"touch\", \"wrong\"]\n\
             [[environment]]\nname = \"local\"\n[[node]]\nname = \"l1\"\nssh = \"l1\"\nenvironment = \"local\"\n"
        ),
    );
    project.write("token", "s3cret\n");
    fs::set_permissions(project.path("token"), fs::Permissions::from_mode(0o600)).expect("a mode");

    let run = project
        .relman(&[
            "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--json",
        ])
        .exits(0);
    let document = run.json();
    assert_eq!(document["data"]["state"], "published");
    let untold = document["data"]["untold"].as_array().expect("a list");
    assert_eq!(untold.len(), 1, "{untold:?}");
    let why = untold[0].as_str().expect("words");
    assert!(
        why.starts_with("pager was not told") && why.contains("no paper"),
        "{why}"
    );
    let first = &told(&project)[0];
    assert_eq!(
        (&first["occasion"], &first["environment"], &first["tag"]),
        (&json!("halted"), &json!("mainnet"), &json!(TAG))
    );
    assert_eq!(
        (&first["by"], &first["rollout"]),
        (&json!("dora"), &Value::Null)
    );
    assert!(first["details"].to_string().contains(WHY), "{first:#}");
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), "Bearer s3cret");
    assert_eq!(
        serde_json::from_slice::<Value>(&asked[0].body).expect("a notice"),
        *first
    );

    // What changes nothing tells nobody: it is halted already; freshness is signed anew.
    halt(&project).exits(0).says(&["mainnet is halted"]);
    project.relman(&["timestamp"]).exits(0);
    assert_eq!(told(&project).len(), 1);

    lift(&project, TAG)
        .exits(0)
        .says(&["warning: pager was not told"]);
    let all = told(&project);
    assert_eq!(all.len(), 2);
    assert_eq!(all[1]["occasion"], "halt-ended");
    assert!(all[1]["details"].to_string().contains(WHY), "{:#}", all[1]);
    assert_eq!(server.asked().len(), 2);
    assert!(!project.path("wrong").exists());
}

#[test]
fn a_halt_that_comes_as_a_file_is_told_once_it_is_in_force_and_not_before() {
    let project = with_mainnet("halt-told-file");
    project.write("fleet.toml", FLEET);
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let (store, root) = (path(project.store()), path(project.path("keys/root.json")));
    let out = path(project.beside("halt.json"));
    project
        .relman(&[
            "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--store", &store, "--root",
            &root, "--out", &out,
        ])
        .exits(0)
        .says(&["NOTHING IS STOPPED YET"]);
    assert!(told(&project).is_empty());
    project
        .relman(&["import", &out])
        .exits(0)
        .says(&["published"]);
    assert_eq!(told(&project)[0]["occasion"], "halted");
    // With the last key the role goes, and what it halted.
    project
        .relman(&["root", "remove", "halt-mainnet", "dora", "--yes"])
        .exits(0);
    assert_eq!(told(&project)[1]["occasion"], "halt-ended");
}

#[test]
fn without_a_fleet_nobody_is_told_and_a_fleet_that_cannot_be_read_keeps_no_halt_from_being_one() {
    let project = with_mainnet("halt-untold");
    let document = project
        .relman(&[
            "fleet", "halt", "--env", "mainnet", "--reason", WHY, "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(document["data"]["untold"], Value::Null);
    project.write("fleet.toml", "[[environment]]\nname = 7\n");
    lift(&project, TAG)
        .exits(0)
        .says(&["warning: nobody was told", "fleet.toml"]);
    halt(&project).exits(0).says(&[
        "nodes of mainnet install nothing more",
        "warning: nobody was told",
    ]);
}
