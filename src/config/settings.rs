//! The checked settings: what the rest of the gateway is given.

mod bounds;
mod far;
mod identity;
mod protection;
mod shield;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::kinds::{Words, address, count, duration, optional, seconds, size, url_path, word};
use super::policy;
use super::problem::{self, Problem, Severity, Source};
use super::read::{Located, settings};
use crate::enforce::Terms;
use crate::mqtt::Version;
use crate::policy::Policy;

pub use bounds::*;
pub use far::*;
pub use identity::*;
pub use protection::*;
pub(super) use shield::*;

/// Everything that `tidegate run` needs, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What clients dial; at least one.
    pub listeners: Vec<Arc<Listener>>,
    /// Every broker, whether a listener names it or not.
    pub brokers: Vec<Arc<Broker>>,
    /// Where metrics and health are answered; none turns it off.
    pub admin: Option<SocketAddr>,
    /// What is remembered beyond one connection.
    pub state: State,
    /// Where events go.
    pub audit: Audit,
    /// The operational log.
    pub log: Log,
    /// Bounds on the whole process; those of a listener are in [`Listener::limits`].
    pub limits: Limits,
    /// What keeps floods away from the whole process; that of a listener is in [`Listener::protection`].
    pub protection: Protection,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// How changed files are noticed.
    pub reload: Reload,
    /// Password checks.
    pub authentication: Authentication,
    /// How long open exchanges may take to end after SIGTERM.
    pub drain: Duration,
    /// What deserves saying and is no error, by file and place.
    pub warnings: Vec<Problem>,
    /// The settings file.
    pub source: Arc<Source>,
    /// The files and folders that it names.
    pub(super) files: Vec<Located<PathBuf>>,
    /// Those that its policies and tables name, and these themselves.
    pub(super) more_files: Vec<PathBuf>,
}

impl Settings {
    /// Every file and folder that was read, or is to be, the settings file first: when one changes, all are read anew.
    /// Not the folders of policies, of which nothing counts but the files that are here too, and not the audit file, which
    /// the gateway itself writes.
    pub fn watched(&self) -> Vec<&Path> {
        let named = self.files.iter().map(|file| file.value.as_path());
        let more = || self.more_files.iter().map(PathBuf::as_path);
        let is_policy = |path: &Path| more().any(|file| file.parent() == Some(path) && file.ends_with(policy::FILE));
        let is_audit = |path: &Path| self.audit.file.as_deref() == Some(path);
        let mut seen = std::collections::HashSet::new();
        let all = std::iter::once(self.source.path.as_path()).chain(named).chain(more());
        all.filter(|path| !is_audit(path) && !is_policy(path) && seen.insert(*path)).collect()
    }

    /// A problem with what the settings name, such as a certificate, shown where they name `file`.
    pub fn problem(&self, severity: Severity, message: String, file: Option<&Path>) -> Problem {
        let named = file.and_then(|file| self.files.iter().find(|named| named.value == file));
        let problem = Problem::new(problem::Kind::Tls, &self.source, named.map(|named| named.span.clone()), message);
        Problem { severity, ..problem }
    }
}

/// One address that clients dial.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Unique; appears in logs, events and metrics.
    pub name: Arc<str>,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Where its connections go.
    pub broker: Arc<Broker>,
    /// TLS; none is a plain listener.
    pub tls: Option<ServerTls>,
    /// MQTT over WebSocket; none is MQTT straight over TCP or TLS.
    pub websocket: Option<WebSocket>,
    /// PROXY protocol in front of what clients send; none takes none.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Who its clients are. None asks nobody to prove it, which is so only where the policy permits everything; a
    /// certificate's one Common Name is then the name of its client, and other clients have none.
    pub identity: Option<IdentitySettings>,
    /// Admission tokens; none asks for none.
    pub admission: Option<Admission>,
    /// What it imposes on connections: packet limits, versions, Keep Alive, policy.
    pub terms: Arc<Terms>,
    /// The sockets of its clients.
    pub tcp: Tcp,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// Bounds on its connections; those on packets are in [`Listener::terms`] too.
    pub limits: Limits,
    /// Who may dial it.
    pub addresses: Addresses,
    /// What keeps floods away from it.
    pub protection: Protection,
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificates with their keys; at least one. The first is also for clients that name no server or an unknown one.
    pub certificates: Vec<KeyPair>,
    /// Whether clients show a certificate.
    pub clients: ClientAuth,
    /// Certificate revocation lists for client certificates, PEM or DER.
    pub crl: Vec<PathBuf>,
    /// What becomes of those lists when they are old.
    pub revocation: Revocation,
    /// Protocols offered by ALPN, most wanted first; empty offers none.
    pub alpn: Vec<String>,
    /// The oldest TLS version that is spoken.
    pub min_version: TlsVersion,
    /// Whether sessions may be resumed.
    pub resumption: bool,
}

/// What becomes of revocation lists when they are old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What a list past its next update does.
    pub on_stale: OnStale,
    /// How long before its next update a list is warned of.
    pub notice: Duration,
}

impl Default for Revocation {
    fn default() -> Self {
        Self { on_stale: OnStale::Deny, notice: seconds(86_400) }
    }
}

/// What a revocation list past its next update does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// It refuses every certificate of its issuer.
    #[default]
    Deny,
    /// It refuses the certificates that are on it, as before.
    Allow,
}

impl Words for OnStale {
    const WORDS: &'static [(&'static str, Self)] = &[("deny", Self::Deny), ("allow", Self::Allow)];
}

/// A certificate chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// PEM file: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM file: the private key.
    pub key: PathBuf,
    /// Server names (SNI) that get this certificate; empty for those in the certificate.
    pub server_names: Vec<String>,
}

