//! What is too much whatever the policy says: subscriptions, retained messages, open QoS 2 exchanges, dribbled packets.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Guard, Guards, Terms};
use super::buckets::memory;
use super::world::{
    VERSIONS, World, ack, connack, connect, connect_bytes, publish, suback, subscribe, terms, unsubscribe,
};
use crate::mqtt::connect::Connect;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::{Direction, Limits, Version};
use crate::rate::Rate;

const SECOND: Duration = Duration::from_secs(1);

fn guarded(change: impl FnOnce(&mut Guards)) -> Terms {
    let mut terms = terms();
    terms.guards.slow_after = Duration::from_secs(5);
    change(&mut terms.guards);
    terms
}

fn world(version: Version, terms: Terms) -> World {
    World::connected_with(version, terms, &[], &[])
}

fn retained(version: Version, packet_id: u16) -> Vec<u8> {
    let qos = if packet_id == 0 { QoS::Zero } else { QoS::One };
    let mut bytes = publish(version, "plant/a", qos, packet_id, b"1");
    bytes[0] |= 1;
    bytes
}

/// What was refused, by code and rule.
fn told(world: &mut World) -> (Option<u8>, Vec<String>) {
    (world.client_got().get(4).copied(), world.events())
}

#[test]
fn retained_messages_too_many_are_refused_and_others_go_on() {
    for v in VERSIONS {
        let mut world = world(v, guarded(|guards| guards.retained = Rate::new(2, SECOND)));
        world.client_passes(&retained(v, 1)).client_passes(&retained(v, 2));
        world.client(&retained(v, 3));
        assert_eq!(world.broker_got(), b"");
        let code = (v == Version::V50).then_some(0x97);
        assert_eq!(told(&mut world), (code, vec!["rate plant/a retained".to_owned()]));
        assert_eq!(world.guarded, [Guard::Retained]);
        world.client_passes(&publish(v, "plant/a", QoS::One, 4, b"1"));
        world.later(SECOND).client_passes(&retained(v, 5));
    }
}

#[test]
fn by_default_a_bridge_that_starts_and_one_who_subscribes_to_much_again_and_again_are_no_flood() {
    let v = Version::V311;
    let mut world = World::connected(v);
    let all = retained(v, 0).repeat(50_000);
    world.client(&all);
    assert!(world.broker_got() == all, "some were refused");
    let limits = Limits::default();
    let filters: Vec<String> = (0..limits.max_filters).map(|at| format!("plant/{at}")).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    for round in 0..50_000 / limits.max_filters {
        let packet = subscribe(v, u16::try_from(round + 1).expect("few"), &filters);
        world.client(&packet);
        assert!(world.broker_got() == packet, "{round} was refused");
    }
}

#[test]
fn messages_at_qos_2_that_are_not_released_are_bounded() {
    for v in VERSIONS {
        let twice = |id| publish(v, "plant/a", QoS::Two, id, b"1");
        let mut world = world(v, guarded(|guards| guards.max_open_qos2 = 2));
        world.client_passes(&twice(1)).client_passes(&twice(2));
        world.broker_passes(&ack(v, PacketType::PubRec, 1));
        world.client(&twice(3));
        assert_eq!(world.broker_got(), b"");
        let code = (v == Version::V50).then_some(0x97);
        assert_eq!(told(&mut world), (code, vec!["quota plant/a max_open_qos2".to_owned()]));
        assert_eq!(world.guarded, [Guard::OpenQos2]);
        if v != Version::V50 {
            world.client_gets(&ack(v, PacketType::PubRel, 3), &ack(v, PacketType::PubComp, 3));
        }
        world.client_passes(&ack(v, PacketType::PubRel, 1)).client_passes(&twice(4));
    }
}

#[test]
fn topic_filters_too_many_are_refused_and_an_unsubscribe_waits() {
    for (v, code) in [(Version::V311, 0x80), (Version::V50, 0x97)] {
        let mut world = world(v, guarded(|guards| guards.subscriptions = Rate::new(2, 2 * SECOND)));
        world.client_passes(&subscribe(v, 1, &["a", "b"])).broker_passes(&suback(v, 1, &[1, 1]));
        world.client(&subscribe(v, 2, &["c", "d"]));
        let answer = world.client_got();
        assert_eq!((world.broker_got(), &answer[answer.len() - 2..]), (Vec::new(), &[code, code][..]));
        assert_eq!(
            (world.events(), &*world.guarded),
            (vec!["rate - subscriptions".to_owned()], &[Guard::Subscriptions][..])
        );
        let leaves = unsubscribe(v, 3, &["a"]);
        world.client(&leaves);
        assert_eq!(world.broker_got(), b"");
        world.wait(SECOND);
        assert_eq!(world.broker_got(), leaves);
        assert_eq!((world.events(), world.end.is_none()), (vec!["rate - subscriptions".to_owned()], true));
    }
}

