//! The metric families: name, kind, labels and help, from which both the registry and `docs/metrics.md` are made.

use super::Detector;
use crate::enforce::event::Quarantine;
use crate::enforce::patches::Patch;
use crate::envelope::Loss;
use crate::policy::OnDeny;

/// How a family counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Only ever grows; the name ends in `_total`.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Counts per bucket; the upper bounds, in seconds.
    Histogram(&'static [f64]),
}

/// Where the values of a label come from. There is no variant for text of a peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// These alone.
    Closed(&'static [&'static str]),
    /// A `&'static str` of the program; the text says of which set.
    Program(&'static str),
    /// A name that the settings give; the text says which.
    Setting(&'static str),
}

/// One label of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) values: Values,
}

/// One metric family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [Label],
    pub(super) help: &'static str,
}

/// Packet types by number less one, as the `type` label writes them.
pub(super) const PACKET_TYPES: [&str; 15] = [
    "connect",
    "connack",
    "publish",
    "puback",
    "pubrec",
    "pubrel",
    "pubcomp",
    "subscribe",
    "suback",
    "unsubscribe",
    "unsuback",
    "pingreq",
    "pingresp",
    "disconnect",
    "auth",
];
pub(super) const VERSIONS: [&str; 3] = ["3.1", "3.1.1", "5.0"];
pub(super) const DIRECTIONS: [&str; 2] = ["from_client", "from_broker"];
pub(super) const TLS_VERSIONS: [&str; 2] = ["1.2", "1.3"];
pub(super) const RESUMED: [&str; 2] = ["false", "true"];
pub(super) const RELOAD_OUTCOMES: [&str; 2] = ["applied", "refused"];
/// What became of what came too fast.
pub(super) const RATE_ACTIONS: [&str; 5] = ["throttle", "reject", "disconnect", "ban", "observe"];
pub(super) const REJUDGED_OUTCOMES: [&str; 2] = ["kept", "ended"];

pub(super) const METHODS: [&str; 7] = ["unproven", "certificate", "password", "token", "address", "http", "anonymous"];

const ON_DENIES: [&str; 5] = {
    let [reject, acknowledge, disconnect, quarantine, monitor] = OnDeny::ALL;
    [reject.label(), acknowledge.label(), disconnect.label(), quarantine.label(), monitor.label()]
};
const QUARANTINE_OUTCOMES: [&str; 6] = {
    let [queued, full, too_large, topic, again, repeat] = Quarantine::ALL;
    [queued.label(), full.label(), too_large.label(), topic.label(), again.label(), repeat.label()]
};
const STATE_TABLES: [&str; 8] =
    ["histories", "facts", "nonces", "counters", "buckets", "known", "acquaintances", "bans"];
const FORGETFUL_TABLES: [&str; 6] = ["histories", "facts", "known", "acquaintances", "unsigned", "bans"];
const LASTING_TABLES: [&str; 3] = ["nonces", "counters", "buckets"];
const RESOURCES: [&str; 3] = ["memory", "buffers", "descriptors"];
const LOSSES: [&str; 4] = {
    let [too_large, refused, shut_down, broker_removed] = Loss::ALL;
    [too_large.label(), refused.label(), shut_down.label(), broker_removed.label()]
};
const DETECTORS: [&str; Detector::ALL.len()] = {
    let [a, b, c, d, e, f, g, h, i, j] = Detector::ALL;
    [a.label(), b.label(), c.label(), d.label(), e.label(), f.label(), g.label(), h.label(), i.label(), j.label()]
};
pub(super) const BANNED_KINDS: [&str; 2] = ["address", "client"];
const OFFENCES: [&str; 4] = ["failed_handshakes", "failed_authentications", "malformed", "rate"];
const BLAMES: [&str; 3] = ["client", "broker", "gateway"];

const LISTENER: Label = Label { name: "listener", values: Values::Setting("name of a listener") };
const BROKER: Label = Label { name: "broker", values: Values::Setting("name of a broker") };
const SERVER: Label = Label { name: "server", values: Values::Setting("`host:port` of one of its servers") };
const DIRECTION: Label = Label { name: "direction", values: Values::Closed(&DIRECTIONS) };
const VERSION: Label = Label { name: "version", values: Values::Closed(&VERSIONS) };
const ON_DENY: Label = Label { name: "on_deny", values: Values::Closed(&ON_DENIES) };
const TYPE: Label = Label { name: "type", values: Values::Closed(&PACKET_TYPES) };

