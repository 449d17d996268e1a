//! How connections end, and what the client is told.

use super::super::{Cause, Output};
use super::world::{VERSIONS, World, connect, connect_bytes, disconnect, publish, terms};
use crate::mqtt::connect::Connect;
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;
use crate::mqtt::{Direction, Version};

#[test]
fn a_clients_goodbye_goes_on_and_nothing_behind_it_is_looked_at() {
    for v in VERSIONS {
        let mut world = World::connected(v);
        world.client(&[&[0xE0, 0][..], &publish(v, "a", QoS::Zero, 0, b"x")].concat());
        assert_eq!(world.broker_got(), [0xE0, 0]);
        world.ended("client_disconnect", "client", &[]);
    }
    let mut world = World::connected(Version::V50);
    world.client(&disconnect(4));
    assert_eq!(world.broker_got(), disconnect(4));
}

#[test]
fn a_brokers_goodbye_goes_on_in_5_0() {
    let mut world = World::connected(Version::V50);
    world.broker(&disconnect(0x8E)).ended("broker_disconnect", "broker", &disconnect(0x8E));
    World::connected(Version::V311).broker(&[0xE0, 0]).ended("wrong_direction", "broker", &[]);
}

#[test]
fn a_session_that_ends_with_the_connection_is_not_prolonged_at_its_end() {
    let goodbye = |seconds: u8| [0xE0, 7, 0, 5, 0x11, 0, 0, 0, seconds];
    World::connected(Version::V50).client(&goodbye(0)).ended("client_disconnect", "client", &[]);
    World::connected(Version::V50).client(&goodbye(9)).ended("session_expiry", "client", &disconnect(0x82));
    let expires = [Property::SessionExpiryInterval(60)];
    let mut world = World::connected_with(Version::V50, terms(), &expires, &[]);
    world.client(&goodbye(9)).ended("client_disconnect", "client", &[]);
}

#[test]
fn packets_of_the_other_side_are_refused() {
    for v in VERSIONS {
        let malformed = if v == Version::V50 { disconnect(0x82) } else { Vec::new() };
        for bytes in [&[0x20, 3, 0, 0, 0][..], &[0x90, 4, 0, 1, 0, 0], &[0xB0, 4, 0, 1, 0, 0], &[0xD0, 0]] {
            World::connected(v).client(bytes).ended("wrong_direction", "client", &malformed);
        }
        let fault = if v == Version::V50 { disconnect(0x80) } else { Vec::new() };
        for bytes in [&[0x10, 12][..], &[0x82, 6], &[0xA2, 5], &[0xC0, 0]] {
            World::connected(v).broker(bytes).ended("wrong_direction", "broker", &fault);
        }
    }
}

type Ending = fn(&mut World, &mut Output) -> super::super::End;

#[test]
fn what_happens_to_a_peer_is_said_to_the_client_as_far_as_its_version_can() {
    let endings: [(Ending, &str, u8, u8); 9] = [
        (|world, out| world.connection.lost(Direction::FromBroker, out), "broker_lost", 0x89, 3),
        (|world, out| world.connection.lost(Direction::FromClient, out), "client_lost", 0, 0),
        (|world, out| world.connection.close(Cause::ShutDown, out), "shut_down", 0x8B, 3),
        (|world, out| world.connection.close(Cause::BrokerUnreachable, out), "broker_unreachable", 0x89, 3),
        (|world, out| world.connection.close(Cause::Overload, out), "overload", 0x97, 3),
        (|world, out| world.connection.stalled(Direction::FromBroker, out), "write_deadline", 0x89, 3),
        (|world, out| world.connection.stalled(Direction::FromClient, out), "write_deadline", 0, 0),
        (|world, out| world.connection.broken(Direction::FromBroker, Cause::Tls, out), "tls_failed", 0x89, 3),
        (|world, out| world.connection.broken(Direction::FromClient, Cause::WebSocket, out), "websocket_failed", 0, 0),
    ];
    for (ending, label, reason, return_code) in endings {
        for v in VERSIONS {
            let mut out = Output::default();
            let end = ending(&mut World::connected(v), &mut out);
            assert_eq!(end.cause.label(), label);
            let told = if v == Version::V50 && reason != 0 { disconnect(reason) } else { Vec::new() };
            assert_eq!(out.back, told, "{label} in {v:?}");
            if !told.is_empty() {
                World::connected(v).broker(&told).ended("broker_disconnect", "broker", &told);
            }

            let mut out = Output::default();
            ending(&mut World::opened(&connect_bytes(&connect(v), &[]), terms()), &mut out);
            let code = if matches!(reason, 0x89 | 0x8B) { 0x88 } else { reason };
            let told = match v {
                _ if reason == 0 => Vec::new(),
                Version::V50 => vec![0x20, 3, 0, code, 0],
                Version::V31 | Version::V311 => vec![0x20, 2, 0, return_code],
            };
            assert_eq!(out.back, told, "{label} before CONNACK in {v:?}");
        }
    }
}

#[test]
fn the_identity_holds_what_connect_said_and_the_broker_assigned() {
    let named = Connect { username: Some("ann"), ..connect(Version::V311) };
    let world = World::opened(&connect_bytes(&named, &[]), terms());
    assert_eq!(&*world.connection.identity().client_id, "temp-07");
    assert_eq!(world.connection.identity().username.as_deref(), Some("ann"));
    let nameless = Connect { client_id: "", ..connect(Version::V50) };
    let mut world = World::opened(&connect_bytes(&nameless, &[]), terms());
    world.broker(&super::world::connack(Version::V50, &[Property::AssignedClientIdentifier("auto-1")]));
    assert_eq!(&*world.connection.identity().client_id, "auto-1");
}
