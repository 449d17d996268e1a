//! What reaches the broker is what the client sent, and the reverse, byte for byte, however the bytes are cut and joined.

use std::time::Duration;

use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::{RecordingBroker, answer, polite};
use crate::support::wait_for;
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1_1, V5_0, VERSIONS};

fn gateway_to(broker: &RecordingBroker) -> Gateway {
    Setup::to(broker.address).start()
}

/// A CONNECT with everything that its version has.
fn full_connect(version: u8, client_id: &str) -> Connect {
    let mut connect = Connect::new(version, client_id).will("will/größe", b"\x00gone\xff", 2);
    let will = connect.will.as_mut().expect("just set");
    will.retain = true;
    will.properties = [
        vec![0x18, 0, 0, 0, 9],
        vec![0x01, 0],
        vec![0x02, 0, 0, 1, 0],
        [vec![0x03], wire::string("text/plain")].concat(),
        [vec![0x08], wire::string("will/answers")].concat(),
        [vec![0x09], wire::string([0, 1, 2])].concat(),
        [vec![0x26], wire::string("key"), wire::string("value")].concat(),
    ]
    .concat();
    connect.login = Some(("us\u{e9}r".to_owned(), Some(b"s\x00cret\xff".to_vec())));
    connect.keep_alive = 17;
    connect.with(
        &[
            vec![0x26],
            wire::string("user"),
            wire::string("property"),
            vec![0x11, 0, 0, 0, 30],
            vec![0x21, 0, 99],
            vec![0x27, 0, 1, 0, 0],
            vec![0x22, 0, 10],
            vec![0x19, 1],
            vec![0x17, 0],
        ]
        .concat(),
    )
}

/// Packets that a client may send at any time after CONNACK without waiting for anything.
fn busy_client(version: u8) -> Vec<u8> {
    let properties =
        [vec![0x26], wire::string("a"), wire::string("b"), vec![0x01, 1], vec![0x08], wire::string("answers")].concat();
    let mut all = vec![
        wire::subscribe(version, 1, &[("a/+", 0), ("b/#", 1), ("$share/group/c", 2), ("$SYS/x", 0)]),
        wire::publish(version, 0x00, "plant/temperature", 0, &properties, "19,5 °C".as_bytes()),
        wire::publish(version, 0x02, "plant/größe", 2, &[], b""),
        wire::publish(version, 0x0b, "plant/retained", 3, &properties, b"again"),
        wire::publish(version, 0x04, "plant/twice", 4, &[], &[7; 300]),
        wire::PINGREQ.to_vec(),
        wire::unsubscribe(version, 5, &["a/+", "b/#"]),
        wire::publish(version, 0x01, "/", 0, &[], b"an empty level on either side"),
    ];
    if version == V5_0 {
        all.push(wire::publish(version, 0x00, "aliased", 0, &[0x23, 0, 3], b"set"));
        all.push(wire::publish(version, 0x00, "", 0, &[0x23, 0, 3], b"used"));
        all.push(wire::subscribe_with(version, 6, &[0x0b, 0xff, 0x7f], &[("o", 0x2e)]));
    }
    all.concat()
}

/// What the polite broker answers to `busy_client`, in bytes.
fn answers_due(version: u8) -> usize {
    let mut stream = busy_client(version);
    std::iter::from_fn(|| wire::take_frame(&mut stream)).map(|frame| polite(&frame, version).len()).sum()
}

/// Sends in pieces whose lengths repeat.
fn send_in(client: &mut RawClient, bytes: &[u8], lengths: &[usize]) {
    let (mut rest, mut lengths) = (bytes, lengths.iter().cycle());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(*lengths.next().expect("a cycle")));
        client.send(piece);
        rest = behind;
    }
}

#[test]
fn the_broker_receives_the_very_bytes_that_the_client_sent_however_they_are_cut() {
    let broker = RecordingBroker::polite();
    let gateway = gateway_to(&broker);
    let cuts: [&[usize]; 6] = [&[1], &[2, 3, 5, 7, 11], &[1, 100], &[64], &[13, 1, 1, 1], &[usize::MAX]];
    let mut number = 0;
    for door in [Door::Plain, Door::Tls] {
        for version in VERSIONS {
            for lengths in cuts {
                let mut client = dial(&gateway, door);
                let connect = full_connect(version, &format!("cut-{number}")).bytes();
                send_in(&mut client, &connect, lengths);
                assert_eq!(client.frame()[0], 0x20);
                let mut sent = [connect, busy_client(version)].concat();
                send_in(&mut client, &busy_client(version), lengths);
                let answers = take_bytes(&mut client, answers_due(version));
                assert!(answers.starts_with(&[0x90]), "SUBACK first");
                let last = [wire::ack(PUBREL, 4), wire::DISCONNECT.to_vec()].concat();
                send_in(&mut client, &last[..4], lengths);
                client.expect(&wire::ack(PUBCOMP, 4));
                send_in(&mut client, &last[4..], lengths);
                sent.extend(last);
                client.expect_end();
                assert!(
                    broker.wait_received(number, sent.len()) == sent,
                    "{door:?}, version {version}, pieces of {lengths:?}"
                );
                broker.wait_ended(number);
                number += 1;
            }
        }
    }
}

