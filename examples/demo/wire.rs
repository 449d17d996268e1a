//! Control Packets by hand, well-formed and not: just what the devices and the embedded broker of the demo say.

use std::io::{self, Read};

/// Protocol level of MQTT 3.1.1.
pub(crate) const V311: u8 = 4;
/// Protocol level of MQTT 5.0.
pub(crate) const V50: u8 = 5;

/// A packet from its first byte and what follows the Remaining Length.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest & 0x7F).unwrap_or_default();
        rest >>= 7;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap_or_default().to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Nothing, or in 5.0 an empty property block.
fn no_properties(level: u8) -> &'static [u8] {
    if level == V50 { &[0] } else { &[] }
}

/// CONNECT with a clean start and a Keep Alive of a minute.
pub(crate) fn connect(level: u8, client_id: &str) -> Vec<u8> {
    let body = [&string("MQTT"), &[level, 0x02, 0, 60][..], no_properties(level), &string(client_id)].concat();
    packet(0x10, &body)
}

/// PUBLISH of QoS 0 or 1.
pub(crate) fn publish(level: u8, qos: u8, packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let id = packet_id.to_be_bytes();
    let id: &[u8] = if qos > 0 { &id } else { &[] };
    packet(0x30 | (qos << 1), &[&string(topic), id, no_properties(level), payload].concat())
}

/// SUBSCRIBE to one Topic Filter at QoS 0.
pub(crate) fn subscribe(level: u8, packet_id: u16, filter: &str) -> Vec<u8> {
    packet(0x82, &[&packet_id.to_be_bytes()[..], no_properties(level), &string(filter), &[0]].concat())
}

/// DISCONNECT, all well.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Reads one packet: its first byte and what follows the Remaining Length.
///
/// # Errors
/// Whatever the stream says, and the end of the stream as [`io::ErrorKind::UnexpectedEof`].
pub(crate) fn read_packet(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let [first] = byte;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        stream.read_exact(&mut byte)?;
        let [part] = byte;
        length |= usize::from(part & 0x7F) << shift;
        if part & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((first, body))
}

/// Takes a length-prefixed string off the front.
pub(crate) fn take_string(body: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = body.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// A message of a PUBLISH: QoS, Packet Identifier (0 in QoS 0), Topic Name, payload.
pub(crate) struct Message<'a> {
    pub(crate) qos: u8,
    pub(crate) packet_id: u16,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
}

/// The message in a PUBLISH that carries fewer than 128 bytes of properties.
pub(crate) fn message(level: u8, first: u8, body: &[u8]) -> Option<Message<'_>> {
    let qos = (first >> 1) & 3;
    let (topic, mut rest) = take_string(body)?;
    let mut packet_id = 0;
    if qos > 0 {
        let (id, behind) = rest.split_first_chunk()?;
        (packet_id, rest) = (u16::from_be_bytes(*id), behind);
    }
    if level == V50 {
        let (properties, behind) = rest.split_first()?;
        rest = behind.get(usize::from(*properties)..)?;
    }
    Some(Message { qos, packet_id, topic, payload: rest })
}
