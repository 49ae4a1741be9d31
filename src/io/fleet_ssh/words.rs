//! Room `io`: what is said to a node's shell, and what is said to people of what ssh and nodes said. Text in, text out; every
//! word for a shell is quoted, whatever is in it, and every word from a node is made harmless. What there is to run ends a
//! line as `; hint: …`.

use crate::fleet::config::NodeEntry;
use crate::limits::MAX_SHOWN_ANSWER;
use crate::release::text::is_deceptive;

/// The exit status of [`with_bundle`] for a bundle that did not arrive; no relman exits so.
pub(super) const NOT_WHOLE: i32 = 75;

/// Receives a bundle in a directory that nobody else may enter, runs a command with it, and removes it.
const WITH_BUNDLE: &str = "\
umask 077
d=$(mktemp -d /var/tmp/relman-bundle.XXXXXXXXXX) || exit 75
trap 'rm -rf \"$d\"' EXIT
cat >\"$d/bundle\" || exit 75
have=$(wc -c <\"$d/bundle\")
[ \"$have\" -eq \"$1\" ] || { echo \"bundle has $have bytes, wanted $1\" >&2; exit 75; }
shift
\"$@\" --bundle \"$d/bundle\" </dev/null";

/// One word for a POSIX shell (XCU 2.2.2): nothing means anything between single quotes but a single quote.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words as one command.
pub(super) fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(quote).collect();
    quoted.join(" ")
}

/// A shell script with its arguments.
pub(super) fn script<'a>(text: &'a str, arguments: impl IntoIterator<Item = &'a str>) -> String {
    line(["sh", "-c", text, "sh"].into_iter().chain(arguments))
}

/// The node's relman, with what it takes to become who may.
pub(super) fn relman<'a>(
    node: &'a NodeEntry,
    arguments: &'a [String],
) -> impl Iterator<Item = &'a str> {
    let become_words = node.become_command.iter().map(String::as_str);
    become_words
        .chain([node.relman.as_str()])
        .chain(arguments.iter().map(String::as_str))
}

/// The node's relman as one command.
pub(super) fn command(node: &NodeEntry, arguments: &[String]) -> String {
    line(relman(node, arguments))
}

/// As [`command`], with `--bundle` and a file that comes on its standard input.
pub(super) fn with_bundle(node: &NodeEntry, arguments: &[String], length: u64) -> String {
    let length = length.to_string();
    script(
        WITH_BUNDLE,
        [length.as_str()].into_iter().chain(relman(node, arguments)),
    )
}

/// Foreign text as one line: no control characters, no overrides of direction, not too long.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let whole = lines.collect::<Vec<_>>().join("; ");
    let whole = whole.trim_end_matches('.');
    for (i, c) in whole.chars().enumerate() {
        if i == MAX_SHOWN_ANSWER {
            out.push('…');
            break;
        }
        match c.is_control() || is_deceptive(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// How a command ended that should have succeeded.
pub(super) fn failed(code: i32, talk: &str) -> String {
    match shown(talk) {
        none if none.is_empty() => format!("it ended with exit status {code}"),
        said => format!("it ended with exit status {code}: {said}"),
    }
}

/// A relman that does not know what it was asked.
pub(super) fn older(node: &NodeEntry, what: &str, version: Option<&str>) -> String {
    let version = version.map_or("of an unknown version".into(), shown);
    format!(
        "its relman ({version}, this one is {}) does not know what it was asked: {}; \
         hint: relman fleet bootstrap {} --replace --binary FILE --config node.toml --root root.json",
        env!("CARGO_PKG_VERSION"),
        shown(what),
        node.name
    )
}

/// No relman where it should be.
pub(super) fn missing(node: &NodeEntry, code: i32, talk: &str) -> String {
    let why = match code {
        126 => "cannot be executed",
        _ => "is not there",
    };
    format!(
        "{} {why} ({}); hint: relman fleet bootstrap {} --binary FILE --config node.toml --root root.json",
        node.relman,
        failed(code, talk),
        node.name
    )
}

/// Why no connection was made, and whether it may be made a moment later.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) fate: Fate,
}

/// What there is to expect of another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The same.
    Lasting,
    /// The server has too many visitors, or is about to start: nothing was decided.
    Passing,
    /// Nobody knows the host's key.
    Unknown,
}

