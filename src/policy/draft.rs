//! What a policy says, before it is compiled: plain data, as a file or an import gives it.

use std::collections::HashSet;
use std::time::Duration;

use super::{Features, PayloadRule, RateRule, SignatureRule};
use crate::identity::{Attribute, Pattern, Prefix};
use crate::mqtt::frame::QoS;

/// Every rule of a policy.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Names this state of the policy; appears in every event.
    pub version: String,
    /// Whether what is not permitted is refused.
    pub mode: Mode,
    /// Whether everything is permitted that no rule denies.
    pub permit_all: bool,
    /// What becomes of what no rule permits.
    pub on_deny: OnDeny,
    /// First level of the topics that quarantined messages are published to.
    pub quarantine_topic: String,
    /// Who is who.
    pub roles: Vec<Role>,
    /// What is permitted.
    pub grants: Vec<Grant>,
    /// What is denied, whatever grants say.
    pub denies: Vec<Deny>,
    /// What payloads must be.
    pub payloads: Vec<PayloadRule>,
    /// What signatures must be.
    pub signatures: Vec<SignatureRule>,
    /// How much may come, in how long.
    pub rates: Vec<RateRule>,
}

impl Draft {
    /// Where quarantined messages go when nothing else is said.
    pub const QUARANTINE_TOPIC: &'static str = "quarantine";

    /// A policy without a rule.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            mode: Mode::Enforce,
            permit_all: false,
            on_deny: OnDeny::Reject,
            quarantine_topic: Self::QUARANTINE_TOPIC.to_owned(),
            roles: Vec::new(),
            grants: Vec::new(),
            denies: Vec::new(),
            payloads: Vec::new(),
            signatures: Vec::new(),
            rates: Vec::new(),
        }
    }

    /// Whether anything of it quarantines messages.
    #[must_use]
    pub fn quarantines(&self) -> bool {
        let of_grants = self.grants.iter().map(|grant| grant.on_deny);
        let of_denies = self.denies.iter().map(|deny| deny.on_deny);
        let of_payloads = self.payloads.iter().map(|payload| payload.rule.on_deny);
        let of_signatures = self.signatures.iter().map(|signature| signature.rule.on_deny);
        let rules = of_grants.chain(of_denies).chain(of_payloads).chain(of_signatures);
        std::iter::once(self.on_deny).chain(rules).any(|on_deny| on_deny == OnDeny::Quarantine)
    }
}

/// Whether what is not permitted is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It goes on, and what would have happened is recorded.
    Monitor,
}

/// What becomes of what is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDeny {
    /// It is answered with a failure where there is one, and the connection goes on.
    #[default]
    Reject,
    /// As `Reject`, but the answer claims success.
    Acknowledge,
    /// The connection ends.
    Disconnect,
    /// As `Reject`, and the message is published to the quarantine topic.
    Quarantine,
    /// It goes on, and what would have happened is recorded.
    Monitor,
}

impl OnDeny {
    /// Every one, for references and metric families.
    pub const ALL: [Self; 5] = [Self::Reject, Self::Acknowledge, Self::Disconnect, Self::Quarantine, Self::Monitor];

    /// The word that policies and records use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Acknowledge => "acknowledge",
            Self::Disconnect => "disconnect",
            Self::Quarantine => "quarantine",
            Self::Monitor => "monitor",
        }
    }
}

/// What becomes of a subscription to more than is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Broad {
    /// It is refused.
    #[default]
    Refuse,
    /// It goes on as asked, and its deliveries are filtered.
    Filter,
}

/// Who gives way first when the gateway runs short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Those that can wait.
    Bulk,
    /// Between the two.
    #[default]
    Normal,
    /// Those that never do.
    Vital,
}

/// Clients that have something in common.
#[derive(Clone, Debug)]
pub struct Role {
    /// Unique.
    pub name: String,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// Names of identities; where given, the client's must be one.
    pub members: Option<HashSet<Box<str>>>,
    /// Whether its clients are refused anything.
    pub mode: Mode,
    /// What becomes of its clients' subscriptions to more than is granted.
    pub on_broad_subscription: Broad,
    /// How long its clients may stay connected.
    pub max_lifetime: Option<Duration>,
    /// Whether its clients give way when the gateway runs short.
    pub priority: Priority,
    /// What of the protocol its clients may make use of.
    pub features: Features,
}

