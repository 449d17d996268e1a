//! Rates on the wire: what waits, what overtakes it, what is refused, and what ends.

use std::time::Duration;

use proptest::prelude::*;

use super::super::Terms;
use super::world::{
    VERSIONS, World, ack, connack, connect, connect_bytes, disconnect, dup, policy, publish, suback, subscribe, terms,
};
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{Draft, Excess, RateRule, Unit};
use crate::rate::Rate;

const SECOND: Duration = Duration::from_secs(1);
const PING: [u8; 2] = [0xC0, 0];
const PONG: [u8; 2] = [0xD0, 0];

/// One in a second, and one at once.
fn rule(id: &str, unit: Unit, on_excess: Excess) -> RateRule {
    RateRule {
        limits: vec![(unit, Rate::new(1, SECOND))],
        on_excess: Some(on_excess),
        ban: 90 * SECOND,
        ..RateRule::new(id)
    }
}

fn with(rates: Vec<RateRule>) -> Terms {
    Terms::new(Limits::default(), policy(Draft { permit_all: true, rates, ..Draft::new("7") }))
}

fn throttled() -> Terms {
    with(vec![rule("slow", Unit::Messages, Excess::Throttle)])
}

fn world(version: Version, terms: Terms) -> World {
    World::connected_with(version, terms, &[], &[])
}

fn note(version: Version, packet_id: u16) -> Vec<u8> {
    let qos = if packet_id == 0 { QoS::Zero } else { QoS::One };
    publish(version, "plant/a", qos, packet_id, b"21.5")
}

#[test]
fn a_message_too_many_waits_with_all_messages_behind_it_and_none_is_lost() {
    for v in VERSIONS {
        let mut world = world(v, throttled());
        let all: Vec<Vec<u8>> = (1..=4).map(|id| note(v, id)).collect();
        world.client(&all.concat());
        assert_eq!(world.broker_got(), all[0]);
        assert_eq!(world.connection.resumes(Direction::FromClient), Some(world.now + SECOND));
        for expected in &all[1..] {
            world.wait(SECOND - Duration::from_millis(1));
            assert_eq!(world.broker_got(), b"");
            world.wait(Duration::from_millis(1));
            assert_eq!(&world.broker_got(), expected);
        }
        assert!(!world.connection.is_throttled());
        assert_eq!((world.client_got(), &world.end), (Vec::new(), &None));
        assert_eq!(world.waits, ["slow", "slow", "slow"], "each that waits is counted");
        assert_eq!(world.events(), ["rate plant/a slow"], "and that the client waits is told once");
    }
}

#[test]
fn acknowledgements_and_pings_go_by_what_waits() {
    for v in VERSIONS {
        let mut world = world(v, throttled());
        world.client(&note(v, 1)).broker_got();
        let command = |id, qos| publish(v, "cmd/a", qos, id, b"on");
        world.broker(&[command(7, QoS::One), command(8, QoS::Two)].concat()).client_got();
        let acks = |first: PacketType, id| ack(v, first, id);
        world.client(&[note(v, 2), acks(PacketType::PubAck, 7), PING.to_vec(), note(v, 3)].concat());
        assert_eq!(world.broker_got(), [acks(PacketType::PubAck, 7), PING.to_vec()].concat());
        world.client(&acks(PacketType::PubRec, 8));
        assert_eq!(world.broker_got(), acks(PacketType::PubRec, 8));
        world.broker(&acks(PacketType::PubRel, 8)).client_got();
        let (head, tail) = (&acks(PacketType::PubComp, 8)[..1], &acks(PacketType::PubComp, 8)[1..]);
        world.client(head);
        assert_eq!(world.broker_got(), b"", "half an acknowledgement");
        world.client(tail);
        assert_eq!(world.broker_got(), acks(PacketType::PubComp, 8));
        world.broker(&PONG);
        assert_eq!(world.client_got(), PONG);
        world.wait(2 * SECOND);
        assert_eq!(world.broker_got(), [note(v, 2), note(v, 3)].concat());
        assert_eq!(world.end, None);
    }
}

