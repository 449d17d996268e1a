//! Connections and sessions: how they begin, end, are resumed and taken over.

use super::super::stage::{Actor, Stage};
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1};

pub(super) fn will_fires(stage: &mut Stage) {
    let mut watcher = stage.enter(&stage.connect_of("will-w"));
    stage.subscribe(&mut watcher, &[("will/#", 2)]);
    for qos in 0..=2 {
        let mut connect = stage.connect_of(&format!("will-{qos}")).will(&format!("will/{qos}"), b"\x00last\xff", qos);
        if stage.is_5() {
            let will = connect.will.as_mut().expect("just set");
            will.properties =
                [vec![0x01, 0], vec![0x03], wire::string("a/b"), vec![0x26], wire::string("k"), wire::string("v")]
                    .concat();
        }
        let dying = stage.enter(&connect);
        stage.vanish(dying);
        let frame = stage.accept(&mut watcher);
        assert!(frame.windows(6).any(|window| window == b"\x00last\xff"));
    }
    let mut connect = stage.connect_of("will-r").will("will/r", b"kept", 1);
    connect.will.as_mut().expect("just set").retain = true;
    let dying = stage.enter(&connect);
    stage.vanish(dying);
    stage.accept(&mut watcher);
    let mut late = stage.enter(&stage.connect_of("will-l"));
    stage.subscribe(&mut late, &[("will/r", 1)]);
    assert_eq!(stage.accept(&mut late)[0], 0x33, "the Will was kept");
    late.client.send(&wire::publish(stage.version, 0x03, "will/r", 4, &[], b""));
    stage.leave(late);
}

pub(super) fn will_is_silent(stage: &mut Stage) {
    let mut watcher = stage.enter(&stage.connect_of("calm-w"));
    stage.subscribe(&mut watcher, &[("calm/#", 1)]);
    let leaving = stage.enter(&stage.connect_of("calm-l").will("calm/will", b"x", 1));
    stage.leave(leaving);
    let mut marker = stage.enter(&stage.connect_of("calm-m"));
    stage.publish(&mut marker, "calm/marker", 1, b"m");
    let frame = stage.accept(&mut watcher);
    assert!(frame.windows(6).any(|window| window == b"marker"), "no Will before the marker");
    stage.nothing(&mut watcher);
}

pub(super) fn offline(stage: &mut Stage) {
    let keeping = stage.connect_of("off").keeping();
    let mut away = stage.enter(&keeping);
    stage.subscribe(&mut away, &[("offline/#", 2)]);
    stage.leave(away);
    let mut publisher = stage.enter(&stage.connect_of("off-p"));
    for round in 0..3 {
        for qos in 1..=2 {
            stage.publish(&mut publisher, &format!("offline/{round}"), qos, &[qos]);
        }
    }
    let mut back = stage.enter(&keeping);
    for _ in 0..6 {
        let frame = stage.take(&mut back);
        let body = wire::body(&frame);
        let id = u16::from_be_bytes([body[11], body[12]]);
        back.client.send(&wire::ack(if frame[0] == 0x32 { PUBACK } else { PUBREC }, id));
    }
    for _ in 0..3 {
        let pubrel = stage.take_a(PUBREL, &mut back);
        back.client.send(&wire::ack(PUBCOMP, u16::from_be_bytes([pubrel[2], pubrel[3]])));
    }
    stage.leave(back);
    let mut last = stage.enter(&keeping);
    stage.nothing(&mut last);
}

pub(super) fn resumed_publish(stage: &mut Stage) {
    let mut watcher = stage.enter(&stage.connect_of("rp-w"));
    stage.subscribe(&mut watcher, &[("resumed/publish", 2)]);
    let keeping = stage.connect_of("rp").keeping();
    let mut publisher = stage.enter(&keeping);
    publisher.client.send(&wire::publish(stage.version, 0x04, "resumed/publish", 77, &[], b"once"));
    stage.take_a(PUBREC, &mut publisher);
    stage.vanish(publisher);
    let mut publisher = stage.enter(&keeping);
    publisher.client.send(&wire::publish(stage.version, 0x0c, "resumed/publish", 77, &[], b"once"));
    stage.take_a(PUBREC, &mut publisher);
    stage.vanish(publisher);
    let mut publisher = stage.enter(&keeping);
    publisher.client.send(&wire::ack(PUBREL, 77));
    stage.take_a(PUBCOMP, &mut publisher);
    stage.accept(&mut watcher);
    stage.nothing(&mut watcher);
}

pub(super) fn resumed_delivery(stage: &mut Stage) {
    let keeping = stage.connect_of("rd").keeping();
    let mut subscriber = stage.enter(&keeping);
    stage.subscribe(&mut subscriber, &[("resumed/delivery", 2)]);
    let mut publisher = stage.enter(&stage.connect_of("rd-p"));
    stage.publish(&mut publisher, "resumed/delivery", 2, b"twice tried");
    stage.take_a(0x34, &mut subscriber);
    stage.vanish(subscriber);
    let mut subscriber = stage.enter(&keeping);
    let frame = stage.take(&mut subscriber);
    assert_eq!(frame[0], 0x3c, "sent again, with DUP");
    let body = wire::body(&frame);
    let id = u16::from_be_bytes([body[18], body[19]]);
    subscriber.client.send(&wire::ack(PUBREC, id));
    stage.take_a(PUBREL, &mut subscriber);
    stage.vanish(subscriber);
    let mut subscriber = stage.enter(&keeping);
    stage.take_a(PUBREL, &mut subscriber);
    subscriber.client.send(&wire::ack(PUBCOMP, id));
    stage.nothing(&mut subscriber);
}