const fn program(name: &'static str, set: &'static str) -> Label {
    Label { name, values: Values::Program(set) }
}

const fn closed(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Values::Closed(values) }
}

const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [Label], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

pub(super) const BUILD_INFO: Family = gauge(
    "tidegate_build_info",
    &[
        program("version", "version of the package"),
        program("os", "what it was built for"),
        program("arch", "what it was built for"),
    ],
    "Always 1; the labels say what is running.",
);
pub(super) const CONNECTIONS_OPEN: Family =
    gauge("tidegate_connections_open", &[LISTENER], "Client connections that are open, half-open ones included.");
pub(super) const CONNECTIONS_HALF_OPEN: Family = gauge(
    "tidegate_connections_half_open",
    &[LISTENER],
    "Client connections accepted whose CONNECT has not been permitted yet.",
);
pub(super) const CONNECTIONS: Family =
    counter("tidegate_connections_total", &[LISTENER], "Client connections accepted.");
pub(super) const CONNECTIONS_REFUSED: Family = counter(
    "tidegate_connections_refused_total",
    &[LISTENER, program("reason", "the limit at accept, or the cause of a refused CONNECT")],
    "Client connections refused before a broker was dialled; failed handshakes and protocol errors not counted.",
);
pub(super) const CONNECTIONS_ENDED: Family = counter(
    "tidegate_connections_ended_total",
    &[LISTENER, program("cause", "the causes of audit.md"), closed("blame", &BLAMES)],
    "Client connections ended, by cause and by whose doing it was.",
);
pub(super) const CONNECTS: Family =
    counter("tidegate_connects_total", &[LISTENER, VERSION], "CONNECT packets permitted, by protocol version.");
pub(super) const AUTHENTICATIONS: Family = counter(
    "tidegate_authentications_total",
    &[
        LISTENER,
        closed("method", &METHODS),
        program("outcome", "`accepted`, or the rule that refused, as audit.md has it"),
    ],
    "Clients that were asked to prove who they are, by what decided; `unproven` where they showed nothing.",
);
pub(super) const AUTHENTICATION_CACHE: Family = counter(
    "tidegate_authentication_cache_total",
    &[LISTENER, closed("source", &CacheOf::LABELS), closed("result", &["hit", "miss"])],
    "Clients whose answer was still remembered, or was not.",
);
pub(super) const PASSWORD_CHECK_SECONDS: Family = Family {
    name: "tidegate_password_check_seconds",
    kind: Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
    labels: &[LISTENER],
    help: "Time to check one password, of users who exist and of those who do not; waiting is not in it.",
};
pub(super) const AUTHENTICATION_REQUESTS: Family = counter(
    "tidegate_authentication_requests_total",
    &[LISTENER, closed("outcome", &ServiceOutcome::LABELS)],
    "Questions to an authentication service, by its answer or why there was none.",
);
pub(super) const AUTHENTICATION_REQUEST_SECONDS: Family = Family {
    name: "tidegate_authentication_request_seconds",
    kind: Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
    labels: &[LISTENER],
    help: "Time from a question to an authentication service to its answer, or to the failure.",
};
pub(super) const AUTHENTICATION_SERVICE_PAUSED: Family = gauge(
    "tidegate_authentication_service_paused",
    &[LISTENER],
    "1 while the authentication service is left alone, after too many failures in a row.",
);
pub(super) const PASSWORDS_WAITING: Family =
    gauge("tidegate_passwords_waiting", &[], "Password checks that wait for a thread.");
pub(super) const HANDSHAKES_WAITING: Family =
    gauge("tidegate_handshakes_waiting", &[], "TLS handshakes that wait for their turn.");
