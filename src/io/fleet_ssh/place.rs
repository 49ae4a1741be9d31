//! Room `io`: files for a node that has no relman yet. They arrive under a private name, are hashed there, synced, and only
//! then get their own name.

use std::sync::Arc;
use std::time::Duration;

use super::run::{Input, Order, Ran};
use super::{SshHosts, answer, words};
use crate::fleet::config::NodeEntry;
use crate::fleet::host::Reply;
use crate::hash::Sha256;
use crate::limits::MAX_NODE_ANSWER_LEN;

/// How long a node may take to hash and sync a file that it has whole.
const PATIENCE: Duration = Duration::from_secs(300);

const LOOK: &str = "\
for f; do
    if [ -e \"$f\" ] || [ -L \"$f\" ]; then have=$(sha256sum <\"$f\") || exit 1; echo \"${have%% *}\"; else echo -; fi
done";

const PLACE: &str = "\
set -eu
umask 077
dir=${1%/*}
(umask 022; mkdir -p \"$dir/\")
t=$(mktemp \"$dir/.relman-bootstrap.XXXXXXXXXX\")
trap 'rm -f \"$t\"' EXIT
cat >\"$t\"
have=$(sha256sum <\"$t\")
[ \"${have%% *}\" = \"$3\" ] || { echo \"it arrived with sha256 ${have%% *}, sent was $3\" >&2; exit 1; }
chmod \"$2\" \"$t\"
sync \"$t\"
[ \"$5\" = file ] || case $(\"$t\" --version) in
    'relman '*) ;;
    *) echo 'it is no relman for this machine' >&2; exit 1;;
esac
case $4 in replace) mv -f \"$t\" \"$1\";; *) ln \"$t\" \"$1\";; esac
sync \"$dir/\"";

/// A file for a node. A program has to be a relman that runs there before it gets its name.
#[derive(Clone, Debug)]
pub struct Placing {
    /// Its absolute path there.
    pub path: String,
    /// All of it.
    pub bytes: Arc<[u8]>,
    /// Whether it is a program.
    pub program: bool,
    /// Whether it takes the place of one that is there.
    pub replace: bool,
}

/// What is at a path: the digest of its bytes, or nothing.
pub type Placed = Option<Sha256>;

impl SshHosts {
    /// What is at those paths of a node.
    ///
    /// # Errors
    /// Why it cannot be said, in words.
    pub fn look(&self, node: &NodeEntry, paths: &[&str]) -> Result<Vec<Placed>, String> {
        let become_words = node.become_command.iter().map(String::as_str);
        let words_all = become_words
            .chain(["sh", "-c", LOOK, "sh"])
            .chain(paths.iter().copied());
        let order = Order::new(words::line(words_all), PATIENCE);
        let said = self.simply(node, &order)?;
        let found: Option<Vec<Placed>> = said
            .lines()
            .map(|line| match line {
                "-" => Some(None),
                digest => Sha256::from_hex(digest).map(Some),
            })
            .collect();
        found
            .filter(|found| found.len() == paths.len())
            .ok_or_else(|| format!("it says what is no digest: {}", words::shown(&said)))
    }

    /// Puts a file on a node. It is there whole or not at all.
    ///
    /// # Errors
    /// Why it is not, in words; also where one is there that is not to be replaced.
    pub fn place(&self, node: &NodeEntry, file: &Placing) -> Result<(), String> {
        let digest = Sha256::of(&file.bytes).to_string();
        let (mode, kind) = match file.program {
            true => ("755", "program"),
            false => ("644", "file"),
        };
        let how = if file.replace { "replace" } else { "new" };
        let become_words = node.become_command.iter().map(String::as_str);
        let arguments = [file.path.as_str(), mode, &digest, how, kind];
        let words_all = become_words
            .chain(["sh", "-c", PLACE, "sh"])
            .chain(arguments);
        let order = Order {
            input: Input::Bytes(Arc::clone(&file.bytes)),
            ..Order::new(words::line(words_all), PATIENCE)
        };
        self.simply(node, &order).map(drop)
    }

    /// Has the node's relman do something that is no request of a rollout.
    pub fn tell(&self, node: &NodeEntry, arguments: &[&str], patience: Duration) -> Reply {
        let arguments: Vec<String> = ["--json", "--quiet"]
            .iter()
            .chain(arguments)
            .map(|word| (*word).to_owned())
            .collect();
        let order = Order {
            limit: MAX_NODE_ANSWER_LEN,
            ..Order::new(words::command(node, &arguments), patience)
        };
        let mut said = Vec::new();
        let ran = self.block_on(node, &order, &mut said);
        match answer::read(node, ran, &said) {
            answer::Said::Reply(reply) => reply,
            answer::Said::Unknown(what) => Reply::Foreign(words::older(node, &what, None)),
        }
    }

    /// What a command printed that ended well.
    fn simply(&self, node: &NodeEntry, order: &Order) -> Result<String, String> {
        let mut said = Vec::new();
        match self.block_on(node, order, &mut said) {
            Ran::Ended { code: 0, .. } => Ok(String::from_utf8_lossy(&said).into_owned()),
            Ran::Ended { code, talk } => Err(words::failed(code, &talk)),
            Ran::Unsent(why) => Err(format!("not reached: {why}")),
            Ran::Lost(why) => Err(format!("connection lost: {why}")),
            Ran::TooLong | Ran::Refused(_) => Err("it says too much".into()),
        }
    }

    fn block_on(&self, node: &NodeEntry, order: &Order, said: &mut Vec<u8>) -> Ran {
        let mut take = |bytes: &[u8]| {
            said.extend_from_slice(bytes);
            Ok(())
        };
        self.runtime
            .block_on(self.hands.run(&node.ssh, order, &mut take))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn place(path: &str, bytes: &[u8], digest: Sha256, how: [&str; 2]) -> (bool, String) {
        let digest = digest.to_string();
        let mut child = Command::new("sh")
            .args(["-c", PLACE, "sh", path, "755", &digest])
            .args(how)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(bytes);
        let out = child.wait_with_output().unwrap();
        (out.status.success(), String::from_utf8(out.stderr).unwrap())
    }

    #[test]
    fn a_file_that_arrives_damaged_never_gets_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("it's new/relman");
        let name = path.to_str().unwrap();
        let (done, said) = place(name, b"damaged", Sha256::of(b"whole"), ["new", "file"]);
        assert!(!done && said.contains("it arrived with sha256"), "{said}");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            0
        );

        assert!(place(name, b"whole", Sha256::of(b"whole"), ["new", "file"]).0);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        let (done, said) = place(name, b"other", Sha256::of(b"other"), ["new", "file"]);
        assert!(!done && said.contains("exists"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert!(place(name, b"other", Sha256::of(b"other"), ["replace", "file"]).0);
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
        for (program, runs) in [
            ("#!/bin/sh\necho relman 1\n", true),
            ("#!/bin/sh\necho timed 1\n", false),
        ] {
            let digest = Sha256::of(program.as_bytes());
            let (done, said) = place(name, program.as_bytes(), digest, ["replace", "program"]);
            assert_eq!(done, runs, "{said}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"#!/bin/sh\necho relman 1\n");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
