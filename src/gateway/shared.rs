//! What all connections have in common, and what those of one listener do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use tokio::sync::watch;

use super::admission::Door;
use super::buffered::BufferedTotal;
use super::socket::TcpOptions;
use super::upstream::Upstream;
use super::websocket::Upgrade;
use crate::audit::Sink;
use crate::enforce::Terms;
use crate::metrics::{ListenerMetrics, Metrics};
use crate::tls::verify::Guard;

/// Of the whole process.
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Sink,
    pub(super) buffered: Arc<BufferedTotal>,
    pub(super) last_number: AtomicU64,
}

impl Shared {
    /// A number for a connection, unique in this run.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Of one listener.
pub(super) struct Port {
    pub(super) name: Arc<str>,
    pub(super) terms: Arc<Terms>,
    pub(super) tls: Option<PortTls>,
    pub(super) upgrade: Option<Upgrade>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) door: Arc<Door>,
    pub(super) metrics: Arc<ListenerMetrics>,
    pub(super) tcp: TcpOptions,
    pub(super) deadlines: Deadlines,
}

/// TLS of one listener.
pub(super) struct PortTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) guard: Arc<Guard>,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From accept to the end of TLS handshake and WebSocket upgrade.
    pub(super) handshake: Duration,
    /// From accept to a whole CONNECT.
    pub(super) connect: Duration,
    /// For all servers of the broker together.
    pub(super) dial: Duration,
    /// A write that does not move.
    pub(super) write: Duration,
}

/// Says when the gateway drains: once set, connections end when they are quiet, and at that time at the latest.
pub(super) type Drain = watch::Receiver<Option<Instant>>;
