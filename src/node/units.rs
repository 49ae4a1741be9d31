//! The systemd units that recover a node before its daemon starts. Text only.

use std::path::{Path, PathBuf};

/// A unit file below the directory of systemd's units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// Path below that directory.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Name of the unit that recovers the node `name`, configured at `config`. The node of the default
/// configuration has the plain name.
pub fn recover_unit(name: &str, config: &Path) -> String {
    if config == Path::new("/etc/relman/node.toml") {
        return "relman-recover.service".into();
    }
    let plain = name.replace('@', "-");
    format!("relman-recover-{plain}.service")
}

/// The unit that runs `relman recover` with `config`, and the drop-in by which `unit`, the daemon,
/// waits for it and does not start without it.
///
/// It stays a plain oneshot: each start of the daemon runs it again, so that what a killed install
/// left is put right by whoever starts the daemon next.
pub fn recover_units(
    name: &str,
    unit: &str,
    relman: &Path,
    config: &Path,
    state: &Path,
) -> Vec<UnitFile> {
    let recover = recover_unit(name, config);
    let (relman, config, state) = (word(relman), word(config), word(state));
    vec![
        UnitFile {
            path: PathBuf::from(&recover),
            text: format!(
                "# Written by `relman node units`. Finishes or reverts what was interrupted, before the daemon starts.\n\
                 [Unit]\n\
                 Description=relman: finish or revert an interrupted install of {name}\n\
                 Before={unit}\n\
                 RequiresMountsFor={state}\n\
                 \n\
                 [Service]\n\
                 Type=oneshot\n\
                 ExecStart={relman} recover --boot --config {config}\n\
                 UMask=0077\n\
                 TimeoutStartSec=30min\n"
            ),
        },
        UnitFile {
            path: PathBuf::from(format!("{unit}.d/10-relman-recover.conf")),
            text: format!(
                "# Written by `relman node units`. No start on a node that is between two states.\n\
                 [Unit]\n\
                 Requires={recover}\n\
                 After={recover}\n"
            ),
        },
    ]
}

/// A path as one word of a unit file: systemd expands `%` and `$`, and splits at blanks.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%").replace('$', "$$");
    let plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() && !"\"'\\".contains(c));
    match plain {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(config: &str) -> Vec<UnitFile> {
        recover_units(
            "testnet-1",
            "timed@testnet-1.service",
            Path::new("/usr/local/bin/relman"),
            Path::new(config),
            Path::new("/var/lib/relman/testnet-1"),
        )
    }

    #[test]
    fn the_daemon_waits_for_recovery_and_needs_it() {
        let units = units("/etc/relman/node.toml");
        assert_eq!(units[0].path, Path::new("relman-recover.service"));
        assert!(units[0].text.contains(
            "ExecStart=/usr/local/bin/relman recover --boot --config /etc/relman/node.toml\n"
        ));
        assert!(units[0].text.contains("Before=timed@testnet-1.service\n"));
        assert_eq!(
            units[1].path,
            Path::new("timed@testnet-1.service.d/10-relman-recover.conf")
        );
        for line in [
            "Requires=relman-recover.service",
            "After=relman-recover.service",
        ] {
            assert!(units[1].text.contains(line), "{line}");
        }
    }

    #[test]
    fn a_second_node_on_the_host_has_its_own_unit_and_odd_paths_stay_one_word() {
        let units = units("/etc/relman/a b%.toml");
        assert_eq!(units[0].path, Path::new("relman-recover-testnet-1.service"));
        assert!(
            units[0]
                .text
                .contains("--config \"/etc/relman/a b%%.toml\"\n")
        );
    }
}
