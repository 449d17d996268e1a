//! PUBLISH packets too large to be kept: passed through, skipped, and never broken into.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::Terms;
use super::world::{VERSIONS, World, ack, ack_with, disconnect, publish, publish_with, suback, subscribe, terms};
use crate::identity::Identity;
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{Message, OnDeny, Policy, Reason, Request, Rule, Verdict};

fn small() -> Terms {
    let limits = Limits { max_packet_bytes: 1000, ..Limits::default() };
    Terms { stream_threshold_bytes: 100, max_buffered_bytes: 400, limits: limits.into(), ..terms() }
}

fn world(version: Version) -> World {
    World::connected_with(version, small(), &[], &[])
}

fn told(v: Version, code: u8) -> Vec<u8> {
    if v == Version::V50 { disconnect(code) } else { Vec::new() }
}

#[test]
fn a_large_publish_goes_on_as_soon_as_its_head_is_judged() {
    for v in VERSIONS {
        let large = publish(v, "a/b", QoS::One, 1, &[b'x'; 500]);
        let mut world = world(v);
        world.client(&large[..6]);
        assert!(world.broker_got().is_empty());
        let mut sent = Vec::new();
        for (from, to) in [(6, 60), (60, 61), (61, 400), (400, large.len())] {
            world.client(&large[from..to]);
            sent.extend(world.broker_got());
            assert_eq!(sent, large[..to]);
        }
        world.client_passes(&[0xC0, 0]).broker_passes(&ack(v, PubAck, 1)).broker_passes(&large);
        assert!(!world.connection.is_quiet());
        world.client_passes(&ack(v, PubAck, 1));
    }
}

#[test]
fn a_small_publish_is_awaited_whole() {
    let small = publish(Version::V311, "a", QoS::Zero, 0, &[b'x'; 50]);
    let mut world = world(Version::V311);
    world.client(&small[..40]);
    assert!(world.broker_got().is_empty());
    world.client(&small[40..]);
    assert_eq!(world.broker_got(), small);
}

#[test]
fn a_large_publish_that_is_refused_is_skipped_and_then_answered() {
    for v in VERSIONS {
        for qos in [QoS::Zero, QoS::One, QoS::Two] {
            let id = u16::from(qos != QoS::Zero);
            let large = publish(v, "deny/a", qos, id, &[b'x'; 500]);
            let code = if v == Version::V50 { ReasonCode::NotAuthorized } else { ReasonCode::Success };
            let answer = match qos {
                QoS::Zero => Vec::new(),
                QoS::One => ack_with(v, PubAck, 1, code),
                QoS::Two => ack_with(v, PubRec, 1, code),
            };
            let received = ack(v, PubRec, 1);
            let silent = [Property::RequestProblemInformation(false)];
            let properties = if v == Version::V50 { &silent[..] } else { &[] };
            let mut world = World::connected_with(v, small(), properties, &[]);
            world.client_gets(&large[..30], &[]).client_gets(&large[30..400], &[]);
            world
                .client_gets(&large[400..], &answer)
                .broker_gets(&large[..300], &[])
                .broker_gets(&large[300..], if qos == QoS::Two { &received } else { &answer });
            assert_eq!(world.events(), vec!["not_authorized deny/a by-topic"; 2]);
            if qos == QoS::Two && v != Version::V50 {
                world.client_gets(&ack(v, PubRel, 1), &ack(v, PubComp, 1));
            }
            if qos == QoS::Two {
                world.broker_gets(&ack(v, PubRel, 1), &ack(v, PubComp, 1));
            }
            world.client_passes(&[0xC0, 0]);
            assert!(world.connection.is_quiet());
        }
    }
}

#[test]
fn what_a_rule_must_see_is_kept_whole_up_to_the_limit() {
    let v = Version::V311;
    let mut world = world(v);
    let fits = publish(v, "whole/a", QoS::Zero, 0, &[b'x'; 300]);
    world.client(&fits[..200]);
    assert!(world.broker_got().is_empty());
    world.client(&fits[200..]);
    assert_eq!(world.broker_got(), fits);
    let large = publish(v, "whole/a", QoS::One, 1, &[b'x'; 500]);
    world.client_gets(&large[..200], &[]).client_gets(&large[200..], &ack(v, PubAck, 1));
    assert_eq!(world.events(), ["too_large whole/a max_buffered_bytes"]);
}

/// Wants to see every payload, and counts how often it is asked.
#[derive(Debug, Default)]
struct Curious(Arc<AtomicUsize>);

