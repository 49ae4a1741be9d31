//! Room `io`: what a node's answer is: an answer, no answer, or somebody else's.

use serde::Deserialize;

use super::run::Ran;
use super::words::{self, NOT_WHOLE};
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Document, Reply};
use crate::limits::MAX_NODE_ANSWER_LEN;

/// What a node said.
pub(super) enum Said {
    Reply(Reply),
    /// It does not know what it was asked; in its words.
    Unknown(String),
}

/// What tells whether a relman knew its command: one that does not has no name for it.
#[derive(Deserialize)]
struct Named {
    command: String,
}

/// What became of a request to the node's relman, and what that printed.
pub(super) fn read(node: &NodeEntry, ran: Ran, answer: &[u8]) -> Said {
    Said::Reply(match ran {
        Ran::Unsent(why) => Reply::Unreachable(why),
        Ran::Lost(why) => Reply::Lost(why),
        Ran::Refused(why) => Reply::Foreign(why),
        Ran::TooLong => Reply::Foreign(format!(
            "its answer has more than {MAX_NODE_ANSWER_LEN} bytes"
        )),
        Ran::Ended { code, talk } if answer.iter().all(u8::is_ascii_whitespace) => {
            match code {
                NOT_WHOLE if node.bundle => Reply::Unreachable(format!(
                    "the bundle did not arrive: {}",
                    words::failed(code, &talk)
                )),
                126 | 127 => Reply::Foreign(words::missing(node, code, &talk)),
                // A panic, or a shell's word for a signal: it had begun.
                101 | 128.. => Reply::Lost(words::failed(code, &talk)),
                _ if talk.contains("not found") => {
                    Reply::Foreign(words::missing(node, code, &talk))
                }
                // Without its options for programs: one from before there were any.
                2 => return Said::Unknown(words::failed(code, &talk)),
                _ => Reply::Foreign(words::failed(code, &talk)),
            }
        }
        Ran::Ended { code, talk } => match Document::parse(answer) {
            Err(why) => Reply::Foreign(format!(
                "{}; {}",
                words::shown(&why),
                words::failed(code, &talk)
            )),
            Ok(document) => {
                let named = serde_json::from_slice::<Named>(answer);
                let unnamed = named.is_ok_and(|named| named.command.is_empty());
                match &document.error {
                    Some(problem) if unnamed && document.outcome == "usage" => {
                        return Said::Unknown(problem.message.clone());
                    }
                    _ => Reply::Answer(document),
                }
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::config::FleetConfig;

    fn said(code: i32, answer: &str, talk: &str) -> Said {
        let text = "[[environment]]\nname = \"local\"\n[[node]]\nname = \"n1\"\nssh = \"n1\"\nenvironment = \"local\"\nbundle = true\n";
        let config = FleetConfig::parse(text, std::path::Path::new("/")).unwrap();
        let talk = talk.to_owned();
        read(
            &config.nodes[0],
            Ran::Ended { code, talk },
            answer.as_bytes(),
        )
    }

    fn reply(code: i32, answer: &str, talk: &str) -> Reply {
        match said(code, answer, talk) {
            Said::Reply(reply) => reply,
            Said::Unknown(what) => panic!("{what}"),
        }
    }

    #[test]
    fn bad_news_in_relmans_form_is_an_answer() {
        let answer = r#"{"schema":"relman/1","command":"install","outcome":"usage","data":null,
            "error":{"message":"node configuration has 1 problem(s)","causes":[],"hint":null}}"#;
        assert!(matches!(reply(2, answer, ""), Reply::Answer(_)));
    }

    #[test]
    fn a_relman_without_the_command_is_told_from_one_with_a_bad_configuration() {
        let answer = r#"{"command":"","outcome":"usage","data":null,
            "error":{"message":"unrecognized subcommand 'chain'","causes":[],"hint":null}}"#;
        assert!(matches!(said(2, answer, ""), Said::Unknown(what) if what.contains("chain")));
        assert!(matches!(
            said(2, "", "error: unexpected argument '--json'"),
            Said::Unknown(_)
        ));
    }

    #[test]
    fn what_had_begun_and_said_nothing_is_lost_and_what_never_began_is_not() {
        for (code, talk) in [(137, ""), (101, "panicked"), (255, "")] {
            assert!(matches!(reply(code, "", talk), Reply::Lost(_)), "{code}");
        }
        for (code, talk) in [
            (127, "sh: 1: relman: not found"),
            (126, "Permission denied"),
            (1, "sudo: relman: command not found"),
            (1, "sudo: a password is required"),
        ] {
            assert!(matches!(reply(code, "", talk), Reply::Foreign(_)), "{code}");
        }
        let full = reply(NOT_WHOLE, "", "cat: write error: No space left on device");
        assert!(matches!(full, Reply::Unreachable(why) if why.contains("No space left")));
    }

    #[test]
    fn a_page_of_somebody_elses_is_no_answer() {
        let Reply::Foreign(why) = reply(0, "Welcome\u{1b}[2J to n1\n", "") else {
            panic!("it is none");
        };
        assert!(
            why.contains("no JSON document") && !why.contains('\u{1b}'),
            "{why}"
        );
    }
}
