//! Messages that go on changed, either way: what changes, what does not, and when there is no room for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::Terms;
use super::world::{VERSIONS, World, ack, ack_with, admit, connect, connect_bytes, dup, publish, publish_with, terms};
use crate::identity::Identity;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{Draft, Message, Policy, Reason, Request, Rewrite, Rewritten, Rule, Verdict};

const SIDES: [Direction; 2] = [Direction::FromClient, Direction::FromBroker];
const ALL_QOS: [(QoS, u16); 3] = [(QoS::Zero, 0), (QoS::One, 7), (QoS::Two, 7)];
const SILENT: Property<'static> = Property::RequestProblemInformation(false);
const SIGNATURE: (&str, &str) = ("sig", "made");

/// By the first level of a topic: `strip` takes off what stands behind the last `|` of a payload, and denies where there
/// is none; `sign` puts it there. `detach` and `attach` do so with the User Property `sig`.
#[derive(Clone, Debug, Default)]
struct Notary {
    accepted: Arc<AtomicUsize>,
}

/// Payloads of `strip` may have so many bytes.
const CAP: usize = 200;

fn message<'r>(request: &Request<'r>) -> Option<Message<'r>> {
    match *request {
        Request::Will(message) | Request::Publish(message) | Request::Receive(message) => Some(message),
        Request::Connect(_) | Request::Subscribe(_) | Request::Respond(_) => None,
    }
}

fn word<'m>(message: &Message<'m>) -> &'m str {
    message.topic.split('/').next().unwrap_or_default()
}

impl Rule for Notary {
    fn id(&self) -> &str {
        "notary"
    }

    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        let Some(message) = message(request) else { return Verdict::Silent };
        match (word(&message), message.payload) {
            ("strip", _) if message.payload_bytes > CAP => Verdict::Deny(Reason::PayloadSize),
            ("strip" | "sign" | "attach" | "detach", None) => Verdict::Deny(Reason::Payload),
            ("strip", Some(payload)) if !payload.contains(&b'|') => Verdict::Deny(Reason::Unsigned),
            _ => Verdict::Silent,
        }
    }

    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        match word(message) {
            "strip" => message.payload_bytes <= CAP,
            word => matches!(word, "sign" | "attach" | "detach"),
        }
    }

    fn rewrite(&self, _: &Identity, request: &Request<'_>) -> Option<Box<Rewrite>> {
        let message = message(request)?;
        let payload = message.payload?;
        let none =
            Rewrite { what: Rewritten::Signed, payload: None, drop_properties: Vec::new(), add_properties: Vec::new() };
        let (name, value) = SIGNATURE;
        Some(Box::new(match word(&message) {
            "strip" => {
                let end = payload.iter().rposition(|byte| *byte == b'|')?;
                Rewrite { what: Rewritten::Stripped, payload: Some(payload[..end].to_vec()), ..none }
            }
            "sign" => Rewrite { payload: Some([payload, b"|signed"].concat()), ..none },
            "detach" => Rewrite { what: Rewritten::Stripped, drop_properties: vec![name.into()], ..none },
            "attach" => Rewrite { add_properties: vec![(name.into(), value.into())], ..none },
            _ => return None,
        }))
    }

    fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

fn with(notary: &Notary) -> Terms {
    let policy = Policy::new(Draft { permit_all: true, ..Draft::new("7") }).expect("a policy");
    let rules: Vec<Box<dyn Rule>> = vec![Box::new(notary.clone())];
    Terms { policy: Arc::new(policy.with_rules(rules)), ..terms() }
}

fn world(v: Version) -> World {
    World::connected_with(
        v,
        with(&Notary::default()),
        &[SILENT, Property::TopicAliasMaximum(5)],
        &[Property::TopicAliasMaximum(5)],
    )
}

impl World {
    /// What the other peer got for `bytes`, with nothing said to the sender.
    #[track_caller]
    fn turns_into(&mut self, from: Direction, bytes: &[u8], expected: &[u8]) -> &mut Self {
        self.sends(from, bytes);
        assert_eq!(self.end, None);
        let (client, broker) = (self.client_got(), self.broker_got());
        let (to_sender, onward) = if from == Direction::FromClient { (client, broker) } else { (broker, client) };
        assert_eq!((to_sender, onward), (Vec::new(), expected.to_vec()));
        self
    }
}

