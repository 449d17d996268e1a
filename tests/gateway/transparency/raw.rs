//! Scenarios spoken in bytes: every frame that each client receives is compared byte for byte.

use std::collections::BTreeMap;

use super::legs::{Leg, Transcript, compare};
use super::stage::{Actor, Stage};
use crate::support::gateway::Door;
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1, V5_0, VERSIONS};

type Scenario = fn(&mut Stage);

const SCENARIOS: [(&str, Scenario); 23] = [
    ("QoS 0, 1 and 2 are published and delivered at each subscribed QoS", qos_matrix),
    ("a retained message greets a later subscriber and is cleared by an empty one", retained),
    ("the Will fires when the client vanishes", will_fires),
    ("the Will is silent after DISCONNECT", will_is_silent),
    ("messages of QoS 1 and 2 wait for a client that is away", offline),
    ("a QoS 2 publish is resumed after a lost connection and delivered once", resumed_publish),
    ("a QoS 2 delivery is resumed after a lost connection", resumed_delivery),
    ("a clean start drops the session", clean_start),
    ("a second connection with the same Client Identifier takes over", takeover),
    ("a client's Receive Maximum holds the broker back", receive_maximum),
    ("a broker that oversteps the client's Receive Maximum ever further is the client's to judge", overstepping),
    ("a client's Topic Aliases reach the broker", aliases_from_client),
    ("properties of messages arrive unchanged", properties),
    ("subscription options and identifiers hold", subscription_options),
    ("a shared subscription hands each message to one member", shared),
    ("a thousand filters in one SUBSCRIBE", thousand_filters),
    ("a megabyte at each QoS, both ways", megabyte),
    ("packets in one segment with CONNECT are answered in order", pipelined),
    ("a client that pings is answered", ping),
    ("a client's DISCONNECT with reason and new Session Expiry passes", disconnect_with_properties),
    ("User Name and Password pass", login),
    ("an empty Client Identifier gets what the broker gives", empty_client_id),
    ("many messages in flight both ways keep their order", in_order),
];

fn play(leg: &Leg) -> Vec<Transcript> {
    let mut transcripts = Vec::new();
    for version in VERSIONS {
        for (name, scenario) in SCENARIOS {
            let mut stage = Stage { leg, version, seen: Vec::new() };
            scenario(&mut stage);
            transcripts.push((format!("{name}, protocol level {version}"), stage.seen));
        }
    }
    transcripts.extend(seen_by_mosquitto(leg));
    transcripts
}

/// What Mosquitto received from each client, as its log has it.
fn seen_by_mosquitto(leg: &Leg) -> Vec<Transcript> {
    let mut received: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in leg.mosquitto.process.log().lines().filter(|line| line.starts_with("Received ")) {
        let client = line.split(" from ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        if !client.starts_with("auto-") {
            received.entry(client.to_owned()).or_default().push(line.to_owned());
        }
    }
    assert!(received.len() > 50, "{} clients in Mosquitto's log", received.len());
    received.into_iter().map(|(client, lines)| (format!("what Mosquitto received from {client}"), lines)).collect()
}

#[test]
fn every_byte_a_client_receives_is_the_same_through_the_gateway() {
    compare(Door::Plain, play);
}

#[test]
fn every_byte_a_client_receives_is_the_same_through_mutual_tls() {
    compare(Door::Tls, play);
}

#[test]
fn every_byte_a_client_receives_is_the_same_over_ipv6() {
    compare(Door::Ipv6, play);
}

fn qos_matrix(stage: &mut Stage) {
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

fn retained(stage: &mut Stage) {
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

fn will_fires(stage: &mut Stage) {
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

fn will_is_silent(stage: &mut Stage) {
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

fn offline(stage: &mut Stage) {
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

fn resumed_publish(stage: &mut Stage) {
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

fn resumed_delivery(stage: &mut Stage) {
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

fn clean_start(stage: &mut Stage) {
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

fn takeover(stage: &mut Stage) {
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

fn receive_maximum(stage: &mut Stage) {
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
fn overstepping(stage: &mut Stage) {
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

fn aliases_from_client(stage: &mut Stage) {
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

fn properties(stage: &mut Stage) {
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

fn subscription_options(stage: &mut Stage) {
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

fn shared(stage: &mut Stage) {
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

fn thousand_filters(stage: &mut Stage) {
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

fn megabyte(stage: &mut Stage) {
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

fn pipelined(stage: &mut Stage) {
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

fn ping(stage: &mut Stage) {
    let mut client = stage.enter(&stage.connect_of("ping"));
    for _ in 0..3 {
        client.client.send(&wire::PINGREQ);
        assert_eq!(stage.take(&mut client), wire::PINGRESP);
    }
}

fn disconnect_with_properties(stage: &mut Stage) {
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

fn login(stage: &mut Stage) {
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

fn empty_client_id(stage: &mut Stage) {
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

fn in_order(stage: &mut Stage) {
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
