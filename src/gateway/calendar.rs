//! When certificates and lists of all listeners and brokers end.

use std::sync::Arc;
use std::time::SystemTime;

use super::prepare::Prepared;
use crate::metrics::Side;
use crate::tls::error::Warning;
use crate::tls::expiry::Calendar;

/// A calendar for each listener and broker with TLS.
#[derive(Default)]
pub(super) struct Calendars(Vec<(Side, Arc<str>, Calendar)>);

impl Calendars {
    /// Of what is near or over by now the one who loaded it has spoken.
    pub(super) fn new(prepared: &Prepared, now: SystemTime) -> Self {
        let listeners = prepared.listeners.iter().filter_map(|(name, ready)| {
            Some((Side::Listener, Arc::clone(name), Calendar::new(&ready.tls.as_ref()?.expiries, now)))
        });
        let brokers = prepared.brokers.iter().filter_map(|(name, ready)| {
            Some((Side::Broker, Arc::clone(name), Calendar::new(&ready.tls.as_ref()?.expiries, now)))
        });
        Self(listeners.chain(brokers).collect())
    }

    /// What has come near, or is over, since the last look, and whose it is.
    pub(super) fn look(&mut self, now: SystemTime) -> Vec<(Side, Arc<str>, Warning)> {
        let mut found = Vec::new();
        for (side, name, calendar) in &mut self.0 {
            found.extend(calendar.look(now).into_iter().map(|warning| (*side, Arc::clone(name), warning)));
        }
        found
    }

    /// Revocation lists of a listener that are past their next update.
    pub(super) fn stale_lists(&self, listener: &str, now: SystemTime) -> usize {
        let of_listener = self.0.iter().filter(|(side, name, _)| *side == Side::Listener && **name == *listener);
        of_listener.map(|(_, _, calendar)| calendar.stale_lists(now)).sum()
    }
}
