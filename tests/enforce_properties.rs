//! What holds for every conversation through the state machine: lawful peers are never parted, each gets exactly what is
//! permitted, in order, however the bytes were cut; and no bytes at all make it panic or say something unlawful.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its way to fail")]
#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "a test program: a panic is its way to fail")]

#[path = "../fuzz/src/connection.rs"]
#[expect(unreachable_pub, reason = "part of a crate of its own to the fuzzer")]
mod connection;

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU16;

use connection::Pair;
use proptest::{collection::vec, prelude::*};
use tidegate::mqtt::frame::PacketType::{self, PubAck, PubComp, PubRec, PubRel};
use tidegate::mqtt::frame::QoS;
use tidegate::mqtt::packet::{Packet, Publish, PublishProperties};
use tidegate::mqtt::property::Property;
use tidegate::mqtt::reason::ReasonCode;
use tidegate::mqtt::{Context, Direction, Limits, Version, encode};

/// What a peer does next, from six bytes.
type Choice = [u8; 6];

/// A peer that keeps to the standard.
struct Peer {
    version: Version,
    /// Which way its packets travel.
    direction: Direction,
    in_use: Vec<u16>,
    /// Answers that it owes.
    owed: VecDeque<Vec<u8>>,
    /// Topics by alias: its own, and those that it was told.
    own_aliases: HashMap<u16, String>,
    told_aliases: HashMap<u16, String>,
    /// What it read of what it was sent.
    read: usize,
    /// Permitted messages that it sent, and all that it was delivered: topic and payload.
    sent: Vec<(String, Vec<u8>)>,
    delivered: Vec<(String, Vec<u8>)>,
    denied: usize,
    /// Messages that it sent and a rule quarantines.
    held: usize,
}

impl Peer {
    fn new(version: Version, direction: Direction) -> Self {
        Self {
            version,
            direction,
            in_use: Vec::new(),
            owed: VecDeque::new(),
            own_aliases: HashMap::new(),
            told_aliases: HashMap::new(),
            read: 0,
            sent: Vec::new(),
            delivered: Vec::new(),
            denied: 0,
            held: 0,
        }
    }

    /// The bytes of the next thing it does; none when there is nothing to do.
    fn act(&mut self, choice: Choice) -> Vec<u8> {
        match choice[0] % 8 {
            0..=2 => self.owed.pop_front().unwrap_or_default(),
            3 if self.direction == Direction::FromClient => self.ask(choice),
            4 if self.direction == Direction::FromClient => vec![0xC0, 0],
            3..=7 => self.publish(choice),
            8.. => unreachable!("a remainder"),
        }
    }

    fn fresh_id(&mut self) -> Option<NonZeroU16> {
        let id = (1..=8).find(|id| !self.in_use.contains(id))?;
        self.in_use.push(id);
        NonZeroU16::new(id)
    }

    fn publish(&mut self, [_, topic, qos, len, alias, utf8]: Choice) -> Vec<u8> {
        let topics = [
            "a",
            "deny/a",
            "b/c",
            "whole/d",
            "deny-whole",
            "claim/e",
            "hold/f",
            "watch/g",
            "strip/h",
            "sign/i",
            "count/j",
        ];
        let topic = topics[usize::from(topic % 11)];
        let mut payload = vec![b'x'; usize::from(len)];
        payload.push(b'0' + utf8 % 10);
        let qos = QoS::from_u8(qos % 3).unwrap();
        let packet_id = if qos == QoS::Zero { None } else { self.fresh_id() };
        if qos != QoS::Zero && packet_id.is_none() {
            return Vec::new();
        }
        // What is too large to be judged whole is not this test's subject.
        payload.truncate(200);
        let mut properties = Vec::new();
        let mut written = topic;
        if self.version == Version::V50 {
            if utf8 % 4 == 0 {
                properties.push(Property::PayloadFormatIndicator(true));
                payload.push(if utf8 % 8 == 0 { 0xFF } else { b'y' });
            }
            if let Some(alias) = NonZeroU16::new(u16::from(alias % 8).min(4)) {
                properties.push(Property::TopicAlias(alias));
                let known = self.own_aliases.insert(alias.get(), topic.to_owned());
                if known.as_deref() == Some(topic) {
                    written = "";
                }
            }
        }
        if topic.starts_with("count") {
            // In range, far out of it, or none.
            payload.retain(|byte| byte.is_ascii_digit() || *byte == 0xFF);
            if matches!(payload.first(), Some(b'1'..=b'9')) {
                payload.splice(1..1, std::iter::repeat_n(b'0', usize::from(len) / 2));
            }
        }
        let is_text = !payload.ends_with(&[0xFF]);
        let mut goes_on = payload.clone();
        if topic.starts_with("strip") && qos != QoS::One {
            payload.extend([connection::SEAL; 2]);
        } else if topic.starts_with("sign") {
            goes_on.push(connection::SEAL);
        }
        let is_unsigned = topic.starts_with("strip") && qos == QoS::One;
        let denied = connection::is_refused(topic) || is_unsigned || !is_text || !connection::counts(topic, &payload);
        self.held += usize::from(topic.starts_with("hold"));
        if denied {
            self.denied += 1;
        } else {
            self.sent.push((topic.to_owned(), goes_on));
        }
        self.encode_publish(written, qos, packet_id, &payload, &properties)
    }

