//! Manifests, retention and configuration in memory.

use std::path::Path;

use super::host::Listed;
use super::manifest::{BackupAbout, BackupId, Begun, Entry, Manifest, Part, Root};
use super::retention::superfluous;
use crate::error::{Error, Kind};
use crate::node::config::NodeConfig;
use crate::node::config::backup::{Mode, Strategy};

fn manifest(number: u64, previous: &str, part: Part) -> (BackupId, Manifest, Vec<u8>) {
    let about = BackupAbout {
        tag: None,
        previous: Some(previous.into()),
        reason: "a test".into(),
    };
    let begun = Begun {
        made: "2026-02-01T00:00:00Z".parse().unwrap(),
        about: &about,
        mode: Mode::Cold,
    };
    let root = Root {
        part,
        path: "/var/lib/timed".into(),
        at: "data".into(),
    };
    let manifest = Manifest::new(number, &begun, vec![root]);
    let bytes = manifest.to_bytes().unwrap();
    let id = BackupId::of(number, &manifest.made, &bytes);
    (id, manifest, bytes)
}

fn listed(number: u64, previous: &str, part: Part) -> Listed {
    let (id, manifest, _) = manifest(number, previous, part);
    Listed {
        id,
        manifest: Ok(manifest),
    }
}

#[test]
fn a_backups_name_is_bound_to_every_byte_of_its_manifest() {
    let (id, manifest, bytes) = manifest(7, "phase1-a-1.0.0", Part::Data);
    assert!(id.as_str().starts_with("0007-20260201T000000Z-"), "{id}");
    assert_eq!(BackupId::parse(id.as_str()).as_ref(), Some(&id));
    assert_eq!(Manifest::from_bytes(&bytes, &id).unwrap(), manifest);
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
        let error = Manifest::from_bytes(&bytes, &id).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed, "byte {at}");
    }
    for name in [
        "",
        "7",
        "../x",
        "0007-20260201T000000Z-xyz",
        "0007-20260201T000000Z",
    ] {
        assert_eq!(BackupId::parse(name), None, "{name}");
    }
}

#[test]
fn an_entry_that_leads_out_of_its_backup_is_none() {
    let line = |path: &str, kind: &str, more: &str| {
        format!(
            r#"{{"root":0,"path":"{path}","kind":"{kind}","mode":420,"uid":0,"gid":0,"mtime":0,"mtime_ns":0{more}}}"#
        )
    };
    assert!(Entry::from_line(line("a/b", "directory", "").as_bytes(), 1).is_ok());
    for bad in [
        line("../a", "directory", ""),
        line("/a", "directory", ""),
        line("a//b", "directory", ""),
        line("a", "file", ""),
        line("a", "symlink", ""),
        line("a", "device", ""),
        line("a", "directory", r#","target":"b""#),
        line("a", "directory", r#","more":1"#),
        line("a", "directory", "").replace("420", "65535"),
    ] {
        assert!(Entry::from_line(bad.as_bytes(), 1).is_err(), "{bad}");
    }
    assert!(Entry::from_line(line("a", "directory", "").as_bytes(), 0).is_err());
}

#[test]
fn the_newest_backup_of_the_data_and_the_one_to_roll_back_with_are_never_pruned() {
    let broken = Listed {
        manifest: Err(Error::failed("broken")),
        ..listed(2, "b", Part::Data)
    };
    let all = vec![
        listed(1, "a", Part::Data),
        broken,
        listed(3, "b", Part::Data),
        listed(4, "b", Part::Data),
        listed(5, "b", Part::Configuration),
    ];
    let gone = |keep: usize, needed: &[&str]| -> Vec<u64> {
        let gone = superfluous(&all, keep, needed);
        gone.iter().map(BackupId::number).collect()
    };
    assert_eq!(gone(5, &[]), [0u64; 0]);
    assert_eq!(gone(4, &[]), [2], "a broken one goes first");
    assert_eq!(gone(3, &[]), [2, 1]);
    assert_eq!(gone(3, &["a"]), [2, 3]);
    assert_eq!(gone(1, &[]), [2, 1, 3]);
    assert_eq!(gone(0, &["a"]), [2, 3]);
}

const NODE: &str = r#"
name = "timed"
store = "releases"
root = "root.json"
state = "/state"
CONFIGURATION
[[binary]]
name = "timed"
path = "/bin/timed"
"#;

fn config(configuration: &str, tables: &str) -> Result<NodeConfig, Error> {
    let text = NODE.replace("CONFIGURATION", configuration) + tables;
    NodeConfig::parse(&text, Path::new("/etc/relman"))
}

#[test]
fn a_node_that_says_nothing_of_backups_has_none() {
    let config = config("", "").unwrap();
    assert!(!config.backup.configured);
    assert_eq!(config.backup.dir, Path::new("/state/backups"));
}

#[test]
fn what_is_to_be_backed_up_is_read_with_its_defaults() {
    let config = config(
        r#"configuration = ["timed.conf"]"#,
        r#"
        [data]
        dir = "/var/lib/timed"
        protect = ["keys/", "/etc/relman/timed.conf"]
        immutable = ["blocks/*.dat"]
        "#,
    )
    .unwrap();
    let backup = &config.backup;
    assert!(backup.configured);
    assert_eq!(backup.configuration, [Path::new("/etc/relman/timed.conf")]);
    assert_eq!(backup.protect, ["keys", "/etc/relman/timed.conf"]);
    assert_eq!((backup.mode, backup.strategy), (Mode::Cold, Strategy::Auto));
    assert_eq!((backup.keep, backup.min_free), (3, 256 << 20));
}

#[test]
fn all_that_is_wrong_with_backups_is_said_at_once() {
    let error = config(
        r#"configuration = ["/var/lib/timed/x.conf"]"#,
        r#"
        [data]
        dir = "/var/lib/timed"
        protect = ["../keys", "a//b"]
        [backup]
        dir = "/var/lib/timed/backups"
        strategy = "snapshot"
        keep = 0
        "#,
    )
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let causes = error.causes().join("\n");
    for word in [
        "x.conf",
        "../keys",
        "a//b",
        "/backups",
        "snapshot",
        "keep is 0",
    ] {
        assert!(causes.contains(word), "{word}: {causes}");
    }
    assert_eq!(error.causes().len(), 6, "{causes}");
}

#[test]
fn a_snapshots_commands_name_it() {
    let table = |create: &str| {
        format!(
            r#"
            [data]
            dir = "/tank/timed"
            [backup]
            strategy = "snapshot"
            snapshot = {{ create = ["zfs", "snapshot", "{create}"], delete = ["zfs", "destroy", "tank@{{name}}"], path = "/tank/timed/.zfs/snapshot/{{name}}" }}
            "#
        )
    };
    assert!(config("", &table("tank@{name}")).is_ok());
    let error = config("", &table("tank@today")).unwrap_err();
    assert!(error.causes().join("").contains("{name}"), "{error}");
}
