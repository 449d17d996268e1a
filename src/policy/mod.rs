//! What an identity may do: [`Request`] in, [`Decision`] out.
//!
//! No rule, no access; one denial beats every permission, so the order of rules never matters. Pure: no IO, no clock, and
//! no error at run time, for a rule that cannot be evaluated denies. Not here: what the peer is told (`enforce`).
//! Read [`Authority::decide`] first: one identity under one policy. [`Draft`] is what a policy says, [`Policy`] what it
//! is compiled to.

mod authority;
mod draft;
mod reason;

use std::fmt;
use std::sync::Arc;

pub use authority::{Authority, Powers};
pub use draft::{Broad, Condition, Deny, Draft, DraftError, Grant, Mode, OnDeny, Prefix, Role, Window};
pub use reason::Reason;

use crate::identity::Identity;
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;

/// One thing that carries authority, as an identity asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// To be connected at all. Client Identifier and user name are in the [`Identity`].
    Connect(Connect),
    /// To have this message published when the connection is lost.
    Will(Message<'a>),
    /// To publish a message.
    Publish(Message<'a>),
    /// To subscribe with one Topic Filter.
    Subscribe(Subscription<'a>),
    /// To be delivered a message.
    Receive(Message<'a>),
    /// To have answers published to this Response Topic (5.0): it must be one that the requester may receive.
    Respond(&'a str),
}

/// What a CONNECT asks for beside its Will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Protocol version.
    pub version: Version,
    /// Clean Session (3.x) or Clean Start (5.0).
    pub clean_start: bool,
}

/// An application message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Topic Name; a Topic Alias is resolved.
    pub topic: &'a str,
    /// Quality of Service.
    pub qos: QoS,
    /// RETAIN flag.
    pub retain: bool,
    /// Bytes of the payload.
    pub payload_bytes: usize,
    /// The payload; `None` where the message is passed through in pieces because no rule asked for it
    /// ([`Policy::needs_payload`]).
    pub payload: Option<&'a [u8]>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("payload_bytes", &self.payload_bytes)
            .finish_non_exhaustive()
    }
}

/// One Topic Filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Topic Filter as sent, `$share/GROUP/` included.
    pub filter: &'a str,
    /// The QoS asked for.
    pub qos: QoS,
    /// Whether the SUBSCRIBE has a Subscription Identifier (5.0).
    pub has_identifier: bool,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may happen.
    Allow,
    /// It may, at this QoS: a subscription alone, that asked for more.
    AllowUpTo(QoS),
    /// It may, because nothing is enforced; this is what would have been said.
    Observe(Denial),
    /// It may not.
    Deny(Denial),
}

/// Who said no, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule that denied; [`Policy::DEFAULT_RULE`] where none allowed.
    pub rule: RuleId,
    /// Why.
    pub reason: Reason,
    /// What becomes of it.
    pub on_deny: OnDeny,
}

impl Denial {
    /// A refusal by a limit of this name.
    #[must_use]
    pub const fn limit(name: &'static str, reason: Reason) -> Self {
        Self { rule: RuleId::Limit(name), reason, on_deny: OnDeny::Reject }
    }
}

/// What a decision is attributed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleId {
    /// A limit of the gateway's own, by the name of its setting, or what is built in.
    Limit(&'static str),
    /// A rule of the policy.
    Rule(Arc<str>),
}

impl RuleId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Limit(name) => name,
            Self::Rule(id) => id,
        }
    }
}

/// What one rule says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not speak of such a request.
    Silent,
    /// It allows it, unless another rule denies.
    Allow,
    /// It denies it, whatever other rules say.
    Deny(Reason),
}

/// A rule about messages that is none of [`Grant`] and [`Deny`].
pub trait Rule: fmt::Debug + Send + Sync {
    /// The id that records and Reason Strings show.
    fn id(&self) -> &str;

    /// What the rule says; it must deny what it should judge and cannot.
    fn judge(&self, identity: &Identity, request: &Request<'_>) -> Verdict;

    /// Whether the rule must see the payload of such a message. Topic, QoS, RETAIN and size are known; the payload is not.
    fn needs_payload(&self, identity: &Identity, message: &Message<'_>) -> bool;
}

/// A set of rules under one version, shared by the connections that it judges.
#[derive(Debug)]
pub struct Policy {
    version: Arc<str>,
    draft: Draft,
    rules: Vec<Box<dyn Rule>>,
}

impl Policy {
    /// The rule id of a denial where no rule spoke.
    pub const DEFAULT_RULE: &'static str = "default";

    /// Compiles a policy.
    ///
    /// # Errors
    /// Everything that is wrong with the draft.
    pub fn new(draft: Draft) -> Result<Self, Vec<DraftError>> {
        Ok(Self { version: draft.version.as_str().into(), draft, rules: Vec::new() })
    }

    /// A policy that allows everything. Whoever loads it warns.
    #[must_use]
    pub fn permit_all(version: &str) -> Self {
        let draft = Draft { permit_all: true, ..Draft::new(version) };
        Self { version: version.into(), draft, rules: Vec::new() }
    }

    /// The same with further rules.
    #[must_use]
    pub fn with_rules(self, rules: Vec<Box<dyn Rule>>) -> Self {
        Self { rules, ..self }
    }

    /// The version that every event shows.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether everything is allowed that no rule denies.
    #[must_use]
    pub fn permits_all(&self) -> bool {
        self.draft.permit_all
    }

    /// Where quarantined messages go.
    #[must_use]
    pub fn quarantine_topic(&self) -> &str {
        &self.draft.quarantine_topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_stays_out_of_debug_output() {
        let message = Message { topic: "t", qos: QoS::Zero, retain: false, payload_bytes: 6, payload: Some(b"secret") };
        assert!(!format!("{message:?}").contains("115"), "no byte of it");
    }
}
