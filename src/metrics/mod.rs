//! What happened, as Prometheus families; `docs/metrics.md` is written by [`reference()`].
//!
//! Not here: the address that serves them (`gateway/admin.rs`). Read [`Metrics`] first, then [`ListenerMetrics`].
//! Label values are names from the settings or `&'static str` of the program: text of a peer does not fit in.
//! Handles are resolved once, at start; the data path counts in plain integers and calls [`Metrics::packets`] once per
//! wake-up.

mod detector;
mod family;
mod lifecycle;
pub(crate) mod process;
mod quarantine;
mod rates;
mod reading;
mod reference;
mod series;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGaugeVec, Registry, TextEncoder};

pub use detector::Detector;
pub use family::{AcceptError, CacheOf, CertificateKind, ServiceOutcome, Side};
pub use lifecycle::ReloadMetrics;
pub use quarantine::QuarantineMetrics;
pub use rates::Throttling;
pub use reading::{LabelledSource, Source};
pub use reference::reference;
pub use series::{ListenerMetrics, Open, ServerMetrics};

use crate::enforce::end::{Blame, Cause, End};
use crate::enforce::event::{Event, Kind, Rewrite};
use crate::enforce::output::Counts;
use crate::enforce::patches::Patch;
use crate::mqtt::frame::PacketType;
use crate::mqtt::{Direction, Version};
use family::{DIRECTIONS, Family, PACKET_TYPES, VERSIONS};
use reading::{LabelledReading, Reading};
use series::{ServerFamilies, add, counters, gauges, histogram};

/// The content type of what [`Metrics::render`] gives.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Why metrics could not be made or written out: a slip of the program or of the names given, never of traffic.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A family or its text is not what Prometheus takes.
    #[error("a metric is not valid")]
    Invalid(#[from] prometheus::Error),
    /// The name was not among those that [`Metrics::new`] was given.
    #[error("no metrics were made for `{0}`")]
    Unknown(String),
}

struct PacketSeries {
    packets: IntCounter,
    bytes: IntCounter,
}

/// All that the process counts.
pub struct Metrics {
    registry: Registry,
    listeners: BTreeMap<String, Arc<ListenerMetrics>>,
    servers: Mutex<BTreeMap<(String, String), Arc<ServerMetrics>>>,
    of_servers: ServerFamilies,
    /// By version, direction and packet type number less one.
    packets: [[[PacketSeries; 15]; 2]; 3],
    refusals: IntCounterVec,
    observed: IntCounterVec,
    quarantined: IntCounterVec,
    of_quarantine: quarantine::QuarantineFamilies,
    rewrites: IntCounterVec,
    patched: IntCounterVec,
    detections: [IntCounter; Detector::ALL.len()],
    protocol_errors: IntCounterVec,
    bans: IntCounterVec,
    broker_faults: IntCounterVec,
    certificate_expiry: IntGaugeVec,
    judge_seconds: Histogram,
    reloads: ReloadMetrics,
    rates: rates::RateMetrics,
}