impl Rule for Curious {
    fn id(&self) -> &str {
        "curious"
    }
    fn judge(&self, _: &Identity, _: &Request<'_>) -> Verdict {
        Verdict::Allow
    }
    fn needs_payload(&self, _: &Identity, _: &Message<'_>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// A head may be large, and the rest may come byte by byte.
#[test]
fn the_head_of_what_is_kept_whole_is_read_once() {
    for v in VERSIONS {
        let asked = Arc::new(AtomicUsize::new(0));
        let policy = Policy::permit_all("7").with_rules(vec![Box::new(Curious(Arc::clone(&asked)))]);
        let mut world = World::connected_with(v, Terms { policy: Arc::new(policy), ..small() }, &[], &[]);
        let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 300]);
        for turn in 1..=2 {
            for byte in &large {
                assert!(world.broker_got().is_empty());
                world.client(&[*byte]);
            }
            assert_eq!(world.broker_got(), large);
            assert_eq!(asked.load(Ordering::Relaxed), 2 * turn, "once before the rest came, and once it was there");
        }
        world.broker_passes(&large).client_passes(&large[..]);
    }
}

/// Must see every payload, and is not enforced.
#[derive(Debug)]
struct Onlooker;

impl Rule for Onlooker {
    fn id(&self) -> &str {
        "onlooker"
    }
    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        let (Request::Publish(message) | Request::Receive(message)) = request else { return Verdict::Silent };
        if message.payload.is_none_or(|payload| payload.contains(&b'!')) {
            return Verdict::Deny(Reason::Payload);
        }
        Verdict::Silent
    }
    fn on_deny(&self) -> OnDeny {
        OnDeny::Monitor
    }
    fn needs_payload(&self, _: &Identity, _: &Message<'_>) -> bool {
        true
    }
}

#[test]
fn what_a_rule_only_watches_goes_on_even_where_it_is_too_large_to_be_kept() {
    for v in VERSIONS {
        let policy = Arc::new(Policy::permit_all("7").with_rules(vec![Box::new(Onlooker)]));
        let mut world = World::connected_with(v, Terms { policy, ..small() }, &[], &[]);
        for from in [Direction::FromClient, Direction::FromBroker] {
            // Small enough to be looked at, and too large.
            for (len, begins) in [(300, usize::MAX), (500, 60)] {
                let large = publish(v, "a", QoS::Zero, 0, &vec![b'!'; len]);
                let mut got = Vec::new();
                for (at, byte) in large.iter().enumerate() {
                    world.sends(from, &[*byte]);
                    got.extend(if from == Direction::FromClient { world.broker_got() } else { world.client_got() });
                    assert!(at < begins || !got.is_empty());
                }
                assert_eq!(got, large);
                assert_eq!(world.events(), ["payload a onlooker"]);
            }
        }
    }
}

#[test]
fn what_is_kept_whole_must_come_in_time() {
    for from in [Direction::FromClient, Direction::FromBroker] {
        let v = Version::V311;
        let terms = Terms { packet_deadline: Duration::from_secs(10), ..small() };
        let mut world = World::connected_with(v, terms, &[], &[]);
        let large = publish(v, "whole/a", QoS::Zero, 0, &[b'x'; 300]);
        for byte in &large[..10] {
            world.sends(from, &[*byte]).later(Duration::from_millis(999)).tick();
            assert_eq!(world.end, None);
        }
        // What arrives pushes nothing back.
        world.sends(from, &large[10..200]).later(Duration::from_millis(11)).tick();
        let blame = if from == Direction::FromClient { "client" } else { "broker" };
        world.ended("packet_deadline", blame, &[]);
    }
}

#[test]
fn a_payload_that_says_it_is_text_is_kept_whole() {
    let v = Version::V50;
    let utf8 = [Property::PayloadFormatIndicator(true)];
    let mut world = world(v);
    let text = publish_with(v, "a", QoS::Zero, 0, "ä".repeat(150).as_bytes(), &utf8);
    world.client(&text[..200]);
    assert!(world.broker_got().is_empty());
    world.client(&text[200..]);
    assert_eq!(world.broker_got(), text);
    let mut bad = text.clone();
    let last = bad.len() - 1;
    bad[last] = 0xFF;
    world.client_gets(&bad, &[]).broker_gets(&bad, &[]);
    assert_eq!(world.events(), vec!["payload_format a payload_format_indicator"; 2]);
    let large = publish_with(v, "a", QoS::One, 1, &[b'x'; 500], &utf8);
    world.broker_gets(&large, &ack_with(v, PubAck, 1, ReasonCode::QuotaExceeded));
}

