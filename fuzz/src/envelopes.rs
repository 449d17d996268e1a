//! Envelopes that anybody may have written.

use std::num::NonZeroU16;

use tidegate::envelope::parse;
use tidegate::mqtt::frame::QoS;
use tidegate::mqtt::packet::Packet;
use tidegate::mqtt::{Context, Direction, Limits, Version};

/// What is read is written and read again as the same, and makes a PUBLISH that is well-formed.
pub(crate) fn read(data: &[u8]) {
    let Ok(envelope) = parse(data) else { return };
    let json = envelope.to_json();
    assert!(!json.contains('\n'), "one line");
    assert_eq!(parse(json.as_bytes()).as_ref(), Ok(&envelope), "as it was");
    let limits = Limits {
        max_packet_bytes: usize::MAX,
        max_control_bytes: usize::MAX,
        max_topic_bytes: usize::MAX,
        max_topic_levels: usize::MAX,
        max_user_properties: usize::MAX,
        refuse_control_characters: false,
        ..Limits::default()
    };
    for version in [Version::V311, Version::V50] {
        let mut bytes = Vec::new();
        envelope.publish(version, NonZeroU16::new(7).filter(|_| envelope.qos != QoS::Zero), &mut bytes);
        let context = Context { version, direction: Direction::FromClient, limits: &limits };
        let frame = context.frame(&bytes).expect("framed").expect("whole");
        assert_eq!(frame.bytes.len(), bytes.len());
        let Packet::Publish(publish) = context.packet(frame).expect("well-formed") else { panic!("a PUBLISH") };
        assert_eq!((publish.topic, publish.payload), (&*envelope.topic, &*envelope.payload));
    }
}
