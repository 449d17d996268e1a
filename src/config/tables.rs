//! The tables of a settings file as they are written, before they are held against each other.

mod far;
mod identity;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::kinds::{
    File, Flag, Over, Unwatched, Words, address, asked_name, count, duration, list, name, optional, overridable,
    overrides, protocol, required, required_list, seconds, server, server_name, table, word,
};
use super::read::{Located, settings};
use super::settings::{
    AddressesTable, Admin, Authentication, Deadlines, KeepAlive, Limits, Log, OnFull, OnStale, Protection, Reload,
    Revocation, Server, ShieldTable, Tcp, TlsVersion, WebSocket,
};
use crate::mqtt::Version;

pub(super) use far::*;
pub(super) use identity::*;

settings! {
    /// The whole file.
    pub(super) struct Gateway {
        /// Folders of policies, each with its `policy.toml`; several are taken together as one policy. There must be one: without a policy nothing is permitted.
        policies: Vec<Located<PathBuf>> = Vec::new(), list(File, 0..=16);
        /// What clients dial.
        listener: Vec<Located<ListenerTable>> = Vec::new(), required_list(table(), 1..=256);
        /// Where connections go.
        broker: Vec<Located<BrokerTable>> = Vec::new(), required_list(table(), 1..=256);
        /// Bounds on packets, connections and memory; a listener may have its own.
        limits: Over<Limits> = Over::nothing(), overridable();
        /// How long each step may take; a listener may have its own.
        deadlines: Over<Deadlines> = Over::nothing(), overridable();
        /// What Keep Alive a client may ask for; a listener may have its own.
        keep_alive: Over<KeepAlive> = Over::nothing(), overridable();
        /// Who may dial at all, by address; a listener may have its own.
        addresses: AddressesTable = AddressesTable::default(), table();
        /// What keeps floods and broken devices from wearing gateway and broker out; a listener may have its own.
        protection: Over<Protection> = Over::nothing(), overridable();
        /// What of the protocol clients may make use of; a listener may have its own.
        shield: Over<ShieldTable> = Over::nothing(), overridable();
        /// How changed files are noticed. At SIGHUP everything is read anew in any case; files that are not valid change nothing.
        reload: Reload = Reload::default(), table();
        /// Password checks, which take long on purpose: they run beside the connections, on threads of their own.
        authentication: Authentication = Authentication::default(), table();
        /// What is remembered beyond one connection: used nonces, counters, the last values of devices.
        state: StateTable = StateTable::default(), table();
        /// Metrics and health.
        admin: Admin = Admin::default(), table();
        /// Events.
        audit: AuditTable = AuditTable::default(), table();
        /// The operational log.
        log: Log = Log::default(), table();
    }
}

settings! {
    /// One address that clients dial.
    pub(super) struct ListenerTable {
        /// Its name in logs, events and metrics; unique.
        name: Option<Located<String>> = None, required(name());
        /// Where it listens.
        bind: Option<Located<SocketAddr>> = None, required(address());
        /// The name of the broker that its connections go to.
        broker: Option<Located<String>> = None, required(name());
        /// TLS; without it whatever is sent can be read and changed on the way, and `check` warns.
        tls: Option<Located<ServerTlsTable>> = None, optional(table());
        /// MQTT over WebSocket in place of MQTT straight over TCP or TLS.
        websocket: Option<Located<WebSocket>> = None, optional(table());
        /// Who its clients are, and what proves it. Without it: the one Common Name of the client certificate; and where none is asked for, nobody, which only a policy that permits everything lets through.
        identity: Option<Located<IdentityTable>> = None, optional(table());
        /// Admission tokens, without which nobody is let as far as a handshake, or a password check.
        admission: Option<Located<AdmissionTable>> = None, optional(table());
        /// PROXY protocol (of HAProxy, versions 1 and 2) of a load balancer in front of it. Addresses of clients are then those that it tells.
        proxy_protocol: Option<Located<ProxyProtocolTable>> = None, optional(table());
        /// Protocol versions that are accepted.
        versions: Vec<Located<Version>> = every_version(), list(word(), 1..=3);
        /// The sockets of its clients.
        tcp: Tcp = Tcp::default(), table();
        /// Its own bounds.
        limits: Over<Limits> = Over::nothing(), overrides("limits");
        /// Its own deadlines.
        deadlines: Over<Deadlines> = Over::nothing(), overrides("deadlines");
        /// Its own rule for Keep Alive.
        keep_alive: Over<KeepAlive> = Over::nothing(), overrides("keep_alive");
        /// Who may dial it, by address, in place of what is said for all.
        addresses: Option<Located<AddressesTable>> = None, optional(table());
        /// Its own protection.
        protection: Over<Protection> = Over::nothing(), overrides("protection");
        /// Its own shield.
        shield: Over<ShieldTable> = Over::nothing(), overrides("shield");
    }
}

