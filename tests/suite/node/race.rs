//! Another user of the host who tries, again and again while releases come and go, to get at what is staged and kept.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::bench::{Bench, ONE, TWO};
use crate::common::wait_for;

/// Tries everything that a name or a permission could let through, and says what worked.
const RACER: &str = r#"
cd "$1/state" || exit 9
theirs=$1/theirs
rounds=0
while [ ! -e "$1/stop" ]; do
    for dir in . staging staging/* staging/*/* versions versions/* evidence evidence/* trust log receipts; do
        ln -s /etc/passwd "$dir/planted" 2>/dev/null && echo "planted a link in $dir"
        mkdir "$dir/planted.d" 2>/dev/null && echo "planted a directory in $dir"
        mv "$dir" "$theirs/moved" 2>/dev/null && echo "moved $dir"
    done
    for file in staging/*/*/* versions/*/sleep current journal.json history trust/* log/*; do
        { echo evil >>"$file"; } 2>/dev/null && echo "wrote to $file"
        chmod 0777 "$file" 2>/dev/null && echo "changed the mode of $file"
        ln -sf /bin/true "$file" 2>/dev/null && echo "replaced $file"
        [ "$2" = 0 ] || { ln "$file" "$theirs/second" 2>/dev/null && echo "gave a second name to $file"; }
    done
    ls staging/* >/dev/null 2>&1 && [ -n "$(ls staging)" ] && echo "looked into staging"
    rounds=$((rounds + 1))
    echo "$rounds" >"$theirs/rounds"
done
"#;

#[test]
#[ignore = "wants root, to be another user than the node's"]
fn another_user_who_races_the_staging_directory_gets_at_nothing() {
    let bench = Bench::new();
    let dir = &bench.dir;
    let theirs = dir.join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    for (path, mode) in [(dir, 0o755), (&theirs, 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    bench.install(ONE).unwrap();
    // Where the kernel lets anybody link to files of others, a second name is no fault of ours.
    let protected = std::fs::read_to_string("/proc/sys/fs/protected_hardlinks").unwrap_or_default();
    let racer = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "sh",
            "-c",
            RACER,
            "sh",
        ])
        .arg(dir)
        .arg(protected.trim())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let rounds = || {
        let text = std::fs::read_to_string(theirs.join("rounds")).unwrap_or_default();
        text.trim().parse::<u64>().unwrap_or(0)
    };
    wait_for("the other user to begin", || (rounds() > 0).then_some(()));
    let begun = rounds();
    let mut changes = 0;
    while changes < 10 || rounds() < begun + 10 {
        bench.install(TWO).unwrap();
        assert_eq!(bench.running(), bench.released(TWO));
        bench.rollback(None).unwrap();
        assert_eq!(bench.running(), bench.released(ONE));
        // So that the next install stages anew.
        std::fs::remove_dir_all(bench.state().join("versions").join(TWO)).unwrap();
        changes += 1;
    }
    std::fs::write(dir.join("stop"), "").unwrap();
    let output = racer.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "",
        "in {} rounds",
        rounds()
    );
    assert_eq!(bench.status().problems, Vec::<String>::new());
}
