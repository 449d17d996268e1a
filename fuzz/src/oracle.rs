//! mqttrs, an independent reader of MQTT 3.1.1: lenient, so it has no say in what is refused, but what is accepted it must
//! read alike.

use mqttrs::{ConnectReturnCode, LastWill, Packet as Theirs, QoS as TheirQoS, QosPid, SubscribeReturnCodes};
use tidegate::mqtt::{
    Context, Direction, Limits, Version,
    connect::{Connect, connect_header, decode_connect},
    frame::QoS,
    packet::{Packet, Publish},
    reason::ReasonCode,
};

/// Reads `data` as a CONNECT, as a client's packet and as a broker's; compares whichever is accepted.
pub(crate) fn compare(data: &[u8]) {
    let limits = Limits { max_packet_bytes: 4096, ..Limits::default() };
    for direction in [Direction::FromClient, Direction::FromBroker] {
        let context = Context { version: Version::V311, direction, limits: &limits };
        let Ok(Some(frame)) = context.frame(data) else { continue };
        if let Ok(packet) = context.packet(frame) {
            alike(&packet, &theirs(frame.bytes));
        }
    }
    let Ok(Some(header)) = connect_header(data, &limits) else { return };
    let Some(frame) = data.get(..header.total_len()) else { return };
    if let Ok(connect) = decode_connect(frame, &limits)
        && connect.version == Version::V311
    {
        connect_alike(&connect, &theirs(frame));
    }
}

#[expect(clippy::disallowed_methods, reason = "here it is the oracle, asked only about what has been judged")]
fn theirs(bytes: &[u8]) -> Theirs<'_> {
    mqttrs::decode_slice(bytes).expect("accepted by us").expect("whole")
}

fn alike(ours: &Packet<'_>, theirs: &Theirs<'_>) {
    match (ours, theirs) {
        (Packet::Publish(ours), Theirs::Publish(theirs)) => publish_alike(ours, theirs),
        (Packet::PubAck(ours), Theirs::Puback(pid))
        | (Packet::PubRec(ours), Theirs::Pubrec(pid))
        | (Packet::PubRel(ours), Theirs::Pubrel(pid))
        | (Packet::PubComp(ours), Theirs::Pubcomp(pid)) => assert_eq!(ours.packet_id.get(), pid.get()),
        (Packet::UnsubAck(ours), Theirs::Unsuback(pid)) => assert_eq!(ours.packet_id.get(), pid.get()),
        (Packet::Subscribe(ours), Theirs::Subscribe(theirs)) => {
            assert_eq!(ours.packet_id.get(), theirs.pid.get());
            let ours: Vec<_> = ours.subscriptions().map(|s| (s.filter.text().to_owned(), s.qos.value())).collect();
            let theirs: Vec<_> = theirs.topics.iter().map(|t| (t.topic_path.clone(), qos(t.qos))).collect();
            assert_eq!(ours, theirs);
        }
        (Packet::Unsubscribe(ours), Theirs::Unsubscribe(theirs)) => {
            assert_eq!(ours.packet_id.get(), theirs.pid.get());
            assert!(ours.filters().map(|filter| filter.text()).eq(theirs.topics.iter().map(String::as_str)));
        }
        (Packet::SubAck(ours), Theirs::Suback(theirs)) => {
            assert_eq!(ours.packet_id.get(), theirs.pid.get());
            assert!(ours.codes().map(ReasonCode::value).eq(theirs.return_codes.iter().map(|code| match code {
                SubscribeReturnCodes::Success(granted) => qos(*granted),
                SubscribeReturnCodes::Failure => 0x80,
            })));
        }
        (Packet::ConnAck(ours), Theirs::Connack(theirs)) => {
            assert_eq!(ours.session_present, theirs.session_present);
            let code = match theirs.code {
                ConnectReturnCode::Accepted => 0,
                ConnectReturnCode::RefusedProtocolVersion => 1,
                ConnectReturnCode::RefusedIdentifierRejected => 2,
                ConnectReturnCode::ServerUnavailable => 3,
                ConnectReturnCode::BadUsernamePassword => 4,
                ConnectReturnCode::NotAuthorized => 5,
            };
            assert_eq!(ours.reason.return_code(), Some(code));
        }
        (Packet::PingReq, Theirs::Pingreq) | (Packet::PingResp, Theirs::Pingresp) => {}
        (Packet::Disconnect(_), Theirs::Disconnect) => {}
        (ours, theirs) => panic!("{ours:?} is {theirs:?} to mqttrs"),
    }
}

fn publish_alike(ours: &Publish<'_>, theirs: &mqttrs::Publish<'_>) {
    let (their_qos, their_id) = match theirs.qospid {
        QosPid::AtMostOnce => (QoS::Zero, None),
        QosPid::AtLeastOnce(pid) => (QoS::One, Some(pid.get())),
        QosPid::ExactlyOnce(pid) => (QoS::Two, Some(pid.get())),
    };
    assert_eq!((ours.dup, ours.retain, ours.qos), (theirs.dup, theirs.retain, their_qos));
    assert_eq!((ours.topic, ours.payload), (theirs.topic_name, theirs.payload));
    assert_eq!(ours.packet_id.map(|id| id.get()), their_id);
}

fn connect_alike(ours: &Connect<'_>, theirs: &Theirs<'_>) {
    let Theirs::Connect(theirs) = theirs else { panic!("{ours:?} is {theirs:?} to mqttrs") };
    assert_eq!((ours.clean_start, ours.keep_alive), (theirs.clean_session, theirs.keep_alive));
    assert_eq!((ours.client_id, ours.username, ours.password), (theirs.client_id, theirs.username, theirs.password));
    let our_will = ours.will.map(|will| (will.topic, will.payload, will.qos.value(), will.retain));
    let their_will = |will: &LastWill<'_>| will.retain;
    assert_eq!(our_will.map(|will| will.3), theirs.last_will.as_ref().map(their_will));
    if let (Some(ours), Some(theirs)) = (our_will, &theirs.last_will) {
        assert_eq!((ours.0, ours.1, ours.2), (theirs.topic, theirs.message, qos(theirs.qos)));
    }
}

fn qos(qos: TheirQoS) -> u8 {
    match qos {
        TheirQoS::AtMostOnce => 0,
        TheirQoS::AtLeastOnce => 1,
        TheirQoS::ExactlyOnce => 2,
    }
}
