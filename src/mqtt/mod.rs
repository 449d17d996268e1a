//! Control Packets of MQTT 3.1, 3.1.1 and 5.0: framing, strict decoding, encoding.
//!
//! Not here: what a packet means for a connection (`enforce`) and who may send it (`policy`).
//! Read [`Context`] first: it turns received bytes into a [`frame::Frame`] and a frame into a [`packet::Packet`] that
//! borrows from it.

pub mod connect;
pub mod encode;
pub mod error;
pub mod frame;
pub mod packet;
pub mod property;
mod reader;
pub mod reason;
pub mod text;
pub mod topic;

/// The protocol version of a Network Connection, as its CONNECT names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1, protocol name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1, protocol name `MQTT`, level 4.
    V311,
    /// MQTT 5.0, protocol name `MQTT`, level 5.
    V50,
}

/// Which way a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From whoever dialled the gateway.
    FromClient,
    /// From the Server behind the gateway.
    FromBroker,
}

impl Direction {
    /// That of the other peer.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::FromClient => Self::FromBroker,
            Self::FromBroker => Self::FromClient,
        }
    }
}

/// Bounds on what one packet may hold. Every one is finite; the defaults are what `docs/configuration.md` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole packet, fixed header included; judged from the fixed header alone.
    pub max_packet_bytes: usize,
    /// Bytes of a whole CONNECT.
    pub max_connect_bytes: usize,
    /// Bytes of a whole packet that is neither CONNECT nor PUBLISH: those must be buffered to be judged.
    pub max_control_bytes: usize,
    /// Bytes of a Client Identifier.
    pub max_client_id_bytes: usize,
    /// Bytes of a Topic Name or Topic Filter.
    pub max_topic_bytes: usize,
    /// Levels of a Topic Name or Topic Filter.
    pub max_topic_levels: usize,
    /// User Properties in one packet.
    pub max_user_properties: usize,
    /// Topic Filters in one SUBSCRIBE or UNSUBSCRIBE.
    pub max_filters: usize,
    /// Refuse U+0001..U+001F, U+007F..U+009F and non-characters in Topic Names, Topic Filters and Client Identifiers ([MQTT-1.5.4-1]
    /// only advises against them).
    pub refuse_control_characters: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packet_bytes: 16 << 20,
            max_connect_bytes: 64 << 10,
            max_control_bytes: 256 << 10,
            max_client_id_bytes: 256,
            max_topic_bytes: 4096,
            max_topic_levels: 128,
            max_user_properties: 64,
            max_filters: 1024,
            refuse_control_characters: true,
        }
    }
}

/// What must be known to judge the bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Context<'l> {
    /// The version that the CONNECT settled.
    pub version: Version,
    /// Who sent the bytes.
    pub direction: Direction,
    /// The bounds in force.
    pub limits: &'l Limits,
}
