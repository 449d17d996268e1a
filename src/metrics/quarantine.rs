//! What is counted of the connections that publish quarantined messages.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::MetricsError;
use super::family;
use super::series::{add, counters, gauges};
use crate::envelope::Loss;

pub(super) struct QuarantineFamilies {
    published: IntCounterVec,
    lost: IntCounterVec,
    queued: IntGaugeVec,
    connected: IntGaugeVec,
}

impl QuarantineFamilies {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            published: counters(registry, &family::QUARANTINE_PUBLISHED)?,
            lost: counters(registry, &family::QUARANTINE_LOST)?,
            queued: gauges(registry, &family::QUARANTINE_QUEUED)?,
            connected: gauges(registry, &family::QUARANTINE_CONNECTED)?,
        })
    }

    pub(super) fn broker(&self, broker: &str) -> Result<QuarantineMetrics, MetricsError> {
        Ok(QuarantineMetrics {
            broker: broker.to_owned(),
            published: self.published.get_metric_with_label_values(&[broker])?,
            lost: self.lost.clone(),
            queued: self.queued.get_metric_with_label_values(&[broker])?,
            connected: self.connected.clone(),
            shown: self.queued.clone(),
        })
    }
}

/// What is counted of one broker's.
pub struct QuarantineMetrics {
    broker: String,
    published: IntCounter,
    lost: IntCounterVec,
    queued: IntGauge,
    connected: IntGaugeVec,
    shown: IntGaugeVec,
}

impl QuarantineMetrics {
    /// The broker has one.
    pub fn published(&self) {
        self.published.inc();
    }

    /// One will never be at the broker.
    pub fn lost(&self, loss: Loss) {
        add(&self.lost, &[&self.broker, loss.label()]);
    }

    /// So many wait.
    pub fn queued(&self, count: usize) {
        self.queued.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The connection is up, or not. Until this is said there is none, and none is shown: it could be taken for one
    /// that is down.
    pub fn connected(&self, is_up: bool) {
        if let Ok(connected) = self.connected.get_metric_with_label_values(&[self.broker.as_str()]) {
            connected.set(i64::from(is_up));
        }
    }
}

impl Drop for QuarantineMetrics {
    /// What is counted stays; what is no more is no longer shown.
    fn drop(&mut self) {
        for family in [&self.shown, &self.connected] {
            // Where it was not shown, it is not shown now either.
            let _ = family.remove_label_values(&[self.broker.as_str()]);
        }
    }
}
