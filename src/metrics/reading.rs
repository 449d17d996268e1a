//! Values that are read when Prometheus asks, not counted as they happen.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

use super::family::{Family, Kind};

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
        let mut metric = Metric::from_label(Vec::new());
        let mut collected = MetricFamily::default();
        match self.family.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
                collected.set_field_type(MetricType::COUNTER);
            }
            Kind::Gauge | Kind::Histogram(_) => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
                collected.set_field_type(MetricType::GAUGE);
            }
        }
        collected.set_name(self.family.name.to_owned());
        collected.set_help(self.family.help.to_owned());
        collected.set_metric(vec![metric]);
        vec![collected]
    }
}
