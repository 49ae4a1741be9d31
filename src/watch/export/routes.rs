//! Alertmanager's configuration: who hears of which alert how soon, and which alerts mute others. Pure.

use super::promql::{ENVIRONMENT, INSTANCE, duration};
use super::rules::{ACTION, EXCEPTION, ROW, SIGNAL};
use super::{MADE, one_line, yaml};
use crate::watch::policy::{Action, Policy, When};
use crate::{Error, Result};

/// Where relman's own receiver listens by default.
pub const WEBHOOK: &str = "http://127.0.0.1:9095/";
/// The file with the token that it wants, on Alertmanager's machine.
pub const CREDENTIALS: &str = "/etc/alertmanager/relman.token";
/// Seconds until relman hears again of what still fires, also after it was started anew.
const AGAIN: u64 = 60;

/// Where relman's receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    url: String,
    credentials: String,
}

impl Webhook {
    /// At an address, with a token in a file.
    ///
    /// # Errors
    /// Kind usage: it is no http(s) address, or one with a secret in it; the file's name is none.
    pub fn new(url: &str, credentials: &str) -> Result<Webhook> {
        let rest = ["http://", "https://"]
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
        let bad = |c: char| c.is_control() || c.is_whitespace();
        match authority {
            Some(authority) if authority.contains('@') => {
                return Err(Error::usage(
                    "the webhook's address holds a user or a password, wanted the token in a file",
                )
                .hint("relman monitor export alertmanager --credentials FILE"));
            }
            Some(authority) if !authority.is_empty() && !url.contains(bad) => {}
            _ => {
                return Err(Error::usage(format!(
                    "the webhook is {url:?}, wanted an address such as {WEBHOOK}"
                )));
            }
        }
        if credentials.is_empty() || credentials.contains(|c: char| c.is_control()) {
            return Err(Error::usage(format!(
                "the file of the token is {credentials:?}, wanted a path such as {CREDENTIALS}"
            )));
        }
        Ok(Webhook {
            url: url.into(),
            credentials: credentials.into(),
        })
    }
}

/// Alertmanager's configuration.
pub fn routes(policy: &Policy, environment: Option<&str>, webhook: &Webhook) -> String {
    let here = environment.map(|name| format!("{ENVIRONMENT}=\"{name}\""));
    let here: Vec<String> = here.into_iter().collect();
    let with = |own: &[String]| -> String {
        let all = here.iter().chain(own);
        all.map(|m| yaml(m)).collect::<Vec<_>>().join(", ")
    };
    let is = |label: &str, value: &str| format!("{label}=\"{value}\"");
    let any = |label: &str| format!("{label}=~\".+\"");
    let interval = duration(policy.interval_seconds);
    let mut out = format!(
        "# {MADE}.\n\
         # Receivers that begin with `team-` are yours: fill them, keep their names.\n\
         route:\n  receiver: team-mail\n  group_by: [{ENVIRONMENT}, {ROW}, {SIGNAL}]\n  \
         group_wait: 30s\n  group_interval: 5m\n  repeat_interval: 4h\n  routes:\n"
    );
    let mut route = |matchers: String, receiver: &str, more: &str| {
        out.push_str(&format!(
            "    - matchers: [{matchers}]\n      receiver: {receiver}\n{more}"
        ));
    };
    // These only mute others.
    route(with(&[any(EXCEPTION)]), "nobody", "");
    route(
        with(&[any(ROW)]),
        "relman",
        &format!(
            "      continue: true\n      group_wait: 0s\n      group_interval: {interval}\n      repeat_interval: {}\n",
            duration(AGAIN)
        ),
    );
    route(
        with(&[is(ACTION, Action::RollBack.word())]),
        "team-pager",
        "      group_wait: 0s\n      group_interval: 1m\n      repeat_interval: 15m\n",
    );
    route(
        with(&[is("severity", "critical")]),
        "team-pager",
        "      group_wait: 0s\n      group_interval: 1m\n      repeat_interval: 30m\n",
    );
    let page = format!(
        "{ACTION}=~\"{}|{}\"",
        Action::Prepare.word(),
        Action::Page.word()
    );
    route(
        with(&[page]),
        "team-pager",
        "      group_wait: 10s\n      repeat_interval: 1h\n",
    );
    route(
        with(&[any(SIGNAL), is("severity", "high")]),
        "team-pager",
        "      group_wait: 30s\n      repeat_interval: 1h\n",
    );
    // `relman` passed it on; without a route of its own it would end there.
    route(with(&[any(ROW)]), "team-mail", "");
    out.push_str(&inhibitions(policy, &with));
    out.push_str(&format!(
        "receivers:\n  - name: nobody\n  - name: relman\n    webhook_configs:\n      - url: {}\n        \
         send_resolved: true\n        http_config:\n          authorization:\n            type: Bearer\n            \
         credentials_file: {}\n",
        yaml(&webhook.url),
        yaml(&webhook.credentials)
    ));
    for (name, what) in [
        (
            "team-pager",
            "what wakes the person on call, such as pagerduty_configs",
        ),
        (
            "team-mail",
            "what is read by day, such as email_configs or slack_configs",
        ),
    ] {
        out.push_str(&format!("  - name: {name}\n    # yours to fill: {what}\n"));
    }
    out
}

/// A later step of a row mutes its earlier ones, and an exception what it holds back.
fn inhibitions(policy: &Policy, with: &dyn Fn(&[String]) -> String) -> String {
    let mut out = String::from("inhibit_rules:\n");
    let below = |action: Action| -> Vec<&str> {
        let lower = Action::ALL.iter().filter(|a| **a < action);
        lower.map(|a| a.word()).collect()
    };
    for action in Action::ALL.iter().rev() {
        let is_a_later_step = policy
            .rows
            .iter()
            .any(|row| row.steps.iter().skip(1).any(|s| s.action == *action));
        if !is_a_later_step {
            continue;
        }
        let source = with(&[format!("{ACTION}=\"{}\"", action.word())]);
        let target = with(&[format!("{ACTION}=~\"{}\"", below(*action).join("|"))]);
        out.push_str(&format!(
            "  - source_matchers: [{source}]\n    target_matchers: [{target}]\n    equal: [{ENVIRONMENT}, {ROW}, {INSTANCE}]\n"
        ));
    }
    for exception in &policy.exceptions {
        if !matches!(exception.when, When::Row { .. }) {
            continue;
        }
        let above = Action::ALL.iter().filter(|a| **a > exception.action);
        let above: Vec<&str> = above.map(|a| a.word()).collect();
        let source = with(&[format!("{EXCEPTION}=\"{}\"", exception.name)]);
        let target = with(&[
            format!("{ROW}=~\"{}\"", exception.rows.join("|")),
            format!("{ACTION}=~\"{}\"", above.join("|")),
        ]);
        out.push_str(&format!(
            "  # {}\n  - source_matchers: [{source}]\n    target_matchers: [{target}]\n    equal: [{ENVIRONMENT}]\n",
            one_line(&exception.says)
        ));
    }
    match out.lines().count() {
        1 => String::new(),
        _ => out,
    }
}
