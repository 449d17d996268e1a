//! The series of one listener and of one server, and how families become series.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::MetricsError;
use super::family::{self, AcceptError, CacheOf, Family, Kind, RESUMED, ServiceOutcome, TLS_VERSIONS, VERSIONS};
use crate::mqtt::Version;

/// Something that is open; closed by dropping it.
#[derive(Debug)]
#[must_use = "dropping it counts as closed"]
pub struct Open(IntGauge);

impl Open {
    fn one(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What is counted at one listener.
pub struct ListenerMetrics {
    name: String,
    open: IntGauge,
    half_open: IntGauge,
    accepted: IntCounter,
    connects: [IntCounter; 3],
    handshakes: [[IntCounter; 2]; 2],
    handshake_seconds: Histogram,
    families: ListenerFamilies,
}

impl ListenerMetrics {
    /// A connection was accepted; it is open until the value is dropped.
    pub fn accepted(&self) -> Open {
        self.accepted.inc();
        Open::one(&self.open)
    }

    /// A connection has no permitted CONNECT yet; drop the value when it has, or ends.
    pub fn half_open(&self) -> Open {
        Open::one(&self.half_open)
    }

    /// A CONNECT was permitted.
    pub fn connected(&self, version: Version) {
        let [v31, v311, v50] = &self.connects;
        match version {
            Version::V31 => v31.inc(),
            Version::V311 => v311.inc(),
            Version::V50 => v50.inc(),
        }
    }

    /// A connection was refused at accept. A refused CONNECT is counted by [`super::Metrics::ended`].
    pub fn refused(&self, reason: &'static str) {
        add(&self.families.refused, &[&self.name, reason]);
    }

    pub(super) fn ended(&self, cause: &'static str, blame: &'static str) {
        add(&self.families.ended, &[&self.name, cause, blame]);
    }

    /// A TLS handshake completed, that long after accept.
    pub fn handshake(&self, tls13: bool, resumed: bool, took: Duration) {
        let [tls12_series, tls13_series] = &self.handshakes;
        let [full, again] = if tls13 { tls13_series } else { tls12_series };
        let series = if resumed { again } else { full };
        series.inc();
        self.handshake_seconds.observe(took.as_secs_f64());
    }

    /// Shows these reasons of [`ListenerMetrics::handshake_failed`] from the start, at zero: Prometheus sees no increase
    /// in a series that begins at one.
    pub fn expect_handshake_failures(&self, reasons: impl IntoIterator<Item = &'static str>) {
        for reason in reasons {
            // Asking for the series makes it.
            let _ = self.families.handshake_failures.get_metric_with_label_values(&[self.name.as_str(), reason]);
        }
    }

    /// A TLS handshake failed.
    pub fn handshake_failed(&self, reason: &'static str) {
        add(&self.families.handshake_failures, &[&self.name, reason]);
    }

    /// So many of its revocation lists are past their next update.
    pub fn stale_lists(&self, lists: usize) {
        if let Ok(gauge) = self.families.stale_lists.get_metric_with_label_values(&[&self.name]) {
            gauge.set(i64::try_from(lists).unwrap_or(i64::MAX));
        }
    }

    /// A client was asked who it is; `method` is what decided, `outcome` what came of it.
    pub fn authenticated(&self, method: &'static str, outcome: &'static str) {
        add(&self.families.authentications, &[&self.name, method, outcome]);
    }

    /// An answer was looked for among those remembered.
    pub fn remembered(&self, of: CacheOf, hit: bool) {
        add(&self.families.cache, &[&self.name, of.label(), if hit { "hit" } else { "miss" }]);
    }

    /// A password was checked, and it took so long.
    pub fn password_checked(&self, took: Duration) {
        if let Ok(histogram) = self.families.password_seconds.get_metric_with_label_values(&[&self.name]) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// An authentication service was asked, and it took so long.
    pub fn service_asked(&self, outcome: ServiceOutcome, took: Duration) {
        add(&self.families.service_requests, &[&self.name, outcome.label()]);
        if let Ok(histogram) = self.families.service_seconds.get_metric_with_label_values(&[&self.name]) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Whether the authentication service is left alone.
    pub fn service_paused(&self, paused: bool) {
        if let Ok(gauge) = self.families.service_paused.get_metric_with_label_values(&[&self.name]) {
            gauge.set(i64::from(paused));
        }
    }

    /// A call of accept failed.
    pub fn accept_failed(&self, error: &std::io::Error) -> AcceptError {
        let kind = AcceptError::of(error);
        add(&self.families.accept_errors, &[&self.name, kind.label()]);
        kind
    }
}

/// What is counted at one server of a broker.
pub struct ServerMetrics {
    broker: String,
    server: String,
    up: IntGauge,
    open: IntGauge,
    dials: IntCounter,
    failures: IntCounterVec,
}

impl ServerMetrics {
    /// Name of the broker that the server belongs to.
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// The server, as the settings name it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A dial succeeded; the connection is open until the value is dropped.
    pub fn dialled(&self) -> Open {
        self.dials.inc();
        self.up.set(1);
        Open::one(&self.open)
    }

    /// A dial failed.
    pub fn dial_failed(&self, reason: &'static str) {
        self.dials.inc();
        self.up.set(0);
        add(&self.failures, &[&self.broker, &self.server, reason]);
    }
}

#[derive(Clone)]
pub(super) struct ListenerFamilies {
    open: IntGaugeVec,
    half_open: IntGaugeVec,
    accepted: IntCounterVec,
    connects: IntCounterVec,
    refused: IntCounterVec,
    ended: IntCounterVec,
    accept_errors: IntCounterVec,
    handshakes: IntCounterVec,
    handshake_failures: IntCounterVec,
    handshake_seconds: HistogramVec,
    stale_lists: IntGaugeVec,
    authentications: IntCounterVec,
    cache: IntCounterVec,
    password_seconds: HistogramVec,
    service_requests: IntCounterVec,
    service_seconds: HistogramVec,
    service_paused: IntGaugeVec,
}

impl ListenerFamilies {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            open: gauges(registry, &family::CONNECTIONS_OPEN)?,
            half_open: gauges(registry, &family::CONNECTIONS_HALF_OPEN)?,
            accepted: counters(registry, &family::CONNECTIONS)?,
            connects: counters(registry, &family::CONNECTS)?,
            refused: counters(registry, &family::CONNECTIONS_REFUSED)?,
            ended: counters(registry, &family::CONNECTIONS_ENDED)?,
            accept_errors: counters(registry, &family::ACCEPT_ERRORS)?,
            handshakes: counters(registry, &family::TLS_HANDSHAKES)?,
            handshake_failures: counters(registry, &family::TLS_HANDSHAKE_FAILURES)?,
            handshake_seconds: histogram(registry, &family::TLS_HANDSHAKE_SECONDS)?,
            stale_lists: gauges(registry, &family::REVOCATION_LISTS_STALE)?,
            authentications: counters(registry, &family::AUTHENTICATIONS)?,
            cache: counters(registry, &family::AUTHENTICATION_CACHE)?,
            password_seconds: histogram(registry, &family::PASSWORD_CHECK_SECONDS)?,
            service_requests: counters(registry, &family::AUTHENTICATION_REQUESTS)?,
            service_seconds: histogram(registry, &family::AUTHENTICATION_REQUEST_SECONDS)?,
            service_paused: gauges(registry, &family::AUTHENTICATION_SERVICE_PAUSED)?,
        })
    }

    pub(super) fn listener(&self, name: &str) -> Result<ListenerMetrics, MetricsError> {
        let [v31, v311, v50] = VERSIONS;
        let connects = |version| self.connects.get_metric_with_label_values(&[name, version]);
        let handshakes = |version, resumed| self.handshakes.get_metric_with_label_values(&[name, version, resumed]);
        let [tls12, tls13] = TLS_VERSIONS;
        let [full, again] = RESUMED;
        for kind in AcceptError::LABELS {
            self.accept_errors.get_metric_with_label_values(&[name, kind])?;
        }
        Ok(ListenerMetrics {
            name: name.to_owned(),
            open: self.open.get_metric_with_label_values(&[name])?,
            half_open: self.half_open.get_metric_with_label_values(&[name])?,
            accepted: self.accepted.get_metric_with_label_values(&[name])?,
            connects: [connects(v31)?, connects(v311)?, connects(v50)?],
            handshakes: [
                [handshakes(tls12, full)?, handshakes(tls12, again)?],
                [handshakes(tls13, full)?, handshakes(tls13, again)?],
            ],
            handshake_seconds: self.handshake_seconds.get_metric_with_label_values(&[name])?,
            families: self.clone(),
        })
    }
}

pub(super) struct ServerFamilies {
    up: IntGaugeVec,
    open: IntGaugeVec,
    dials: IntCounterVec,
    failures: IntCounterVec,
}

impl ServerFamilies {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            up: gauges(registry, &family::BROKER_UP)?,
            open: gauges(registry, &family::BROKER_CONNECTIONS_OPEN)?,
            dials: counters(registry, &family::BROKER_DIALS)?,
            failures: counters(registry, &family::BROKER_DIAL_FAILURES)?,
        })
    }

    /// No longer shows a server; what failed when it was dialled stays counted.
    pub(super) fn forget(&self, broker: &str, server: &str) {
        let labels = [broker, server];
        // Where one was not shown, it is not shown now either.
        let _ = self.up.remove_label_values(&labels);
        let _ = self.open.remove_label_values(&labels);
        let _ = self.dials.remove_label_values(&labels);
    }

    pub(super) fn server(&self, broker: &str, server: &str) -> Result<ServerMetrics, MetricsError> {
        let labels = [broker, server];
        let up = self.up.get_metric_with_label_values(&labels)?;
        up.set(1);
        Ok(ServerMetrics {
            broker: broker.to_owned(),
            server: server.to_owned(),
            up,
            open: self.open.get_metric_with_label_values(&labels)?,
            dials: self.dials.get_metric_with_label_values(&labels)?,
            failures: self.failures.clone(),
        })
    }
}

