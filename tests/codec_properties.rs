//! What holds for every packet, stream and Topic Filter, on inputs that nobody chose.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: a panic is its way to fail"
)]
#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "a test program: a panic is its way to fail")]

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a crate of its own to the fuzzer")]
mod fuzz;
#[path = "vectors/notation.rs"]
#[expect(dead_code, reason = "the vectors' test reads more of it")]
mod notation;
#[path = "codec_properties/seed.rs"]
mod seed;

use std::num::NonZeroU16;

use proptest::{collection::vec, prelude::*};
use seed::{of, seeds};
use tidegate::mqtt::{
    Context, Direction, Limits, Version,
    connect::{Connect, Will, decode_connect},
    encode,
    frame::{PacketType, QoS},
    packet::{Packet, Publish, PublishProperties},
    property::{Place, Properties, Property},
    reason::ReasonCode,
    topic::Filter,
};

const CONNECT: &[u8] = &[0x11, 0x15, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27];
const WILL: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];
const PUBLISH: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26];
const CONNACK: &[u8] =
    &[0x11, 0x12, 0x13, 0x15, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A];
const ACK: &[u8] = &[0x1F, 0x26];

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V31), Just(Version::V311), Just(Version::V50)]
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::Zero), Just(QoS::One), Just(QoS::Two)]
}

fn packet_id() -> impl Strategy<Value = NonZeroU16> {
    (1..=u16::MAX).prop_map(|id| NonZeroU16::new(id).unwrap())
}

const NAME: &str = "[$a-zé☃ /]{1,24}";
const FILTER: &str = r"(\$share/[a-z]{1,4}/)?([a-zé ]{0,4}|\+)(/([a-zé ]{1,4}|\+)){1,4}(/#)?";

fn context(version: Version, direction: Direction, limits: &Limits) -> Context<'_> {
    Context { version, direction, limits }
}

/// Decodes exactly one packet, from the side that may send it.
fn decode<'a>(version: Version, bytes: &'a [u8], limits: &Limits) -> Packet<'a> {
    let first = |direction| {
        let context = context(version, direction, limits);
        let frame = context.frame(bytes).ok()?.expect("whole");
        assert_eq!(frame.bytes.len(), bytes.len());
        context.packet(frame).ok()
    };
    first(Direction::FromClient).or_else(|| first(Direction::FromBroker)).expect("legal from one side")
}