pub(super) const ACCEPT_ERRORS: Family = counter(
    "tidegate_accept_errors_total",
    &[LISTENER, closed("kind", &AcceptError::LABELS)],
    "Failed calls of accept.",
);
pub(super) const TLS_HANDSHAKES: Family = counter(
    "tidegate_tls_handshakes_total",
    &[LISTENER, closed("version", &TLS_VERSIONS), closed("resumed", &RESUMED)],
    "TLS handshakes with clients that completed.",
);
pub(super) const TLS_HANDSHAKE_FAILURES: Family = counter(
    "tidegate_tls_handshake_failures_total",
    &[LISTENER, program("reason", "why, the reasons of `handshake_failed` in audit.md")],
    "TLS handshakes with clients, and WebSocket upgrades, that failed or ran out of time.",
);
pub(super) const TLS_HANDSHAKE_SECONDS: Family = Family {
    name: "tidegate_tls_handshake_seconds",
    kind: Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
    labels: &[LISTENER],
    help: "Time from accept to a completed TLS handshake.",
};
pub(super) const PACKETS: Family = counter(
    "tidegate_packets_total",
    &[DIRECTION, TYPE, VERSION],
    "Control Packets received whole and well formed, permitted or not.",
);
pub(super) const PACKET_BYTES: Family =
    counter("tidegate_packet_bytes_total", &[DIRECTION, TYPE, VERSION], "Bytes of those Control Packets.");
pub(super) const REFUSALS: Family = counter(
    "tidegate_refusals_total",
    &[DIRECTION, TYPE, program("reason", "why, the reasons of `refused` in audit.md"), ON_DENY],
    "Control Packets (or one Topic Filter of a SUBSCRIBE) that were refused and not forwarded.",
);
pub(super) const OBSERVED: Family = counter(
    "tidegate_observed_total",
    &[DIRECTION, TYPE, program("reason", "why, the reasons of `observed` in audit.md"), ON_DENY],
    "What went on, and would have been refused if it were not for monitor mode.",
);
pub(super) const QUARANTINED: Family = counter(
    "tidegate_quarantine_total",
    &[DIRECTION, closed("outcome", &QUARANTINE_OUTCOMES)],
    "Messages refused by a rule that quarantines, by what became of them.",
);
pub(super) const QUARANTINE_PUBLISHED: Family = counter(
    "tidegate_quarantine_published_total",
    &[BROKER],
    "Quarantined messages published to the broker; at QoS 1, once it has acknowledged them.",
);
pub(super) const QUARANTINE_LOST: Family = counter(
    "tidegate_quarantine_lost_total",
    &[BROKER, closed("reason", &LOSSES)],
    "Quarantined messages that were queued and could not be published.",
);
pub(super) const QUARANTINE_QUEUED: Family = gauge(
    "tidegate_quarantine_queue_messages",
    &[BROKER],
    "Quarantined messages that wait to be published, or to be acknowledged.",
);
pub(super) const QUARANTINE_CONNECTED: Family = gauge(
    "tidegate_quarantine_connected",
    &[BROKER],
    "1 while the connection that publishes quarantined messages is up; absent where no rule quarantines.",
);
pub(super) const REWRITES: Family = counter(
    "tidegate_rewrites_total",
    &[DIRECTION, TYPE, program("reason", "why, the reasons of `rewritten` in audit.md")],
    "Control Packets that went on changed.",
);
pub(super) const PATCHED: Family =
    counter("tidegate_patched_total", &[closed("patch", Patch::CVES)], "What a virtual patch refused, or changed.");
pub(super) const DETECTIONS: Family = counter(
    "tidegate_detections_total",
    &[closed("detector", &DETECTORS)],
    "What was done too often, by the setting of `[protection]` that limits it: connections refused for it, bans begun, and what was left to known addresses.",
);
pub(super) const RATE_EXCEEDED: Family = counter(
    "tidegate_rate_exceeded_total",
    &[
        Label { name: "rule", values: Values::Setting("id of a `[[rate]]`, or name of a rate in `[protection]`") },
        closed("action", &RATE_ACTIONS),
    ],
    "What came faster than a rate allows, by what became of it; a packet that had to wait counts once.",
);
pub(super) const THROTTLED_CONNECTIONS: Family =
    gauge("tidegate_throttled_connections", &[], "Connections of which a packet waits for a rate to have room.");
pub(super) const THROTTLED_SECONDS: Family =
    counter("tidegate_throttled_seconds_total", &[], "How long connections have waited so.");
