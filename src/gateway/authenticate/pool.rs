//! Threads for password checks, which take milliseconds and megabytes on purpose: never the threads that relay.
//!
//! A bounded queue with a line for each address that clients come from. Lines take turns, so that a flood from one
//! address makes itself wait, and not everybody.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// How far the threads step back behind those that relay, where a core has work for both (nice(2)).
const NICE: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end when it is dropped.
pub(in crate::gateway) struct Pool {
    common: Arc<Common>,
    max_queue: usize,
}

/// The queue has no room for one more of that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Default)]
struct Common {
    queue: Mutex<Queue>,
    filled: Condvar,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    lines: HashMap<IpAddr, VecDeque<Job>>,
    /// Whose turn it is; each address that has a line, once.
    turns: VecDeque<IpAddr>,
    closed: bool,
}

impl Pool {
    /// Starts `workers` threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(in crate::gateway) fn start(workers: usize, max_queue: usize) -> io::Result<Self> {
        let pool = Self { common: Arc::default(), max_queue };
        for number in 0..workers {
            let common = Arc::clone(&pool.common);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || common.work())?;
        }
        Ok(pool)
    }

    /// Has `work` done for a client that comes from there. What is no longer awaited is not done.
    ///
    /// # Errors
    /// The queue is full, or that address has half of it.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        from: IpAddr,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Full> {
        let (answer, awaited) = oneshot::channel();
        let job = Box::new(move || {
            if !answer.is_closed() {
                // Nobody waits any longer if this fails.
                let _ = answer.send(work());
            }
        });
        lock(&self.common.queue).push(line(from), job, &self.common.waiting, self.max_queue)?;
        self.common.filled.notify_one();
        Ok(awaited)
    }

    /// How many checks wait.
    pub(in crate::gateway) fn waiting(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let common = Arc::clone(&self.common);
        move || common.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.common.queue).closed = true;
        self.common.filled.notify_all();
    }
}

impl Queue {
    fn push(&mut self, from: IpAddr, job: Job, waiting: &AtomicUsize, max_queue: usize) -> Result<(), Full> {
        let own = self.lines.get(&from).map_or(0, VecDeque::len);
        if waiting.load(Ordering::Relaxed) >= max_queue || own >= max_queue.div_ceil(2) {
            return Err(Full);
        }
        if own == 0 {
            self.turns.push_back(from);
        }
        self.lines.entry(from).or_default().push_back(job);
        waiting.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn pop(&mut self, waiting: &AtomicUsize) -> Option<Job> {
        let from = self.turns.pop_front()?;
        let line = self.lines.get_mut(&from)?;
        let job = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&from);
        } else {
            self.turns.push_back(from);
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
        job
    }
}

impl Common {
    fn work(&self) {
        // Of this thread alone, on Linux; elsewhere they compete as equals.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICE);
        while let Some(job) = self.next() {
            // INVARIANT: a check that panics ends with its client refused, and takes no thread with it.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; none when the pool is gone.
    fn next(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.pop(&self.waiting) {
                return Some(job);
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Which line a client stands in: an IPv6 network has as many addresses as it likes.
fn line(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn address(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    /// A pool of one thread, which does nothing until the gate is dropped.
    fn held(max_queue: usize) -> (Pool, mpsc::Sender<()>) {
        let pool = Pool::start(1, max_queue).unwrap();
        let (gate, open) = mpsc::channel::<()>();
        let (begun, wait) = mpsc::channel();
        let hold = move || {
            begun.send(()).unwrap();
            let _ = open.recv();
        };
        let awaited = pool.submit(address(0), hold).unwrap();
        wait.recv_timeout(PATIENCE).unwrap();
        drop(awaited);
        (pool, gate)
    }

    #[test]
    fn a_flood_from_one_address_makes_itself_wait_alone() {
        let (pool, gate) = held(100);
        let (done, order) = mpsc::channel();
        let mut awaited = Vec::new();
        for number in [1, 1, 1, 1, 2, 3, 1, 2] {
            let done = done.clone();
            awaited.push(pool.submit(address(number), move || done.send(number).unwrap()).unwrap());
        }
        assert_eq!(pool.waiting()(), 8);
        drop(gate);
        let order: Vec<u8> = (0..8).map(|_| order.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 1, 1, 1]);
        assert_eq!(pool.waiting()(), 0);
    }

    #[test]
    fn the_queue_is_bounded_and_one_address_gets_half_of_it_at_most() {
        let (pool, gate) = held(4);
        let mut awaited = Vec::new();
        for (number, expected) in [(1, true), (1, true), (1, false), (2, true), (3, true), (4, false)] {
            let submitted = pool.submit(address(number), || ());
            assert_eq!(submitted.is_ok(), expected, "{number}");
            awaited.extend(submitted);
        }
        drop(gate);
        for answer in awaited {
            answer.blocking_recv().unwrap();
        }
    }

    #[test]
    fn what_nobody_awaits_is_not_done_and_a_panic_costs_one_answer() {
        let (pool, gate) = held(10);
        let (done, order) = mpsc::channel();
        let given_up = done.clone();
        drop(pool.submit(address(1), move || given_up.send("given up").unwrap()).unwrap());
        let broken = pool.submit(address(1), || panic!("a check that panics")).unwrap();
        let awaited = pool.submit(address(1), move || done.send("awaited").unwrap()).unwrap();
        drop(gate);
        awaited.blocking_recv().unwrap();
        broken.blocking_recv().unwrap_err();
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["awaited"]);
    }

    #[test]
    fn an_ipv6_network_stands_in_one_line() {
        let of = |text: &str| line(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