#[test]
fn a_payload_goes_on_as_another_and_nothing_else_changes() {
    for v in VERSIONS {
        for from in SIDES {
            for (qos, id) in ALL_QOS {
                let mut world = world(v);
                for (topic, came, goes, event) in [
                    ("strip/a", &b"42|signed"[..], &b"42"[..], "signature_stripped strip/a -"),
                    ("sign/a", b"42", b"42|signed", "signed sign/a -"),
                ] {
                    let came = publish(v, topic, qos, id, came);
                    let goes = publish(v, topic, qos, id, goes);
                    world.turns_into(from, &came, &goes);
                    assert_eq!(world.events(), [event]);
                    if qos != QoS::Zero {
                        // And so does a repeat.
                        world.turns_into(from, &dup(came), &dup(goes));
                        assert_eq!(world.events(), [event]);
                        let (other, code) = (from.opposite(), if qos == QoS::One { PubAck } else { PubRec });
                        world.turns_into(other, &ack(v, code, id), &ack(v, code, id));
                        world.turns_into(other, &ack(v, code, id), &ack(v, code, id));
                    }
                    if qos == QoS::Two {
                        world.turns_into(from, &ack(v, PubRel, id), &ack(v, PubRel, id));
                        world.turns_into(from.opposite(), &ack(v, PubComp, id), &ack(v, PubComp, id));
                    }
                    let mut retained = publish(v, topic, QoS::Zero, 0, b"42|signed");
                    retained[0] |= 1;
                    world.sends(from, &retained);
                    let got = if from == Direction::FromClient { world.broker_got() } else { world.client_got() };
                    assert_eq!(got[0], 0x31);
                    world.events();
                }
            }
        }
    }
}

#[test]
fn user_properties_come_and_go_and_the_others_stay_in_their_order() {
    let v = Version::V50;
    let properties = |from: Direction, signature: bool, last: bool| {
        let mut all = vec![
            Property::UserProperty("b", "1"),
            Property::ContentType("text"),
            Property::CorrelationData(b"\x00\xFF"),
            Property::UserProperty("a", "2"),
            Property::MessageExpiryInterval(60),
            Property::UserProperty("b", "1"),
        ];
        if from == Direction::FromBroker {
            all.push(Property::SubscriptionIdentifier(200.try_into().unwrap()));
            all.push(Property::SubscriptionIdentifier(1.try_into().unwrap()));
        }
        if signature {
            all.insert(2, Property::UserProperty("sig", "one"));
            all.insert(4, Property::UserProperty("sig", "two"));
        }
        if last {
            all.push(Property::UserProperty(SIGNATURE.0, SIGNATURE.1));
        }
        all
    };
    for from in SIDES {
        for (qos, id) in ALL_QOS {
            let mut world = world(v);
            let came = publish_with(v, "detach/a", qos, id, b"42", &properties(from, true, false));
            let goes = publish_with(v, "detach/a", qos, id, b"42", &properties(from, false, false));
            world.turns_into(from, &came, &goes);
            let id = if id == 0 { 0 } else { 8 };
            let came = publish_with(v, "attach/a", qos, id, b"42", &properties(from, false, false));
            let goes = publish_with(v, "attach/a", qos, id, b"42", &properties(from, false, true));
            world.turns_into(from, &came, &goes);
            assert_eq!(world.events(), ["signature_stripped detach/a -", "signed attach/a -"]);
        }
    }
}

#[test]
fn a_signature_that_mqtt_has_no_place_for_is_no_reason_to_go_on_without() {
    for v in [Version::V31, Version::V311] {
        for from in SIDES {
            let mut world = world(v);
            world.sends(from, &publish(v, "attach/a", QoS::Zero, 0, b"42"));
            assert_eq!((world.client_got(), world.broker_got()), (Vec::new(), Vec::new()));
            assert_eq!(world.events(), ["unsigned attach/a user_properties"]);
        }
    }
}

#[test]
fn topic_aliases_stay_in_step() {
    let v = Version::V50;
    let by = |topic: &str, payload: &[u8]| {
        publish_with(v, topic, QoS::Zero, 0, payload, &[Property::TopicAlias(2.try_into().unwrap())])
    };
    for from in SIDES {
        let mut world = world(v);
        world.turns_into(from, &by("strip/a", b"1|x"), &by("strip/a", b"1"));
        world.turns_into(from, &by("", b"2|x"), &by("", b"2"));
        assert_eq!(world.events(), vec!["signature_stripped strip/a -"; 2]);
        // What set the alias was refused: the next brings the name, and is changed as well.
        world.turns_into(from, &by("strip/b", b"unsigned"), &[]).turns_into(
            from,
            &by("", b"3|x"),
            &by("strip/b", b"3"),
        );
        assert_eq!(
            world.events(),
            ["unsigned strip/b notary", "topic_name_restored strip/b -", "signature_stripped strip/b -"]
        );
        world.turns_into(from, &by("", b"4|x"), &by("", b"4"));
    }
}

