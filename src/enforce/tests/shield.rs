//! What a listener's shield and a role's features do to packets: CONNECT, CONNACK, DISCONNECT, SUBSCRIBE.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Terms;
use super::world::{World, admit, connack, connect, connect_bytes, packet, policy, suback, subscribe, terms};
use crate::mqtt::Version;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Properties, Property};
use crate::policy::{Draft, Features, Grant, Mode, Persistence, Role, Shield};

const V311: Version = Version::V311;
const V50: Version = Version::V50;

fn shielded(features: Features) -> Terms {
    Terms { shield: Arc::new(Shield { features, mode: Mode::Enforce }), ..terms() }
}

fn of_role(features: Features) -> Terms {
    let all = || vec!["#".to_owned()];
    let grant = Grant { publish: all(), subscribe: all(), ..Grant::new("all", &["everyone"]) };
    let roles = vec![Role { features, ..Role::new("narrow") }];
    Terms { policy: policy(Draft { grants: vec![grant], roles, ..Draft::new("7") }), ..terms() }
}

fn expiry(seconds: u32) -> Property<'static> {
    Property::SessionExpiryInterval(seconds)
}

const TIGHT: [Property<'static>; 3] = [
    Property::ReceiveMaximum(std::num::NonZeroU16::MIN),
    Property::TopicAliasMaximum(0),
    Property::MaximumPacketSize(std::num::NonZeroU32::new(1000).expect("not zero")),
];

#[test]
fn connects_that_ask_for_what_is_withheld_are_refused_with_its_code() {
    let will = |qos, retain| {
        let properties = Properties::NONE;
        Some(Will { topic: "a", payload: b"x", qos, retain, response_topic: None, payload_is_utf8: false, properties })
    };
    let plain = connect(V50);
    let retained = Connect { will: will(QoS::Zero, true), ..plain };
    let twice = Connect { will: will(QoS::Two, false), ..plain };
    let resumed = Connect { clean_start: false, ..connect(V311) };
    let method = [Property::AuthenticationMethod("x")];
    let none = Features { wills: false, ..Features::ALL };
    let unretained = Features { retain: false, ..Features::ALL };
    let once = Features { max_qos: QoS::One, ..Features::ALL };
    let refuse = Features { persistent_sessions: Persistence::Refuse, ..Features::ALL };
    let old = Features { versions: [true, true, false], ..Features::ALL };
    let unenhanced = Features { enhanced_authentication: false, ..Features::ALL };
    let short = Features { max_client_id_bytes: 6, ..Features::ALL };
    for (features, bytes, code, reason, rule) in [
        (&none, connect_bytes(&retained, &[]), 0x87, "will", "shield.wills"),
        (&unretained, connect_bytes(&retained, &[]), 0x9A, "retain", "shield.retain"),
        (&once, connect_bytes(&twice, &[]), 0x9B, "qos", "shield.max_qos"),
        (&refuse, connect_bytes(&plain, &[expiry(1)]), 0x87, "session", "shield.persistent_sessions"),
        (&refuse, connect_bytes(&resumed, &[]), 5, "session", "shield.persistent_sessions"),
        (&old, connect_bytes(&plain, &[]), 0x84, "protocol_version", "shield.versions"),
        (&unenhanced, connect_bytes(&plain, &method), 0x8C, "authentication_method", "shield.enhanced_authentication"),
        (&short, connect_bytes(&plain, &[]), 0x85, "client_identifier", "shield.max_client_id_bytes"),
    ] {
        let refusal = admit(Instant::now(), &bytes, shielded(features.clone())).expect_err("refused");
        assert_eq!(refusal.reply[3], code, "{rule}");
        assert_eq!((refusal.end.cause.label(), refusal.end.rule.as_ref().expect("a rule").as_str()), (reason, rule));
        assert!(admit(Instant::now(), &bytes, terms()).is_ok(), "{rule}");
        let watched = Shield { features: features.clone(), mode: Mode::Monitor };
        let watched = Terms { shield: Arc::new(watched), ..terms() };
        assert!(admit(Instant::now(), &bytes, watched).is_ok(), "{rule}");
    }
}

