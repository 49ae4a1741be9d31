//! A store behind a real web server, over TLS with a CA of one's own, through a real tunnel.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use relman::store::Reader;
use relman::store::http::{HttpOptions, Proxy};

use super::http_store::{options, store};
use crate::common::nginx::Nginx;
use crate::common::relman::{Project, Run, SECOND, TAG};
use crate::common::tunnel::Tunnel;

const HEADS: [&str; 2] = ["metadata/timestamp.json", "log/checkpoint"];

/// A file has been there for so many seconds: nginx names versions by second and length.
fn written(path: &Path, seconds: u64) {
    let file = fs::File::options().append(true).open(path).unwrap();
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
    file.set_modified(then).unwrap();
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// `relman` on a store behind nginx.
fn ask(project: &Project, words: &str, url: &str, more: &[&str]) -> Run {
    let root = text(&project.path("keys/root.json"));
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.extend(["--store", url, "--root", &root]);
    arguments.extend(more);
    project.relman(&arguments)
}

#[test]
#[ignore = "needs nginx and openssl"]
fn a_private_ca_is_trusted_only_where_it_is_named() {
    let project = Project::published("nginx-ca");
    let nginx = Nginx::start(&project.store());
    let ca = text(&nginx.ca());
    let named = ["--store-ca", ca.as_str()];
    let verify = format!("verify {TAG}");
    ask(&project, &verify, &nginx.url(), &named)
        .exits(0)
        .says(&["is verified"]);
    ask(&project, "audit", &nginx.url(), &named).exits(0);
    ask(&project, &verify, &nginx.url(), &[])
        .exits(3)
        .says(&["invalid peer certificate", "--store-ca"]);
    ask(&project, "list", &nginx.url(), &[]).exits(1).says(&[
        "invalid peer certificate: UnknownIssuer",
        "hint: ",
        "--store-ca FILE",
    ]);
    let nothing = text(&project.path("keys/root.json"));
    for wrong in [nothing.as_str(), "missing.pem"] {
        ask(&project, "list", &nginx.url(), &["--store-ca", wrong])
            .exits(2)
            .says(&["certificate"]);
    }
}

#[test]
#[ignore = "needs nginx and openssl"]
fn a_certificate_of_another_host_or_another_year_is_refused_at_once() {
    let project = Project::published("nginx-wrong");
    let nginx = Nginx::start(&project.store());
    let ca = text(&nginx.ca());
    let named = ["--store-ca", ca.as_str()];
    ask(&project, "list", &nginx.url_of_another(), &named)
        .exits(1)
        .says(&["not valid for name", "is the host right in"]);
    ask(&project, "list", &nginx.url_expired(), &named)
        .exits(1)
        .says(&["certificate expired", "date -u"]);
    assert_eq!(nginx.requests(), Vec::<String>::new());
}

#[test]
#[ignore = "needs nginx and openssl"]
fn a_node_installs_from_nginx_and_asks_for_the_heads_only_if_they_changed() {
    let project = Project::published("nginx-node");
    project.second();
    project.relman(&["cut", SECOND]).exits(0);
    for head in HEADS {
        written(&project.store().join(head), 100);
    }
    let nginx = Nginx::start(&project.store());
    let node = project.beside("node");
    fs::create_dir_all(node.join("bin")).unwrap();
    let config = node.join("node.toml");
    fs::write(
        &config,
        format!(
            "name = \"n1\"\nstore = \"{}\"\nroot = \"../repo/keys/root.json\"\nstate = \"state\"\n\
             [http]\nca = \"{}\"\nproxy = \"none\"\n\
             [[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n",
            nginx.url(),
            nginx.ca().display()
        ),
    )
    .unwrap();
    let config = text(&config);
    let install = |tag| project.relman(&["install", tag, "--config", &config]);
    install(TAG).exits(0);
    let first = nginx.requests();
    assert!(
        !first.iter().any(|line| line.contains(" 304 ")),
        "{first:#?}"
    );
    let connections: BTreeSet<&str> = first.iter().filter_map(|l| l.split(' ').next()).collect();
    assert!(connections.len() < 3, "{first:#?}");
    install(SECOND).exits(0);
    let second = &nginx.requests()[first.len()..];
    for head in HEADS {
        let line = second.iter().find(|line| line.ends_with(head));
        let line = line.unwrap_or_else(|| panic!("{head} in {second:#?}"));
        assert!(line.contains(" 304 [-] [\\x22"), "{line}");
    }
    project.relman(&["timestamp"]).exits(0);
    written(&project.store().join(HEADS[0]), 50);
    let before = nginx.requests().len();
    install(TAG).exits(0);
    let third = &nginx.requests()[before..];
    let changed = third
        .iter()
        .find(|l| l.ends_with("/metadata/timestamp.json"));
    assert!(
        changed.is_some_and(|line| line.contains(" 200 ")),
        "{third:#?}"
    );
    // Without the CA nothing is installed, and the daemon's file stays.
    let without = fs::read_to_string(&config)
        .unwrap()
        .replace("ca = ", "# ca = ");
    fs::write(&config, without).unwrap();
    install(SECOND).exits(1).says(&[
        "could not be verified",
        "UnknownIssuer",
        "ca in [http] of node.toml",
    ]);
    let installed = fs::read(node.join("bin/timed")).unwrap();
    assert_eq!(
        installed,
        fs::read(project.store().join(TAG).join("timed")).unwrap()
    );
}

#[test]
#[ignore = "needs nginx and openssl"]
fn a_tunnel_that_breaks_costs_the_rest_of_a_download_and_no_more() {
    let files = tempfile::tempdir().unwrap();
    let object: Vec<u8> = (0..500_000u32).flat_map(u32::to_le_bytes).collect();
    fs::write(files.path().join("x"), &object).unwrap();
    let nginx = Nginx::start(files.path());
    let tunnel = Tunnel::start(2, 700_000);
    let through = HttpOptions {
        ca: Some(nginx.ca()),
        proxy: Proxy::Url(tunnel.url()),
        ..options()
    };
    let (store, _) = store(&nginx.url(), &through);
    let mut bytes = Vec::new();
    let mut stream = store.open("x").unwrap().unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, object);
    let host = nginx.url().replace("https://", "");
    assert_eq!(tunnel.asked(), vec![format!("CONNECT {host} HTTP/1.1"); 3]);
    // A new store, so that nginx has logged the last request of the old one.
    drop((stream, store));
    let parts = crate::common::wait_for("three requests in the log", || {
        let requests = nginx.requests();
        (requests.len() == 3).then_some(requests)
    });
    let parts: Vec<&str> = parts.iter().filter_map(|l| l.split(' ').nth(1)).collect();
    assert_eq!(parts, ["200", "206", "206"]);
}

#[test]
#[ignore = "needs nginx and openssl"]
fn the_usual_variables_name_a_proxy_and_the_option_goes_before_them() {
    let project = Project::published("nginx-proxy");
    let nginx = Nginx::start(&project.store());
    let tunnel = Tunnel::start(0, 0);
    let (ca, root) = (text(&nginx.ca()), text(&project.path("keys/root.json")));
    let url = nginx.url();
    let arguments = ["list", "--store", &url, "--root", &root, "--store-ca", &ca];
    let run = |more: &[&str], proxy: &str| {
        let mut command = project.command(&arguments);
        command.args(more).env("HTTPS_PROXY", proxy);
        Run::of(command.output().unwrap())
    };
    run(&[], &tunnel.url()).exits(0);
    let used = tunnel.asked().len();
    assert!(used > 0);
    run(&["--store-proxy", "none"], &tunnel.url()).exits(0);
    assert_eq!(tunnel.asked().len(), used);
    run(&["--store-proxy", &tunnel.url()], "http://127.0.0.1:1").exits(0);
    assert!(tunnel.asked().len() > used);
    run(&[], "http://127.0.0.1:1")
        .exits(1)
        .says(&["cannot reach"]);
}
