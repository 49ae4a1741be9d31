//! Bench `authority`: what this program does as a child of itself, so that a whole process can be
//! timed and its memory read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use relman::io::clock;
use relman::io::memory_of_node::DirCache;
use relman::io::store_http::HttpStore;
use relman::store::Reader;
use relman::trust::refresh::{Refreshed, StoreMetadata, refresh};
use relman::trust::state::{Clock, Expiry};

use crate::harness::{Outcome, peak_kib};

/// Refreshes, the delegated role included; prints ms of processor, ms in all, peak KiB.
pub const REFRESH: &str = "refresh";
/// Refreshes from nothing and downloads every target; prints peak KiB.
pub const DOWNLOAD: &str = "download";

/// Downloads at once: a server of static files answers several, and two cores can hash.
const CONNECTIONS: usize = 4;

/// Runs as a child.
pub fn run(args: &[&str]) -> Outcome<()> {
    match *args {
        [REFRESH, url, root, state] => {
            let began = Instant::now();
            with_refreshed(url, root, Path::new(state), |refreshed, _| {
                refreshed.role("mainnet")?;
                Ok(())
            })?;
            let wall = began.elapsed().as_secs_f64() * 1000.0;
            println!("{} {wall} {}", cpu_ms()?, peak_kib()?);
            Ok(())
        }
        [DOWNLOAD, url, root, to] => {
            let to = Path::new(to);
            let state = to.join("state");
            fs::create_dir_all(&state)?;
            with_refreshed(url, root, &state, |refreshed, store| {
                download(refreshed, store, to)
            })?;
            println!("{}", peak_kib()?);
            Ok(())
        }
        _ => Err(format!("no child does {args:?}").into()),
    }
}

fn with_refreshed<T>(
    url: &str,
    root: &str,
    state: &Path,
    work: impl FnOnce(&mut Refreshed, &HttpStore) -> Outcome<T>,
) -> Outcome<T> {
    let store = HttpStore::new(url)?;
    let (fetch, cache) = (StoreMetadata(&store), DirCache::new(state.to_owned()));
    let clock = Clock {
        now: clock::now(),
        expiry: Expiry::Enforce,
    };
    let mut refreshed = refresh(Some(&fs::read(root)?), &fetch, &cache, clock)?;
    work(&mut refreshed, &store)
}

fn download(refreshed: &Refreshed, store: &HttpStore, to: &Path) -> Outcome<()> {
    let targets: Vec<_> = refreshed.targets().targets.iter().collect();
    let next = AtomicUsize::new(0);
    let one = || -> relman::Result<()> {
        while let Some((name, target)) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            let file = target.consistent_name(name).unwrap_or_default();
            let mut stream = store
                .open(&format!("targets/{file}"))?
                .ok_or_else(|| relman::Error::failed(format!("{file} is missing")))?;
            let mut check = target.checker(name)?;
            let failed = |e: std::io::Error| relman::Error::failed(e.to_string());
            let mut out = File::create(to.join(name)).map_err(failed)?;
            let mut piece = vec![0; 65_536];
            loop {
                let n = stream.read(&mut piece).map_err(failed)?;
                if n == 0 {
                    break;
                }
                check.update(&piece[..n])?;
                out.write_all(&piece[..n]).map_err(failed)?;
            }
            check.finish()?;
        }
        Ok(())
    };
    thread::scope(|scope| -> Outcome<()> {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        for worker in workers {
            worker.join().map_err(|_| "a download panicked")??;
        }
        Ok(())
    })
}

/// Milliseconds that all threads of this process ran.
fn cpu_ms() -> Outcome<f64> {
    let mut ns = 0u64;
    for task in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        let ran = stat.split_whitespace().next().ok_or("an empty schedstat")?;
        ns += ran.parse::<u64>()?;
    }
    Ok(ns as f64 / 1e6)
}
