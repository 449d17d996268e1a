//! Control Packets other than CONNECT: one borrowed view each, judged whole.
//!
//! A view that exists breaks no rule of the standard that can be seen without knowing the packets before it; those rules
//! are `enforce`'s. CONNECT, which settles the version, is [`super::connect`]'s.

mod publish;
mod subscribe;

pub use publish::{Publish, PublishHead, PublishProperties};
pub use subscribe::{RetainHandling, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe};

use std::num::NonZeroU16;

use super::{
    Context, Version,
    error::DecodeError,
    frame::{Frame, PacketType},
    property::{Place, Properties, Property, Rules},
    reader::Reader,
    reason::{self, ReasonCode},
};

/// One Control Packet of an open Network Connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum Packet<'a> {
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// What it is.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The exchange it belongs to.
    pub packet_id: NonZeroU16,
    /// Success where the packet has none: always before MQTT 5.0, and in its short form.
    pub reason: ReasonCode,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
}

/// CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// Whether the broker has kept a Session. Without meaning in MQTT 3.1.
    pub session_present: bool,
    /// Before MQTT 5.0, the Reason Code that means what the return code means.
    pub reason: ReasonCode,
    /// Seconds, where the broker overrides what the client asked for.
    pub server_keep_alive: Option<u16>,
    /// 65,535 where absent.
    pub receive_maximum: u16,
    /// 0 where absent.
    pub topic_alias_maximum: u16,
    /// Bytes; no limit where absent.
    pub maximum_packet_size: Option<u32>,
    /// Where the client left the choice to the broker.
    pub assigned_client_id: Option<&'a str>,
    /// That of the CONNECT, where it had one.
    pub authentication_method: Option<&'a str>,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
}

/// DISCONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Success (Normal disconnection) where the packet has none.
    pub reason: ReasonCode,
    /// Seconds, where the client changes its mind.
    pub session_expiry: Option<u32>,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
}

/// AUTH, MQTT 5.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success where the packet has none.
    pub reason: ReasonCode,
    /// Absent in the short form alone.
    pub method: Option<&'a str>,
    /// Authentication Method and Data among them.
    pub properties: Properties<'a>,
}

