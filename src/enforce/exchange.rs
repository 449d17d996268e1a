//! Packet Identifiers as open exchanges: what one side sent and the other has still to acknowledge.
//!
//! One table per sender. Identifiers of PUBLISH, SUBSCRIBE and UNSUBSCRIBE of one sender share a space. It knows one
//! Network Connection alone; exchanges from an earlier one may go on, which is why a PUBREL may come first.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU16;

use super::end::Violation;
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// PUBLISH at QoS 1 was forwarded: PUBACK.
    PubAck,
    /// PUBLISH at QoS 2 was forwarded: PUBREC.
    PubRec,
    /// PUBREC was forwarded: the sender's PUBREL.
    PubRel,
    /// PUBREL was forwarded: PUBCOMP.
    PubComp,
    /// PUBREL of an exchange from an earlier Network Connection was forwarded: PUBCOMP.
    ResumedPubComp,
    /// PUBLISH at QoS 2 was refused and answered by the gateway: the sender's PUBREL (3.x).
    RefusedPubRel,
    /// SUBACK.
    SubAck,
    /// UNSUBACK.
    UnsubAck,
}

impl Awaits {
    /// Whether it is a PUBLISH at QoS 2 that its sender has not released.
    const fn is_unreleased(self) -> bool {
        match self {
            Self::PubRec | Self::PubRel | Self::RefusedPubRel => true,
            Self::PubAck | Self::PubComp | Self::ResumedPubComp | Self::SubAck | Self::UnsubAck => false,
        }
    }

    /// Whether it takes from the receiver's Receive Maximum.
    const fn counts(self) -> bool {
        match self {
            Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp => true,
            Self::ResumedPubComp | Self::RefusedPubRel | Self::SubAck | Self::UnsubAck => false,
        }
    }
}

/// One open exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exchange {
    awaits: Awaits,
    /// How often the awaited acknowledgement may come: once for every time its packet was sent.
    owed: u16,
    /// Codes that SUBACK or UNSUBACK must bring.
    codes: u16,
    /// Keyed hash of the SUBSCRIBE or UNSUBSCRIBE.
    digest: u32,
}

impl Exchange {
    const fn of_publish(awaits: Awaits) -> Self {
        Self { awaits, owed: 1, codes: 0, digest: 0 }
    }
}

/// SUBSCRIBE or UNSUBSCRIBE, as far as it is told from another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// SUBACK or UNSUBACK.
    pub(super) awaits: Awaits,
    /// Keyed hash of what follows its fixed header.
    pub(super) digest: u32,
}

/// An acknowledgement by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledgement {
    PubAck,
    /// In 5.0, a failure ends the exchange.
    PubRec {
        failed: bool,
    },
    PubComp,
    SubAck,
    UnsubAck,
}

impl Acknowledgement {
    /// Which counter of [`Late`] it is on.
    const fn late_index(self) -> usize {
        match self {
            Self::PubAck => 0,
            Self::PubComp => 1,
            Self::SubAck => 2,
            Self::UnsubAck => 3,
            Self::PubRec { .. } => 4,
        }
    }
}

impl Question {
    fn is_of(self, open: &Exchange) -> bool {
        (self.awaits, self.digest) == (open.awaits, open.digest)
    }
}

/// What a packet with a Packet Identifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The first of its exchange.
    First,
    /// A repeat of one that was forwarded.
    Repeat,
    /// A repeat of one that was refused.
    RefusedRepeat,
}

/// Who answers a PUBREL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// The receiver.
    Forward,
    /// The gateway, with PUBCOMP.
    Answer,
}

/// Acknowledgements that may still come for exchanges which the first of them has ended.
type Late = [u16; 5];

/// The open exchanges of one sender.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: IdMap<u16, Exchange>,
    late: Option<Box<IdMap<u16, Late>>>,
    published: u16,
    /// Of those at QoS 2, what awaits its sender's PUBREL.
    unreleased: u16,
}

/// Room that an emptied table keeps, so that a steady window never allocates.
const KEPT: usize = 128;

impl Exchanges {
    /// Whether nothing is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// PUBLISH packets at QoS 2 that their sender has not released.
    pub(super) const fn unreleased(&self) -> u16 {
        self.unreleased
    }

    /// PUBLISH packets that take from the receiver's Receive Maximum.
    pub(super) const fn published(&self) -> u16 {
        self.published
    }

