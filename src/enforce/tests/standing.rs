//! Who may stay: another policy, another name, and how long.

use std::sync::Arc;
use std::time::Duration;

use super::super::Terms;
use super::world::{
    VERSIONS, World, ack, connack, connect, connect_bytes, disconnect, policy, publish, publish_with, suback,
    subscribe, terms, unsubscribe,
};
use crate::identity::{Attribute, Identity, Pattern};
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Properties, Property};
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{Condition, Deny, Draft, Grant, Message, Mode, Policy, Reason, Request, Role, Rule, Verdict};

const SILENT: [Property<'static>; 1] = [Property::RequestProblemInformation(false)];
const SECOND: Duration = Duration::from_secs(1);

fn told(v: Version, code: u8) -> Vec<u8> {
    if v == Version::V50 { disconnect(code) } else { Vec::new() }
}

fn permit_all() -> Draft {
    Draft { permit_all: true, ..Draft::new("7") }
}

fn with(draft: Draft) -> Terms {
    Terms { policy: policy(draft), ..terms() }
}

/// Nobody may connect.
fn closed() -> Draft {
    Draft { denies: vec![Deny { connect: true, ..Deny::new("closed") }], ..permit_all() }
}

/// Nothing may be published under `a`.
fn without_a() -> Draft {
    Draft { denies: vec![Deny { publish: vec!["a/#".to_owned()], ..Deny::new("without-a") }], ..permit_all() }
}

#[test]
fn whoever_another_policy_permits_goes_on_as_if_nothing_had_happened() {
    for v in VERSIONS {
        let both = [Property::TopicAliasMaximum(5)];
        let mut world = World::connected_with(v, terms(), &both, &both);
        let two = publish(v, "b", QoS::Two, 1, b"x");
        world.client_passes(&two).client_passes(&subscribe(v, 2, &["b", "c"])).broker_passes(&two);
        world.client(&publish(v, "claim/a", QoS::Two, 3, b"x")).client_got();
        world.events();
        if v == Version::V50 {
            let alias = [Property::TopicAlias(1.try_into().expect("not zero"))];
            world.client_passes(&publish_with(v, "b", QoS::Zero, 0, b"x", &alias));
        }
        world.adopt(with(without_a()), None);
        assert_eq!((world.end.clone(), world.client_got(), world.events()), (None, Vec::new(), Vec::new()));
        world.broker_passes(&ack(v, PubRec, 1)).client_passes(&ack(v, PubRel, 1)).broker_passes(&ack(v, PubComp, 1));
        world.client_passes(&ack(v, PubRec, 1)).broker_passes(&ack(v, PubRel, 1)).client_passes(&ack(v, PubComp, 1));
        world.broker_passes(&suback(v, 2, &[0, 0])).client_gets(&ack(v, PubRel, 3), &ack(v, PubComp, 3));
        assert!(world.connection.is_quiet());
        if v == Version::V50 {
            let alias = [Property::TopicAlias(1.try_into().expect("not zero"))];
            world.client_passes(&publish_with(v, "", QoS::Zero, 0, b"x", &alias));
        }
        world.client_gets(&publish(v, "a/x", QoS::Zero, 0, b"x"), &[]);
        assert_eq!(world.events(), ["not_authorized a/x without-a"]);
    }
}

#[test]
fn whoever_it_does_not_is_told_and_ends() {
    for v in VERSIONS {
        let mut world = World::connected_with(v, terms(), &SILENT, &[]);
        world.adopt(with(closed()), None).ended("not_authorized", "gateway", &told(v, 0x87));
        assert_eq!(world.end.and_then(|end| end.rule).map(|rule| rule.as_str().to_owned()), Some("closed".to_owned()));
        // Before CONNACK it is CONNACK that says so.
        let mut world = World::opened(&connect_bytes(&connect(v), &SILENT), terms());
        let reply = if v == Version::V50 { vec![0x20, 3, 0, 0x87, 0] } else { vec![0x20, 2, 0, 5] };
        world.adopt(with(closed()), None).ended("not_authorized", "gateway", &reply);
        // In monitor mode it is only observed.
        let mut world = World::connected(v);
        world.adopt(with(Draft { mode: Mode::Monitor, ..closed() }), None);
        assert_eq!((world.end.clone(), world.kinds()), (None, vec!["observed"]));
    }
}

fn with_will(v: Version, topic: &str) -> World {
    with_will_of(v, topic, b"gone")
}

fn with_will_of(v: Version, topic: &str, payload: &[u8]) -> World {
    let will = Will {
        topic,
        payload,
        qos: QoS::One,
        retain: true,
        response_topic: None,
        payload_is_utf8: false,
        properties: Properties::NONE,
    };
    let mut world = World::opened(&connect_bytes(&Connect { will: Some(will), ..connect(v) }, &SILENT), terms());
    world.broker(&connack(v, &[])).client_got();
    world.broker_got();
    world.events();
    world
}

#[test]
fn a_will_is_judged_again_as_a_whole() {
    for v in VERSIONS {
        let mut world = with_will(v, "b/will");
        world.adopt(with(without_a()), None).adopt(with(permit_all()), None);
        assert_eq!(world.end, None);
        let mut world = with_will(v, "a/will");
        world.adopt(with(without_a()), None).ended("not_authorized", "gateway", &told(v, 0x87));
        let grant = Grant { publish: vec!["#".to_owned()], ..Grant::new("all", &["everyone"]) };
        let retain = Grant { retain: false, ..grant.clone() };
        let qos = Grant { max_qos: QoS::Zero, ..grant.clone() };
        let size = Grant { max_payload_bytes: Some(3), ..grant.clone() };
        for (grant, reason, code) in
            [(grant, "", 0), (retain, "retain", 0x9A), (qos, "qos", 0x9B), (size, "payload_size", 0x95)]
        {
            let mut world = with_will(v, "a/will");
            world.adopt(with(Draft { grants: vec![grant], ..Draft::new("7") }), None);
            match &world.end {
                None => assert_eq!(reason, ""),
                Some(_) => world.ended(reason, "gateway", &told(v, code)),
            }
        }
    }
}

#[test]
fn a_rule_that_must_see_the_payload_of_a_will_sees_it_again() {
    for v in VERSIONS {
        let mut world = with_will(v, "sealed/will");
        world.adopt(with(permit_all()), None);
        assert_eq!((world.end.clone(), world.events()), (None, Vec::new()));
        // By another policy it is not what it must be.
        let mut world = with_will_of(v, "late/will", b"bad");
        world.adopt(with(permit_all()), None);
        assert_eq!(world.end, None);
        let late = Terms { policy: LateRule::policy(), ..terms() };
        world.adopt(late, None).ended("payload", "gateway", &told(v, 0x99));
        let mut world = with_will_of(v, "late/will", b"good");
        world.adopt(Terms { policy: LateRule::policy(), ..terms() }, None);
        assert_eq!(world.end, None);
    }
}

/// Denies messages under `late` that say `bad`.
#[derive(Debug)]
struct LateRule;

impl LateRule {
    fn policy() -> Arc<Policy> {
        let policy = Policy::new(permit_all()).expect("a policy");
        Arc::new(policy.with_rules(vec![Box::new(Self)]))
    }
}

impl Rule for LateRule {
    fn id(&self) -> &str {
        "late"
    }

    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        let (Request::Will(message) | Request::Publish(message) | Request::Receive(message)) = request else {
            return Verdict::Silent;
        };
        let is_good = !message.topic.starts_with("late/") || message.payload.is_some_and(|payload| payload != b"bad");
        if is_good { Verdict::Silent } else { Verdict::Deny(Reason::Payload) }
    }

    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        message.topic.starts_with("late/")
    }
}

