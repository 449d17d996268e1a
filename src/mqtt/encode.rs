//! Control Packets to bytes: what the gateway answers itself, and what it must write anew.
//!
//! Every function appends one packet. Nothing is judged here: what goes in has been judged, or is our own. A view that
//! was decoded and is encoded again gives the bytes it came from, so a rewrite changes what it means to and no more.

use std::num::NonZeroU16;

use super::{
    Version,
    connect::Connect,
    frame::PacketType,
    packet::{Ack, ConnAck, Packet, Publish, PublishHead, Subscription},
    property::Property,
    reason::ReasonCode,
};

/// CONNACK, with properties in MQTT 5.0.
///
/// Before that, nothing is written where the version has no return code for `reason`: such a client is not answered.
pub fn connack<'p>(
    version: Version,
    session_present: bool,
    reason: ReasonCode,
    properties: impl IntoIterator<Item = Property<'p>>,
    out: &mut Vec<u8>,
) {
    let v5 = version == Version::V50;
    let Some(code) = (if v5 { Some(reason.value()) } else { reason.return_code() }) else { return };
    frame(PacketType::ConnAck, 0, out, |out| {
        out.extend([u8::from(session_present), code]);
        property_block(version, properties, out);
    });
}

/// A CONNACK as it came, with `changes` made to its properties.
pub fn connack_with(version: Version, connack: &ConnAck<'_>, changes: &[Property<'_>], out: &mut Vec<u8>) {
    self::connack(version, connack.session_present, connack.reason, connack.properties.with(changes), out);
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP, as short as it can be. Before MQTT 5.0 they hold no reason and no properties.
pub fn ack<'p>(
    version: Version,
    packet_type: PacketType,
    packet_id: NonZeroU16,
    reason: ReasonCode,
    properties: impl IntoIterator<Item = Property<'p>>,
    out: &mut Vec<u8>,
) {
    let flags = if packet_type == PacketType::PubRel { 0b0010 } else { 0 };
    frame(packet_type, flags, out, |out| {
        out.extend(packet_id.get().to_be_bytes());
        if version == Version::V50 {
            code_and_properties(reason, properties, out);
        }
    });
}

/// SUBACK. Before MQTT 5.0 every failure is 0x80.
pub fn suback<'p>(
    version: Version,
    packet_id: NonZeroU16,
    properties: impl IntoIterator<Item = Property<'p>>,
    codes: impl IntoIterator<Item = ReasonCode>,
    out: &mut Vec<u8>,
) {
    frame(PacketType::SubAck, 0, out, |out| {
        out.extend(packet_id.get().to_be_bytes());
        property_block(version, properties, out);
        out.extend(codes.into_iter().map(|code| match version {
            Version::V31 | Version::V311 if code.is_error() => ReasonCode::UnspecifiedError.value(),
            Version::V31 | Version::V311 | Version::V50 => code.value(),
        }));
    });
}

/// UNSUBACK. Before MQTT 5.0 it has no codes.
pub fn unsuback<'p>(
    version: Version,
    packet_id: NonZeroU16,
    properties: impl IntoIterator<Item = Property<'p>>,
    codes: impl IntoIterator<Item = ReasonCode>,
    out: &mut Vec<u8>,
) {
    frame(PacketType::UnsubAck, 0, out, |out| {
        out.extend(packet_id.get().to_be_bytes());
        property_block(version, properties, out);
        if version == Version::V50 {
            out.extend(codes.into_iter().map(ReasonCode::value));
        }
    });
}

/// DISCONNECT of MQTT 5.0, as short as it can be. Before that a Server has none.
pub fn disconnect<'p>(reason: ReasonCode, properties: impl IntoIterator<Item = Property<'p>>, out: &mut Vec<u8>) {
    frame(PacketType::Disconnect, 0, out, |out| code_and_properties(reason, properties, out));
}

/// PINGREQ.
pub fn pingreq(out: &mut Vec<u8>) {
    frame(PacketType::PingReq, 0, out, |_| {});
}

/// PINGRESP.
pub fn pingresp(out: &mut Vec<u8>) {
    frame(PacketType::PingResp, 0, out, |_| {});
}

