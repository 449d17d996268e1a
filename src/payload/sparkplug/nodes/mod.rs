//! What one connection knows of edge nodes, each way.
//!
//! Judging ([`Nodes::judge`]) changes nothing; [`Nodes::settle`] does, once it is known whether the message goes on.
//!
//! **What a client publishes** is held to the sequence, where that is asked: its NDEATH is its Will, with the `bdSeq` of the
//! NBIRTH to come; NBIRTH, then the DBIRTHs of devices, then data, each with the `seq` that follows the last; a death is
//! that of a node or device which this connection has declared born, with its `bdSeq`. NBIRTH may begin with any `seq`: the
//! specification says 0 in one place [tck-id-topics-nbirth-seq-num] and 0 to 255 in another [tck-id-payloads-nbirth-seq].
//!
//! **A message that is refused** still counts: the next is held against its `seq`, so one bad value, or one gap, refuses one
//! message. A refused BIRTH puts its node, or device, out: nothing of it passes until a BIRTH does, since whoever
//! listens knows nothing of what it declared. Behind a message that can't be read, any `seq` is taken.
//!
//! **What is delivered to a client** is read for what it declares. Its sequence is not judged: a subscriber to some of the
//! topics sees gaps, and a host must see them to ask for a rebirth.
//!
//! Commands are resolved by the births that went the other way.

mod birth;
mod judging;
mod known;

use super::{Fault, FaultKind, MessageType, Metric, Payload, Topic};
use crate::payload::Value;
use birth::Birth;
use judging::Judging;
use known::Side;

/// Bounds on what is known of edge nodes one way. What would go beyond one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Edge nodes.
    pub nodes: usize,
    /// Devices of all of them.
    pub devices: usize,
    /// Metrics of all of them.
    pub metrics: usize,
    /// Bytes of all names.
    pub name_bytes: usize,
}

impl Bounds {
    /// For what a client publishes: the nodes and devices that it speaks for.
    pub const PUBLISHED: Self = Self { nodes: 64, devices: 1_000, metrics: 50_000, name_bytes: 4 << 20 };
    /// For what is delivered to a client: all that a host listens to.
    pub const RECEIVED: Self = Self { nodes: 2_000, devices: 20_000, metrics: 200_000, name_bytes: 16 << 20 };
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client.
    Published,
    /// From the client once it is gone: its Will.
    Will,
    /// To the client.
    Received,
}

/// What is asked of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// That they come in order.
    pub sequence: bool,
    /// That their metrics are those that a BIRTH declared.
    pub declared: bool,
}

/// A metric, its name found if it can be.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<'n, 'p> {
    /// Its name; none where it has but an alias that is not known.
    pub name: Option<&'n str>,
    /// As it stands in the payload.
    pub metric: Metric<'p>,
    /// Its value; none where its datatype is not known and matters.
    pub value: Option<Value<'p>>,
}

/// What a message changes.
#[derive(Debug)]
#[must_use]
pub struct Step {
    way: Way,
    /// The place of the edge node, where it is known.
    edge: Option<usize>,
    seq: Seq,
    what: What,
}

/// What becomes of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seq {
    Stays,
    /// The next follows this.
    Was(u8),
    /// Nobody can say what the next must be.
    Lost,
}

#[derive(Debug)]
enum What {
    Nothing,
    /// NDEATH is the Will, of this `bdSeq`.
    Registers(Box<Place>, u64),
    /// Of this `bdSeq`.
    NodeBirth(Box<Place>, Birth, Option<u64>),
    NodeDeath,
    DeviceBirth(Box<Place>, Box<str>, Birth),
    /// The device of this place.
    DeviceDeath(usize),
}

/// The names of an edge node.
#[derive(Debug)]
struct Place {
    group: Box<str>,
    node: Box<str>,
}

/// What one connection knows of edge nodes.
#[derive(Debug)]
pub struct Nodes {
    published: Side,
    received: Side,
}

