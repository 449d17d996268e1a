//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK: lists that are judged whole and read in place.

use std::num::{NonZeroU16, NonZeroU32};

use super::super::{
    Context, Direction, Version,
    error::DecodeError,
    frame::{Frame, PacketType, QoS},
    property::{Properties, Property},
    reader::Reader,
    reason::{self, ReasonCode},
    topic::Filter,
};

/// SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The exchange it opens.
    pub packet_id: NonZeroU16,
    /// MQTT 5.0.
    pub subscription_identifier: Option<NonZeroU32>,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
    /// How many Topic Filters; at least one.
    pub count: usize,
    filters: &'a [u8],
}

/// One Topic Filter of a SUBSCRIBE with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// What is asked for.
    pub filter: Filter<'a>,
    /// The most that deliveries may have.
    pub qos: QoS,
    /// Not what this client publishes itself; MQTT 5.0.
    pub no_local: bool,
    /// RETAIN as the publisher set it; MQTT 5.0.
    pub retain_as_published: bool,
    /// Which retained messages are wanted; MQTT 5.0.
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent for a subscription, 5.0 §3.8.3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    Always = 0,
    /// Only if the subscription is new.
    IfNew = 1,
    /// Never.
    Never = 2,
}

/// SUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The exchange it closes.
    pub packet_id: NonZeroU16,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
    codes: &'a [u8],
}

/// UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The exchange it opens.
    pub packet_id: NonZeroU16,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
    /// How many Topic Filters; at least one.
    pub count: usize,
    filters: &'a [u8],
}

/// UNSUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// The exchange it closes.
    pub packet_id: NonZeroU16,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
    codes: &'a [u8],
}

impl<'a> Subscribe<'a> {
    /// The Topic Filters with their options, in order.
    pub fn subscriptions(&self) -> impl Iterator<Item = Subscription<'a>> + use<'a> {
        let mut reader = Reader::new(self.filters);
        std::iter::from_fn(move || {
            let filter = Filter::split(std::str::from_utf8(reader.binary().ok()?).ok()?);
            Some(Subscription::new(filter, reader.u8().ok()?))
        })
    }
}

impl<'a> Subscription<'a> {
    /// INVARIANT: `options` have been judged.
    const fn new(filter: Filter<'a>, options: u8) -> Self {
        Self {
            filter,
            qos: match options & 0b11 {
                0 => QoS::Zero,
                1 => QoS::One,
                _ => QoS::Two,
            },
            no_local: options & 0b100 != 0,
            retain_as_published: options & 0b1000 != 0,
            retain_handling: match options >> 4 {
                0 => RetainHandling::Always,
                1 => RetainHandling::IfNew,
                _ => RetainHandling::Never,
            },
        }
    }

    /// Its Subscription Options byte; before MQTT 5.0 the QoS alone.
    #[must_use]
    pub const fn options(&self) -> u8 {
        self.qos.value()
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }
}

impl<'a> SubAck<'a> {
    /// How many codes; at least one.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.codes.len()
    }

    /// One for each Topic Filter, in order: granted QoS, or why not. Before MQTT 5.0, 0x80 is Unspecified error.
    pub fn codes(&self) -> impl Iterator<Item = ReasonCode> + use<'a> {
        self.codes.iter().filter_map(|&code| ReasonCode::from_u8(code))
    }
}

impl<'a> Unsubscribe<'a> {
    /// The Topic Filters, in order.
    pub fn filters(&self) -> impl Iterator<Item = Filter<'a>> + use<'a> {
        let mut reader = Reader::new(self.filters);
        std::iter::from_fn(move || Some(Filter::split(std::str::from_utf8(reader.binary().ok()?).ok()?)))
    }
}

impl<'a> UnsubAck<'a> {
    /// How many codes; none before MQTT 5.0.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.codes.len()
    }

    /// One for each Topic Filter, in order.
    pub fn codes(&self) -> impl Iterator<Item = ReasonCode> + use<'a> {
        self.codes.iter().filter_map(|&code| ReasonCode::from_u8(code))
    }
}

