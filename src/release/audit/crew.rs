//! Work on numbered pieces by several threads, the results one after the other in their order. What is
//! under way is bounded, so memory does not grow with the number of pieces. Pure.

use std::sync::mpsc::sync_channel;
use std::thread;

/// Results that wait for each thread's turn.
const WAITING: usize = 4;

/// Does `work` on every number from `first` up to, not including, `end`, on `threads` threads; `take`
/// gets the results in order, on this one, and says whether to go on.
pub fn in_order<R: Send>(
    first: u64,
    end: u64,
    threads: usize,
    work: impl Fn(u64) -> R + Sync,
    mut take: impl FnMut(u64, R) -> bool,
) {
    let crew = threads.max(1).min(end.saturating_sub(first) as usize);
    if crew <= 1 {
        let _ = (first..end).all(|at| take(at, work(at)));
        return;
    }
    thread::scope(|scope| {
        let work = &work;
        let hands: Vec<_> = (first..)
            .take(crew)
            .map(|start| {
                let (give, results) = sync_channel(WAITING);
                scope.spawn(move || {
                    // Nobody takes any more: the rest is not wanted.
                    let _ = (start..end)
                        .step_by(crew)
                        .all(|at| give.send(work(at)).is_ok());
                });
                results
            })
            .collect();
        for (at, results) in (first..end).zip(hands.iter().cycle()) {
            // A thread that is gone has panicked, which the end of the scope tells.
            if !results.recv().is_ok_and(|result| take(at, result)) {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_once_each_and_no_more_than_are_wanted() {
        for (first, end, threads) in [(0, 0, 3), (5, 6, 4), (3, 100, 1), (0, 1_000, 3), (7, 9, 8)] {
            let mut seen = Vec::new();
            in_order(
                first,
                end,
                threads,
                |n| n * n,
                |at, square| {
                    assert_eq!(square, at * at);
                    seen.push(at);
                    true
                },
            );
            assert_eq!(seen, (first..end).collect::<Vec<_>>());
        }
        let mut taken = 0;
        in_order(
            0,
            1_000_000,
            4,
            |n| n,
            |at, _| {
                taken += 1;
                at < 9
            },
        );
        assert_eq!(taken, 10);
    }
}
