//! The threads of a backend.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use fft_core::{Error, Result};
use smallvec::SmallVec;

/// Work of fewer units (about one nanosecond each) is not worth waking another thread for.
const WORTH_A_THREAD: usize = 40_000;
/// The same for work that starts on a thread of the pool, where nobody changes threads and the others may still be awake.
const WORTH_A_THREAD_INSIDE: usize = 10_000;

/// The most threads of a device: more than any machine has cores. Starting tens of thousands would take minutes.
const MOST: usize = 4096;

/// A pool of threads, or none when there is only one.
///
/// Kernels cut their work into tasks by size alone, never by the number of threads, so that results are the same bits for any
/// number.
#[derive(Debug)]
pub(crate) struct Threads {
    pool: Option<rayon::ThreadPool>,
    count: usize,
}

/// How one operation runs: inline, or on the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Team<'a> {
    pool: Option<&'a rayon::ThreadPool>,
    workers: usize,
}

impl Threads {
    /// `count` threads; by default as many as the machine runs at once.
    pub(crate) fn new(count: Option<usize>) -> Result<Self> {
        let count =
            count.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        if count == 0 {
            return Err(Error::invalid("fft_cpu::device", "threads", count, "must be at least 1"));
        }
        if count > MOST {
            return Err(Error::invalid(
                "fft_cpu::device",
                "threads",
                count,
                format!("must be at most {MOST}"),
            ));
        }
        if count == 1 {
            return Ok(Self::alone());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|i| format!("fft-cpu-{i}"))
            .build()
            .map_err(|e| Error::DeviceUnavailable { device: "cpu".to_owned(), reason: e.to_string() })?;
        Ok(Self { pool: Some(pool), count })
    }

    /// The calling thread alone.
    pub(crate) const fn alone() -> Self {
        Self { pool: None, count: 1 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Who does `tasks` tasks that take `work` units (about nanoseconds) in all.
    pub(crate) fn team(&self, tasks: usize, work: usize) -> Team<'_> {
        let alone = Team { pool: None, workers: 1 };
        let Some(pool) = self.pool.as_ref().filter(|_| tasks > 1 && work >= WORTH_A_THREAD_INSIDE) else {
            return alone;
        };
        let inside = pool.current_thread_index().is_some();
        if inside || work >= WORTH_A_THREAD {
            Team { pool: Some(pool), workers: self.count.min(tasks) }
        } else {
            alone
        }
    }

    /// Runs `work` on a thread of the pool, so that operations in it start without changing threads.
    pub(crate) fn scope(&self, work: &mut (dyn FnMut() + Send)) {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

impl Team<'_> {
    /// The number of different `worker` values that [`run`](Self::run) passes.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Calls `task(index, worker)` for each index below `tasks`; calls at the same time have different workers.
    ///
    /// A task must not wait for other tasks of the pool.
    pub(crate) fn run(&self, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        self.run_erased(tasks, &task);
    }

    /// As [`run`](Self::run), for tasks that may fail: returns the first error, after which no task is begun.
    pub(crate) fn try_run(
        &self,
        tasks: usize,
        task: impl Fn(usize, usize) -> Result<()> + Sync,
    ) -> Result<()> {
        let failed = OnceLock::new();
        self.run(tasks, |i, worker| {
            if failed.get().is_none()
                && let Err(error) = task(i, worker)
            {
                // Another task's error may be there already.
                let _ = failed.set(error);
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Compiled once, however many kinds of tasks there are.
    fn run_erased(&self, tasks: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        self.run_after(tasks, || (), |(), i, worker| task(i, worker));
    }

    /// Calls `first` on this thread, then `task(result, index, worker)` as [`run`](Self::run).
    ///
    /// The other threads are woken before `first` begins and watch for its end: waking takes microseconds, which is as long as a
    /// short transform. Neither `first` nor a task may wait for other tasks of the pool.
    pub(crate) fn run_after<T: Send + Sync>(
        &self,
        tasks: usize,
        first: impl FnOnce() -> T + Send,
        task: impl Fn(&T, usize, usize) + Sync,
    ) {
        let Some(pool) = self.pool else {
            let ready = first();
            return (0..tasks).for_each(|i| task(&ready, i, 0));
        };
        // Each begins with a share of its own, the same one each time, of which its caches may still hold something; who is done helps the others, so that
        // a thread that wakes late does less, and the last ones end together.
        let workers = self.workers.min(tasks).max(1);
        let share = |worker: usize| tasks * worker / workers;
        let next: SmallVec<[AtomicUsize; 16]> = (0..workers).map(|w| AtomicUsize::new(share(w))).collect();
        let work = |ready: &T, worker: usize| {
            for other in (worker..workers).chain(0..worker) {
                let end = share(other + 1);
                loop {
                    match next[other].fetch_add(1, Relaxed) {
                        i if i < end => task(ready, i, worker),
                        _ => break,
                    }
                }
            }
        };
        let announced = Announced(OnceLock::new());
        pool.install(|| {
            rayon::scope(|scope| {
                let (work, announced) = (&work, &announced);
                for worker in 1..workers {
                    scope.spawn(move |_| {
                        if let Some(ready) = announced.wait() {
                            work(ready, worker);
                        }
                    });
                }
                work(announced.announce(first), 0);
            });
        });
    }
}

/// A result that other threads wait for; `None` when making it panicked.
struct Announced<T>(OnceLock<Option<T>>);

impl<T> Announced<T> {
    fn announce(&self, make: impl FnOnce() -> T) -> &T {
        /// Lets the waiting threads go if `make` unwinds.
        struct Release<'a, T>(&'a OnceLock<Option<T>>);
        impl<T> Drop for Release<'_, T> {
            fn drop(&mut self) {
                // Fails when the result is there, which is as it should be.
                let _ = self.0.set(None);
            }
        }
        let release = Release(&self.0);
        let made = make();
        let _ = release.0.set(Some(made));
        self.0.get().and_then(Option::as_ref).expect("it was just set")
    }

    fn wait(&self) -> Option<&T> {
        let mut looks = 0u32;
        loop {
            if let Some(ready) = self.0.get() {
                return ready.as_ref();
            }
            looks += 1;
            // On a machine with fewer free cores than threads the maker needs this one.
            if looks.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_follow_the_first() {
        for count in [1, 2, 5] {
            let threads = Threads::new(Some(count)).unwrap();
            for tasks in [0, 1, 2, 3, 100] {
                let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                let team = Team { pool: threads.pool.as_ref(), workers: count };
                team.run_after(
                    tasks,
                    || 7,
                    |ready, i, worker| {
                        assert!(worker < count);
                        done[i].fetch_add(*ready, Relaxed);
                    },
                );
                assert!(done.iter().all(|d| d.load(Relaxed) == 7), "{count} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn a_panic_of_the_first_releases_the_others() {
        let threads = Threads::new(Some(3)).unwrap();
        let team = Team { pool: threads.pool.as_ref(), workers: 3 };
        let run = || team.run_after(9, || panic!("on purpose"), |(), _, _| ());
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        team.run_after(9, || (), |(), _, _| ());
    }
}