impl Context<'_> {
    pub(super) fn subscribe<'a>(&self, frame: &Frame<'a>) -> Result<Subscribe<'a>, DecodeError> {
        let mut reader = Reader::new(frame.body());
        let packet_id = reader.packet_id()?;
        let mut subscription_identifier = None;
        let properties = self.list_properties(frame, &mut reader, |property| {
            if let Property::SubscriptionIdentifier(id) = property {
                subscription_identifier = Some(*id);
            }
        })?;
        let filters = reader.rest();
        let count = self.judge_list(&mut reader, DecodeError::SubscribeEmpty, |filter, reader| {
            judge_options(reader.u8()?, filter, self.version)
        })?;
        Ok(Subscribe { packet_id, subscription_identifier, properties, count, filters })
    }

    pub(super) fn unsubscribe<'a>(&self, frame: &Frame<'a>) -> Result<Unsubscribe<'a>, DecodeError> {
        let mut reader = Reader::new(frame.body());
        let packet_id = reader.packet_id()?;
        let properties = self.list_properties(frame, &mut reader, |_| {})?;
        let filters = reader.rest();
        let count = self.judge_list(&mut reader, DecodeError::UnsubscribeEmpty, |_, _| Ok(()))?;
        Ok(Unsubscribe { packet_id, properties, count, filters })
    }

    pub(super) fn suback<'a>(&self, frame: &Frame<'a>) -> Result<SubAck<'a>, DecodeError> {
        let (packet_id, properties, codes) = self.codes(frame)?;
        if codes.is_empty() {
            return Err(DecodeError::SubAckEmpty);
        }
        Ok(SubAck { packet_id, properties, codes })
    }

    pub(super) fn unsuback<'a>(&self, frame: &Frame<'a>) -> Result<UnsubAck<'a>, DecodeError> {
        let (packet_id, properties, codes) = self.codes(frame)?;
        if codes.is_empty() && self.version == Version::V50 {
            return Err(DecodeError::UnsubAckEmpty);
        }
        Ok(UnsubAck { packet_id, properties, codes })
    }

    fn codes<'a>(&self, frame: &Frame<'a>) -> Result<(NonZeroU16, Properties<'a>, &'a [u8]), DecodeError> {
        let mut reader = Reader::new(frame.body());
        let packet_id = reader.packet_id()?;
        let properties = self.list_properties(frame, &mut reader, |_| {})?;
        let codes = reader.rest();
        for &code in codes {
            reason::judge(frame.header.packet_type, self.version, Direction::FromBroker, code)?;
        }
        Ok((packet_id, properties, codes))
    }

    fn list_properties<'a>(
        &self,
        frame: &Frame<'a>,
        reader: &mut Reader<'a>,
        each: impl FnMut(&Property<'a>),
    ) -> Result<Properties<'a>, DecodeError> {
        let packet_type: PacketType = frame.header.packet_type;
        match self.version {
            Version::V50 => Properties::read(reader, &self.rules(packet_type), each),
            Version::V31 | Version::V311 => Ok(Properties::NONE),
        }
    }

    /// Judges Topic Filters to the end of the packet, each with what `options` reads behind it, and counts them.
    fn judge_list<'a>(
        &self,
        reader: &mut Reader<'a>,
        empty: DecodeError,
        options: impl Fn(&Filter<'a>, &mut Reader<'a>) -> Result<(), DecodeError>,
    ) -> Result<usize, DecodeError> {
        let mut count = 0;
        while !reader.is_empty() {
            count += 1;
            if count > self.limits.max_filters {
                return Err(DecodeError::TooManyFilters);
            }
            let filter = Filter::parse(reader.binary()?, self.limits)?;
            options(&filter, reader)?;
        }
        if count == 0 { Err(empty) } else { Ok(count) }
    }
}

/// Before MQTT 5.0 a QoS and six reserved bits, then two, §3.8.3.1.
fn judge_options(options: u8, filter: &Filter<'_>, version: Version) -> Result<(), DecodeError> {
    let reserved = if version == Version::V50 { 0b1100_0000 } else { 0b1111_1100 };
    match options {
        _ if options & reserved != 0 => Err(DecodeError::SubscriptionOptionsReserved),
        _ if options & 0b11 == 0b11 => Err(DecodeError::SubscriptionQos),
        _ if options & 0b0011_0000 == 0b0011_0000 => Err(DecodeError::RetainHandling),
        _ if options & 0b100 != 0 && filter.share().is_some() => Err(DecodeError::NoLocalOnShared),
        _ => Ok(()),
    }
}
