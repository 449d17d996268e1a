//! Rules about payloads and signatures through the state machine: what a connection does with what they say, and what is
//! remembered of it. What the rules themselves take and refuse is held beside them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a panic is its way to fail"
)]
#![expect(clippy::expect_used, reason = "a test program: a panic is its way to fail")]

#[path = "enforce_rules/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use tidegate::enforce::{Kind, Quarantine, Rewrite};
use tidegate::identity::Template;
use tidegate::jwk::{Algorithm, SigningKeys};
use tidegate::mqtt::connect::Will;
use tidegate::mqtt::frame::{PacketType, QoS};
use tidegate::mqtt::property::{Place, Properties, Property};
use tidegate::mqtt::reason::ReasonCode;
use tidegate::mqtt::{Direction, Limits, Version, encode};
use tidegate::payload::{Field, Format};
use tidegate::policy::{
    Act, Bound, Change, Check, CheckedField, Draft, Grant, Interlock, MessageRule, Mode, OnDeny, PayloadFormat,
    PayloadRule, Reason, SignatureRule,
};
use tidegate::signature::{Carrier, Freshness, Message, Names, Nonce, Once, Scheme};
use world::{START, World, ack, memory, permit_all, publish, publish_with, terms};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V50];
const SIDES: [Direction; 2] = [Direction::FromClient, Direction::FromBroker];

/// A number between 0 and 100, either way.
fn range(id: &str, filter: &str) -> PayloadRule {
    let filters = vec![filter.to_owned()];
    let rule = MessageRule { publish: filters.clone(), receive: filters, ..MessageRule::new(id) };
    let field = CheckedField::Field(Field::parse("").unwrap());
    let value = Check { min: Some(Bound::Integer(0)), max: Some(Bound::Integer(100)), ..Check::new(field) };
    let format = Some(PayloadFormat::Fields(Format::Number));
    PayloadRule { rule, format, values: vec![value], ..PayloadRule::new(id) }
}

fn ranged(rule: PayloadRule) -> Draft {
    Draft { payloads: vec![rule], ..permit_all() }
}

#[test]
fn a_payload_that_a_rule_refuses_is_answered_in_every_row_as_the_rule_says() {
    for version in VERSIONS {
        for from in SIDES {
            for qos in [QoS::Zero, QoS::One, QoS::Two] {
                for on_deny in OnDeny::ALL {
                    row(version, from, qos, on_deny);
                }
            }
        }
    }
}

fn row(version: Version, from: Direction, qos: QoS, on_deny: OnDeny) {
    let memory = memory();
    let mut rule = range("range", "p/#");
    rule.rule.on_deny = on_deny;
    let mut world = World::new(version, terms(ranged(rule), &memory));
    let id = if qos == QoS::Zero { 0 } else { 9 };
    let bad = publish(version, "p/1", qos, id, b"101");
    world.send(from, &bad);
    let (told, onward) = world.got(from);
    let row = format!("{version:?} {from:?} {qos:?} {on_deny:?}");
    if on_deny == OnDeny::Monitor {
        assert_eq!((told, onward), (Vec::new(), bad), "{row}");
    } else {
        assert!(onward.is_empty() || on_deny == OnDeny::Disconnect, "{row}");
        let code = if on_deny == OnDeny::Acknowledge { ReasonCode::Success } else { ReasonCode::PayloadFormatInvalid };
        let answer = match (on_deny, qos, from) {
            (OnDeny::Disconnect, _, Direction::FromClient) if version == Version::V50 => vec![0xE0, 1, 0x99],
            (OnDeny::Disconnect, ..) | (_, QoS::Zero, _) => Vec::new(),
            (_, QoS::One, _) => ack(version, PacketType::PubAck, 9, code),
            (_, QoS::Two, Direction::FromClient) => ack(version, PacketType::PubRec, 9, code),
            (_, QoS::Two, Direction::FromBroker) => ack(version, PacketType::PubRec, 9, ReasonCode::Success),
        };
        assert_eq!(told, answer, "{row}");
    }
    let event = world.events.pop().expect("an event");
    let detail = match event.kind {
        Kind::Observed { reason: Reason::Payload, detail, .. } if on_deny == OnDeny::Monitor => detail,
        Kind::Refused { reason: Reason::Payload, detail, quarantine, .. } => {
            assert_eq!(quarantine, (on_deny == OnDeny::Quarantine).then_some(Quarantine::Queued), "{row}");
            detail
        }
        kind @ (Kind::Refused { .. } | Kind::Observed { .. } | Kind::Rewritten(_) | Kind::Throttled { .. }) => {
            panic!("{row}: {kind:?}")
        }
    };
    let detail = detail.expect("what is wrong");
    assert!(!detail.problem.is_empty() && !detail.problem.contains("101"), "{row}: {detail:?}");
    match world.end {
        None => {
            assert_ne!(on_deny, OnDeny::Disconnect);
            world.passes(Direction::FromClient, &publish(version, "p/1", QoS::Zero, 0, b"99.5"));
            world.passes(Direction::FromBroker, &publish(version, "other", QoS::Zero, 0, b"101"));
        }
        Some(end) => {
            assert_eq!((end.cause.label(), on_deny), ("payload", OnDeny::Disconnect));
            assert_eq!(end.detail, Some(detail));
        }
    }
}

