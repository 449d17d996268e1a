//! How near the process is to the end of its memory and its descriptors, and what it does without then.
//!
//! One task looks four times a second at three things: resident memory against `limits.max_memory_bytes`, what connections
//! buffer against `limits.max_buffered_total_bytes`, and descriptors against what the system permits. The one of which
//! there is least left sets the [`Level`]: first new connections are turned away, strangers before addresses that are known
//! good, then what clients of low priority send waits. Clients of priority `vital` are served to the end. Not here: the
//! bound on buffers itself (`buffered.rs`), and the counts of connections (`admission.rs`). Read [`Pressure`] first.

mod level;
mod machine;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustix::process::{Resource as Limited, getrlimit};
use tokio::sync::watch;

pub(super) use level::Level;

use super::admission::Process;
use super::shared::{Shared, Word};
use crate::audit::{self, Full, Record};
use crate::metrics::process;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Descriptors that no client's connection may take: for the admin address, files, and connections of the gateway's own.
const RESERVE: u64 = 64;

/// Where there are few, no more than this part of them.
const RESERVE_SHARE: u64 = 8;

/// The client's and the broker's.
const PER_CONNECTION: u64 = 2;

/// What a connection holds beside its buffers, at least.
const CONNECTION_BYTES: u64 = 8 << 10;

/// Changes that may wait to be recorded.
const MAX_WAITING: usize = 64;

/// What there may be too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Resource {
    Memory,
    Buffers,
    Descriptors,
}

impl Resource {
    const ALL: [Self; 3] = [Self::Memory, Self::Buffers, Self::Descriptors];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Buffers => "buffers",
            Self::Descriptors => "descriptors",
        }
    }
}

/// What is known of it, for all who ask.
#[derive(Debug)]
pub(super) struct Pressure {
    level: AtomicU8,
    /// Of which there is least left.
    scarce: AtomicU8,
    max_memory_bytes: AtomicU64,
    max_descriptors: u64,
    /// Connections for which there are descriptors.
    room: AtomicUsize,
    /// Connections turned away, by what there was too little of.
    shed: [AtomicU64; 3],
}

/// The moment at which connections held most, and from which on it is known what they have let go of.
///
/// What is let go of mostly stays with the allocator, for the next who asks. It is resident, and no longer used: without
/// this, one flood would leave the gateway short of memory for good.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    resident: u64,
    held: u64,
}

/// How much is used, in thousandths of what there is.
#[derive(Clone, Copy, Debug)]
struct Used([u32; 3]);

/// Another level than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    before: Level,
    level: Level,
    scarce: Resource,
    used: u32,
}

impl Pressure {
    pub(super) fn new(max_memory_bytes: Option<usize>) -> Self {
        let pressure = Self {
            level: AtomicU8::default(),
            scarce: AtomicU8::default(),
            max_memory_bytes: AtomicU64::default(),
            max_descriptors: getrlimit(Limited::Nofile).current.unwrap_or(u64::MAX),
            room: AtomicUsize::new(usize::MAX),
            shed: Default::default(),
        };
        pressure.rebound(max_memory_bytes);
        pressure
    }