#[test]
fn neither_another_connection_nor_a_reload_resets_what_was_drawn() {
    let v = Version::V311;
    let memory = memory();
    let terms =
        || Terms { memory: Some(Arc::clone(&memory)), ..guarded(|guards| guards.retained = Rate::new(1, 60 * SECOND)) };
    let mut first = world(v, terms());
    first.client_passes(&retained(v, 1));
    first.adopt(terms(), None).client(&retained(v, 2));
    assert_eq!(first.broker_got(), b"");
    let mut second = world(v, terms());
    second.client(&retained(v, 1));
    assert_eq!(second.broker_got(), b"");
}

/// A plant behind one address, none of whose devices proves who it is.
#[test]
fn clients_that_are_the_same_by_where_they_dial_from_have_a_hundred_times_as_much_together() {
    let v = Version::V311;
    let memory = memory();
    let terms = || Terms {
        memory: Some(Arc::clone(&memory)),
        ..guarded(|guards| guards.retained = Rate::new(1, 600 * SECOND))
    };
    let passes = |number: usize| {
        let client_id = format!("device-{number}");
        let connect = Connect { client_id: &client_id, ..connect(v) };
        let mut world = World::opened(&connect_bytes(&connect, &[]), terms());
        world.broker(&connack(v, &[]));
        world.broker_got();
        world.client(&retained(v, 1));
        !world.broker_got().is_empty()
    };
    assert_eq!((0..200).filter(|number| passes(*number)).count(), 100);
}

#[test]
fn a_packet_that_dribbles_ends_its_connection() {
    for v in VERSIONS {
        let mut world = world(v, guarded(|guards| guards.min_bytes_per_second = 10));
        let packet = publish(v, "plant/a", QoS::Zero, 0, &[b'x'; 300]);
        let start = world.now;
        for byte in &packet {
            world.client(&[*byte]).later(SECOND / 2).tick();
            if world.end.is_some() {
                break;
            }
        }
        // At two bytes in a second: 5 s, and a tenth of a second for each that came.
        let lasted = world.now - start;
        assert!(lasted >= 6 * SECOND && lasted < 7 * SECOND, "{lasted:?}");
        assert_eq!(world.broker_got(), b"");
        let end = world.end.clone().unwrap();
        assert_eq!(end.rule.as_ref().map(|rule| rule.as_str()), Some("min_bytes_per_second"));
        assert_eq!((end.cause.label(), end.blame.label()), ("packet_deadline", "client"));
        let told = world.client_got();
        assert_eq!(told.first().copied(), (v == Version::V50).then_some(0xE0));
    }
}

#[test]
fn a_packet_that_comes_as_fast_as_is_asked_for_is_not_late_whole_or_in_pieces() {
    let v = Version::V311;
    for threshold in [64, 64 << 10] {
        let terms = Terms { stream_threshold_bytes: threshold, ..guarded(|guards| guards.min_bytes_per_second = 10) };
        let mut world = world(v, terms);
        let packet = publish(v, "plant/a", QoS::Zero, 0, &[b'x'; 300]);
        for piece in packet.chunks(10) {
            world.client(piece).later(SECOND).tick();
            assert_eq!(world.end, None);
        }
        assert_eq!(world.broker_got(), packet);
        assert_eq!(world.connection.deadline().map(|at| at > world.now + 60 * SECOND), Some(true), "Keep Alive alone");
        world.client(&packet[..100]).later(14 * SECOND).tick();
        assert_eq!(world.end, None);
        world.later(SECOND).tick();
        assert_eq!(world.end.as_ref().map(|end| end.cause.label()), Some("packet_deadline"));
    }
}

#[test]
fn zero_bytes_in_a_second_ask_for_nothing_and_a_broker_is_never_asked() {
    let v = Version::V311;
    let mut patient = world(v, guarded(|guards| guards.min_bytes_per_second = 0));
    patient.client(&[0x30]).later(59 * SECOND).tick();
    assert_eq!(patient.end, None);
    let mut world = world(v, guarded(|guards| guards.min_bytes_per_second = 1_000_000));
    world.broker(&[0x30]).later(59 * SECOND).tick();
    assert_eq!(world.end, None);
    assert!(!world.is_held(Direction::FromBroker));
}
