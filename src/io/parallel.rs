//! Room `io`: one kind of work on many things at once, where waiting for the disk or for several
//! cores pays.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` on each item, on at most `threads` threads; the results come in the items' order.
/// One item alone is done on this thread.
pub fn map<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let serve = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            let result = work(item);
            // Nothing panics while it holds the lock, so what it guards is whole.
            let mut results = results.lock().unwrap_or_else(|e| e.into_inner());
            results.push((at, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(serve);
        }
        serve();
    });
    let mut results = results.into_inner().unwrap_or_else(|e| e.into_inner());
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_in_its_place() {
        for (count, threads) in [(0, 4), (1, 4), (7, 1), (100, 3), (3, 100), (5, 0)] {
            let items: Vec<usize> = (0..count).collect();
            let done = map(&items, threads, |n| n * n);
            assert_eq!(done, items.iter().map(|n| n * n).collect::<Vec<_>>());
        }
    }
}