pub(super) const PROTOCOL_ERRORS: Family = counter(
    "tidegate_protocol_errors_total",
    &[
        closed("blame", &BLAMES),
        program("error", "what was wrong, the causes for Malformed Packets and Protocol Errors in audit.md"),
        program("statement", "the clause of the standard that was broken, empty where none has a number"),
    ],
    "Connections ended for a Malformed Packet or a Protocol Error.",
);
pub(super) const JUDGE_SECONDS: Family = Family {
    name: "tidegate_judge_seconds",
    kind: Kind::Histogram(&[
        5e-8, 1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2,
    ]),
    labels: &[],
    help: "Time to decode and judge one Control Packet: mean of a batch, one batch in many sampled.",
};
pub(super) const BROKER_UP: Family =
    gauge("tidegate_broker_up", &[BROKER, SERVER], "0 when the last dial of this server failed, 1 otherwise.");
pub(super) const BROKER_CONNECTIONS_OPEN: Family =
    gauge("tidegate_broker_connections_open", &[BROKER, SERVER], "Connections to this server that are open.");
pub(super) const BROKER_DIALS: Family =
    counter("tidegate_broker_dials_total", &[BROKER, SERVER], "Dials of this server, failed ones included.");
pub(super) const BROKER_DIAL_FAILURES: Family = counter(
    "tidegate_broker_dial_failures_total",
    &[BROKER, SERVER, program("reason", "why")],
    "Dials of this server that failed.",
);
pub(super) const BROKER_FAULTS: Family = counter(
    "tidegate_broker_faults_total",
    &[BROKER, program("cause", "the causes of audit.md")],
    "Connections ended by the broker's fault: a malformed or illegal packet, a lost connection, silence.",
);
pub(super) const CERTIFICATE_EXPIRY: Family = gauge(
    "tidegate_certificate_expiry_timestamp_seconds",
    &[
        closed("side", &["listener", "broker"]),
        Label { name: "name", values: Values::Setting("name of the listener or broker") },
        closed("kind", &CertificateKind::LABELS),
    ],
    "Unix time at which the first certificate (or revocation list) of this kind expires.",
);
pub(super) const REVOCATION_LISTS_STALE: Family =
    gauge("tidegate_revocation_lists_stale", &[LISTENER], "Revocation lists that are past their next update.");
pub(super) const RELOADS: Family = counter(
    "tidegate_reloads_total",
    &[closed("outcome", &RELOAD_OUTCOMES)],
    "Reloads of settings, policies, certificates and lists, asked for by signal or by a changed file.",
);
pub(super) const RELOAD_LAST_SUCCESS: Family = gauge(
    "tidegate_reload_last_success_timestamp_seconds",
    &[],
    "Unix time at which what is in force was read: at start, or by the last reload that was applied.",
);
pub(super) const RELOAD_REFUSED: Family = gauge(
    "tidegate_reload_refused",
    &[],
    "1 while the last reload was refused: what is in force is older than what is on disk.",
);
pub(super) const REJUDGED: Family = counter(
    "tidegate_connections_rejudged_total",
    &[closed("outcome", &REJUDGED_OUTCOMES)],
    "Live connections judged again after a reload, or because a revocation list went stale.",
);
pub(super) const BANS: Family = counter(
    "tidegate_bans_total",
    &[closed("kind", &BANNED_KINDS), closed("cause", &OFFENCES)],
    "Addresses and clients shut out for a time.",
);
pub(super) const BANNED: Family =
    gauge("tidegate_banned", &[closed("kind", &BANNED_KINDS)], "Addresses and clients that are shut out now.");
pub(super) const AUDIT_WRITTEN: Family =
    counter("tidegate_audit_events_written_total", &[], "Audit events written to their sink.");
pub(super) const AUDIT_DROPPED: Family =
    counter("tidegate_audit_events_dropped_total", &[], "Audit events lost: the queue was full or closed.");
pub(super) const AUDIT_WRITE_ERRORS: Family =
    counter("tidegate_audit_write_errors_total", &[], "Failed writes to the audit sink, each tried again.");
pub(super) const AUDIT_QUEUED: Family =
    gauge("tidegate_audit_queue_events", &[], "Audit events that wait to be written.");
pub(super) const BUFFERED_BYTES: Family =
    gauge("tidegate_buffered_bytes", &[], "Bytes that all connections together hold in buffers.");