#[test]
fn packets_pipelined_behind_connect_arrive_behind_it_unchanged() {
    let broker = RecordingBroker::polite();
    let gateway = gateway_to(&broker);
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let mut client = RawClient::dial(gateway.plain());
        let sent = [full_connect(version, "eager").bytes(), busy_client(version)].concat();
        client.send(&sent);
        assert_eq!(client.frame()[0], 0x20);
        take_bytes(&mut client, answers_due(version));
        assert!(broker.wait_received(number, sent.len()) == sent, "version {version}");
    }
}

#[test]
fn a_cut_at_any_one_place_changes_nothing() {
    let broker = RecordingBroker::polite();
    // One client comes and goes more often than one that is well does.
    let gateway = Setup::to(broker.address).with("[protection]\nflapping = \"100000/m\"").start();
    let mut number = 0;
    for version in VERSIONS {
        let all = [
            Connect::new(version, "c").bytes(),
            wire::publish(version, 0x02, "a/b", 7, &[], b"payload"),
            wire::subscribe(version, 8, &[("a/+", 1)]),
        ]
        .concat();
        for cut in 1..all.len() {
            let mut client = RawClient::dial(gateway.plain());
            client.send(&all[..cut]);
            // Not needed for the outcome, only likely to make two reads of it.
            std::thread::yield_now();
            client.send(&all[cut..]);
            assert_eq!([client.frame()[0], client.frame()[0], client.frame()[0]], [0x20, 0x40, 0x90], "cut at {cut}");
            assert!(broker.received(number) == all, "version {version}, cut at {cut}");
            number += 1;
        }
    }
}

#[test]
fn the_client_receives_the_very_bytes_that_the_broker_sent_however_they_are_cut() {
    let broker = RecordingBroker::polite();
    let gateway = gateway_to(&broker);
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let mut client = RawClient::connect(gateway.plain(), &Connect::new(version, "receiver").with(&[0x22, 0, 9]));
        client.send(&wire::subscribe(version, 1, &[("#", 2)]));
        assert_eq!(client.frame()[0], 0x90);
        let mut stream = vec![
            wire::publish(version, 0x01, "kept/message", 0, &[], b"retained"),
            wire::publish(version, 0x02, "a/größe", 1, &[], b"one"),
            wire::publish(version, 0x04, "a/b", 2, &[], &[0xee; 500]),
        ];
        if version == V5_0 {
            let told = [vec![0x0b, 7], vec![0x0b, 0x80, 1], vec![0x02, 0, 0, 0, 5], vec![0x23, 0, 9]].concat();
            stream.push(wire::publish(version, 0, "an/alias", 0, &told, b"set"));
            stream.push(wire::publish(version, 0, "", 0, &[0x23, 0, 9], b"used"));
            stream.push(wire::publish(version, 0, "another/alias", 0, &[0x23, 0, 9], b"set anew"));
            stream.push(wire::publish(version, 0, "", 0, &[0x23, 0, 9], b"used anew"));
        }
        let stream = stream.concat();
        for length in [1, 7, 100, stream.len()] {
            for piece in stream.chunks(length) {
                broker.push(number, piece);
            }
            assert!(take_bytes(&mut client, stream.len()) == stream, "version {version}, pieces of {length}");
            client.send(&[wire::ack(PUBACK, 1), wire::ack(PUBREC, 2)].concat());
            client.expect(&wire::ack(PUBREL, 2));
            client.send(&wire::ack(PUBCOMP, 2));
            wait_for("the PUBCOMP at the broker", || {
                broker.received(number).ends_with(&wire::ack(PUBCOMP, 2)).then_some(())
            });
        }
    }
}

#[test]
fn connects_of_every_shape_reach_the_broker_unchanged() {
    let broker = RecordingBroker::polite();
    let gateway = gateway_to(&broker);
    let mut number = 0;
    for version in VERSIONS {
        let plain = Connect::new(version, "shape");
        let mut shapes = vec![
            plain.clone(),
            plain.clone().keeping(),
            plain.clone().will("w", b"", 0),
            Connect { keep_alive: 0, ..plain.clone() },
            Connect { keep_alive: 65_535, ..plain.clone() },
            Connect { login: Some((String::new(), None)), ..plain.clone() },
            Connect { login: Some(("n".to_owned(), Some(Vec::new()))), ..plain.clone() },
            full_connect(version, "23 characters of id, so"),
        ];
        if version != wire::V3_1 {
            shapes.push(Connect { client_id: String::new(), ..plain.clone() });
            shapes.push(Connect { client_id: "x".repeat(256), ..plain.clone() });
        }
        if version == V5_0 {
            shapes.push(plain.with(&[0x21, 4, 0]));
        }
        for shape in shapes {
            let mut client = RawClient::dial(gateway.plain());
            client.send(&shape.bytes());
            client.expect(&wire::connack(version, false, 0));
            assert_eq!(broker.received(number), shape.bytes(), "version {version}");
            number += 1;
        }
    }
}