    /// Judges the Packet Identifier of a PUBLISH; changes nothing.
    ///
    /// A PUBLISH may be repeated, marked DUP, while it is not acknowledged. In 5.0 it should not be on one connection
    /// ([MQTT-4.4.0-1]), and is all the same: esp-mqtt repeats after a second, EMQX after its retry interval.
    #[inline]
    pub(super) fn sending(&self, id: NonZeroU16, qos: QoS, dup: bool) -> Result<Sending, Violation> {
        let Some(exchange) = self.open.get(&id.get()) else { return Ok(Sending::First) };
        if !dup {
            return Err(Violation::IdentifierInUse);
        }
        match (exchange.awaits, qos) {
            (Awaits::PubAck, QoS::One) | (Awaits::PubRec | Awaits::PubRel, QoS::Two) => Ok(Sending::Repeat),
            (Awaits::RefusedPubRel, QoS::Two) => Ok(Sending::RefusedRepeat),
            (Awaits::PubAck, QoS::Zero | QoS::Two)
            | (Awaits::PubRec | Awaits::PubRel | Awaits::RefusedPubRel, QoS::Zero | QoS::One)
            | (Awaits::PubComp | Awaits::ResumedPubComp | Awaits::SubAck | Awaits::UnsubAck, _) => {
                Err(Violation::IdentifierInUse)
            }
        }
    }

    /// Opens the exchange of a forwarded PUBLISH, or counts its repeat. INVARIANT: [`Exchanges::sending`] judged it.
    #[inline]
    pub(super) fn sent(&mut self, id: NonZeroU16, qos: QoS, sending: Sending) {
        let awaits = match qos {
            QoS::Zero => return,
            QoS::One => Awaits::PubAck,
            QoS::Two => Awaits::PubRec,
        };
        match sending {
            Sending::First => self.insert(id, Exchange::of_publish(awaits)),
            Sending::Repeat => self.repeat(id),
            Sending::RefusedRepeat => {}
        }
    }

    /// Remembers a refused PUBLISH at QoS 2 until its PUBREL.
    pub(super) fn refused(&mut self, id: NonZeroU16) {
        self.insert(id, Exchange::of_publish(Awaits::RefusedPubRel));
    }

    /// Judges the Packet Identifier of a SUBSCRIBE or UNSUBSCRIBE; changes nothing.
    ///
    /// In 3.x the same one may be sent again under the same identifier ([MQTT-2.3.1-3]).
    pub(super) fn asking(&self, version: Version, id: NonZeroU16, question: Question) -> Result<Sending, Violation> {
        match self.open.get(&id.get()) {
            None => Ok(Sending::First),
            Some(open) if version != Version::V50 && question.is_of(open) => Ok(Sending::Repeat),
            Some(_) => Err(Violation::IdentifierInUse),
        }
    }

    /// Opens the exchange of a SUBSCRIBE or UNSUBSCRIBE, or counts its repeat. INVARIANT: [`Exchanges::asking`] judged
    /// it, and a repeat has as many `codes`.
    pub(super) fn asked(&mut self, id: NonZeroU16, question: Question, codes: u16, sending: Sending) {
        let Question { awaits, digest } = question;
        match sending {
            Sending::First => self.insert(id, Exchange { awaits, owed: 1, codes, digest }),
            Sending::Repeat | Sending::RefusedRepeat => self.repeat(id),
        }
    }

    /// How many codes the SUBACK or UNSUBACK of an open exchange must bring.
    pub(super) fn codes(&self, id: NonZeroU16, awaits: Awaits) -> Option<u16> {
        self.open.get(&id.get()).filter(|open| open.awaits == awaits).map(|open| open.codes)
    }

    /// Judges and takes a PUBREL by the sender. `resumable` says that one of no open exchange is the receiver's to answer.
    pub(super) fn release(&mut self, version: Version, id: NonZeroU16, resumable: bool) -> Result<Release, Violation> {
        let Some(exchange) = self.open.get_mut(&id.get()) else {
            // In 3.1 a PUBREL is repeated until PUBCOMP comes, and the two may cross.
            if !resumable && version != Version::V31 {
                return Err(Violation::UnknownIdentifier);
            }
            self.insert(id, Exchange::of_publish(Awaits::ResumedPubComp));
            return Ok(Release::Forward);
        };
        match exchange.awaits {
            Awaits::PubRel => {
                exchange.awaits = Awaits::PubComp;
                exchange.owed = 1;
                self.unreleased -= 1;
            }
            Awaits::PubComp | Awaits::ResumedPubComp => {
                exchange.owed = exchange.owed.saturating_add(1);
            }
            Awaits::RefusedPubRel => {
                self.remove(id);
                return Ok(Release::Answer);
            }
            Awaits::PubAck | Awaits::PubRec | Awaits::SubAck | Awaits::UnsubAck => {
                return Err(Violation::UnknownIdentifier);
            }
        }
        Ok(Release::Forward)
    }