pub(super) const PRESSURE_LEVEL: Family = gauge(
    "tidegate_pressure_level",
    &[],
    "What the gateway does without, for want of memory or descriptors: 0 nothing, 1 new connections of strangers, 2 all new connections, 3 what clients of priority `bulk` send waits, 4 that of priority `normal` too.",
);
pub(super) const MAX_MEMORY_BYTES: Family =
    gauge("tidegate_max_memory_bytes", &[], "Memory that the process may hold: `limits.max_memory_bytes`.");
pub(super) const SHED: Family = counter(
    "tidegate_shed_total",
    &[closed("what", &RESOURCES)],
    "Connections turned away before TLS, by what there was too little of.",
);
pub(super) const STATE_ENTRIES: Family = gauge(
    "tidegate_state_entries",
    &[closed("table", &STATE_TABLES)],
    "What is remembered beyond one connection; expired nonces, and bans that are over, may be in it.",
);
pub(super) const STATE_EVICTIONS: Family = counter(
    "tidegate_state_evictions_total",
    &[closed("table", &FORGETFUL_TABLES)],
    "Entries forgotten for want of room. Without its history a value is a first one, without its fact an interlock refuses, \
     of `unsigned` the count is too low, a ban ends early; nonces and counters are never forgotten.",
);
pub(super) const STATE_FULL: Family = counter(
    "tidegate_state_full_total",
    &[closed("table", &LASTING_TABLES)],
    "Signed messages refused because their nonce or counter could not be remembered: the table, or the share of the key, is full. Of `buckets`: how often somebody new had to share one with others who are new.",
);
pub(super) const STATE_FLUSH_ERRORS: Family = counter(
    "tidegate_state_flush_errors_total",
    &[],
    "Failed writes to the state folder, each tried again; absent without a folder.",
);
pub(super) const STATE_LAST_FLUSH: Family = gauge(
    "tidegate_state_last_flush_timestamp_seconds",
    &[],
    "Unix time at which all that must outlive the gateway was in the state folder; absent without one.",
);
pub(super) const UNSIGNED_IDENTITIES: Family = gauge(
    "tidegate_unsigned_identities",
    &[Label { name: "rule", values: Values::Setting("id of a `[[signature]]`") }],
    "Identities heard of without a signature in the last day, where a rule asks for one but does not require it yet; 10,000 at most.",
);
pub(super) const PROCESS_START: Family =
    gauge("process_start_time_seconds", &[], "Unix time at which the process started.");
pub(super) const PROCESS_CPU: Family =
    counter("process_cpu_seconds_total", &[], "CPU time spent, user and system (Linux).");
pub(super) const PROCESS_MEMORY: Family = gauge("process_resident_memory_bytes", &[], "Resident memory (Linux).");
pub(super) const PROCESS_FDS: Family = gauge("process_open_fds", &[], "Open file descriptors (Linux).");
pub(super) const PROCESS_MAX_FDS: Family = gauge("process_max_fds", &[], "Limit of open file descriptors (Linux).");
pub(super) const PROCESS_THREADS: Family = gauge("process_threads", &[], "Threads of the process (Linux).");