#[test]
fn subscriptions_and_goodbyes_keep_their_place() {
    for v in VERSIONS {
        let mut world = world(v, throttled());
        let asks = subscribe(v, 9, &["a/b"]);
        world.client(&[note(v, 1), note(v, 2), asks.clone(), disconnect(0), PING.to_vec()].concat());
        assert_eq!(world.broker_got(), note(v, 1), "nothing comes behind a DISCONNECT");
        world.wait(SECOND);
        assert_eq!(world.broker_got(), [note(v, 2), asks, disconnect(0)].concat());
        world.ended("client_disconnect", "client", &[]);
    }
}

#[test]
fn what_breaks_a_rule_ends_the_connection_in_its_turn_and_nothing_behind_it_is_looked_at() {
    let v = Version::V311;
    for (bad, cause) in [
        (vec![0x00, 0], "unknown_packet_type"),
        (ack(v, PacketType::PubAck, 77), "unknown_identifier"),
        (vec![0xC1, 0], "reserved_flags"),
    ] {
        let mut world = world(v, throttled());
        world.client(&[note(v, 1), note(v, 2), bad, PING.to_vec()].concat());
        assert_eq!((world.broker_got(), &world.end), (note(v, 1), &None), "{cause}");
        world.wait(SECOND);
        assert_eq!(world.broker_got(), note(v, 2), "{cause}");
        world.ended(cause, "client", &[]);
    }
}

/// The PUBREL would end the exchange that a repeat of its PUBLISH, still waiting, belongs to.
#[test]
fn no_release_goes_by_its_own_message_nor_by_another_release() {
    let v = Version::V311;
    let mut world = world(v, throttled());
    let twice = |id| publish(v, "plant/a", QoS::Two, id, b"21.5");
    let release = |id| ack(v, PacketType::PubRel, id);
    world.client(&twice(1)).wait(SECOND).client(&twice(2)).broker_got();
    world.broker(&[ack(v, PacketType::PubRec, 1), ack(v, PacketType::PubRec, 2)].concat()).client_got();
    world.client(&[dup(twice(1)), release(1), release(2), PING.to_vec()].concat());
    assert_eq!(world.broker_got(), PING);
    world.wait(SECOND);
    assert_eq!(world.broker_got(), [dup(twice(1)), release(1), release(2)].concat());
    world.client(&[note(v, 0), note(v, 0), release(2)].concat()).wait(SECOND);
    assert_eq!(world.broker_got(), [release(2), note(v, 0)].concat(), "what waits is of no exchange");
    assert_eq!(world.end, None);
}

#[test]
fn a_sender_is_read_until_so_much_of_it_waits() {
    let v = Version::V311;
    let mut world = world(v, throttled());
    world.client(&note(v, 0));
    let large = publish(v, "plant/a", QoS::Zero, 0, &[b'x'; 10_000]);
    for round in 0..7 {
        assert!(!world.is_held(Direction::FromClient), "{round}");
        world.client(&large);
    }
    assert!(world.is_held(Direction::FromClient));
    world.wait(6 * SECOND);
    assert!(!world.is_held(Direction::FromClient));
    world.wait(SECOND);
    assert_eq!(world.broker_got(), [note(v, 0), large.repeat(7)].concat());
}

#[test]
fn who_waits_is_neither_silent_nor_slow() {
    let v = Version::V311;
    let slow = RateRule { limits: vec![(Unit::Messages, Rate::new(1, 600 * SECOND))], ..RateRule::new("slow") };
    let mut world = world(v, with(vec![slow]));
    world.client(&[note(v, 0), note(v, 0), note(v, 0)[..3].to_vec()].concat());
    assert_eq!(world.connection.deadline(), None);
    world.wait(500 * SECOND).tick();
    assert_eq!(world.end, None);
    world.wait(100 * SECOND);
    assert_eq!(world.broker_got(), note(v, 0).repeat(2));
    world.later(89 * SECOND).tick();
    assert_eq!(world.end.as_ref().map(|end| end.cause.label()), Some("packet_deadline"), "its clock runs again");
}