#[test]
fn what_a_will_says_is_not_in_a_debug_output() {
    let world = with_will_of(Version::V50, "a/will", b"top secret");
    let shown = format!("{:?}", world.connection);
    let bytes = format!("{:?}", b"top secret".as_slice());
    let bytes = bytes.trim_matches(['[', ']']);
    assert!(!shown.contains("secret") && !shown.contains(bytes), "{shown}");
}

#[test]
fn what_connack_told_and_what_bounds_a_packet_stays_as_it_was() {
    let strict = || {
        let limits = Limits { max_packet_bytes: 100, max_topic_bytes: 5, ..Limits::default() };
        Terms { limits: limits.into(), receive_maximum: 1, topic_alias_maximum: 1, ..terms() }
    };
    for v in VERSIONS {
        let both = [Property::TopicAliasMaximum(5)];
        let mut world = World::connected_with(v, terms(), &both, &both);
        world.adopt(strict(), None);
        world.client_passes(&publish(v, "a/b/c/d/e", QoS::One, 1, &[b'x'; 200]));
        world.client_passes(&publish(v, "a", QoS::One, 2, b"x"));
        world.broker_passes(&publish(v, "a/b/c/d/e", QoS::One, 1, &[b'x'; 200]));
        if v == Version::V50 {
            let five = [Property::TopicAlias(5.try_into().expect("not zero"))];
            world.client_passes(&publish_with(v, "a", QoS::Zero, 0, b"x", &five));
            world.broker_passes(&publish_with(v, "a", QoS::Zero, 0, b"x", &five));
        }
        // And the other way: nothing is let through that the client was told not to send.
        let mut world = World::connected_with(v, strict(), &both, &both);
        world.adopt(terms(), None);
        let code = if v == Version::V50 { disconnect(0x95) } else { Vec::new() };
        world.client(&publish(v, "a", QoS::Zero, 0, &[b'x'; 200])).ended("packet_too_large", "client", &code);
    }
}

