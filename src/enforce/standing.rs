//! Who the client is and what it may do: settled at CONNECT, and again whenever the policy or the client's name changes.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use super::end::{Blame, Cause, End};
use super::event::{Event, Kind, Rewrite, Text};
use super::{At, Terms};
use crate::identity::Identity;
use crate::mqtt::Direction;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::{PacketType, QoS};
use crate::policy::{self, Authority, Decision, Denial, Message, OnDeny, Policy, Reason, Request};

/// A client, its authority, and what of its CONNECT is judged again.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) identity: Identity,
    pub(super) authority: Authority,
    /// Keys of the hashes by which subscriptions are counted: the same for the life of the connection.
    pub(super) keys: RandomState,
    /// What happened to CONNECT, until it can be told.
    pub(super) news: Vec<Event>,
    connect: policy::Connect,
    will: Option<Box<LastWill>>,
    /// When CONNECT was judged.
    began: Instant,
    /// When what proves the client's identity ends.
    proof_ends: Option<Instant>,
}

/// What is kept of a Will.
#[derive(Debug)]
struct LastWill {
    topic: Box<str>,
    response_topic: Option<Box<str>>,
    qos: QoS,
    retain: bool,
    payload_bytes: usize,
}

/// A Will as the policy is asked about it.
#[derive(Clone, Copy)]
struct Asked<'w> {
    message: Message<'w>,
    response_topic: Option<&'w str>,
}

impl LastWill {
    fn of(will: &Will<'_>) -> Self {
        Self {
            topic: will.topic.into(),
            response_topic: will.response_topic.map(Into::into),
            qos: will.qos,
            retain: will.retain,
            payload_bytes: will.payload.len(),
        }
    }

    /// Without its payload, which is not kept: a rule that must see it can't be evaluated, and denies.
    fn asked(&self) -> Asked<'_> {
        let message = Message {
            topic: &self.topic,
            qos: self.qos,
            retain: self.retain,
            payload_bytes: self.payload_bytes,
            payload: None,
            dup: false,
            properties: None,
        };
        Asked { message, response_topic: self.response_topic.as_deref() }
    }
}

impl<'w> Asked<'w> {
    const fn of(will: &Will<'w>) -> Self {
        let message = Message {
            topic: will.topic,
            qos: will.qos,
            retain: will.retain,
            payload_bytes: will.payload.len(),
            payload: Some(will.payload),
            dup: false,
            properties: Some(will.properties),
        };
        Self { message, response_topic: will.response_topic }
    }
}

impl Standing {
    /// Judges a CONNECT and its Will.
    ///
    /// # Errors
    /// The client may not be connected.
    pub(super) fn new(connect: &Connect<'_>, identity: Identity, terms: &Terms, at: At) -> Result<Self, End> {
        let mut standing = Self {
            authority: Authority::new(&terms.policy, &identity, at.unix_millis),
            identity,
            keys: terms.hash_keys.clone(),
            news: Vec::new(),
            connect: policy::Connect { version: connect.version, clean_start: connect.clean_start },
            will: None,
            began: at.now,
            proof_ends: at.ends,
        };
        standing.judge(connect.will.as_ref().map(Asked::of), Blame::Client)?;
        if connect.will.is_some_and(|will| will.payload_contradicts_format()) {
            return Err(End::refused(Cause::Refused(Reason::PayloadFormat), "payload_format_indicator"));
        }
        standing.will = connect.will.as_ref().map(|will| Box::new(LastWill::of(will)));
        Ok(standing)
    }

    /// Puts another policy in force.
    ///
    /// # Errors
    /// Under it the client may not be connected.
    pub(super) fn adopt(&mut self, policy: &Arc<Policy>, at: At) -> Result<(), End> {
        self.proof_ends = earliest(self.proof_ends, at.ends);
        if Arc::ptr_eq(policy, self.authority.policy()) {
            self.authority.set_time(at.unix_millis);
            return Ok(());
        }
        self.authority = Authority::new(policy, &self.identity, at.unix_millis);
        self.judge_again()
    }

    /// The broker names the client.
    ///
    /// # Errors
    /// By that name it may not be connected.
    pub(super) fn rename(&mut self, client_id: &str) -> Result<(), End> {
        if *self.identity.client_id == *client_id {
            return Ok(());
        }
        self.identity.client_id = client_id.into();
        self.authority.rebind(&self.identity);
        self.judge_again()
    }

    fn judge_again(&mut self) -> Result<(), End> {
        let will = self.will.take();
        let judged = self.judge(will.as_ref().map(|will| will.asked()), Blame::Gateway);
        self.will = will;
        judged
    }

    /// When the client must go.
    pub(super) fn ends(&self) -> Option<Instant> {
        let lifetime = self.authority.max_lifetime().and_then(|lifetime| self.began.checked_add(lifetime));
        earliest(self.proof_ends, lifetime)
    }

    /// Judges one request.
    pub(super) fn decide(&mut self, request: &Request<'_>) -> Decision {
        self.authority.decide(&self.identity, request)
    }

    /// Judges a Response Topic: it must be one that the client may receive.
    pub(super) fn decide_response(&mut self, topic: &str) -> Decision {
        let named = |denial: Denial| Denial { reason: Reason::ResponseTopic, ..denial };
        match self.decide(&Request::Respond(topic)) {
            Decision::Observe(denial, qos) => Decision::Observe(named(denial), qos),
            Decision::Deny(denial) => Decision::Deny(named(denial)),
            decision @ (Decision::Allow | Decision::AllowUpTo(_)) => decision,
        }
    }

    /// Whether a message must be there whole before it can be judged, or quarantined.
    pub(super) fn needs_payload(&mut self, request: &Request<'_>, response_topic: Option<&str>) -> bool {
        if self.authority.needs_payload(&self.identity, request) {
            return true;
        }
        let response = response_topic.map(|topic| self.decide_response(topic));
        matches!(response, Some(Decision::Deny(Denial { on_deny: OnDeny::Quarantine, .. })))
    }

    /// CONNECT, its Will, and where answers to that are to go.
    fn judge(&mut self, will: Option<Asked<'_>>, blame: Blame) -> Result<(), End> {
        let decision = self.decide(&Request::Connect(self.connect));
        self.heed(decision, None, blame)?;
        let Some(Asked { message, response_topic }) = will else { return Ok(()) };
        let decision = self.decide(&Request::Will(message));
        self.heed(decision, Some(message.topic), blame)?;
        let Some(topic) = response_topic else { return Ok(()) };
        let decision = self.decide_response(topic);
        self.heed(decision, Some(topic), blame)
    }

    fn heed(&mut self, decision: Decision, topic: Option<&str>, blame: Blame) -> Result<(), End> {
        match decision {
            Decision::Allow | Decision::AllowUpTo(_) => Ok(()),
            Decision::Observe(denial, _) => {
                self.note(Kind::observed(&denial), topic);
                Ok(())
            }
            Decision::Deny(denial) => {
                Err(End { blame, ..End::refused(Cause::Refused(denial.reason), denial.rule.as_str()) })
            }
        }
    }

    /// CONNECT went on changed.
    pub(super) fn rewritten(&mut self, rewrite: Rewrite) {
        self.note(Kind::Rewritten(rewrite), None);
    }

    fn note(&mut self, kind: Kind, topic: Option<&str>) {
        self.news.push(Event {
            kind,
            direction: Direction::FromClient,
            packet_type: PacketType::Connect,
            topic: topic.map(Text::new),
            policy_version: Arc::clone(self.authority.policy().version()),
        });
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
