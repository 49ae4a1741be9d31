//! `[[notify]]`: who is told of what, and how. Pure.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A command; it gets the notice as JSON on its standard input.
    Command(Vec<String>),
    /// An address that is sent the notice as JSON (`POST`). The file, if there is one, holds the bearer token.
    Webhook {
        /// `https://…`, or `http://…` in a network of one's own.
        url: String,
        /// Holds the token; mode 0600.
        token_file: Option<std::path::PathBuf>,
    },
    /// A command like `sendmail -t`; it gets a mail with headers on its standard input.
    Mail {
        /// The command.
        command: Vec<String>,
        /// Addresses.
        to: Vec<String>,
    },
}

/// One who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// For messages.
    pub name: String,
    /// Of which environments; empty: of all.
    pub environments: Vec<String>,
    /// How.
    pub channel: Channel,
    /// How long telling may take.
    pub timeout: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotify {
    name: String,
    #[serde(default)]
    environments: Vec<String>,
    command: Option<Vec<String>>,
    webhook: Option<String>,
    token_file: Option<std::path::PathBuf>,
    mail: Option<Vec<String>>,
    #[serde(default)]
    to: Vec<String>,
    #[serde(default = "ten")]
    timeout_seconds: u64,
}

fn ten() -> u64 {
    10
}

impl RawNotify {
    pub(super) fn check(self, dir: &Path, problems: &mut Vec<String>) -> Option<Notify> {
        let name = self.name;
        if !(1..=300).contains(&self.timeout_seconds) {
            problems.push(format!(
                "notify {name:?}: timeout_seconds is {}, wanted 1 to 300",
                self.timeout_seconds
            ));
        }
        if self.webhook.is_none() && self.token_file.is_some() {
            problems.push(format!("notify {name:?}: token_file belongs to a webhook"));
        }
        if self.mail.is_none() && !self.to.is_empty() {
            problems.push(format!("notify {name:?}: to belongs to mail"));
        }
        let channel = match (self.command, self.webhook, self.mail) {
            (Some(argv), None, None) => Channel::Command(argv),
            (None, Some(url), None) => {
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    problems.push(format!(
                        "notify {name:?}: webhook is {url:?}, wanted an https:// address"
                    ));
                }
                Channel::Webhook {
                    url,
                    token_file: self.token_file.map(|file| dir.join(file)),
                }
            }
            (None, None, Some(command)) => {
                if self.to.is_empty() || self.to.iter().any(|to| !is_address(to)) {
                    problems.push(format!(
                        "notify {name:?}: to is {:?}, wanted mail addresses",
                        self.to
                    ));
                }
                Channel::Mail {
                    command,
                    to: self.to,
                }
            }
            _ => {
                problems.push(format!(
                    "notify {name:?}: wanted one of command, webhook and mail"
                ));
                return None;
            }
        };
        if let Channel::Command(argv) | Channel::Mail { command: argv, .. } = &channel
            && argv.first().is_none_or(String::is_empty)
        {
            problems.push(format!("notify {name:?}: the command is empty"));
        }
        Some(Notify {
            name,
            environments: self.environments,
            channel,
            timeout: Duration::from_secs(self.timeout_seconds),
        })
    }
}

/// What can stand in a header and ends nowhere else than where it seems to.
fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._%+-@".contains(c);
    text.len() <= 254
        && text.chars().all(plain)
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}