impl Role {
    /// The role that every client has, whether a policy names it or not.
    pub const EVERYONE: &'static str = "everyone";

    /// A role with nothing said but its name: every client has it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            conditions: Vec::new(),
            members: None,
            mode: Mode::Enforce,
            on_broad_subscription: Broad::Refuse,
            max_lifetime: None,
            priority: Priority::Normal,
            features: Features::ALL,
        }
    }
}

/// One thing that must hold of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Some value of the attribute matches one of these.
    Text {
        /// What is looked at.
        attribute: Attribute,
        /// What it may be.
        any: Vec<Pattern>,
    },
    /// The client's address is in one of these.
    Address(Vec<Prefix>),
}

/// What some roles may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Unique among grants and denies; what records and Reason Strings show.
    pub id: String,
    /// Who; names of roles, or `everyone`.
    pub roles: Vec<String>,
    /// Topic Filters that may be published to.
    pub publish: Vec<String>,
    /// Topic Filters that may be subscribed and received.
    pub subscribe: Vec<String>,
    /// Topic Filters that may be received.
    pub receive: Vec<String>,
    /// The highest QoS of what is published or subscribed.
    pub max_qos: QoS,
    /// Whether retained messages may be published.
    pub retain: bool,
    /// The largest payload, either way.
    pub max_payload_bytes: Option<usize>,
    /// The share names that may be used; none given permits every one.
    pub share_groups: Option<Vec<String>>,
    /// When it holds; always where none is given.
    pub when: Option<Window>,
    /// Whether its limits refuse.
    pub mode: Mode,
    /// What becomes of what its limits refuse.
    pub on_deny: OnDeny,
}

impl Grant {
    /// A grant that speaks of nothing yet.
    #[must_use]
    pub fn new(id: &str, roles: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            publish: Vec::new(),
            subscribe: Vec::new(),
            receive: Vec::new(),
            max_qos: QoS::Two,
            retain: true,
            max_payload_bytes: None,
            share_groups: None,
            when: None,
            mode: Mode::Enforce,
            on_deny: OnDeny::Reject,
        }
    }
}

/// What some roles may not do, whatever grants say.
#[derive(Clone, Debug)]
pub struct Deny {
    /// Unique among grants and denies; what records and Reason Strings show.
    pub id: String,
    /// Who; empty is everyone.
    pub roles: Vec<String>,
    /// Whether they may not connect at all.
    pub connect: bool,
    /// Topic Filters that may not be published to.
    pub publish: Vec<String>,
    /// Topic Filters that may not be subscribed or received.
    pub subscribe: Vec<String>,
    /// Topic Filters that may not be received.
    pub receive: Vec<String>,
    /// Topic Filters that it leaves alone.
    pub except: Vec<String>,
    /// When it holds; always where none is given.
    pub when: Option<Window>,
    /// Whether it refuses.
    pub mode: Mode,
    /// What becomes of what it refuses.
    pub on_deny: OnDeny,
}

impl Deny {
    /// A denial that speaks of nothing yet, for everyone.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            roles: Vec::new(),
            connect: false,
            publish: Vec::new(),
            subscribe: Vec::new(),
            receive: Vec::new(),
            except: Vec::new(),
            when: None,
            mode: Mode::Enforce,
            on_deny: OnDeny::Reject,
        }
    }
}

/// Hours of the day in a time zone, on some days of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Whether the rule holds inside of the hours, or outside.
    pub inside: bool,
    /// Minutes after midnight when the hours begin.
    pub from: u16,
    /// Minutes after midnight when they are over, 1,440 at most. Not after `from`: they reach into the next day.
    pub to: u16,
    /// The days on which they begin, Monday first.
    pub days: [bool; 7],
    /// Whose clock.
    pub timezone: jiff::tz::TimeZone,
}