fn steady(id: &str) -> PayloadRule {
    let mut rule = range(id, "p/#");
    rule.values[0].max_change = Some(Change { by: 1.0, per: Duration::from_secs(1) });
    rule
}

#[test]
fn what_was_remembered_of_values_outlives_a_reload_and_a_connection() {
    for version in VERSIONS {
        for from in SIDES {
            let memory = memory();
            let mut world = World::new(version, terms(ranged(steady("steady")), &memory));
            assert!(world.connection.watches_the_clock());
            let value = |text: &str| publish(version, "p/1", QoS::Zero, 0, text.as_bytes());
            world.passes(from, &value("10"));
            world.stays(from, &value("20"), Reason::Payload);
            world.adopt(terms(
                Draft { payloads: vec![range("other", "x/#"), steady("steady")], ..permit_all() },
                &memory,
            ));
            world.stays(from, &value("20"), Reason::Payload);
            world.later(100);
            world.passes(from, &value("10.5"));
            let mut again = World::new(version, terms(ranged(steady("steady")), &memory));
            again.unix_millis += 100;
            again.stays(from, &value("20"), Reason::Payload);
            again.later(20_000);
            again.passes(from, &value("20"));
        }
    }
}

#[test]
fn what_is_refused_for_something_else_is_not_remembered() {
    let version = Version::V50;
    let memory = memory();
    let grants =
        vec![Grant { publish: vec!["p/#".into()], receive: vec!["p/#".into()], ..Grant::new("p", &["everyone"]) }];
    let draft = || Draft { grants: grants.clone(), payloads: vec![steady("steady")], ..Draft::new("7") };
    let mut world = World::new(version, terms(draft(), &memory));
    let from = Direction::FromClient;
    let value = |text: &str, properties: &[Property<'_>]| {
        publish_with(version, ("p/1", QoS::Zero, 0, false), text.as_bytes(), properties)
    };
    world.passes(from, &value("10", &[]));
    // By where its answer is to go, which nobody may receive from.
    world.later(500);
    world.stays(from, &value("11", &[Property::ResponseTopic("forbidden")]), Reason::ResponseTopic);
    world.later(500);
    // Had 11 been remembered, this would be too much at once.
    world.passes(from, &value("9", &[]));
    // What is only observed is remembered, for it went on.
    let mut watched = steady("steady");
    watched.rule.mode = Mode::Monitor;
    world.adopt(terms(Draft { grants: grants.clone(), payloads: vec![watched], ..Draft::new("7") }, &memory));
    world.later(1000);
    world.passes(from, &value("50", &[]));
}