/// Every family, in the order of the reference.
pub(super) const ALL: &[&Family] = &[
    &CONNECTIONS_OPEN,
    &CONNECTIONS_HALF_OPEN,
    &CONNECTIONS,
    &CONNECTS,
    &CONNECTIONS_REFUSED,
    &CONNECTIONS_ENDED,
    &ACCEPT_ERRORS,
    &AUTHENTICATIONS,
    &AUTHENTICATION_CACHE,
    &PASSWORD_CHECK_SECONDS,
    &PASSWORDS_WAITING,
    &AUTHENTICATION_REQUESTS,
    &AUTHENTICATION_REQUEST_SECONDS,
    &AUTHENTICATION_SERVICE_PAUSED,
    &HANDSHAKES_WAITING,
    &TLS_HANDSHAKES,
    &TLS_HANDSHAKE_FAILURES,
    &TLS_HANDSHAKE_SECONDS,
    &CERTIFICATE_EXPIRY,
    &REVOCATION_LISTS_STALE,
    &RELOADS,
    &RELOAD_LAST_SUCCESS,
    &RELOAD_REFUSED,
    &REJUDGED,
    &PACKETS,
    &PACKET_BYTES,
    &REFUSALS,
    &OBSERVED,
    &QUARANTINED,
    &QUARANTINE_PUBLISHED,
    &QUARANTINE_LOST,
    &QUARANTINE_QUEUED,
    &QUARANTINE_CONNECTED,
    &REWRITES,
    &PATCHED,
    &DETECTIONS,
    &RATE_EXCEEDED,
    &THROTTLED_CONNECTIONS,
    &THROTTLED_SECONDS,
    &PROTOCOL_ERRORS,
    &JUDGE_SECONDS,
    &BUFFERED_BYTES,
    &PRESSURE_LEVEL,
    &MAX_MEMORY_BYTES,
    &SHED,
    &BROKER_UP,
    &BROKER_CONNECTIONS_OPEN,
    &BROKER_DIALS,
    &BROKER_DIAL_FAILURES,
    &BROKER_FAULTS,
    &BANS,
    &BANNED,
    &AUDIT_WRITTEN,
    &AUDIT_DROPPED,
    &AUDIT_WRITE_ERRORS,
    &AUDIT_QUEUED,
    &STATE_ENTRIES,
    &STATE_EVICTIONS,
    &STATE_FULL,
    &STATE_FLUSH_ERRORS,
    &STATE_LAST_FLUSH,
    &UNSIGNED_IDENTITIES,
    &BUILD_INFO,
    &PROCESS_START,
    &PROCESS_CPU,
    &PROCESS_MEMORY,
    &PROCESS_FDS,
    &PROCESS_MAX_FDS,
    &PROCESS_THREADS,
];

/// What kept `accept` from giving a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// The process or the machine has no file descriptor left.
    Descriptors,
    /// The kernel has no memory left for a socket.
    Memory,
    /// The client was gone before it was accepted.
    Aborted,
    /// Anything else.
    Other,
}

impl AcceptError {
    pub(super) const LABELS: [&'static str; 4] = ["descriptors", "memory", "aborted", "other"];

    /// Sorts an error of accept(2).
    pub fn of(error: &std::io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors,
            Some(Errno::NOBUFS | Errno::NOMEM) => Self::Memory,
            Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::PROTO) => Self::Aborted,
            Some(_) | None => Self::Other,
        }
    }

    /// The `kind` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
            Self::Aborted => "aborted",
            Self::Other => "other",
        }
    }
}

/// Whose answers are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOf {
    /// Good passwords.
    Password,
    /// Answers of an authentication service.
    Http,
}

impl CacheOf {
    pub(super) const LABELS: [&'static str; 2] = ["password", "http"];

    /// The `source` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Http => "http",
        }
    }
}

/// What came of a question to an authentication service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceOutcome {
    /// It said yes.
    Allow,
    /// It said no.
    Deny,
    /// It was left alone: too many failures in a row.
    Paused,
    /// Too many questions were open already.
    Busy,
    /// It took too long.
    Timeout,
    /// It could not be reached.
    Connect,
    /// TLS with it failed.
    Tls,
    /// What it sent is no HTTP, or too much of it.
    Http,
    /// It is down, by its own word or that of a proxy in front.
    Down,
    /// Its status says neither yes nor no.
    Status,
    /// Its answer says neither yes nor no.
    Answer,
}

impl ServiceOutcome {
    pub(super) const LABELS: [&'static str; 11] =
        ["allow", "deny", "paused", "busy", "timeout", "connect", "tls", "http", "down", "status", "answer"];

    /// The `outcome` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Paused => "paused",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Down => "down",
            Self::Status => "status",
            Self::Answer => "answer",
        }
    }
}

/// What expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateKind {
    /// The gateway's own certificate on that side.
    Own,
    /// A certificate authority trusted on that side.
    Authority,
    /// A revocation list (its next update).
    RevocationList,
}

impl CertificateKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Own, Self::Authority, Self::RevocationList];
    pub(super) const LABELS: [&'static str; 3] = ["own", "authority", "revocation_list"];

    /// The `kind` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Authority => "authority",
            Self::RevocationList => "revocation_list",
        }
    }
}

/// Which side of the gateway a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards the clients of a listener.
    Listener,
    /// Towards a broker.
    Broker,
}

impl Side {
    /// The `side` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Broker => "broker",
        }
    }
}
