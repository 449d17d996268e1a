//! What all connections have in common, and what those of one listener do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::admission::Door;
use super::authenticate::{Authenticator, Pool};
use super::buffered::BufferedTotal;
use super::census::Census;
use super::detect::{self, Detectors};
use super::handshakes::Handshakes;
use super::pressure::{Level, Pressure};
use super::quarantine::{Outbox, Outboxes};
use super::socket::TcpOptions;
use super::sources::{Flood, NewBans, Sources};
use super::upstream::Upstream;
use super::websocket::Upgrade;
use crate::audit::Sink;
use crate::config::ProxyProtocol;
use crate::credentials::admission;
use crate::enforce::{At, Terms};
use crate::metrics::{ListenerMetrics, Metrics};
use crate::store::Store;
pub(super) use crate::store::unix_millis;
use crate::tls::verify::Guard;

/// Of the whole process.
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Sink,
    pub(super) buffered: Arc<BufferedTotal>,
    pub(super) pressure: Arc<Pressure>,
    pub(super) last_number: AtomicU64,
    pub(super) census: Arc<Census>,
    /// What all connections remember together, over reloads.
    pub(super) store: Arc<Store>,
    /// What all connections are watched by.
    pub(super) detectors: Arc<Detectors>,
    /// What strangers do without end, for the records of it.
    pub(super) flood: Flood,
    pub(super) new_bans: NewBans,
    /// Where quarantined messages go.
    pub(super) outboxes: Outboxes,
    /// Where passwords are checked.
    pub(super) passwords: Pool,
    /// Turns at TLS handshakes with clients.
    pub(super) handshakes: Arc<Handshakes>,
    /// How long open exchanges may take to end when the gateway does, in milliseconds.
    pub(super) drain_millis: AtomicU64,
}

impl Shared {
    /// A number for a connection, unique in this run.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_millis.load(Ordering::Relaxed))
    }

    pub(super) fn set_drain(&self, drain: Duration) {
        self.drain_millis.store(u64::try_from(drain.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Of one listener.
pub(super) struct Port {
    pub(super) name: Arc<str>,
    /// What a reload replaces, whole.
    pub(super) live: ArcSwap<Live>,
    pub(super) door: Arc<Door>,
    pub(super) metrics: Arc<ListenerMetrics>,
}

/// What a connection takes at accept; one that is connected takes another after a reload.
pub(super) struct Live {
    pub(super) terms: Arc<Terms>,
    pub(super) sources: Sources,
    pub(super) tls: Option<PortTls>,
    pub(super) authenticator: Arc<Authenticator>,
    /// Admission tokens; none asks for none.
    pub(super) admission: Option<Arc<admission::Door>>,
    pub(super) proxy_protocol: Option<ProxyProtocol>,
    pub(super) upgrade: Option<Upgrade>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) limits: detect::Limits,
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

/// What the gateway says to its connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    /// It drains: once set, connections end when they are quiet, and at that time at the latest.
    pub(super) drain: Option<Instant>,
    /// What it does without.
    pub(super) level: Level,
    /// The round of judgement that connections are in: a new one after each reload.
    pub(super) round: u64,
    /// How often it was said that somebody is banned.
    pub(super) bans: u64,
}

/// Hears what the gateway says.
pub(super) type Words = watch::Receiver<Word>;

/// Waits until the gateway drains; for ever where nobody is left to say so.
pub(super) async fn drained(words: &mut Words) -> Option<Instant> {
    let heard = words.wait_for(|word| word.drain.is_some()).await.ok().map(|word| word.drain);
    match heard {
        Some(drain) => drain,
        None => std::future::pending().await,
    }
}

/// Now, and when what ends at `ends`, in seconds since 1970, does.
pub(super) fn at(unix_millis: i64, ends: Option<i64>) -> At {
    let now = Instant::now();
    let unix = unix_millis.div_euclid(1000);
    let left = |ends: i64| Duration::from_secs(u64::try_from(ends.saturating_sub(unix)).unwrap_or_default());
    At { now, unix_millis, ends: ends.and_then(|ends| now.checked_add(left(ends))) }
}