    fn encode_publish(
        &self,
        topic: &str,
        qos: QoS,
        packet_id: Option<NonZeroU16>,
        payload: &[u8],
        properties: &[Property<'_>],
    ) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        body.extend(topic.as_bytes());
        body.extend(packet_id.into_iter().flat_map(|id| id.get().to_be_bytes()));
        if self.version == Version::V50 {
            let mut block = Vec::new();
            encode::properties(properties.iter().copied(), &mut block);
            body.push(u8::try_from(block.len()).unwrap());
            body.extend(block);
        }
        body.extend(payload);
        let mut bytes = vec![0x30 | qos.value() << 1];
        let len = body.len();
        assert!(len < 16_384);
        if len < 128 {
            bytes.push(u8::try_from(len).unwrap());
        } else {
            bytes.extend([u8::try_from(len % 128).unwrap() | 0x80, u8::try_from(len / 128).unwrap()]);
        }
        bytes.extend(body);
        bytes
    }

    /// SUBSCRIBE or UNSUBSCRIBE.
    fn ask(&mut self, [_, which, filters, ..]: Choice) -> Vec<u8> {
        let Some(id) = self.fresh_id() else { return Vec::new() };
        let all = ["a", "b/#", "+/c", "claim/v", "watch/w", "deny/x", "hold/y", "whole"];
        // 3.1 has no way to refuse a filter, and closes.
        let all = if self.version == Version::V31 { &all[..5] } else { &all[..] };
        let mut chosen: Vec<&str> =
            all.iter().enumerate().filter(|(bit, _)| filters & 1 << bit != 0).map(|(_, filter)| *filter).collect();
        if chosen.is_empty() {
            chosen.push("a");
        }
        let mut bytes = Vec::new();
        if which % 2 == 0 {
            encode::unsubscribe(self.version, id, None, chosen, &mut bytes);
            return bytes;
        }
        self.denied += chosen.iter().filter(|filter| connection::is_refused(filter)).count();
        let mut body = id.get().to_be_bytes().to_vec();
        if self.version == Version::V50 {
            body.push(0);
        }
        for filter in chosen {
            body.extend([0, u8::try_from(filter.len()).unwrap()]);
            body.extend(filter.as_bytes());
            body.push(1);
        }
        bytes.extend([0x82, u8::try_from(body.len()).unwrap()]);
        bytes.extend(body);
        bytes
    }

    /// Reads what is new of what it was sent, and notes what it owes for it.
    fn read(&mut self, stream: &[u8]) {
        let other = if self.direction == Direction::FromClient { Direction::FromBroker } else { Direction::FromClient };
        let limits = Limits::default();
        let context = Context { version: self.version, direction: other, limits: &limits };
        while let Some(frame) = context.frame(&stream[self.read..]).unwrap() {
            self.read += frame.bytes.len();
            let packet = context.packet(frame).unwrap();
            self.react(&packet);
        }
    }

