//! Each known weakness by the bytes that it takes: nothing of them arrives.

use std::sync::Arc;
use std::time::Instant;

use super::super::patches::{Guard, KNOWN, Patch, Patches, reference};
use super::super::{At, Credentials, Opening, Terms, open};
use super::world::{
    World, ack, admit, connack, connect, connect_bytes, identity, packet, publish, suback, subscribe, terms,
};
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, Limits, Version, encode};
use crate::policy::{Features, Mode, Shield};

const V311: Version = Version::V311;
const V50: Version = Version::V50;

/// Who sends what it takes, and when.
enum Shape {
    /// In place of a CONNECT, or as one: no broker is dialled.
    First(Vec<u8>),
    /// The client, once connected, behind what sets the stage: nothing of it goes on.
    Client(Version, Vec<u8>, Vec<u8>),
    /// The broker, behind what the client has sent: nothing of it goes on.
    Broker(Version, Vec<u8>, Vec<u8>),
}

fn client(version: Version, bytes: Vec<u8>) -> Shape {
    Shape::Client(version, Vec::new(), bytes)
}

/// CONNECT of 3.1.1 with this behind its Keep Alive.
fn connect_with(flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[b"\0\x04MQTT\x04", &[flags][..], &[0, 60], rest].concat())
}

/// CONNECT of 5.0 with this behind its Keep Alive.
fn connect5_with(flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[b"\0\x04MQTT\x05", &[flags][..], &[0, 60], rest].concat())
}

fn named(client_id: &str, username: Option<&str>) -> Shape {
    let connect = Connect { client_id, username, ..connect(V311) };
    Shape::First(connect_bytes(&connect, &[]))
}