impl Metrics {
    /// Makes every family, with series for these listeners and for these (broker, server) pairs.
    ///
    /// # Errors
    /// When a family could not be made.
    pub fn new<'n>(
        listeners: impl IntoIterator<Item = &'n str>,
        servers: impl IntoIterator<Item = (&'n str, &'n str)>,
    ) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let of_listeners = series::ListenerFamilies::new(&registry)?;
        let of_servers = ServerFamilies::new(&registry)?;
        let mut by_listener = BTreeMap::new();
        for name in listeners {
            by_listener.insert(name.to_owned(), Arc::new(of_listeners.listener(name)?));
        }
        add_process(&registry)?;
        let metrics = Self {
            packets: packet_series(&registry)?,
            refusals: counters(&registry, &family::REFUSALS)?,
            observed: counters(&registry, &family::OBSERVED)?,
            quarantined: counters(&registry, &family::QUARANTINED)?,
            of_quarantine: quarantine::QuarantineFamilies::new(&registry)?,
            rewrites: counters(&registry, &family::REWRITES)?,
            patched: patched(&registry)?,
            detections: detections(&registry)?,
            protocol_errors: counters(&registry, &family::PROTOCOL_ERRORS)?,
            bans: counters(&registry, &family::BANS)?,
            broker_faults: counters(&registry, &family::BROKER_FAULTS)?,
            certificate_expiry: gauges(&registry, &family::CERTIFICATE_EXPIRY)?,
            judge_seconds: histogram(&registry, &family::JUDGE_SECONDS)?.get_metric_with_label_values::<&str>(&[])?,
            reloads: ReloadMetrics::new(&registry)?,
            rates: rates::RateMetrics::new(&registry)?,
            listeners: by_listener,
            servers: Mutex::default(),
            of_servers,
            registry,
        };
        metrics.set_servers(servers)?;
        Ok(metrics)
    }

    /// These (broker, server) pairs are the ones from now on: those known stay as they are, those gone are no longer shown.
    ///
    /// # Errors
    /// When a series could not be made.
    pub fn set_servers<'n>(&self, servers: impl IntoIterator<Item = (&'n str, &'n str)>) -> Result<(), MetricsError> {
        let mut known = self.lock_servers();
        let mut before = std::mem::take(&mut *known);
        for (broker, server) in servers {
            let key = (broker.to_owned(), server.to_owned());
            let handles = match before.remove(&key) {
                Some(handles) => handles,
                None => Arc::new(self.of_servers.server(broker, server)?),
            };
            known.insert(key, handles);
        }
        for (broker, server) in before.keys() {
            self.of_servers.forget(broker, server);
            if !known.keys().any(|(other, _)| other == broker) {
                CertificateKind::ALL.into_iter().for_each(|kind| self.no_certificate(Side::Broker, broker, kind));
            }
        }
        Ok(())
    }

    fn lock_servers(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<ServerMetrics>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handles of one listener; ask once, at start.
    ///
    /// # Errors
    /// When [`Metrics::new`] was not given that name.
    pub fn listener(&self, name: &str) -> Result<Arc<ListenerMetrics>, MetricsError> {
        self.listeners.get(name).cloned().ok_or_else(|| MetricsError::Unknown(name.to_owned()))
    }

    /// The handles of one server of a broker; ask once, at start or reload.
    ///
    /// # Errors
    /// When neither [`Metrics::new`] nor [`Metrics::set_servers`] was given that pair.
    pub fn server(&self, broker: &str, server: &str) -> Result<Arc<ServerMetrics>, MetricsError> {
        let key = (broker.to_owned(), server.to_owned());
        self.lock_servers().get(&key).cloned().ok_or_else(|| MetricsError::Unknown(format!("{broker} {server}")))
    }

    /// What is counted of the connection that publishes what this broker's clients may not; dropped, it is no longer
    /// shown.
    ///
    /// # Errors
    /// When a series could not be made.
    pub fn quarantine(&self, broker: &str) -> Result<QuarantineMetrics, MetricsError> {
        self.of_quarantine.broker(broker)
    }

    /// What is counted of reloads.
    pub fn reloads(&self) -> &ReloadMetrics {
        &self.reloads
    }

    /// Adds packets that one connection received; call it once per wake-up.
    pub fn packets(&self, version: Version, from: Direction, counts: &Counts) {
        let [v31, v311, v50] = &self.packets;
        let [client, broker] = match version {
            Version::V31 => v31,
            Version::V311 => v311,
            Version::V50 => v50,
        };
        let series = match from {
            Direction::FromClient => client,
            Direction::FromBroker => broker,
        };
        // Index 0 of the counts is no packet type.
        let counted = counts.packets.iter().zip(&counts.bytes).skip(1);
        for (series, (&packets, &bytes)) in series.iter().zip(counted).filter(|(_, (packets, _))| **packets > 0) {
            series.packets.inc_by(u64::from(packets));
            series.bytes.inc_by(bytes);
        }
    }

    /// One packet (or one Topic Filter) refused, rewritten, or let go on in monitor mode.
    pub fn event(&self, event: &Event) {
        self.rates.event(event);
        let (direction, packet_type) = (direction_label(event.direction), packet_type_label(event.packet_type));
        let reason = event.kind.reason_label();
        if let Some(patch) = patch_of(&event.kind) {
            add(&self.patched, &[patch.cve()]);
        }
        match event.kind {
            Kind::Refused { on_deny, quarantine, .. } => {
                add(&self.refusals, &[direction, packet_type, reason, on_deny.label()]);
                if let Some(outcome) = quarantine {
                    add(&self.quarantined, &[direction, outcome.label()]);
                }
            }
            Kind::Observed { on_deny, .. } => {
                add(&self.observed, &[direction, packet_type, reason, on_deny.label()]);
            }
            Kind::Rewritten(_) => add(&self.rewrites, &[direction, packet_type, reason]),
            Kind::Throttled { .. } => {}
        }
    }

    /// Somebody did something too often.
    pub fn detected(&self, detector: Detector) {
        let all = Detector::ALL.iter().zip(&self.detections);
        all.filter(|(one, _)| **one == detector).for_each(|(_, counter)| counter.inc());
    }

    /// A packet began to wait for this rate.
    pub fn waits(&self, rule: &str) {
        self.rates.waits(rule);
    }

    /// A connection has a packet that waits, from `now` on.
    pub fn throttled(&self, now: Instant) -> Throttling {
        self.rates.throttled(now)
    }

    /// Shows these rates of policies from now on, at zero; what exceeds any other is not counted by its rule.
    ///
    /// # Errors
    /// When a series could not be made.
    pub fn expect_rates<'r>(&self, rules: impl IntoIterator<Item = &'r str>) -> Result<(), MetricsError> {
        self.rates.expect(rules)
    }

    /// One connection ended, or its CONNECT was refused; `server` is where the broker was dialled.
    pub fn ended(&self, listener: &ListenerMetrics, server: Option<&ServerMetrics>, end: &End) {
        let (cause, blame) = (end.cause.label(), end.blame.label());
        listener.ended(cause, blame);
        if matches!(end.cause, Cause::Malformed(_) | Cause::Illegal(_)) {
            add(&self.protocol_errors, &[blame, cause, end.statement.unwrap_or_default()]);
        }
        // That of a Topic Filter is counted by its event.
        let patch = end.rule.as_ref().filter(|_| matches!(end.cause, Cause::Refused(_)));
        if let Some(patch) = patch.and_then(|rule| Patch::of_rule(rule.as_str())) {
            add(&self.patched, &[patch.cve()]);
        }
        let never_dialled = server.is_none();
        self.rates.ended(end, never_dialled);
        if never_dialled && matches!(end.cause, Cause::Refused(_) | Cause::Version | Cause::KeepAliveZero) {
            listener.refused(cause);
        }
        if let (Blame::Broker, Some(server)) = (end.blame, server) {
            add(&self.broker_faults, &[server.broker(), cause]);
        }
    }

    /// Somebody was banned: a client, or an address.
    pub fn banned(&self, is_client: bool, cause: &'static str) {
        let [address, client] = family::BANNED_KINDS;
        add(&self.bans, &[if is_client { client } else { address }, cause]);
    }

    /// `elapsed` went into decoding and judging these many packets: one sample.
    pub fn judged(&self, elapsed: Duration, packets: u32) {
        if packets > 0 {
            self.judge_seconds.observe(elapsed.as_secs_f64() / f64::from(packets));
        }
    }

    /// When the first certificate of this kind expires, in seconds of Unix time; `name` is the listener's or broker's.
    pub fn certificate_expiry(&self, side: Side, name: &str, kind: CertificateKind, not_after: i64) {
        let known = match side {
            Side::Listener => self.listeners.contains_key(name),
            Side::Broker => self.lock_servers().keys().any(|(broker, _)| broker == name),
        };
        if !known {
            return;
        }
        if let Ok(gauge) = self.certificate_expiry.get_metric_with_label_values(&[side.label(), name, kind.label()]) {
            gauge.set(not_after);
        }
    }

    /// There is no certificate of this kind any more.
    pub fn no_certificate(&self, side: Side, name: &str, kind: CertificateKind) {
        // There was none before either.
        let _ = self.certificate_expiry.remove_label_values(&[side.label(), name, kind.label()]);
    }

    /// Shows a value that somebody else keeps.
    ///
    /// # Errors
    /// When that source is shown already.
    pub fn show(&self, source: Source, read: impl Fn() -> u64 + Send + Sync + 'static) -> Result<(), MetricsError> {
        self.registry.register(Box::new(Reading::new(source.family(), move || Some(read() as f64))?))?;
        Ok(())
    }

    /// Shows values that somebody else keeps, each with the value of its label: a word of the program or a name from
    /// settings or policy.
    ///
    /// # Errors
    /// When that source is shown already.
    pub fn show_labelled(
        &self,
        source: LabelledSource,
        read: impl Fn() -> Vec<(Box<str>, u64)> + Send + Sync + 'static,
    ) -> Result<(), MetricsError> {
        self.registry.register(Box::new(LabelledReading::new(source.family(), read)?))?;
        Ok(())
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    ///
    /// # Errors
    /// When a family can't be written, which is a slip of the program.
    pub fn render(&self) -> Result<String, MetricsError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

/// One batch in `every` is timed: reading the clock costs more than judging a packet.
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    every: u32,
    left: u32,
}