#[test]
fn what_speaks_of_the_connection_alone_changes_at_once() {
    let v = Version::V311;
    let mut world = World::connected(v);
    world.client_passes(&subscribe(v, 1, &["a", "b"])).broker_passes(&suback(v, 1, &[0, 0]));
    world.adopt(Terms { max_subscriptions: 2, packet_deadline: SECOND, ..terms() }, None);
    world.client(&subscribe(v, 2, &["c", "b"]));
    assert_eq!(world.broker_got(), subscribe(v, 2, &["b"]));
    world.broker(&suback(v, 2, &[0])).client_got();
    world.events();
    // Counted by the same keys: what is let go makes room.
    world.client_passes(&unsubscribe(v, 3, &["a"])).client_passes(&subscribe(v, 4, &["c"]));
    world.broker_passes(&suback(v, 4, &[0])).broker_passes(&[0xB0, 2, 0, 3]);
    world.client(&[0x30]).later(2 * SECOND).tick().ended("packet_deadline", "client", &[]);
}

#[test]
fn a_repeat_is_known_again_under_other_terms() {
    let v = Version::V311;
    let ask = subscribe(v, 1, &["a"]);
    let mut world = World::connected(v);
    world.client_passes(&ask).adopt(terms(), None).client_passes(&ask);
    world.broker_passes(&suback(v, 1, &[0])).broker_passes(&suback(v, 1, &[0]));
}