pub(super) fn every_version() -> Vec<Located<Version>> {
    Version::WORDS.iter().map(|(_, value)| Located { value: *value, span: 0..0 }).collect()
}

settings! {
    /// TLS towards clients.
    pub(super) struct ServerTlsTable {
        /// PEM file: the gateway's certificate, then its intermediates.
        certificate: Option<Located<PathBuf>> = None, optional(File);
        /// PEM file: the private key of `certificate`.
        key: Option<Located<PathBuf>> = None, optional(File);
        /// More certificates, by server name (SNI); beside `certificate`, or in place of it.
        certificates: Vec<Located<CertificateTable>> = Vec::new(), list(table(), 0..=256);
        /// Whether clients show a certificate: `required` lets nobody in without one, `optional` asks for one, `none` does not ask.
        clients: Option<Located<Clients>> = Some(Located { value: Clients::Required, span: 0..0 }), optional(word());
        /// PEM file: the issuers whose client certificates are trusted.
        client_ca: Option<Located<PathBuf>> = None, optional(File);
        /// Files with certificate revocation lists for client certificates.
        crl: Vec<Located<PathBuf>> = Vec::new(), list(File, 0..=64);
        /// What becomes of those lists when they are old.
        revocation: RevocationTable = RevocationTable::default(), table();
        /// Protocols offered by ALPN, most wanted first, such as `mqtt`; an empty list offers none.
        alpn: Vec<Located<String>> = Vec::new(), list(protocol(), 0..=16);
        /// The oldest TLS version that is spoken.
        min_version: TlsVersion = TlsVersion::V12, word();
        /// Let clients resume a session, which spares most of a handshake.
        resumption: bool = true, Flag;
    }
}

settings! {
    /// What becomes of revocation lists when they are old.
    pub(super) struct RevocationTable {
        /// What a list past its next update does: `deny` refuses every certificate of its issuer, and at start and reload is an error; `allow` goes on refusing those that are on it, and warns. A certificate of whose issuer there is no list is refused in either case.
        on_stale: Option<Located<OnStale>> = Some(Located { value: OnStale::Deny, span: 0..0 }), optional(word());
        /// How long before the next update of a list the log warns of it.
        notice: Duration = Revocation::default().notice, duration(seconds(0)..=seconds(90 * 86_400));
    }
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    Required,
    Optional,
    None,
}

impl Words for Clients {
    const WORDS: &'static [(&'static str, Self)] =
        &[("required", Self::Required), ("optional", Self::Optional), ("none", Self::None)];
}

settings! {
    /// One more certificate of a listener.
    pub(super) struct CertificateTable {
        /// PEM file: the certificate, then its intermediates.
        certificate: Option<Located<PathBuf>> = None, required(File);
        /// PEM file: its private key.
        key: Option<Located<PathBuf>> = None, required(File);
        /// The server names that get it, exact or with `*` as first label; those in the certificate when not given.
        server_names: Vec<Located<String>> = Vec::new(), list(asked_name(), 0..=256);
    }
}

