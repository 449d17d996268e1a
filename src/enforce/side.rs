//! One peer: what it has open, what it may send, and where its stream of packets stands.

use std::time::Instant;

use super::alias::Aliases;
use super::exchange::Exchanges;
use super::throttle::Throttle;

/// What is known of a sender.
#[derive(Debug)]
pub(super) struct Side {
    /// What it sent and the other peer has still to acknowledge.
    pub(super) exchanges: Exchanges,
    /// Topic Aliases that it set.
    pub(super) aliases: Option<Box<Aliases>>,
    /// Packets of the gateway's making that wait for a packet to this peer to be through.
    pub(super) waiting: Vec<u8>,
    /// Where its stream stands.
    pub(super) inside: Inside,
    /// When the first byte of its unfinished packet came.
    pub(super) started: Option<Instant>,
    /// Its last `receive` said that it is not to be read.
    pub(super) held: bool,
    /// The highest Topic Alias that it may set.
    pub(super) alias_maximum: u16,
    /// PUBLISH packets above QoS 0 that it may have in flight.
    pub(super) receive_maximum: u16,
    /// Bytes of a packet that it may send.
    pub(super) max_packet_bytes: u32,
    /// Bytes of its next packet that must be there before it is looked at again.
    pub(super) awaited_bytes: u32,
    /// Bytes of its unfinished packet that are done with.
    pub(super) streamed: usize,
    /// When its unfinished packet has come too slowly, should nothing more of it come.
    pub(super) slow_at: Option<Instant>,
    /// Its next packet has been counted by the rates of packets.
    pub(super) is_counted: bool,
    /// What it sends waits for a rate to have room.
    pub(super) throttle: Option<Box<Throttle>>,
}

/// Where a stream of packets stands.
#[derive(Debug, Default)]
pub(super) enum Inside {
    /// Between two packets.
    #[default]
    Nothing,
    /// So many bytes of a permitted PUBLISH are still to be passed through.
    Forwarding(usize),
    /// So many bytes of a refused PUBLISH are still to be skipped; then the sender is answered.
    Skipping(usize, Vec<u8>),
}

impl Side {
    pub(super) fn new() -> Self {
        Self {
            exchanges: Exchanges::default(),
            aliases: None,
            waiting: Vec::new(),
            inside: Inside::Nothing,
            started: None,
            held: false,
            alias_maximum: 0,
            receive_maximum: u16::MAX,
            max_packet_bytes: u32::MAX,
            awaited_bytes: 0,
            streamed: 0,
            slow_at: None,
            is_counted: false,
            throttle: None,
        }
    }

    pub(super) const fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// Whether a PUBLISH of this sender is being passed through: the other peer is in the middle of a packet.
    pub(super) const fn is_forwarding(&self) -> bool {
        matches!(self.inside, Inside::Forwarding(_))
    }

    /// Whether a PUBLISH of this sender comes in pieces.
    pub(super) const fn is_streaming(&self) -> bool {
        !matches!(self.inside, Inside::Nothing)
    }

    /// Whether nothing that it sent is unfinished.
    pub(super) fn is_quiet(&self) -> bool {
        let is_between = !self.is_streaming() && self.started.is_none() && self.throttle.is_none();
        is_between && self.waiting.is_empty() && self.exchanges.is_empty()
    }
}
