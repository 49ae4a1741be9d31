//! TUF clients behind one face: each refreshes from a root over HTTP and downloads out of a store.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use relman::hash::Sha256;
use relman::trust::refresh::encoded;
use serde_json::Value;

use crate::http_server::Server;
use crate::tools::{self, Verdict};

/// A client.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `ngclient` of python-tuf.
    PythonTuf,
    /// npm's `tuf-js`.
    TufJs,
    /// `tuftool download`, by the Rust crate `tough`.
    Tuftool,
    /// Ours: the example that tuf-conformance tests.
    Relman,
}

/// The clients that other people wrote.
pub const OTHERS: [Client; 3] = [Client::PythonTuf, Client::TufJs, Client::Tuftool];

/// Lets these clients do something, all at once.
pub fn each(clients: &[Client], what: impl Fn(Client) + Sync) {
    let what = &what;
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || what(*client));
        }
    });
}

/// Why a client refuses. Each has words of its own for it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Fewer good signatures than the threshold.
    Signatures,
    /// Two signatures under one key id.
    Twice,
    /// Other bytes than those that were listed.
    Digest,
    /// An older version than one seen, or another than the one listed.
    Version,
    /// Past its expiry.
    Expired,
    /// No role lists the target.
    Absent,
    /// A role lists a target that it was not given: passed over, or the repository is refused.
    Foreign,
}

impl Client {
    /// Refreshes from `root` and what is kept in `state`, then downloads the targets.
    ///
    /// Accepted is an object of target and sha256.
    pub fn visit(self, store: &Path, root: &Path, state: &Path, targets: &[&str]) -> Verdict {
        let server = Server::start(store.to_owned());
        let url = server.url();
        let fixed: [OsString; 3] = [url.clone().into(), root.into(), state.into()];
        let script = fixed.into_iter().chain(targets.iter().map(OsString::from));
        match self {
            Client::PythonTuf => tools::python("tuf_client.py", script),
            Client::TufJs => tools::node("client.js", script),
            Client::Tuftool => tuftool(store, root, state, targets),
            Client::Relman => relman(&url, root, state, targets),
        }
    }

    /// Whether it keeps what it has seen from one visit to the next.
    pub fn remembers(self) -> bool {
        self != Client::Tuftool
    }

    /// The words of this client for a reason, any of which it may use.
    fn words(self, why: Why) -> &'static [&'static str] {
        match (self, why) {
            (Client::PythonTuf, Why::Signatures) => &["UnsignedMetadataError"],
            (Client::PythonTuf, Why::Twice) => &["DeserializationError"],
            (Client::PythonTuf, Why::Digest) => {
                &["LengthOrHashMismatchError", "DownloadLengthMismatchError"]
            }
            (Client::PythonTuf, Why::Version) => &["BadVersionNumberError"],
            (Client::PythonTuf, Why::Expired) => &["ExpiredMetadataError"],
            (Client::PythonTuf, Why::Absent) => &["Absent"],
            (Client::PythonTuf, Why::Foreign) => &["Absent"],
            (Client::TufJs, Why::Signatures) => &["was signed by"],
            (Client::TufJs, Why::Twice) => &["multiple signatures"],
            (Client::TufJs, Why::Digest) => &["Expected hash", "DownloadLengthMismatchError"],
            (Client::TufJs, Why::Version) => &["BadVersionError"],
            (Client::TufJs, Why::Expired) => &["expired"],
            (Client::TufJs, Why::Absent) => &["absent"],
            (Client::TufJs, Why::Foreign) => &["absent"],
            (Client::Tuftool, Why::Signatures) => &["threshold"],
            (Client::Tuftool, Why::Twice) => &["Duplicate key ID"],
            (Client::Tuftool, Why::Digest) => &["Hash mismatch", "exceeded"],
            (Client::Tuftool, Why::Version) => &["version"],
            (Client::Tuftool, Why::Expired) => &["expired"],
            (Client::Tuftool, Why::Absent) => &["not found"],
            (Client::Tuftool, Why::Foreign) => &["Invalid file permissions"],
            (Client::Relman, Why::Signatures) => &["signatures"],
            (Client::Relman, Why::Twice) => &["has signed twice"],
            (Client::Relman, Why::Digest) => &["listed is"],
            (Client::Relman, Why::Version) => &["version"],
            (Client::Relman, Why::Expired) => &["expired"],
            (Client::Relman, Why::Absent | Why::Foreign) => &["no role lists"],
        }
    }

    /// That it refused, for this reason and no other.
    #[track_caller]
    pub fn refuses(self, verdict: Verdict, why: Why, what: &str) {
        match verdict {
            Verdict::Accepted(seen) => panic!("{self:?} accepted {what}: {seen}"),
            Verdict::Refused(text) => {
                let words = self.words(why);
                let found = words.iter().any(|word| text.contains(word));
                assert!(
                    found,
                    "{self:?} refused {what}, wanted {why:?} ({words:?}): {text}"
                );
            }
        }
    }
}

