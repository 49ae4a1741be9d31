//! Room `io`: some files at a time on all cores, and how far they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::{parallel, process};
use crate::limits;

/// How often progress is told while a batch is under way.
const TICK: Duration = Duration::from_millis(100);

/// Who is told how many bytes of how many are done.
pub type Progress<'a> = &'a dyn Fn(u64, u64);

/// Counts bytes, and tells them.
pub(super) struct Worker<'a> {
    pub(super) meter: Arc<AtomicU64>,
    pub(super) total: u64,
    pub(super) progress: Progress<'a>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(total: u64, progress: Progress<'a>) -> Self {
        Worker {
            meter: Arc::default(),
            total,
            progress,
        }
    }

    fn tell(&self) {
        (self.progress)(self.meter.load(Ordering::Relaxed), self.total);
    }
}

/// Things to be done at the same time.
pub(super) struct Batch<'a, T>(pub(super) &'a [T]);

impl<T: Sync> Batch<'_, T> {
    /// Does `work` on each; the results are in the same order.
    ///
    /// # Errors
    /// One of those that `work` gave, with the others below it.
    pub(super) fn run<R: Send>(
        self,
        worker: &Worker<'_>,
        work: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let results = match self.0 {
            [] => return Ok(Vec::new()),
            [one] if worker.total < 1 << 20 => vec![work(one)],
            many => {
                let waiting = thread::current();
                let done = thread::scope(|scope| {
                    let work = &work;
                    let all = scope.spawn(move || {
                        let results = parallel::map(many, process::threads(), work);
                        waiting.unpark();
                        results
                    });
                    // Whoever draws progress is on this thread alone.
                    while !all.is_finished() {
                        thread::park_timeout(TICK);
                        worker.tell();
                    }
                    all.join()
                });
                done.map_err(|_| Error::bug("a thread that reads files died"))?
            }
        };
        let mut errors = Vec::new();
        let mut out = Vec::with_capacity(results.len());
        for result in results {
            match result {
                Ok(done) => out.push(done),
                Err(error) => errors.push(error),
            }
        }
        let mut errors = errors.into_iter().take(limits::MAX_NAMED);
        match errors.next() {
            None => Ok(out),
            Some(first) => Err(errors.fold(first, Error::caused_by)),
        }
    }
}
