//! A systemd unit, as far as `systemctl` and `journalctl` can be played by scripts.

use std::os::unix::fs::PermissionsExt;

use super::bench::{BAD, Bench, ONE, TWO};

const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$NODE_TEST_DIR" || exit 9
echo "$@" >> calls
pid=$(cat unit.pid 2>/dev/null || echo 0)
case "$*" in
*" start -- sleep@1.service")
    "$NODE_TEST_DIR/bin/sleep" 600 >/dev/null 2>&1 &
    echo $! > unit.pid ;;
*" stop -- sleep@1.service")
    kill "$pid" ;;
*" reset-failed -- sleep@1.service") ;;
show*" -- sleep@1.service")
    if [ -e "/proc/$pid/exe" ]; then
        echo "LoadState=loaded"; echo "ActiveState=active"; echo "MainPID=$pid"
    else
        echo "LoadState=loaded"; echo "ActiveState=failed"; echo "Result=exit-code"; echo "MainPID=0"
    fi ;;
*) echo "what? $*" >&2; exit 5 ;;
esac
"#;

const JOURNALCTL: &str = "#!/bin/sh\necho 'the unit said: no genesis block'\n";

#[test]
fn a_unit_is_stopped_and_started_by_systemctl_and_quoted_by_journalctl() {
    let bench = Bench::new();
    let tools = bench.dir.join("tools");
    std::fs::create_dir(&tools).unwrap();
    for (name, script) in [("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)] {
        let path = tools.join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = std::fs::read_to_string(bench.dir.join("node.toml")).unwrap();
    let config: String = config
        .lines()
        .map(|line| match line.trim().starts_with("start =") {
            true => "unit = \"sleep@1.service\"\n".to_string(),
            false => format!("{line}\n"),
        })
        .collect();
    std::fs::write(bench.dir.join("node.toml"), config).unwrap();
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let install = |tag| bench.child("install", tag, &[("PATH", &path)]).success();
    let pid = || std::fs::read_to_string(bench.dir.join("unit.pid")).unwrap();
    let running = || std::fs::read(format!("/proc/{}/exe", pid().trim())).unwrap();

    assert!(install(ONE));
    assert_eq!(running(), bench.released(ONE));
    assert!(install(TWO));
    assert_eq!(running(), bench.released(TWO));
    assert!(!install(BAD));
    assert_eq!(running(), bench.released(TWO));
    let error = std::fs::read_to_string(bench.dir.join("error")).unwrap();
    assert!(error.contains("rolled back to phase2"), "{error}");
    assert!(error.contains("no genesis block"), "{error}");
    assert!(error.contains("result exit-code"), "{error}");
    let killed = std::process::Command::new("kill")
        .arg(pid().trim())
        .status();
    assert!(killed.unwrap().success());
}
