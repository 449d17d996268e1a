//! Another policy is put in force.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{ANYBODY, POLL, SIGNAL_ONLY, connect, is_alive, plant, policy};
use crate::support::gateway::Setup;
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::{RecordingBroker, answer, polite};
use crate::support::wait_for;
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1, V3_1_1, V5_0};

#[test]
fn those_no_longer_permitted_end_and_the_others_keep_their_open_exchanges() {
    // Acknowledgements come only when the test sends them.
    let broker = RecordingBroker::start(|frame, version| match frame[0] & 0xf0 {
        0x30 | 0x60 => answer([]),
        _ => answer(polite(frame, version)),
    });
    let gateway = plant(&broker, &["press", "lamp"], POLL);
    let mut press = [connect(&gateway, V5_0, "press-5"), connect(&gateway, V3_1_1, "press-3")];
    let mut lamps = [V5_0, V3_1_1, V3_1].map(|version| connect(&gateway, version, &format!("lamp-{version}")));
    let mut expected = Vec::new();
    for (number, (client, version)) in press.iter_mut().zip([V5_0, V3_1_1]).enumerate() {
        let mut sent = wire::publish(version, 0x02, "a", 1, &[], b"QoS 1");
        sent.extend(wire::publish(version, 0x04, "a", 2, &[], b"QoS 2"));
        client.send(&sent);
        wait_for("both at the broker", || (broker.frames(number).len() == 3).then_some(()));
        // Half of a packet has come when the other policy does.
        let half = wire::publish(version, 0x00, "a", 0, &[], b"in two halves");
        client.send(&half[..7]);
        expected.push((sent, half));
    }
    broker.push(0, &wire::ack(PUBREC, 2));
    press[0].expect(&wire::ack(PUBREC, 2));

    gateway.put("policy/policy.toml", &policy("2", &["press"]));
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(wire::disconnect_reason(&lamps[0].frame()), Some(0x87));
    for lamp in &mut lamps {
        lamp.expect_end();
    }
    for (number, client) in press.iter_mut().enumerate() {
        client.send(&expected[number].1[7..]);
        broker.push(number, &wire::ack(PUBACK, 1));
        client.expect(&wire::ack(PUBACK, 1));
    }
    broker.push(1, &wire::ack(PUBREC, 2));
    press[1].expect(&wire::ack(PUBREC, 2));
    for (number, client) in press.iter_mut().enumerate() {
        client.send(&wire::ack(PUBREL, 2));
        wait_for("PUBREL at the broker", || (broker.frames(number).len() == 5).then_some(()));
        broker.push(number, &wire::ack(PUBCOMP, 2));
        client.expect(&wire::ack(PUBCOMP, 2));
        let (sent, half) = &expected[number];
        let whole = [sent.as_slice(), half, &wire::ack(PUBREL, 2)].concat();
        assert!(broker.received(number).ends_with(&whole), "not a byte more or less");
    }
    for number in 2..5 {
        broker.wait_ended(number);
        assert_eq!(broker.frames(number).len(), 1, "CONNECT, and no DISCONNECT: their Wills are published");
    }

    let record = gateway.wait_audit(&[("event", "reloaded")]);
    assert_eq!((record["policy"].as_str(), record["policy_before"].as_str()), (Some("2"), Some("1")));
    assert_eq!(record["by"], "change");
    assert_eq!((record["connections_kept"].as_u64(), record["connections_ended"].as_u64()), (Some(2), Some(3)));
    for version in [V5_0, V3_1_1, V3_1] {
        let name = format!("lamp-{version}");
        let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", &name)]);
        assert_eq!((ended["cause"].as_str(), ended["policy"].as_str()), (Some("not_authorized"), Some("2")), "{ended}");
    }
    gateway.wait_metric("tidegate_connections_rejudged_total", &["outcome=\"kept\""], 2.0);
    gateway.wait_metric("tidegate_connections_rejudged_total", &["outcome=\"ended\""], 3.0);
}

