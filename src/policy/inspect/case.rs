//! One message, as rules about messages are asked about it.

use std::net::IpAddr;

use crate::identity::Identity;
use crate::payload::sparkplug::{Nodes, Step};
use crate::policy::memory::{Fact, History, Key, Memory};
use crate::policy::{Message, Request};

use super::super::judge::Action;

/// How a message comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Way {
    /// A client publishes it.
    Publish,
    /// It is to be published for a client once its connection is lost.
    Will,
    /// It is delivered to a client.
    Receive,
}

impl Way {
    /// The message of a request that is about one.
    pub(in crate::policy) const fn of<'r, 'm>(request: &'r Request<'m>) -> Option<(Self, &'r Message<'m>)> {
        match request {
            Request::Publish(message) => Some((Self::Publish, message)),
            Request::Will(message) => Some((Self::Will, message)),
            Request::Receive(message) => Some((Self::Receive, message)),
            Request::Connect(_) | Request::Subscribe(_) | Request::Respond(_) => None,
        }
    }

    pub(in crate::policy) const fn action(self) -> Action {
        match self {
            Self::Publish | Self::Will => Action::Publish,
            Self::Receive => Action::Receive,
        }
    }
}

/// How it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Run {
    /// For good: nonces are used up, and what is to be remembered is made ready.
    Real,
    /// Only to be told about it: nothing is used up or remembered.
    Dry,
    /// Once more: without what depends on when it was said.
    Again,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Case<'c> {
    pub(in crate::policy) identity: &'c Identity,
    pub(in crate::policy) message: &'c Message<'c>,
    /// What rules about payloads judge: the payload, without its signature where one was found good.
    pub(in crate::policy) payload: Option<&'c [u8]>,
    pub(in crate::policy) way: Way,
    pub(in crate::policy) run: Run,
    /// The time, in milliseconds since 1970.
    pub(in crate::policy) now: i64,
    pub(in crate::policy) memory: Option<&'c dyn Memory>,
    /// What the connection knows of edge nodes of Sparkplug.
    pub(in crate::policy) nodes: Option<&'c Nodes>,
    /// The group, edge node and device that metrics are of; their values are remembered by these, not by the topic.
    pub(in crate::policy) part: Option<[&'c str; 3]>,
}

impl<'c> Case<'c> {
    /// The same, of values that were taken long ago.
    pub(super) const fn of_the_past(&self) -> Self {
        Self { run: Run::Again, ..*self }
    }

    /// What values are of.
    pub(super) fn subject(&self) -> [&'c [u8]; 3] {
        match self.part {
            None => [self.message.topic.as_bytes(), b"", b""],
            Some(part) => part.map(str::as_bytes),
        }
    }

    /// By what the client is told from all others, and what that is: its name, where it is known, else its Client
    /// Identifier, which it chooses.
    pub(super) fn client(&self) -> [&'c [u8]; 2] {
        match &self.identity.name {
            Some(name) => [b"name", name.as_bytes()],
            None => [b"client", self.identity.client_id.as_bytes()],
        }
    }

    /// Whose values are held against one another. Who is proven to be nobody goes by its address: by another Client
    /// Identifier it would be somebody else whenever it likes.
    pub(super) fn author(&self) -> Author<'c> {
        match (&self.identity.name, self.way) {
            (None, Way::Publish | Way::Will) => Author::Address(network(self.identity.source.ip())),
            (Some(_), _) | (None, Way::Receive) => Author::Client(self.client()),
        }
    }

    /// The client, of what is kept over a restart.
    pub(super) fn client_key(&self) -> Key {
        let [kind, name] = self.client();
        Key::of(&[kind, name])
    }

    /// Who may deliver a message once more: the same client in the same session, the same way. Who is proven to be nobody
    /// must be where it was, too.
    pub(super) fn sender_key(&self) -> Key {
        let [kind, name] = self.client();
        let way: &[u8] = match self.way {
            Way::Publish => b"publish",
            Way::Will => b"will",
            Way::Receive => b"receive",
        };
        let network = network(self.identity.source.ip());
        let from: &[u8] = if self.identity.name.is_none() { &network } else { b"" };
        Key::of(&[kind, name, self.identity.client_id.as_bytes(), way, from])
    }

    /// Which way it goes.
    pub(super) const fn direction(&self) -> &'static [u8] {
        match self.way {
            Way::Publish | Way::Will => b"publish",
            Way::Receive => b"receive",
        }
    }
}

/// Whose values are held against one another.
pub(super) enum Author<'c> {
    /// Kind and name.
    Client([&'c [u8]; 2]),
    /// A network.
    Address([u8; 8]),
}

impl Author<'_> {
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Client(parts) => *parts,
            Self::Address(network) => [b"address", network],
        }
    }
}

/// An address of IPv4; of IPv6 the 64 bits that a host does not choose.
fn network(address: IpAddr) -> [u8; 8] {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(address) => {
            let [network @ .., _, _, _, _, _, _, _, _] = address.octets();
            network
        }
    }
}

/// What is to be remembered of a message once it goes on. Its lists keep the room that they have taken.
#[derive(Debug, Default)]
pub(in crate::policy) struct Pending {
    pub(super) histories: Vec<(Key, History, i64)>,
    pub(super) facts: Vec<(Key, Fact)>,
    /// What it changes in what is known of edge nodes, going on or not.
    pub(super) step: Option<Step>,
}

impl Pending {
    pub(in crate::policy) fn clear(&mut self) {
        self.histories.clear();
        self.facts.clear();
        self.step = None;
    }

    pub(in crate::policy) fn hand_over(&mut self, memory: &dyn Memory) {
        for (key, history, expires) in self.histories.drain(..) {
            memory.remember(key, history, expires);
        }
        for (key, fact) in self.facts.drain(..) {
            memory.learn(key, fact);
        }
    }
}