#[test]
fn the_plant_is_known_by_what_went_on() {
    for version in VERSIONS {
        let memory = memory();
        let interlock = Interlock {
            topic: "plant/pressure".to_owned(),
            format: Format::Number,
            field: Field::parse("").unwrap(),
            min: None,
            max: Some(Bound::Float(4.0)),
            one_of: Vec::new(),
            max_age: Duration::from_secs(10),
        };
        let publish_to = |filter: &str| MessageRule { publish: vec![filter.to_owned()], ..MessageRule::new(filter) };
        let valve = PayloadRule { rule: publish_to("valve"), interlocks: vec![interlock], ..PayloadRule::new("valve") };
        let draft = Draft { payloads: vec![valve, range("plant", "plant/+")], ..permit_all() };
        let mut world = World::new(version, terms(draft, &memory));
        let from = Direction::FromClient;
        let send = |topic: &str, text: &str| publish(version, topic, QoS::Zero, 0, text.as_bytes());
        world.stays(from, &send("valve", "open"), Reason::Interlock);
        world.passes(from, &send("plant/pressure", "3.9"));
        world.passes(from, &send("valve", "open"));
        // A reading that was refused is none; nor is a delivery, which may be old.
        world.stays(from, &send("plant/pressure", "-1"), Reason::Payload);
        world.passes(from, &send("plant/pressure", "4.1"));
        world.stays(from, &send("plant/pressure", "-1"), Reason::Payload);
        world.passes(Direction::FromBroker, &send("plant/pressure", "3"));
        world.stays(from, &send("valve", "open"), Reason::Interlock);
        world.passes(from, &send("plant/pressure", "3"));
        world.later(10_000);
        world.passes(from, &send("valve", "open"));
        world.later(1);
        world.stays(from, &send("valve", "open"), Reason::Interlock);
    }
}

const KEYS: &str = r#"{"keys":[
{"kid":"temp-07","kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn scheme(carrier: Carrier) -> Scheme {
    let (max_age, clock_skew) = (Some(Duration::from_secs(30)), Duration::from_secs(5));
    Scheme { carrier, algorithms: vec![Algorithm::EdDsa], max_age, clock_skew, freshness: Freshness::Either }
}

fn keys() -> SigningKeys {
    SigningKeys::parse(KEYS.as_bytes()).expect("keys")
}

fn stripped(carrier: Carrier) -> Draft {
    let filters = vec!["c/#".to_owned()];
    let rule = MessageRule { publish: filters.clone(), receive: filters, ..MessageRule::new("signed") };
    let signed = SignatureRule {
        rule,
        ..SignatureRule::new("signed", scheme(carrier), Act::Strip(Arc::new(keys().checking())))
    };
    Draft { signatures: vec![signed], ..permit_all() }
}

/// A signed message: its payload and its User Properties.
fn sign(carrier: Carrier, payload: &[u8], unix_millis: i64, number: u64) -> (Vec<u8>, Vec<(String, String)>) {
    let nonce = || Nonce::new(&number.to_be_bytes()).unwrap();
    let once = if carrier == Carrier::Trailer { Once::Counter(number) } else { Once::Nonce(nonce()) };
    let (scheme, keys) = (scheme(carrier), keys());
    let message = Message { topic: "c/1", payload };
    let sealed = scheme.sign(keys.get("temp-07").unwrap(), message, &once, Some(unix_millis)).expect("a signature");
    (sealed.payload.unwrap_or_else(|| payload.to_vec()), sealed.add_properties)
}

fn carriers(version: Version) -> Vec<Carrier> {
    let mut carriers =
        vec![Carrier::Jws, Carrier::Cose, Carrier::Trailer, Carrier::JsonField(Field::parse("/sig").unwrap())];
    if version == Version::V50 {
        carriers.extend([Carrier::UserProperty(Names::default()), Carrier::JwsDetached("jws".into())]);
    }
    carriers
}

