//! What is answered, and who says so.

use std::fmt;
use std::sync::Arc;

use super::{Message, OnDeny, Reason, Request, Rewrite};
use crate::identity::Identity;
use crate::mqtt::frame::QoS;

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may happen.
    Allow,
    /// It may, at this QoS: a subscription alone, that asked for more.
    AllowUpTo(QoS),
    /// It may, because what denies is not enforced; this is what would have been said. A subscription goes on at this QoS
    /// where one is given: a limit that is enforced holds all the same.
    Observe(Denial, Option<QoS>),
    /// It may not.
    Deny(Denial),
}

/// Who said no, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule that denied; [`super::Policy::DEFAULT_RULE`] where none allowed.
    pub rule: RuleId,
    /// Why.
    pub reason: Reason,
    /// What becomes of it.
    pub on_deny: OnDeny,
    /// What of a payload is wrong.
    pub detail: Option<Box<Detail>>,
}

/// What of a payload is wrong, and where. Never a value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The field, the metric or the other topic that the rule looked at; empty where it is the whole.
    pub field: Box<str>,
    /// What is wrong, from a closed set of words.
    pub problem: &'static str,
}

impl Detail {
    /// The longest name of a field or topic that is told, in bytes.
    pub const MAX_FIELD_BYTES: usize = 128;
}

impl Denial {
    /// A refusal by a limit of this name.
    #[must_use]
    pub const fn limit(name: &'static str, reason: Reason) -> Self {
        Self { rule: RuleId::Limit(name), reason, on_deny: OnDeny::Reject, detail: None }
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
    /// It has nothing against it. What no grant allows stays denied.
    Allow,
    /// It denies it, whatever other rules say.
    Deny(Reason),
}

/// A rule about messages that is neither a [`super::Grant`] nor a [`super::Deny`].
pub trait Rule: fmt::Debug + Send + Sync {
    /// The id that records and Reason Strings show.
    fn id(&self) -> &str;

    /// What the rule says; it must deny what it should judge and cannot.
    fn judge(&self, identity: &Identity, request: &Request<'_>) -> Verdict;

    /// What becomes of what it denies.
    fn on_deny(&self) -> OnDeny {
        OnDeny::Reject
    }

    /// Whether the rule must see the payload of such a message. Topic, QoS, RETAIN and size are known; the payload is not.
    fn needs_payload(&self, identity: &Identity, message: &Message<'_>) -> bool;

    /// What of such a message goes on otherwise than it came, if it does.
    fn rewrite(&self, _: &Identity, _: &Request<'_>) -> Option<Box<Rewrite>> {
        None
    }

    /// The message that it judged last goes on.
    fn accepted(&self) {}
}