#[test]
fn an_enhanced_authentication_passes_untouched_and_so_does_a_later_one() {
    let auth = |reason: u8, data: &[u8]| {
        let properties = [vec![0x15], wire::string("SCRAM-SHA-256"), vec![0x16], wire::string(data)].concat();
        wire::packet(0xf0, &[vec![reason], wire::length(properties.len()), properties].concat())
    };
    let (challenge, success) = (auth(0x18, b"\x00challenge\xff"), auth(0x00, b"verified"));
    let told =
        [vec![0x15], wire::string("SCRAM-SHA-256"), vec![0x16], wire::string(b"final"), wire::LIMITS_TOLD.to_vec()]
            .concat();
    let connack = wire::packet(0x20, &[vec![0, 0], wire::length(told.len()), told].concat());
    let (ask, accept, verify) = (challenge.clone(), connack.clone(), success.clone());
    let first = auth(0x18, b"first proof");
    let proof = first.clone();
    let broker = RecordingBroker::start(move |frame, version| match frame[0] {
        0x10 => answer(ask.clone()),
        0xf0 if frame == proof => answer(accept.clone()),
        0xf0 if wire::body(frame)[0] == 0x19 => answer(ask.clone()),
        0xf0 => answer(verify.clone()),
        _ => answer(polite(frame, version)),
    });
    let gateway = gateway_to(&broker);
    let method = [vec![0x15], wire::string("SCRAM-SHA-256"), vec![0x16], wire::string(b"\x01hello\xfe")].concat();
    let connect = Connect::new(V5_0, "proves-itself").with(&method).bytes();
    let mut client = RawClient::dial(gateway.plain());
    client.send(&connect);
    client.expect(&challenge);
    client.send(&first);
    let received = client.frame();
    assert!(received == connack, "the CONNACK of an authentication: {received:02x?}");
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
    let (again, second) = (auth(0x19, b"again"), auth(0x18, b"second proof"));
    client.send(&again);
    client.expect(&challenge);
    client.send(&second);
    client.expect(&success);
    let sent = [connect, first, wire::PINGREQ.to_vec(), again, second].concat();
    assert!(broker.received(0) == sent);
}

#[test]
fn a_large_publish_streams_through_unchanged_in_both_directions() {
    let broker = RecordingBroker::polite();
    let gateway = gateway_to(&broker);
    let payload: Vec<u8> =
        (0..3_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let connect = Connect::new(version, "large");
        let mut client = RawClient::connect(gateway.plain(), &connect);
        let large = wire::publish(version, 0x02, "large", 3, &[], &payload);
        send_in(&mut client, &large, &[1, 70_000, 3, 65_536]);
        client.expect(&wire::ack(PUBACK, 3));
        let sent = [connect.bytes(), large.clone()].concat();
        assert!(broker.received(number) == sent, "version {version}");
        std::thread::scope(|scope| {
            scope.spawn(|| broker.push(number, &large));
            assert!(client.frame() == large, "version {version}, towards the client");
        });
        client.send(&wire::ack(PUBACK, 3));
    }
}

#[test]
fn a_disconnect_with_properties_passes_and_a_lost_client_says_nothing_upstream() {
    let broker = RecordingBroker::polite();
    let gateway = gateway_to(&broker);
    let told =
        [vec![0x11, 0, 0, 0, 1], vec![0x1f], wire::string("done"), vec![0x26], wire::string("a"), wire::string("b")]
            .concat();
    let goodbye = wire::packet(0xe0, &[vec![0x04], wire::length(told.len()), told].concat());
    let connect = Connect::new(V5_0, "leaves").keeping();
    let mut client = RawClient::connect(gateway.plain(), &connect);
    client.send(&goodbye);
    broker.wait_ended(0);
    assert!(broker.received(0) == [connect.bytes(), goodbye].concat());

    let connect = Connect::new(V3_1_1, "vanishes");
    drop(RawClient::connect(gateway.plain(), &connect));
    broker.wait_ended(1);
    assert!(broker.received(1) == connect.bytes(), "no DISCONNECT of the gateway's making");
}

fn dial(gateway: &Gateway, door: Door) -> RawClient {
    if door == Door::Plain {
        return RawClient::dial(gateway.plain());
    }
    let config = gateway.tls_client(Some(&gateway.pki.pair("client")));
    RawClient::try_dial_tls(gateway.address(door), config).expect("a handshake")
}

/// Frames until this many bytes have come.
fn take_bytes(client: &mut RawClient, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        bytes.extend(client.try_frame(Duration::from_secs(30)).expect("more bytes are due"));
    }
    bytes
}
