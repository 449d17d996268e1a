//! The table of refusals, row by row: every packet, version, `on_deny` and reason, either way.

use super::super::refusal::{Answer, Subject, answer};
use super::world::{
    VERSIONS, WORDS, World, ack, ack_with, admit, connect, connect_bytes, disconnect, dup, publish, publish_with,
    subscribe, terms,
};
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Properties, Property};
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version};
use crate::policy::{OnDeny, Reason};
use std::time::Instant;

const QOS: [QoS; 3] = [QoS::Zero, QoS::One, QoS::Two];
const SIDES: [Direction; 2] = [Direction::FromClient, Direction::FromBroker];

/// Without Reason Strings.
fn world(version: Version) -> World {
    World::connected_with(version, terms(), &[Property::RequestProblemInformation(false)], &[])
}

fn each(mut visit: impl FnMut(Version, &'static str, OnDeny, Reason)) {
    for version in VERSIONS {
        for (word, on_deny) in WORDS {
            for reason in Reason::ALL {
                visit(version, word, on_deny, reason);
            }
        }
    }
}

impl World {
    pub(super) fn sends(&mut self, from: Direction, bytes: &[u8]) -> &mut Self {
        match from {
            Direction::FromClient => self.client(bytes),
            Direction::FromBroker => self.broker(bytes),
        }
    }

    /// What the sender got, and what the other peer did.
    fn got(&mut self, sender: Direction) -> (Vec<u8>, Vec<u8>) {
        let (client, broker) = (self.client_got(), self.broker_got());
        if sender == Direction::FromClient { (client, broker) } else { (broker, client) }
    }

    /// The sender's packet stays here and is answered so.
    #[track_caller]
    fn answers(&mut self, from: Direction, bytes: &[u8], answer: &[u8]) -> &mut Self {
        self.sends(from, bytes);
        assert_eq!((self.end.clone(), self.got(from)), (None, (answer.to_vec(), Vec::new())));
        self
    }

    /// The sender's packet goes on.
    #[track_caller]
    fn passes(&mut self, from: Direction, bytes: &[u8]) -> &mut Self {
        self.sends(from, bytes);
        assert_eq!((self.end.clone(), self.got(from)), (None, (Vec::new(), bytes.to_vec())));
        self
    }
}

#[test]
fn a_refused_publish_is_answered_as_the_table_says_whoever_sent_it() {
    each(|v, word, on_deny, reason| {
        for from in SIDES {
            for qos in QOS {
                let subject = match from {
                    Direction::FromClient => Subject::Publish(qos),
                    Direction::FromBroker => Subject::Delivery(qos),
                };
                let id = if qos == QoS::Zero { 0 } else { 9 };
                let topic = format!("{word}-{}/a", reason.label());
                let packet = publish(v, &topic, qos, id, b"x");
                let mut world = world(v);
                world.sends(from, &packet);
                let row = format!("{v:?} {word} {reason:?} {qos:?} {from:?}");
                assert_eq!(world.events.len(), 1, "{row}");
                let kind = world.kinds();
                let (back, onward) = world.got(from);
                assert_eq!(world.quarantined.len(), usize::from(on_deny == OnDeny::Quarantine), "{row}");
                let expected = match on_deny {
                    OnDeny::Reject | OnDeny::Acknowledge | OnDeny::Disconnect => "refused",
                    OnDeny::Quarantine => "queued",
                    OnDeny::Monitor => "observed",
                };
                assert_eq!(kind, [expected], "{row}");
                match answer(subject, v, on_deny, reason) {
                    Answer::GoesOn => assert_eq!((back, onward), (Vec::new(), packet), "{row}"),
                    Answer::Nothing => assert_eq!((back, onward), (Vec::new(), Vec::new()), "{row}"),
                    Answer::PubAck(code) => assert_eq!((back, onward), (ack_with(v, PubAck, 9, code), vec![]), "{row}"),
                    Answer::PubRec(code) => {
                        assert_eq!((back, onward), (ack_with(v, PubRec, 9, code), vec![]), "{row}");
                        if !code.is_error() {
                            world.answers(from, &ack(v, PubRel, 9), &ack(v, PubComp, 9));
                        }
                    }
                    given @ (Answer::Disconnect(_) | Answer::Close) => {
                        let code = if let Answer::Disconnect(code) = given { disconnect(code.value()) } else { vec![] };
                        let to_client = if from == Direction::FromClient { back } else { onward };
                        let end = world.end.as_ref().expect("an end");
                        let blame = if from == Direction::FromClient { "client" } else { "gateway" };
                        assert_eq!((end.cause.label(), end.blame.label()), (reason.label(), blame), "{row}");
                        assert_eq!(end.rule.as_ref().map(|rule| rule.as_str()), Some("by-topic"));
                        assert_eq!(to_client, code, "{row}");
                        continue;
                    }
                    Answer::ConnAck(_) | Answer::SubAck(_) | Answer::Granted => panic!("{row}"),
                }
                assert_eq!(world.end, None, "{row}");
                if on_deny != OnDeny::Monitor {
                    assert!(world.connection.is_quiet(), "{row}");
                    // The identifier is free at once.
                    world.passes(from, &publish(v, "a", QoS::Two, 9, b""));
                }
            }
        }
    });
}

#[test]
fn a_refused_filter_is_answered_as_the_table_says() {
    each(|v, word, on_deny, reason| {
        let filter = format!("{word}-{}/#", reason.label());
        let ask = subscribe(v, 1, &[&filter]);
        let mut world = world(v);
        world.client(&ask);
        let row = format!("{v:?} {word} {reason:?}");
        assert_eq!(world.kinds(), [if on_deny == OnDeny::Monitor { "observed" } else { "refused" }], "{row}");
        let own = |code: u8| super::world::suback(v, 1, &[code]);
        match answer(Subject::Filter, v, on_deny, reason) {
            Answer::GoesOn => assert_eq!(world.broker_got(), ask, "{row}"),
            Answer::SubAck(code) => assert_eq!(world.client_got(), own(code.value()), "{row}"),
            Answer::Granted => assert_eq!(world.client_got(), own(1), "{row}"),
            Answer::Close => world.ended(reason.label(), "client", &[]),
            Answer::Disconnect(code) => world.ended(reason.label(), "client", &disconnect(code.value())),
            Answer::Nothing | Answer::ConnAck(_) | Answer::PubAck(_) | Answer::PubRec(_) => panic!("{row}"),
        }
        assert!(world.broker_got().is_empty(), "{row}");
    });
}

/// What a CONNECT with this Will topic, or of this client, is answered.
fn opening(v: Version, client_id: &str, will: Option<&str>) -> Option<Vec<u8>> {
    let will = will.map(|topic| Will {
        topic,
        payload: b"gone",
        qos: QoS::One,
        retain: true,
        response_topic: None,
        payload_is_utf8: false,
        properties: Properties::NONE,
    });
    let connect = Connect { client_id, will, request_problem_information: false, ..connect(v) };
    let bytes = connect_bytes(&connect, &[Property::RequestProblemInformation(false)]);
    admit(Instant::now(), &bytes, terms()).err().map(|refusal| refusal.reply)
}

#[test]
fn a_refused_connect_or_will_is_answered_as_the_table_says() {
    each(|v, word, on_deny, reason| {
        let name = format!("{word}-{}", reason.label());
        for (subject, reply) in
            [(Subject::Connect, opening(v, &name, None)), (Subject::Will, opening(v, "temp-07", Some(&name)))]
        {
            let given = answer(subject, v, on_deny, reason);
            let expected = if let Answer::ConnAck(code) = given {
                let old = || vec![0x20, 2, 0, code.return_code().expect("a return code")];
                Some(if v == Version::V50 { vec![0x20, 3, 0, code.value(), 0] } else { old() })
            } else {
                assert_eq!(given, Answer::GoesOn);
                None
            };
            assert_eq!(reply, expected, "{v:?} {name} {subject:?}");
        }
    });
}

#[test]
fn what_is_only_observed_of_a_connect_is_told_with_the_first_answer() {
    for v in VERSIONS {
        let will = Will {
            topic: "watch-qos/will",
            payload: b"gone",
            qos: QoS::One,
            retain: false,
            response_topic: None,
            payload_is_utf8: false,
            properties: Properties::NONE,
        };
        let watched = Connect { client_id: "watch", will: Some(will), ..connect(v) };
        let mut world = World::opened(&connect_bytes(&watched, &[]), terms());
        assert!(world.events().is_empty());
        world.broker(&super::world::connack(v, &[]));
        assert_eq!(world.events()[..2], ["not_authorized - by-topic", "qos watch-qos/will by-topic"]);
        // A broker that is never reached keeps none of it back.
        let mut world = World::opened(&connect_bytes(&watched, &[]), terms());
        world.lose_broker();
        assert_eq!(world.kinds(), ["observed", "observed"]);
    }
}

#[test]
fn a_claimed_success_is_claimed_again_for_a_repeat() {
    for v in VERSIONS {
        for from in SIDES {
            let two = publish(v, "claim/a", QoS::Two, 1, b"x");
            let mut world = world(v);
            world.answers(from, &two, &ack(v, PubRec, 1)).answers(from, &dup(two.clone()), &ack(v, PubRec, 1));
            assert!(!world.connection.is_quiet());
            world.answers(from, &ack(v, PubRel, 1), &ack(v, PubComp, 1));
            assert!(world.connection.is_quiet());
            // Even one that would now be refused in words: the exchange is open.
            world.answers(from, &two, &ack(v, PubRec, 1));
            world.answers(from, &dup(publish(v, "deny/a", QoS::Two, 1, b"x")), &ack(v, PubRec, 1));
            world.answers(from, &ack(v, PubRel, 1), &ack(v, PubComp, 1));
        }
    }
}

#[test]
fn a_success_that_is_claimed_names_no_rule() {
    let v = Version::V50;
    let mut world = World::connected(v);
    world.client_gets(&publish(v, "claim/a", QoS::One, 1, b"x"), &ack(v, PubAck, 1));
    world.client_gets(&subscribe(v, 1, &["claim/a"]), &super::world::suback(v, 1, &[1]));
}

#[test]
fn filters_of_every_kind_share_a_subscribe() {
    for v in [Version::V311, Version::V50] {
        let mut world = world(v);
        world.client(&subscribe(v, 1, &["claim/a", "b", "deny/c", "watch/d", "hold/e"]));
        assert_eq!(world.broker_got(), subscribe(v, 1, &["b", "watch/d"]));
        assert_eq!(world.kinds(), ["refused", "refused", "observed", "refused"]);
        world.broker(&super::world::suback(v, 1, &[0, 0x80]));
        let no = if v == Version::V50 { 0x87 } else { 0x80 };
        assert_eq!(world.client_got(), super::world::suback(v, 1, &[1, 0, no, 0x80, no]));
        // One that disconnects takes the others with it.
        world.client(&subscribe(v, 2, &["x", "cut/y", "z"]));
        assert!(world.broker_got().is_empty());
        assert!(world.end.is_some());
    }
    let v = Version::V31;
    let mut world = world(v);
    world.client(&subscribe(v, 1, &["claim/a", "b"]));
    assert_eq!(world.broker_got(), subscribe(v, 1, &["b"]));
    world.broker(&super::world::suback(v, 1, &[0]));
    assert_eq!(world.client_got(), super::world::suback(v, 1, &[1, 0]));
}

fn alias(topic: &str, payload: &[u8]) -> Vec<u8> {
    publish_with(Version::V50, topic, QoS::Zero, 0, payload, &[Property::TopicAlias(1.try_into().expect("not zero"))])
}

/// A policy that changes between the two is how an alias of a refused PUBLISH comes to stand for what is permitted.
#[test]
fn an_alias_that_a_refused_publish_set_has_its_name_put_back_whatever_on_deny_says() {
    let v = Version::V50;
    let both = [Property::TopicAliasMaximum(5)];
    for (word, on_deny) in WORDS.into_iter().filter(|(_, on_deny)| *on_deny != OnDeny::Disconnect) {
        for from in SIDES {
            let topic = format!("{word}/a");
            let mut world = World::connected_with(v, terms(), &both, &both);
            world.sends(from, &alias("b", b"1"));
            world.got(from);
            world.sends(from, &alias(&topic, b"2"));
            let (_, onward) = world.got(from);
            assert_eq!(onward.ends_with(b"2"), word == "watch");
            let free = crate::policy::Policy::permit_all("7");
            world.adopt(super::super::Terms { policy: std::sync::Arc::new(free), ..terms() }, None);
            world.sends(from, &alias("", b"3"));
            let (_, onward) = world.got(from);
            let expected = if on_deny == OnDeny::Monitor { alias("", b"3") } else { alias(&topic, b"3") };
            assert_eq!(onward, expected, "{word} {from:?}");
            world.passes(from, &alias("", b"4"));
        }
    }
}

#[test]
fn a_hundred_thousand_refused_deliveries_keep_the_brokers_window_moving() {
    for v in VERSIONS {
        for (word, count) in [("deny", 100_000), ("claim", 5_000), ("hold", 5_000)] {
            let mut world = world(v);
            let mut sent = 0;
            // Twenty in flight, the same identifiers again and again.
            while sent < count {
                let mut batch = Vec::new();
                for id in 1..=20 {
                    let qos = if id % 2 == 0 { QoS::One } else { QoS::Two };
                    batch.extend(publish(v, &format!("{word}/a"), qos, id, b"x"));
                }
                world.broker(&batch);
                assert!(world.end.is_none() && world.client_got().is_empty());
                world.broker(&(1..=20).step_by(2).flat_map(|id| ack(v, PubRel, id)).collect::<Vec<_>>());
                world.broker_got();
                world.events();
                assert!(world.connection.is_quiet());
                sent += 20;
            }
        }
    }
}

#[test]
fn refused_publications_take_nothing_from_the_brokers_window() {
    let v = Version::V50;
    let window = [Property::ReceiveMaximum(2.try_into().expect("not zero"))];
    for word in ["deny", "claim", "hold"] {
        let mut world = World::connected_with(v, terms(), &[Property::RequestProblemInformation(false)], &window);
        world.client_passes(&publish(v, "a", QoS::One, 1, b""));
        for id in 10..100 {
            world.client(&publish(v, &format!("{word}/x"), QoS::Two, id, b""));
            assert_eq!(world.end, None);
        }
        world.client_got();
        world.broker_got();
        world.events();
        world.client_passes(&publish(v, "a", QoS::Two, 2, b""));
        assert!(!world.is_held(Direction::FromClient));
        // Two are with the broker: the third waits, as the client was told.
        world.client(&publish(v, "a", QoS::One, 3, b""));
        assert!(world.is_held(Direction::FromClient) && world.broker_got().is_empty());
        world.broker(&ack(v, PubAck, 1));
        assert_eq!(world.broker_got(), publish(v, "a", QoS::One, 3, b""));
    }
}

#[test]
fn a_refused_exchange_in_3_1_1_is_the_gateways_from_first_to_last() {
    let v = Version::V311;
    let mut world = World::connected(v);
    let two = publish(v, "deny/a", QoS::Two, 7, b"x");
    world.client_gets(&two, &ack(v, PubRec, 7)).client_gets(&dup(two.clone()), &ack(v, PubRec, 7));
    world.events();
    // A PUBLISH of the broker's by the same number is another exchange.
    world.broker_passes(&publish(v, "b", QoS::Two, 7, b"")).client_passes(&ack(v, PubRec, 7));
    world.client_gets(&ack(v, PubRel, 7), &ack(v, PubComp, 7));
    world.broker_passes(&ack(v, PubRel, 7)).client_passes(&ack(v, PubComp, 7));
    world.client_passes(&publish(v, "a", QoS::Two, 7, b"")).broker_passes(&ack(v, PubRec, 7));
    world.client_passes(&ack(v, PubRel, 7)).broker_passes(&ack(v, PubComp, 7));
    assert!(world.connection.is_quiet());
}

#[test]
fn an_acknowledgement_of_what_was_refused_is_never_the_other_peers() {
    for v in VERSIONS {
        let mut world = World::connected(v);
        world.client(&publish(v, "deny/a", QoS::Two, 7, b"x"));
        world.client_got();
        let told = if v == Version::V50 { disconnect(0x80) } else { Vec::new() };
        world.broker(&ack(v, PubRec, 7)).ended("unknown_identifier", "broker", &told);
    }
}

#[test]
fn the_words_of_a_refusal_name_the_rule_in_every_packet_that_can() {
    let v = Version::V50;
    let words = |code: ReasonCode| {
        let mut body = vec![0, 1, code.value(), 37, 0x1F, 0, 34];
        body.extend(b"refused by rule by-topic, policy 7");
        body
    };
    let mut world = World::connected(v);
    world.client(&publish(v, "hold/a", QoS::One, 1, b"x"));
    assert!(world.client_got().ends_with(&words(ReasonCode::NotAuthorized)));
    world.client(&publish(v, "deny/a", QoS::Two, 1, b"x"));
    assert!(world.client_got().ends_with(&words(ReasonCode::NotAuthorized)));
    world.client(&publish(v, "cut/a", QoS::Zero, 0, b"x"));
    assert_eq!(world.client_got()[2..], words(ReasonCode::NotAuthorized)[2..]);
    // Left out where it does not fit.
    let small = [Property::MaximumPacketSize(20.try_into().expect("not zero"))];
    let mut world = World::connected_with(v, terms(), &small, &[]);
    world.client(&publish(v, "cut/a", QoS::Zero, 0, b"x")).ended("not_authorized", "client", &disconnect(0x87));
}