impl Sampler {
    /// The first batch is a sample, then each `every`-th.
    pub fn new(every: u32) -> Self {
        Self { every, left: 0 }
    }

    /// Whether this batch is to be timed.
    pub fn due(&mut self) -> bool {
        let due = self.left == 0;
        self.left = if due { self.every.saturating_sub(1) } else { self.left - 1 };
        due
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new(64)
    }
}

/// The patch that an event is of.
fn patch_of(kind: &Kind) -> Option<Patch> {
    if let Kind::Rewritten(Rewrite::WillDelayLowered) = kind {
        return Some(Patch::WillDelay);
    }
    if let Kind::Refused { rule, .. } = kind { Patch::of_rule(rule.as_str()) } else { None }
}

/// At zero from the start.
fn patched(registry: &Registry) -> Result<IntCounterVec, MetricsError> {
    let family = counters(registry, &family::PATCHED)?;
    for patch in Patch::ALL {
        family.get_metric_with_label_values(&[patch.cve()])?;
    }
    Ok(family)
}

fn direction_label(from: Direction) -> &'static str {
    let [client, broker] = DIRECTIONS;
    match from {
        Direction::FromClient => client,
        Direction::FromBroker => broker,
    }
}

fn packet_type_label(packet_type: PacketType) -> &'static str {
    let place = PacketType::ALL.into_iter().position(|known| known == packet_type);
    place.and_then(|place| PACKET_TYPES.get(place)).copied().unwrap_or_default()
}