/// A CONNECT as it came, with `changes` made to its properties.
pub fn connect(connect: &Connect<'_>, changes: &[Property<'_>], out: &mut Vec<u8>) {
    let (name, level): (&str, u8) = match connect.version {
        Version::V31 => ("MQIsdp", 3),
        Version::V311 => ("MQTT", 4),
        Version::V50 => ("MQTT", 5),
    };
    let will = connect.will.map_or(0, |will| 0b100 | will.qos.value() << 3 | u8::from(will.retain) << 5);
    let flags = u8::from(connect.clean_start) << 1
        | will
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.username.is_some()) << 7;
    frame(PacketType::Connect, 0, out, |out| {
        binary(name.as_bytes(), out);
        out.extend([level, flags]);
        out.extend(connect.keep_alive.to_be_bytes());
        property_block(connect.version, connect.properties.with(changes), out);
        binary(connect.client_id.as_bytes(), out);
        if let Some(will) = &connect.will {
            property_block(connect.version, will.properties.iter(), out);
            binary(will.topic.as_bytes(), out);
            binary(will.payload, out);
        }
        if let Some(username) = connect.username {
            binary(username.as_bytes(), out);
        }
        if let Some(password) = connect.password {
            binary(password, out);
        }
    });
}

/// A PUBLISH up to its payload, which is `payload_len` bytes and follows.
///
/// To put a Topic Name back: `PublishHead { topic, ..head }`.
pub fn publish_head(version: Version, head: &PublishHead<'_>, payload_len: usize, out: &mut Vec<u8>) {
    let flags = u8::from(head.dup) << 3 | head.qos.value() << 1 | u8::from(head.retain);
    let properties = head.properties.all.bytes();
    let properties_len = match version {
        Version::V50 => integer_len(properties.len()) + properties.len(),
        Version::V31 | Version::V311 => 0,
    };
    let packet_id_len = if head.packet_id.is_some() { 2 } else { 0 };
    out.push((PacketType::Publish as u8) << 4 | flags);
    integer(2 + head.topic.len() + packet_id_len + properties_len + payload_len, out);
    binary(head.topic.as_bytes(), out);
    if let Some(packet_id) = head.packet_id {
        out.extend(packet_id.get().to_be_bytes());
    }
    if version == Version::V50 {
        integer(properties.len(), out);
        out.extend(properties);
    }
}

/// PUBLISH.
pub fn publish(version: Version, publish: &Publish<'_>, out: &mut Vec<u8>) {
    publish_head(version, &publish.head(publish.payload.len()), publish.payload.len(), out);
    out.extend(publish.payload);
}

/// SUBSCRIBE.
pub fn subscribe<'p, 's>(
    version: Version,
    packet_id: NonZeroU16,
    properties: impl IntoIterator<Item = Property<'p>>,
    subscriptions: impl IntoIterator<Item = Subscription<'s>>,
    out: &mut Vec<u8>,
) {
    frame(PacketType::Subscribe, 0b0010, out, |out| {
        out.extend(packet_id.get().to_be_bytes());
        property_block(version, properties, out);
        for subscription in subscriptions {
            binary(subscription.filter.text().as_bytes(), out);
            out.push(subscription.options());
        }
    });
}

/// UNSUBSCRIBE.
pub fn unsubscribe<'p, 's>(
    version: Version,
    packet_id: NonZeroU16,
    properties: impl IntoIterator<Item = Property<'p>>,
    filters: impl IntoIterator<Item = &'s str>,
    out: &mut Vec<u8>,
) {
    frame(PacketType::Unsubscribe, 0b0010, out, |out| {
        out.extend(packet_id.get().to_be_bytes());
        property_block(version, properties, out);
        for filter in filters {
            binary(filter.as_bytes(), out);
        }
    });
}

/// Any packet but CONNECT, in its shortest form.
pub fn packet(version: Version, packet: &Packet<'_>, out: &mut Vec<u8>) {
    let mut acknowledge = |ack: &Ack<'_>| {
        self::ack(version, packet.packet_type(), ack.packet_id, ack.reason, ack.properties.iter(), out);
    };
    match packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => acknowledge(ack),
        Packet::Publish(publish) => self::publish(version, publish, out),
        Packet::ConnAck(connack) => connack_with(version, connack, &[], out),
        Packet::Subscribe(s) => subscribe(version, s.packet_id, s.properties.iter(), s.subscriptions(), out),
        Packet::SubAck(s) => suback(version, s.packet_id, s.properties.iter(), s.codes(), out),
        Packet::Unsubscribe(u) => {
            unsubscribe(version, u.packet_id, u.properties.iter(), u.filters().map(|filter| filter.text()), out);
        }
        Packet::UnsubAck(u) => unsuback(version, u.packet_id, u.properties.iter(), u.codes(), out),
        Packet::PingReq => pingreq(out),
        Packet::PingResp => pingresp(out),
        Packet::Disconnect(d) => disconnect(d.reason, d.properties.iter(), out),
        Packet::Auth(auth) => frame(PacketType::Auth, 0, out, |out| {
            if auth.method.is_some() {
                out.push(auth.reason.value());
                property_block(version, auth.properties.iter(), out);
            }
        }),
    }
}

