//! What an identity may do: [`Request`] in, [`Decision`] out.
//!
//! No rule, no access; one denial beats every permission, so the order of rules never matters. Pure: no IO, no clock, and
//! no error at run time, for a rule that cannot be evaluated denies. Not here: what the peer is told (`enforce`).
//! Read [`Policy::decide`] first.

mod reason;

use std::fmt;
use std::sync::Arc;

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
}

/// The answer to a [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'p> {
    /// It may happen.
    Allow,
    /// It may not.
    Deny(Denial<'p>),
}

/// Who said no, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial<'p> {
    /// Id of the rule that denied; [`Policy::DEFAULT_RULE`] where none allowed.
    pub rule: &'p str,
    /// Why.
    pub reason: Reason,
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

/// One rule of a policy.
pub trait Rule: fmt::Debug + Send + Sync {
    /// The id that records and Reason Strings show.
    fn id(&self) -> &str;

    /// What the rule says; it must deny what it should judge and cannot.
    fn judge(&self, identity: &Identity, request: &Request<'_>) -> Verdict;

    /// Whether the rule must see the payload of such a message. Topic, QoS, RETAIN and size are known; the payload is not.
    fn needs_payload(&self, identity: &Identity, message: &Message<'_>) -> bool;
}

/// A set of rules under one version.
#[derive(Debug)]
pub struct Policy {
    version: Arc<str>,
    permit_all: bool,
    rules: Vec<Box<dyn Rule>>,
}

impl Policy {
    /// The rule id of a denial where no rule spoke.
    pub const DEFAULT_RULE: &'static str = "default";

    /// A policy that allows what some rule allows and none denies.
    #[must_use]
    pub fn new(version: &str, rules: Vec<Box<dyn Rule>>) -> Self {
        Self { version: version.into(), permit_all: false, rules }
    }

    /// A policy that allows everything. Whoever loads it warns.
    #[must_use]
    pub fn permit_all(version: &str) -> Self {
        Self { version: version.into(), permit_all: true, rules: Vec::new() }
    }

    /// The version that every event shows.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether everything is allowed that no rule denies.
    #[must_use]
    pub fn permits_all(&self) -> bool {
        self.permit_all
    }

    /// Judges one request of `identity`.
    #[must_use]
    pub fn decide<'p>(&'p self, identity: &Identity, request: &Request<'_>) -> Decision<'p> {
        let mut allowed = self.permit_all;
        for rule in &self.rules {
            match rule.judge(identity, request) {
                Verdict::Silent => {}
                Verdict::Allow => allowed = true,
                Verdict::Deny(reason) => return Decision::Deny(Denial { rule: rule.id(), reason }),
            }
        }
        if allowed {
            Decision::Allow
        } else {
            Decision::Deny(Denial { rule: Self::DEFAULT_RULE, reason: Reason::NotAuthorized })
        }
    }

    /// Whether a message must be there whole, payload included, before it can be judged.
    #[must_use]
    pub fn needs_payload(&self, identity: &Identity, message: &Message<'_>) -> bool {
        self.rules.iter().any(|rule| rule.needs_payload(identity, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(&'static str, Verdict);

    impl Rule for Fixed {
        fn id(&self) -> &str {
            self.0
        }
        fn judge(&self, _: &Identity, _: &Request<'_>) -> Verdict {
            self.1
        }
        fn needs_payload(&self, _: &Identity, _: &Message<'_>) -> bool {
            false
        }
    }

    fn decide(policy: &Policy) -> Option<(&str, Reason)> {
        let identity = Identity::new("field".into(), ([127, 0, 0, 1], 1).into(), None);
        let request = Request::Connect(Connect { version: Version::V50, clean_start: true });
        match policy.decide(&identity, &request) {
            Decision::Allow => None,
            Decision::Deny(Denial { rule, reason }) => Some((rule, reason)),
        }
    }

    fn rules(verdicts: &[(&'static str, Verdict)]) -> Policy {
        Policy::new("1", verdicts.iter().map(|&(id, verdict)| Box::new(Fixed(id, verdict)) as Box<dyn Rule>).collect())
    }

    #[test]
    fn no_rule_is_no_access() {
        assert_eq!(decide(&rules(&[])), Some(("default", Reason::NotAuthorized)));
        assert_eq!(decide(&rules(&[("a", Verdict::Silent)])), Some(("default", Reason::NotAuthorized)));
        assert_eq!(decide(&Policy::permit_all("1")), None);
    }

    #[test]
    fn one_denial_beats_every_permission_in_any_order() {
        let (allow, deny) = (("a", Verdict::Allow), ("d", Verdict::Deny(Reason::Banned)));
        assert_eq!(decide(&rules(&[allow])), None);
        assert_eq!(decide(&rules(&[allow, deny, allow])), Some(("d", Reason::Banned)));
        assert_eq!(decide(&rules(&[deny, allow])), Some(("d", Reason::Banned)));
    }

    #[test]
    fn the_payload_stays_out_of_debug_output() {
        let message = Message { topic: "t", qos: QoS::Zero, retain: false, payload_bytes: 6, payload: Some(b"secret") };
        assert!(!format!("{message:?}").contains("115"), "no byte of it");
    }
}
