//! What is counted of rates: how often each was exceeded, and how long clients were made to wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus::{Counter, IntCounter, IntCounterVec, IntGauge, Registry};

use super::MetricsError;
use super::family::{self, RATE_ACTIONS};
use super::series::{counters, gauges, seconds};
use crate::enforce::End;
use crate::enforce::end::Cause;
use crate::enforce::event::{Event, Kind};
use crate::policy::{OnDeny, Reason};

/// Rates of the gateway's own that refuse by their name.
const LIMITS: [&str; 5] = ["subscriptions", "retained", "flapping", "takeovers", "wills"];

/// What becomes of what comes too fast; each stands for its place in [`RATE_ACTIONS`].
#[derive(Clone, Copy)]
enum Action {
    Throttle,
    Reject,
    Disconnect,
    Ban,
    Observe,
}

pub(super) struct RateMetrics {
    families: IntCounterVec,
    /// By rule: those of the settings and policies, and no others.
    exceeded: Mutex<BTreeMap<String, [IntCounter; RATE_ACTIONS.len()]>>,
    throttled: IntGauge,
    seconds: Counter,
}

impl RateMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let none: [&str; 0] = [];
        let metrics = Self {
            families: counters(registry, &family::RATE_EXCEEDED)?,
            exceeded: Mutex::default(),
            throttled: gauges(registry, &family::THROTTLED_CONNECTIONS)?.get_metric_with_label_values(&none)?,
            seconds: seconds(registry, &family::THROTTLED_SECONDS)?,
        };
        metrics.expect(LIMITS)?;
        Ok(metrics)
    }

    /// Shows these rules from now on, at zero: Prometheus sees no increase in a series that begins at one.
    pub(super) fn expect<'r>(&self, rules: impl IntoIterator<Item = &'r str>) -> Result<(), MetricsError> {
        let mut exceeded = self.lock();
        for rule in rules {
            let [throttle, reject, disconnect, ban, observe] =
                RATE_ACTIONS.map(|action| self.families.get_metric_with_label_values(&[rule, action]));
            exceeded.insert(rule.to_owned(), [throttle?, reject?, disconnect?, ban?, observe?]);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, [IntCounter; RATE_ACTIONS.len()]>> {
        self.exceeded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exceeded(&self, rule: &str, action: Action) {
        if let Some(counter) = self.lock().get(rule).and_then(|counters| counters.get(action as usize)) {
            counter.inc();
        }
    }

    pub(super) fn waits(&self, rule: &str) {
        self.exceeded(rule, Action::Throttle);
    }

    pub(super) fn event(&self, event: &Event) {
        match &event.kind {
            // Where the connection ends for it, the end counts.
            Kind::Refused { reason: Reason::Rate, rule, on_deny, .. } if *on_deny != OnDeny::Disconnect => {
                self.exceeded(rule.as_str(), Action::Reject);
            }
            Kind::Observed { reason: Reason::Rate, rule, .. } => self.exceeded(rule.as_str(), Action::Observe),
            Kind::Refused { .. } | Kind::Observed { .. } | Kind::Rewritten(_) | Kind::Throttled { .. } => {}
        }
    }

    pub(super) fn ended(&self, end: &End, never_dialled: bool) {
        let (Cause::Refused(Reason::Rate) | Cause::FilterRefused(Reason::Rate), Some(rule)) = (end.cause, &end.rule)
        else {
            return;
        };
        let action = match end.ban {
            Some(_) => Action::Ban,
            None if never_dialled => Action::Reject,
            None => Action::Disconnect,
        };
        self.exceeded(rule.as_str(), action);
    }

    pub(super) fn throttled(&self, now: Instant) -> Throttling {
        self.throttled.inc();
        Throttling { throttled: self.throttled.clone(), seconds: self.seconds.clone(), counted_to: now }
    }
}

/// A connection that waits for a rate to have room; it does until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it counts as waiting no more"]
pub struct Throttling {
    throttled: IntGauge,
    seconds: Counter,
    counted_to: Instant,
}

impl Throttling {
    /// Counts the time since it was last counted.
    pub fn goes_on(&mut self, now: Instant) {
        let since = std::mem::replace(&mut self.counted_to, now);
        self.seconds.inc_by(now.saturating_duration_since(since).as_secs_f64());
    }
}

impl Drop for Throttling {
    fn drop(&mut self) {
        self.throttled.dec();
    }
}