fn shapes(cve: &str) -> Vec<Shape> {
    let qos2 = publish(V311, "a", QoS::Two, 1, b"x");
    match cve {
        "CVE-2017-7650" => vec![
            named("#", None),
            named("+", None),
            named("a/+/b", None),
            named("x", Some("#")),
            named("x", Some("ann+")),
        ],
        "CVE-2017-7651" => vec![Shape::First(vec![0x10, 0xFF, 0xFF, 0xFF, 0x7F])],
        "CVE-2017-7653" => [V311, V50]
            .map(|v| client(v, packet(0x30, &[&b"\0\x02\xC3\x28"[..], if v == V50 { b"\0x" } else { b"x" }].concat())))
            .into(),
        "CVE-2018-12543" => vec![
            client(V311, publish(V311, "$test/test", QoS::One, 1, b"x")),
            client(V50, publish(V50, "$test/test", QoS::Zero, 0, b"x")),
            client(V50, publish(V50, "$SYSTEM", QoS::Zero, 0, b"x")),
            Shape::First(connect_with(0x06, b"\0\x01x\0\x02$a\0\x01x")),
        ],
        "CVE-2018-12546" => vec![client(V311, vec![0x31, 4, 0, 1, b'a', b'x'])],
        "CVE-2019-11779" => vec![
            client(V311, subscribe(V311, 1, &[&"/".repeat(65_400)])),
            client(V50, subscribe(V50, 1, &[&"/".repeat(250)])),
        ],
        "CVE-2021-28166" => vec![client(V50, vec![0x20, 3, 0, 0, 0]), client(V311, vec![0x20, 2, 0, 0])],
        "CVE-2021-34432" => vec![client(V311, vec![0x30, 3, 0, 0, b'x']), client(V50, vec![0x30, 3, 0, 0, 0])],
        "CVE-2021-34434" => vec![Shape::Broker(V311, Vec::new(), publish(V311, "deny", QoS::Zero, 0, b"x"))],
        "CVE-2021-41039" => {
            let properties = b"\x26\0\x01a\0\x01b".repeat(65);
            let rest = [&[0xC7, 0x03][..], &properties, b"\0\x01x"].concat();
            vec![Shape::First(connect5_with(0x02, &rest))]
        }
        "CVE-2023-0809" => {
            vec![Shape::First(vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]), Shape::First(packet(0x82, b"\0\x01\0\x01a\0"))]
        }
        // A Receive Maximum among the properties of the Will.
        "CVE-2023-3592" => vec![Shape::First(connect5_with(0x06, b"\0\0\x01x\x03\x21\0\x01\0\x01a\0\x01x"))],
        "CVE-2023-5632" => vec![Shape::First(Vec::new()), Shape::First(vec![0x10])],
        "CVE-2023-28366" => vec![
            Shape::Client(V311, qos2.clone(), qos2.clone()),
            Shape::Client(V311, qos2, publish(V311, "a", QoS::Two, 1, b"another")),
            client(V50, publish(V50, "a", QoS::Two, 1, b"x")),
        ],
        "CVE-2024-8376" => vec![client(V50, subscribe(V50, 1, &["$share/g/a/b"]))],
        "CVE-2024-10525" => [V311, V50].map(|v| Shape::Broker(v, subscribe(v, 1, &["a"]), suback(v, 1, &[]))).into(),
        "CVE-2016-9877" => vec![named("x", Some("ann"))],
        "CVE-2020-13821" => vec![named("<script>alert(1)</script>", None), named("x</td>", None)],
        // Two bytes of a property of four, and a Property Length that is more than there is.
        "CVE-2023-29994" => {
            vec![Shape::First(connect5_with(0x02, b"\x03\x11\0\0")), Shape::First(connect5_with(0x02, b"\x7F\x11\0\0"))]
        }
        "CVE-2023-29995" => vec![Shape::First(connect_with(0x02, b"\0\xFFx")), Shape::First(connect_with(0x02, b"\0"))],
        "CVE-2026-21888" => vec![
            Shape::First(connect5_with(0x02, b"\xFF\xFF\xFF\xFF\x01\0\x01x")),
            client(V50, packet(0x30, b"\0\x01a\x80\x80\x80\x80\x01")),
        ],
        "CVE-2025-66168" | "CVE-2026-40046" => vec![
            Shape::First([&[0x10, 0x80, 0x80, 0x80, 0x80, 0x01][..], &[0; 64]].concat()),
            client(V311, [&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01][..], &publish(V311, "a", QoS::Zero, 0, b"x")].concat()),
        ],
        "CVE-2019-5432" => vec![
            client(V311, packet(0x82, b"\0\x01\0\x09a\0")),
            client(V311, packet(0x82, b"\0\x01\0\x01a")),
            client(V311, packet(0x82, b"\0\x01")),
            client(V50, packet(0x82, b"\0\x01\0\0")),
        ],
        "CVE-2020-10062" => {
            vec![Shape::Broker(V311, Vec::new(), [&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01][..], &[0; 64]].concat())]
        }
        "CVE-2020-10070" => vec![
            Shape::Broker(V311, Vec::new(), packet(0x32, b"\0\x09a")),
            Shape::Broker(V311, Vec::new(), packet(0x32, b"\0\x01a")),
            Shape::Broker(V50, Vec::new(), packet(0x32, b"\0\x01a\0")),
        ],
        // Of another form: what they take is changed, or waited for.
        "CVE-2019-11778" | "CVE-2020-13849" => Vec::new(),
        other => panic!("no test has the shape of {other}"),
    }
}

/// The terms under which a row promises that its shape is stopped: the defaults, its patch, or its setting.
fn guarded(cve: &str, guard: Guard) -> Terms {
    let features = match cve {
        "CVE-2018-12546" => Features { retain: false, ..Features::ALL },
        "CVE-2024-8376" => Features { shared_subscriptions: false, ..Features::ALL },
        "CVE-2023-28366" => Features { max_qos: QoS::One, ..Features::ALL },
        _ => Features::ALL,
    };
    let patches = if let Guard::Patch(patch) = guard { Patches::NONE.with(patch) } else { Patches::NONE };
    Terms { patches, shield: Arc::new(Shield { features, mode: Mode::Enforce }), ..terms() }
}

