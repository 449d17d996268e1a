//! What an operator sees meanwhile: how long the admin address takes to answer, and how much memory the gateway holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::gateway::Gateway;

/// Between two looks.
const PACE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) slowest_answer: Duration,
    pub(crate) failed_answers: u32,
    pub(crate) peak_resident_kib: u64,
}

pub(crate) struct Watch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// Looks until it is asked what it saw.
pub(crate) fn begin(gateway: &Arc<Gateway>) -> Watch {
    let (stopped, gateway) = (Arc::new(AtomicBool::new(false)), Arc::clone(gateway));
    let stop = Arc::clone(&stopped);
    let thread = std::thread::spawn(move || {
        let mut seen = Seen::default();
        while !stop.load(Ordering::SeqCst) {
            for path in ["/healthz", "/metrics"] {
                let began = Instant::now();
                seen.failed_answers += u32::from(gateway.get(path).is_none_or(|(status, _)| status != 200));
                seen.slowest_answer = seen.slowest_answer.max(began.elapsed());
            }
            seen.peak_resident_kib = seen.peak_resident_kib.max(gateway.process.resident_kib());
            std::thread::sleep(PACE);
        }
        seen
    });
    Watch { stopped, thread }
}

impl Watch {
    pub(crate) fn end(self) -> Seen {
        self.stopped.store(true, Ordering::SeqCst);
        self.thread.join().expect("the watcher looked to the end")
    }
}
