//! One connection under rules that share what is remembered with others, played by byte strings.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;

use tidegate::enforce::{Accepted, At, Connection, Credentials, End, Event, Kind, Opening, Output, Terms, open};
use tidegate::identity::Identity;
use tidegate::mqtt::connect::{Connect, Will};
use tidegate::mqtt::frame::{PacketType, QoS};
use tidegate::mqtt::packet::{Publish, PublishProperties};
use tidegate::mqtt::property::{Place, Properties, Property};
use tidegate::mqtt::reason::ReasonCode;
use tidegate::mqtt::{Direction, Limits, Version, encode};
use tidegate::policy::{Draft, Policy, Reason};
use tidegate::store::{Bounds, Store};

/// The time when a connection begins, in milliseconds since 1970.
pub(super) const START: i64 = 1_800_000_000_000;

/// One connection whose CONNACK has come, under rules that share what is remembered.
pub(super) struct World {
    pub(super) connection: Connection,
    now: Instant,
    pub(super) unix_millis: i64,
    to_client: Vec<u8>,
    to_broker: Vec<u8>,
    tails: [Vec<u8>; 2],
    pub(super) events: Vec<Event>,
    pub(super) end: Option<End>,
}

pub(super) fn identity(name: &str) -> Identity {
    let mut identity = Identity::new("field".into(), ([192, 0, 2, 7], 50_000).into(), None);
    identity.name = Some(name.into());
    identity
}

/// What all connections remember.
pub(super) fn memory() -> Arc<Store> {
    Arc::new(Store::new(&Bounds {
        max_histories: 100,
        max_facts: 100,
        max_nonces: 100,
        max_counters: 100,
        max_buckets: 100,
    }))
}

pub(super) fn terms(draft: Draft, memory: &Arc<Store>) -> Terms {
    let policy = Arc::new(Policy::new(draft).expect("a policy"));
    Terms { memory: Some(Arc::clone(memory) as _), ..Terms::new(Limits::default(), policy) }
}

pub(super) fn permit_all() -> Draft {
    Draft { permit_all: true, ..Draft::new("7") }
}

impl World {
    pub(super) fn new(version: Version, terms: Terms) -> Self {
        Self::open(version, terms, None).map_err(|end| end.cause).expect("CONNECT is permitted").0
    }

    /// The connection, and the CONNECT as it went on where it was changed.
    pub(super) fn open(version: Version, terms: Terms, will: Option<Will<'_>>) -> Result<(Self, Option<Vec<u8>>), End> {
        Self::open_as(version, terms, will, "temp-07", START)
    }

    pub(super) fn open_as(
        version: Version,
        terms: Terms,
        will: Option<Will<'_>>,
        name: &str,
        unix_millis: i64,
    ) -> Result<(Self, Option<Vec<u8>>), End> {
        let now = Instant::now();
        let connect = Connect { client_id: "temp-07", will, ..Connect::bare(version, true, 60) };
        let mut bytes = Vec::new();
        encode::connect(&connect, &[Property::RequestProblemInformation(false)], &mut bytes);
        let terms = Arc::new(terms);
        let Opening::Asking(asking) = open(&bytes, &terms) else { panic!("CONNECT is not understood") };
        let at = At { now, unix_millis, ends: None };
        let accepted = asking.admit(&terms, asking.known(identity(name)), &Credentials::AsReceived, at);
        let Accepted { connection, rewritten } = accepted.map_err(|refusal| refusal.end)?;
        let (to_client, to_broker, tails) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        let (events, end) = (Vec::new(), None);
        let mut world = Self { connection, now, unix_millis, to_client, to_broker, tails, events, end };
        let mut connack = Vec::new();
        encode::connack(version, false, ReasonCode::Success, None, &mut connack);
        world.send(Direction::FromBroker, &connack);
        world.to_client.clear();
        Ok((world, rewritten.map(|bytes| bytes.to_vec())))
    }

    pub(super) fn send(&mut self, from: Direction, bytes: &[u8]) {
        let tail = &mut self.tails[from as usize];
        tail.extend_from_slice(bytes);
        let mut out = Output::default();
        self.connection.set_time(self.unix_millis);
        let result = self.connection.receive(from, self.now, tail, &mut out);
        let (onward, back) = match from {
            Direction::FromClient => (&mut self.to_broker, &mut self.to_client),
            Direction::FromBroker => (&mut self.to_client, &mut self.to_broker),
        };
        out.onward.copy_to(tail, onward);
        back.extend_from_slice(&out.back);
        self.events.append(&mut out.events);
        match result {
            Ok(received) => drop(tail.drain(..received.consumed)),
            Err(end) => self.end = Some(end),
        }
    }

    /// What the sender was told, and what went on.
    pub(super) fn got(&mut self, from: Direction) -> (Vec<u8>, Vec<u8>) {
        let (client, broker) = (std::mem::take(&mut self.to_client), std::mem::take(&mut self.to_broker));
        if from == Direction::FromClient { (client, broker) } else { (broker, client) }
    }

    /// Whether a PUBLISH goes on as `expected`.
    #[track_caller]
    pub(super) fn turns_into(&mut self, from: Direction, bytes: &[u8], expected: &[u8]) {
        self.send(from, bytes);
        assert_eq!((self.end.clone(), self.got(from)), (None, (Vec::new(), expected.to_vec())));
    }

    #[track_caller]
    pub(super) fn passes(&mut self, from: Direction, bytes: &[u8]) {
        self.turns_into(from, bytes, bytes);
    }

    /// A PUBLISH at QoS 0 stays here.
    #[track_caller]
    pub(super) fn stays(&mut self, from: Direction, bytes: &[u8], reason: Reason) {
        self.turns_into(from, bytes, &[]);
        let Some(Event { kind: Kind::Refused { reason: told, .. }, .. }) = self.events.pop() else {
            panic!("no refusal");
        };
        assert_eq!(told, reason);
    }

    pub(super) fn later(&mut self, millis: i64) {
        self.unix_millis += millis;
    }

    pub(super) fn adopt(&mut self, terms: Terms) {
        let at = At { now: self.now, unix_millis: self.unix_millis, ends: None };
        let mut out = Output::default();
        self.end = self.connection.adopt(at, &Arc::new(terms), &mut out).err();
    }
}

pub(super) fn publish(version: Version, topic: &str, qos: QoS, id: u16, payload: &[u8]) -> Vec<u8> {
    publish_with(version, (topic, qos, id, false), payload, &[])
}

pub(super) fn publish_with(
    version: Version,
    (topic, qos, id, dup): (&str, QoS, u16, bool),
    payload: &[u8],
    properties: &[Property<'_>],
) -> Vec<u8> {
    let (mut block, mut bytes) = (Vec::new(), Vec::new());
    encode::properties(properties.iter().copied(), &mut block);
    let place = Place::Packet(PacketType::Publish);
    let all = Properties::new(&block, place, Direction::FromClient, &Limits::default()).unwrap();
    let properties = PublishProperties { all, ..PublishProperties::default() };
    let packet_id = NonZeroU16::new(id);
    let publish = Publish { dup, qos, retain: false, topic, packet_id, properties, payload };
    encode::publish(version, &publish, &mut bytes);
    bytes
}

pub(super) fn ack(version: Version, packet_type: PacketType, id: u16, code: ReasonCode) -> Vec<u8> {
    let code = if version == Version::V50 { code } else { ReasonCode::Success };
    let mut bytes = Vec::new();
    encode::ack(version, packet_type, NonZeroU16::new(id).unwrap(), code, None, &mut bytes);
    bytes
}
