//! Bounds: how long, how much, how many.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::kinds::{Flag, KeepAliveSeconds, Words, count, duration, seconds, size, unless_left_out, word};
use crate::config::read::settings;
use crate::enforce::ZeroKeepAlive;

pub(super) const KIB: usize = 1 << 10;
pub(super) const MIB: usize = 1 << 20;
pub(super) const HOUR: Duration = seconds(3600);
pub(super) const MILLI: Duration = Duration::from_millis(1);

settings! {
    /// How long each step may take. Arriving bytes never push a deadline back.
    pub struct Deadlines {
        /// The TLS handshake (and the WebSocket upgrade), counted from accept.
        tls_handshake: Duration = seconds(10), duration(MILLI..=HOUR);
        /// The whole CONNECT, counted from accept.
        connect: Duration = seconds(15), duration(MILLI..=HOUR);
        /// One packet, counted from its first byte. A large delivery, which goes on as its client takes it, may not pause for longer.
        packet: Duration = seconds(60), duration(MILLI..=HOUR);
        /// A connection to the broker, all its servers together.
        dial: Duration = seconds(10), duration(MILLI..=HOUR);
        /// The broker's CONNACK, counted from CONNECT.
        connack: Duration = seconds(10), duration(MILLI..=HOUR);
        /// A write that does not move.
        write: Duration = seconds(30), duration(MILLI..=HOUR);
        /// Open exchanges after SIGTERM; of the whole process.
        drain: Duration = seconds(10), duration(MILLI..=HOUR);
    }
}

settings! {
    /// What Keep Alive a client may ask for. A client that is silent for one and a half times its Keep Alive is gone.
    pub(in crate::config) struct KeepAlive {
        /// The longest. A 5.0 client that asks for more is told this one as Server Keep Alive; a 3.x client can't be told, and is held to it all the same.
        max: u16 = u16::MAX, KeepAliveSeconds;
        /// What a Keep Alive of zero gets: `allow` switches the check off as the standard says (TCP keepalive still ends dead peers), `replace` treats it as `max`, `refuse` refuses the connection.
        zero: ZeroKeepAlive = ZeroKeepAlive::Allow, word();
    }
}

impl Words for ZeroKeepAlive {
    const WORDS: &'static [(&'static str, Self)] =
        &[("allow", Self::Allow), ("replace", Self::Replace), ("refuse", Self::Refuse)];
}

settings! {
    /// Bounds on packets, connections and memory. Every one can be said otherwise for a listener, in `[listener.limits]`, but for `max_buffered_total_bytes` and `max_memory_bytes`.
    pub struct Limits {
        /// Bytes of a whole PUBLISH, judged from its fixed header alone.
        max_packet_bytes: usize = 16 * MIB, size(128..=256 * MIB);
        /// Bytes of a whole CONNECT.
        max_connect_bytes: usize = 64 * KIB, size(128..=16 * MIB);
        /// Bytes of any other packet.
        max_control_bytes: usize = 256 * KIB, size(128..=16 * MIB);
        /// Bytes of a Client Identifier.
        max_client_id_bytes: usize = 256, count(1..=65_535);
        /// Bytes of a Topic Name or Topic Filter.
        max_topic_bytes: usize = 4096, count(1..=65_535);
        /// Levels of a Topic Name or Topic Filter.
        max_topic_levels: usize = 128, count(1..=65_535);
        /// User Properties in one packet.
        max_user_properties: usize = 64, count(0..=10_000);
        /// Topic Filters in one SUBSCRIBE or UNSUBSCRIBE.
        max_filters: usize = 1024, count(1..=65_535);
        /// Subscriptions that one connection may hold.
        max_subscriptions: usize = 10_000, count(1..=1_000_000);
        /// Receive Maximum of 5.0, both ways: QoS 1 and 2 messages in flight.
        receive_maximum: u16 = 1024, count(1..=65_535);
        /// Topic Alias Maximum of 5.0, both ways; `0` permits no alias.
        topic_alias_maximum: u16 = 256, count(0..=65_535);
        /// Refuse control characters and non-characters in Topic Names, Topic Filters and Client Identifiers, which the standard only advises against.
        refuse_control_characters: bool = true, Flag;
        /// A PUBLISH larger than this streams through once its topic and properties are judged, unless a rule needs its payload.
        stream_threshold_bytes: usize = 64 * KIB, size(KIB..=16 * MIB);
        /// Bytes held for one connection in one direction; what must be judged whole and is larger is refused.
        max_buffered_bytes: usize = 2 * MIB, size(16 * KIB..=256 * MIB);
        /// Bytes held for all connections together.
        max_buffered_total_bytes: usize = 512 * MIB, size(MIB..=1024 * 1024 * MIB);
        /// Memory of the whole process. Near it, at 85 % of it, strangers are turned away at accept, then everybody who is new, then what clients of low priority send waits (`priority` of a `[[role]]`). When not given, four fifths of what the machine, or the container, has.
        max_memory_bytes: Option<usize> = None, unless_left_out(size(16 * MIB..=1024 * 1024 * MIB));
        /// Open connections; in `[listener.limits]`, of that listener.
        max_connections: usize = 20_000, count(1..=10_000_000);
        /// Connections that have not sent a whole CONNECT yet; in `[listener.limits]`, of that listener.
        max_half_open: usize = 8192, count(1..=10_000_000);
        /// Connections of one listener from one address.
        max_connections_per_address: usize = 10_000, count(1..=10_000_000);
        /// Connections of one listener from addresses that share a prefix.
        max_connections_per_prefix: usize = 20_000, count(1..=10_000_000);
        /// Connections of one listener from one address that have not sent a whole CONNECT yet.
        max_half_open_per_address: usize = 4096, count(1..=10_000_000);
        /// Connections of one listener from addresses that share a prefix that have not sent a whole CONNECT yet.
        max_half_open_per_prefix: usize = 6144, count(1..=10_000_000);
        /// Bits of an IPv4 address that make its prefix.
        ipv4_prefix_bits: u8 = 24, count(8..=32);
        /// Bits of an IPv6 address that make its prefix.
        ipv6_prefix_bits: u8 = 56, count(16..=128);
    }
}

/// What is remembered beyond one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What outlives the process is kept there; none keeps nothing.
    pub folder: Option<PathBuf>,
    /// How often it is written.
    pub flush: Duration,
    /// Values whose history is remembered.
    pub max_histories: usize,
    /// Values that interlocks ask for.
    pub max_facts: usize,
    /// Used nonces.
    pub max_nonces: usize,
    /// Counters.
    pub max_counters: usize,
    /// Buckets of rates.
    pub max_buckets: usize,
}