/// What ssh's log says of a connection that was not made.
pub(super) fn refusal(log: &str, destination: &str) -> Refusal {
    let told: Vec<&str> = told(log).collect();
    let after = |mark: &str| {
        let at = told.iter().position(|line| line.contains(mark))?;
        told.get(at + 1).map(|line| line.trim_end_matches('.'))
    };
    let lasting = |why: String| Refusal {
        why,
        fate: Fate::Lasting,
    };
    let host = destination.rsplit('@').next().unwrap_or(destination);
    if told
        .iter()
        .any(|l| l.contains("IDENTIFICATION HAS CHANGED"))
    {
        let sent = after("sent by the remote host is").unwrap_or("one that ssh does not name");
        let known = told
            .iter()
            .find_map(|l| l.strip_prefix("Offending "))
            .unwrap_or("in known_hosts");
        return lasting(format!(
            "the host shows another key than the one that is known: it sent {}, known is {}; somebody may be in between; \
             compare with `ssh-keygen -lf` on its own console first; hint: ssh-keygen -R {}",
            shown(sent),
            shown(known),
            quote(host)
        ));
    }
    let unknown = told.iter().find(|l| l.contains("host key is known for"));
    if let Some(line) = unknown {
        let sent = log
            .lines()
            .find_map(|l| l.trim().strip_prefix("debug1: Server host key: "));
        let why = format!(
            "{}; it sent {}; compare with `ssh-keygen -lf` on its own console first; hint: ssh {}",
            shown(line),
            shown(sent.unwrap_or("one that ssh does not name")),
            quote(destination)
        );
        return Refusal {
            why,
            fate: Fate::Unknown,
        };
    }
    if let Some(line) = told.iter().rev().find(|l| l.contains("Permission denied")) {
        return lasting(format!(
            "{}; hint: ssh {} true",
            shown(line),
            quote(destination)
        ));
    }
    // sshd drops connections at random while too many have not said who they are (MaxStartups), and resets all that come
    // before it listens again.
    let passing = told.iter().any(|l| {
        (l.starts_with("kex_exchange_identification")
            || l.starts_with("ssh_exchange_identification"))
            && !l.contains("timed out")
    });
    Refusal {
        why: match told.last() {
            Some(line) => shown(line),
            None => "ssh ended without a word".into(),
        },
        fate: if passing {
            Fate::Passing
        } else {
            Fate::Lasting
        },
    }
}

