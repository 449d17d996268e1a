//! A stream of packets: what is read does not depend on how it arrives, and survives being written again.

use tidegate::mqtt::{
    Context, Direction, Limits, Version,
    connect::{connect_header, decode_connect},
    encode,
    error::DecodeError,
    frame::{FixedHeader, Frame, PacketType},
    packet::Packet,
};

/// Judges the packets at the front of `data` until one is refused or not whole.
pub(crate) fn judge(version: Version, direction: Direction, data: &[u8]) {
    let limits = Limits { max_packet_bytes: 4096, max_control_bytes: 2048, max_topic_levels: 8, ..Limits::default() };
    let context = Context { version, direction, limits: &limits };
    let mut rest = data;
    loop {
        let header = context.header(rest);
        arrives_alike(rest, &header, |bytes| context.header(bytes));
        let Ok(Some(frame)) = context.frame(rest) else { return };
        assert_eq!(header, Ok(Some(frame.header)));
        let packet = context.packet(frame);
        if frame.header.packet_type == PacketType::Publish {
            head_arrives_alike(&context, &frame, &packet);
        }
        let Ok(packet) = packet else { return };
        reads_the_same_again(&context, &packet);
        lists_are_whole(&packet);
        rest = &rest[frame.bytes.len()..];
    }
}

/// Every prefix says "more", or what the whole says.
fn arrives_alike<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    whole: &Result<Option<T>, DecodeError>,
    of: impl Fn(&[u8]) -> Result<Option<T>, DecodeError>,
) {
    for len in 0..bytes.len().min(8) {
        let early = of(&bytes[..len]);
        assert!(early == Ok(None) || early == *whole, "{len} bytes: {early:?}, all: {whole:?}");
    }
}

/// A PUBLISH that comes byte by byte is judged like one that comes whole.
fn head_arrives_alike(context: &Context<'_>, frame: &Frame<'_>, whole: &Result<Packet<'_>, DecodeError>) {
    for len in 0..=frame.bytes.len() {
        let head = context.publish_head(&frame.header, &frame.bytes[..len]);
        match (whole, head) {
            (Ok(Packet::Publish(publish)), Ok(head)) => {
                let expected = publish.head(frame.bytes.len());
                assert_eq!(head, (len >= expected.head_len).then_some(expected), "{len} bytes");
            }
            (Err(_), Ok(None)) => assert!(len < frame.bytes.len(), "nothing more can come"),
            (Err(_), Err(_)) => return,
            (whole, head) => panic!("{len} bytes: {head:?}, all: {whole:?}"),
        }
    }
}

fn reads_the_same_again(context: &Context<'_>, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    encode::packet(context.version, packet, &mut bytes);
    let frame = context.frame(&bytes).unwrap().unwrap();
    assert_eq!(frame.bytes.len(), bytes.len());
    assert_eq!(context.packet(frame).as_ref(), Ok(packet));
}

/// What a list counts is what it gives.
fn lists_are_whole(packet: &Packet<'_>) {
    if let Packet::Subscribe(subscribe) = packet {
        assert_eq!(subscribe.subscriptions().count(), subscribe.count);
    } else if let Packet::Unsubscribe(unsubscribe) = packet {
        assert_eq!(unsubscribe.filters().count(), unsubscribe.count);
    } else if let Packet::SubAck(suback) = packet {
        assert_eq!(suback.codes().count(), suback.count());
    } else if let Packet::UnsubAck(unsuback) = packet {
        assert_eq!(unsuback.codes().count(), unsuback.count());
    }
}

/// Judges a CONNECT.
pub(crate) fn connect(data: &[u8]) {
    let limits = Limits { max_connect_bytes: 2048, ..Limits::default() };
    let header: Result<Option<FixedHeader>, _> = connect_header(data, &limits);
    arrives_alike(data, &header, |bytes| connect_header(bytes, &limits));
    let Ok(Some(header)) = header else { return };
    let Some(whole) = data.get(..header.total_len()) else { return };
    for len in 0..whole.len() {
        assert!(decode_connect(&whole[..len], &limits).is_err());
    }
    if data.len() > whole.len() {
        assert!(decode_connect(data, &limits).is_err());
    }
    let Ok(connect) = decode_connect(whole, &limits) else { return };
    let mut again = Vec::new();
    encode::connect(&connect, &[], &mut again);
    assert_eq!(decode_connect(&again, &limits), Ok(connect));
}
