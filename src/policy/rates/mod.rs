//! How much a client may do in how long: what is counted, and what follows when there is too much of it.

use std::time::{Duration, Instant};

use super::{Authority, Denial};
use crate::identity::Identity;
use crate::mqtt::Direction;
use crate::rate::Tick;

/// Something that rates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metered<'m> {
    /// A CONNECT, before its Will is judged.
    Connection,
    /// A packet of the client's, whatever it is, of so many bytes.
    Packet {
        /// Bytes of the whole packet.
        bytes: usize,
    },
    /// A message: published by the client, or delivered to it.
    Message {
        /// Who sends it.
        from: Direction,
        /// Its Topic Name.
        topic: &'m str,
        /// Bytes of its payload.
        payload_bytes: usize,
    },
    /// So many Topic Filters of a SUBSCRIBE.
    Subscriptions(usize),
}

/// What rates say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// It goes on, and is counted.
    Pass,
    /// It goes on, and is counted; a rule that is not enforced would have stopped it.
    Observe(Denial),
    /// It is to be asked about again then. Nothing is counted.
    Wait {
        /// When there will be room, if nobody else takes it.
        until: Tick,
        /// Which rule says so.
        denial: Denial,
    },
    /// It is refused, as the denial says: rejected, or its connection ended. Nothing is counted.
    Excess {
        /// Which rule says so.
        denial: Denial,
        /// For how long the client is banned, too, if it is: the first time.
        ban: Option<Duration>,
    },
}

impl Authority {
    /// Whether anything that this client does is counted.
    #[must_use]
    #[inline]
    pub fn is_metered(&self) -> bool {
        false
    }

    /// Counts something, if there is room for it.
    #[must_use]
    pub fn meter(&mut self, _identity: &Identity, _what: Metered<'_>, _now: Instant) -> Allowance {
        Allowance::Pass
    }
}