    /// Judges and takes an acknowledgement by the receiver.
    #[inline]
    pub(super) fn acknowledge(&mut self, id: NonZeroU16, acknowledgement: Acknowledgement) -> Result<(), Violation> {
        let Some(exchange) = self.open.get_mut(&id.get()) else { return self.take_late(id, acknowledgement) };
        match (acknowledgement, exchange.awaits) {
            (Acknowledgement::PubRec { failed: false }, Awaits::PubRec) => exchange.awaits = Awaits::PubRel,
            // Old brokers and clients repeat PUBREC, and every repeated PUBLISH brings one.
            (Acknowledgement::PubRec { failed: false }, Awaits::PubRel | Awaits::PubComp) => {}
            (Acknowledgement::PubRec { failed: true }, Awaits::PubRec)
            | (Acknowledgement::PubAck, Awaits::PubAck)
            | (Acknowledgement::PubComp, Awaits::PubComp | Awaits::ResumedPubComp)
            | (Acknowledgement::SubAck, Awaits::SubAck)
            | (Acknowledgement::UnsubAck, Awaits::UnsubAck) => self.settle(id, acknowledgement),
            (
                Acknowledgement::PubAck
                | Acknowledgement::PubRec { .. }
                | Acknowledgement::PubComp
                | Acknowledgement::SubAck
                | Acknowledgement::UnsubAck,
                _,
            ) => return self.take_late(id, acknowledgement),
        }
        Ok(())
    }

    /// Ends an exchange. Repeats of its packet may each bring the same acknowledgement once more.
    #[inline]
    fn settle(&mut self, id: NonZeroU16, acknowledgement: Acknowledgement) {
        let Some(exchange) = self.remove(id) else { return };
        if exchange.owed > 1 {
            let late = self.late.get_or_insert_default().entry(id.get()).or_default();
            if let Some(count) = late.get_mut(acknowledgement.late_index()) {
                *count = count.saturating_add(exchange.owed - 1);
            }
        }
    }

    fn take_late(&mut self, id: NonZeroU16, acknowledgement: Acknowledgement) -> Result<(), Violation> {
        let unknown = Violation::UnknownIdentifier;
        let map = self.late.as_mut().ok_or(unknown)?;
        let late = map.get_mut(&id.get()).ok_or(unknown)?;
        let count = late.get_mut(acknowledgement.late_index()).filter(|count| **count > 0).ok_or(unknown)?;
        *count -= 1;
        if *late == Late::default() {
            map.remove(&id.get());
            if map.is_empty() {
                self.late = None;
            }
        }
        Ok(())
    }

    #[inline]
    fn insert(&mut self, id: NonZeroU16, exchange: Exchange) {
        self.published += u16::from(exchange.awaits.counts());
        self.unreleased += u16::from(exchange.awaits.is_unreleased());
        self.open.insert(id.get(), exchange);
    }

    fn repeat(&mut self, id: NonZeroU16) {
        if let Some(exchange) = self.open.get_mut(&id.get()) {
            exchange.owed = exchange.owed.saturating_add(1);
        }
    }

    #[inline]
    fn remove(&mut self, id: NonZeroU16) -> Option<Exchange> {
        let exchange = self.open.remove(&id.get())?;
        self.published -= u16::from(exchange.awaits.counts());
        self.unreleased -= u16::from(exchange.awaits.is_unreleased());
        if self.open.is_empty() && self.open.capacity() > KEPT {
            self.open = HashMap::default();
        }
        Some(exchange)
    }
}

/// Spreads small or random numbers by one multiplication. Nothing to be flooded: a table holds at most the 65,535
/// Packet Identifiers, or hashes that are keyed already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdHasher(u64);

/// A table by small or random numbers.
pub(super) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// A set of small or random numbers.
pub(super) type IdSet<K> = HashSet<K, BuildHasherDefault<IdHasher>>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u16(u16::from(byte));
        }
    }
    fn write_u16(&mut self, id: u16) {
        self.write_u64(u64::from(id));
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}