#[track_caller]
fn stopped(cve: &str, terms: Terms, shape: &Shape) {
    match shape {
        Shape::First(bytes) => match open(bytes, &terms) {
            Opening::More | Opening::Refused(_) => {}
            Opening::Asking(asking) => {
                let at = At { now: Instant::now(), unix_millis: 0, ends: None };
                let known = asking.known(identity());
                let admitted = asking.admit(&Arc::new(terms), known, &Credentials::AsReceived, at);
                assert!(admitted.is_err(), "{cve}: {bytes:02x?} is let in");
            }
        },
        Shape::Client(version, stage, bytes) => {
            let mut world = World::connected_with(*version, terms, &[], &[]);
            world.client(stage);
            world.broker_got();
            world.client(bytes);
            assert!(world.broker_got().is_empty(), "{cve}: {:02x?} goes on", &bytes[..bytes.len().min(16)]);
            assert!(world.end.is_some() || !world.events().is_empty(), "{cve}: nothing is said of it");
        }
        Shape::Broker(version, stage, bytes) => {
            let mut world = World::connected_with(*version, terms, &[], &[]);
            world.client(stage);
            world.client_got();
            world.broker(bytes);
            let farewell = if *version == V50 && world.end.is_some() { vec![0xE0, 1, 0x80] } else { Vec::new() };
            assert_eq!(world.client_got(), farewell, "{cve}: {bytes:02x?} is delivered");
        }
    }
}

#[test]
fn nothing_of_a_known_weakness_arrives() {
    for known in KNOWN {
        for shape in shapes(known.cve) {
            // The first of them is a setting's; what is always so needs none.
            let always =
                known.cve == "CVE-2023-28366" && matches!(&shape, Shape::Client(_, stage, _) if !stage.is_empty());
            let terms =
                if always { Terms { patches: Patches::NONE, ..terms() } } else { guarded(known.cve, known.guard) };
            stopped(known.cve, terms, &shape);
        }
    }
}

/// Else the test above would show nothing of it.
#[test]
fn without_its_patch_or_setting_the_shape_arrives() {
    let bare = || Terms { patches: Patches::NONE, limits: Arc::new(wide()), ..terms() };
    for known in KNOWN.iter().filter(|known| matches!(known.guard, Guard::Patch(_) | Guard::Setting(_))) {
        for shape in shapes(known.cve) {
            match shape {
                Shape::First(bytes) => assert!(admit(Instant::now(), &bytes, bare()).is_ok(), "{}", known.cve),
                Shape::Client(_, stage, _) if !stage.is_empty() => {}
                Shape::Client(version, _, bytes) => {
                    let mut world = World::connected_with(version, bare(), &[], &[]);
                    world.client(&bytes);
                    assert!(world.broker_got() == bytes, "{}: {:?}", known.cve, world.end);
                }
                Shape::Broker(..) => panic!("{}: no patch is of deliveries", known.cve),
            }
        }
    }
}

/// Bounds as wide as settings can make them.
fn wide() -> Limits {
    Limits {
        max_connect_bytes: 16 << 20,
        max_control_bytes: 16 << 20,
        max_topic_bytes: 65_535,
        max_topic_levels: 65_535,
        max_user_properties: 10_000,
        ..Limits::default()
    }
}

#[test]
fn limits_as_wide_as_they_can_be_leave_the_patch_of_deep_filters() {
    let terms = Terms { limits: Arc::new(wide()), ..terms() };
    for (levels, passes) in [(200, true), (201, false)] {
        let mut world = World::connected_with(V311, terms.clone(), &[], &[]);
        let bytes = subscribe(V311, 1, &[&"/".repeat(levels - 1)]);
        world.client(&bytes);
        assert_eq!(world.broker_got() == bytes, passes, "{levels}");
        assert_eq!(world.events().iter().any(|event| event.ends_with("CVE-2019-11779")), !passes);
    }
}

#[test]
fn what_a_patch_refuses_names_it() {
    let terms = || Terms { patches: Patch::ALL.iter().fold(Patches::NONE, |all, patch| all.with(*patch)), ..terms() };
    for (shape, cve, reason) in [
        (named("#", None), "CVE-2017-7650", "client_identifier"),
        (named("x", Some("+")), "CVE-2017-7650", "user_name"),
        (named("x", Some("ann")), "CVE-2016-9877", "bad_credentials"),
        (named("<b>", None), "CVE-2020-13821", "client_identifier"),
        (Shape::First(connect_with(0x06, b"\0\x01x\0\x02$a\0\x01x")), "CVE-2018-12543", "topic"),
    ] {
        let Shape::First(bytes) = shape else { panic!("a CONNECT") };
        let end = admit(Instant::now(), &bytes, terms()).expect_err("refused").end;
        assert_eq!((end.rule.expect("a rule").as_str(), end.cause.label()), (cve, reason));
    }
    let mut world = World::connected_with(V50, terms(), &[Property::RequestProblemInformation(false)], &[]);
    world.client_gets(&publish(V50, "$a", QoS::One, 1, b"x"), &[0x40, 3, 0, 1, 0x90]);
    assert_eq!(world.events(), ["topic $a CVE-2018-12543"]);
    world.client_passes(&publish(V50, "$SYS/a", QoS::One, 1, b"x"));
    world.broker_passes(&ack(V50, PacketType::PubAck, 1));
}