#[test]
fn a_signature_is_taken_off_once_and_its_repeat_is_no_replay() {
    for version in VERSIONS {
        for carrier in carriers(version) {
            for from in SIDES {
                let memory = memory();
                let mut world = World::new(version, terms(stripped(carrier.clone()), &memory));
                assert!(world.connection.watches_the_clock());
                let plain = br#"{"open":true}"#;
                let (payload, added) = sign(carrier.clone(), plain, START, 1);
                let mine = Property::UserProperty("line", "1");
                let kept = if version == Version::V50 { vec![mine] } else { Vec::new() };
                let added = added.iter().map(|(name, value)| Property::UserProperty(name, value));
                let all: Vec<Property<'_>> = added.chain(kept.iter().copied()).collect();
                let came = |id, dup| publish_with(version, ("c/1", QoS::One, id, dup), &payload, &all);
                let goes = |id, dup| publish_with(version, ("c/1", QoS::One, id, dup), plain, &kept);
                world.turns_into(from, &came(1, false), &goes(1, false));
                world.turns_into(from, &came(1, true), &goes(1, true));
                let event = world.events.pop().expect("an event");
                assert_eq!(event.kind, Kind::Rewritten(Rewrite::SignatureStripped));
                // As another message it is played again.
                world.send(from, &came(2, false));
                assert_eq!(
                    world.got(from),
                    (ack(version, PacketType::PubAck, 2, ReasonCode::NotAuthorized), Vec::new())
                );
                let event = world.events.pop().expect("an event");
                assert!(matches!(event.kind, Kind::Refused { reason: Reason::Replayed, .. }), "{event:?}");
                // In any pieces.
                let (payload, added) = sign(carrier.clone(), plain, START, 2);
                let all: Vec<Property<'_>> =
                    added.iter().map(|(name, value)| Property::UserProperty(name, value)).collect();
                let came = publish_with(version, ("c/1", QoS::Zero, 0, false), &payload, &all);
                came.iter().for_each(|byte| world.send(from, &[*byte]));
                assert_eq!(world.got(from).1, publish(version, "c/1", QoS::Zero, 0, plain));
                // Time passes, and the age of the next is counted from its own.
                world.later(40_000);
                let (payload, added) = sign(carrier.clone(), plain, START, 3);
                let all: Vec<Property<'_>> =
                    added.iter().map(|(name, value)| Property::UserProperty(name, value)).collect();
                world.stays(from, &publish_with(version, ("c/1", QoS::Zero, 0, false), &payload, &all), Reason::Stale);
            }
        }
    }
}

#[test]
fn a_signed_will_is_verified_once_and_goes_on_plain() {
    for version in VERSIONS {
        for carrier in carriers(version) {
            let memory = memory();
            let plain = br#"{"open":false}"#;
            let (payload, added) = sign(carrier.clone(), plain, START, 1);
            let mut block = Vec::new();
            encode::properties(added.iter().map(|(name, value)| Property::UserProperty(name, value)), &mut block);
            let limits = Limits::default();
            let properties = Properties::new(&block, Place::Will, Direction::FromClient, &limits).unwrap();
            let will = |payload| Will {
                topic: "c/1",
                payload,
                qos: QoS::One,
                retain: false,
                response_topic: None,
                payload_is_utf8: false,
                properties,
            };
            let draft = || stripped(carrier.clone());
            let opened = World::open(version, terms(draft(), &memory), Some(will(&payload)));
            let (mut world, rewritten) = opened.map_err(|end| end.cause).expect("CONNECT is permitted");
            let rewritten = rewritten.expect("another CONNECT");
            assert!(rewritten.ends_with(plain) && rewritten.len() < payload.len() + block.len() + 100);
            assert_eq!(world.events[0].kind, Kind::Rewritten(Rewrite::SignatureStripped));
            // Long after, under another policy with the same rule: not too old, and not played again.
            world.later(3_600_000);
            world.adopt(terms(draft(), &memory));
            assert_eq!(world.end, None);
            // Under one that holds it for another's, it goes.
            let mut other = draft();
            other.signatures[0].key_id = vec![Template::parse("another").unwrap()];
            world.adopt(terms(other, &memory));
            assert_eq!(world.end.map(|end| end.cause.label()), Some("signature"));
            // Who comes back brings it again, until it is too old; another may not.
            let again = World::open(version, terms(draft(), &memory), Some(will(&payload)));
            assert!(again.is_ok(), "{carrier:?}");
            let by = |name: &str, unix_millis| {
                let opened = World::open_as(version, terms(draft(), &memory), Some(will(&payload)), name, unix_millis);
                opened.err().expect("refused").cause.label()
            };
            assert_eq!((by("temp-07", START + 40_000), by("another", START)), ("stale", "replayed"));
            let none = Will { properties: Properties::NONE, ..will(plain) };
            let end = World::open(version, terms(draft(), &memory), Some(none)).err().expect("refused");
            assert!(matches!(end.cause.label(), "unsigned" | "signature"), "{carrier:?}: {}", end.cause.label());
        }
    }
}

#[test]
fn where_no_rule_looks_at_the_time_nobody_is_asked_for_it() {
    let memory = memory();
    for draft in [permit_all(), ranged(range("range", "p/#"))] {
        let world = World::new(Version::V311, terms(draft, &memory));
        assert!(!world.connection.watches_the_clock());
    }
}