/// `tuftool download` keeps nothing, and takes no directory that exists. It reads files, since over HTTP it
/// asks again and again for what is not there, such as the next root.
fn tuftool(store: &Path, root: &Path, state: &Path, targets: &[&str]) -> Verdict {
    let out = state.join("targets");
    if out.exists() {
        fs::remove_dir_all(&out).unwrap();
    }
    fs::create_dir_all(state).unwrap();
    let mut args: Vec<OsString> = vec!["download".into(), "--root".into(), root.into()];
    for (option, directory) in [("--metadata-url", "metadata"), ("--targets-url", "targets")] {
        let url = format!("file://{}", store.join(directory).display());
        args.extend([option.into(), url.into()]);
    }
    for name in targets {
        args.extend(["--target-name".into(), name.into()]);
    }
    args.push(out.clone().into());
    match tools::tuftool(args) {
        Ok(_) => Verdict::Accepted(digests(&out, targets, str::to_owned)),
        Err(why) => Verdict::Refused(why),
    }
}

/// Our client, from the one root of `state` on, or from `root` where there is none.
fn relman(url: &str, root: &Path, state: &Path, targets: &[&str]) -> Verdict {
    let [metadata, out] = ["metadata", "targets"].map(|name| state.join(name));
    for directory in [&metadata, &out] {
        fs::create_dir_all(directory).unwrap();
    }
    let with = |more: Vec<OsString>| {
        let fixed = ["--metadata-dir".into(), metadata.clone().into()];
        tools::example(fixed.into_iter().chain(more))
    };
    if !metadata.join("root.json").exists() {
        with(vec!["init".into(), root.into()]).expect("the root can be kept");
    }
    let mut args: Vec<OsString> = vec!["--metadata-url".into(), format!("{url}/metadata").into()];
    args.extend(["--target-dir".into(), out.clone().into()]);
    args.extend(["--target-base-url".into(), format!("{url}/targets").into()]);
    for name in targets {
        args.extend(["--target-name".into(), name.into()]);
    }
    args.push("download".into());
    match with(args) {
        Ok(_) => Verdict::Accepted(digests(&out, targets, |name| {
            format!("target-{}", encoded(name))
        })),
        Err(why) => Verdict::Refused(why),
    }
}

/// The digests of the targets that a client left in a directory.
fn digests(directory: &Path, targets: &[&str], file: impl Fn(&str) -> String) -> Value {
    let digest = |name: &&str| {
        let bytes = fs::read(directory.join(file(name))).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name.to_string(), Sha256::of(&bytes).hex().into())
    };
    Value::Object(targets.iter().map(digest).collect())
}

/// The versions in the metadata that a client keeps, by role.
pub fn versions(state: &Path) -> BTreeMap<String, u64> {
    let files = fs::read_dir(state.join("metadata")).unwrap();
    let version = |path: PathBuf| {
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let role = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (role, document["signed"]["version"].as_u64().unwrap())
    };
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(version)
        .collect()
}
