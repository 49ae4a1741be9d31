//! Configurations that cannot be cut with.

use super::*;

#[test]
fn a_broken_configuration_is_a_usage_error_that_names_the_key() {
    let project = Project::new("cut-config");
    let before = snapshot(&project.store());
    for (text, said) in [
        ("project = ", "relman.toml"),
        ("project = \"../x\"\n", "project"),
        ("project = \"x\"\nunknown = 1\n", "unknown"),
        (
            "project = \"x\"\n[build]\ncommand = [\"true\"]\n",
            "binaries",
        ),
        (
            "project = \"x\"\n[build]\ncommand = [\"true\"]\nbinaries = [\"../../etc/passwd\"]\n",
            "binaries",
        ),
        ("project = \"x\"\n[expiry]\ntimestamp = 0\n", "expiry"),
        (
            "project = \"x\"\n[expiry]\nfixed = \"tomorrow\"\n",
            "expiry",
        ),
    ] {
        project.write("relman.toml", text);
        let run = project.relman(&["cut", TAG]).exits(2);
        run.says(&[said]);
    }
    fs::write(project.path("relman.toml"), [0xff, 0xfe]).unwrap();
    project.relman(&["cut", TAG]).exits(2).says(&["UTF-8"]);
    nothing_happened(&project, &before);
}
