//! What is prepared to what runs: counters made, limits set. Nothing here opens a socket or reads a file.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

use super::Error;
use super::admin::{self, Admin, Health};
use super::admission::{Bounds, Door, Process};
use super::authenticate::Pool;
use super::buffered::BufferedTotal;
use super::calendar::Calendars;
use super::detect::{Detectors, Limits};
use super::far::Far;
use super::handshakes::Handshakes;
use super::prepare::{Prepared, PreparedBroker, PreparedListener};
use super::pressure::Pressure;
use super::proxied;
use super::quarantine::{Outbox, Outboxes};
use super::shared::{Deadlines, Live, Port, PortTls, Shared, unix_millis};
use super::socket::TcpOptions;
use super::sources::{Flood, NewBans, Sources};
use super::upstream::{Server, Upstream};
use super::websocket::Upgrade;
use crate::audit;
use crate::config::{self, Settings};
use crate::enforce::Terms;
use crate::metrics::{CertificateKind, LabelledSource, ListenerMetrics, Metrics, MetricsError, Side, Source};
use crate::policy::Memory as _;
use crate::store::{Store, Written};
use crate::tls::failure::HandshakeFailure;
use crate::tls::server::{Expiry, ExpiryKind};

/// A broker that does not acknowledge for this long is gone, however long a client may take.
const BROKER_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that runs, ready to be served.
pub(super) struct Gateway {
    pub(super) shared: Arc<Shared>,
    pub(super) ports: Vec<(Arc<Port>, SocketAddr)>,
    pub(super) health: Arc<Health>,
    pub(super) process: Arc<Process>,
    pub(super) calendars: Calendars,
    admin: Option<SocketAddr>,
}

/// What outlives reloads, and where a state folder is set, the process.
pub(super) struct Kept {
    pub(super) store: Arc<Store>,
    /// How it is written; none without a folder.
    pub(super) written: Option<Arc<Written>>,
}

impl Gateway {
    /// Makes everything that needs no socket.
    ///
    /// # Errors
    /// Metrics that can't be made.
    pub(super) fn build(
        settings: &Settings,
        prepared: Prepared,
        audit: audit::Sink,
        kept: Kept,
    ) -> Result<Self, Error> {
        let listeners = || settings.listeners.iter().map(|listener| &*listener.name);
        let names = servers(settings);
        let pairs = || names.iter().map(|(broker, server)| (&**broker, server.as_str()));
        let metrics = Arc::new(Metrics::new(listeners(), pairs())?);
        let health = Arc::new(Health::new(listeners(), pairs()));
        let buffered = Arc::new(BufferedTotal::new(settings.limits.max_buffered_total_bytes));
        let pressure = Arc::new(Pressure::new(settings.limits.max_memory_bytes));
        show_readings(&metrics, &audit, &buffered)?;
        show_pressure(&metrics, &pressure)?;
        show_state(&metrics, &kept)?;

        let config::Authentication { workers, max_queue, .. } = settings.authentication;
        let passwords = Pool::start(workers, max_queue)
            .map_err(|source| Error::System { what: "can't start the threads that check passwords", source })?;
        let waiting = passwords.waiting();
        metrics.show(Source::PasswordsWaiting, move || waiting() as u64)?;
        let detectors = Arc::new(Detectors::new(Arc::clone(&kept.store), Arc::clone(&metrics)));
        let handshakes = Arc::new(Handshakes::new(&settings.protection));
        let queue = Arc::clone(&handshakes);
        metrics.show(Source::HandshakesWaiting, move || queue.waiting() as u64)?;
        let shared = Arc::new(Shared {
            metrics,
            detectors,
            audit,
            buffered,
            pressure,
            store: kept.store,
            flood: Flood::default(),
            new_bans: NewBans::default(),
            last_number: AtomicU64::new(0),
            census: Arc::default(),
            drain_millis: AtomicU64::new(0),
            passwords,
            handshakes,
            outboxes: Outboxes::default(),
        });
        shared.set_drain(settings.drain);
        let process = Arc::new(Process::new(settings.limits.max_connections, settings.limits.max_half_open));
        let mut ports = Vec::new();
        let calendars = Calendars::new(&prepared, SystemTime::now());
        for (listener, live) in lives(settings, prepared, &shared, &health, &[])? {
            let metrics = shared.metrics.listener(&listener.name)?;
            expect_failures(&metrics, &live);
            let port = Port {
                name: Arc::clone(&listener.name),
                live: ArcSwap::from_pointee(live),
                door: Arc::new(Door::new(Arc::clone(&process), bounds(&listener.limits))),
                metrics,
            };
            ports.push((Arc::new(port), listener.bind));
        }
        shared.metrics.reloads().loaded(SystemTime::now());
        Ok(Self { shared, ports, health, process, calendars, admin: settings.admin })
    }

