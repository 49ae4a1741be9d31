//! The client, judged by theupdateframework/tuf-conformance. The suite is in no package registry, so a
//! checkout of it has to be named.

use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "needs a checkout of tuf-conformance in TUF_CONFORMANCE_DIR, and faketime"]
fn every_test_of_tuf_conformance_passes_without_expected_failures() {
    let Some(checkout) = std::env::var_os("TUF_CONFORMANCE_DIR") else {
        eprintln!("SKIPPED: TUF_CONFORMANCE_DIR names no checkout, see docs/conformance.md");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/conformance");
    let out = Command::new(script)
        .arg(&checkout)
        .args(["-v", "--strict-markers"])
        .output()
        .expect("bash is there");
    let text = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}\n{errors}");
    let summary = text.lines().last().unwrap_or_default();
    assert!(summary.contains(" passed in "), "{summary}");
    for word in ["failed", "skipped", "xfailed", "xpassed", "error"] {
        assert!(!summary.contains(word), "{summary}");
    }
}