#[test]
fn deliveries_wait_alike_and_what_the_broker_acknowledges_goes_by() {
    for v in VERSIONS {
        let rule = RateRule { receive: vec!["cmd/#".to_owned()], ..rule("slow", Unit::Messages, Excess::Throttle) };
        let mut world = world(v, with(vec![rule]));
        let command = |id| publish(v, "cmd/a", QoS::One, id, b"on");
        world.client(&[note(v, 1), subscribe(v, 2, &["cmd/#"]), PING.to_vec()].concat()).broker_got();
        let by = [ack(v, PacketType::PubAck, 1), suback(v, 2, &[1]), PONG.to_vec()].concat();
        world.broker(&[command(7), command(8), by.clone(), command(9)].concat());
        assert_eq!(world.client_got(), [command(7), by].concat());
        world.events();
        world.client_passes(&ack(v, PacketType::PubAck, 7));
        world.wait(2 * SECOND);
        assert_eq!(world.client_got(), [command(8), command(9)].concat());
        assert_eq!(world.end, None);
    }
}

#[test]
fn a_ping_is_answered_while_the_brokers_answer_stands_behind_what_is_not_read() {
    for v in VERSIONS {
        let rule = RateRule { receive: vec!["cmd/#".to_owned()], ..rule("slow", Unit::Messages, Excess::Throttle) };
        let mut world = world(v, with(vec![rule]));
        let large = publish(v, "cmd/a", QoS::Zero, 0, &[b'x'; 40_000]);
        world.client(&PING).broker(&large.repeat(2));
        assert_eq!(world.client_got(), large, "what waits is little enough for the answer to be looked for behind it");
        world.broker(&large);
        assert!(world.is_held(Direction::FromBroker));
        assert_eq!(world.client_got(), PONG, "the answer can't be looked for any more");
        world.client(&PING);
        assert_eq!(world.client_got(), PONG);
        assert_eq!(world.broker_got(), PING.repeat(2), "the broker hears of its client all the same");
        world.wait(2 * SECOND);
        assert_eq!(world.client_got(), large.repeat(2));
        world.broker(&PONG.repeat(2));
        assert_eq!(world.client_got(), b"", "each ping is answered once");
        world.client(&PING).broker(&PONG);
        assert_eq!(world.client_got(), PONG);
        assert_eq!(world.end, None);
        world.broker(&PONG);
        assert!(world.end.is_some(), "nobody asked");
    }
}

#[test]
fn a_brokers_goodbye_does_not_wait_for_what_it_can_deliver_no_more() {
    let v = Version::V50;
    let rule = RateRule { receive: vec!["cmd/#".to_owned()], ..rule("slow", Unit::Messages, Excess::Throttle) };
    let mut world = world(v, with(vec![rule]));
    let command = |id| publish(v, "cmd/a", QoS::One, id, b"on");
    world.broker(&[command(7), command(8), disconnect(0x8B)].concat());
    assert_eq!(world.client_got(), [command(7), disconnect(0x8B)].concat());
    assert_eq!(world.end.as_ref().map(|end| end.cause.label()), Some("broker_disconnect"));
}

#[test]
fn packets_too_many_all_wait() {
    let v = Version::V311;
    let mut world = world(v, with(vec![rule("packets", Unit::Packets, Excess::Throttle)]));
    world.client(&[PING, PING, PING].concat());
    assert_eq!(world.broker_got(), PING);
    world.wait(SECOND);
    assert_eq!(world.broker_got(), PING);
    world.wait(SECOND);
    assert_eq!(world.broker_got(), PING);
    assert_eq!(world.waits, ["packets", "packets"]);
}

