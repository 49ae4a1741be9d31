//! A store behind HTTP, and the ways in which a server can fail its readers.

use crate::common::http_server::{Fault, Server};
use crate::common::relman::{Project, Run, TAG, files};

fn verify(project: &Project, url: &str) -> Run {
    let root = project.path("keys/root.json");
    let root = root.to_str().unwrap();
    project.relman(&["verify", TAG, "--store", url, "--root", root])
}

#[test]
fn a_store_behind_http_is_verified_like_a_directory() {
    let project = Project::published("http-good");
    let server = Server::start(project.store());
    for url in [server.url(), format!("{}/", server.url())] {
        let run = verify(&project, &url).exits(0);
        run.says(&["is verified", "files of the release directory"]);
        project
            .relman(&["list", "--store", &url])
            .exits(0)
            .says(&[TAG, "published"]);
        project.relman(&["show", TAG, "--store", &url]).exits(0);
    }
    let asked = server.asked();
    assert!(
        asked.iter().any(|path| path == "/metadata/2.root.json"),
        "{asked:?}"
    );
}

#[test]
fn whatever_a_server_does_with_a_file_it_is_refused_and_the_file_is_named() {
    let project = Project::published("http-faults");
    let server = Server::start(project.store());
    let archive = format!(
        "targets/{}",
        files(&project.store().join("targets")).remove(0)
    );
    let paths = [
        "metadata/timestamp.json",
        "metadata/2.snapshot.json",
        "metadata/2.targets.json",
        "log/checkpoint",
        "log/tile/0/000.p/3",
        &format!("{TAG}/release.tlog-proof"),
        &format!("{TAG}/provenance.intoto.jsonl"),
        &format!("{TAG}/SHA256SUMS"),
        &format!("{TAG}/timed"),
        &format!("{TAG}/timed.sha256"),
        &archive,
    ];
    let faults = [
        Fault::Status("404 Not Found"),
        Fault::Status("403 Forbidden"),
        Fault::Status("500 Internal Server Error"),
        Fault::Status("204 No Content"),
        Fault::Status("206 Partial Content"),
        Fault::Endless,
        Fault::Half,
        Fault::Redirect("file:///etc/passwd".into()),
        Fault::Redirect("ftp://127.0.0.1/x".into()),
        Fault::Redirect("https://127.0.0.1:1/x".into()),
        Fault::Redirect("/metadata/1.root.json".into()),
    ];
    for path in paths {
        for fault in &faults {
            server.only_fault(path, fault.clone());
            let run = verify(&project, &server.url()).exits(3);
            let name = path.rsplit('/').next().unwrap();
            // Metadata goes by its role's name, targets by that of the archive.
            let name = match name.split_once('.') {
                Some((digest, rest)) if digest.len() == 64 => rest,
                Some(("2", role)) => role.trim_end_matches(".json"),
                Some(("timestamp", _)) => "timestamp",
                _ if path.starts_with("log/tile") => "tile",
                _ => name,
            };
            assert!(run.stdout.contains(name), "{path} {fault:?}: {run:#?}");
        }
    }
}

#[test]
fn a_redirect_to_itself_ends() {
    let project = Project::published("http-loop");
    let server = Server::start(project.store());
    let path = "metadata/timestamp.json";
    server.only_fault(path, Fault::Redirect(format!("/{path}")));
    verify(&project, &server.url()).exits(3).says(&["redirect"]);
    let asked = server.asked().iter().filter(|p| p.ends_with(path)).count();
    assert!(asked < 10, "{asked} requests");
}

#[test]
fn a_redirect_within_the_server_is_followed() {
    let project = Project::published("http-moved");
    let server = Server::start(project.beside(""));
    let path = "releases/metadata/timestamp.json";
    server.only_fault(path, Fault::Redirect(format!("/repo/{path}")));
    let url = format!("{}/releases", server.url());
    verify(&project, &url).exits(3);
    std::os::unix::fs::symlink(project.store(), project.beside("releases")).unwrap();
    verify(&project, &url).exits(0);
}

#[test]
fn a_missing_root_or_an_endless_one_ends_the_search_for_newer_roots() {
    let project = Project::published("http-roots");
    let server = Server::start(project.store());
    for (fault, code) in [
        (Fault::Status("404 Not Found"), 0),
        (Fault::Status("403 Forbidden"), 0),
        (Fault::Endless, 3),
        (Fault::Status("500 Internal Server Error"), 3),
        (Fault::Redirect("/metadata/1.root.json".into()), 3),
    ] {
        server.only_fault("metadata/2.root.json", fault);
        verify(&project, &server.url()).exits(code);
    }
}

#[test]
fn a_server_that_is_not_there_is_told_with_a_command_to_try() {
    let project = Project::published("http-down");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    verify(&project, &url).exits(3).says(&["cannot reach"]);
    let run = project.relman(&["list", "--store", &url]).exits(1);
    run.says(&["cannot reach", "curl"]);
}