fn will_delay(seconds: u32) -> Vec<u8> {
    let mut block = Vec::new();
    encode::properties([Property::WillDelayInterval(seconds), Property::UserProperty("a", "b")], &mut block);
    block
}

/// `CVE-2019-11778`: the Will is published when the session ends in any case.
#[test]
fn a_will_waits_no_longer_than_its_session_lasts() {
    let limits = Limits::default();
    let connect_for = |delay: u32, expiry: u32| {
        let block = will_delay(delay);
        let properties = Properties::new(&block, Place::Will, Direction::FromClient, &limits).expect("valid");
        let (qos, retain, response_topic) = (QoS::One, false, None);
        let will = Will { topic: "a", payload: b"x", qos, retain, response_topic, payload_is_utf8: false, properties };
        connect_bytes(&Connect { will: Some(will), ..connect(V50) }, &[Property::SessionExpiryInterval(expiry)])
    };
    for (delay, expiry, goes_on) in [(61, 60, 60), (60, 60, 60), (10, 60, 10), (1, 0, 0), (9, u32::MAX, 9)] {
        let mut world = World::opened(&connect_for(delay, expiry), terms());
        assert_eq!(world.broker_got(), connect_for(goes_on, expiry), "{delay} {expiry}");
        world.broker(&connack(V50, &[]));
        let lowered = world.events().iter().any(|event| event == "will_delay_lowered - -");
        assert_eq!(lowered, delay != goes_on, "{delay} {expiry}");
        let mut world = World::opened(&connect_for(delay, expiry), Terms { patches: Patches::NONE, ..terms() });
        assert_eq!(world.broker_got(), connect_for(delay, expiry));
    }
}

/// `CVE-2020-13849`: by a bounded Keep Alive a silent connection is over in time.
#[test]
fn a_bounded_keep_alive_ends_silent_connections_in_time() {
    use super::super::ZeroKeepAlive;
    for (version, keep_alive) in [(V311, u16::MAX), (V311, 0), (V50, u16::MAX), (V50, 0)] {
        let terms = Terms { max_keep_alive: 60, zero_keep_alive: ZeroKeepAlive::Replace, ..terms() };
        let mut world = World::opened(&connect_bytes(&Connect { keep_alive, ..connect(version) }, &[]), terms);
        world.broker(&connack(version, &[]));
        world.later(std::time::Duration::from_secs(90)).tick();
        assert_eq!(world.end.expect("an end").cause.label(), "keep_alive");
    }
}

#[test]
fn names_that_people_give_to_devices_are_let_in_by_default() {
    for name in ["PLC #3", "line#2/press", "ann+line3@example.com"] {
        let connect = Connect { client_id: name, username: Some(name), password: Some(b"x"), ..connect(V311) };
        assert!(admit(Instant::now(), &connect_bytes(&connect, &[]), terms()).is_ok(), "{name}");
    }
}

#[test]
fn the_table_is_sound() {
    let mut seen = Vec::new();
    for known in KNOWN {
        assert!(!seen.contains(&known.cve), "{} twice", known.cve);
        seen.push(known.cve);
        if let Guard::Patch(patch) = known.guard {
            assert_eq!(patch.cve(), known.cve);
        }
    }
    for patch in Patch::ALL {
        assert!(seen.contains(&patch.cve()), "{} is in no row", patch.cve());
        assert_eq!(Patches::default().has(*patch), patch.is_default());
        assert!(!Patches::default().with(*patch).without(*patch).has(*patch));
        assert_eq!(Patch::of_rule(patch.cve()), Some(*patch));
    }
    assert!(Patch::ALL.len() <= 32 && reference().lines().count() > KNOWN.len());
}