settings! {
    /// Where connections go.
    pub(super) struct BrokerTable {
        /// Its name, by which listeners mean it; unique.
        name: Option<Located<String>> = None, required(name());
        /// Servers, tried in order from the last one that answered.
        servers: Vec<Located<Server>> = Vec::new(), required_list(server(), 1..=64);
        /// TLS; without it the way to the broker is plain TCP.
        tls: Option<Located<BrokerTlsTable>> = None, optional(table());
        /// User name and password of the CONNECT that goes there.
        credentials: Option<Located<CredentialsTable>> = None, optional(table());
        /// PROXY protocol (of HAProxy) in front of what goes there, which tells the broker where clients dial from.
        proxy_protocol: Option<Located<BrokerProxyProtocolTable>> = None, optional(table());
        /// The gateway's own connection there, which publishes messages that rules quarantine.
        quarantine: Option<Located<QuarantineTable>> = None, optional(table());
        /// The sockets to its servers.
        tcp: BrokerTcp = BrokerTcp::default(), table();
    }
}

settings! {
    /// The sockets to a broker.
    pub(super) struct BrokerTcp {
        /// Idle time before TCP keepalive probes.
        keepalive: Duration = seconds(60), duration(seconds(1)..=seconds(86_400));
    }
}

settings! {
    /// TLS towards a broker.
    pub(super) struct BrokerTlsTable {
        /// PEM file: the issuers that are trusted; the machine's trust store when not given.
        ca: Option<Located<PathBuf>> = None, optional(File);
        /// PEM file: the gateway's own certificate, for brokers that ask for one.
        certificate: Option<Located<PathBuf>> = None, optional(File);
        /// PEM file: the private key of `certificate`.
        key: Option<Located<PathBuf>> = None, optional(File);
        /// Certificates of clients, shown to the broker in place of the gateway's own.
        identities: Option<Located<BrokerIdentitiesTable>> = None, optional(table());
        /// The name that the broker's certificate must carry; the host in `servers` when not given.
        server_name: Option<Located<String>> = None, optional(server_name());
        /// Protocols offered by ALPN; an empty list offers none.
        alpn: Vec<Located<String>> = Vec::new(), list(protocol(), 0..=16);
        /// The oldest TLS version that is spoken.
        min_version: TlsVersion = TlsVersion::V12, word();
    }
}

settings! {
    /// Where events go: each refusal and each ended connection is one.
    pub(super) struct AuditTable {
        /// File that gets a JSON line per event; none when not given.
        file: Option<Located<PathBuf>> = None, optional(Unwatched);
        /// What happens when events come faster than they are written: `block` stops reading from clients, `drop` loses events and counts them.
        on_full: Option<Located<OnFull>> = Some(Located { value: OnFull::Block, span: 0..0 }), optional(word());
        /// Events that may wait to be written.
        max_queue: usize = 8192, count(1..=1_000_000);
    }
}

settings! {
    /// What is remembered beyond one connection. Used nonces and counters keep signed messages from being played again; a message whose nonce or counter can't be remembered, because a table is full, is refused.
    pub(super) struct StateTable {
        /// Folder for what outlives the gateway: counters, and nonces that have not expired. Made for the gateway alone; it makes `state.redb` and `lock` in it. When not given, nothing outlives the gateway, and a signed message of before can be played once more after a restart: with a counter at any time, with a nonce until it is too old.
        folder: Option<Located<PathBuf>> = None, optional(Unwatched);
        /// How often that is written. A crash, unlike an orderly end, loses what is newer: messages of that time can be played once more.
        flush: Duration = seconds(1), duration(Duration::from_millis(100)..=seconds(60));
        /// Values whose history is remembered, for limits to change and pace. When there are more, those not renewed lately are forgotten, and their next value is a first one.
        max_histories: usize = 100_000, count(1..=10_000_000);
        /// Values that interlocks ask for. When there are more, those not learnt anew lately are forgotten, and what needs them is refused.
        max_facts: usize = 10_000, count(1..=10_000_000);
        /// Used nonces of all rules together. When there are more, signed messages are refused until some have expired.
        max_nonces: usize = 1_000_000, count(1..=100_000_000);
        /// Counters, one for each rule, key and whom it is shown to. When there are more, new ones are refused: none is ever forgotten.
        max_counters: usize = 100_000, count(1..=10_000_000);
        /// Token buckets of rates, one for each rule and whom it counts. When there are more, whoever is new shares one: none is forgotten that is drawn upon.
        max_buckets: usize = 1_000_000, count(1..=10_000_000);
    }
}