impl Context<'_> {
    /// Judges one whole packet.
    ///
    /// # Errors
    /// The first rule that it breaks.
    #[inline]
    pub fn packet<'a>(&self, frame: Frame<'a>) -> Result<Packet<'a>, DecodeError> {
        match frame.header.packet_type {
            PacketType::Publish => self.publish(&frame).map(Packet::Publish),
            PacketType::PubAck => self.ack(&frame).map(Packet::PubAck),
            PacketType::PubRec => self.ack(&frame).map(Packet::PubRec),
            PacketType::PubRel => self.ack(&frame).map(Packet::PubRel),
            PacketType::PubComp => self.ack(&frame).map(Packet::PubComp),
            PacketType::PingReq => Ok(Packet::PingReq),
            PacketType::PingResp => Ok(Packet::PingResp),
            PacketType::Subscribe => self.subscribe(&frame).map(Packet::Subscribe),
            PacketType::SubAck => self.suback(&frame).map(Packet::SubAck),
            PacketType::Unsubscribe => self.unsubscribe(&frame).map(Packet::Unsubscribe),
            PacketType::UnsubAck => self.unsuback(&frame).map(Packet::UnsubAck),
            PacketType::ConnAck => self.connack(&frame).map(Packet::ConnAck),
            PacketType::Disconnect => self.disconnect(&frame).map(Packet::Disconnect),
            PacketType::Auth => self.auth(&frame).map(Packet::Auth),
            PacketType::Connect => Err(DecodeError::SecondConnect),
        }
    }

    const fn rules(&self, packet_type: PacketType) -> Rules<'_> {
        Rules { place: Place::Packet(packet_type), direction: self.direction, limits: self.limits }
    }

    fn reason(&self, packet_type: PacketType, code: u8) -> Result<ReasonCode, DecodeError> {
        reason::judge(packet_type, self.version, self.direction, code)
    }

    fn ack<'a>(&self, frame: &Frame<'a>) -> Result<Ack<'a>, DecodeError> {
        let mut reader = Reader::new(frame.body());
        let packet_id = reader.packet_id()?;
        let (reason, properties) = self.code_and_properties(frame, &mut reader, |_| {})?;
        Ok(Ack { packet_id, reason, properties })
    }

    /// What ends an acknowledgement and a DISCONNECT: a Reason Code and properties, which may both be left out, or the
    /// properties alone (5.0 §3.4.2.1, §3.14.2.1).
    fn code_and_properties<'a>(
        &self,
        frame: &Frame<'a>,
        reader: &mut Reader<'a>,
        each: impl FnMut(&Property<'a>),
    ) -> Result<(ReasonCode, Properties<'a>), DecodeError> {
        if reader.is_empty() {
            return Ok((ReasonCode::Success, Properties::NONE));
        }
        let packet_type = frame.header.packet_type;
        let reason = self.reason(packet_type, reader.u8()?)?;
        if reader.is_empty() {
            return Ok((reason, Properties::NONE));
        }
        let properties = Properties::read(reader, &self.rules(packet_type), each)?;
        reader.finish()?;
        Ok((reason, properties))
    }

    /// A broker that knows no MQTT 5.0 says so in the form of 3.1.1 [MQTT-3.1.2-2], and clients fall back on it.
    fn connack<'a>(&self, frame: &Frame<'a>) -> Result<ConnAck<'a>, DecodeError> {
        let mut reader = Reader::new(frame.body());
        let flags = reader.u8()?;
        if flags & 0xFE != 0 {
            return Err(DecodeError::ConnAckFlagsReserved);
        }
        let (reason, old_form) = match reader.u8()? {
            0x01 if self.version == Version::V50 && reader.is_empty() => (ReasonCode::UnsupportedProtocolVersion, true),
            code => (self.reason(PacketType::ConnAck, code)?, false),
        };
        // In 3.1 the whole byte is unused.
        let session_present = flags == 1 && self.version != Version::V31;
        if session_present && reason != ReasonCode::Success {
            return Err(DecodeError::SessionPresentInRefusal);
        }
        let mut connack = ConnAck {
            session_present,
            reason,
            server_keep_alive: None,
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            maximum_packet_size: None,
            assigned_client_id: None,
            authentication_method: None,
            properties: Properties::NONE,
        };
        if self.version == Version::V50 && !old_form {
            connack.properties =
                Properties::read(&mut reader, &self.rules(PacketType::ConnAck), |property| connack.note(property))?;
        }
        reader.finish()?;
        Ok(connack)
    }

    fn disconnect<'a>(&self, frame: &Frame<'a>) -> Result<Disconnect<'a>, DecodeError> {
        let mut session_expiry = None;
        let (reason, properties) = self.code_and_properties(frame, &mut Reader::new(frame.body()), |property| {
            if let Property::SessionExpiryInterval(seconds) = property {
                session_expiry = Some(*seconds);
            }
        })?;
        Ok(Disconnect { reason, session_expiry, properties })
    }

    /// Either nothing at all, or a Reason Code and properties with a method among them (5.0 §3.15.2).
    fn auth<'a>(&self, frame: &Frame<'a>) -> Result<Auth<'a>, DecodeError> {
        let mut reader = Reader::new(frame.body());
        let code = if reader.is_empty() { ReasonCode::Success.value() } else { reader.u8()? };
        let mut auth =
            Auth { reason: self.reason(PacketType::Auth, code)?, method: None, properties: Properties::NONE };
        if frame.header.remaining_len > 0 {
            let mut method = None;
            auth.properties = Properties::read(&mut reader, &self.rules(PacketType::Auth), |property| {
                if let Property::AuthenticationMethod(name) = property {
                    method = Some(*name);
                }
            })?;
            auth.method = method;
        }
        reader.finish()?;
        Ok(auth)
    }
}

impl<'a> ConnAck<'a> {
    fn note(&mut self, property: &Property<'a>) {
        if let Property::ServerKeepAlive(seconds) = property {
            self.server_keep_alive = Some(*seconds);
        } else if let Property::ReceiveMaximum(maximum) = property {
            self.receive_maximum = maximum.get();
        } else if let Property::TopicAliasMaximum(maximum) = property {
            self.topic_alias_maximum = *maximum;
        } else if let Property::MaximumPacketSize(size) = property {
            self.maximum_packet_size = Some(size.get());
        } else if let Property::AssignedClientIdentifier(id) = property {
            self.assigned_client_id = Some(id);
        } else if let Property::AuthenticationMethod(name) = property {
            self.authentication_method = Some(name);
        }
    }
}
