//! Deadlines: CONNACK, Keep Alive, a started packet.

use std::time::Duration;

use super::super::{Terms, ZeroKeepAlive};
use super::world::{VERSIONS, World, connack, connect, connect_bytes, disconnect, publish, terms};
use crate::mqtt::Version;
use crate::mqtt::connect::Connect;
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;

const SECOND: Duration = Duration::from_secs(1);

/// Connected with this Keep Alive.
fn world(version: Version, keep_alive: u16, terms: Terms, connack_properties: &[Property<'_>]) -> World {
    let mut world = World::opened(&connect_bytes(&Connect { keep_alive, ..connect(version) }, &[]), terms);
    world.later(SECOND).broker(&connack(version, connack_properties));
    world.client_got();
    world
}

fn told(v: Version, code: u8) -> Vec<u8> {
    if v == Version::V50 { disconnect(code) } else { Vec::new() }
}

/// Silent for `seconds` the connection lives, and a little longer it does not.
#[track_caller]
fn lasts(mut world: World, version: Version, seconds: f64) {
    let silence = Duration::from_secs_f64(seconds);
    assert_eq!(world.connection.deadline(), Some(world.now + silence));
    world.later(silence.saturating_sub(Duration::from_millis(1))).tick();
    assert_eq!(world.end, None);
    world.later(Duration::from_millis(1)).tick().ended("keep_alive", "client", &told(version, 0x8D));
}

#[test]
fn silence_ends_it_after_one_and_a_half_times_the_keep_alive() {
    for v in VERSIONS {
        lasts(world(v, 5, terms(), &[]), v, 7.5);
        let mut active = world(v, 5, terms(), &[]);
        for _ in 0..5 {
            active.later(7 * SECOND).client(&[0xC0, 0]);
            // What the broker sends is no sign of the client.
            active.later(SECOND / 4).broker(&[0xD0, 0]).tick();
            assert_eq!(active.end, None);
        }
        active.later(8 * SECOND).tick();
        assert!(active.end.is_some());
    }
}

#[test]
fn a_packet_that_dribbles_in_is_no_sign_of_life() {
    let bytes = publish(Version::V311, "a/b/c", QoS::Zero, 0, b"0123456789");
    let mut world = world(Version::V311, 5, terms(), &[]);
    for byte in &bytes[..7] {
        world.later(SECOND).client(&[*byte]).tick();
        assert_eq!(world.end, None);
    }
    world.later(SECOND).tick().ended("keep_alive", "client", &[]);
}

#[test]
fn the_listener_caps_the_keep_alive() {
    for v in VERSIONS {
        lasts(world(v, 600, Terms { max_keep_alive: 20, ..terms() }, &[]), v, 30.0);
        lasts(world(v, 10, Terms { max_keep_alive: 20, ..terms() }, &[]), v, 15.0);
        let replace = Terms { max_keep_alive: 20, zero_keep_alive: ZeroKeepAlive::Replace, ..terms() };
        lasts(world(v, 0, replace, &[]), v, 30.0);
        assert_eq!(world(v, 0, terms(), &[]).connection.deadline(), None);
    }
}

#[test]
fn the_brokers_keep_alive_counts() {
    let v = Version::V50;
    lasts(world(v, 600, terms(), &[Property::ServerKeepAlive(4)]), v, 6.0);
    lasts(world(v, 4, terms(), &[Property::ServerKeepAlive(40)]), v, 60.0);
}

#[test]
fn a_started_packet_must_be_finished() {
    for v in VERSIONS {
        let terms = || Terms { packet_deadline: 10 * SECOND, ..terms() };
        let bytes = publish(v, "a/b", QoS::Zero, 0, b"0123456789");
        let mut slow = world(v, 0, terms(), &[]);
        slow.client(&[0xC0, 0]).client(&bytes[..1]);
        assert_eq!(slow.connection.deadline(), Some(slow.now + 10 * SECOND));
        slow.later(9 * SECOND).client(&bytes[1..4]).tick();
        assert_eq!(slow.end, None);
        slow.later(SECOND).tick().ended("packet_deadline", "client", &told(v, 0x83));

        let mut steady = world(v, 0, terms(), &[]);
        for _ in 0..3 {
            steady.client(&bytes[..4]).later(9 * SECOND).client(&bytes[4..]).tick();
            // The next one begins in the same read.
            steady.client(&[&bytes[..], &bytes[..2]].concat()).later(9 * SECOND).tick().client(&bytes[2..]);
            assert_eq!(steady.connection.deadline(), None);
        }
        assert_eq!(steady.end, None);

        let mut broker = world(v, 0, terms(), &[]);
        broker.broker(&bytes[..3]).later(10 * SECOND).tick();
        broker.ended("packet_deadline", "broker", &told(v, 0x80));
    }
}

#[test]
fn a_large_publish_has_its_own_deadline() {
    let v = Version::V50;
    let terms = Terms { packet_deadline: 30 * SECOND, stream_threshold_bytes: 100, ..terms() };
    let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
    let mut world = world(v, 5, terms, &[]);
    for piece in large[..280].chunks(10) {
        world.client(piece).later(SECOND).tick();
        assert_eq!(world.end, None);
    }
    world.later(2 * SECOND).tick().ended("packet_deadline", "client", &disconnect(0x83));
}

#[test]
fn a_large_publish_that_a_slow_broker_holds_up_is_not_late() {
    for v in VERSIONS {
        let terms = Terms { packet_deadline: 10 * SECOND, stream_threshold_bytes: 100, ..terms() };
        let mut world = world(v, 5, terms, &[]);
        world.client(&publish(v, "a", QoS::Zero, 0, &[b'x'; 500])[..200]);
        for _ in 0..5 {
            let now = world.later(8 * SECOND).now;
            world.connection.client_not_read(now);
            world.tick();
            assert_eq!(world.end, None);
        }
        world.later(10 * SECOND).tick().ended("packet_deadline", "client", &told(v, 0x83));
    }
}

/// A broker that is read no faster than its client takes it is not slow.
#[test]
fn a_large_delivery_may_take_as_long_as_its_client_but_not_stop() {
    for v in VERSIONS {
        let terms = Terms { packet_deadline: 10 * SECOND, stream_threshold_bytes: 100, ..terms() };
        let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
        let mut world = world(v, 0, terms, &[]);
        for piece in large[..400].chunks(40) {
            world.broker(piece).later(9 * SECOND).tick();
            assert_eq!(world.end, None);
        }
        world.later(SECOND).tick();
        world.client_got();
        world.ended("packet_deadline", "broker", &[]);
    }
}

#[test]
fn connack_must_come_in_time() {
    for (v, told) in [(Version::V311, vec![0x20, 2, 0, 3]), (Version::V50, vec![0x20, 3, 0, 0x88, 0])] {
        let mut world = World::opened(&connect_bytes(&connect(v), &[]), terms());
        world.later(4 * SECOND);
        let dialled = world.now;
        world.connection.dialled(dialled);
        world.later(9 * SECOND).tick();
        assert_eq!(world.end, None);
        world.later(SECOND).tick().ended("connack_deadline", "broker", &told);
    }
}

#[test]
fn a_client_that_is_held_is_not_silent() {
    let v = Version::V311;
    let mut world = World::opened(&connect_bytes(&Connect { keep_alive: 1, ..connect(v) }, &[]), terms());
    world.client(&[0xC0, 0]).later(9 * SECOND).tick();
    assert_eq!(world.end, None);
    world.broker(&connack(v, &[])).later(SECOND).tick();
    assert_eq!(world.end, None);
    world.later(SECOND).tick().ended("keep_alive", "client", &[0x20, 2, 0, 0]);
}