/// What CONNECT asks for; what then goes on, and what the client is told where the broker says nothing.
#[test]
fn sessions_are_shortened_and_the_client_is_told() {
    let capped = || Features { max_session_expiry: 60, ..Features::ALL };
    let ended = || Features { persistent_sessions: Persistence::End, ..Features::ALL };
    for (features, asked, goes_on, broker, told) in [
        (capped(), Some(61), Some(60), None, Some(60)),
        (capped(), Some(60), Some(60), None, None),
        (capped(), None, None, None, None),
        (capped(), Some(u32::MAX), Some(60), Some(30), Some(30)),
        (capped(), Some(61), Some(60), Some(90), Some(60)),
        (ended(), Some(1), Some(0), None, Some(0)),
        (ended(), Some(0), Some(0), None, None),
        (Features::ALL, Some(u32::MAX), Some(u32::MAX), None, None),
    ] {
        for terms in [shielded(features.clone()), of_role(features.clone())] {
            let of = |seconds: Option<u32>| seconds.map(expiry).into_iter().collect::<Vec<_>>();
            let mut world = World::opened(&connect_bytes(&connect(V50), &of(asked)), terms);
            assert_eq!(world.broker_got(), connect_bytes(&connect(V50), &of(goes_on)), "{asked:?}");
            world.broker(&connack(V50, &[&TIGHT[..], &of(broker)].concat()));
            assert_eq!(world.client_got(), connack(V50, &[&TIGHT[..], &of(told)].concat()), "{asked:?} {broker:?}");
            let shortened = world.events().iter().filter(|event| event.starts_with("session_shortened")).count();
            assert_eq!(shortened == 1, asked != goes_on, "{asked:?}");
        }
    }
}

#[test]
fn before_5_0_a_session_that_may_not_last_is_a_clean_one() {
    for version in [Version::V31, V311] {
        for features in [
            Features { persistent_sessions: Persistence::End, ..Features::ALL },
            Features { max_session_expiry: 0, ..Features::ALL },
        ] {
            let lasting = Connect { clean_start: false, ..connect(version) };
            let mut world = World::opened(&connect_bytes(&lasting, &[]), shielded(features));
            assert_eq!(world.broker_got(), connect_bytes(&connect(version), &[]));
            let mut present = connack(version, &[]);
            world.client_got();
            if version == V311 {
                present[2] = 1;
                world.broker(&present).ended("session_present", "broker", &[0x20, 2, 0, 3]);
            }
        }
        let longer = Features { max_session_expiry: 60, ..Features::ALL };
        let lasting = connect_bytes(&Connect { clean_start: false, ..connect(version) }, &[]);
        let mut world = World::opened(&lasting, shielded(longer));
        assert_eq!(world.broker_got(), lasting, "it has no words for a time");
    }
}

#[test]
fn a_disconnect_lengthens_no_session() {
    let capped = || shielded(Features { max_session_expiry: 60, ..Features::ALL });
    let goodbye = |seconds: u32| {
        let mut body = vec![4, 5, 0x11];
        body.extend(seconds.to_be_bytes());
        packet(0xE0, &body)
    };
    for (asked, goes_on) in [(u32::MAX, 60), (61, 60), (60, 60), (5, 5), (0, 0)] {
        let mut world = World::connected_with(V50, capped(), &[expiry(100)], &TIGHT);
        world.client(&goodbye(asked));
        assert_eq!(world.broker_got(), goodbye(goes_on), "{asked}");
        assert_eq!(world.end.as_ref().expect("an end").cause.label(), "client_disconnect");
        assert_eq!(world.events(), if asked == goes_on { vec![] } else { vec!["session_shortened - -"] });
    }
    let ends = || shielded(Features { persistent_sessions: Persistence::End, ..Features::ALL });
    let mut world = World::connected_with(V50, ends(), &[expiry(100)], &TIGHT);
    world.client(&goodbye(100));
    assert_eq!(world.broker_got(), goodbye(0), "the broker was asked for none");
}