#[test]
fn a_name_that_is_put_back_has_the_room_that_a_signature_leaves() {
    let v = Version::V50;
    let by = |topic: &str, payload: &[u8]| {
        publish_with(v, topic, QoS::Zero, 0, payload, &[Property::TopicAlias(2.try_into().unwrap())])
    };
    let topic = format!("strip/{}", "x".repeat(30));
    let max = Property::MaximumPacketSize(70.try_into().unwrap());
    let came = by("", &[b"1|".as_slice(), &[b'x'; 40]].concat());
    for from in SIDES {
        let both = [SILENT, max, Property::TopicAliasMaximum(5)];
        let mut world = World::connected_with(v, with(&Notary::default()), &both, &both[1..]);
        world.turns_into(from, &by(&topic, b"unsigned"), &[]).turns_into(from, &came, &by(&topic, b"1"));
    }
}

#[test]
fn neighbours_in_one_read_go_on_in_order_however_it_is_cut() {
    for v in VERSIONS {
        let came = [
            publish(v, "a", QoS::One, 1, b"plain"),
            publish(v, "strip/a", QoS::One, 2, b"42|signed"),
            publish(v, "sign/a", QoS::Zero, 0, b""),
            publish(v, "a", QoS::One, 3, b"plain"),
            publish(v, "strip/a", QoS::Zero, 0, b"unsigned"),
            publish(v, "strip/b", QoS::Two, 4, b"|"),
            publish(v, "b", QoS::Zero, 0, b"last"),
        ];
        let goes = [
            came[0].clone(),
            publish(v, "strip/a", QoS::One, 2, b"42"),
            publish(v, "sign/a", QoS::Zero, 0, b"|signed"),
            came[3].clone(),
            publish(v, "strip/b", QoS::Two, 4, b""),
            came[6].clone(),
        ]
        .concat();
        let came = came.concat();
        for from in SIDES {
            let got = |cuts: &mut dyn Iterator<Item = usize>| {
                let mut world = world(v);
                let mut at = 0;
                for cut in cuts {
                    world.sends(from, &came[at..cut]);
                    at = cut;
                }
                world.sends(from, &came[at..]);
                assert_eq!(world.end, None);
                assert_eq!(world.events().len(), 4);
                if from == Direction::FromClient { world.broker_got() } else { world.client_got() }
            };
            assert_eq!(got(&mut std::iter::empty()), goes);
            assert_eq!(got(&mut (1..came.len())), goes);
            for cut in 1..came.len() {
                assert_eq!(got(&mut std::iter::once(cut)), goes);
            }
        }
    }
}

/// What the sender is told of a message that is refused for its size: 0x97.
fn refusal(v: Version, from: Direction, qos: QoS) -> Vec<u8> {
    let code = if v == Version::V50 { ReasonCode::QuotaExceeded } else { ReasonCode::Success };
    match (qos, from) {
        (QoS::Zero, _) => Vec::new(),
        (QoS::One, _) => ack_with(v, PubAck, 7, code),
        (QoS::Two, Direction::FromClient) => ack_with(v, PubRec, 7, code),
        (QoS::Two, Direction::FromBroker) => ack(v, PubRec, 7),
    }
}

#[test]
fn what_would_be_too_large_for_its_receiver_is_refused_and_not_remembered() {
    let v = Version::V50;
    for (qos, id) in ALL_QOS {
        let came = publish(v, "sign/a", qos, id, &[b'x'; 60]);
        let max = Property::MaximumPacketSize(u32::try_from(came.len() + 6).unwrap().try_into().unwrap());
        let fits = publish(v, "sign/a", qos, id, &[b'x'; 59]);
        for from in SIDES {
            let notary = Notary::default();
            let mut world = World::connected_with(v, with(&notary), &[SILENT, max], &[max]);
            world.sends(from, &came);
            let (client, broker) = (world.client_got(), world.broker_got());
            let (told, onward) = if from == Direction::FromClient { (client, broker) } else { (broker, client) };
            assert_eq!((told, onward), (refusal(v, from, qos), Vec::new()));
            assert_eq!(world.events(), ["too_large sign/a maximum_packet_size"]);
            assert_eq!(notary.accepted.load(Ordering::Relaxed), 0);
            if qos == QoS::Zero {
                world.turns_into(from, &fits, &publish(v, "sign/a", qos, id, &[&[b'x'; 59][..], b"|signed"].concat()));
                assert_eq!(notary.accepted.load(Ordering::Relaxed), 1);
            }
        }
    }
}