    fn react(&mut self, packet: &Packet<'_>) {
        let mut free = |id: NonZeroU16| {
            let at = self.in_use.iter().position(|used| *used == id.get()).expect("an identifier in use");
            self.in_use.remove(at);
        };
        match packet {
            Packet::Publish(publish) => self.take(publish),
            Packet::PubAck(ack) | Packet::PubComp(ack) => free(ack.packet_id),
            Packet::PubRec(ack) if ack.reason.is_error() => free(ack.packet_id),
            Packet::PubRec(ack) => self.owe(PubRel, ack.packet_id),
            Packet::PubRel(ack) => self.owe(PubComp, ack.packet_id),
            Packet::SubAck(suback) => free(suback.packet_id),
            Packet::UnsubAck(unsuback) => free(unsuback.packet_id),
            Packet::Subscribe(subscribe) => {
                let mut bytes = Vec::new();
                let codes = (0..subscribe.count).map(|_| ReasonCode::GrantedQos1);
                encode::suback(self.version, subscribe.packet_id, None, codes, &mut bytes);
                self.owed.push_back(bytes);
            }
            Packet::Unsubscribe(unsubscribe) => {
                let mut bytes = Vec::new();
                let codes = (0..unsubscribe.count).map(|_| ReasonCode::Success);
                encode::unsuback(self.version, unsubscribe.packet_id, None, codes, &mut bytes);
                self.owed.push_back(bytes);
            }
            Packet::PingReq => self.owed.push_back(vec![0xD0, 0]),
            Packet::PingResp => {}
            Packet::ConnAck(_) | Packet::Disconnect(_) | Packet::Auth(_) => panic!("unasked: {packet:?}"),
        }
    }

    fn take(&mut self, publish: &Publish<'_>) {
        let PublishProperties { topic_alias, .. } = publish.properties;
        let topic = match (publish.topic, topic_alias) {
            ("", Some(alias)) => self.told_aliases.get(&alias.get()).expect("an alias that was told").clone(),
            (topic, alias) => {
                alias.and_then(|alias| self.told_aliases.insert(alias.get(), topic.to_owned()));
                topic.to_owned()
            }
        };
        self.delivered.push((topic, publish.payload.to_vec()));
        match (publish.qos, publish.packet_id) {
            (QoS::One, Some(id)) => self.owe(PubAck, id),
            (QoS::Two, Some(id)) => self.owe(PubRec, id),
            (QoS::Zero | QoS::One | QoS::Two, _) => {}
        }
    }

    fn owe(&mut self, packet_type: PacketType, id: NonZeroU16) {
        let mut bytes = Vec::new();
        encode::ack(self.version, packet_type, id, ReasonCode::Success, None, &mut bytes);
        self.owed.push_back(bytes);
    }
}

/// What both did at once.
type Step = [Vec<u8>; 2];

struct Conversation {
    pair: Pair,
    client: Peer,
    broker: Peer,
    steps: Vec<Step>,
}

impl Conversation {
    fn new(version: Version) -> Self {
        Self {
            pair: Pair::new(version, true),
            client: Peer::new(version, Direction::FromClient),
            broker: Peer::new(version, Direction::FromBroker),
            steps: Vec::new(),
        }
    }

    /// Both act on what they have been sent so far.
    fn step(&mut self, [client, broker]: [Choice; 2]) {
        let step = [self.client.act(client), self.broker.act(broker)];
        self.pair.feed(Direction::FromClient, &step[0]);
        self.pair.feed(Direction::FromBroker, &step[1]);
        self.read();
        self.steps.push(step);
    }

    fn read(&mut self) {
        assert_eq!(self.pair.end, None, "lawful peers are never parted");
        self.client.read(&self.pair.to_client);
        self.broker.read(&self.pair.to_broker);
    }

    /// Lets both pay what they owe, and holds that each got what was permitted, in order, and nothing else.
    fn finish(&mut self) {
        while !self.client.owed.is_empty() || !self.broker.owed.is_empty() {
            self.step([[0; 6]; 2]);
        }
        assert_eq!(self.client.sent, self.broker.delivered);
        assert_eq!(self.broker.sent, self.client.delivered);
        assert_eq!(self.pair.quarantined, self.client.held + self.broker.held);
        assert!(self.client.in_use.is_empty() && self.broker.in_use.is_empty());
        assert!(self.pair.connection.is_quiet());
        assert!(self.pair.refusals >= self.client.denied + self.broker.denied);
        assert_eq!((self.client.read, self.broker.read), (self.pair.to_client.len(), self.pair.to_broker.len()));
    }
}