/// Whether a client shows a certificate, and who must have issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not asked for.
    None,
    /// Asked for; one that is shown must be valid.
    Optional {
        /// PEM file with the issuers that are trusted.
        ca: PathBuf,
    },
    /// No certificate, no connection.
    Required {
        /// PEM file with the issuers that are trusted.
        ca: PathBuf,
    },
}

/// Where connections go.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Unique; appears in logs, events and metrics.
    pub name: Arc<str>,
    /// Tried in order, from the last one that answered; at least one.
    pub servers: Vec<Server>,
    /// TLS; none is plain TCP.
    pub tls: Option<BrokerTls>,
    /// Idle time before TCP keepalive probes.
    pub keepalive: Duration,
    /// User name and password of the CONNECT that goes there.
    pub credentials: BrokerCredentials,
    /// PROXY protocol in front of what goes there; none sends none.
    pub proxy_protocol: Option<BrokerProxyProtocol>,
    /// The gateway's own connection there.
    pub quarantine: BrokerQuarantine,
}

/// TLS towards a broker.
#[derive(Clone, Debug)]
pub struct BrokerTls {
    /// PEM file with the issuers that are trusted; none takes the machine's trust store.
    pub ca: Option<PathBuf>,
    /// The gateway's own certificate, for brokers that ask for one.
    pub identity: Option<KeyPair>,
    /// Certificates of its clients, each shown for its own.
    pub identities: Option<BrokerIdentities>,
    /// The name that the broker's certificate must carry; none takes the server's host.
    pub server_name: Option<String>,
    /// Protocols offered by ALPN; empty offers none.
    pub alpn: Vec<String>,
    /// The oldest TLS version that is spoken.
    pub min_version: TlsVersion,
}

/// One server of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// A DNS name or an IP address, the latter without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Words for Version {
    const WORDS: &'static [(&'static str, Self)] = &[("3.1", Self::V31), ("3.1.1", Self::V311), ("5.0", Self::V50)];
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

impl Words for TlsVersion {
    const WORDS: &'static [(&'static str, Self)] = &[("1.2", Self::V12), ("1.3", Self::V13)];
}

settings! {
    /// MQTT over WebSocket, with the subprotocol `mqtt`, in place of MQTT straight over TCP or TLS.
    pub struct WebSocket {
        /// Path of the URL that clients open; any other is answered with 404.
        path: String = "/mqtt".to_owned(), url_path();
        /// Bytes of one WebSocket message, which may hold several packets or a part of one. Where a client sends each packet as one message, this bounds its packets.
        max_message_bytes: usize = 2 * MIB, size(KIB..=256 * MIB);
    }
}

settings! {
    /// How changed files are noticed. A SIGHUP has everything read anew at any time.
    pub struct Reload {
        /// How often the files that settings and policies name are looked at for changes; `0s` never.
        poll: Duration = seconds(2), duration(Duration::ZERO..=HOUR);
    }
}

settings! {
    /// Password checks, which take long on purpose. They run beside the connections, on threads of their own.
    pub struct Authentication {
        /// Checks at once.
        workers: usize = 2, count(1..=256);
        /// Checks that may wait, of which the clients of one address get half at most. One more is refused with 0x97 (3 before 5.0).
        max_queue: usize = 1024, count(1..=1_000_000);
        /// How long a client's authentication may take, waiting included.
        deadline: Duration = seconds(5), duration(MILLI..=HOUR);
        /// How long a good password is remembered, so that many clients that come back at once are not all checked anew; `0s` checks each time. A changed password file empties the memory.
        cache: Duration = seconds(60), duration(Duration::ZERO..=HOUR);
        /// Good passwords remembered at once, for each listener; as digests under a key that no other run has.
        max_cached: usize = 10_000, count(1..=1_000_000);
    }
}

settings! {
    /// The sockets of clients: how a peer that is gone is noticed.
    pub struct Tcp {
        /// Idle time before TCP keepalive probes.
        keepalive: Duration = seconds(60), duration(seconds(1)..=24 * HOUR);
        /// How long sent bytes may stay unacknowledged before the connection is dead (`TCP_USER_TIMEOUT`).
        user_timeout: Duration = seconds(120), duration(seconds(1)..=24 * HOUR);
    }
}

settings! {
    /// Where metrics and health are answered.
    pub(super) struct Admin {
        /// Address and port of `/metrics`, `/healthz`, `/readyz` and `/bans`; off when not given. Whoever reaches it may read it.
        bind: Option<Located<SocketAddr>> = None, optional(address());
    }
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The file that gets a JSON line per event; none writes no file.
    pub file: Option<PathBuf>,
    /// What happens when the queue is full.
    pub on_full: OnFull,
    /// Events that may wait to be written.
    pub max_queue: usize,
}

/// What happens when events come faster than they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Reading stops until there is room.
    Block,
    /// The event is lost, and counted.
    Drop,
}

impl Words for OnFull {
    const WORDS: &'static [(&'static str, Self)] = &[("block", Self::Block), ("drop", Self::Drop)];
}

settings! {
    /// The operational log, on standard error.
    pub struct Log {
        /// How lines look: `auto` is `text` on a terminal and `json` elsewhere.
        format: LogFormat = LogFormat::Auto, word();
        /// The least that is logged; the environment variable `TIDEGATE_LOG` goes before it.
        level: LogLevel = LogLevel::Info, word();
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Words for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)];
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops the gateway from doing its work.
    Error,
    /// And what deserves attention.
    Warn,
    /// And what happens to the gateway as a whole.
    Info,
    /// And what happens to each connection.
    Debug,
    /// And each packet.
    Trace,
}

impl LogLevel {
    /// The word in the settings.
    pub fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Words for LogLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}
