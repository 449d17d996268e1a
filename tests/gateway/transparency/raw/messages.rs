//! Messages: each QoS, what is kept, flow control, aliases, properties, options, sizes.

use super::super::stage::{Actor, Stage};
use crate::support::wire::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, V5_0};

pub(super) fn qos_matrix(stage: &mut Stage) {
    let mut publisher = stage.enter(&stage.connect_of("qos-p"));
    for granted in 0..=2 {
        let mut subscriber = stage.enter(&stage.connect_of(&format!("qos-s{granted}")));
        stage.subscribe(&mut subscriber, &[("qos/+", granted)]);
        for qos in 0..=2 {
            stage.publish(&mut publisher, "qos/a", qos, &[b'0' + qos]);
            let frame = stage.accept(&mut subscriber);
            assert_eq!(frame[0], 0x30 | qos.min(granted) << 1);
        }
        subscriber.client.send(&wire::unsubscribe(stage.version, 9, &["qos/+", "never/asked"]));
        stage.take_a(0xb0, &mut subscriber);
        stage.publish(&mut publisher, "qos/a", 1, b"to nobody");
        stage.nothing(&mut subscriber);
        stage.leave(subscriber);
    }
}

pub(super) fn retained(stage: &mut Stage) {
    let mut publisher = stage.enter(&stage.connect_of("ret-p"));
    let topic = format!("retained/{}", stage.version);
    publisher.client.send(&wire::publish(stage.version, 0x03, &topic, 5, &[], b"kept"));
    stage.take_a(PUBACK, &mut publisher);
    let mut subscriber = stage.enter(&stage.connect_of("ret-s"));
    stage.subscribe(&mut subscriber, &[(&topic, 2)]);
    let frame = stage.accept(&mut subscriber);
    assert_eq!(frame[0], 0x33, "retained, at QoS 1");
    publisher.client.send(&wire::publish(stage.version, 0x03, &topic, 6, &[], b""));
    stage.take_a(PUBACK, &mut publisher);
    assert_eq!(stage.accept(&mut subscriber)[0], 0x32, "live, so not retained");
    let mut late = stage.enter(&stage.connect_of("ret-l"));
    stage.subscribe(&mut late, &[(&topic, 2)]);
    stage.nothing(&mut late);
}

pub(super) fn receive_maximum(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let mut subscriber = stage.enter(&stage.connect_of("flow").with(&[0x21, 0, 2]));
    stage.subscribe(&mut subscriber, &[("flow/#", 2)]);
    let mut publisher = stage.enter(&stage.connect_of("flow-p"));
    for number in 0..7 {
        stage.publish(&mut publisher, "flow/a", 1 + number % 2, &[number]);
    }
    stage.take(&mut subscriber);
    stage.take(&mut subscriber);
    stage.nothing(&mut subscriber);
    // Mosquitto 2.0.11 now sends two where one is due.
    subscriber.client.send(&wire::ack(PUBACK, 1));
    stage.take(&mut subscriber);
    stage.take(&mut subscriber);
    stage.nothing(&mut subscriber);
    subscriber.client.send(&wire::ack(PUBREC, 2));
    stage.take_a(PUBREL, &mut subscriber);
    stage.nothing(&mut subscriber);
    subscriber.client.send(&[wire::ack(PUBCOMP, 2), wire::ack(PUBACK, 3)].concat());
    stage.take(&mut subscriber);
}

/// Mosquitto 2.0.11 gives two messages for each acknowledgement while its queue is not empty.
pub(super) fn overstepping(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let mut subscriber = stage.enter(&stage.connect_of("over").with(&[0x21, 0, 2]));
    stage.subscribe(&mut subscriber, &[("over/#", 1)]);
    let mut publisher = stage.enter(&stage.connect_of("over-p"));
    for number in 0..60 {
        stage.publish(&mut publisher, "over/a", 1, &[number]);
    }
    let mut waiting = Vec::new();
    for _ in 0..60 {
        let frames = stage.all(&mut subscriber);
        waiting.extend(frames.iter().map(|frame| u16::from_be_bytes([wire::body(frame)[8], wire::body(frame)[9]])));
        subscriber.client.send(&wire::ack(PUBACK, waiting.remove(0)));
    }
    stage.nothing(&mut subscriber);
}