#[test]
fn connack_tells_the_numbers_of_a_role_and_they_hold() {
    use std::num::NonZeroU16;
    let features = Features { receive_maximum: 3, topic_alias_maximum: 2, max_keep_alive: 30, ..Features::ALL };
    let aliases = |maximum| [Property::TopicAliasMaximum(maximum)];
    let mut world = World::opened(&connect_bytes(&connect(V50), &aliases(9)), of_role(features.clone()));
    assert_eq!(world.broker_got(), connect_bytes(&connect(V50), &aliases(2)));
    let of = |receive: u16, alias: u16| {
        [
            Property::ReceiveMaximum(NonZeroU16::new(receive).expect("not zero")),
            Property::TopicAliasMaximum(alias),
            TIGHT[2],
        ]
    };
    world.broker(&connack(V50, &of(10, 10)));
    let told = [&of(3, 2)[..], &[Property::ServerKeepAlive(30)]].concat();
    assert_eq!(world.client_got(), connack(V50, &told));
    world.later(Duration::from_secs(45)).tick();
    assert_eq!(world.end.expect("an end").cause.label(), "keep_alive");
    // A client of before is held to it untold; one that asks never to be ended as well.
    let silent = Connect { keep_alive: 0, ..connect(V311) };
    let mut world = World::opened(&connect_bytes(&silent, &[]), of_role(features));
    world.broker(&connack(V311, &[])).later(Duration::from_secs(45)).tick();
    assert_eq!(world.end.expect("an end").cause.label(), "keep_alive");
}

#[test]
fn filters_and_subscriptions_beyond_a_roles_number_are_refused_one_by_one() {
    let few = |max_filters, max_subscriptions| Features { max_filters, max_subscriptions, ..Features::ALL };
    let mut world = World::connected_with(V50, of_role(few(2, 3)), &[], &TIGHT);
    world.client(&subscribe(V50, 1, &["a", "b", "c"]));
    assert_eq!(world.broker_got(), subscribe(V50, 1, &["a", "b"]));
    assert_eq!(world.events(), ["quota c narrow"]);
    world.broker(&suback(V50, 1, &[1, 1]));
    assert_eq!(world.client_got(), suback(V50, 1, &[1, 1, 0x97]));
    // One more is held; one that is held is no further one.
    world.client_passes(&subscribe(V50, 2, &["c", "a"]));
    world.broker_passes(&suback(V50, 2, &[1, 1]));
    world.client(&subscribe(V50, 3, &["d"]));
    world.client_got();
    assert_eq!((world.broker_got(), world.events()), (vec![], vec!["quota d narrow".to_owned()]));
    world.client_passes(&super::world::unsubscribe(V50, 4, &["a"]));
    world.client_passes(&subscribe(V50, 5, &["d"]));
}

#[test]
fn another_shield_judges_live_connections_and_leaves_what_connack_told() {
    let mut world = World::connected_with(V50, terms(), &[expiry(100)], &TIGHT);
    let unretained = shielded(Features { retain: false, max_session_expiry: 1, ..Features::ALL });
    world.adopt(Terms { policy: Arc::clone(&world.connection.terms().policy), ..unretained }, None);
    assert_eq!(world.end, None);
    world.client(&[0x33, 6, 0, 1, b'a', 0, 1, 0]);
    assert!(world.broker_got().is_empty());
    assert_eq!(world.events(), ["retain a shield.retain"]);
    // The session was let through with its length, and keeps it.
    let goodbye = packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 100]);
    world.client(&goodbye);
    assert_eq!(world.broker_got(), goodbye);
    let mut world = World::connected_with(V50, terms(), &[expiry(100)], &TIGHT);
    let refuse = shielded(Features { persistent_sessions: Persistence::Refuse, ..Features::ALL });
    world.adopt(Terms { policy: Arc::clone(&world.connection.terms().policy), ..refuse }, None);
    assert_eq!(world.end.as_ref().expect("an end").cause.label(), "session");
}
