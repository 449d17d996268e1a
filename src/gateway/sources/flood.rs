//! Records of what happens without end while somebody floods: the first at once, the rest as a sum each second.
//!
//! Whoever refuses never waits for a record. Metrics count each; nothing is left out of the sums.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::shared::Shared;
use crate::audit::{self, Full, Record};
use crate::identity::Network;

/// How long things are summed.
const SUMMED: Duration = Duration::from_secs(1);

/// Sources that are told apart in that time. Of the others it is summed what happened, not where from.
const MAX_SOURCES: usize = 1024;

/// What happened, as the record of a sum has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct Happened {
    /// The event.
    pub(in crate::gateway) event: &'static str,
    /// Where clients dialled.
    pub(in crate::gateway) listener: Arc<str>,
    /// Why.
    pub(in crate::gateway) reason: &'static str,
}

impl Happened {
    /// A connection was refused before anything of it was read.
    pub(in crate::gateway) fn not_accepted(listener: &Arc<str>, reason: &'static str) -> Self {
        Self { event: audit::NOT_ACCEPTED, listener: Arc::clone(listener), reason }
    }

    /// A handshake failed.
    pub(in crate::gateway) fn handshake_failed(listener: &Arc<str>, reason: &'static str) -> Self {
        Self { event: audit::HANDSHAKE_FAILED, listener: Arc::clone(listener), reason }
    }
}

/// What has happened lately, and how often since it was told.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Flood(Mutex<HashMap<(Happened, Option<Network>), u64>>);

impl Flood {
    /// Whether it is to be told at once. If not, it is counted.
    pub(in crate::gateway) fn is_first(&self, what: Happened, from: IpAddr) -> bool {
        self.note(what, from, 0)
    }

    /// Has it told with the next sum.
    fn count(&self, what: Happened, from: IpAddr) {
        self.note(what, from, 1);
    }

    fn note(&self, what: Happened, from: IpAddr, as_first: u64) -> bool {
        let mut sums = self.lock();
        let has_room = sums.len() < MAX_SOURCES;
        let key = (what, Some(Network::of(from)));
        if let Some(more) = sums.get_mut(&key) {
            *more += 1;
            return false;
        }
        if has_room {
            sums.insert(key, as_first);
            return true;
        }
        // As many as there are listeners and reasons.
        *sums.entry((key.0, None)).or_default() += 1;
        false
    }

    /// What there is to be told. Of what goes on the next is no first one.
    fn take(&self) -> Vec<(Happened, Option<Network>, u64)> {
        let mut sums = self.lock();
        sums.retain(|_, more| *more > 0);
        let told = sums.iter_mut().map(|((what, from), more)| (what.clone(), *from, std::mem::take(more)));
        told.collect()
    }

    /// A sum is whole after each statement, so one left by a panic is still right.
    fn lock(&self) -> MutexGuard<'_, HashMap<(Happened, Option<Network>), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// A connection was refused at accept: tells it without waiting for anything.
    pub(in crate::gateway) fn not_accepted(&self, listener: &Arc<str>, peer: SocketAddr, reason: &'static str) {
        let what = Happened::not_accepted(listener, reason);
        if !self.flood.is_first(what.clone(), peer.ip()) {
            return;
        }
        let record = audit::not_accepted(listener, peer, reason, SystemTime::now());
        if let Err(Full(_)) = self.audit.try_send(record) {
            self.flood.count(what, peer.ip());
        }
    }

    /// Writes what is summed so far, and waits for room where there is none.
    async fn write_sums(&self) {
        for record in self.sums(SystemTime::now()) {
            self.audit.send(record).await;
        }
    }

    fn sums(&self, now: SystemTime) -> Vec<Record> {
        let record = |(what, from, count): (Happened, Option<Network>, u64)| {
            let Happened { event, listener, reason } = what;
            audit::summed(event, &listener, from, reason, count, now)
        };
        self.flood.take().into_iter().map(record).collect()
    }
}

/// Writes sums each second, until it is to stop, and then once more. Dropped while it waits for room, it would lose some.
pub(in crate::gateway) async fn write_sums(shared: Arc<Shared>, mut stop: oneshot::Receiver<()>) {
    loop {
        let is_over = timeout(SUMMED, &mut stop).await.is_ok();
        shared.write_sums().await;
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(listener: &str) -> Happened {
        Happened::not_accepted(&listener.into(), "banned")
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_as_a_sum_until_it_has_been_quiet() {
        let flood = Flood::default();
        assert!(flood.is_first(at("field"), address(1)));
        assert!(!flood.is_first(at("field"), address(1)));
        assert!(!flood.is_first(at("field"), address(1)));
        assert!(flood.is_first(at("field"), address(2)) && flood.is_first(at("office"), address(1)));
        assert_eq!(flood.take(), [(at("field"), Some(Network::V4(1)), 2)]);
        assert!(!flood.is_first(at("field"), address(1)), "it goes on");
        assert!(flood.is_first(at("field"), address(2)), "it has been quiet");
        assert_eq!(flood.take(), [(at("field"), Some(Network::V4(1)), 1)]);
        assert_eq!(flood.take(), []);
        assert!(flood.is_first(at("field"), address(1)));
    }

    #[test]
    fn a_flood_from_everywhere_takes_bounded_room_and_none_is_left_out() {
        let flood = Flood::default();
        let first = (0..100_000).filter(|number| flood.is_first(at("field"), address(*number))).count();
        assert!(first <= MAX_SOURCES && flood.lock().len() <= MAX_SOURCES + 1);
        let summed: u64 = flood.take().into_iter().map(|(_, _, count)| count).sum();
        assert_eq!(u64::try_from(first).unwrap() + summed, 100_000);
    }

    #[test]
    fn what_found_no_room_in_the_queue_is_in_the_next_sum() {
        let flood = Flood::default();
        assert!(flood.is_first(at("field"), address(1)));
        flood.count(at("field"), address(1));
        assert_eq!(flood.take(), [(at("field"), Some(Network::V4(1)), 1)]);
    }
}