#[test]
fn a_client_goes_when_its_proof_or_its_time_ends_whichever_comes_first() {
    let lifetime = |seconds: u32| {
        let role = Role { max_lifetime: Some(SECOND * seconds), ..Role::new("guest") };
        with(Draft { roles: vec![role], ..permit_all() })
    };
    for v in VERSIONS {
        let mut world = World::connected_with(v, lifetime(10), &[], &[]);
        let began = world.now;
        assert_eq!(world.connection.ends(), Some(began + 10 * SECOND));
        world.later(9 * SECOND).client_passes(&[0xC0, 0]).tick();
        assert_eq!(world.end, None);
        // A large packet, or a client that can't be read, is no reason to stay.
        world.later(SECOND);
        world.connection.client_not_read(world.now);
        world.tick().ended("expired", "gateway", &told(v, 0xA0));

        let mut world = World::connected(v);
        assert_eq!(world.connection.ends(), None);
        let now = world.now;
        world.later(5 * SECOND).adopt(lifetime(10), None);
        assert_eq!(world.connection.ends(), Some(now + 10 * SECOND), "counted from CONNECT");
        world.adopt(lifetime(20), Some(now + 15 * SECOND));
        assert_eq!(world.connection.ends(), Some(now + 15 * SECOND));
        world.adopt(terms(), None);
        assert_eq!(world.connection.ends(), Some(now + 15 * SECOND), "a proof does not last longer for it");
        world.adopt(lifetime(3), None).tick().ended("expired", "gateway", &told(v, 0xA0));
    }
}

#[test]
fn a_client_that_the_broker_names_is_judged_by_that_name() {
    let v = Version::V50;
    let own = Grant {
        publish: vec!["plant/${client_id}".to_owned()],
        subscribe: vec!["plant/${client_id}/#".to_owned()],
        ..Grant::new("own", &["everyone"])
    };
    let nameless = connect_bytes(&Connect { client_id: "", ..connect(v) }, &SILENT);
    let named = |name| connack(v, &[Property::AssignedClientIdentifier(name)]);
    let mut world = World::opened(&nameless, with(Draft { grants: vec![own], ..Draft::new("7") }));
    world.broker(&named("auto-1")).client_got();
    world.broker_got();
    world.events();
    world.client_passes(&publish(v, "plant/auto-1", QoS::Zero, 0, b"x"));
    world.client_gets(&publish(v, "plant/auto-2", QoS::Zero, 0, b"x"), &[]);
    // By a name that is refused it is not connected.
    let mut world = World::opened(&nameless, terms());
    world.broker(&named("deny-client_identifier"));
    let end = world.end.as_ref().expect("an end");
    assert_eq!((end.cause.label(), end.blame.label()), ("client_identifier", "gateway"));
    assert_eq!(world.client_got(), [0x20, 3, 0, 0x85, 0]);
}

#[test]
fn a_client_that_the_broker_names_stays_no_longer_than_that_name_may() {
    let v = Version::V50;
    let named = Condition::Text { attribute: Attribute::ClientId, any: vec![Pattern::new("auto-*")] };
    let guest = Role { conditions: vec![named], max_lifetime: Some(SECOND * 10), ..Role::new("guest") };
    let nameless = connect_bytes(&Connect { client_id: "", ..connect(v) }, &[]);
    let mut world = World::opened(&nameless, with(Draft { roles: vec![guest], ..permit_all() }));
    let began = world.now;
    assert_eq!(world.connection.ends(), None);
    world.later(SECOND).broker(&connack(v, &[Property::AssignedClientIdentifier("auto-1")])).client_got();
    assert_eq!(world.connection.ends(), Some(began + 10 * SECOND));
    world.later(9 * SECOND).tick().ended("expired", "gateway", &told(v, 0xA0));
}

#[test]
fn nothing_is_said_to_a_client_in_the_middle_of_a_packet() {
    let v = Version::V50;
    let mut world = World::connected_with(v, Terms { stream_threshold_bytes: 100, ..terms() }, &[], &[]);
    let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
    world.broker(&large[..200]).client_got();
    world.adopt(with(closed()), None).ended("not_authorized", "gateway", &[]);
    let mut world = World::connected_with(v, Terms { stream_threshold_bytes: 100, ..terms() }, &[], &[]);
    world.broker(&large[..200]).adopt(terms(), None).broker(&large[200..]);
    assert_eq!(world.client_got(), large);
    assert!(!world.is_held(Direction::FromBroker));
    world.client_passes(&publish(v, "b", QoS::One, 1, b"")).broker_passes(&ack(v, PubAck, 1));
}
