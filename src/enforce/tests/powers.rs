//! What a CONNACK tells a 5.0 client that it can make no use of, and what is refused all the same.

use super::super::Terms;
use super::world::{World, ack_with, connack, connect, connect_bytes, packet, policy, publish, publish_with, terms};
use crate::mqtt::Version;
use crate::mqtt::frame::PacketType::{PubAck, PubRec};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property::{
    self, MaximumQoS, RetainAvailable, SharedSubscriptionAvailable, SubscriptionIdentifierAvailable,
    WildcardSubscriptionAvailable,
};
use crate::mqtt::reason::ReasonCode;
use crate::policy::{Draft, Features, Grant, Mode, Role};

const V: Version = Version::V50;

/// One grant of everything up to this QoS, retained or not, to clients of this role.
fn draft(max_qos: QoS, retain: bool, role: Role) -> Draft {
    let all = || vec!["#".to_owned()];
    let grant = Grant { publish: all(), subscribe: all(), max_qos, retain, ..Grant::new("capped", &["everyone"]) };
    Draft { grants: vec![grant], roles: vec![role], ..Draft::new("7") }
}

fn narrow() -> Role {
    Role {
        features: Features {
            wildcard_subscriptions: false,
            shared_subscriptions: false,
            subscription_identifiers: false,
            ..Features::ALL
        },
        ..Role::new("narrow")
    }
}

/// What the client is told where the broker says this.
fn told(draft: Draft, broker: &[Property<'_>]) -> (Vec<u8>, Vec<String>) {
    let silent = [Property::RequestProblemInformation(false)];
    let mut world = World::opened(&connect_bytes(&connect(V), &silent), Terms { policy: policy(draft), ..terms() });
    world.broker(&connack(V, &[&LIMITS[..], broker].concat()));
    let events = world.events();
    (world.client_got(), events)
}

const LIMITS: [Property<'static>; 3] = [
    Property::ReceiveMaximum(std::num::NonZeroU16::MIN),
    Property::TopicAliasMaximum(0),
    Property::MaximumPacketSize(std::num::NonZeroU32::new(1000).expect("not zero")),
];

#[test]
fn connack_says_what_the_client_can_make_no_use_of() {
    let off = [
        RetainAvailable(false),
        WildcardSubscriptionAvailable(false),
        SharedSubscriptionAvailable(false),
        SubscriptionIdentifierAvailable(false),
    ];
    let wide = || Role::new("wide");
    for (draft, broker, client) in [
        (draft(QoS::Two, true, wide()), vec![], vec![]),
        (draft(QoS::One, true, wide()), vec![], vec![MaximumQoS(true)]),
        (draft(QoS::Zero, true, wide()), vec![], vec![MaximumQoS(false)]),
        (draft(QoS::Zero, true, wide()), vec![MaximumQoS(true)], vec![MaximumQoS(false)]),
        (draft(QoS::One, true, wide()), vec![MaximumQoS(false)], vec![MaximumQoS(false)]),
        (draft(QoS::One, true, wide()), vec![MaximumQoS(true)], vec![MaximumQoS(true)]),
        (draft(QoS::Two, false, narrow()), vec![], off.to_vec()),
        (draft(QoS::Two, false, narrow()), off.to_vec(), off.to_vec()),
        (draft(QoS::Two, true, wide()), off.to_vec(), off.to_vec()),
        // What the broker says is there, and is not to be.
        (draft(QoS::Two, false, wide()), vec![RetainAvailable(true)], vec![RetainAvailable(false)]),
        // Nothing is taken away where nothing is enforced.
        (Draft { mode: Mode::Monitor, ..draft(QoS::Zero, false, narrow()) }, vec![], vec![]),
    ] {
        let (sent, events) = told(draft, &broker);
        assert_eq!(sent, connack(V, &[&LIMITS[..], &client].concat()), "{broker:?} {client:?}");
        assert_eq!(events.is_empty(), broker == client, "{events:?}");
    }
}

#[test]
fn before_5_0_connack_says_nothing() {
    for v in [Version::V31, Version::V311] {
        let terms = Terms { policy: policy(draft(QoS::Zero, false, narrow())), ..terms() };
        let mut world = World::opened(&connect_bytes(&connect(v), &[]), terms);
        world.broker(&connack(v, &[]));
        assert_eq!(world.client_got(), connack(v, &[]));
    }
}

fn retained(mut publish: Vec<u8>) -> Vec<u8> {
    publish[0] |= 1;
    publish
}

#[test]
fn a_client_that_does_not_heed_it_is_refused_and_stays() {
    let silent = [Property::RequestProblemInformation(false)];
    let terms = Terms { policy: policy(draft(QoS::One, false, narrow())), ..terms() };
    let mut world = World::connected_with(V, terms, &silent, &[]);
    let two = publish(V, "a", QoS::Two, 1, b"x");
    world.client_gets(&two, &ack_with(V, PubRec, 1, ReasonCode::NotAuthorized));
    let one = publish(V, "a", QoS::One, 1, b"x");
    world.client_gets(&retained(one.clone()), &ack_with(V, PubAck, 1, ReasonCode::NotAuthorized));
    assert_eq!(world.events(), ["qos a capped", "retain a capped"]);
    world.client_passes(&one);
    let subscribe = |filter: &str, identifier: bool| {
        let mut body = vec![0, 9];
        body.extend(if identifier { vec![2, 0x0B, 7] } else { vec![0] });
        body.extend([0, u8::try_from(filter.len()).expect("short")]);
        body.extend(filter.as_bytes());
        body.push(0);
        packet(0x82, &body)
    };
    for (filter, identifier, code) in [("a/+", false, 0xA2), ("$share/g/a", false, 0x9E), ("a", true, 0xA1)] {
        world.client_gets(&subscribe(filter, identifier), &packet(0x90, &[0, 9, 0, code]));
    }
    world.events();
    world.client_passes(&subscribe("a", false));
    world
        .client_gets(&publish_with(V, "a", QoS::Two, 2, b"x", &[]), &ack_with(V, PubRec, 2, ReasonCode::NotAuthorized));
}