    /// Opens the admin address, if there is one.
    pub(super) fn serve_admin(&self) -> Result<Option<Admin>, Error> {
        let Some(address) = self.admin else { return Ok(None) };
        let admin = admin::start(
            address,
            Arc::clone(&self.shared.metrics),
            Arc::clone(&self.health),
            Arc::clone(&self.shared.store),
        )
        .map_err(|source| Error::Bind { name: "admin".to_owned(), address, source })?;
        tracing::info!(address = %admin.address(), "metrics and health");
        Ok(Some(admin))
    }
}

fn show_readings(metrics: &Metrics, audit: &audit::Sink, buffered: &Arc<BufferedTotal>) -> Result<(), Error> {
    let sink = || audit.clone();
    let (written, dropped, failed, queued) = (sink(), sink(), sink(), sink());
    metrics.show(Source::AuditWritten, move || written.totals().written)?;
    metrics.show(Source::AuditDropped, move || dropped.totals().dropped)?;
    metrics.show(Source::AuditWriteErrors, move || failed.totals().write_errors)?;
    metrics.show(Source::AuditQueued, move || queued.queued() as u64)?;
    let buffered = Arc::clone(buffered);
    Ok(metrics.show(Source::BufferedBytes, move || buffered.bytes() as u64)?)
}

fn show_pressure(metrics: &Metrics, pressure: &Arc<Pressure>) -> Result<(), Error> {
    let (level, most, shed) = (Arc::clone(pressure), Arc::clone(pressure), Arc::clone(pressure));
    metrics.show(Source::PressureLevel, move || level.level() as u64)?;
    metrics.show(Source::MaxMemoryBytes, move || most.max_memory_bytes())?;
    let named = |(resource, count): (&str, u64)| (resource.into(), count);
    Ok(metrics.show_labelled(LabelledSource::Shed, move || shed.shed_by_resource().into_iter().map(named).collect())?)
}

fn show_state(metrics: &Metrics, kept: &Kept) -> Result<(), Error> {
    let by_table = |source, counts: fn(&Store) -> Vec<(&'static str, u64)>| {
        let store = Arc::clone(&kept.store);
        let named = |(table, count): (&str, u64)| (table.into(), count);
        metrics.show_labelled(source, move || counts(&store).into_iter().map(named).collect())
    };
    by_table(LabelledSource::StateEntries, Store::entries_by_table)?;
    by_table(LabelledSource::StateEvictions, Store::evictions_by_table)?;
    by_table(LabelledSource::StateFull, Store::full_by_table)?;
    let store = Arc::clone(&kept.store);
    metrics.show_labelled(LabelledSource::Banned, move || {
        let (addresses, clients) = store.bans().in_force(store.epoch().tick(Instant::now()));
        vec![("address".into(), addresses), ("client".into(), clients)]
    })?;
    let store = Arc::clone(&kept.store);
    metrics.show_labelled(LabelledSource::UnsignedIdentities, move || {
        store.unsigned_identities(unix_millis()).into_iter().map(|(rule, count)| (rule, count as u64)).collect()
    })?;
    if let Some(written) = &kept.written {
        let (errors, last) = (Arc::clone(written), Arc::clone(written));
        metrics.show(Source::StateFlushErrors, move || errors.errors())?;
        metrics.show(Source::StateLastFlush, move || u64::try_from(last.last_success()).unwrap_or_default())?;
    }
    Ok(())
}

/// Every server, with the name of its broker.
pub(super) fn servers(settings: &Settings) -> Vec<(Arc<str>, String)> {
    let brokers = settings.brokers.iter();
    brokers
        .flat_map(|broker| broker.servers.iter().map(|server| (Arc::clone(&broker.name), server.to_string())))
        .collect()
}

/// Shows from the start, at zero, what may fail where connections live by this.
pub(super) fn expect_failures(metrics: &ListenerMetrics, live: &Live) {
    if live.tls.is_some() {
        metrics.expect_handshake_failures(HandshakeFailure::ALL.map(HandshakeFailure::label));
    }
    if live.proxy_protocol.is_some() {
        metrics.expect_handshake_failures(proxied::reasons());
    }
}

