//! Settings to what runs: certificates read, counters made, limits set. Nothing here opens a socket.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::Error;
use super::admin::{self, Admin, Health};
use super::admission::{Bounds, Door, Process};
use super::authenticate::Authenticator;
use super::buffered::BufferedTotal;
use super::shared::{Deadlines, Live, Port, PortTls, Shared};
use super::socket::TcpOptions;
use super::upstream::{Server, Upstream};
use super::websocket::Upgrade;
use crate::audit;
use crate::config::{self, Settings};
use crate::metrics::{CertificateKind, Metrics, Side, Source};
use crate::tls::client::ClientSettings;
use crate::tls::error::{TlsError, Warning};
use crate::tls::failure::HandshakeFailure;
use crate::tls::server::{Expiry, ExpiryKind, ServerSettings};

/// A broker that does not acknowledge for this long is gone, however long a client may take.
const BROKER_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that runs, ready to be served.
pub(super) struct Gateway {
    pub(super) shared: Arc<Shared>,
    pub(super) ports: Vec<(Arc<Port>, SocketAddr)>,
    pub(super) health: Arc<Health>,
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// Reads certificates and makes everything that needs no socket.
    ///
    /// # Errors
    /// TLS that can't be set up; the problems of one listener or broker at a time.
    pub(super) fn build(settings: &Settings, audit: audit::Sink) -> Result<Self, Error> {
        let listeners = || settings.listeners.iter().map(|listener| &*listener.name);
        let names: Vec<(Arc<str>, String)> = settings
            .brokers
            .iter()
            .flat_map(|broker| broker.servers.iter().map(|server| (Arc::clone(&broker.name), server.to_string())))
            .collect();
        let servers = || names.iter().map(|(broker, server)| (&**broker, server.as_str()));
        let metrics = Arc::new(Metrics::new(listeners(), servers())?);
        let health = Arc::new(Health::new(listeners(), servers()));
        let buffered = Arc::new(BufferedTotal::new(settings.limits.max_buffered_total_bytes));
        show_readings(&metrics, &audit, &buffered)?;

        let shared = Arc::new(Shared { metrics, audit, buffered, last_number: AtomicU64::new(0) });
        let process = Arc::new(Process::new(settings.limits.max_connections, settings.limits.max_half_open));
        let mut upstreams = HashMap::new();
        for broker in &settings.brokers {
            upstreams.insert(Arc::clone(&broker.name), Arc::new(upstream(broker, &shared.metrics, &health)?));
        }
        let mut ports = Vec::new();
        for listener in &settings.listeners {
            let Some(upstream) = upstreams.get(&listener.broker.name) else { continue };
            let port = port(listener, Arc::clone(upstream), &process, &shared.metrics)?;
            ports.push((Arc::new(port), listener.bind));
        }
        Ok(Self { shared, ports, health, admin: settings.admin })
    }