    /// Another bound from now on; without one, what suits the machine.
    pub(super) fn rebound(&self, max_memory_bytes: Option<usize>) {
        let said = max_memory_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = said.or_else(machine::memory_budget).unwrap_or(u64::MAX);
        self.max_memory_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn max_memory_bytes(&self) -> u64 {
        self.max_memory_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn level(&self) -> Level {
        Level::of(self.level.load(Ordering::Relaxed))
    }

    /// Whether there is room for a connection beside those that are open.
    pub(super) fn admits(&self, open: usize, is_known_good: impl FnOnce() -> bool) -> bool {
        if open >= self.room.load(Ordering::Relaxed) {
            return self.shed(Resource::Descriptors);
        }
        let level = self.level();
        if level == Level::Normal || (level == Level::Shedding && is_known_good()) {
            return true;
        }
        let scarce = usize::from(self.scarce.load(Ordering::Relaxed));
        self.shed(Resource::ALL.get(scarce).copied().unwrap_or(Resource::Memory))
    }

    fn shed(&self, scarce: Resource) -> bool {
        if let Some(count) = self.shed.get(scarce as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        false
    }

    /// Connections turned away, by what there was too little of.
    pub(super) fn shed_by_resource(&self) -> Vec<(&'static str, u64)> {
        let counts = Resource::ALL.iter().zip(&self.shed);
        counts.map(|(resource, count)| (resource.label(), count.load(Ordering::Relaxed))).collect()
    }

    /// Descriptors that connections may take, when so many are taken by anything else.
    fn descriptors_for_connections(&self, others: u64) -> u64 {
        let reserve = RESERVE.min(self.max_descriptors / RESERVE_SHARE);
        self.max_descriptors.saturating_sub(reserve).saturating_sub(others)
    }

    /// Goes by what was read; tells of another level.
    fn weigh(&self, used: Used) -> Option<Change> {
        let (used, scarce) = used.worst();
        let before = self.level();
        let level = before.after(used);
        self.scarce.store(scarce as u8, Ordering::Relaxed);
        self.level.store(level as u8, Ordering::Relaxed);
        (level != before).then_some(Change { before, level, scarce, used })
    }
}

impl Used {
    /// What sets the level. Clients that wait give no descriptor back, so descriptors alone only keep strangers out; the
    /// bound on them holds for everybody.
    fn worst(self) -> (u32, Resource) {
        let Self([memory, buffers, descriptors]) = self;
        let descriptors = descriptors.min(Level::Closed.begins() - 1);
        let all = [(memory, Resource::Memory), (buffers, Resource::Buffers), (descriptors, Resource::Descriptors)];
        all.into_iter().max_by_key(|(used, _)| *used).unwrap_or((0, Resource::Memory))
    }
}

impl Peak {
    /// Bytes of the resident ones that are free for others: half of what connections have let go of, less what was given
    /// back to the system, or had to be asked of it all the same.
    fn reusable(&mut self, resident: u64, held: u64) -> u64 {
        let let_go = self.held.saturating_sub(held) / 2;
        let reusable = let_go.saturating_sub(resident.abs_diff(self.resident));
        if reusable == 0 {
            *self = Self { resident, held };
        }
        reusable
    }
}

fn thousandths(part: u64, whole: u64) -> u32 {
    let share = u128::from(part) * 1000 / u128::from(whole.max(1));
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// Looks, as long as the gateway runs.
pub(super) async fn watch(shared: Arc<Shared>, connections: Arc<Process>, words: Arc<watch::Sender<Word>>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Before there are connections, all that is open is something else.
    let least = process::open_descriptors().unwrap_or_default();
    let (mut waiting, mut peak) = (VecDeque::new(), Peak::default());
    loop {
        tick.tick().await;
        let used = look(&shared, &connections, least, &mut peak);
        if let Some(change) = shared.pressure.weigh(used) {
            tell(change);
            words.send_modify(|word| word.level = change.level);
            let Change { before, level, scarce, used } = change;
            let levels = (level.label(), before.label());
            waiting.push_back(audit::pressure(levels, scarce.label(), used / 10, SystemTime::now()));
            waiting.truncate(MAX_WAITING);
        }
        offer(&mut waiting, &shared.audit);
    }
}

fn look(shared: &Shared, connections: &Process, least: u64, peak: &mut Peak) -> Used {
    let pressure = &shared.pressure;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let (open, half_open) = connections.counts();
    let of_connections = PER_CONNECTION.saturating_mul(count(open));
    let dialled = of_connections.saturating_sub(count(half_open));
    let others = process::open_descriptors().unwrap_or_default().saturating_sub(dialled).max(least);
    let descriptors = pressure.descriptors_for_connections(others);
    pressure.room.store(usize::try_from(descriptors / PER_CONNECTION).unwrap_or(usize::MAX), Ordering::Relaxed);
    let (resident, buffered) = (process::resident_bytes().unwrap_or_default(), count(shared.buffered.bytes()));
    let held = buffered.saturating_add(CONNECTION_BYTES.saturating_mul(count(open)));
    Used([
        thousandths(resident.saturating_sub(peak.reusable(resident, held)), pressure.max_memory_bytes()),
        thousandths(buffered, count(shared.buffered.max_bytes())),
        thousandths(of_connections, descriptors),
    ])
}

fn tell(change: Change) {
    let Change { before, level, scarce, used } = change;
    let (before, scarce, percent) = (before.label(), scarce.label(), used / 10);
    if level == Level::Normal {
        tracing::info!(before, "enough of everything again");
    } else {
        tracing::warn!(level = level.label(), before, scarce, percent, "short of resources");
    }
}

/// Never waits: a queue without room is looked at again.
fn offer(waiting: &mut VecDeque<Record>, audit: &audit::Sink) {
    while let Some(record) = waiting.pop_front() {
        if let Err(Full(record)) = audit.try_send(record) {
            waiting.push_front(record);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure(max_descriptors: u64) -> Pressure {
        Pressure { max_descriptors, ..Pressure::new(Some(1000)) }
    }

    #[test]
    fn strangers_are_turned_away_before_addresses_that_are_known() {
        for (used, known, strangers, scarce) in [
            ([849, 0, 0], true, true, None),
            ([850, 0, 0], true, false, Some("memory")),
            ([0, 899, 0], true, false, Some("buffers")),
            ([0, 0, 900], true, false, Some("descriptors")),
            ([0, 0, 2000], true, false, Some("descriptors")),
            ([0, 900, 0], false, false, Some("buffers")),
            ([1000, 900, 0], false, false, Some("memory")),
        ] {
            let pressure = pressure(1 << 20);
            pressure.weigh(Used(used));
            assert_eq!(pressure.admits(0, || true), known, "{used:?}");
            assert_eq!(pressure.admits(0, || false), strangers, "{used:?}");
            let shed: Vec<_> = pressure.shed_by_resource().into_iter().filter(|(_, count)| *count > 0).collect();
            let times = u64::from(!known) + u64::from(!strangers);
            assert_eq!(shed, scarce.map(|scarce| (scarce, times)).as_slice());
        }
    }

    #[test]
    fn a_change_of_level_is_told_once() {
        let pressure = pressure(1 << 20);
        assert_eq!(pressure.weigh(Used([100, 200, 300])), None);
        let change = Change { before: Level::Normal, level: Level::Throttling, scarce: Resource::Buffers, used: 930 };
        assert_eq!(pressure.weigh(Used([100, 930, 300])), Some(change));
        assert_eq!(pressure.weigh(Used([100, 935, 300])), None);
        let change = Change { before: Level::Throttling, level: Level::Normal, scarce: Resource::Memory, used: 400 };
        assert_eq!(pressure.weigh(Used([400, 100, 300])), Some(change));
    }

    #[test]
    fn descriptors_are_kept_back_for_what_is_not_a_clients() {
        for (all, others, for_connections) in [
            (1024, 30, 930),
            (524_288, 30, 524_194),
            (96, 20, 64),
            (96, 90, 0),
            (0, 5, 0),
            (u64::MAX, 1, u64::MAX - 65),
        ] {
            assert_eq!(pressure(all).descriptors_for_connections(others), for_connections, "{all} {others}");
        }
        let pressure = pressure(100);
        pressure.room.store(3, Ordering::Relaxed);
        assert!(pressure.admits(2, || false) && !pressure.admits(3, || true), "known good or not");
        assert_eq!(pressure.shed_by_resource(), [("memory", 0), ("buffers", 0), ("descriptors", 1)]);
    }

    #[test]
    fn what_a_flood_leaves_resident_is_not_taken_for_used() {
        let mut peak = Peak::default();
        for (resident, held, reusable, what) in [
            (100, 0, 0, "at first"),
            (900, 700, 0, "a flood"),
            (900, 100, 300, "it is over, and nothing is given back"),
            (900, 500, 100, "others come"),
            (900, 100, 300, "and go"),
            (800, 100, 200, "some is given back"),
            (900, 700, 0, "another flood needs no more"),
            (1000, 100, 200, "what grew beside it did not use what was free"),
            (1200, 100, 0, "nor did this: nothing is free"),
            (1200, 0, 50, "reckoned anew from there"),
        ] {
            assert_eq!(peak.reusable(resident, held), reusable, "{what}");
        }
    }

    #[test]
    fn shares_do_not_overflow() {
        assert_eq!(thousandths(u64::MAX, u64::MAX), 1000);
        assert_eq!(thousandths(u64::MAX, 0), u32::MAX);
        assert_eq!(thousandths(5, 10), 500);
    }
}