/// The same steps, each peer's bytes cut where `cuts` say and `mixed` or one peer after the other, and other terms that say
/// the same put in force now and then.
fn replay(version: Version, steps: &[Step], cuts: &[u8], mixed: bool) -> Pair {
    let mut pair = Pair::new(version, true);
    let mut cuts = cuts.iter().cycle();
    for step in steps {
        let mut rest = [&step[0][..], &step[1][..]];
        while rest.iter().any(|rest| !rest.is_empty()) {
            let cut = cuts.next().copied().unwrap_or(2);
            let turn = mixed && cut & 1 == 1 && !rest[1].is_empty();
            let side = usize::from(turn || rest[0].is_empty());
            let (piece, behind) = rest[side].split_at(usize::from(cut / 2).min(rest[side].len()));
            rest[side] = behind;
            pair.feed([Direction::FromClient, Direction::FromBroker][side], piece);
            if cut % 5 == 0 {
                pair.adopt();
            }
        }
    }
    pair
}

/// The packets of a stream, in an order of their own.
fn frames(version: Version, direction: Direction, mut stream: &[u8]) -> Vec<Vec<u8>> {
    let limits = Limits::default();
    let context = Context { version, direction, limits: &limits };
    let mut frames = Vec::new();
    while let Some(frame) = context.frame(stream).unwrap() {
        frames.push(frame.bytes.to_vec());
        stream = &stream[frame.bytes.len()..];
    }
    assert!(stream.is_empty(), "nothing but whole packets");
    frames.sort();
    frames
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V31), Just(Version::V311), Just(Version::V50)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn lawful_peers_get_what_is_permitted(version in version(), choices in vec(any::<[Choice; 2]>(), 1..80)) {
        let mut conversation = Conversation::new(version);
        for choice in choices {
            conversation.step(choice);
        }
        conversation.finish();
        conversation.pair.check();
    }

    #[test]
    fn the_cuts_in_both_streams_change_nothing(
        version in version(),
        choices in vec(any::<[Choice; 2]>(), 1..60),
        cuts in vec(2..120_u8, 1..40),
    ) {
        let mut conversation = Conversation::new(version);
        for choice in choices {
            conversation.step(choice);
        }
        conversation.finish();
        let (steps, whole) = (&conversation.steps, &conversation.pair);
        let cut = replay(version, steps, &cuts, false);
        prop_assert_eq!(&cut.to_client, &whole.to_client);
        prop_assert_eq!(&cut.to_broker, &whole.to_broker);
        prop_assert_eq!(cut.refusals, whole.refusals);

        // With both under way at once, what the gateway adds comes between other packets, and nothing else differs.
        let mixed = replay(version, steps, &cuts, true);
        prop_assert_eq!(&mixed.end, &None);
        let (to_client, to_broker) = (Direction::FromBroker, Direction::FromClient);
        prop_assert_eq!(frames(version, to_client, &mixed.to_client), frames(version, to_client, &whole.to_client));
        prop_assert_eq!(frames(version, to_broker, &mixed.to_broker), frames(version, to_broker, &whole.to_broker));
        prop_assert!(mixed.connection.is_quiet());
    }

    #[test]
    fn a_lawful_conversation_with_bytes_gone_wrong_stays_bounded(
        version in version(),
        choices in vec(any::<[Choice; 2]>(), 1..40),
        wrong in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cuts in vec(2..120_u8, 1..40),
    ) {
        let mut conversation = Conversation::new(version);
        for choice in choices {
            conversation.step(choice);
        }
        let mut steps = conversation.steps;
        for (at, byte) in wrong {
            let index = at.index(steps.len());
            let side = usize::from(byte % 2);
            if !steps[index][side].is_empty() {
                let len = steps[index][side].len();
                steps[index][side][at.index(len)] ^= byte | 1;
            }
        }
        let spoilt = replay(version, &steps, &cuts, true);
        spoilt.check();
    }

    #[test]
    fn no_bytes_make_it_panic(data in vec(any::<u8>(), 0..600)) {
        connection::relay(&data);
    }
}