/// The lines of a log that are meant for people.
pub(super) fn told(log: &str) -> impl Iterator<Item = &str> {
    log.lines().map(str::trim).filter(|line| {
        let noise = ["debug", "Authenticated to ", "@@@", "Warning: Permanently"];
        !line.is_empty() && !noise.iter().any(|mark| line.starts_with(mark))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::config::FleetConfig;

    fn node(more: &str) -> NodeEntry {
        let text = format!(
            "[[environment]]\nname = \"local\"\n[[node]]\nname = \"n1\"\nssh = \"n1\"\nenvironment = \"local\"\n{more}"
        );
        let dir = std::path::Path::new("/");
        FleetConfig::parse(&text, dir).unwrap().nodes.remove(0)
    }

    /// What a shell makes of a command that prints its arguments one a line.
    fn shell_sees(command: &str) -> String {
        let out = std::process::Command::new("sh")
            .args(["-c", command])
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    }

    #[test]
    fn no_word_means_anything_to_a_shell() {
        let odd = [
            "a b", "it's", "$(id)", "`id`", "*", "~", "!!", "a;b", "", "-n", "\\", "\"", "#",
            "a\tb",
        ];
        let mut words = vec!["printf", "[%s]\n"];
        words.extend(odd);
        let wanted: String = odd.iter().map(|w| format!("[{w}]\n")).collect();
        assert_eq!(shell_sees(&line(words)), wanted);
    }

    #[test]
    fn who_may_comes_before_the_nodes_relman() {
        let node = node("become = [\"sudo\", \"-n\"]\nrelman = \"/opt/my relman\"\n");
        let command = command(&node, &["status".into(), "--config".into(), "a'b".into()]);
        assert_eq!(
            command,
            r"'sudo' '-n' '/opt/my relman' 'status' '--config' 'a'\''b'"
        );
    }

    #[test]
    fn a_bundle_is_there_while_the_command_runs_and_never_after_it() {
        let node = node("relman = \"/bin/sh\"\n");
        let look = "test \"$0\" = --bundle && cat \"$1\" && stat -c ' %a' \"${1%/*}\" && echo \"$1\"; exit 3";
        let arguments = ["-c".to_owned(), look.to_owned()];
        for (length, code) in [(5, 3), (6, NOT_WHOLE)] {
            let mut child = std::process::Command::new("sh")
                .args(["-c", &with_bundle(&node, &arguments, length)])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"bytes").unwrap();
            let out = child.wait_with_output().unwrap();
            assert_eq!(out.status.code(), Some(code), "{out:?}");
            let said = String::from_utf8(out.stdout).unwrap();
            match code {
                3 => {
                    let path = said.strip_prefix("bytes 700\n").unwrap().trim();
                    assert!(!std::path::Path::new(path).exists(), "{path}");
                }
                _ => assert_eq!(said, ""),
            }
        }
    }

    #[test]
    fn a_node_cannot_drive_the_terminal() {
        assert_eq!(
            shown("one\r\n\x1b[2J two\u{202e}"),
            "one; \\u{1b}[2J two\\u{202e}"
        );
        assert!(shown(&"x".repeat(10_000)).chars().count() <= MAX_SHOWN_ANSWER + 1);
    }

    #[test]
    fn another_host_key_is_told_in_one_line_with_both_sides() {
        let log = "debug1: Server host key: ssh-ed25519 SHA256:abc\n\
            @@@@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@\n\
            IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n\
            The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\n\
            Please contact your system administrator.\n\
            Offending ED25519 key in /etc/known:3\nHost key verification failed.\n";
        let found = refusal(log, "root@n1");
        assert_eq!(found.fate, Fate::Lasting);
        for wanted in [
            "it sent SHA256:abc,",
            "ED25519 key in /etc/known:3",
            "ssh-keygen -R 'n1'",
        ] {
            assert!(found.why.contains(wanted), "{wanted}: {}", found.why);
        }
    }

    #[test]
    fn a_host_that_nobody_knows_is_told_with_what_it_sent() {
        let log = "debug1: Server host key: ssh-ed25519 SHA256:abc\n\
            No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.\n\
            Host key verification failed.\n";
        let why = refusal(log, "n1").why;
        assert!(
            why.contains("it sent ssh-ed25519 SHA256:abc") && why.contains("ssh 'n1'"),
            "{why}"
        );
    }

    #[test]
    fn only_what_passes_by_itself_is_tried_again() {
        let dropped = "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.1 port 22\n";
        assert_eq!(refusal(dropped, "n1").fate, Fate::Passing);
        for log in [
            "ssh: connect to host 10.0.0.1 port 22: No route to host\n",
            "root@10.0.0.1: Permission denied (publickey).\n",
            "kex_exchange_identification: read: Connection timed out\n",
            "",
        ] {
            assert_eq!(refusal(log, "n1").fate, Fate::Lasting, "{log}");
        }
    }
}