/// Properties as they stand in a block, without its length.
pub fn properties<'p>(properties: impl IntoIterator<Item = Property<'p>>, out: &mut Vec<u8>) {
    for property in properties {
        out.push(property.identifier());
        match property {
            Property::PayloadFormatIndicator(value)
            | Property::RequestProblemInformation(value)
            | Property::RequestResponseInformation(value)
            | Property::MaximumQoS(value)
            | Property::RetainAvailable(value)
            | Property::WildcardSubscriptionAvailable(value)
            | Property::SubscriptionIdentifierAvailable(value)
            | Property::SharedSubscriptionAvailable(value) => out.push(u8::from(value)),
            Property::MessageExpiryInterval(value)
            | Property::SessionExpiryInterval(value)
            | Property::WillDelayInterval(value) => out.extend(value.to_be_bytes()),
            Property::MaximumPacketSize(value) => out.extend(value.get().to_be_bytes()),
            Property::ServerKeepAlive(value) | Property::TopicAliasMaximum(value) => out.extend(value.to_be_bytes()),
            Property::ReceiveMaximum(value) | Property::TopicAlias(value) => out.extend(value.get().to_be_bytes()),
            Property::SubscriptionIdentifier(value) => integer(usize::try_from(value.get()).unwrap_or_default(), out),
            Property::ContentType(text)
            | Property::ResponseTopic(text)
            | Property::AssignedClientIdentifier(text)
            | Property::AuthenticationMethod(text)
            | Property::ResponseInformation(text)
            | Property::ServerReference(text)
            | Property::ReasonString(text) => binary(text.as_bytes(), out),
            Property::CorrelationData(bytes) | Property::AuthenticationData(bytes) => binary(bytes, out),
            Property::UserProperty(name, value) => {
                binary(name.as_bytes(), out);
                binary(value.as_bytes(), out);
            }
        }
    }
}

/// A packet whose Remaining Length is known once `body` has written it.
fn frame(packet_type: PacketType, flags: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push((packet_type as u8) << 4 | flags);
    with_length(out, body);
}

/// What `body` writes, behind its length.
fn with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    body(out);
    let len = out.len() - at;
    out.splice(at..at, integer_bytes(len));
}

/// A Property Length and so many bytes; nothing before MQTT 5.0.
fn property_block<'p>(version: Version, all: impl IntoIterator<Item = Property<'p>>, out: &mut Vec<u8>) {
    if version == Version::V50 {
        with_length(out, |out| properties(all, out));
    }
}

/// Leaves out the properties when there are none, and then the reason when it is Success.
fn code_and_properties<'p>(reason: ReasonCode, all: impl IntoIterator<Item = Property<'p>>, out: &mut Vec<u8>) {
    let mut all = all.into_iter().peekable();
    if all.peek().is_some() {
        out.push(reason.value());
        property_block(Version::V50, all, out);
    } else if reason != ReasonCode::Success {
        out.push(reason.value());
    }
}

/// Binary Data or a UTF-8 Encoded String. Neither can be longer than 65,535 bytes; what is gets cut.
fn binary(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend(bytes.get(..usize::from(len)).unwrap_or(bytes));
}

/// A Variable Byte Integer.
fn integer(value: usize, out: &mut Vec<u8>) {
    out.extend(integer_bytes(value));
}

/// The bytes of a Variable Byte Integer: seven bits each, the lowest first, the top bit set on all but the last.
fn integer_bytes(value: usize) -> impl Iterator<Item = u8> {
    let len = integer_len(value);
    (0..len).map(move |at| {
        let more = if at + 1 < len { 0x80 } else { 0 };
        (value >> (7 * at) & 0x7F).to_le_bytes()[0] | more
    })
}

