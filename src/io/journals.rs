//! Room `io`: what the daemons of many nodes wrote, fetched from all of them and put into one archive.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{durable, parallel};
use crate::error::Context;
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Hosts, Stream};
use crate::hash::{Hasher, Sha256};
use crate::limits::{MAX_JOURNAL_STREAM_LEN, MAX_RECEIPTS_FILE_LEN};
use crate::{Error, Result};

/// What one node sent.
#[derive(Debug)]
pub struct Gathered {
    /// Its name.
    pub node: String,
    /// Its daemon's lines, or why there are none.
    pub journal: std::result::Result<Journal, String>,
    /// All its receipts, as lines, or why there are none. Nothing of them is verified here.
    pub receipts: std::result::Result<Vec<u8>, String>,
}

/// The lines of one daemon, in a private file without a name.
#[derive(Debug)]
pub struct Journal {
    file: File,
    length: u64,
    sha256: Sha256,
}

#[derive(Serialize)]
struct Row<'a> {
    node: &'a str,
    file: Option<String>,
    length: Option<u64>,
    sha256: Option<Sha256>,
    problem: Option<&'a str>,
}

/// Asks `nodes`, `at_once` of them at the same time, for their receipts and for what their daemons wrote since then.
pub fn gather(
    hosts: &dyn Hosts,
    nodes: &[&NodeEntry],
    since: Timestamp,
    at_once: usize,
) -> Vec<Gathered> {
    parallel::map(nodes, at_once, |node| Gathered {
        node: node.name.clone(),
        journal: journal(hosts, node, since),
        receipts: receipts(hosts, node),
    })
}

fn journal(
    hosts: &dyn Hosts,
    node: &NodeEntry,
    since: Timestamp,
) -> std::result::Result<Journal, String> {
    let file = tempfile::tempfile().map_err(|e| format!("no private file can be made: {e}"))?;
    let mut to = Hashing {
        file,
        hasher: Hasher::new(),
    };
    let length = hosts.stream(
        node,
        Stream::Journal { since },
        MAX_JOURNAL_STREAM_LEN,
        &mut to,
    )?;
    Ok(Journal {
        length,
        sha256: to.hasher.finish(),
        file: to.file,
    })
}

fn receipts(hosts: &dyn Hosts, node: &NodeEntry) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let all = Stream::Receipts { since: 1 };
    hosts.stream(node, all, MAX_RECEIPTS_FILE_LEN, &mut bytes)?;
    Ok(bytes)
}

struct Hashing {
    file: File,
    hasher: Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes `<name>/INDEX.json` and `<name>/<node>.log` of all nodes into one `.tar.gz` at `path`, of mode 0600 and in one
/// step; nothing of that name may be there.
///
/// # Errors
/// I/O.
pub fn archive(
    path: &Path,
    name: &str,
    environment: &str,
    (since, now): (Timestamp, Timestamp),
    gathered: &mut [Gathered],
) -> Result<()> {
    let rows: Vec<Row> = gathered.iter().map(row).collect();
    let index = json!({
        "environment": environment,
        "since": since.to_string(),
        "gathered": now.to_string(),
        "nodes": rows,
    });
    let index = format!("{index:#}\n");
    let cannot = || format!("cannot write {}", path.display());
    let dir = durable::parent(path);
    let temp = tempfile::NamedTempFile::new_in(dir).or_failed(cannot)?;
    let mut tar = tar::Builder::new(GzEncoder::new(temp.as_file(), Compression::default()));
    let mtime = u64::try_from(now.as_second()).unwrap_or(0);
    let header = |length: u64| {
        let mut header = tar::Header::new_ustar();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_mtime(mtime);
        header
    };
    tar.append_data(
        &mut header(index.len() as u64),
        format!("{name}/INDEX.json"),
        index.as_bytes(),
    )
    .or_failed(cannot)?;
    for one in gathered {
        if let Ok(journal) = &mut one.journal {
            journal.file.rewind().or_failed(cannot)?;
            tar.append_data(
                &mut header(journal.length),
                format!("{name}/{}.log", one.node),
                &journal.file,
            )
            .or_failed(cannot)?;
        }
    }
    let written = tar.into_inner().and_then(GzEncoder::finish);
    written.or_failed(cannot)?;
    temp.as_file().sync_all().or_failed(cannot)?;
    temp.persist_noclobber(path).map_err(|e| {
        Error::failed(cannot())
            .caused_by(e.error)
            .hint("name another file: --out FILE")
    })?;
    durable::sync_dir(dir)
}

fn row(one: &Gathered) -> Row<'_> {
    let journal = one.journal.as_ref().ok();
    Row {
        node: &one.node,
        file: journal.map(|_| format!("{}.log", one.node)),
        length: journal.map(|j| j.length),
        sha256: journal.map(|j| j.sha256),
        problem: one.journal.as_ref().err().map(String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;
    use crate::fleet::config::FleetConfig;
    use crate::fleet::host::{Ask, Reply};

    /// Each node writes its name, and n2 breaks off.
    struct Writers;

    impl Hosts for Writers {
        fn ask_all(&self, _: &[Ask<'_>], _: &mut dyn FnMut(usize, Reply)) {}
        fn stream(
            &self,
            node: &NodeEntry,
            what: Stream,
            _: u64,
            to: &mut dyn Write,
        ) -> std::result::Result<u64, String> {
            let line = format!("{} says hello\n", node.name);
            to.write_all(line.as_bytes()).unwrap();
            match (node.name.as_str(), what) {
                ("n2", Stream::Journal { .. }) => Err("the stream broke".into()),
                _ => Ok(line.len() as u64),
            }
        }
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn uptime(&self) -> Duration {
            Duration::ZERO
        }
        fn pause(&self, _: Duration) {}
    }

    #[test]
    fn one_archive_has_what_could_be_had_and_says_what_could_not() {
        let mut text = "[[environment]]\nname = \"local\"\n".to_owned();
        for n in 1..=3 {
            text.push_str(&format!(
                "[[node]]\nname = \"n{n}\"\nssh = \"n{n}\"\nenvironment = \"local\"\n"
            ));
        }
        let fleet = FleetConfig::parse(&text, Path::new("/")).unwrap();
        let nodes = fleet.nodes_of("local");
        let since = Timestamp::UNIX_EPOCH;
        let mut gathered = gather(&Writers, &nodes, since, 2);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.tar.gz");
        archive(&path, "all", "local", (since, since), &mut gathered).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let file = File::open(&path).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut found = std::collections::BTreeMap::new();
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.insert(name, text);
        }
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["all/INDEX.json", "all/n1.log", "all/n3.log"]);
        assert_eq!(found["all/n1.log"], "n1 says hello\n");
        let index: serde_json::Value = serde_json::from_str(&found["all/INDEX.json"]).unwrap();
        assert_eq!(index["nodes"][1]["problem"], "the stream broke");
        let sha256 = Sha256::of(b"n3 says hello\n").to_string();
        assert_eq!(index["nodes"][2]["sha256"], sha256);
        // What is there already is somebody's evidence.
        let again = archive(&path, "all", "local", (since, since), &mut gathered);
        assert!(again.unwrap_err().to_string().contains("all.tar.gz"));
    }
}
