//! What `relman doctor` asks of a real host: `/proc`, `statvfs`, and the host's own programs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::node_run::{Output, run};
use crate::error::{Context, Result};
use crate::node::doctor::{Examiner, Firewall};

/// For programs that answer at once or not at all.
const ASK: Duration = Duration::from_secs(20);
const MAX_TABLE_LEN: u64 = 4 << 20;

/// This host.
pub struct Host;

impl Examiner for Host {
    fn listening(&self) -> Result<Vec<SocketAddr>> {
        let mut found = Vec::new();
        for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
            // A host without IPv6 has no second table.
            if let Some(bytes) = super::durable::read_bounded(Path::new(path), MAX_TABLE_LEN)? {
                found.extend(listening_in(&String::from_utf8_lossy(&bytes)));
            }
        }
        Ok(found)
    }

    fn space(&self, path: &Path) -> Result<(u64, u64)> {
        let existing = path.ancestors().find(|p| p.exists()).unwrap_or(path);
        let stat = rustix::fs::statvfs(existing)
            .or_failed(|| format!("how much is free for {} is unknown", path.display()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok((bytes(stat.f_bavail), bytes(stat.f_blocks)))
    }

    fn clock_is_synchronised(&self) -> Result<bool> {
        let output = ask(&[
            "timedatectl",
            "show",
            "--property=NTPSynchronized",
            "--value",
        ])
        .map_err(|e| {
            e.under("whether the clock is synchronised is unknown")
                .hint("timedatectl")
        })?;
        Ok(output.stdout.trim() == "yes")
    }

    fn missing_libraries(&self, path: &Path) -> Result<Vec<String>> {
        let output = run(
            &["ldd".into(), path.to_string_lossy().into_owned()],
            None,
            ASK,
        )?;
        // A program without shared libraries is told on stderr, and that is fine.
        Ok(output
            .stdout
            .lines()
            .filter_map(|line| line.trim().strip_suffix("=> not found"))
            .map(|name| name.trim().to_owned())
            .collect())
    }

    fn firewall(&self) -> Result<Option<Firewall>> {
        let Ok(output) = run(&["ufw".into(), "status".into()], None, ASK) else {
            // Not installed.
            return Ok(None);
        };
        let output = output
            .ended_well(|_| "what the firewall lets through is unknown".into())
            .map_err(|e| e.hint("sudo ufw status"))?;
        Ok(active_rules(&output.stdout).map(|rules| Firewall {
            name: "ufw".into(),
            rules,
        }))
    }

    fn run(&self, argv: &[String]) -> Result<std::result::Result<(), String>> {
        let output = run(argv, None, ASK)?;
        Ok(match output.status.success() {
            true => Ok(()),
            false => Err(match output.tail().is_empty() {
                true => output.status.to_string(),
                false => output.tail().join("; "),
            }),
        })
    }
}

fn ask(argv: &[&str]) -> Result<Output> {
    let argv: Vec<String> = argv.iter().map(|word| word.to_string()).collect();
    run(&argv, None, ASK)?.ended_well(|status| format!("{} ended with {status}", argv.join(" ")))
}

/// proc_net_tcp(5): local address and state in hex; the address in the machine's byte order, word by
/// word. State 0A is LISTEN.
fn listening_in(table: &str) -> Vec<SocketAddr> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let local = fields.nth(1)?;
            let state = fields.nth(1)?;
            let (address, port) = local.split_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            (state == "0A").then_some(SocketAddr::new(ip(address)?, port))
        })
        .collect()
}

fn ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        Some(
            u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        )
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut bytes = [0u8; 16];
            bytes
                .iter_mut()
                .zip(words.iter().flatten())
                .for_each(|(to, from)| *to = *from);
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// The lines behind the header of `ufw status`; none where it is off.
fn active_rules(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| *line == "Status: active")?;
    let rules = lines.skip_while(|line| !line.starts_with("--")).skip(1);
    Some(
        rules
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn who_listens_is_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
            \x20  0: 0100007F:5E25 00000000:0000 0A 00000000:00000000\n\
            \x20  1: 0100007F:0016 0200007F:1234 01 00000000:00000000\n\
            \x20  2: 00000000000000000000000001000000:5E24 00000000000000000000000000000000:0000 0A 0\n\
            garbage\n";
        let found = listening_in(table);
        assert_eq!(
            found,
            [
                "127.0.0.1:24101".parse().unwrap(),
                "[::1]:24100".parse().unwrap()
            ]
        );
    }

    #[test]
    fn rules_of_a_firewall_that_is_on_are_read() {
        let text = "Status: active\n\nTo                         Action      From\n\
            --                         ------      ----\n24100/tcp                  ALLOW       Anywhere\n\n";
        assert_eq!(
            active_rules(text).unwrap(),
            ["24100/tcp                  ALLOW       Anywhere"]
        );
        assert_eq!(active_rules("Status: inactive\n"), None);
    }
}