impl Default for Nodes {
    fn default() -> Self {
        Self::new(Bounds::PUBLISHED, Bounds::RECEIVED)
    }
}

impl Nodes {
    /// Nothing yet.
    #[must_use]
    pub fn new(published: Bounds, received: Bounds) -> Self {
        Self { published: Side::new(published), received: Side::new(received) }
    }

    /// Judges a message, calls `each` for each of its metrics that can be read, and says what it changes. Goes on behind a
    /// fault as far as the payload can be read; the first is told.
    pub fn judge<'p>(
        &self,
        way: Way,
        topic: &Topic<'_>,
        payload: &Payload<'p>,
        asked: Asked,
        each: &mut dyn FnMut(&Named<'_, 'p>),
    ) -> (Step, Result<(), Fault>) {
        let Topic::Node { group, message, node, device } = *topic else {
            return (Step::nothing(way), Err(Fault::new(FaultKind::Topic)));
        };
        let side = self.side(way);
        let edge = side.place(group, node);
        let asked = Asked { sequence: asked.sequence && way != Way::Received, ..asked };
        let mut judging = Judging::new(side, edge, asked, payload, each);
        let place = || Box::new(Place { group: group.into(), node: node.into() });
        let device = device.unwrap_or_default();
        let (seq, what) = match (way, message) {
            (Way::Will, MessageType::NodeDeath) => judging.will(place),
            (Way::Will, _) => judging.other_will(),
            (_, MessageType::NodeBirth) => judging.node_birth(place),
            (_, MessageType::DeviceBirth) => judging.device_birth(place, device),
            (_, MessageType::NodeData) => judging.node_data(),
            (_, MessageType::DeviceData) => judging.device_data(device),
            (_, MessageType::NodeDeath) => judging.node_death(),
            (_, MessageType::DeviceDeath) => judging.device_death(device),
            (Way::Published, MessageType::NodeCommand) => judging.node_command(self.received.edge(group, node)),
            (Way::Received, MessageType::NodeCommand) => judging.node_command(self.published.edge(group, node)),
            (Way::Published, MessageType::DeviceCommand) => {
                judging.device_command(self.received.edge(group, node), device)
            }
            (Way::Received, MessageType::DeviceCommand) => {
                judging.device_command(self.published.edge(group, node), device)
            }
        };
        (Step { way, edge, seq, what }, judging.fault())
    }

    /// What a message changes whose payload can't be read at all.
    pub fn unread(&self, way: Way, topic: &Topic<'_>) -> Step {
        let Topic::Node { group, message, node, device } = *topic else { return Step::nothing(way) };
        let place = || Box::new(Place { group: group.into(), node: node.into() });
        let what = match message {
            _ if way == Way::Will => What::Nothing,
            MessageType::NodeBirth => What::NodeBirth(place(), Birth::default(), None),
            MessageType::DeviceBirth => What::DeviceBirth(place(), device.unwrap_or_default().into(), Birth::default()),
            MessageType::NodeDeath => What::NodeDeath,
            MessageType::NodeData | MessageType::NodeCommand => What::Nothing,
            MessageType::DeviceData | MessageType::DeviceDeath | MessageType::DeviceCommand => What::Nothing,
        };
        Step { way, edge: self.side(way).place(group, node), seq: Seq::Lost, what }
    }

    /// Does what a message changes, once it is known whether it goes on.
    pub fn settle(&mut self, step: Step, goes_on: bool) {
        match step.way {
            Way::Published | Way::Will => self.published.settle(step, goes_on),
            Way::Received => self.received.settle(step, goes_on),
        }
    }

    fn side(&self, way: Way) -> &Side {
        match way {
            Way::Published | Way::Will => &self.published,
            Way::Received => &self.received,
        }
    }
}

#[cfg(test)]
impl Nodes {
    pub(super) fn check(&self) {
        self.published.check();
        self.received.check();
    }
}

impl Step {
    const fn nothing(way: Way) -> Self {
        Self { way, edge: None, seq: Seq::Stays, what: What::Nothing }
    }
}
