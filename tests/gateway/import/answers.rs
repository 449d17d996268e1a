//! What one side answers to everything that the visitors of a world ask.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::papers;
use super::world::{Visitor, World};
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect, V5_0};

/// To one visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) connected: bool,
    /// By topic.
    pub(crate) published: BTreeMap<String, bool>,
    /// By filter.
    pub(crate) subscribed: BTreeMap<String, bool>,
    /// Topics of what arrived.
    pub(crate) delivered: BTreeSet<String>,
}

/// Everybody comes, publishes, subscribes, and is sent what the probe publishes, there where it comes as whom it is told.
/// With the answers come the topics that a broker took from the probe.
pub(crate) fn ask(world: &World, address: SocketAddr, probe: (SocketAddr, &Visitor)) -> (Vec<Answers>, Vec<String>) {
    let mut all: Vec<(Answers, Option<RawClient>)> =
        world.visitors.iter().map(|visitor| come(visitor, address)).collect();
    for (visitor, (answers, client)) in world.visitors.iter().zip(&mut all) {
        if let Some(client) = client {
            answers.published = publish(client, &visitor.publishes, "visitor");
        }
    }
    for (visitor, (answers, client)) in world.visitors.iter().zip(&mut all) {
        if let Some(client) = client {
            answers.subscribed = subscribe(client, &visitor.subscribes);
        }
    }
    // Where nobody is let in, the probe is not either.
    let (_, client) = come(probe.1, probe.0);
    let taken = client.map(|mut client| publish(&mut client, &world.delivered, "probe")).unwrap_or_default();
    for (answers, client) in &mut all {
        if let Some(client) = client {
            answers.delivered = delivered(client);
        }
    }
    let taken = taken.into_iter().filter(|(_, taken)| *taken).map(|(topic, _)| topic);
    (all.into_iter().map(|(answers, _)| answers).collect(), taken.collect())
}

fn come(visitor: &Visitor, address: SocketAddr) -> (Answers, Option<RawClient>) {
    let mut connect = Connect::new(V5_0, &visitor.client_id);
    let password = visitor.password.as_ref().map(|password| password.as_bytes().to_vec());
    connect.login = visitor.username.as_ref().map(|name| (name.clone(), password));
    let mut client = match &visitor.certificate {
        Some(name) => RawClient::try_dial_tls(address, papers::of(name)).expect("a handshake"),
        None => RawClient::dial(address),
    };
    client.send(&connect.bytes());
    let connack = client.frame();
    assert_eq!(connack.first(), Some(&0x20), "a CONNACK: {connack:02x?}");
    let connected = wire::body(&connack).get(1) == Some(&0);
    (Answers { connected, ..Answers::default() }, connected.then_some(client))
}

/// Publishes everything at QoS 1; what was taken, by topic.
fn publish(client: &mut RawClient, topics: &[String], payload: &str) -> BTreeMap<String, bool> {
    let mut bytes = Vec::new();
    for (id, topic) in (1_u16..).zip(topics) {
        bytes.extend(wire::publish(V5_0, 0x02, topic, id, &[], payload.as_bytes()));
    }
    client.send(&bytes);
    let mut taken = BTreeMap::new();
    for _ in topics {
        let frame = awaited(client, wire::PUBACK);
        let body = wire::body(&frame);
        let id = u16::from_be_bytes([body[0], body[1]]);
        let topic = &topics[usize::from(id) - 1];
        taken.insert(topic.clone(), body.get(2).is_none_or(|reason| *reason < 0x80));
    }
    taken
}

fn subscribe(client: &mut RawClient, filters: &[String]) -> BTreeMap<String, bool> {
    let mut bytes = Vec::new();
    for (id, filter) in (1_u16..).zip(filters) {
        bytes.extend(wire::subscribe(V5_0, id, &[(filter, 0)]));
    }
    client.send(&bytes);
    let mut taken = BTreeMap::new();
    for _ in filters {
        let frame = awaited(client, 0x90);
        let body = wire::body(&frame);
        let id = u16::from_be_bytes([body[0], body[1]]);
        taken.insert(filters[usize::from(id) - 1].clone(), body.last().is_some_and(|reason| *reason < 0x80));
    }
    taken
}

/// The next frame of this kind; what else comes is passed over.
fn awaited(client: &mut RawClient, first: u8) -> Vec<u8> {
    loop {
        let frame = client.frame();
        if frame.first() == Some(&first) {
            return frame;
        }
        assert_eq!(frame.first().map(|first| first & 0xf0), Some(0x30), "a PUBLISH or {first:02x}: {frame:02x?}");
    }
}

/// What has arrived: everything that was sent before comes before a PINGRESP.
fn delivered(client: &mut RawClient) -> BTreeSet<String> {
    client.send(&wire::PINGREQ);
    let mut topics = BTreeSet::new();
    loop {
        let frame = client.try_frame(Duration::from_secs(30)).expect("a PINGRESP at the latest");
        if frame == wire::PINGRESP {
            return topics;
        }
        let body = wire::body(&frame);
        if body.ends_with(b"probe") {
            let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
            topics.insert(String::from_utf8(body[2..2 + length].to_vec()).expect("a topic"));
        }
    }
}