/// What each listener's connections are to live by. Of the brokers in force `before` it is taken over which servers
/// answer.
pub(super) fn lives<'s>(
    settings: &'s Settings,
    mut prepared: Prepared,
    shared: &Shared,
    health: &Health,
    before: &[Arc<Upstream>],
) -> Result<Vec<(&'s config::Listener, Live)>, MetricsError> {
    let metrics = &*shared.metrics;
    metrics.expect_rates(settings.policy.rate_rules().map(|id| &**id))?;
    let mut upstreams = HashMap::new();
    for broker in &settings.brokers {
        let Some(ready) = prepared.brokers.remove(&broker.name) else { continue };
        if let Some(tls) = &ready.tls {
            show_expiries(Side::Broker, &broker.name, &tls.expiries, metrics);
        }
        upstreams.insert(&broker.name, Arc::new(upstream(broker, ready, metrics, health, before)?));
    }
    let mut lives = Vec::new();
    for listener in &settings.listeners {
        let Some(ready) = prepared.listeners.remove(&listener.name) else { continue };
        let Some(upstream) = upstreams.get(&listener.broker.name) else { continue };
        if let Some(tls) = &ready.tls {
            show_expiries(Side::Listener, &listener.name, &tls.expiries, metrics);
        }
        let settings = &listener.broker.quarantine;
        let outbox = shared.outboxes.of(upstream, settings, metrics, &shared.audit)?;
        lives.push((&**listener, live(listener, ready, (Arc::clone(upstream), outbox), Arc::clone(&shared.store))));
    }
    Ok(lives)
}

fn upstream(
    broker: &config::Broker,
    ready: PreparedBroker,
    metrics: &Metrics,
    health: &Health,
    before: &[Arc<Upstream>],
) -> Result<Upstream, MetricsError> {
    let name = Arc::clone(&broker.name);
    let before = before.iter().find(|before| before.name == name);
    let preferred = before.and_then(|before| before.preferred());
    let mut servers = Vec::new();
    for (server, asked) in broker.servers.iter().zip(ready.names) {
        let address = server.to_string();
        servers.push(Server {
            name: asked,
            metrics: metrics.server(&name, &address)?,
            reachability: health.server(&name, &address),
            lost: AtomicBool::new(before.is_some_and(|before| before.has_lost(&address))),
            address,
        });
    }
    let tcp = TcpOptions { keepalive: broker.keepalive, user_timeout: BROKER_USER_TIMEOUT };
    let tls = ready.tls.map(|tls| tls.config);
    let far = Far::new(broker, tls.as_ref());
    let preferred = servers.iter().position(|server| Some(server.address.as_str()) == preferred).unwrap_or_default();
    Ok(Upstream { name, servers, tls, far, tcp, preferred: AtomicUsize::new(preferred) })
}

fn live(
    listener: &config::Listener,
    ready: PreparedListener,
    (upstream, outbox): (Arc<Upstream>, Arc<Outbox>),
    memory: Arc<Store>,
) -> Live {
    let upgrade = listener.websocket.as_ref().map(|websocket| Upgrade {
        path: websocket.path.as_str().into(),
        max_message_bytes: websocket.max_message_bytes,
    });
    let deadlines = &listener.deadlines;
    Live {
        sources: Sources::new(listener, ready.lists, bounds(&listener.limits), Arc::clone(&memory)),
        terms: Arc::new(Terms { memory: Some(memory), ..Terms::clone(&listener.terms) }),
        tls: ready.tls.map(|tls| PortTls { config: tls.config, guard: tls.guard }),
        authenticator: ready.authenticator,
        admission: ready.admission,
        proxy_protocol: listener.proxy_protocol.clone(),
        upgrade,
        upstream,
        outbox,
        limits: Limits::of_listener(listener),
        tcp: TcpOptions { keepalive: listener.tcp.keepalive, user_timeout: listener.tcp.user_timeout },
        deadlines: Deadlines {
            handshake: deadlines.tls_handshake,
            connect: deadlines.connect,
            dial: deadlines.dial,
            write: deadlines.write,
        },
    }
}

pub(super) fn bounds(limits: &config::Limits) -> Bounds {
    Bounds {
        max_connections: limits.max_connections,
        max_half_open: limits.max_half_open,
        max_per_address: limits.max_connections_per_address,
        max_half_open_per_address: limits.max_half_open_per_address,
        max_per_prefix: limits.max_connections_per_prefix,
        max_half_open_per_prefix: limits.max_half_open_per_prefix,
        ipv4_prefix_bits: limits.ipv4_prefix_bits,
        ipv6_prefix_bits: limits.ipv6_prefix_bits,
    }
}

/// Shows what ends first of each kind.
fn show_expiries(side: Side, name: &str, expiries: &[Expiry], metrics: &Metrics) {
    for (kind, shown) in [
        (ExpiryKind::Certificate, CertificateKind::Own),
        (ExpiryKind::Authority, CertificateKind::Authority),
        (ExpiryKind::RevocationList, CertificateKind::RevocationList),
    ] {
        let ends = expiries.iter().filter(|expiry| expiry.kind == kind).map(|expiry| expiry.at.0);
        match ends.min() {
            Some(first) => metrics.certificate_expiry(side, name, shown, first),
            None => metrics.no_certificate(side, name, shown),
        }
    }
}