/// How many bytes a Variable Byte Integer takes.
const fn integer_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{Context, Direction, Limits, frame::QoS, packet::PublishProperties};

    const ID: NonZeroU16 = NonZeroU16::new(0x0102).unwrap();
    const REFUSED: ReasonCode = ReasonCode::NotAuthorized;

    fn check(name: &str, expected: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = b"before".to_vec();
        write(&mut out);
        assert_eq!(out.strip_prefix(b"before"), Some(expected), "{name}");
    }

    #[test]
    fn answers_are_as_short_as_their_version_lets_them_be() {
        use Version::{V31, V50, V311};
        let why = || [Property::ReasonString("no")];
        check("connack 3.1.1", &[0x20, 2, 0, 5], |out| connack(V311, false, REFUSED, why(), out));
        check("connack 5.0", &[0x20, 8, 0, 0x87, 5, 0x1F, 0, 2, b'n', b'o'], |out| {
            connack(V50, false, REFUSED, why(), out);
        });
        check("no word for it", &[], |out| connack(V31, false, ReasonCode::MalformedPacket, [], out));
        check("puback 3.1.1", &[0x40, 2, 1, 2], |out| ack(V311, PacketType::PubAck, ID, REFUSED, why(), out));
        check("puback 5.0", &[0x40, 2, 1, 2], |out| ack(V50, PacketType::PubAck, ID, ReasonCode::Success, [], out));
        check("pubrec 5.0", &[0x50, 3, 1, 2, 0x87], |out| ack(V50, PacketType::PubRec, ID, REFUSED, [], out));
        check("pubrel", &[0x62, 2, 1, 2], |out| ack(V31, PacketType::PubRel, ID, ReasonCode::Success, [], out));
        let codes = [ReasonCode::GrantedQos1, REFUSED];
        check("suback 3.1.1", &[0x90, 4, 1, 2, 1, 0x80], |out| suback(V311, ID, [], codes, out));
        check("suback 5.0", &[0x90, 5, 1, 2, 0, 1, 0x87], |out| suback(V50, ID, [], codes, out));
        check("unsuback 3.1.1", &[0xB0, 2, 1, 2], |out| unsuback(V311, ID, [], codes, out));
        check("unsuback 5.0", &[0xB0, 4, 1, 2, 0, 0x87], |out| unsuback(V50, ID, [], [REFUSED], out));
        check("disconnect", &[0xE0, 1, 0x82], |out| disconnect(ReasonCode::ProtocolError, [], out));
        check("normal disconnect", &[0xE0, 0], |out| disconnect(ReasonCode::Success, [], out));
        check("pingresp", &[0xD0, 0], pingresp);
    }

    #[test]
    fn a_topic_name_is_put_back_and_nothing_else_changes() {
        let received = [0x33, 13, 0, 0, 1, 2, 3, 0x23, 0, 9, b'h', b'e', b'l', b'l', b'o'];
        let limits = Limits::default();
        let context = Context { version: Version::V50, direction: Direction::FromClient, limits: &limits };
        let header = context.header(&received).unwrap().unwrap();
        let head = context.publish_head(&header, &received[..10]).unwrap().unwrap();
        let put_back = PublishHead { topic: "a/b", ..head };
        check("head", &[0x33, 16, 0, 3, b'a', b'/', b'b', 1, 2, 3, 0x23, 0, 9], |out| {
            publish_head(Version::V50, &put_back, received.len() - head.head_len, out);
        });
    }

    #[test]
    fn lengths_of_every_size_are_written_minimal() {
        let limits = Limits::default();
        let context = Context { version: Version::V311, direction: Direction::FromClient, limits: &limits };
        for len in [0, 124, 125, 16_380, 16_381, 2_097_148, 2_097_149] {
            let message = Publish {
                dup: false,
                qos: QoS::Zero,
                retain: false,
                topic: "a",
                packet_id: None,
                properties: PublishProperties::default(),
                payload: &vec![0; len],
            };
            let mut out = Vec::new();
            publish(Version::V311, &message, &mut out);
            assert_eq!(context.frame(&out).unwrap().unwrap().bytes.len(), out.len());
            assert_eq!(context.header(&out).unwrap().unwrap().remaining_len, 3 + len);
        }
    }
}