#[test]
fn what_goes_by_a_message_counts_as_a_packet() {
    let v = Version::V311;
    let packets =
        RateRule { limits: vec![(Unit::Packets, Rate::new(1, SECOND).with_burst(3))], ..RateRule::new("packets") };
    let slow = RateRule { limits: vec![(Unit::Messages, Rate::new(1, 10 * SECOND))], ..RateRule::new("slow") };
    let mut world = world(v, with(vec![packets, slow]));
    world.client(&[note(v, 0), note(v, 0), PING.to_vec(), PING.to_vec()].concat());
    assert_eq!(world.broker_got(), [note(v, 0), PING.to_vec()].concat());
    world.wait(SECOND);
    assert_eq!(world.broker_got(), PING);
    world.wait(9 * SECOND);
    assert_eq!(world.broker_got(), note(v, 0), "it was counted once");
    assert_eq!(world.end, None);
}

#[test]
fn a_packet_that_comes_in_parts_is_counted_once() {
    let v = Version::V311;
    let mut world = world(v, with(vec![rule("packets", Unit::Packets, Excess::Throttle)]));
    for byte in note(v, 1) {
        world.client(&[byte]);
    }
    assert_eq!(world.broker_got(), note(v, 1));
}

#[test]
fn a_rejected_message_is_answered_and_its_sender_goes_on() {
    for v in VERSIONS {
        let mut world = world(v, with(vec![rule("cap", Unit::Messages, Excess::Reject)]));
        world.client(&note(v, 1)).broker_got();
        let told = if v == Version::V50 {
            let words = b"refused by rule cap, policy 7";
            let mut body = vec![0, 2, 0x97, 32, 0x1F, 0, 29];
            body.extend(words);
            super::world::packet(0x40, &body)
        } else {
            ack(v, PacketType::PubAck, 2)
        };
        world.client_gets(&note(v, 2), &told);
        world.client_gets(&note(v, 0), &[]);
        assert_eq!(world.events(), ["rate plant/a cap", "rate plant/a cap"]);
        world.later(SECOND).client_passes(&note(v, 3));
        assert!(world.waits.is_empty() && !world.connection.is_throttled());
    }
}

#[test]
fn a_delivery_too_many_is_acknowledged_in_its_clients_place() {
    let v = Version::V311;
    let rule = RateRule { receive: vec!["#".to_owned()], ..rule("cap", Unit::Messages, Excess::Reject) };
    let mut world = world(v, with(vec![rule]));
    world.broker_passes(&note(v, 1));
    world.broker_gets(&note(v, 2), &ack(v, PacketType::PubAck, 2));
}

#[test]
fn who_disconnects_or_bans_ends_the_connection_and_says_for_how_long() {
    for (on_excess, ban) in [(Excess::Disconnect, None), (Excess::Ban, Some(90 * SECOND))] {
        for v in VERSIONS {
            let mut world = world(v, with(vec![rule("cap", Unit::Messages, on_excess)]));
            world.client(&[note(v, 1), note(v, 2), note(v, 3)].concat());
            assert_eq!(world.broker_got(), note(v, 1));
            let end = world.end.clone().unwrap();
            assert_eq!((end.ban, end.rule.as_ref().map(|rule| rule.as_str())), (ban, Some("cap")));
            let told = world.client_got();
            if v == Version::V50 {
                assert_eq!((told[0], told[2]), (0xE0, 0x96));
            } else {
                assert_eq!(told, b"");
            }
            assert_eq!((end.cause.label(), end.blame.label()), ("rate", "client"));
        }
    }
}

#[test]
fn packets_can_only_wait_or_end_the_connection() {
    for on_excess in [Excess::Reject, Excess::Disconnect] {
        let v = Version::V50;
        let mut world = world(v, with(vec![rule("packets", Unit::Packets, on_excess)]));
        world.client(&[PING, PING].concat());
        assert_eq!(world.broker_got(), PING);
        assert_eq!(world.client_got()[2], 0x96);
    }
}

