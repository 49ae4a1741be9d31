//! The client that theupdateframework/tuf-conformance tests (its CLIENT-CLI.md), on this crate's public
//! API and nothing else. How to run the suite: `docs/conformance.md`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use relman::error::Context;
use relman::io::clock;
use relman::io::durable::{open_file, read_required, rename};
use relman::io::memory_of_node::DirCache;
use relman::io::store_http::HttpStore;
use relman::limits::MAX_ROOT_LEN;
use relman::store::Reader;
use relman::trust::meta::Check;
use relman::trust::refresh::{Cache, encoded, refresh};
use relman::trust::{Clock, Expiry, TargetFile};
use relman::{Error, Result};

const USAGE: &str = "\
usage: tuf_conformance --metadata-dir DIR init ROOT
       tuf_conformance --metadata-dir DIR --metadata-url URL refresh
       tuf_conformance --metadata-dir DIR --metadata-url URL --target-dir DIR \\
           --target-base-url URL --target-name NAME [--target-name NAME …] download";
/// Bytes read at a time.
const BLOCK: usize = 65_536;

fn main() -> ExitCode {
    let done = Arguments::read(std::env::args().skip(1)).and_then(|arguments| arguments.run());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Arguments {
    metadata_dir: String,
    metadata_url: String,
    target_dir: String,
    target_url: String,
    target_names: Vec<String>,
    words: Vec<String>,
}

impl Arguments {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut out = Arguments::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| Error::usage(USAGE));
            match arg.as_str() {
                "--metadata-dir" => out.metadata_dir = value()?,
                "--metadata-url" => out.metadata_url = value()?,
                "--target-dir" => out.target_dir = value()?,
                "--target-base-url" => out.target_url = value()?,
                "--target-name" => out.target_names.push(value()?),
                option if option.starts_with("--") => return Err(Error::usage(USAGE)),
                _ => out.words.push(arg),
            }
        }
        Ok(out)
    }

    fn run(&self) -> Result<()> {
        let cache = DirCache::new(&self.metadata_dir);
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words[..] {
            ["init", root] => {
                let root = read_required(Path::new(root), MAX_ROOT_LEN)?;
                cache.save("root.json", &root)
            }
            ["refresh" | "download"] => self.refresh(&cache),
            _ => Err(Error::usage(USAGE)),
        }
    }

    /// Refreshes, then downloads the targets that were named, in order, from what was refreshed.
    fn refresh(&self, cache: &DirCache) -> Result<()> {
        let metadata = HttpStore::new(&self.metadata_url)?;
        let clock = Clock {
            now: clock::now(),
            expiry: Expiry::Enforce,
        };
        let mut view = refresh(None, &metadata, cache, clock)?;
        for name in &self.target_names {
            let found = view
                .target(name)?
                .ok_or_else(|| Error::refused(format!("no role lists target {name:?}")))?;
            let remote = match view.root().consistent_snapshot {
                true => found.target.consistent_name(name),
                false => Some(name.clone()),
            };
            let remote = remote.ok_or_else(|| Error::refused("a target without a hash"))?;
            self.download(name, &found.target, &remote)?;
        }
        Ok(())
    }

    fn download(&self, name: &str, target: &TargetFile, remote: &str) -> Result<()> {
        // A prefix, since the names `.` and `..` are not changed by encoding.
        let file = format!("target-{}", encoded(name));
        let path = PathBuf::from(&self.target_dir).join(file);
        let check = target.checker(name)?;
        if let Some(mut old) = open_file(&path)?
            && copy_checked(&mut old, target.checker(name)?, &mut std::io::sink()).is_ok()
        {
            return Ok(());
        }
        let mut body = HttpStore::new(&self.target_url)?
            .open(remote)?
            .ok_or_else(|| Error::failed(format!("the repository has no {remote}")))?;
        let part = PathBuf::from(&self.target_dir).join("unfinished");
        let mut out = File::create(&part).or_failed(|| format!("cannot create {part:?}"))?;
        let copied = copy_checked(&mut body, check, &mut out)
            .and_then(|()| out.sync_all().or_failed(|| format!("cannot sync {part:?}")))
            .and_then(|()| rename(&part, &path));
        if copied.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        copied
    }
}

/// Copies until the end, or until there are more bytes than listed; length and every listed hash
/// must be right.
fn copy_checked(from: &mut dyn Read, mut check: Check, to: &mut dyn Write) -> Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        let count = from
            .read(&mut block)
            .or_failed(|| "cannot read the target".into())?;
        if count == 0 {
            return Ok(check.finish()?);
        }
        check.update(&block[..count])?;
        to.write_all(&block[..count])
            .or_failed(|| "cannot write the target".into())?;
    }
}