#[test]
fn a_delivery_over_the_gateways_limit_is_refused_and_a_publication_ends_it() {
    for v in VERSIONS {
        let large = |qos, id| publish(v, "a", qos, id, &[b'x'; 2000]);
        let code = if v == Version::V50 { ReasonCode::QuotaExceeded } else { ReasonCode::Success };
        let mut world = world(v);
        world.broker_gets(&large(QoS::Zero, 0), &[]);
        let one = large(QoS::One, 1);
        world.broker_gets(&one[..3], &[]).broker_gets(&one[3..1500], &[]);
        world.broker_gets(&one[1500..], &ack_with(v, PubAck, 1, code));
        world.broker_gets(&large(QoS::Two, 1), &ack(v, PubRec, 1));
        assert_eq!(world.events(), vec!["too_large a max_packet_bytes"; 3]);
        world.broker_passes(&publish(v, "a", QoS::One, 2, b"x"));
        world.client(&large(QoS::One, 1)[..3]).ended("packet_too_large", "client", &told(v, 0x95));
    }
}

#[test]
fn answers_wait_until_a_packet_is_through() {
    for v in VERSIONS {
        let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
        let mut world = world(v);
        world.broker(&large[..200]);
        assert_eq!(world.client_got(), large[..200]);
        // The client is in the middle of a packet: its PUBACK waits.
        world.client_gets(&publish(v, "deny-topic", QoS::One, 1, b""), &[]);
        assert_eq!(world.events(), ["topic deny-topic by-topic"]);
        world.client_passes(&publish(v, "b", QoS::One, 2, b""));
        assert!(!world.is_held(Direction::FromClient));
        world.broker(&[&large[200..], &ack(v, PubAck, 2)].concat());
        let sent = world.client_got();
        assert!(sent.starts_with(&large[200..]) && sent.ends_with(&ack(v, PubAck, 2)));
        let answer = &sent[300 + large.len() - 500..sent.len() - 4];
        let expected = if v == Version::V50 { 43 } else { 4 };
        assert_eq!((answer[0], answer.len()), (0x40, expected));

        world.client(&large[..200]);
        world.broker_got();
        world.broker_gets(&publish(v, "deny", QoS::Two, 1, b""), &[]);
        world.client(&large[200..]);
        assert_eq!(world.broker_got(), [&large[200..], &ack(v, PubRec, 1)].concat());
    }
}

#[test]
fn a_sender_whose_answers_pile_up_is_held() {
    let v = Version::V311;
    let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
    let mut world = world(v);
    world.broker(&large[..200]).client_got();
    let flood: Vec<u8> = (0..10_000).flat_map(|_| publish(v, "deny", QoS::One, 1, b"")).collect();
    world.client_gets(&flood, &[]);
    assert!(world.is_held(Direction::FromClient));
    let judged = world.events().len();
    assert!((4000..5000).contains(&judged), "{judged}");
    // Once the packet is through, the rest is judged.
    world.broker(&large[200..]);
    assert!(!world.is_held(Direction::FromClient));
    assert_eq!(judged + world.events().len(), 10_000);
    assert_eq!(world.client_got().len(), large.len() - 200 + 4 * 10_000);
}

#[test]
fn nothing_is_said_in_the_middle_of_a_packet() {
    let v = Version::V50;
    let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
    let mut world = world(v);
    world.broker(&large[..200]).client_got();
    world.client(&[0xC0, 1]).ended("length_invalid", "client", &[]);
    let mut world = World::connected_with(v, small(), &[], &[]);
    world.client(&large[..200]).broker_got();
    world.client(&large[200..]).client(&[0xC0, 1]).ended("length_invalid", "client", &disconnect(0x81));
}

#[test]
fn a_large_publish_by_an_unknown_alias_gets_its_name_back() {
    let v = Version::V50;
    let both = [Property::TopicAliasMaximum(5)];
    let mut world = World::connected_with(v, small(), &both, &both);
    let one = Property::TopicAlias(1.try_into().expect("not zero"));
    world.client(&publish_with(v, "a/b", QoS::Zero, 0, b"\xFF", &[one, Property::PayloadFormatIndicator(true)]));
    let large = publish_with(v, "", QoS::Zero, 0, &[b'x'; 500], &[one]);
    for piece in [&large[..5], &large[5..90], &large[90..]] {
        world.client(piece);
    }
    assert_eq!(world.broker_got(), publish_with(v, "a/b", QoS::Zero, 0, &[b'x'; 500], &[one]));
}

#[test]
fn a_large_subscribe_is_awaited_whole() {
    let v = Version::V311;
    let filters: Vec<String> = (0..200).map(|n| format!("a/{n}")).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let large = subscribe(v, 1, &filters);
    let mut world = World::connected(v);
    world.client(&large[..large.len() - 1]);
    assert!(world.broker_got().is_empty());
    world.client(&large[large.len() - 1..]);
    assert_eq!(world.broker_got(), large);
    world.broker_passes(&suback(v, 1, &[0; 200]));
}