pub(super) fn aliases_from_client(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let mut subscriber = stage.enter(&stage.connect_of("alias-s"));
    stage.subscribe(&mut subscriber, &[("alias/#", 2)]);
    let mut publisher = stage.enter(&stage.connect_of("alias-p"));
    let steps = [("alias/one", 1), ("", 1), ("alias/two", 10), ("", 10), ("alias/three", 1), ("", 1), ("", 10)];
    for (number, (topic, alias)) in steps.into_iter().enumerate() {
        let qos = u8::try_from(number % 3).expect("below 3");
        stage.publish_with(&mut publisher, topic, qos, &[0x23, 0, alias], b"x");
        stage.accept(&mut subscriber);
    }
}

pub(super) fn properties(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let mut subscriber = stage.enter(&stage.connect_of("prop-s"));
    stage.subscribe(&mut subscriber, &[("prop/#", 2)]);
    let mut publisher = stage.enter(&stage.connect_of("prop-p"));
    let pair = |key: &str, value: &str| [vec![0x26], wire::string(key), wire::string(value)].concat();
    let all = [
        vec![0x01, 1],
        [vec![0x03], wire::string("text/plain; charset=utf-8")].concat(),
        [vec![0x08], wire::string("answers/größe")].concat(),
        [vec![0x09], wire::string(b"\x00\x01\xfe\xff")].concat(),
        pair("key", "first"),
        pair("key", "second"),
        pair("", ""),
        pair("\u{feff}bom", "\u{1f600}"),
    ]
    .concat();
    for qos in 0..=2 {
        stage.publish_with(&mut publisher, "prop/é/\u{1f600}", qos, &all, "ünïcode".as_bytes());
        stage.accept(&mut subscriber);
    }
    stage.publish_with(&mut publisher, "prop/none", 1, &[], b"");
    stage.accept(&mut subscriber);
    stage.publish_with(&mut publisher, "nobody/listens", 1, &[], b"");
    stage.publish_with(&mut publisher, "nobody/listens", 2, &[], b"");
}

pub(super) fn subscription_options(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let mut client = stage.enter(&stage.connect_of("opt"));
    client.client.send(&wire::publish(V5_0, 0x03, "opt/kept", 3, &[], b"kept"));
    stage.take_a(PUBACK, &mut client);
    // Identifier 5, No Local, Retain As Published, each Retain Handling; 0x0b takes four bytes at its largest.
    for (options, identifier) in
        [(0x02, vec![5]), (0x06, vec![0x80, 1]), (0x0a, vec![0xff, 0xff, 0xff, 0x7f]), (0x1a, vec![7]), (0x2a, vec![8])]
    {
        let properties = [vec![0x0b], identifier].concat();
        client.client.send(&wire::subscribe_with(V5_0, 21, &properties, &[("opt/#", options)]));
        stage.take_a(0x90, &mut client);
        for frame in stage.all(&mut client) {
            let body = wire::body(&frame);
            client.client.send(&wire::ack(PUBACK, u16::from_be_bytes([body[10], body[11]])));
        }
        stage.publish_with(&mut client, "opt/live", 0, &[], b"live");
        stage.all(&mut client);
    }
}

pub(super) fn shared(stage: &mut Stage) {
    let mut members = ["one", "two"].map(|name| stage.enter(&stage.connect_of(&format!("shared-{name}"))));
    for member in &mut members {
        stage.subscribe(member, &[("$share/group/shared/#", 1)]);
    }
    let mut publisher = stage.enter(&stage.connect_of("shared-p"));
    for number in 0..6 {
        stage.publish(&mut publisher, "shared/a", 1, &[number]);
    }
    for member in &mut members {
        stage.all(member);
    }
    assert_eq!(stage.seen.iter().filter(|line| line.contains(" <- 32")).count(), 6, "each message once");
}