#[test]
fn a_subscribe_too_many_is_refused_in_every_place() {
    for (v, code) in [(Version::V311, 0x80), (Version::V50, 0x97)] {
        let mut rule = rule("subs", Unit::Subscriptions, Excess::Reject);
        rule.limits = vec![(Unit::Subscriptions, Rate::new(2, SECOND))];
        let mut world = world(v, with(vec![rule]));
        world.client_passes(&subscribe(v, 1, &["a", "b"]));
        world.client(&subscribe(v, 2, &["c", "d"]));
        world.broker(&suback(v, 1, &[1, 1]));
        let told = world.client_got();
        assert_eq!(world.broker_got(), b"");
        assert_eq!(told[told.len() - 2..], [code, code]);
        assert_eq!(world.events(), ["rate - subs"]);
    }
    let v = Version::V31;
    let mut world = world(v, with(vec![rule("subs", Unit::Subscriptions, Excess::Reject)]));
    world.client(&[subscribe(v, 1, &["a"]), subscribe(v, 2, &["b"])].concat());
    assert_eq!(world.broker_got(), subscribe(v, 1, &["a"]));
    world.ended("rate", "client", &[]);
}

#[test]
fn what_is_only_observed_goes_on() {
    let v = Version::V311;
    let rule = RateRule { mode: crate::policy::Mode::Monitor, ..rule("slow", Unit::Messages, Excess::Throttle) };
    let mut world = world(v, with(vec![rule]));
    world.client_passes(&note(v, 1));
    world.client(&note(v, 2));
    assert_eq!(world.broker_got(), note(v, 2));
    assert_eq!(world.kinds(), ["observed"]);
}

#[test]
fn another_policy_asks_again_at_once() {
    let v = Version::V311;
    let slow = RateRule { limits: vec![(Unit::Messages, Rate::new(1, 600 * SECOND))], ..RateRule::new("slow") };
    let mut world = world(v, with(vec![slow]));
    world.client(&[note(v, 0), note(v, 0), note(v, 0)].concat());
    assert_eq!(world.broker_got(), note(v, 0));
    world.adopt(terms(), None).wait(Duration::ZERO);
    assert_eq!(world.broker_got(), note(v, 0).repeat(2));
    assert!(!world.connection.is_throttled() && world.end.is_none());
}

#[test]
fn a_connection_of_which_something_waits_is_not_quiet() {
    let v = Version::V311;
    let mut world = world(v, throttled());
    world.client(&note(v, 0));
    assert!(world.connection.is_quiet());
    world.client(&note(v, 0));
    assert!(!world.connection.is_quiet());
    world.wait(SECOND);
    assert!(world.connection.is_quiet());
}

#[test]
fn a_large_message_waits_before_any_of_it_goes_on() {
    let v = Version::V311;
    let bytes = RateRule { limits: vec![(Unit::Bytes, Rate::new(1000, SECOND))], ..RateRule::new("bytes") };
    let mut world = world(v, Terms { stream_threshold_bytes: 100, ..with(vec![bytes]) });
    let large = publish(v, "plant/a", QoS::Zero, 0, &[b'x'; 900]);
    world.client(&[large.clone(), large[..50].to_vec()].concat());
    assert_eq!(world.broker_got(), large);
    world.client(&large[50..60]).wait(799 * Duration::from_millis(1));
    assert_eq!(world.broker_got(), b"");
    world.wait(Duration::from_millis(2));
    assert_eq!(world.broker_got(), &large[..60], "what is there goes on");
    world.events();
    world.client_passes(&large[60..]);
}

#[test]
fn too_many_connections_are_refused_before_their_will_is_judged() {
    use super::world::admit;
    use crate::mqtt::connect::{Connect, Will};
    use crate::mqtt::property::Properties;
    let memory = super::buckets::memory();
    for (v, told) in [(Version::V311, 3), (Version::V50, 0x9F)] {
        for (on_excess, ban) in [(Excess::Reject, None), (Excess::Ban, Some(90 * SECOND))] {
            let id = format!("{v:?} {on_excess:?}");
            let terms =
                || Terms { memory: Some(memory.clone()), ..with(vec![rule(&id, Unit::Connections, on_excess)]) };
            let now = std::time::Instant::now();
            assert!(admit(now, &connect_bytes(&connect(v), &[]), terms()).is_ok());
            let (qos, payload_is_utf8, properties) = (QoS::Zero, false, Properties::NONE);
            let topic = "deny/a";
            let will =
                Will { topic, payload: b"", qos, retain: false, response_topic: None, payload_is_utf8, properties };
            let connect = Connect { will: Some(will), ..connect(v) };
            let refusal = admit(now, &connect_bytes(&connect, &[]), terms()).expect_err("one too many");
            assert_eq!((refusal.end.cause.label(), refusal.end.ban), ("rate", ban), "{id}");
            assert_eq!((refusal.reply[0], refusal.reply[3]), (0x20, told));
        }
    }
}