pub(super) fn counters(registry: &Registry, family: &Family) -> Result<IntCounterVec, MetricsError> {
    registered(registry, IntCounterVec::new(Opts::new(family.name, family.help), &label_names(family))?)
}

pub(super) fn gauges(registry: &Registry, family: &Family) -> Result<IntGaugeVec, MetricsError> {
    registered(registry, IntGaugeVec::new(Opts::new(family.name, family.help), &label_names(family))?)
}

/// Seconds that only ever grow, without a label.
pub(super) fn seconds(registry: &Registry, family: &Family) -> Result<Counter, MetricsError> {
    registered(registry, Counter::new(family.name, family.help)?)
}

pub(super) fn histogram(registry: &Registry, family: &Family) -> Result<HistogramVec, MetricsError> {
    let bounds = match family.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::Gauge => Vec::new(),
    };
    let opts = HistogramOpts::new(family.name, family.help).buckets(bounds);
    registered(registry, HistogramVec::new(opts, &label_names(family))?)
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, MetricsError> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn label_names(family: &Family) -> Vec<&'static str> {
    family.labels.iter().map(|label| label.name).collect()
}

/// Adds one to a series that happens too seldom to keep its handle.
pub(super) fn add(family: &IntCounterVec, labels: &[&str]) {
    if let Ok(counter) = family.get_metric_with_label_values(labels) {
        counter.inc();
    }
}