pub(super) fn thousand_filters(stage: &mut Stage) {
    let mut client = stage.enter(&stage.connect_of("many"));
    let names: Vec<String> = (0..1_000).map(|number| format!("many/{number}/+/#")).collect();
    let filters: Vec<(&str, u8)> =
        names.iter().zip([0, 1, 2].into_iter().cycle()).map(|(name, qos)| (name.as_str(), qos)).collect();
    client.client.send(&wire::subscribe(stage.version, 500, &filters));
    let suback = stage.take_a(0x90, &mut client);
    assert_eq!(wire::body(&suback).len(), 1_002 + usize::from(stage.is_5()));
    let mut publisher = stage.enter(&stage.connect_of("many-p"));
    stage.publish(&mut publisher, "many/998/x/y", 2, b"found");
    stage.accept(&mut client);
    let filters: Vec<&str> = names.iter().map(String::as_str).collect();
    client.client.send(&wire::unsubscribe(stage.version, 501, &filters));
    stage.take_a(0xb0, &mut client);
}

pub(super) fn megabyte(stage: &mut Stage) {
    let mut client = stage.enter(&stage.connect_of("large"));
    stage.subscribe(&mut client, &[("large/#", 2)]);
    let text: Vec<u8> = "größe ".bytes().cycle().take(7 * 150_000).collect();
    let binary: Vec<u8> = (0..1_048_576_u32).map(|number| number.to_le_bytes()[1] ^ number.to_le_bytes()[0]).collect();
    for (payload, properties) in [(&text, [0x01, 1].as_slice()), (&binary, [].as_slice())] {
        for qos in 0..=2 {
            client.client.send(&wire::publish(stage.version, qos << 1, "large/a", 9, properties, payload));
            // The answer to the publish and the delivery may come in either order: they are kept apart here.
            let frames = if qos == 2 { 2 } else { 1 + usize::from(qos) };
            exchange_large(stage, &mut client, qos, frames);
        }
    }
}

/// Completes a publish to oneself of the given QoS; notes the delivery last, whatever came first.
fn exchange_large(stage: &mut Stage, client: &mut Actor, qos: u8, mut due: usize) {
    let mut delivery = Vec::new();
    while due > 0 {
        let frame = client.client.frame();
        due -= 1;
        match frame[0] {
            PUBREC => {
                client.client.send(&wire::ack(PUBREL, 9));
                due += 1;
            }
            PUBREL => {
                client.client.send(&wire::ack(PUBCOMP, u16::from_be_bytes([frame[2], frame[3]])));
            }
            first if first >> 4 == 3 => {
                let body = wire::body(&frame);
                let id = u16::from_be_bytes([body[9], body[10]]);
                match qos {
                    1 => client.client.send(&wire::ack(PUBACK, id)),
                    2 => {
                        client.client.send(&wire::ack(PUBREC, id));
                        due += 1;
                    }
                    _ => {}
                }
                delivery = frame;
            }
            _ => {}
        }
    }
    let id = client.id.clone();
    stage.note(&id, &delivery);
    assert!(delivery.len() > 1_000_000);
}

pub(super) fn in_order(stage: &mut Stage) {
    let mut client = stage.enter(&stage.connect_of("order"));
    stage.subscribe(&mut client, &[("order/#", 1)]);
    let mut all = Vec::new();
    for number in 1..=15_u16 {
        all.extend(wire::publish(stage.version, 0x02, "order/a", number, &[], &number.to_be_bytes()));
    }
    client.client.send(&all);
    let (mut acks, mut messages) = (Vec::new(), Vec::new());
    while acks.len() + messages.len() < 30 {
        let frame = client.client.frame();
        if frame[0] == PUBACK { acks.push(frame) } else { messages.push(frame) }
    }
    for frame in acks.iter().chain(&messages) {
        stage.note("order", frame);
    }
}