proptest! {
    #[test]
    fn publish_comes_back(
        version in version(), qos in qos(), (dup, retain) in any::<(bool, bool)>(), id in packet_id(), topic in NAME,
        payload in vec(any::<u8>(), 0..300), seeds in seeds(PUBLISH),
    ) {
        let limits = Limits::default();
        let mut block = Vec::new();
        if version == Version::V50 {
            encode::properties(of(&seeds), &mut block);
        }
        let all =
            Properties::new(&block, Place::Packet(PacketType::Publish), Direction::FromClient, &limits).unwrap();
        let mut properties = PublishProperties { all, ..PublishProperties::default() };
        for property in all.iter() {
            if let Property::TopicAlias(alias) = property {
                properties.topic_alias = Some(alias);
            } else if let Property::ResponseTopic(topic) = property {
                properties.response_topic = Some(topic);
            } else if let Property::PayloadFormatIndicator(utf8) = property {
                properties.payload_is_utf8 = utf8;
            }
        }
        let above_0 = qos != QoS::Zero;
        let publish = Publish {
            dup: dup && above_0, qos, retain, topic: &topic, packet_id: above_0.then_some(id), properties,
            payload: &payload,
        };
        let mut bytes = Vec::new();
        encode::publish(version, &publish, &mut bytes);
        prop_assert_eq!(decode(version, &bytes, &limits), Packet::Publish(publish));
    }

    #[test]
    fn connect_comes_back(
        version in version(), clean_start: bool, keep_alive: u16, client_id in "[a-z0-9]{1,23}",
        username in proptest::option::of("[a-zé]{0,9}"), password in proptest::option::of(vec(any::<u8>(), 0..9)),
        will in proptest::option::of((NAME, vec(any::<u8>(), 0..20), qos(), any::<bool>())),
        (own, of_will) in (seeds(CONNECT), seeds(WILL)),
    ) {
        let limits = Limits::default();
        let (mut block, mut will_block) = (Vec::new(), Vec::new());
        encode::properties(of(&own), &mut block);
        encode::properties(of(&of_will), &mut will_block);
        let properties = |block, place| match version {
            Version::V50 => Properties::new(block, place, Direction::FromClient, &limits).unwrap(),
            Version::V31 | Version::V311 => Properties::NONE,
        };
        let connect = Connect {
            client_id: &client_id,
            username: username.as_deref(),
            password: password.as_deref().filter(|_| username.is_some() || version == Version::V50),
            will: will.as_ref().map(|(topic, payload, qos, retain)| Will {
                topic, payload, qos: *qos, retain: *retain, response_topic: None, payload_is_utf8: false,
                properties: properties(&will_block, Place::Will),
            }),
            properties: properties(&block, Place::Packet(PacketType::Connect)),
            ..Connect::bare(version, clean_start, keep_alive)
        };
        let mut bytes = Vec::new();
        encode::connect(&connect, &[], &mut bytes);
        let back = decode_connect(&bytes, &limits).unwrap();
        prop_assert_eq!((back.version, back.clean_start, back.keep_alive), (version, clean_start, keep_alive));
        prop_assert_eq!(
            (back.client_id, back.username, back.password),
            (connect.client_id, connect.username, connect.password)
        );
        prop_assert_eq!(back.properties, connect.properties);
        prop_assert_eq!(back.will.is_some(), connect.will.is_some());
        if let (Some(back), Some(will)) = (back.will, connect.will) {
            prop_assert_eq!((back.topic, back.payload, back.qos), (will.topic, will.payload, will.qos));
            prop_assert_eq!((back.retain, back.properties), (will.retain, will.properties));
        }
        let mut again = Vec::new();
        encode::connect(&back, &[], &mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn a_changed_connack_differs_in_what_was_changed(seeds in seeds(CONNACK), receive_maximum in packet_id()) {
        let limits = Limits::default();
        let mut bytes = Vec::new();
        encode::connack(Version::V50, false, ReasonCode::Success, of(&seeds), &mut bytes);
        let Packet::ConnAck(connack) = decode(Version::V50, &bytes, &limits) else { panic!("no CONNACK") };
        prop_assert!(connack.properties.iter().eq(of(&seeds)));
        let change = Property::ReceiveMaximum(receive_maximum);
        let mut changed = Vec::new();
        encode::connack_with(Version::V50, &connack, &[change], &mut changed);
        let Packet::ConnAck(after) = decode(Version::V50, &changed, &limits) else { panic!("no CONNACK") };
        prop_assert_eq!(after.receive_maximum, receive_maximum.get());
        let others = |properties: Properties<'_>| {
            properties.bytes().len() - properties.with_bytes().filter(|(p, _)| p.identifier() == 0x21).count() * 3
        };
        prop_assert_eq!(others(after.properties), others(connack.properties));
        let mut expected = of(&seeds);
        match expected.iter_mut().find(|property| property.identifier() == 0x21) {
            Some(property) => *property = change,
            None => expected.push(change),
        }
        prop_assert!(after.properties.iter().eq(expected));
    }

    #[test]
    fn acknowledgements_come_back(version in version(), id in packet_id(), failed: bool, seeds in seeds(ACK)) {
        let limits = Limits::default();
        for (packet_type, failure) in [
            (PacketType::PubAck, ReasonCode::NotAuthorized),
            (PacketType::PubRec, ReasonCode::QuotaExceeded),
            (PacketType::PubRel, ReasonCode::PacketIdentifierNotFound),
            (PacketType::PubComp, ReasonCode::PacketIdentifierNotFound),
        ] {
            let reason = if failed { failure } else { ReasonCode::Success };
            let mut bytes = Vec::new();
            encode::ack(version, packet_type, id, reason, of(&seeds), &mut bytes);
            let packet = decode(version, &bytes, &limits);
            prop_assert_eq!(packet.packet_type(), packet_type);
            let (Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack)) = packet
            else { panic!("no acknowledgement") };
            prop_assert_eq!(ack.packet_id, id);
            if version == Version::V50 {
                prop_assert_eq!(ack.reason, reason);
                prop_assert!(ack.properties.iter().eq(of(&seeds)));
            }
        }
    }

    #[test]
    fn subscribe_comes_back(
        version in version(), id in packet_id(), filters in vec((FILTER, 0..3_u8, 0..3_u8, any::<bool>()), 1..9),
        identifier in seeds(&[0x0B, 0x26]),
    ) {
        let limits = Limits::default();
        let v5 = version == Version::V50;
        // The options byte of each filter, by way of one packet written by hand.
        let mut body = id.get().to_be_bytes().to_vec();
        if v5 {
            let mut block = Vec::new();
            encode::properties(of(&identifier), &mut block);
            body.push(u8::try_from(block.len()).unwrap());
            body.extend(block);
        }
        for (filter, qos, handling, published) in &filters {
            body.extend(u16::try_from(filter.len()).unwrap().to_be_bytes());
            body.extend(filter.as_bytes());
            body.push(if v5 { qos | handling << 4 | u8::from(*published) << 3 } else { *qos });
        }
        let mut bytes = vec![0x82];
        let len = u16::try_from(body.len()).unwrap();
        if len < 128 {
            bytes.push(u8::try_from(len).unwrap());
        } else {
            bytes.extend([u8::try_from(len & 0x7F | 0x80).unwrap(), u8::try_from(len >> 7).unwrap()]);
        }
        bytes.extend(body);
        let packet = decode(version, &bytes, &limits);
        let Packet::Subscribe(subscribe) = packet else { panic!("no SUBSCRIBE") };
        prop_assert_eq!(subscribe.count, filters.len());
        for (subscription, (filter, qos, handling, _)) in subscribe.subscriptions().zip(&filters) {
            prop_assert_eq!(subscription.filter, Filter::parse(filter.as_bytes(), &limits).unwrap());
            prop_assert_eq!(subscription.qos.value(), *qos);
            prop_assert_eq!(subscription.retain_handling as u8, if v5 { *handling } else { 0 });
        }
        let mut again = Vec::new();
        encode::packet(version, &packet, &mut again);
        prop_assert_eq!(&again, &bytes);

        let mut unsubscribe = Vec::new();
        let texts = filters.iter().map(|(filter, ..)| filter.as_str());
        encode::unsubscribe(version, id, [], texts.clone(), &mut unsubscribe);
        let Packet::Unsubscribe(unsubscribe) = decode(version, &unsubscribe, &limits) else { panic!("no UNSUBSCRIBE") };
        prop_assert!(unsubscribe.filters().map(|filter| filter.text()).eq(texts));
    }

    #[test]
    fn lists_of_codes_come_back(version in version(), id in packet_id(), codes in vec(0..4_usize, 1..20)) {
        let limits = Limits::default();
        let granted =
            [ReasonCode::Success, ReasonCode::GrantedQos1, ReasonCode::GrantedQos2, ReasonCode::UnspecifiedError];
        let codes: Vec<ReasonCode> = codes.iter().map(|at| granted[*at]).collect();
        let mut bytes = Vec::new();
        encode::suback(version, id, [], codes.iter().copied(), &mut bytes);
        let Packet::SubAck(suback) = decode(version, &bytes, &limits) else { panic!("no SUBACK") };
        prop_assert!(suback.packet_id == id && suback.codes().eq(codes));
    }

    /// However a stream is cut into reads, the same packets come out of it.
    #[test]
    fn any_split_of_a_stream_gives_the_same_packets(
        version in version(), packets in vec(0..4_usize, 1..12), cuts in vec(1..40_usize, 1..60),
    ) {
        let limits = Limits::default();
        let context = context(version, Direction::FromClient, &limits);
        let mut stream = Vec::new();
        for kind in &packets {
            match kind {
                0 => encode::pingreq(&mut stream),
                1 => encode::ack(version, PacketType::PubAck, NonZeroU16::MIN, ReasonCode::Success, [], &mut stream),
                2 => encode::unsubscribe(version, NonZeroU16::MIN, [], ["a/b", "c"], &mut stream),
                _ => encode::publish(version, &Publish {
                    dup: false, qos: QoS::One, retain: false, topic: "a/b/c", packet_id: Some(NonZeroU16::MIN),
                    properties: PublishProperties::default(), payload: &[0xC0; 200],
                }, &mut stream),
            }
        }
        let mut whole = Vec::new();
        let mut rest = stream.as_slice();
        while let Some(frame) = context.frame(rest).unwrap() {
            whole.push(frame.bytes.to_vec());
            rest = &rest[frame.bytes.len()..];
        }
        prop_assert_eq!(whole.len(), packets.len());
        let (mut parts, mut kept, mut arriving) = (Vec::new(), Vec::new(), stream.as_slice());
        for cut in cuts.iter().cycle() {
            let (read, later) = arriving.split_at((*cut).min(arriving.len()));
            arriving = later;
            kept.extend(read);
            while let Some(frame) = context.frame(&kept).unwrap() {
                context.packet(frame).unwrap();
                let bytes = frame.bytes.to_vec();
                kept.drain(..bytes.len());
                parts.push(bytes);
            }
            if arriving.is_empty() {
                break;
            }
        }
        prop_assert!(kept.is_empty());
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn no_bytes_break_a_target(data in vec(any::<u8>(), 0..200)) {
        for (_, target) in fuzz::TARGETS {
            target(&data);
        }
    }

    /// Bytes that are nearly a packet reach further in than random ones.
    #[test]
    fn no_damaged_vector_breaks_a_target(
        which in any::<prop::sample::Index>(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let vectors = vectors();
        let mut data = vectors[which.index(vectors.len())].clone();
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        for (_, target) in fuzz::TARGETS {
            target(&data);
        }
    }

    #[test]
    fn topic_filters_relate_as_the_models_say(data in vec(any::<u8>(), 6)) {
        fuzz::topic_algebra(&data);
    }
}

fn vectors() -> &'static [Vec<u8>] {
    static VECTORS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    VECTORS.get_or_init(|| {
        let vectors = notation::paragraphs().into_iter().flat_map(|paragraph| paragraph.vectors);
        let mut bytes: Vec<Vec<u8>> = vectors.map(|vector| vector.bytes).collect();
        bytes.retain(|bytes| (1..2000).contains(&bytes.len()));
        bytes.sort();
        bytes.dedup();
        bytes
    })
}

#[test]
fn no_vector_breaks_a_target() {
    for bytes in vectors() {
        for (_, target) in fuzz::TARGETS {
            target(bytes);
        }
    }
}
