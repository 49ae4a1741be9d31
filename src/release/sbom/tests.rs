//! What a bill of materials says, and what it leaves out.

use serde_json::Value;

use super::*;
use crate::release::lockfile::packages;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn lock() -> Vec<Package> {
    let sum = crate::hash::Sha256::of(b"a");
    let text = format!(
        "version = 4\n\
         [[package]]\nname = \"timed\"\nversion = \"0.1.0\"\ndependencies = [\"a\", \"fork\"]\n\
         [[package]]\nname = \"fork\"\nversion = \"0.2.0\"\nsource = \"git+file:///srv/ann/fork#{}\"\n\
         [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{CRATES_IO}\"\nchecksum = \"{sum}\"\n",
        "3".repeat(40)
    );
    packages(&text).unwrap()
}

fn contents(packages: &[Package]) -> Contents<'_> {
    Contents {
        project: "timed",
        tag: "phase1-a-1.0.0",
        commit: "1234",
        commit_time: 1_700_000_000,
        packages,
    }
}

fn read(packages: &[Package]) -> Value {
    serde_json::from_slice(&contents(packages).to_bytes().unwrap()).unwrap()
}

#[test]
fn it_names_every_crate_with_its_digest_and_what_it_needs() {
    let bom = read(&lock());
    assert_eq!(
        (&bom["bomFormat"], &bom["specVersion"]),
        (&"CycloneDX".into(), &"1.5".into())
    );
    assert_eq!(bom["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    assert_eq!(bom["metadata"]["component"]["version"], "phase1-a-1.0.0");
    assert_eq!(bom.get("serialNumber"), None);
    let by_name = |name: &str| {
        let all = bom["components"].as_array().unwrap();
        all.iter().find(|c| c["name"] == name).unwrap().clone()
    };
    assert_eq!(by_name("a")["purl"], "pkg:cargo/a@1.0.0");
    assert_eq!(
        by_name("a")["hashes"][0]["content"],
        crate::hash::Sha256::of(b"a").hex()
    );
    assert_eq!(by_name("timed").get("purl"), None);
    let needs = |of: &str| {
        let all = bom["dependencies"].as_array().unwrap();
        all.iter().find(|d| d["ref"] == of).unwrap()["dependsOn"].clone()
    };
    assert_eq!(
        needs("release/phase1-a-1.0.0"),
        serde_json::json!(["own/timed@0.1.0"])
    );
    let fork = format!("private/fork@0.2.0/{}", "3".repeat(40));
    assert_eq!(
        needs("own/timed@0.1.0"),
        serde_json::json!(["pkg:cargo/a@1.0.0", fork])
    );
}

#[test]
fn it_has_no_path_of_this_machine_and_depends_on_no_order() {
    let mut packages = lock();
    let bytes = contents(&packages).to_bytes().unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("/srv/"));
    packages.reverse();
    assert_eq!(contents(&packages).to_bytes().unwrap(), bytes);
}

#[test]
fn a_project_without_a_lock_file_has_a_bill_without_components() {
    let bom = read(&[]);
    assert_eq!(bom["components"], serde_json::json!([]));
    assert_eq!(bom["dependencies"][0]["ref"], "release/phase1-a-1.0.0");
}

#[test]
fn a_lock_file_with_one_package_twice_is_refused() {
    let mut packages = lock();
    packages.push(packages[2].clone());
    let e = contents(&packages).to_bytes().unwrap_err().to_string();
    assert!(e.contains("\"pkg:cargo/a@1.0.0\" twice"), "{e}");
}