    /// Opens the admin address, if there is one.
    pub(super) fn serve_admin(&self) -> Result<Option<Admin>, Error> {
        let Some(address) = self.admin else { return Ok(None) };
        let admin = admin::start(address, Arc::clone(&self.shared.metrics), Arc::clone(&self.health))
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

fn upstream(broker: &config::Broker, metrics: &Metrics, health: &Health) -> Result<Upstream, Error> {
    let name = Arc::clone(&broker.name);
    let tls = match &broker.tls {
        None => None,
        Some(tls) => Some(client_config(&name, tls, metrics)?),
    };
    let mut servers = Vec::new();
    for server in &broker.servers {
        let address = server.to_string();
        let asked = broker.tls.as_ref().map(|tls| tls.server_name.as_ref().unwrap_or(&server.host));
        servers.push(Server {
            name: match asked {
                None => None,
                Some(host) => Some(server_name(&name, host)?),
            },
            metrics: metrics.server(&name, &address)?,
            reachability: health.server(&name, &address),
            lost: AtomicBool::new(false),
            address,
        });
    }
    let tcp = TcpOptions { keepalive: broker.keepalive, user_timeout: BROKER_USER_TIMEOUT };
    Ok(Upstream { name, servers, tls, tcp, preferred: AtomicUsize::new(0) })
}

fn client_config(name: &str, tls: &config::BrokerTls, metrics: &Metrics) -> Result<Arc<ClientConfig>, Error> {
    let built = ClientSettings::from(tls).build(SystemTime::now()).map_err(|problems| Error::Tls {
        owner: "broker",
        name: name.to_owned(),
        problems,
    })?;
    note(Side::Broker, name, &built.warnings, &built.expiries, metrics);
    Ok(built.config)
}

fn server_name(broker: &str, host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls {
        owner: "broker",
        name: broker.to_owned(),
        problems: vec![TlsError::ServerName(host.into())],
    })
}

fn port(
    listener: &config::Listener,
    upstream: Arc<Upstream>,
    process: &Arc<Process>,
    metrics: &Metrics,
) -> Result<Port, Error> {
    let tls = match &listener.tls {
        None => None,
        Some(tls) => {
            let server = ServerSettings::from(tls).build(SystemTime::now()).map_err(|problems| Error::Tls {
                owner: "listener",
                name: listener.name.to_string(),
                problems,
            })?;
            note(Side::Listener, &listener.name, &server.warnings, &server.expiries, metrics);
            Some(PortTls { config: server.config, guard: server.guard })
        }
    };
    let upgrade = listener.websocket.as_ref().map(|websocket| Upgrade {
        path: websocket.path.as_str().into(),
        max_message_bytes: websocket.max_message_bytes,
    });
    let deadlines = &listener.deadlines;
    let metrics = metrics.listener(&listener.name)?;
    if tls.is_some() {
        metrics.expect_handshake_failures(HandshakeFailure::ALL.map(HandshakeFailure::label));
    }
    let live = Live {
        terms: Arc::clone(&listener.terms),
        tls,
        authenticator: Arc::new(Authenticator),
        upgrade,
        upstream,
        tcp: TcpOptions { keepalive: listener.tcp.keepalive, user_timeout: listener.tcp.user_timeout },
        deadlines: Deadlines {
            handshake: deadlines.tls_handshake,
            connect: deadlines.connect,
            dial: deadlines.dial,
            write: deadlines.write,
        },
    };
    Ok(Port {
        name: Arc::clone(&listener.name),
        live: ArcSwap::from_pointee(live),
        door: Arc::new(Door::new(Arc::clone(process), bounds(&listener.limits))),
        metrics,
    })
}

fn bounds(limits: &config::Limits) -> Bounds {
    Bounds {
        max_connections: limits.max_connections,
        max_half_open: limits.max_half_open,
        max_per_address: limits.max_connections_per_address,
        max_half_open_per_address: limits.max_half_open_per_address,
        max_per_prefix: limits.max_connections_per_prefix,
        ipv4_prefix_bits: limits.ipv4_prefix_bits,
        ipv6_prefix_bits: limits.ipv6_prefix_bits,
    }
}

/// Says what will be wrong soon, and shows when.
fn note(side: Side, name: &str, warnings: &[Warning], expiries: &[Expiry], metrics: &Metrics) {
    for warning in warnings {
        tracing::warn!(side = side.label(), name, "{warning}");
    }
    // One gauge for all of a kind: the last one set stays, and that is the one that ends first.
    let mut latest_first: Vec<_> = expiries.iter().collect();
    latest_first.sort_by_key(|expiry| std::cmp::Reverse(expiry.at));
    for expiry in latest_first {
        let kind = match expiry.kind {
            ExpiryKind::Certificate => CertificateKind::Own,
            ExpiryKind::Authority => CertificateKind::Authority,
            ExpiryKind::RevocationList => CertificateKind::RevocationList,
        };
        metrics.certificate_expiry(side, name, kind, expiry.at.0);
    }
}
