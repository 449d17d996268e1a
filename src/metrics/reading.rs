//! Values that are read when Prometheus asks, not counted as they happen.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::family::{self, Family, Kind};

/// A value that is read from its owner whenever Prometheus asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Audit events written.
    AuditWritten,
    /// Audit events lost.
    AuditDropped,
    /// Failed writes of the audit sink.
    AuditWriteErrors,
    /// Audit events that wait.
    AuditQueued,
    /// Bytes in the buffers of all connections.
    BufferedBytes,
    /// The level of pressure, as a number.
    PressureLevel,
    /// Memory that the process may hold.
    MaxMemoryBytes,
    /// Password checks that wait.
    PasswordsWaiting,
    /// Handshakes that wait.
    HandshakesWaiting,
    /// State that could not be written.
    StateFlushErrors,
    /// When state was written last, in seconds of Unix time.
    StateLastFlush,
}

impl Source {
    pub(super) fn family(self) -> &'static Family {
        match self {
            Self::AuditWritten => &family::AUDIT_WRITTEN,
            Self::AuditDropped => &family::AUDIT_DROPPED,
            Self::AuditWriteErrors => &family::AUDIT_WRITE_ERRORS,
            Self::AuditQueued => &family::AUDIT_QUEUED,
            Self::BufferedBytes => &family::BUFFERED_BYTES,
            Self::PressureLevel => &family::PRESSURE_LEVEL,
            Self::MaxMemoryBytes => &family::MAX_MEMORY_BYTES,
            Self::PasswordsWaiting => &family::PASSWORDS_WAITING,
            Self::HandshakesWaiting => &family::HANDSHAKES_WAITING,
            Self::StateFlushErrors => &family::STATE_FLUSH_ERRORS,
            Self::StateLastFlush => &family::STATE_LAST_FLUSH,
        }
    }
}

/// Values, one for each of a label's, that are read from their owner whenever Prometheus asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelledSource {
    /// What is remembered, by table.
    StateEntries,
    /// What was forgotten for want of room, by table.
    StateEvictions,
    /// What could not be remembered for want of room, by table.
    StateFull,
    /// Connections turned away, by what there was too little of.
    Shed,
    /// Who still does not sign, by rule.
    UnsignedIdentities,
    /// Who is banned, by kind.
    Banned,
}

impl LabelledSource {
    pub(super) fn family(self) -> &'static Family {
        match self {
            Self::StateEntries => &family::STATE_ENTRIES,
            Self::StateEvictions => &family::STATE_EVICTIONS,
            Self::StateFull => &family::STATE_FULL,
            Self::Shed => &family::SHED,
            Self::UnsignedIdentities => &family::UNSIGNED_IDENTITIES,
            Self::Banned => &family::BANNED,
        }
    }
}

type Read = Box<dyn Fn() -> Option<f64> + Send + Sync>;

/// One family without labels whose value a function gives.
pub(super) struct Reading {
    desc: Desc,
    family: &'static Family,
    read: Read,
}

impl Reading {
    pub(super) fn new(
        family: &'static Family,
        read: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) -> prometheus::Result<Self> {
        let desc =
            Desc::new(family.name.to_owned(), family.help.to_owned(), Vec::new(), std::collections::HashMap::new())?;
        Ok(Self { desc, family, read: Box::new(read) })
    }
}

impl Collector for Reading {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(value) = (self.read)() else { return Vec::new() };
        vec![collected(self.family, [(Vec::new(), value)])]
    }
}

type ReadEach = Box<dyn Fn() -> Vec<(Box<str>, u64)> + Send + Sync>;

/// One family with one label, for each of whose values a function gives one.
pub(super) struct LabelledReading {
    desc: Desc,
    family: &'static Family,
    label: &'static str,
    read: ReadEach,
}

impl LabelledReading {
    pub(super) fn new(
        family: &'static Family,
        read: impl Fn() -> Vec<(Box<str>, u64)> + Send + Sync + 'static,
    ) -> prometheus::Result<Self> {
        let label = family.labels.first().map_or("", |label| label.name);
        let (name, help) = (family.name.to_owned(), family.help.to_owned());
        let desc = Desc::new(name, help, vec![label.to_owned()], std::collections::HashMap::new())?;
        Ok(Self { desc, family, label, read: Box::new(read) })
    }
}

impl Collector for LabelledReading {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let values = (self.read)();
        if values.is_empty() {
            return Vec::new();
        }
        let values = values.into_iter().map(|(value, count)| {
            let mut label = LabelPair::default();
            label.set_name(self.label.to_owned());
            label.set_value(value.into());
            (vec![label], count as f64)
        });
        vec![collected(self.family, values)]
    }
}

fn collected(family: &Family, values: impl IntoIterator<Item = (Vec<LabelPair>, f64)>) -> MetricFamily {
    let mut collected = MetricFamily::default();
    collected.set_name(family.name.to_owned());
    collected.set_help(family.help.to_owned());
    let is_counter = matches!(family.kind, Kind::Counter);
    collected.set_field_type(if is_counter { MetricType::COUNTER } else { MetricType::GAUGE });
    let metrics = values.into_iter().map(|(labels, value)| {
        let mut metric = Metric::from_label(labels);
        if is_counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    });
    collected.set_metric(metrics.collect());
    collected
}
