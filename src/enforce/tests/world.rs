//! Both peers and the sockets between, played by byte strings.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{
    Accepted, At, Connection, Credentials, End, Guard, Kind, Opening, Output, Quarantined, Refusal, Terms, open,
};
use crate::identity::Identity;
use crate::mqtt::connect::Connect;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::packet::{Publish, PublishProperties};
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version, encode};

pub(super) use super::rules::{WORDS, policy, terms};

pub(super) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V50];

pub(super) fn identity() -> Identity {
    Identity::new("field".into(), ([192, 0, 2, 7], 50_000).into(), None)
}

pub(super) fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not zero")
}

pub(super) fn connect(version: Version) -> Connect<'static> {
    Connect { client_id: "temp-07", ..Connect::bare(version, true, 60) }
}

/// CONNECT with these properties, which only its decoder understands.
pub(super) fn connect_bytes(connect: &Connect<'_>, properties: &[Property<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::connect(connect, properties, &mut bytes);
    bytes
}

pub(super) fn connack(version: Version, properties: &[Property<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::connack(version, false, ReasonCode::Success, properties.iter().copied(), &mut bytes);
    bytes
}

pub(super) fn publish(version: Version, topic: &str, qos: QoS, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    publish_with(version, topic, qos, packet_id, payload, &[])
}

pub(super) fn publish_with(
    version: Version,
    topic: &str,
    qos: QoS,
    packet_id: u16,
    payload: &[u8],
    properties: &[Property<'_>],
) -> Vec<u8> {
    let mut block = Vec::new();
    encode::properties(properties.iter().copied(), &mut block);
    let mut bytes = Vec::new();
    let packet_id = NonZeroU16::new(packet_id);
    let properties = PublishProperties::default();
    encode::publish(
        version,
        &Publish { dup: false, qos, retain: false, topic, packet_id, properties, payload: &[] },
        &mut bytes,
    );
    // The length of an empty property block is its last byte, and the Remaining Length its second.
    assert!(bytes.len() < 130 && block.len() < 128);
    let mut body = bytes.split_off(2);
    if version == Version::V50 {
        body.pop();
        body.push(u8::try_from(block.len()).expect("short"));
        body.extend(block);
    }
    body.extend(payload);
    packet(bytes[0], &body)
}

/// A packet of any length from its first byte and its body.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).expect("seven bits");
        left /= 128;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// The same PUBLISH, marked as a repeat.
pub(super) fn dup(mut publish: Vec<u8>) -> Vec<u8> {
    publish[0] |= 0b1000;
    publish
}

pub(super) fn ack(version: Version, packet_type: PacketType, packet_id: u16) -> Vec<u8> {
    ack_with(version, packet_type, packet_id, ReasonCode::Success)
}

pub(super) fn ack_with(version: Version, packet_type: PacketType, packet_id: u16, reason: ReasonCode) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::ack(version, packet_type, id(packet_id), reason, None, &mut bytes);
    bytes
}

/// SUBSCRIBE at QoS 1 to each of these.
pub(super) fn subscribe(version: Version, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version == Version::V50 {
        body.push(0);
    }
    for filter in filters {
        body.extend(u16::try_from(filter.len()).expect("short").to_be_bytes());
        body.extend(filter.as_bytes());
        body.push(1);
    }
    packet(0x82, &body)
}

pub(super) fn unsubscribe(version: Version, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::unsubscribe(version, id(packet_id), None, filters.iter().copied(), &mut bytes);
    bytes
}

pub(super) fn suback(version: Version, packet_id: u16, codes: &[u8]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version == Version::V50 {
        body.push(0);
    }
    body.extend(codes);
    packet(0x90, &body)
}

pub(super) fn disconnect(code: u8) -> Vec<u8> {
    if code == 0 { vec![0xE0, 0] } else { vec![0xE0, 1, code] }
}

/// The whole of an opening, and the bytes that its CONNECT took.
pub(super) fn admit(now: Instant, bytes: &[u8], terms: Terms) -> Result<(Accepted, usize), Refusal> {
    let terms = Arc::new(terms);
    match open(bytes, &terms) {
        Opening::Asking(asking) => {
            let at = At { now, unix_millis: 0, ends: None };
            let accepted = asking.admit(&terms, asking.known(identity()), &Credentials::AsReceived, at)?;
            Ok((accepted, asking.consumed))
        }
        Opening::Refused(refusal) => Err(refusal),
        Opening::More => panic!("more of the CONNECT must come"),
    }
}

/// A running connection.
pub(super) struct World {
    pub(super) connection: Connection,
    pub(super) now: Instant,
    /// What the client and the broker have been sent since last asked.
    to_client: Vec<u8>,
    to_broker: Vec<u8>,
    tails: [Vec<u8>; 2],
    held: [bool; 2],
    /// `reason_label topic rule` of each event since last asked.
    pub(super) events: Vec<String>,
    /// What kind of event each was since last asked: `refused`, `observed`, `rewritten`, or what became of a message
    /// that is quarantined.
    kinds: Vec<&'static str>,
    /// What is to be published to the quarantine topic, since last asked.
    pub(super) quarantined: Vec<Quarantined>,
    pub(super) end: Option<End>,
    /// For each packet that began to wait, the rule that it waits for, since last asked.
    pub(super) waits: Vec<String>,
    /// What was too much whatever the policy says, since last asked.
    pub(super) guarded: Vec<Guard>,
}

impl World {
    /// After CONNECT.
    pub(super) fn opened(connect: &[u8], terms: Terms) -> Self {
        let now = Instant::now();
        let (accepted, consumed) = admit(now, connect, terms).expect("CONNECT is permitted");
        let Accepted { mut connection, rewritten } = accepted;
        connection.dialled(now);
        Self {
            connection,
            now,
            to_client: Vec::new(),
            to_broker: rewritten.map_or_else(|| connect[..consumed].to_vec(), |bytes| bytes.to_vec()),
            tails: [connect[consumed..].to_vec(), Vec::new()],
            held: [true, false],
            events: Vec::new(),
            kinds: Vec::new(),
            quarantined: Vec::new(),
            end: None,
            waits: Vec::new(),
            guarded: Vec::new(),
        }
    }

    /// After CONNACK, with nothing waiting to be asked for.
    pub(super) fn connected_with(
        version: Version,
        terms: Terms,
        connect_properties: &[Property<'_>],
        connack_properties: &[Property<'_>],
    ) -> Self {
        let mut world = Self::opened(&connect_bytes(&connect(version), connect_properties), terms);
        world.broker(&connack(version, connack_properties));
        assert_eq!(world.end, None);
        world.to_client.clear();
        world.to_broker.clear();
        world.events();
        world
    }

    pub(super) fn connected(version: Version) -> Self {
        Self::connected_with(version, terms(), &[], &[])
    }

    /// A session that may be from before.
    pub(super) fn resumed(version: Version) -> Self {
        let connect = Connect { clean_start: false, ..connect(version) };
        let mut world = Self::opened(&connect_bytes(&connect, &[]), terms());
        let mut connack = connack(version, &[]);
        if version != Version::V31 {
            connack[2] = 1;
        }
        world.broker(&connack);
        assert_eq!(world.end, None);
        world.to_client.clear();
        world.to_broker.clear();
        world.events();
        world
    }

    pub(super) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.feed(Direction::FromClient, bytes)
    }

    pub(super) fn broker(&mut self, bytes: &[u8]) -> &mut Self {
        self.feed(Direction::FromBroker, bytes)
    }

    fn feed(&mut self, from: Direction, bytes: &[u8]) -> &mut Self {
        self.take(from, bytes);
        let other = if from == Direction::FromClient { Direction::FromBroker } else { Direction::FromClient };
        if self.end.is_none() && self.held[index(other)] {
            self.take(other, &[]);
        }
        self
    }

    fn take(&mut self, from: Direction, bytes: &[u8]) {
        assert_eq!(self.end, None, "nothing comes after the end");
        self.tails[index(from)].extend_from_slice(bytes);
        let input = self.tails[index(from)].clone();
        let mut out = Output::default();
        let result = self.connection.receive(from, self.now, &input, &mut out);
        let (onward, back) = match from {
            Direction::FromClient => (&mut self.to_broker, &mut self.to_client),
            Direction::FromBroker => (&mut self.to_client, &mut self.to_broker),
        };
        out.onward.copy_to(&input, onward);
        back.extend_from_slice(&out.back);
        self.note(&out);
        self.quarantined.append(&mut out.quarantined);
        self.waits.extend(out.waits.iter().map(|rule| rule.as_str().to_owned()));
        self.guarded.append(&mut out.guarded);
        match result {
            Ok(received) => {
                for range in out.overtaken.iter().rev() {
                    self.tails[index(from)].drain(range.clone());
                }
                self.tails[index(from)].drain(..received.consumed);
                self.held[index(from)] = received.hold;
            }
            Err(end) => self.end = Some(end),
        }
    }

    fn note(&mut self, out: &Output) {
        for event in &out.events {
            let rule = match &event.kind {
                Kind::Refused { rule, .. } | Kind::Observed { rule, .. } | Kind::Throttled { rule } => rule.as_str(),
                Kind::Rewritten(_) => "-",
            };
            let topic = event.topic.as_ref().map_or("-", |topic| topic.as_str());
            assert_eq!(&*event.policy_version, "7");
            self.kinds.push(match &event.kind {
                Kind::Refused { quarantine: Some(outcome), .. } => outcome.label(),
                Kind::Refused { quarantine: None, .. }
                | Kind::Observed { .. }
                | Kind::Rewritten(_)
                | Kind::Throttled { .. } => event.kind.label(),
            });
            self.events.push(format!("{} {topic} {rule}", event.kind.reason_label()));
        }
    }

    /// Takes what the client was sent.
    pub(super) fn client_got(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_client)
    }

    /// Takes what the broker was sent.
    pub(super) fn broker_got(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_broker)
    }

    /// Takes what was recorded.
    pub(super) fn events(&mut self) -> Vec<String> {
        self.kinds.clear();
        std::mem::take(&mut self.events)
    }

    /// Takes what kinds of events there were.
    pub(super) fn kinds(&mut self) -> Vec<&'static str> {
        self.events.clear();
        std::mem::take(&mut self.kinds)
    }

    /// Puts other terms in force.
    pub(super) fn adopt(&mut self, terms: Terms, ends: Option<Instant>) -> &mut Self {
        let mut out = Output::default();
        let at = At { now: self.now, unix_millis: 0, ends };
        self.end = self.connection.adopt(at, &Arc::new(terms), &mut out).err();
        assert!(out.onward.segments.is_empty());
        self.to_client.extend_from_slice(&out.back);
        self.note(&out);
        self
    }

    /// The broker is gone.
    pub(super) fn lose_broker(&mut self) {
        let mut out = Output::default();
        self.end = Some(self.connection.lost(Direction::FromBroker, &mut out));
        self.to_client.extend_from_slice(&out.back);
        self.note(&out);
    }

    pub(super) fn is_held(&self, side: Direction) -> bool {
        self.held[index(side)]
    }

    /// The client's packet goes on as it is, and nothing else happens.
    #[track_caller]
    pub(super) fn client_passes(&mut self, bytes: &[u8]) -> &mut Self {
        self.client(bytes);
        assert_eq!(self.end, None);
        assert_eq!((self.broker_got(), self.client_got()), (bytes.to_vec(), Vec::new()));
        assert!(self.events.is_empty(), "{:?}", self.events);
        self
    }

    /// The broker's packet goes on as it is, and nothing else happens.
    #[track_caller]
    pub(super) fn broker_passes(&mut self, bytes: &[u8]) -> &mut Self {
        self.broker(bytes);
        assert_eq!(self.end, None);
        assert_eq!((self.client_got(), self.broker_got()), (bytes.to_vec(), Vec::new()));
        assert!(self.events.is_empty(), "{:?}", self.events);
        self
    }

    /// The client's packet stays here and is answered so.
    #[track_caller]
    pub(super) fn client_gets(&mut self, bytes: &[u8], answer: &[u8]) -> &mut Self {
        self.client(bytes);
        assert_eq!(self.end, None);
        assert_eq!((self.broker_got(), self.client_got()), (Vec::new(), answer.to_vec()));
        self
    }

    /// The broker's packet stays here and is answered so.
    #[track_caller]
    pub(super) fn broker_gets(&mut self, bytes: &[u8], answer: &[u8]) -> &mut Self {
        self.broker(bytes);
        assert_eq!(self.end, None);
        assert_eq!((self.client_got(), self.broker_got()), (Vec::new(), answer.to_vec()));
        self
    }

    /// The connection has ended like this, and the client was told so.
    #[track_caller]
    pub(super) fn ended(&mut self, cause: &str, blame: &str, to_client: &[u8]) {
        let end = self.end.as_ref().expect("an end");
        assert_eq!((end.cause.label(), end.blame.label()), (cause, blame));
        assert_eq!(self.client_got(), to_client);
    }

    pub(super) fn later(&mut self, by: Duration) -> &mut Self {
        self.now += by;
        self
    }

    /// Lets time go by, and presents what waits each time that it is due.
    pub(super) fn wait(&mut self, by: Duration) -> &mut Self {
        let then = self.now + by;
        for _ in 0..10_000 {
            let sides = [Direction::FromClient, Direction::FromBroker];
            let due = sides.into_iter().filter_map(|side| Some((self.connection.resumes(side)?, side)));
            let Some((at, side)) = due.min_by_key(|(at, _)| *at).filter(|(at, _)| *at <= then) else { break };
            self.now = self.now.max(at);
            self.feed(side, &[]);
            if self.end.is_some() {
                return self;
            }
        }
        self.now = then;
        self
    }

    /// Lets the clock strike.
    pub(super) fn tick(&mut self) -> &mut Self {
        let mut out = Output::default();
        if let Err(end) = self.connection.on_deadline(self.now, &mut out) {
            self.end = Some(end);
        }
        assert!(out.onward.segments.is_empty());
        self.to_client.extend_from_slice(&out.back);
        self
    }
}

fn index(side: Direction) -> usize {
    match side {
        Direction::FromClient => 0,
        Direction::FromBroker => 1,
    }
}
