//! Bench `release`: what this program does as a child of itself, so that a whole process can be
//! timed and its memory read.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use relman::hash::{Hasher, Sha256};
use relman::io::scratch::PrivateFiles;
use relman::io::store_local::LocalStore;
use relman::io::{clock, durable, process};
use relman::release::archive::{MemberPath, Sink};
use relman::release::verify::{SeenNothing, Subject, Unpacking, Verifier};
use relman::store::Reader;
use relman::trust::memory::Memory;
use relman::trust::state::{Clock, Expiry};

use crate::harness::{Outcome, peak_kib};

/// A build command: copies a file and writes down how long it took.
pub const COPY: &str = "copy";
/// Verifies a release and unpacks it.
pub const UNPACK: &str = "unpack";
/// Installs a release on a node; prints what relman says, and the peak of memory in KiB.
pub const INSTALL: &str = "install";
/// Hashes on `relman::hash`'s backend; prints milliseconds.
pub const HASH: &str = "hash";

/// Runs as a child.
pub fn run(args: &[&str]) -> Outcome<()> {
    match *args {
        [COPY, from, to, time] => copy(Path::new(from), Path::new(to), Path::new(time)),
        [UNPACK, store, root, tag, to, threads] => unpack(
            Path::new(store),
            Path::new(root),
            tag,
            Path::new(to),
            threads.parse()?,
        ),
        [INSTALL, tag, config] => {
            process::prepare();
            let code =
                relman::cli::main(["relman", "install", tag, "--config", config].map(Into::into));
            println!("{}", peak_kib()?);
            match code {
                0 => Ok(()),
                code => Err(format!("relman install exited with {code}").into()),
            }
        }
        [HASH, len] => {
            println!("{}", hash(len.parse()?));
            Ok(())
        }
        _ => Err(format!("no child does {args:?}").into()),
    }
}

fn copy(from: &Path, to: &Path, time: &Path) -> Outcome<()> {
    let began = Instant::now();
    if let Some(up) = to.parent() {
        fs::create_dir_all(up)?;
    }
    fs::copy(from, to)?;
    fs::write(time, format!("{}", began.elapsed().as_nanos()))?;
    Ok(())
}

/// Writes what is unpacked, as `tar x` does: no fsync.
struct Files {
    dir: PathBuf,
    file: Option<File>,
}

impl Sink for Files {
    fn begin(&mut self, path: &MemberPath, executable: bool, len: u64) -> relman::Result<()> {
        let path = self.dir.join(path.as_str());
        let made = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| {
                let mode = if executable { 0o755 } else { 0o644 };
                let mut options = OpenOptions::new();
                let file = options
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(&path)?;
                file.set_permissions(fs::Permissions::from_mode(mode))?;
                durable::reserve(&file, len)?;
                Ok(file)
            });
        self.file = Some(made.map_err(failed)?);
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> relman::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(failed),
            None => Err(relman::Error::bug("contents without a file")),
        }
    }

    fn end(&mut self, _sha256: Sha256) -> relman::Result<()> {
        self.file = None;
        Ok(())
    }
}

fn failed(e: std::io::Error) -> relman::Error {
    relman::Error::failed("cannot write what is unpacked").caused_by(e)
}

/// What an install does before it swaps: every check of a node, and the files, unpacked.
fn unpack(store: &Path, root: &Path, tag: &str, to: &Path, threads: usize) -> Outcome<()> {
    process::prepare();
    let store = LocalStore::new(store);
    let root = fs::read(root)?;
    let verifier = Verifier {
        store: &store,
        trusted_root: Some(&root),
        cache: &Memory::new(),
        seen: &SeenNothing(None),
        scratch: &PrivateFiles::in_dir(to),
        clock: Clock {
            now: clock::now(),
            expiry: Expiry::Enforce,
        },
        threads,
        stop_at_first: true,
    };
    let mut sink = Files {
        dir: to.join(tag),
        file: None,
    };
    let verdict = verifier.run(
        &Subject {
            tag,
            environment: "local",
            release: &store,
            archive: &|released| store.open(&released.archive_path()),
            unpacking: Unpacking::Members,
        },
        Some(&mut sink),
    );
    if verdict.release.is_none() {
        return Err(relman::ui::report::lines(&verdict.report).into());
    }
    println!("{}", peak_kib()?);
    Ok(())
}

/// Milliseconds to hash `len` bytes, in pieces of 256 KiB.
fn hash(len: usize) -> f64 {
    let piece = vec![0x5a; 256 * 1024];
    let began = Instant::now();
    let mut hasher = Hasher::new();
    for _ in 0..len / piece.len() {
        hasher.update(&piece);
    }
    std::hint::black_box(hasher.finish());
    began.elapsed().as_secs_f64() * 1000.0
}