fn packet_series(registry: &Registry) -> Result<[[[PacketSeries; 15]; 2]; 3], MetricsError> {
    let packets = counters(registry, &family::PACKETS)?;
    let bytes = counters(registry, &family::PACKET_BYTES)?;
    let one = |version: &str, direction: &str, packet_type: &str| -> Result<PacketSeries, MetricsError> {
        let labels = [direction, packet_type, version];
        Ok(PacketSeries {
            packets: packets.get_metric_with_label_values(&labels)?,
            bytes: bytes.get_metric_with_label_values(&labels)?,
        })
    };
    let types = |version, direction| try_map(PACKET_TYPES, |name| one(version, direction, name));
    try_map(VERSIONS, |version| try_map(DIRECTIONS, |direction| types(version, direction)))
}

/// `<[T; N]>::try_map`, which the standard library keeps unstable.
fn try_map<T, U, const N: usize>(
    values: [T; N],
    mut make: impl FnMut(T) -> Result<U, MetricsError>,
) -> Result<[U; N], MetricsError> {
    let mut failed = None;
    let made: Vec<U> =
        values.into_iter().map_while(|value| make(value).map_err(|error| failed = Some(error)).ok()).collect();
    made.try_into().map_err(|_| failed.unwrap_or_else(|| MetricsError::Unknown("packets".to_owned())))
}

fn detections(registry: &Registry) -> Result<[IntCounter; Detector::ALL.len()], MetricsError> {
    let family = counters(registry, &family::DETECTIONS)?;
    let [a, b, c, d, e, f, g, h, i, j] = Detector::ALL.map(|one| family.get_metric_with_label_values(&[one.label()]));
    Ok([a?, b?, c?, d?, e?, f?, g?, h?, i?, j?])
}

fn add_process(registry: &Registry) -> Result<(), MetricsError> {
    let build = gauges(registry, &family::BUILD_INFO)?;
    build
        .get_metric_with_label_values(&[env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH])?
        .set(1);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64());
    let reading = |family: &'static Family, read: fn() -> Option<f64>| Reading::new(family, read);
    registry.register(Box::new(Reading::new(&family::PROCESS_START, move || started)?))?;
    registry.register(Box::new(reading(&family::PROCESS_CPU, process::cpu_seconds)?))?;
    let whole = |family: &'static Family, read: fn() -> Option<u64>| {
        Reading::new(family, move || read().map(|value| value as f64))
    };
    registry.register(Box::new(whole(&family::PROCESS_MEMORY, process::resident_bytes)?))?;
    registry.register(Box::new(whole(&family::PROCESS_FDS, process::open_descriptors)?))?;
    registry.register(Box::new(whole(&family::PROCESS_MAX_FDS, process::max_descriptors)?))?;
    registry.register(Box::new(whole(&family::PROCESS_THREADS, process::threads)?))?;
    Ok(())
}
