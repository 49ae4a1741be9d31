//! What a lock file says of a project's packages.

use super::*;

fn lock(packages: &[(&str, &str, &str, &[&str])]) -> Vec<Package> {
    let mut text = String::from("version = 4\n");
    for (name, version, source, dependencies) in packages {
        let source = match source.is_empty() {
            true => String::new(),
            false => format!("source = {source:?}\n"),
        };
        text.push_str(&format!(
            "[[package]]\nname = {name:?}\nversion = {version:?}\n{source}dependencies = {dependencies:?}\n"
        ));
    }
    packages_of(&text)
}

fn packages_of(text: &str) -> Vec<Package> {
    packages(text).unwrap()
}

fn purl(source: &str, version: &str) -> Option<String> {
    lock(&[("serde_json", version, source, &[])])[0].purl()
}

#[test]
fn own_packages_have_no_source_and_downloads_a_digest() {
    let text = format!(
        "version = 4\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\"cc\"]\n\
         [[package]]\nname = \"cc\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"{}\"\n",
        Sha256::of(b"").hex()
    );
    let packages = packages_of(&text);
    assert_eq!(packages.len(), 2);
    assert_eq!(
        (packages[0].source.as_ref(), packages[0].cache_file()),
        (None, None)
    );
    assert_eq!(packages[1].cache_file().as_deref(), Some("cc-1.0.0.crate"));
    assert_eq!(needs(&packages).unwrap(), [vec![1], vec![]]);
}

#[test]
fn a_name_with_a_slash_is_no_file() {
    let text = format!(
        "[[package]]\nname = \"../x\"\nversion = \"1\"\nchecksum = \"{}\"",
        Sha256::of(b"").hex()
    );
    assert_eq!(packages_of(&text)[0].cache_file(), None);
    assert!(packages("package = 1").is_err());
}

#[test]
fn a_purl_names_crates_io_by_saying_nothing_and_every_other_place_by_its_address() {
    for index in CRATES_IO {
        assert_eq!(
            purl(index, "1.0.0+b.1").as_deref(),
            Some("pkg:cargo/serde_json@1.0.0%2Bb.1")
        );
    }
    let commit = "1".repeat(40);
    let git = format!("git+https://me:secret@example.org/a/b.git?branch=x#{commit}");
    assert_eq!(
        purl(&git, "1.0.0").unwrap(),
        format!("pkg:cargo/serde_json@1.0.0?vcs_url=git%2Bhttps://example.org/a/b.git%40{commit}")
    );
    assert_eq!(
        lock(&[("a", "1.0.0", &git, &[])])[0].git_commit(),
        Some(commit.as_str())
    );
    assert_eq!(
        purl("sparse+https://token@crates.example.org/index/", "1.0.0").as_deref(),
        Some("pkg:cargo/serde_json@1.0.0?repository_url=https://crates.example.org/index/")
    );
}

#[test]
fn a_purl_never_has_a_path_of_this_machine() {
    let git = format!("git+file:///srv/ann/fork#{}", "1".repeat(40));
    for source in [
        "",
        &git,
        "registry+file:///srv/index",
        "directory+/vendor",
        "odd",
    ] {
        assert_eq!(purl(source, "1.0.0"), None, "{source}");
    }
}

#[test]
fn a_dependency_is_found_by_as_much_of_its_name_as_the_lock_file_gives() {
    let git = format!("git+https://example.org/b?rev=x#{}", "2".repeat(40));
    let packages = lock(&[
        (
            "own",
            "0.1.0",
            "",
            &[
                "a",
                "b 1.0.0",
                "b 2.0.0 (git+https://example.org/b?rev=x)",
                "a",
            ],
        ),
        ("a", "1.0.0", CRATES_IO[0], &[]),
        ("b", "1.0.0", CRATES_IO[0], &["a"]),
        ("b", "2.0.0", CRATES_IO[0], &[]),
        ("b", "2.0.0", &git, &[]),
    ]);
    assert_eq!(
        needs(&packages).unwrap(),
        [vec![1, 2, 4], vec![], vec![1], vec![], vec![]]
    );
}

#[test]
fn a_dependency_that_is_not_there_or_ambiguous_is_refused_by_name() {
    for (dependency, found) in [("c", "0 packages"), ("b", "2 packages")] {
        let packages = lock(&[
            ("own", "0.1.0", "", &[dependency]),
            ("b", "1.0.0", CRATES_IO[0], &[]),
            ("b", "2.0.0", CRATES_IO[0], &[]),
        ]);
        let e = needs(&packages).unwrap_err().to_string();
        assert!(e.contains(found) && e.contains("own 0.1.0"), "{e}");
    }
}

#[test]
fn a_lock_file_of_too_many_packages_is_refused() {
    let text = "[[package]]\nname = \"a\"\nversion = \"1\"\n".repeat(MAX_LOCKED_PACKAGES + 1);
    let e = packages(&text).unwrap_err().to_string();
    assert!(e.contains("5001 packages"), "{e}");
}
