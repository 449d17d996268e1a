//! What is counted of reloads.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{IntCounter, IntGauge, Registry};

use super::MetricsError;
use super::family::{self, REJUDGED_OUTCOMES, RELOAD_OUTCOMES};
use super::series::{counters, gauges};

/// What is counted of reloads: how they went, and what became of the connections.
pub struct ReloadMetrics {
    applied: IntCounter,
    refused: IntCounter,
    last_success: IntGauge,
    refused_now: IntGauge,
    kept: IntCounter,
    ended: IntCounter,
}

impl ReloadMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let none: [&str; 0] = [];
        let reloads = counters(registry, &family::RELOADS)?;
        let rejudged = counters(registry, &family::REJUDGED)?;
        let [applied, refused] = RELOAD_OUTCOMES;
        let [kept, ended] = REJUDGED_OUTCOMES;
        Ok(Self {
            applied: reloads.get_metric_with_label_values(&[applied])?,
            refused: reloads.get_metric_with_label_values(&[refused])?,
            last_success: gauges(registry, &family::RELOAD_LAST_SUCCESS)?.get_metric_with_label_values(&none)?,
            refused_now: gauges(registry, &family::RELOAD_REFUSED)?.get_metric_with_label_values(&none)?,
            kept: rejudged.get_metric_with_label_values(&[kept])?,
            ended: rejudged.get_metric_with_label_values(&[ended])?,
        })
    }

    /// The settings on disk are those in force: at start, and after a reload.
    pub fn loaded(&self, now: SystemTime) {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.last_success.set(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.refused_now.set(0);
    }

    /// A reload was taken.
    pub fn applied(&self, now: SystemTime) {
        self.applied.inc();
        self.loaded(now);
    }

    /// A reload was refused: what was in force stays so.
    pub fn refused(&self) {
        self.refused.inc();
        self.refused_now.set(1);
    }

    /// So many connections were judged again and went on, and so many ended.
    pub fn rejudged(&self, kept: u64, ended: u64) {
        self.kept.inc_by(kept);
        self.ended.inc_by(ended);
    }
}