#[test]
fn what_would_be_larger_than_the_gateway_forwards_is_refused() {
    for v in VERSIONS {
        for from in SIDES {
            let came = publish(v, "sign/a", QoS::One, 7, &[b'x'; 80]);
            let limits = Limits { max_packet_bytes: came.len() + 6, ..Limits::default() };
            let properties = [SILENT];
            let properties = if v == Version::V50 { &properties[..] } else { &[] };
            let terms = Terms { limits: limits.into(), ..with(&Notary::default()) };
            let mut world = World::connected_with(v, terms, properties, &[]);
            world.sends(from, &came);
            // A 5.0 client has been told so.
            let told = v == Version::V50 && from == Direction::FromClient;
            let rule = if told { "maximum_packet_size" } else { "max_packet_bytes" };
            assert_eq!(world.events(), [format!("too_large sign/a {rule}")]);
            let (client, broker) = (world.client_got(), world.broker_got());
            let (told, onward) = if from == Direction::FromClient { (client, broker) } else { (broker, client) };
            assert_eq!((told, onward), (refusal(v, from, QoS::One), Vec::new()));
        }
    }
}

#[test]
fn above_the_threshold_it_is_kept_whole_within_the_cap_of_the_rule() {
    for v in VERSIONS {
        for from in SIDES {
            for (qos, id) in ALL_QOS {
                let notary = Notary::default();
                let small = Terms { stream_threshold_bytes: 50, max_buffered_bytes: 300, ..with(&notary) };
                let properties = [SILENT];
                let properties = if v == Version::V50 { &properties[..] } else { &[] };
                let mut world = World::connected_with(v, small, properties, &[]);
                let came = publish(v, "strip/a", qos, id, &[&[b'x'; 150][..], b"|s"].concat());
                for (at, byte) in came.iter().enumerate() {
                    world.sends(from, &[*byte]);
                    let onward = if from == Direction::FromClient { world.broker_got() } else { world.client_got() };
                    let whole = publish(v, "strip/a", qos, id, &[b'x'; 150]);
                    assert_eq!(onward, if at + 1 == came.len() { whole } else { Vec::new() });
                }
                assert_eq!(world.events(), ["signature_stripped strip/a -"]);
                assert_eq!(notary.accepted.load(Ordering::Relaxed), 1);
                // Over the cap it is refused as soon as its head is there, and answered once it has passed.
                let id = if id == 0 { 0 } else { 8 };
                let large = publish(v, "strip/a", qos, id, &[b'x'; 500]);
                world.sends(from, &large[..30]);
                assert_eq!(world.events(), ["payload_size strip/a notary"]);
                world.sends(from, &large[30..400]);
                assert_eq!((world.client_got(), world.broker_got()), (Vec::new(), Vec::new()));
                world.sends(from, &large[400..]);
                assert_eq!((world.end.clone(), world.events()), (None, Vec::new()));
                let told = if from == Direction::FromClient { world.client_got() } else { world.broker_got() };
                assert_eq!(told.is_empty(), qos == QoS::Zero);
                // Over the bound on what is kept, too.
                let large = publish(v, "sign/a", QoS::Zero, 0, &[b'x'; 500]);
                world.sends(from, &large);
                assert_eq!(world.events(), ["payload sign/a notary"]);
                assert_eq!((world.client_got(), world.broker_got()), (Vec::new(), Vec::new()));
                assert_eq!(notary.accepted.load(Ordering::Relaxed), 1);
            }
        }
    }
}

#[test]
fn a_payload_that_goes_on_must_be_the_text_it_says_it_is() {
    let v = Version::V50;
    let text = [Property::PayloadFormatIndicator(true)];
    for from in SIDES {
        let mut world = world(v);
        // Cut in the middle of a character.
        world.turns_into(
            from,
            &publish_with(v, "strip/a", QoS::Zero, 0, "ä|s".as_bytes(), &text),
            &publish_with(v, "strip/a", QoS::Zero, 0, "ä".as_bytes(), &text),
        );
        world.turns_into(from, &publish_with(v, "strip/a", QoS::Zero, 0, b"\xC3|\xA4", &text), &[]);
        assert_eq!(world.events(), ["signature_stripped strip/a -", "payload_format strip/a payload_format_indicator"]);
    }
}