/// What the client sends in one round: messages of its own, and answers to what it has been sent.
fn stream(v: Version) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        3 => (0..3u16).prop_map(move |size| publish(v, "plant/a", QoS::Zero, 0, &vec![b'x'; usize::from(size) * 60])),
        1 => Just(PING.to_vec()),
        1 => Just(Vec::new()),
    ];
    proptest::collection::vec(piece, 1..40)
}

/// Cut at these places, and what an observer of the broker has seen in the end.
fn relayed(v: Version, bytes: &[u8], cuts: &[usize], terms: Terms, acks: usize) -> (Vec<u8>, usize) {
    let mut world = World::opened(&connect_bytes(&connect(v), &[]), terms);
    world.broker(&connack(v, &[]));
    world.broker_got();
    let commands: Vec<u8> =
        (1..=acks).flat_map(|id| publish(v, "cmd", QoS::One, u16::try_from(id).unwrap(), b"")).collect();
    world.broker(&commands);
    let mut at = 0;
    for cut in cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]) {
        if cut > at {
            world.client(&bytes[at..cut]);
            at = cut;
            world.wait(Duration::from_millis(cut as u64 % 400));
        }
    }
    for _ in 0..100 {
        world.wait(10 * SECOND);
    }
    assert_eq!(world.end, None);
    assert!(!world.connection.is_throttled());
    (world.broker_got(), world.waits.len())
}

fn packets_of(bytes: &[u8]) -> Vec<&[u8]> {
    let limits = Limits::default();
    let context = crate::mqtt::Context { version: Version::V311, direction: Direction::FromClient, limits: &limits };
    let (mut rest, mut packets) = (bytes, Vec::new());
    while let Some(frame) = context.frame(rest).unwrap() {
        packets.push(frame.bytes);
        rest = &rest[frame.bytes.len()..];
    }
    assert!(rest.is_empty());
    packets
}

fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    packets_of(bytes).into_iter().filter(|packet| packet[0] >> 4 == 3).collect()
}

fn others(bytes: &[u8]) -> Vec<&[u8]> {
    packets_of(bytes).into_iter().filter(|packet| packet[0] >> 4 != 3).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However it is cut, a throttled stream is the same as one that is not, but that acknowledgements come earlier.
    #[test]
    fn nothing_of_a_throttled_stream_is_lost_changed_or_put_in_another_order(
        mut pieces in stream(Version::V311),
        mut cuts in proptest::collection::vec(0..5000usize, 0..20),
        burst in 1..5u64,
        ack_places in proptest::collection::vec(0..40usize, 0..6),
    ) {
        let v = Version::V311;
        for (id, place) in ack_places.iter().enumerate() {
            let place = place % pieces.len();
            let id = u16::try_from(id + 1).unwrap();
            pieces[place].extend(ack(v, PacketType::PubAck, id));
        }
        // Acknowledgements come in any order; what counts is that each comes once.
        let bytes = pieces.concat();
        cuts.sort_unstable();
        let slow = RateRule {
            limits: vec![(Unit::Messages, Rate::new(2, SECOND).with_burst(burst)), (Unit::Bytes, Rate::new(200, SECOND))],
            ..RateRule::new("slow")
        };
        let (plain, none) = relayed(v, &bytes, &cuts, terms(), ack_places.len());
        let (slowed, _) = relayed(v, &bytes, &cuts, with(vec![slow]), ack_places.len());
        prop_assert_eq!(none, 0);
        prop_assert_eq!(&plain, &bytes);
        prop_assert_eq!(messages(&slowed), messages(&plain));
        prop_assert_eq!(others(&slowed), others(&plain));
    }
}
