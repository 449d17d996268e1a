//! What no single connection shows: clients that come and go too fast, drive one another out, leave Wills behind, guess.
//!
//! What is done too often is counted in buckets of the `store`, by who a client is (`identity`), so neither another
//! connection nor a reload resets anything. Not here: what a connection does once it is let in (`enforce`), and who is
//! kept from dialling (`admission`, bans of the `store`). Read [`Detectors::judge`] first, then [`Guest::leave`].

mod guesses;
mod limits;
mod offences;
mod present;
mod tally;
mod tarpit;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use crate::config::Protection;
use crate::enforce::end::{Blame, Cause, End};
use crate::identity::{Identity, Network, Who};
use crate::metrics::{Detector, Metrics};
use crate::policy::Key;
use crate::store::Store;
pub(super) use limits::Limits;
pub(super) use offences::{is_guess, of_end, of_handshake};
use present::Present;
use tally::Tally;
use tarpit::Tarpit;

/// How much more than one client all may do together that are the same by who they are. Whoever chooses another Client
/// Identifier each time meets this; a plant that shares one user name, or one address and no names, does not.
const TOGETHER: u64 = 100;

/// How often more than one of them all may take over one Client Identifier together.
const BY_ANYBODY: u64 = 4;

/// What all connections of the process are watched by. It outlives reloads.
pub(super) struct Detectors {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    present: Present,
    tarpit: Tarpit,
}

impl Detectors {
    pub(super) fn new(store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics, present: Present::default(), tarpit: Tarpit::default() }
    }

    /// Whether a client, once it is known, has been calm enough to be let in.
    ///
    /// # Errors
    /// What it has done too often.
    pub(super) fn judge(
        &self,
        limits: &Limits,
        identity: &Identity,
        has_will: bool,
        now: Instant,
    ) -> Result<(), Detector> {
        let Protection { flapping, wills, malformed, .. } = &limits.protection;
        let asked = [Some((Detector::Flapping, flapping)), has_will.then_some((Detector::Wills, wills))];
        for (detector, rate) in asked.into_iter().flatten() {
            let tallies = self.tallies(detector, rate, limits, identity);
            if tallies.into_iter().flatten().any(|tally| self.is_spent(&tally, now)) {
                return Err(self.found(detector));
            }
        }
        // Who has a name is banned by that, and an address by what all behind it do.
        let [own, _] = self.tallies(Detector::Malformed, malformed, limits, identity);
        if matches!(identity.who(), Who::Address(_)) && own.is_some_and(|own| self.is_spent(&own, now)) {
            return Err(self.found(Detector::Malformed));
        }
        Ok(())
    }

    /// Takes a client in that is permitted, unless it drives out another one of its Client Identifier, as was done too
    /// often: then that one stays.
    ///
    /// # Errors
    /// Just that.
    pub(super) fn enter(
        self: &Arc<Self>,
        limits: &Limits,
        identity: &Identity,
        broker: &str,
        has_will: bool,
        now: Instant,
    ) -> Result<Box<Guest>, Detector> {
        let name = (!identity.client_id.is_empty()).then_some([broker, &*identity.client_id]);
        let place = name.map(|name| self.place(name));
        if let Some(place) = place
            && self.present.enter(place)
        {
            let (rate, who) = (&limits.protection.takeovers, identity.who());
            let takeovers = Detector::Takeovers.label();
            // Whoever takes over, and has more often than the other, is the one that does not get in.
            let own = self.tally(takeovers, *rate, Some(who), place);
            let all = self.tally(takeovers, tally::times(rate, BY_ANYBODY), None, place);
            if [&own, &all].into_iter().any(|tally| self.is_spent(tally, now)) {
                self.present.leave(place);
                return Err(self.found(Detector::Takeovers));
            }
            self.charge(&own, now);
            self.charge(&all, now);
        }
        let network = Network::of(identity.source.ip());
        self.present.let_in(network);
        Ok(Box::new(Guest { detectors: Arc::clone(self), place, network, has_will, began: now }))
    }

    /// Counts what was found, and gives it back.
    fn found(&self, detector: Detector) -> Detector {
        self.metrics.detected(detector);
        detector
    }
}

/// A client that was let in; gone when dropped.
pub(super) struct Guest {
    detectors: Arc<Detectors>,
    /// Its Client Identifier at its broker; none where the broker gives it one.
    place: Option<Key>,
    network: Network,
    has_will: bool,
    began: Instant,
}

impl Guest {
    /// It is gone, and that counts for what was its own doing.
    pub(super) fn leave(self, limits: &Limits, identity: &Identity, end: &End, now: Instant) {
        if end.blame != Blame::Client {
            return;
        }
        let Protection { flapping, flapping_within, wills, .. } = &limits.protection;
        let is_short = now.saturating_duration_since(self.began) < *flapping_within;
        let leaves_will = self.has_will && (end.cause != Cause::ClientDisconnect || end.leaves_will);
        let counted =
            [is_short.then_some((Detector::Flapping, flapping)), leaves_will.then_some((Detector::Wills, wills))];
        for (detector, rate) in counted.into_iter().flatten() {
            let tallies = self.detectors.tallies(detector, rate, limits, identity);
            tallies.iter().flatten().for_each(|tally| self.detectors.charge(tally, now));
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.detectors.present.leave(place);
        }
        self.detectors.present.gone(self.network);
    }
}