#[test]
fn what_goes_on_is_remembered_once_and_what_does_not_never() {
    for v in VERSIONS {
        for from in SIDES {
            let notary = Notary::default();
            let mut world = World::connected_with(v, with(&notary), &[], &[]);
            let count = || notary.accepted.swap(0, Ordering::Relaxed);
            world.sends(from, &publish(v, "a", QoS::One, 1, b"x"));
            assert_eq!(count(), 1);
            world.sends(from, &dup(publish(v, "a", QoS::One, 1, b"x")));
            assert_eq!(count(), 1);
            world.sends(from, &publish(v, "strip/a", QoS::One, 2, b"x"));
            assert_eq!(count(), 0);
            if v == Version::V50 {
                let utf8 = publish_with(v, "a", QoS::Zero, 0, b"\xFF", &[Property::PayloadFormatIndicator(true)]);
                world.sends(from, &utf8);
                assert_eq!(count(), 0);
            }
        }
    }
}

fn will<'a>(topic: &'a str, payload: &'a [u8], properties: Properties<'a>) -> Will<'a> {
    let (response_topic, payload_is_utf8) = (None, false);
    Will { topic, payload, qos: QoS::One, retain: true, response_topic, payload_is_utf8, properties }
}

#[test]
fn a_will_goes_on_changed_and_the_rest_of_connect_as_it_came() {
    let limits = Limits::default();
    for v in VERSIONS {
        for (topic, came, goes, event) in [
            ("strip/a", &b"gone|signed"[..], &b"gone"[..], "signature_stripped strip/a -"),
            ("sign/a", b"gone", b"gone|signed", "signed sign/a -"),
        ] {
            let base = Connect { username: Some("user"), password: Some(b"word"), ..connect(v) };
            let came = Connect { will: Some(will(topic, came, Properties::NONE)), ..base };
            let goes = Connect { will: Some(will(topic, goes, Properties::NONE)), ..base };
            let notary = Notary::default();
            let mut world = World::opened(&connect_bytes(&came, &[]), with(&notary));
            assert_eq!(world.broker_got(), connect_bytes(&goes, &[]));
            world.client(&[]);
            assert_eq!(world.events(), [event]);
            assert_eq!(notary.accepted.load(Ordering::Relaxed), 1);
            // It stays what it was to the policy: it is not taken for one that was never signed.
            world.adopt(with(&notary), None);
            assert_eq!((world.end.clone(), notary.accepted.load(Ordering::Relaxed)), (None, 1));
        }
    }
    let v = Version::V50;
    let block = |properties: &[Property<'_>]| {
        let mut block = Vec::new();
        crate::mqtt::encode::properties(properties.iter().copied(), &mut block);
        block
    };
    let delay = Property::WillDelayInterval(5);
    let (name, value) = SIGNATURE;
    let (plain, signed) = (block(&[delay]), block(&[delay, Property::UserProperty(name, value)]));
    let of = |block| Properties::new(block, Place::Will, Direction::FromClient, &limits).unwrap();
    for (topic, came, goes) in [("attach/a", &plain, &signed), ("detach/a", &signed, &plain)] {
        let came = Connect { will: Some(will(topic, b"gone", of(came))), ..connect(v) };
        let goes = Connect { will: Some(will(topic, b"gone", of(goes))), ..connect(v) };
        // Else the Will would not wait for longer than its session.
        let lasts = [Property::SessionExpiryInterval(5)];
        let mut world = World::opened(&connect_bytes(&came, &lasts), with(&Notary::default()));
        assert_eq!(world.broker_got(), connect_bytes(&goes, &lasts));
    }
}

#[test]
fn a_will_that_is_refused_or_has_no_room_for_its_signature_refuses_connect() {
    let now = std::time::Instant::now();
    let long = vec![b'x'; 65_530];
    for v in VERSIONS {
        let code = |new, old| if v == Version::V50 { vec![0x20, 3, 0, new, 0] } else { vec![0x20, 2, 0, old] };
        for (will, cause, rule, reply) in [
            (will("strip/a", b"unsigned", Properties::NONE), "unsigned", "notary", code(0x87, 5)),
            (will("sign/a", &long, Properties::NONE), "too_large", "max_packet_bytes", code(0x95, 5)),
        ] {
            let connect = Connect { will: Some(will), ..connect(v) };
            let limits = Limits { max_connect_bytes: 1 << 20, ..Limits::default() };
            let notary = Notary::default();
            let terms = Terms { limits: limits.into(), ..with(&notary) };
            let properties = if v == Version::V50 { &[SILENT][..] } else { &[] };
            let refusal = admit(now, &connect_bytes(&connect, properties), terms).expect_err("it is refused");
            let told = refusal.end.rule.as_ref().map(|rule| rule.as_str());
            assert_eq!((refusal.end.cause.label(), told), (cause, Some(rule)));
            assert_eq!(refusal.reply, reply);
            assert_eq!(notary.accepted.load(Ordering::Relaxed), 0);
        }
    }
}