#[test]
fn who_connects_while_it_changes_is_judged_by_the_new_one() {
    // CONNACK comes only when the test sends it.
    let broker = RecordingBroker::start(|frame, version| match frame[0] >> 4 {
        1 => answer([]),
        _ => answer(polite(frame, version)),
    });
    let gateway = plant(&broker, &["press", "lamp"], SIGNAL_ONLY);
    let mut waiting = RawClient::dial(gateway.plain());
    waiting.send(&Connect::new(V5_0, "lamp-1").bytes());
    wait_for("CONNECT at the broker", || (broker.frames(0).len() == 1).then_some(()));
    let mut half = RawClient::dial(gateway.plain());
    let connect = Connect::new(V5_0, "lamp-2").bytes();
    half.send(&connect[..9]);
    gateway.wait_metric("tidegate_connections_half_open", &[], 1.0);
    gateway.put("policy/policy.toml", &policy("2", &["press"]));
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    half.send(&connect[9..]);
    for client in [&mut waiting, &mut half] {
        let frame = client.frame();
        assert_eq!((frame[0], wire::body(&frame)[1]), (0x20, 0x87), "{frame:02x?}");
        client.expect_end();
    }
    assert_eq!(broker.connections(), 1, "for who was not permitted when its CONNECT was there, nobody is dialled");
}

#[test]
fn messages_flow_across_reloads_without_loss_or_change() {
    const MESSAGES: u16 = 1500;
    let broker = Mosquitto::start();
    let setup = Setup::to(broker.address);
    let gateway = setup.policy(&policy("0", &["press"])).each_listener(ANYBODY).with(SIGNAL_ONLY).start();
    let mut subscriber = connect(&gateway, V5_0, "press-subscriber");
    subscriber.send(&wire::subscribe(V5_0, 1, &[("flow", 1)]));
    assert_eq!(subscriber.frame()[0], 0x90);
    let mut publisher = connect(&gateway, V3_1_1, "press-publisher");
    let (gateway, received) = (&gateway, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut version = 0;
            while !received.load(Ordering::Relaxed) {
                version += 1;
                gateway.put("policy/policy.toml", &policy(&version.to_string(), &["press"]));
                gateway.hang_up();
                std::thread::sleep(Duration::from_millis(40));
            }
        });
        scope.spawn(move || {
            for id in 1..=MESSAGES {
                publisher.send(&wire::publish(V3_1_1, 0x02, "flow", id, &[], &id.to_be_bytes()));
                publisher.expect(&wire::ack(PUBACK, id));
            }
        });
        for number in 1..=MESSAGES {
            let frame = subscriber.frame();
            assert_eq!(frame[0] & 0xf6, 0x32, "{frame:02x?}");
            assert!(frame.ends_with(&number.to_be_bytes()), "message {number} is due: {frame:02x?}");
            let id = u16::from_be_bytes([wire::body(&frame)[6], wire::body(&frame)[7]]);
            subscriber.send(&wire::ack(PUBACK, id));
        }
        received.store(true, Ordering::Relaxed);
    });
    let reloads = gateway.metric("tidegate_reloads_total", &["outcome=\"applied\""]);
    assert!(reloads >= 2.0, "{reloads} reloads meanwhile");
    is_alive(&mut subscriber);
}

#[test]
fn a_crowd_is_judged_at_once_and_counted_to_the_last() {
    let broker = RecordingBroker::polite();
    let gateway = plant(&broker, &["press", "lamp"], SIGNAL_ONLY);
    let name = |number| format!("{}-{number}", if number % 3 == 0 { "lamp" } else { "press" });
    let mut crowd: Vec<RawClient> = (0..300).map(|number| connect(&gateway, V5_0, &name(number))).collect();
    gateway.put("policy/policy.toml", &policy("2", &["press"]));
    gateway.hang_up();
    let record = gateway.wait_audit(&[("event", "reloaded")]);
    assert_eq!((record["connections_kept"].as_u64(), record["connections_ended"].as_u64()), (Some(200), Some(100)));
    for (number, client) in crowd.iter_mut().enumerate() {
        if number % 3 == 0 {
            assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x87));
        } else {
            is_alive(client);
        }
    }
}
