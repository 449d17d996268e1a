//! What rules about rates say, before they are compiled.

use std::time::Duration;

use crate::policy::{Mode, Window};
use crate::rate::Rate;

/// How much may come, in how long.
#[derive(Clone, Debug)]
pub struct RateRule {
    /// Unique among the rules of a policy; what records and Reason Strings show.
    pub id: String,
    /// Whose; names of roles. None is everyone's.
    pub roles: Vec<String>,
    /// Topic Filters of messages that clients publish. With neither these nor `receive`, all that are published.
    pub publish: Vec<String>,
    /// Topic Filters of messages that are delivered to clients.
    pub receive: Vec<String>,
    /// What is counted together.
    pub per: Per,
    /// What is counted, each at most once.
    pub limits: Vec<(Unit, Rate)>,
    /// A message counts once for each so many bytes of payload that it begins; none is once, whatever it holds.
    pub weigh: Option<u64>,
    /// What becomes of what comes too fast; none is [`Excess::Throttle`] where that can be, else [`Excess::Reject`].
    pub on_excess: Option<Excess>,
    /// For how long who comes too fast is banned with [`Excess::Ban`], the first time.
    pub ban: Duration,
    /// Parts of the rate that are kept for roles.
    pub shares: Vec<Share>,
    /// When it holds.
    pub when: Option<Window>,
    /// Whether it is enforced.
    pub mode: Mode,
}

impl RateRule {
    /// For how long who comes too fast is banned when nothing else is said.
    pub const BAN: Duration = Duration::from_secs(300);

    /// A rule for everyone, that counts nothing yet.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            roles: Vec::new(),
            publish: Vec::new(),
            receive: Vec::new(),
            per: Per::Identity,
            limits: Vec::new(),
            weigh: None,
            on_excess: None,
            ban: Self::BAN,
            shares: Vec::new(),
            when: None,
            mode: Mode::Enforce,
        }
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Per {
    /// What one client does, whatever connections and Client Identifiers it uses: [`crate::identity::Identity::who`].
    #[default]
    Identity,
    /// What one client does under one Client Identifier.
    Client,
    /// What comes from one address; of IPv6, from 64 bits of it.
    Address,
    /// What comes from addresses that begin alike.
    Prefix {
        /// Leading bits of IPv4.
        ipv4: u8,
        /// Leading bits of IPv6.
        ipv6: u8,
    },
    /// What clients of one role do: of each that the rule names, or each that a client has.
    Role,
    /// What is published or delivered with one Topic Name.
    Topic,
    /// What comes by one listener.
    Listener,
    /// Everything.
    Gateway,
}

impl Per {
    /// Whether what is counted together is one client's, or comes from one place.
    #[must_use]
    pub const fn is_of_one_client(self) -> bool {
        match self {
            Self::Identity | Self::Client | Self::Address | Self::Prefix { .. } => true,
            Self::Role | Self::Topic | Self::Listener | Self::Gateway => false,
        }
    }

    /// The word that policies use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Client => "client",
            Self::Address => "address",
            Self::Prefix { .. } => "prefix",
            Self::Role => "role",
            Self::Topic => "topic",
            Self::Listener => "listener",
            Self::Gateway => "gateway",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Messages.
    Messages,
    /// Bytes of their payloads.
    Bytes,
    /// Packets that clients send, whatever they are.
    Packets,
    /// Connections.
    Connections,
    /// Topic Filters that are subscribed to.
    Subscriptions,
}

impl Unit {
    /// The word that policies use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Connections => "connections",
            Self::Subscriptions => "subscriptions",
        }
    }

    /// Whether it is about messages, and so may be about some topics only.
    #[must_use]
    pub const fn is_of_messages(self) -> bool {
        match self {
            Self::Messages | Self::Bytes => true,
            Self::Packets | Self::Connections | Self::Subscriptions => false,
        }
    }

    /// Whether it can wait.
    #[must_use]
    pub const fn can_wait(self) -> bool {
        match self {
            Self::Messages | Self::Bytes | Self::Packets => true,
            Self::Connections | Self::Subscriptions => false,
        }
    }
}

/// What becomes of what comes too fast, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Excess {
    /// It waits, and with it what comes behind it.
    Throttle,
    /// It is refused, and the connection goes on.
    Reject,
    /// The connection ends.
    Disconnect,
    /// The connection ends, and the client is shut out for a while.
    Ban,
}

impl Excess {
    /// The word that policies and records use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Reject => "reject",
            Self::Disconnect => "disconnect",
            Self::Ban => "ban",
        }
    }
}

/// A part of a rate that is kept for the clients of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The name of the role.
    pub role: String,
    /// How much of it, in thousandths.
    pub thousandths: u16,
}