pub(super) fn clean_start(stage: &mut Stage) {
    let keeping = stage.connect_of("clean").keeping();
    let mut first = stage.enter(&keeping);
    stage.subscribe(&mut first, &[("clean/#", 1)]);
    stage.leave(first);
    let fresh = stage.enter(&stage.connect_of("clean"));
    stage.leave(fresh);
    let mut back = stage.enter(&keeping);
    let mut publisher = stage.enter(&stage.connect_of("clean-p"));
    stage.publish(&mut publisher, "clean/a", 1, b"to nobody");
    stage.nothing(&mut back);
}

pub(super) fn takeover(stage: &mut Stage) {
    let mut watcher = stage.enter(&stage.connect_of("take-w"));
    stage.subscribe(&mut watcher, &[("take/#", 1)]);
    let connect = stage.connect_of("take").keeping();
    let mut first = stage.enter(&connect);
    stage.subscribe(&mut first, &[("take/over", 1)]);
    let mut second = stage.enter(&connect);
    stage.ended(&mut first);
    let mut publisher = stage.enter(&stage.connect_of("take-p"));
    stage.publish(&mut publisher, "take/over", 1, b"x");
    stage.accept(&mut second);
    stage.accept(&mut watcher);
    stage.nothing(&mut watcher);
}

pub(super) fn pipelined(stage: &mut Stage) {
    let connect = stage.connect_of("pipe");
    let all = [
        connect.bytes(),
        wire::subscribe(stage.version, 1, &[("pipe/#", 1)]),
        wire::publish(stage.version, 0x02, "pipe/a", 2, &[], b"first"),
        wire::PINGREQ.to_vec(),
    ]
    .concat();
    let mut actor = Actor { id: connect.client_id, client: stage.leg.dial() };
    actor.client.send(&all);
    let mut frames: Vec<Vec<u8>> = (0..5).map(|_| actor.client.frame()).collect();
    frames.sort();
    for frame in &frames {
        stage.note("pipe", frame);
    }
}

pub(super) fn ping(stage: &mut Stage) {
    let mut client = stage.enter(&stage.connect_of("ping"));
    for _ in 0..3 {
        client.client.send(&wire::PINGREQ);
        assert_eq!(stage.take(&mut client), wire::PINGRESP);
    }
}

pub(super) fn disconnect_with_properties(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let mut watcher = stage.enter(&stage.connect_of("bye-w"));
    stage.subscribe(&mut watcher, &[("bye/#", 1)]);
    // 0x04: disconnect with Will, Session Expiry Interval 0, a reason and a User Property.
    let mut leaving = stage.enter(&stage.connect_of("bye").keeping().will("bye/will", b"wanted", 1));
    let mut body = vec![0x04];
    let properties = [vec![0x11, 0, 0, 0, 0], vec![0x26], wire::string("a"), wire::string("b")].concat();
    body.extend(wire::length(properties.len()));
    body.extend(properties);
    leaving.client.send(&wire::packet(0xe0, &body));
    stage.ended(&mut leaving);
    stage.accept(&mut watcher);
    let back = stage.enter(&Connect { clean: false, ..stage.connect_of("bye") });
    stage.leave(back);
}

pub(super) fn login(stage: &mut Stage) {
    let password = if stage.version == V3_1 { b"letmein".to_vec() } else { vec![0, 0xff, 0xfe, b'x'] };
    let cases = [("näme", Some(password)), ("only a name", None)];
    for (name, password) in cases {
        let connect = Connect { login: Some((name.to_owned(), password)), ..stage.connect_of("login") };
        let client = stage.enter(&connect);
        stage.leave(client);
        let told = stage.leg.mosquitto.process.log();
        assert!(told.contains(&format!("u'{name}'")), "Mosquitto knows the name");
    }
}

pub(super) fn empty_client_id(stage: &mut Stage) {
    if stage.version == V3_1 {
        return;
    }
    let mut client = stage.leg.dial();
    client.send(&Connect::new(stage.version, "").bytes());
    let connack = client.frame();
    assert_eq!(wire::body(&connack)[1], 0);
    // The assigned identifier differs each time; its length does not.
    stage.seen.push(format!("CONNACK of {} bytes", connack.len()));
}

pub(super) fn enhanced_authentication(stage: &mut Stage) {
    if !stage.is_5() {
        return;
    }
    let method = [vec![0x15], wire::string("SCRAM-SHA-256"), vec![0x16], wire::string(b"\x01hello\xfe")].concat();
    let connect = stage.connect_of("proves").with(&method);
    let mut actor = Actor { id: connect.client_id.clone(), client: stage.leg.dial() };
    actor.client.send(&connect.bytes());
    let connack = stage.take_a(0x20, &mut actor);
    assert_eq!(wire::body(&connack)[1], 0x8c, "Mosquitto has no such method, and says so itself");
    stage.ended(&mut actor);
}
